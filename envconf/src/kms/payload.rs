//! The payload form of a wrapped key: the data key, then the SHA-256 of its context (format.md §6).
//!
//! Key services that cannot authenticate a context wrap this form. After the key service has unwrapped it, envconf
//! compares the hash and rejects a wrapped key of another name or environment.

use sha2::{Digest as _, Sha256};

use crate::base::{SecretBytes, same};
use crate::envelope::DataKey;
use crate::kms::{Context, KmsError};

const HASH: usize = 32;
/// Lengths of a payload in bytes: a data key of 16 or 32 bytes, and the hash.
pub(super) const LENGTHS: [usize; 2] = [16 + HASH, 32 + HASH];

/// Returns the payload of this data key and context.
pub(super) fn payload(dek: &DataKey, context: &Context) -> SecretBytes {
    let dek = dek.expose();
    let mut payload = SecretBytes::zeroed(dek.len() + HASH);
    let (key, hash) = payload.expose_mut().split_at_mut(dek.len());
    key.copy_from_slice(dek);
    hash.copy_from_slice(&Sha256::digest(context.as_json()));
    payload
}

/// Returns the data key of a payload.
///
/// # Errors
///
/// [`Fault::Other`](crate::base::Fault::Other) for a payload of another length or another context.
pub(super) fn data_key(payload: &SecretBytes, context: &Context) -> Result<DataKey, KmsError> {
    if !LENGTHS.contains(&payload.expose().len()) {
        return Err(KmsError::other("the unwrapped text has the wrong length for a data key of envconf")
            .advise("restore the .key from git"));
    }
    let (dek, hash) = payload.expose().split_at(payload.expose().len() - HASH);
    if !same(hash, &Sha256::digest(context.as_json())) {
        return Err(KmsError::other(
            "the wrapped key belongs to another name or environment (its context differs)",
        )
        .advise("restore the .key from git; check that the pair belongs to this environment"));
    }
    Ok(DataKey::from_bytes(dek))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{Id, Suite};

    fn context(name: &str) -> Context {
        Context::new(&name.parse().unwrap(), &"prod".parse().unwrap(), Id::new([0; 8]))
    }

    #[test]
    fn a_payload_is_accepted_in_its_own_context_only() {
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
}
