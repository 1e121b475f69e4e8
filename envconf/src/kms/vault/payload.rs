//! What is wrapped, and how a wrapped key looks (format.md §6, row `vault`).
//!
//! Transit binds no context in every version and for every operation, so the context is in what is wrapped: the payload
//! form, DEK || SHA-256(ctx).

use sha2::{Digest, Sha256};

use crate::base::{SecretBytes, same};
use crate::envelope::DataKey;
use crate::kms::json::{decoded, decoded_len};
use crate::kms::{Context, KmsError, WrappedKey};

const HASH: usize = 32;
/// Lengths of a payload: a data key of 16 or 32 bytes, and the hash.
const PAYLOADS: [usize; 2] = [16 + HASH, 32 + HASH];
/// What an AEAD key of transit adds: nonce and tag of AES-GCM and ChaCha20-Poly1305, and of XChaCha20-Poly1305.
const ADDED: [usize; 2] = [12 + 16, 24 + 16];

const NO_AEAD: &str = "the wrapped key was not made by an AEAD key of transit";
const NO_AEAD_ADVICE: &str = "use a key of type aes256-gcm96, aes128-gcm96, chacha20-poly1305 or xchacha20-poly1305; under an RSA key anybody could make a wrapped key";

/// The data key with the hash of its context.
pub(super) fn payload(dek: &DataKey, context: &Context) -> SecretBytes {
    let dek = dek.expose();
    let mut payload = SecretBytes::zeroed(dek.len() + HASH);
    let (key, hash) = payload.expose_mut().split_at_mut(dek.len());
    key.copy_from_slice(dek);
    hash.copy_from_slice(&Sha256::digest(context.as_json()));
    payload
}

/// The data key of a payload whose context is this one.
pub(super) fn data_key(payload: &SecretBytes, context: &Context) -> Result<DataKey, KmsError> {
    if !PAYLOADS.contains(&payload.expose().len()) {
        return Err(KmsError::other("what the service unwrapped has the wrong length")
            .advise("the wrapped key was not made by envconf; restore the .key from git"));
    }
    let (dek, hash) = payload.expose().split_at(payload.expose().len() - HASH);
    if !same(hash, &Sha256::digest(context.as_json())) {
        return Err(KmsError::other(
            "the wrapped key is of another name or environment (its context differs)",
        )
        .advise("restore the .key from git; check that the pair belongs to this environment"));
    }
    Ok(DataKey::from_bytes(dek))
}

/// Checks that this is a ciphertext of transit that an AEAD key made of a payload.
///
/// The type of the key is told by the length: reading it would take a further right.
pub(super) fn check_blob(blob: &str) -> Result<(), KmsError> {
    let len = blob_len(blob).ok_or_else(|| {
        KmsError::other("the wrapped key is no ciphertext of transit").advise("restore the .key from git")
    })?;
    let fits = PAYLOADS.iter().any(|payload| ADDED.iter().any(|added| payload + added == len));
    if fits { Ok(()) } else { Err(KmsError::other(NO_AEAD).advise(NO_AEAD_ADVICE)) }
}

/// Checks what the service made of a payload of this length.
pub(super) fn check_made(blob: &str, payload: usize) -> Result<(), KmsError> {
    match blob_len(blob) {
        Some(len) if ADDED.iter().any(|added| payload + added == len) => Ok(()),
        Some(_) => Err(KmsError::refused("the key of transit is not an AEAD key").advise(NO_AEAD_ADVICE)),
        None => Err(KmsError::other("the service gave no ciphertext of transit")),
    }
}

/// The version of the key that made it, as `vault:vN`.
pub(super) fn version(wrapped: &WrappedKey) -> Option<&str> {
    wrapped.as_str().rsplit_once(':').map(|(version, _)| version)
}

/// How many bytes follow `vault:vN:`, in strict base64.
fn blob_len(blob: &str) -> Option<usize> {
    let (version, base64) = blob.strip_prefix("vault:v")?.split_once(':')?;
    let is_version = (1..=10).contains(&version.len())
        && !version.starts_with('0')
        && version.bytes().all(|b| b.is_ascii_digit());
    // A longer one is none of ours; it need not be decoded to say so.
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
    use crate::format::{Id, Suite};
    use crate::kms::json::encoded;

    fn context(name: &str) -> Context {
        Context::new(&name.parse().unwrap(), &"prod".parse().unwrap(), Id::new([0; 8]))
    }

    #[test]
    fn a_payload_gives_its_data_key_in_its_context_only() {
        for suite in [Suite::Aes256Gcm, Suite::Aes128Gcm] {
            let dek = DataKey::generate(suite).unwrap();
            let payload = payload(&dek, &context("app"));
            assert_eq!(payload.expose().len(), suite.key_len() + 32);
            assert_eq!(data_key(&payload, &context("app")).unwrap().expose(), dek.expose());
            let error = data_key(&payload, &context("other")).unwrap_err();
            assert!(error.message.contains("context"), "{}", error.message);
            for len in [0, 16, 32, 47, 49, 63, 65, 96] {
                let other = SecretBytes::zeroed(len);
                assert!(data_key(&other, &context("app")).unwrap_err().message.contains("length"), "{len}");
            }
        }
    }

    #[test]
    fn an_aead_key_is_told_by_the_length() {
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
    fn a_ciphertext_is_spelled_one_way() {
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
            assert!(check_blob(&bad).unwrap_err().message.contains("no ciphertext"), "{bad}");
        }
    }
}
