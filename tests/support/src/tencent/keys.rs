//! Master keys, and the blobs of wrapped keys.

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha512};

use super::random;
use super::refusal::Refusal;

/// The separator of the three parts of a blob.
const SEPARATOR: &str = "-k-";

/// The version of the wrapping key. The stand-in never rotates a key.
const VERSION: [u8; 8] = 1u64.to_be_bytes();

/// The current state of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// The key encrypts and decrypts.
    Enabled,
    /// The key does nothing until it is enabled again.
    Disabled,
    /// The key does nothing, and will be deleted.
    PendingDelete,
    /// The key only decrypts.
    Archived,
}

impl KeyState {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Enabled => "Enabled",
            Self::Disabled => "Disabled",
            Self::PendingDelete => "PendingDelete",
            Self::Archived => "Archived",
        }
    }
}

/// The keys of all regions.
#[derive(Default)]
pub(super) struct Keys(Vec<Key>);

/// One master key (CMK).
pub(super) struct Key {
    pub(super) region: String,
    pub(super) id: String,
    pub(super) alias: String,
    pub(super) description: String,
    pub(super) created: i64,
    pub(super) state: KeyState,
    /// The days until a new version, if rotation is enabled.
    pub(super) rotation: Option<u64>,
    cipher: Aes256Gcm,
}

impl Keys {
    /// Makes a key with a random alias.
    pub(super) fn create(&mut self, region: &str) -> String {
        let alias = format!("key-{}", random::hex(4));
        self.create_as(region, &alias, String::new(), 0)
    }

    pub(super) fn create_as(
        &mut self,
        region: &str,
        alias: &str,
        description: String,
        created: i64,
    ) -> String {
        let id = random::uuid();
        self.0.push(Key {
            region: region.to_owned(),
            id: id.clone(),
            alias: alias.to_owned(),
            description,
            created,
            state: KeyState::Enabled,
            rotation: None,
            cipher: Aes256Gcm::new(&random::bytes::<32>().into()),
        });
        id
    }

    /// Sets the alias of a key.
    pub(super) fn set_alias(&mut self, region: &str, id: &str, alias: &str) {
        let key = self.named_mut(region, id).expect("the region has this key");
        key.alias = alias.to_owned();
    }

    pub(super) fn set_state(&mut self, region: &str, id: &str, state: KeyState) {
        self.named_mut(region, id).expect("the region has this key").state = state;
    }

    /// Returns the keys of a region, the newest first.
    pub(super) fn of(&self, region: &str) -> impl Iterator<Item = &Key> {
        self.0.iter().rev().filter(move |key| key.region == region)
    }

    /// Returns the key that a request names, in any state.
    pub(super) fn named(&self, region: &str, id: &str) -> Result<&Key, Refusal> {
        if !is_uuid(id) {
            return Err(Refusal::InvalidKeyId);
        }
        self.0.iter().find(|key| key.region == region && key.id == id).ok_or(Refusal::CmkNotFound)
    }

    /// Works like [`Keys::named`], but returns a mutable key.
    pub(super) fn named_mut(&mut self, region: &str, id: &str) -> Result<&mut Key, Refusal> {
        if !is_uuid(id) {
            return Err(Refusal::InvalidKeyId);
        }
        self.0.iter_mut().find(|key| key.region == region && key.id == id).ok_or(Refusal::CmkNotFound)
    }

    /// Returns the key that a request names, if the key may wrap.
    pub(super) fn to_wrap(&self, region: &str, id: &str) -> Result<&Key, Refusal> {
        let key = self.named(region, id)?;
        match key.state {
            KeyState::Enabled => Ok(key),
            KeyState::Disabled => Err(Refusal::CmkDisabled),
            KeyState::PendingDelete => Err(Refusal::KeyPendingDelete),
            KeyState::Archived => Err(Refusal::CmkArchived),
        }
    }

    /// Returns the key that a blob names, if the key may unwrap.
    pub(super) fn to_unwrap(&self, region: &str, blob: &Blob) -> Result<&Key, Refusal> {
        // If no key has this first part, the blob is damaged. If a key of another region has it, the region is wrong.
        let key =
            self.0.iter().find(|key| key.label() == blob.label[..]).ok_or(Refusal::InvalidCiphertext)?;
        match key.state {
            _ if key.region != region => Err(Refusal::CmkNotFound),
            KeyState::Enabled | KeyState::Archived => Ok(key),
            KeyState::Disabled => Err(Refusal::CmkDisabled),
            KeyState::PendingDelete => Err(Refusal::KeyPendingDelete),
        }
    }
}

impl Key {
    /// Encrypts under a context. The text of the context is bound unchanged.
    pub(super) fn wrap(&self, plaintext: &[u8], context: &str) -> String {
        let nonce = random::bytes::<12>();
        let mut blob = Blob { label: self.label().to_vec(), domain: self.domain(), sealed: Vec::new() };
        let payload = Payload { msg: plaintext, aad: &blob.associated_data(context) };
        let ciphertext =
            self.cipher.encrypt(&Nonce::from(nonce), payload).expect("AES-GCM encrypts a few kilobytes");
        blob.sealed = [&VERSION[..], &nonce, &ciphertext].concat();
        blob.to_text()
    }

    /// Decrypts a blob of [`Key::wrap`] with the same context.
    pub(super) fn unwrap(&self, blob: &Blob, context: &str) -> Option<Vec<u8>> {
        let sealed = blob.sealed.strip_prefix(&VERSION)?;
        let (nonce, ciphertext) = sealed.split_first_chunk::<12>()?;
        let payload = Payload { msg: ciphertext, aad: &blob.associated_data(context) };
        self.cipher.decrypt(&Nonce::from(*nonce), payload).ok()
    }

    /// Returns 64 bytes that depend on the key and do not show its id.
    fn label(&self) -> [u8; 64] {
        Sha512::digest(&self.id).into()
    }

    /// Returns 16 bytes that depend on the region.
    fn domain(&self) -> Vec<u8> {
        Sha512::digest(&self.region)[..16].to_vec()
    }
}

/// A `CiphertextBlob`: three base64 texts, opaque to clients. For a key of 32 bytes it has 210 characters.
pub(super) struct Blob {
    /// 64 bytes.
    label: Vec<u8>,
    /// 16 bytes.
    domain: Vec<u8>,
    /// Version, nonce, ciphertext, tag.
    sealed: Vec<u8>,
}

impl Blob {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(SEPARATOR).map(|part| STANDARD.decode(part).ok());
        let blob = Self { label: parts.next()??, domain: parts.next()??, sealed: parts.next()?? };
        // These lengths are fixed, so the start of the context in the associated data is unambiguous.
        (parts.next().is_none() && blob.label.len() == 64 && blob.domain.len() == 16).then_some(blob)
    }

    fn to_text(&self) -> String {
        [&self.label, &self.domain, &self.sealed].map(|part| STANDARD.encode(part)).join(SEPARATOR)
    }

    fn associated_data(&self, context: &str) -> Vec<u8> {
        [&self.label, &self.domain, context.as_bytes()].concat()
    }
}

fn is_uuid(text: &str) -> bool {
    let groups: Vec<_> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> (Keys, String) {
        let mut keys = Keys::default();
        let id = keys.create("ap-guangzhou");
        (keys, id)
    }

    #[test]
    fn a_wrapped_data_key_has_the_shape_of_the_service() {
        let (keys, id) = keys();
        assert!(is_uuid(&id));
        let blob = keys.to_wrap("ap-guangzhou", &id).unwrap().wrap(&[7; 32], "");
        assert_eq!(blob.len(), 210);
        assert_eq!(blob.split(SEPARATOR).map(str::len).collect::<Vec<_>>(), [88, 24, 92]);
    }

    #[test]
    fn every_bit_of_a_blob_is_checked() {
        let (keys, id) = keys();
        let key = keys.to_wrap("ap-guangzhou", &id).unwrap();
        let text = key.wrap(b"data key", "{}");
        let opens = |text: &str| {
            let blob = Blob::parse(text)?;
            keys.to_unwrap("ap-guangzhou", &blob).ok()?.unwrap(&blob, "{}")
        };
        assert_eq!(opens(&text).unwrap(), b"data key");
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            assert_eq!(opens(&String::from_utf8(bytes).unwrap()), None, "byte {at}");
        }
        assert_eq!(opens(&format!("{text}\n")), None);
        assert_eq!(opens(&format!("{text}-k-")), None);
    }

    #[test]
    fn an_archived_key_only_decrypts() {
        let (mut keys, id) = keys();
        let text = keys.to_wrap("ap-guangzhou", &id).unwrap().wrap(b"data key", "");
        keys.set_state("ap-guangzhou", &id, KeyState::Archived);
        assert_eq!(keys.to_wrap("ap-guangzhou", &id).err(), Some(Refusal::CmkArchived));
        assert!(keys.to_unwrap("ap-guangzhou", &Blob::parse(&text).unwrap()).is_ok());
    }
}
