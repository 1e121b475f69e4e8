//! The data key, and encryption under it: key derivation, commitment, AEAD and MACs (format.md §§2, 4, 5).

pub(crate) mod outline;
pub(crate) mod signing_key;

pub use self::signing_key::{SignerKey, SigningKey};

use std::fmt;

use aes_gcm::aead::{AeadInOut, Nonce, Tag};
use aes_gcm::{Aes128Gcm, Aes256Gcm, KeyInit};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use crate::base::{Error, Kind, Plaintext, SecretBytes, same, stack_wipe};
use crate::format::{
    ContentType, EncFile, Header, Id, MAX_CONTENT, PADDING, Suite, TAG, reserve_rest, write_body,
};

const NONCE: usize = 12;
/// The plaintext begins with the content's length, `u32` big-endian (format.md §3).
const LENGTH: usize = 4;

/// Bytes of stack that AES and SHA-256 use, also without optimisation. `tests/memory.rs` fails if they use more.
const CIPHER_STACK: usize = 16 * 1024;
const HASH_STACK: usize = 4 * 1024;

/// A data key: it encrypts one configuration in one environment, and key services wrap it.
///
/// Wiped on drop; `Debug` shows nothing. [`DataKey::generate`] or a key service creates it.
#[derive(Clone)]
pub struct DataKey(SecretBytes);

impl DataKey {
    /// Generates a data key of the suite's length.
    ///
    /// # Errors
    /// [`Kind::Unexpected`] if the operating system returns no random bytes.
    pub fn generate(suite: Suite) -> Result<Self, Error> {
        Ok(Self(SecretBytes::random(suite.key_len()).map_err(no_randomness)?))
    }

    /// Returns the data key that a key service has unwrapped, from its raw bytes. The caller wipes the bytes.
    ///
    /// Opening a file checks the length against the suite of the file.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(SecretBytes::copy_of(bytes))
    }

    /// Returns a data key already in a separate buffer.
    #[cfg(any(feature = "tencent", feature = "aws"))]
    pub(crate) fn from_secret(bytes: SecretBytes) -> Self {
        Self(bytes)
    }

    /// Returns the raw bytes, for a key service to wrap.
    pub fn expose(&self) -> &[u8] {
        self.0.expose()
    }

    /// Returns the key that authenticates a section of a `.key` (format.md §5).
    pub(crate) fn mac_key(&self) -> SecretBytes {
        self.derive(b"", &[b"envconf/v1 key-mac"])
    }

    /// Returns the MAC of a section: `parts` are the file's first three lines and the section's lines before its
    /// `mac`.
    pub(crate) fn section_mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        hmac(self.mac_key().expose(), parts)
    }

    /// Returns the key of the outline's tags (format.md §7).
    pub(crate) fn outline_key(&self, name: &str, environment: &str) -> SecretBytes {
        self.derive(b"", &[b"envconf/v1 outline\0", name.as_bytes(), b"\0", environment.as_bytes()])
    }

    fn derive(&self, salt: &[u8], info: &[&[u8]]) -> SecretBytes {
        let mut out = SecretBytes::zeroed(32);
        hkdf(self.expose(), salt, info, out.expose_mut());
        out
    }

    /// Derives content key, nonce and commitment for a salt and a header (format.md §4).
    pub(crate) fn content_keys(&self, suite: Suite, salt: &[u8; 32], h0: &[u8]) -> ContentKeys {
        let header = Sha256::digest(h0);
        let mut okm = SecretBytes::zeroed(suite.key_len() + NONCE);
        let mut commit = [0; 32];
        hkdf_each(
            self.expose(),
            salt,
            [
                (&[b"envconf/v1 content\0", &header], okm.expose_mut()),
                (&[b"envconf/v1 commit\0", &header], &mut commit),
            ],
        );
        ContentKeys { suite, okm, commit }
    }

    /// Returns the salt of a seal (format.md §4). Different headers or contents have different salts, even with the
    /// same `random`.
    pub(crate) fn hedged_salt(&self, random: &[u8; 32], header: &[u8], content: &[u8]) -> [u8; 32] {
        let key = self.derive(b"", &[b"envconf/v1 salt"]);
        hmac(key.expose(), &[random, &Sha256::digest(header), &Sha256::digest(content)])
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey([REDACTED])")
    }
}

/// The keys of one seal.
pub(crate) struct ContentKeys {
    suite: Suite,
    /// Key, then nonce.
    pub(crate) okm: SecretBytes,
    pub(crate) commit: [u8; 32],
}

impl ContentKeys {
    fn encrypt(&self, aad: &[u8], buffer: &mut [u8]) -> Option<[u8; TAG]> {
        let (key, nonce) = self.okm.expose().split_at(self.suite.key_len());
        match self.suite {
            Suite::Aes256Gcm => encrypt::<Aes256Gcm>(key, nonce, aad, buffer),
            Suite::Aes128Gcm => encrypt::<Aes128Gcm>(key, nonce, aad, buffer),
        }
    }

    fn decrypt(&self, aad: &[u8], buffer: &mut [u8]) -> bool {
        let (key, nonce) = self.okm.expose().split_at(self.suite.key_len());
        match self.suite {
            Suite::Aes256Gcm => decrypt::<Aes256Gcm>(key, nonce, aad, buffer),
            Suite::Aes128Gcm => decrypt::<Aes128Gcm>(key, nonce, aad, buffer),
        }
    }
}

/// Encrypts `buffer` in place and returns the tag; `None` if key or nonce have the wrong length for the cipher.
pub(crate) fn encrypt<C: KeyInit + AeadInOut>(
    key: &[u8],
    nonce: &[u8],
    aad: &[u8],
    buffer: &mut [u8],
) -> Option<[u8; TAG]> {
    stack_wipe::wiped_after::<CIPHER_STACK, _>(|| {
        let cipher = C::new_from_slice(key).ok()?;
        let nonce = <&Nonce<C>>::try_from(nonce).ok()?;
        let tag = cipher.encrypt_inout_detached(nonce, aad, buffer.into()).ok()?;
        tag.as_slice().try_into().ok()
    })
}

/// Decrypts `buffer`, which ends with its tag, in place. Returns false, and leaves the buffer unchanged, if it is not
/// authentic.
pub(crate) fn decrypt<C: KeyInit + AeadInOut>(
    key: &[u8],
    nonce: &[u8],
    aad: &[u8],
    buffer: &mut [u8],
) -> bool {
    let Some((text, tag)) = buffer.split_last_chunk_mut::<TAG>() else { return false };
    stack_wipe::wiped_after::<CIPHER_STACK, _>(|| {
        let (Ok(cipher), Ok(nonce), Ok(tag)) =
            (C::new_from_slice(key), <&Nonce<C>>::try_from(nonce), <&Tag<C>>::try_from(&tag[..]))
        else {
            return false;
        };
        cipher.decrypt_inout_detached(nonce, aad, text.into(), tag).is_ok()
    })
}

/// Seals `content`: returns the bytes of an `.enc`, signed by `signers` (format.md §4).
///
/// `random` is R, 32 bytes for the salt's derivation.
///
/// # Errors
/// [`Kind::TooLarge`] for content above 64 MiB; [`Kind::BadDek`] for a data key whose length does not fit the suite.
pub(crate) fn seal(
    header: &Header,
    content: &[u8],
    dek: &DataKey,
    random: &[u8; 32],
    signers: &[SigningKey],
) -> Result<Vec<u8>, Error> {
    if content.len() > MAX_CONTENT {
        return Err(Error::content_too_large());
    }
    check_length(dek, header.suite)?;
    let mut file = header.emit();
    let salt = dek.hedged_salt(random, &file, content);
    push_field(&mut file, "salt", &salt);
    let keys = dek.content_keys(header.suite, &salt, &file);
    push_field(&mut file, "commit", &keys.commit);
    file.extend_from_slice(b"body:\n");

    let mut body = padded(content);
    let text_len = body.expose().len() - TAG;
    let tag = keys
        .encrypt(&file, &mut body.expose_mut()[..text_len])
        .ok_or_else(|| Error::new(Kind::Unexpected, "the cipher refused to encrypt"))?;
    body.expose_mut()[text_len..].copy_from_slice(&tag);
    reserve_rest(&mut file, body.expose().len(), signers.len());
    write_body(&mut file, body.expose());

    let mut signatures = Vec::new();
    if !signers.is_empty() {
        let message = signing_key::message(&file);
        signatures.extend(signers.iter().map(|signer| signer.sign(&message)));
    }
    signatures.sort_by_key(|signature| signature.signer);
    signatures.dedup_by_key(|signature| signature.signer);
    crate::format::write_signatures(&mut file, &signatures);
    Ok(file)
}

fn push_field(file: &mut Vec<u8>, field: &str, value: &[u8; 32]) {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(value);
    file.extend_from_slice(format!("{field}: {text}\n").as_bytes());
}

/// Returns the plaintext of format.md §3, and room for the tag: length, content, zeros up to the next multiple of
/// 1024.
fn padded(content: &[u8]) -> SecretBytes {
    let mut buffer = SecretBytes::zeroed((LENGTH + content.len()).next_multiple_of(PADDING) + TAG);
    let bytes = buffer.expose_mut();
    // Content is at most 64 MiB, which the caller has checked.
    bytes[..LENGTH].copy_from_slice(&(content.len() as u32).to_be_bytes());
    bytes[LENGTH..LENGTH + content.len()].copy_from_slice(content);
    buffer
}

/// Opens a parsed `.enc` in place with its data key: steps 10 and 12 to 14 of format.md §4.
///
/// # Errors
/// [`Kind::BadDek`], [`Kind::CommitMismatch`], [`Kind::TagMismatch`], [`Kind::BadPlaintext`], in this order.
pub(crate) fn open(file: EncFile, dek: &DataKey) -> Result<(Header, Plaintext), Error> {
    let keys = check_commit(&file, dek)?;
    let EncFile { header, head, mut body, .. } = file;
    if !keys.decrypt(&head, body.expose_mut()) {
        return Err(Error::new(
            Kind::TagMismatch,
            "decryption failed: the file was modified after it was sealed",
        )
        .advise("restore it with `git checkout`, or seal the plain file again"));
    }
    let content = content_range(body.expose(), header.content_type).ok_or_else(|| {
        Error::new(
            Kind::BadPlaintext,
            "the decrypted content has an invalid length or padding, or is not UTF-8",
        )
    })?;
    Ok((header, Plaintext::new(body, content)))
}

/// Runs steps 10 and 12 of format.md §4: checks that header and data key belong together. Returns the keys of the
/// body.
///
/// # Errors
/// [`Kind::BadDek`], [`Kind::CommitMismatch`].
pub(crate) fn check_commit(file: &EncFile, dek: &DataKey) -> Result<ContentKeys, Error> {
    check_length(dek, file.header.suite)?;
    let keys = dek.content_keys(file.header.suite, &file.salt, &file.head[..file.h0]);
    if same(&keys.commit, &file.commit) {
        return Ok(keys);
    }
    Err(Error::new(Kind::CommitMismatch, "header and data key do not belong together")
        .advise("the header was edited, or the .key belongs to another seal; restore both files from git"))
}

/// Runs step 10 of format.md §4: checks the length of the data key.
pub(crate) fn check_length(dek: &DataKey, suite: Suite) -> Result<(), Error> {
    if dek.expose().len() == suite.key_len() {
        return Ok(());
    }
    Err(Error::new(Kind::BadDek, format!("the data key has the wrong length for {}", suite.name()))
        .advise("the key service returned a different key than the wrapped one; check the key that the recipient names"))
}

/// Returns the range of the content in a decrypted body (with the tag after it), if length, padding and encoding are
/// valid.
fn content_range(body: &[u8], content_type: ContentType) -> Option<std::ops::Range<usize>> {
    let padded = &body[..body.len() - TAG];
    let (length, rest) = padded.split_first_chunk::<LENGTH>()?;
    let length = u32::from_be_bytes(*length) as usize;
    if length > MAX_CONTENT || (LENGTH + length).next_multiple_of(PADDING) != padded.len() {
        return None;
    }
    let (content, padding) = rest.split_at(length);
    let zero = padding.iter().fold(0, |seen, b| seen | b) == 0;
    (zero && is_encoded_as(content, content_type)).then_some(LENGTH..LENGTH + length)
}

/// Returns true if content of this type may have these bytes: UTF-8 without byte order mark, unless it is raw.
pub(crate) fn is_encoded_as(content: &[u8], content_type: ContentType) -> bool {
    content_type == ContentType::Raw
        || !content.starts_with("\u{feff}".as_bytes()) && std::str::from_utf8(content).is_ok()
}

/// Returns a random id for a data key.
pub(crate) fn random_id() -> Result<Id, Error> {
    let mut id = [0; 8];
    getrandom::fill(&mut id).map_err(no_randomness)?;
    Ok(Id::new(id))
}

/// Returns 32 random bytes that need not stay secret: R of the salt's derivation, or the salt of a wrap.
pub(crate) fn random_32() -> Result<[u8; 32], Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(no_randomness)?;
    Ok(bytes)
}

pub(crate) fn no_randomness(error: getrandom::Error) -> Error {
    Error::new(Kind::Unexpected, "the operating system returned no random bytes").caused_by(error)
}

/// Runs HKDF with SHA-256 (RFC 5869). An empty salt means 32 zero bytes. `out` has at most 8160 bytes.
pub(crate) fn hkdf(ikm: &[u8], salt: &[u8], info: &[&[u8]], out: &mut [u8]) {
    hkdf_each(ikm, salt, [(info, out)]);
}

/// Expands several outputs, each with its own info, from one extracted key.
fn hkdf_each<const N: usize>(ikm: &[u8], salt: &[u8], outputs: [(&[&[u8]], &mut [u8]); N]) {
    stack_wipe::wiped_after::<HASH_STACK, _>(|| {
        let extracted = Hkdf::<Sha256>::new(Some(salt), ikm);
        outputs.into_iter().try_for_each(|(info, out)| extracted.expand_multi_info(info, out))
    })
    .expect("HKDF-SHA-256 returns up to 8160 bytes, and no caller asks for more");
}

/// Returns HMAC-SHA-256 of the concatenation of `parts`.
pub(crate) fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    stack_wipe::wiped_after::<HASH_STACK, _>(|| {
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().into()
    })
}
