//! Signers: who may vouch for a file, apart from who may wrap its key (format.md §§2, 4, 9).

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::Signer as _;
use sha2::{Digest, Sha256};

use crate::error::{Error, Kind};
use crate::format::{Id, Signature};

/// The public half of a signer's key: Ed25519 (RFC 8032), written as base64 of 32 bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct SignerKey(ed25519_dalek::VerifyingKey);

impl SignerKey {
    /// The signer's id: `hex(SHA-256("envconf/v1 signer" || 0 || public key)[..8])`.
    pub fn id(&self) -> Id {
        let digest =
            Sha256::new_with_prefix(b"envconf/v1 signer\0").chain_update(self.0.as_bytes()).finalize();
        let mut id = [0; 8];
        id.copy_from_slice(&digest[..8]);
        Id::new(id)
    }

    /// Whether `signature` is this signer's over the [`message`] of a file.
    ///
    /// Strict: besides S < L (RFC 8032 §5.1.7) it refuses keys and nonces of small order.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(signature);
        self.0.verify_strict(message, &signature).is_ok()
    }
}

impl FromStr for SignerKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bytes = STANDARD.decode(text).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        let key = bytes.and_then(|bytes| ed25519_dalek::VerifyingKey::from_bytes(&bytes).ok());
        key.filter(|key| !key.is_weak()).map(Self).ok_or_else(|| {
            Error::new(Kind::Usage, "a signer is not the base64 text of an Ed25519 public key")
                .advise("a public key has 44 characters, the last one `=`")
        })
    }
}

impl fmt::Display for SignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0.as_bytes()))
    }
}

impl fmt::Debug for SignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignerKey({self})")
    }
}

/// The private half of a signer's key; wiped on drop, `Debug` shows nothing.
#[derive(Clone)]
pub struct SigningKey(Box<ed25519_dalek::SigningKey>);

impl SigningKey {
    /// The signer whose RFC 8032 private key (seed) these 32 bytes are; the caller should wipe them.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(Box::new(ed25519_dalek::SigningKey::from_bytes(seed)))
    }

    /// The public half.
    pub fn public(&self) -> SignerKey {
        SignerKey(self.0.verifying_key())
    }

    /// Signs the [`message`] of a file.
    pub(crate) fn sign(&self, message: &[u8]) -> Signature {
        Signature { signer: self.public().id(), bytes: self.0.sign(message).to_bytes() }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey([REDACTED])")
    }
}

/// What is signed of a file, given through its last body line; made once for all its signers.
pub(crate) fn message(signed: &[u8]) -> Vec<u8> {
    [b"envconf/v1 sig\0", signed].concat()
}
