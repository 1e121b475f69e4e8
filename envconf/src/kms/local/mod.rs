//! Local keys: a key in a file or variable (format.md §6, "local").
//!
//! A local key needs no service and no network. A key that it wrapped is authentic. Everyone who has the local key can
//! unwrap and forge every key that it wraps.

mod store;
mod stored_signers;

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use aes_gcm::Aes256Gcm;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

pub use self::store::{KeyStore, StoredKey, key_in_project};
pub use self::stored_signers::StoredSigner;

use super::{Context, KmsError, WrappedKey};
use crate::base::key_ref::{LOCAL_PREFIX, LOCAL_PROVIDER};
use crate::base::{Error, KeyRef, Kind, SecretBytes, private_file, same};
use crate::envelope::{self, DataKey};

const KEK: usize = 32;
const KID_HEX: usize = 16;
const SALT: usize = 32;
const NONCE: usize = 12;
/// The length of a key as text: prefix, kid, colon, base64 of the key.
const TEXT: usize = LOCAL_PREFIX.len() + KID_HEX + 1 + KEK.div_ceil(3) * 4;

/// A local key: 32 random bytes that wrap data keys. Wiped on drop; `Debug` shows only its id.
#[derive(Clone)]
pub struct LocalKey {
    kek: SecretBytes,
    key: KeyRef,
}

impl LocalKey {
    /// Generates a key.
    ///
    /// # Errors
    /// [`Kind::Unexpected`] if the operating system returns no random bytes.
    pub fn generate() -> Result<Self, Error> {
        Ok(Self::of(SecretBytes::random(KEK).map_err(envelope::no_randomness)?))
    }

    fn of(kek: SecretBytes) -> Self {
        let mut kid = [0; KID_HEX / 2];
        envelope::hkdf(kek.expose(), b"", &[b"envconf/v1 kid"], &mut kid);
        let kid = crate::format::Id::new(kid).to_string();
        let key = KeyRef::new(LOCAL_PROVIDER, "-", &kid).expect("16 hex digits are a key id");
        Self { kek, key }
    }

    /// Returns the key's reference, `local:-:<kid>`. Public.
    pub fn key_ref(&self) -> &KeyRef {
        &self.key
    }

    /// Returns the key as text, `envconf-local-v1:<kid>:<base64>`. This is the raw secret: store it where only its
    /// users can read it.
    pub fn expose_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(TEXT + 1)); // and a line feed
        text.push_str(LOCAL_PREFIX);
        text.push_str(self.key.key_id());
        text.push(':');
        STANDARD.encode_string(self.kek.expose(), &mut text);
        text
    }

    /// Writes the key to a new file that only its owner can read.
    ///
    /// # Errors
    /// [`Kind::Io`], also if the file exists: envconf never overwrites a key.
    pub fn create(&self, path: &Path) -> Result<(), Error> {
        let mut text = self.expose_text();
        text.push('\n'); // within its capacity, see `expose_text`
        private_file::create(path, text.as_bytes())
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let rest = text.strip_suffix(b"\n").unwrap_or(text).strip_prefix(LOCAL_PREFIX.as_bytes())?;
        let (kid, b64) = rest.split_at_checked(KID_HEX)?;
        let b64 = b64.strip_prefix(b":").filter(|b64| b64.len() == KEK.div_ceil(3) * 4)?;
        let mut kek = SecretBytes::zeroed(KEK);
        let decoded = STANDARD.decode_slice(b64, kek.expose_mut()) == Ok(KEK);
        let this = decoded.then(|| Self::of(kek))?;
        same(this.key.key_id().as_bytes(), kid).then_some(this)
    }

    /// Reads a key from a file. Only its owner may be able to change the file, and only owner and group may be able to
    /// read it.
    ///
    /// # Errors
    /// [`Kind::BadLocalKey`] for a file that is missing, unreadable or contains something else;
    /// [`Kind::InsecureKeyFile`] for one that is not regular, not the user's or root's, or has any of the mode bits
    /// 0037 (format.md §6).
    pub fn read(path: &Path) -> Result<Self, Error> {
        let unreadable = |error: std::io::Error| {
            let advice = match error.kind() {
                std::io::ErrorKind::PermissionDenied => {
                    "make the file readable for the user that runs this process, and for nobody else"
                }
                _ => "create a key with `envconf keygen`, or set ENVCONF_KEY_FILE to the right file",
            };
            Error::new(
                Kind::BadLocalKey,
                format!("cannot read the local key: {}", crate::base::error::reason(&error)),
            )
            .at(path)
            .caused_by(error)
            .advise(advice)
        };
        let file = private_file::open_without_waiting(path).map_err(unreadable)?;
        private_file::check(&file, path, "local key")?;
        // Room for the longest key and one byte more.
        let mut buffer = SecretBytes::zeroed(TEXT + 2);
        let len = private_file::fill(file, &mut buffer).map_err(unreadable)?;
        Self::parse(&buffer.expose()[..len]).ok_or_else(|| malformed().at(path))
    }

    /// Wraps a data key with a new random salt.
    pub(crate) fn wrap(&self, dek: &DataKey, context: &Context) -> Result<WrappedKey, Error> {
        self.wrap_with_salt(dek, context, &envelope::random_32()?)
            .ok_or_else(|| Error::new(Kind::Unexpected, "the cipher refused to encrypt"))
    }

    /// Wraps a data key with this salt. A salt must be used once only (format.md §6).
    pub(crate) fn wrap_with_salt(
        &self,
        dek: &DataKey,
        context: &Context,
        salt: &[u8; SALT],
    ) -> Option<WrappedKey> {
        let okm = self.okm(salt);
        let (key, nonce) = okm.expose().split_at(KEK);
        let mut sealed = SecretBytes::copy_of(dek.expose());
        let tag = envelope::encrypt::<Aes256Gcm>(key, nonce, &aad(context), sealed.expose_mut())?;
        WrappedKey::new(STANDARD.encode([&salt[..], sealed.expose(), &tag].concat()))
    }

    /// Unwraps a data key.
    pub(crate) fn unwrap(&self, wrapped: &WrappedKey, context: &Context) -> Result<DataKey, KmsError> {
        let refused = || {
            KmsError::other("this local key cannot unwrap the data key").advise(
                "the .key file was modified, or it belongs to another pair: restore it with `git checkout`",
            )
        };
        let blob = STANDARD.decode(wrapped.as_str()).map_err(|_| refused())?;
        if ![SALT + 32, SALT + 48].contains(&blob.len()) {
            return Err(refused());
        }
        let (salt, sealed) = blob.split_first_chunk::<SALT>().ok_or_else(refused)?;
        let okm = self.okm(salt);
        let (key, nonce) = okm.expose().split_at(KEK);
        let mut opened = SecretBytes::copy_of(sealed);
        if !envelope::decrypt::<Aes256Gcm>(key, nonce, &aad(context), opened.expose_mut()) {
            return Err(refused());
        }
        let dek_len = sealed.len() - crate::format::TAG;
        Ok(DataKey::from_bytes(&opened.expose()[..dek_len]))
    }

    pub(crate) fn okm(&self, salt: &[u8; SALT]) -> SecretBytes {
        let mut okm = SecretBytes::zeroed(KEK + NONCE);
        envelope::hkdf(self.kek.expose(), salt, &[b"envconf/v1 wrap"], okm.expose_mut());
        okm
    }
}

/// Returns the associated data: `ctx || \0 || dek id`.
fn aad(context: &Context) -> Vec<u8> {
    format!("{}\0{}", context.as_json(), context.dek()).into_bytes()
}

fn malformed() -> Error {
    Error::new(Kind::BadLocalKey, "not a local key, or its id does not belong to it")
        .advise("copy the whole line envconf-local-v1:<id>:<base64>, or create a key with `envconf keygen`")
}

impl FromStr for LocalKey {
    type Err = Error;

    /// Parses the key's text, with at most one line feed after it.
    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text.as_bytes()).ok_or_else(malformed)
    }
}

impl TryFrom<&str> for LocalKey {
    type Error = Error;

    fn try_from(text: &str) -> Result<Self, Error> {
        text.parse()
    }
}

impl fmt::Debug for LocalKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LocalKey({}, [REDACTED])", self.key)
    }
}

/// Parses local keys that are separated by commas, blanks or line feeds. Wipes the text.
///
/// # Errors
/// [`Kind::BadLocalKey`] if any is malformed.
pub(crate) fn parse_several(text: Zeroizing<String>) -> Result<Vec<LocalKey>, Error> {
    let words = text.split(|c: char| c == ',' || c.is_ascii_whitespace()).filter(|word| !word.is_empty());
    words.map(str::parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Id;

    fn context() -> Context {
        Context::new(&"app".parse().unwrap(), &"prod".parse().unwrap(), Id::new([7; 8]))
    }

    #[test]
    fn a_key_survives_its_text_form() {
        let key = LocalKey::generate().unwrap();
        let text = key.expose_text();
        assert_eq!(text.len(), TEXT);
        assert_eq!(text.parse::<LocalKey>().unwrap().key_ref(), key.key_ref());
        assert!(format!("{}\n", *text).parse::<LocalKey>().is_ok());
        for bad in [
            format!("{}\n\n", *text),
            format!(" {}", *text),
            text[..TEXT - 1].into(),
            text.replace("v1", "v2"),
            String::new(),
        ] {
            assert_eq!(bad.parse::<LocalKey>().unwrap_err().kind(), Kind::BadLocalKey);
        }
    }

    #[test]
    fn a_key_with_the_id_of_another_key_is_rejected() {
        let (a, b) = (LocalKey::generate().unwrap(), LocalKey::generate().unwrap());
        let mixed = a.expose_text().replace(a.key_ref().key_id(), b.key_ref().key_id());
        assert_eq!(mixed.parse::<LocalKey>().unwrap_err().kind(), Kind::BadLocalKey);
    }

    #[test]
    fn a_wrapped_key_is_unwrapped_in_its_context_only() {
        let key = LocalKey::generate().unwrap();
        for len in [16, 32] {
            let dek = DataKey::from_bytes(&vec![9; len]);
            let wrapped = key.wrap(&dek, &context()).unwrap();
            assert_eq!(key.unwrap(&wrapped, &context()).unwrap().expose(), dek.expose());
            let staging = Context::new(&"app".parse().unwrap(), &"staging".parse().unwrap(), Id::new([7; 8]));
            let other_id = Context::new(&"app".parse().unwrap(), &"prod".parse().unwrap(), Id::new([8; 8]));
            assert!(key.unwrap(&wrapped, &staging).is_err());
            assert!(key.unwrap(&wrapped, &other_id).is_err());
            assert!(LocalKey::generate().unwrap().unwrap(&wrapped, &context()).is_err());
        }
        assert!(key.unwrap(&WrappedKey::new("AAAA").unwrap(), &context()).is_err());
        assert!(key.unwrap(&WrappedKey::new("no~base64").unwrap(), &context()).is_err());
    }

    #[test]
    fn debug_shows_the_id_only() {
        let key = LocalKey::generate().unwrap();
        let shown = format!("{key:?}");
        assert!(shown.contains(key.key_ref().key_id()));
        assert!(!shown.contains(&key.expose_text()[LOCAL_PREFIX.len() + KID_HEX + 1..]));
    }
}
