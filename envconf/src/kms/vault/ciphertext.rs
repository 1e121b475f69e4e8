//! The form of transit's ciphertexts, `vault:vN:BASE64` (format.md §6, row `vault`).

use crate::kms::json::{decoded, decoded_len};
use crate::kms::{KmsError, WrappedKey, payload};

/// Number of bytes that an AEAD key of transit adds (nonce and tag): first for AES-GCM and ChaCha20-Poly1305, then for
/// XChaCha20-Poly1305.
const ADDED: [usize; 2] = [12 + 16, 24 + 16];

const NO_AEAD: &str = "the wrapped key was not made with an AEAD key of transit";
const NO_AEAD_ADVICE: &str = "use a key of type aes256-gcm96, aes128-gcm96, chacha20-poly1305 or xchacha20-poly1305; with an RSA key, anybody could make a wrapped key";

/// Checks that the text is a ciphertext of transit, and that an AEAD key encrypted a payload in it.
///
/// The length shows the type of the key. Reading the type from the server would need another right.
pub(super) fn check_blob(blob: &str) -> Result<(), KmsError> {
    let len = blob_len(blob).ok_or_else(|| {
        KmsError::other("the wrapped key is not a ciphertext of transit").advise("restore the .key from git")
    })?;
    let fits = payload::LENGTHS.iter().any(|payload| ADDED.iter().any(|added| payload + added == len));
    if fits { Ok(()) } else { Err(KmsError::other(NO_AEAD).advise(NO_AEAD_ADVICE)) }
}

/// Checks the ciphertext that the service returned for a payload of this length.
pub(super) fn check_made(blob: &str, payload: usize) -> Result<(), KmsError> {
    match blob_len(blob) {
        Some(len) if ADDED.iter().any(|added| payload + added == len) => Ok(()),
        Some(_) => Err(KmsError::refused("the key of transit is not an AEAD key").advise(NO_AEAD_ADVICE)),
        None => Err(KmsError::other("the service returned no ciphertext of transit")),
    }
}

/// Returns the version of the key that made a wrapped key, as `vault:vN`.
pub(super) fn version(wrapped: &WrappedKey) -> Option<&str> {
    wrapped.as_str().rsplit_once(':').map(|(version, _)| version)
}

/// Returns the number of bytes that follow `vault:vN:` in strict base64; `None` for any other text.
fn blob_len(blob: &str) -> Option<usize> {
    let (version, base64) = blob.strip_prefix("vault:v")?.split_once(':')?;
    let is_version = (1..=10).contains(&version.len())
        && !version.starts_with('0')
        && version.bytes().all(|b| b.is_ascii_digit());
    // A longer text is not a wrapped data key, so do not decode it.
    let is_short = decoded_len(base64) <= 1024;
    match (is_version, is_short) {
        (true, true) => decoded(base64).map(|bytes| bytes.expose().len()),
        (true, false) => Some(decoded_len(base64)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kms::json::encoded;

    #[test]
    fn the_length_shows_an_aead_key() {
        let blob = |len: usize| format!("vault:v12:{}", *encoded(&vec![7; len]));
        for len in [76, 88, 92, 104] {
            assert!(check_blob(&blob(len)).is_ok(), "{len}");
        }
        // AES-CBC, RSA, and nothing.
        for len in [0, 16, 48, 64, 75, 77, 80, 91, 93, 96, 105, 256, 384, 512, 4096] {
            let error = check_blob(&blob(len)).unwrap_err();
            assert!(error.message.contains("AEAD"), "{len}: {}", error.message);
        }
        assert!(check_made(&blob(92), 64).is_ok() && check_made(&blob(104), 64).is_ok());
        assert!(check_made(&blob(76), 48).is_ok() && check_made(&blob(88), 48).is_ok());
        for (len, payload) in [(76, 64), (92, 48), (88, 64), (104, 48), (256, 64), (96, 64), (80, 48)] {
            assert!(check_made(&blob(len), payload).is_err(), "{len} of {payload}");
        }
    }

    #[test]
    fn other_spellings_of_a_ciphertext_are_rejected() {
        let base64 = encoded(&[7; 92]);
        assert!(check_blob(&format!("vault:v1:{}", *base64)).is_ok());
        for bad in [
            format!("vault:v0:{}", *base64),
            format!("vault:v01:{}", *base64),
            format!("vault:v:{}", *base64),
            format!("vault:v+1:{}", *base64),
            format!("vault:v12345678901:{}", *base64),
            format!("vault:1:{}", *base64),
            format!("Vault:v1:{}", *base64),
            format!("bao:v1:{}", *base64),
            format!(" vault:v1:{}", *base64),
            format!("vault:v1:{} ", *base64),
            format!("vault:v1:{}", base64.trim_end_matches('=')),
            format!("vault:v1:{}", base64.replacen('B', "-", 1)),
            (*base64).clone(),
            String::new(),
        ] {
            assert!(check_blob(&bad).unwrap_err().message.contains("not a ciphertext"), "{bad}");
        }
    }
}
