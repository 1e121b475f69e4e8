//! Signing keys and their public halves (format.md §§2, 4, 9).

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::Signer as _;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::base::key_ref::SIGNER_PREFIX;
use crate::base::{Error, Kind, SecretBytes, private_file};
use crate::envelope;
use crate::format::{EncFile, Id, Signature};

const SEED: usize = 32;
const SEED_B64: usize = SEED.div_ceil(3) * 4;
const ID_HEX: usize = 16;
/// Prefix, id, colon, base64 of the seed.
const TEXT: usize = SIGNER_PREFIX.len() + ID_HEX + 1 + SEED_B64;

/// The public half of a signer's key: Ed25519 (RFC 8032), written as base64 of 32 bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct SignerKey(ed25519_dalek::VerifyingKey);

impl SignerKey {
    /// Returns the signer's id: `hex(SHA-256("envconf/v1 signer" || 0 || public key)[..8])`.
    pub fn id(&self) -> Id {
        let digest =
            Sha256::new_with_prefix(b"envconf/v1 signer\0").chain_update(self.0.as_bytes()).finalize();
        let mut id = [0; 8];
        id.copy_from_slice(&digest[..8]);
        Id::new(id)
    }

    /// Returns true if `signature` is this signer's signature of the [`message`] of a file.
    ///
    /// The check is strict: it requires S < L (RFC 8032 §5.1.7), and rejects keys and nonces of small order.
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
            Error::new(Kind::Usage, "invalid signer: expected the base64 text of an Ed25519 public key")
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
///
/// Its text is `envconf-signer-v1:<signer id>:<base64 of the 32-byte seed>`, with the id of its public half, and at
/// most one line feed after it. A file with this text has mode 0600, like a local key.
#[derive(Clone)]
pub struct SigningKey(Box<ed25519_dalek::SigningKey>);

impl SigningKey {
    /// Returns a fresh key.
    ///
    /// # Errors
    /// [`Kind::Unexpected`] if the operating system returns no random bytes.
    pub fn generate() -> Result<Self, Error> {
        let seed = SecretBytes::random(SEED).map_err(envelope::no_randomness)?;
        Ok(Self::of(&seed))
    }

    fn of(seed: &SecretBytes) -> Self {
        let seed = seed.expose().first_chunk().expect("a seed has 32 bytes");
        Self::from_seed(seed)
    }

    /// Returns the key as text. This is the secret itself: store it where only the signer can read it.
    pub fn expose_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(TEXT + 1)); // and a line feed
        text.push_str(SIGNER_PREFIX);
        text.push_str(&self.public().id().to_string());
        text.push(':');
        STANDARD.encode_string(self.0.as_bytes(), &mut text);
        text
    }

    /// Writes the key to a new file that only its owner can read.
    ///
    /// # Errors
    /// [`Kind::Io`], also if the file exists: a key is never overwritten.
    pub fn create(&self, path: &Path) -> Result<(), Error> {
        let mut text = self.expose_text();
        text.push('\n'); // within its capacity, see `expose_text`
        private_file::create(path, text.as_bytes())
    }

    /// Reads a key from a file that only its owner can change, and only its owner and group can read.
    ///
    /// # Errors
    /// [`Kind::Io`] for a file that cannot be read; [`Kind::InsecureKeyFile`] for one that is not regular, does not
    /// belong to the user or root, or has any of the mode bits 0037; [`Kind::Usage`] for one without a signing key.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let unreadable = |error: std::io::Error| {
            let is_missing = error.kind() == std::io::ErrorKind::NotFound;
            let error = Error::read(path, error);
            if is_missing { error.advise("create a signing key with `envconf signer new`") } else { error }
        };
        let file = private_file::open_without_waiting(path).map_err(unreadable)?;
        private_file::check(&file, path, "signing key")?;
        // Room for a key with its line feed, and one more byte.
        let mut buffer = SecretBytes::zeroed(TEXT + 2);
        let len = private_file::fill(file, &mut buffer).map_err(unreadable)?;
        Self::parse(&buffer.expose()[..len]).ok_or_else(|| malformed().at(path))
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let rest = text.strip_suffix(b"\n").unwrap_or(text).strip_prefix(SIGNER_PREFIX.as_bytes())?;
        let (id, b64) = rest.split_at_checked(ID_HEX)?;
        let b64 = b64.strip_prefix(b":").filter(|b64| b64.len() == SEED_B64)?;
        let mut seed = SecretBytes::zeroed(SEED);
        let decoded = STANDARD.decode_slice(b64, seed.expose_mut()) == Ok(SEED);
        let this = decoded.then(|| Self::of(&seed))?;
        (this.public().id().to_string().as_bytes() == id).then_some(this)
    }

    /// Returns the signing key with this RFC 8032 private key (seed). The caller wipes the seed.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(Box::new(ed25519_dalek::SigningKey::from_bytes(seed)))
    }

    /// Returns the public half.
    pub fn public(&self) -> SignerKey {
        SignerKey(self.0.verifying_key())
    }

    /// Signs the [`message`] of a file.
    pub(crate) fn sign(&self, message: &[u8]) -> Signature {
        Signature { signer: self.public().id(), bytes: self.0.sign(message).to_bytes() }
    }
}

fn malformed() -> Error {
    Error::new(Kind::Usage, "invalid signing key, or its id does not match")
        .advise("a signing key is one line, envconf-signer-v1:<id>:<base64>; copy it whole, or create one with `envconf signer new`")
}

impl FromStr for SigningKey {
    type Err = Error;

    /// Parses the key's text, with at most one line feed after it.
    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text.as_bytes()).ok_or_else(malformed)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey([REDACTED])")
    }
}

/// Returns the message that signers of a file sign. `signed` is the file through its last body line.
pub(crate) fn message(signed: &[u8]) -> Vec<u8> {
    [b"envconf/v1 sig\0", signed].concat()
}

/// Returns the number of these signers that have signed the file. Signatures of others are ignored.
///
/// # Errors
/// [`Kind::BadSignature`] for an invalid signature of one of these signers.
pub(crate) fn valid_signatures(file: &EncFile, enc: &[u8], signers: &[SignerKey]) -> Result<usize, Error> {
    let message = message(&enc[..file.m]);
    let mut valid = 0;
    for signature in &file.signatures {
        let Some(signer) = signers.iter().find(|signer| signer.id() == signature.signer) else {
            continue;
        };
        if !signer.verifies(&message, &signature.bytes) {
            return Err(Error::new(
                Kind::BadSignature,
                format!("the signature of signer {} does not verify", signature.signer),
            )
            .advise("the file was changed after it was signed; do not deploy it"));
        }
        valid += 1;
    }
    Ok(valid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_back_from_its_text() {
        let key = SigningKey::generate().unwrap();
        let text = key.expose_text();
        assert_eq!(text.len(), TEXT);
        assert_eq!(text.parse::<SigningKey>().unwrap().public(), key.public());
        assert!(format!("{}\n", *text).parse::<SigningKey>().is_ok());
        let other = SigningKey::generate().unwrap().public().id().to_string();
        for bad in [
            format!("{}\n\n", *text),
            format!(" {}", *text),
            text[..TEXT - 1].into(),
            text.replace("v1", "v2"),
            text.replace(&key.public().id().to_string(), &other),
            String::new(),
        ] {
            assert_eq!(bad.parse::<SigningKey>().unwrap_err().kind(), Kind::Usage);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_key_file_is_never_overwritten_and_must_be_private() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("signer");
        let key = SigningKey::generate().unwrap();
        key.create(&path).unwrap();
        assert_eq!(key.create(&path).unwrap_err().exit_code(), 11);
        assert_eq!(SigningKey::read(&path).unwrap().public(), key.public());
        for mode in [0o604, 0o620, 0o610, 0o601, 0o602] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(SigningKey::read(&path).unwrap_err().kind(), Kind::InsecureKeyFile, "{mode:o}");
        }
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&path, [key.expose_text().as_bytes(), b"\n\n"].concat()).unwrap();
        assert_eq!(SigningKey::read(&path).unwrap_err().kind(), Kind::Usage);
        assert_eq!(SigningKey::read(directory.path()).unwrap_err().kind(), Kind::InsecureKeyFile);
        assert_eq!(SigningKey::read(&directory.path().join("no")).unwrap_err().exit_code(), 10);
    }
}
