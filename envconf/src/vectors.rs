//! Functions for test vectors: single derivations, and sealing with chosen randomness.
//!
//! This is not a public API: it exists only with the feature `__vectors`, and may change at any time.

use std::fmt::Write as _;

use crate::base::Error;
use crate::envelope::{self, DataKey, SignerKey, SigningKey, outline};
use crate::format::outline::push_key;
use crate::format::{ContentType, Header, KeyFile, Recipient, Suite};
use crate::kms::{Context, LocalKey};
use crate::pair::Policy;
use crate::syntax;
use aes_gcm::{Aes128Gcm, Aes256Gcm};

/// Returns key, nonce and commitment of a seal.
pub fn content_keys(dek: &[u8], suite: Suite, salt: &[u8; 32], h0: &[u8]) -> (Vec<u8>, Vec<u8>, [u8; 32]) {
    let keys = DataKey::from_bytes(dek).content_keys(suite, salt, h0);
    let (key, nonce) = keys.okm.expose().split_at(suite.key_len());
    (key.to_vec(), nonce.to_vec(), keys.commit)
}

/// Returns the salt of a seal.
pub fn hedged_salt(dek: &[u8], random: &[u8; 32], header: &[u8], content: &[u8]) -> [u8; 32] {
    DataKey::from_bytes(dek).hedged_salt(random, header, content)
}

/// Returns the key of section MACs, and the MAC of `parts`.
pub fn section_mac(dek: &[u8], parts: &[&[u8]]) -> (Vec<u8>, [u8; 32]) {
    let dek = DataKey::from_bytes(dek);
    (dek.mac_key().expose().to_vec(), dek.section_mac(parts))
}

/// Returns the output of a local wrap's key derivation, and the blob.
pub fn local_wrap(key: &LocalKey, dek: &[u8], context: &Context, salt: &[u8; 32]) -> (Vec<u8>, String) {
    let wrapped = key.wrap_with_salt(&DataKey::from_bytes(dek), context, salt);
    (key.okm(salt).expose().to_vec(), wrapped.map(|wrapped| wrapped.as_str().to_owned()).unwrap_or_default())
}

/// Encrypts with the AEAD of a suite and returns ciphertext and tag; `None` for a key or nonce of the wrong length.
pub fn encrypt(suite: Suite, key: &[u8], nonce: &[u8], aad: &[u8], text: &[u8]) -> Option<Vec<u8>> {
    let mut buffer = text.to_vec();
    let tag = match suite {
        Suite::Aes256Gcm => envelope::encrypt::<Aes256Gcm>(key, nonce, aad, &mut buffer)?,
        Suite::Aes128Gcm => envelope::encrypt::<Aes128Gcm>(key, nonce, aad, &mut buffer)?,
    };
    buffer.extend_from_slice(&tag);
    Some(buffer)
}

/// Decrypts the buffer (ciphertext and tag) in place. Returns false for a wrong tag, and leaves the buffer unchanged.
pub fn decrypt(suite: Suite, key: &[u8], nonce: &[u8], aad: &[u8], buffer: &mut [u8]) -> bool {
    match suite {
        Suite::Aes256Gcm => envelope::decrypt::<Aes256Gcm>(key, nonce, aad, buffer),
        Suite::Aes128Gcm => envelope::decrypt::<Aes128Gcm>(key, nonce, aad, buffer),
    }
}

/// Derives up to 8160 bytes with HKDF-SHA-256.
pub fn hkdf(ikm: &[u8], salt: &[u8], info: &[u8], len: usize) -> Vec<u8> {
    let mut okm = vec![0; len];
    envelope::hkdf(ikm, salt, &[info], &mut okm);
    okm
}

/// Returns the HMAC-SHA-256 of a message.
pub fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    envelope::hmac(key, &[message])
}

/// Verifies an Ed25519 signature over the bare message, with the checks that apply to signers.
pub fn verifies(signer: &SignerKey, message: &[u8], signature: &[u8; 64]) -> bool {
    signer.verifies(message, signature)
}

/// Returns the context of a data key.
pub fn context(name: &str, environment: &str, dek: crate::format::Id) -> Result<Context, Error> {
    Ok(Context::new(&name.parse()?, &environment.parse()?, dek))
}

/// Returns the key of outline tags.
pub fn outline_key(dek: &[u8], name: &str, environment: &str) -> Vec<u8> {
    DataKey::from_bytes(dek).outline_key(name, environment).expose().to_vec()
}

/// Returns `v(value)` and the tag of the value `text`. The text is parsed as JSON, or as TOML if it is not JSON.
pub fn outline_value(key: &[u8], path: &str, text: &str) -> Option<(Vec<u8>, [u8; 16])> {
    let json = format!("{{\"v\":{text}}}");
    let toml = format!("v = {text}\n");
    let root =
        syntax::parse(ContentType::Json, &json).or_else(|_| syntax::parse(ContentType::Toml, &toml)).ok()?;
    let syntax::tree::Value::Table(root) = &root.value else { return None };
    let (_, node) = root.iter().next()?;
    Some((outline::encode(&node.value).to_vec(), outline::tag(key, path, node)))
}

/// Returns a key as an element of an outline path.
pub fn path_element(key: &str) -> String {
    let mut path = String::new();
    push_key(&mut path, key);
    path
}

/// The inputs of one seal, including its randomness.
pub struct SealInput<'a> {
    /// The header. [`seal`] fills in its outline.
    pub header: Header,
    /// The content.
    pub content: &'a [u8],
    /// The data key.
    pub dek: &'a [u8],
    /// The random value R in the derivation of the salt.
    pub random: [u8; 32],
    /// The signers' private keys.
    pub seeds: Vec<[u8; 32]>,
    /// A function that returns true for each path whose tag is shown; `None` for no outline.
    pub outline: Option<&'a dyn Fn(&str) -> bool>,
}

/// Returns the bytes of the `.enc` file that these inputs produce.
pub fn seal(given: SealInput<'_>) -> Result<Vec<u8>, Error> {
    let dek = DataKey::from_bytes(given.dek);
    let mut header = given.header;
    if let Some(is_shown) = given.outline {
        header.outline = outline::make(&header, given.content, &dek, |path, _| is_shown(path))?;
    }
    let signers: Vec<_> = given.seeds.iter().map(SigningKey::from_seed).collect();
    envelope::seal(&header, given.content, &dek, &given.random, &signers)
}

/// Returns the bytes of a `.key` file. Each section has a data key's id, the data key and its recipients.
pub fn key_file(
    name: &str,
    environment: &str,
    sections: &[(crate::format::Id, Vec<u8>, Vec<Recipient>)],
) -> Result<Vec<u8>, Error> {
    let (name, environment) = (name.parse()?, environment.parse()?);
    let sections: Vec<_> = sections
        .iter()
        .map(|(id, dek, recipients)| {
            crate::pair::seal::section(&name, &environment, *id, recipients, &DataKey::from_bytes(dek))
        })
        .collect();
    Ok(KeyFile::assemble(&name, &environment, &sections))
}

/// Returns a policy that requires these signatures, without checking that there are enough signers.
pub fn with_signers(mut policy: Policy, signers: Vec<SignerKey>, required: usize) -> Policy {
    (policy.signers, policy.required_signatures) = (signers, required);
    policy
}

/// The retry policy, which the simulation of a fleet runs with its own time and randomness.
#[cfg(feature = "__http")]
pub mod retry {
    pub use crate::kms::retry::{Again, Backoff, FEW, LAST_TRY, Retries, THROTTLED_PART};
}

/// The strings of a TC3 signature.
#[cfg(feature = "tencent")]
pub struct Tc3 {
    /// The canonical request.
    pub canonical_request: String,
    /// The string to sign.
    pub string_to_sign: String,
    /// The signature, in hexadecimal.
    pub signature: String,
    /// The `Authorization` header.
    pub authorization: String,
}

/// The inputs of a TC3 signature.
#[cfg(feature = "tencent")]
pub struct Tc3Request<'a> {
    /// `POST` or `GET`.
    pub method: &'a str,
    /// The `Host` header.
    pub host: &'a str,
    /// The query as sent.
    pub query: &'a str,
    /// The `Content-Type` header.
    pub content_type: &'a str,
    /// The body, or the text that is hashed instead of it.
    pub payload: &'a [u8],
    /// The service.
    pub service: &'a str,
    /// Unix seconds.
    pub timestamp: u64,
}

/// Signs a request with TC3.
#[cfg(feature = "tencent")]
pub fn tc3(request: &Tc3Request<'_>, secret_id: &str, secret_key: &str) -> Tc3 {
    use crate::kms::tencent::sign;
    let Tc3Request { method, host, query, content_type, payload, service, timestamp } = *request;
    let request = sign::RequestToSign { method, host, query, content_type, payload, service, timestamp };
    let signed = sign::sign(&request, secret_id, secret_key);
    Tc3 {
        canonical_request: signed.canonical_request,
        string_to_sign: signed.string_to_sign,
        signature: signed.signature,
        authorization: signed.authorization.to_string(),
    }
}

/// The strings of an AWS signature (SigV4).
#[cfg(feature = "aws")]
pub struct Sigv4 {
    /// The canonical request.
    pub canonical_request: String,
    /// The string to sign.
    pub string_to_sign: String,
    /// The signature, in hexadecimal.
    pub signature: String,
    /// The `Authorization` header.
    pub authorization: String,
}

/// Signs an AWS request to the path `/`. The tuples are method, query, headers and payload, then region, service and
/// Unix seconds, then the access key.
#[cfg(feature = "aws")]
pub fn sigv4(
    (method, query, headers, payload): (&str, &str, &[(&str, &str)], &[u8]),
    (region, service, timestamp): (&str, &str, u64),
    (access_key_id, secret): (&str, &str),
) -> Sigv4 {
    use crate::kms::aws::sign;
    let request = sign::Sigv4Request { method, query, headers, payload, region, service, timestamp };
    let signed = sign::sign(&request, access_key_id, secret);
    Sigv4 {
        canonical_request: signed.canonical_request.to_string(),
        string_to_sign: signed.string_to_sign,
        signature: signed.signature,
        authorization: signed.authorization.to_string(),
    }
}

/// Encodes bytes in lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
