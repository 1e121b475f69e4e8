//! The blob: a binary age file (age-encryption.org/v1) with one X25519 stanza and one chunk.
//!
//! This module rejects every other age file: further stanzas, a passphrase, armour, a second chunk. A wrapped data key
//! has one recipient and is short, so envconf, `age` and `rage` never need these for it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use chacha20poly1305::ChaCha20Poly1305;
use x25519_dalek::{PublicKey, StaticSecret};

use crate::base::{SecretBytes, same, stack_wipe};
use crate::envelope::{self, decrypt, encrypt, hkdf, hmac};
use crate::format::TAG;

const VERSION: &[u8] = b"age-encryption.org/v1\n";
const STANZA: &[u8] = b"-> X25519 ";
const MAC: &[u8] = b"---";
const KEY: usize = 32;
const FILE_KEY: usize = 16;
const NONCE: usize = 16;
/// The length of 32 bytes in base64 without padding.
const TEXT: usize = 43;
/// Limit of the chunk in bytes.
const CHUNK: usize = 64 * 1024;
/// Stack depth in bytes that a multiplication on the curve reaches.
const CURVE_STACK: usize = 16 * 1024;

/// The reason why a file could not be decrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unopened {
    /// The file is not an age file with one X25519 stanza and one chunk.
    Malformed,
    /// The file has another recipient.
    NoMatch,
    /// The file was modified.
    Changed,
}

/// The random bytes of one new file. They must be used once only.
pub(super) struct Randomness {
    pub(super) ephemeral: SecretBytes,
    pub(super) file_key: SecretBytes,
    pub(super) nonce: [u8; NONCE],
}

impl Randomness {
    pub(super) fn fresh() -> Option<Self> {
        let mut nonce = [0; NONCE];
        nonce.copy_from_slice(&envelope::random_32().ok()?[..NONCE]);
        let ephemeral = SecretBytes::random(KEY).ok()?;
        Some(Self { ephemeral, file_key: SecretBytes::random(FILE_KEY).ok()?, nonce })
    }
}

/// Returns the public key of a secret key.
pub(super) fn public_key(secret: &SecretBytes) -> [u8; KEY] {
    stack_wipe::wiped_after::<CURVE_STACK, _>(|| PublicKey::from(&curve_secret(secret)).to_bytes())
}

/// Encrypts `payload`, which fits into one chunk, for the recipient with this public key. Returns `None` for a point of
/// low order, which is the public key of nobody.
pub(super) fn seal(recipient: &[u8; KEY], payload: &[u8], random: &Randomness) -> Option<Vec<u8>> {
    let share = public_key(&random.ephemeral);
    let key = wrap_key(&random.ephemeral, recipient, &share, recipient)?;
    let mut body = SecretBytes::copy_of(random.file_key.expose());
    let tag = encrypt::<ChaCha20Poly1305>(key.expose(), &[0; 12], b"", body.expose_mut())?;
    let text = |bytes: &[u8]| STANDARD_NO_PAD.encode(bytes).into_bytes();
    let mut file = [VERSION, STANZA].concat();
    file.extend(text(&share));
    file.push(b'\n');
    file.extend(text(&[body.expose(), &tag].concat()));
    file.push(b'\n');
    file.extend(MAC);
    let mac = header_mac(&random.file_key, &file);
    file.push(b' ');
    file.extend(text(&mac));
    file.push(b'\n');
    file.extend(random.nonce);
    let key = payload_key(&random.file_key, &random.nonce);
    let mut chunk = SecretBytes::copy_of(payload);
    let tag = encrypt::<ChaCha20Poly1305>(key.expose(), &LAST_CHUNK, b"", chunk.expose_mut())?;
    file.extend(chunk.expose());
    file.extend(tag);
    Some(file)
}

/// Decrypts a file with this secret key and its public key. The result is authentic.
///
/// # Errors
/// See [`Unopened`]. A file for several recipients is malformed here.
pub(super) fn open(secret: &SecretBytes, public: &[u8; KEY], file: &[u8]) -> Result<SecretBytes, Unopened> {
    let parsed = Parsed::of(file).ok_or(Unopened::Malformed)?;
    let key = wrap_key(secret, &parsed.share, &parsed.share, public).ok_or(Unopened::Malformed)?;
    let mut file_key = SecretBytes::copy_of(&parsed.body);
    if !decrypt::<ChaCha20Poly1305>(key.expose(), &[0; 12], b"", file_key.expose_mut()) {
        return Err(Unopened::NoMatch);
    }
    let file_key = SecretBytes::copy_of(&file_key.expose()[..FILE_KEY]);
    if !same(&header_mac(&file_key, parsed.header), &parsed.mac) {
        return Err(Unopened::Changed);
    }
    let key = payload_key(&file_key, parsed.nonce);
    let mut chunk = SecretBytes::copy_of(parsed.chunk);
    if !decrypt::<ChaCha20Poly1305>(key.expose(), &LAST_CHUNK, b"", chunk.expose_mut()) {
        return Err(Unopened::Changed);
    }
    Ok(SecretBytes::copy_of(&chunk.expose()[..chunk.expose().len() - TAG]))
}

/// The nonce of the chunk: its number, 0, and the mark of the last chunk.
const LAST_CHUNK: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

struct Parsed<'a> {
    share: [u8; KEY],
    /// The encrypted file key and its tag.
    body: [u8; KEY],
    /// The bytes that the MAC covers.
    header: &'a [u8],
    mac: [u8; 32],
    nonce: &'a [u8],
    chunk: &'a [u8],
}

impl<'a> Parsed<'a> {
    fn of(file: &'a [u8]) -> Option<Self> {
        let rest = file.strip_prefix(VERSION)?.strip_prefix(STANZA)?;
        let (share, rest) = text_line(rest)?;
        let (body, rest) = text_line(rest)?;
        let rest = rest.strip_prefix(MAC)?;
        let header = &file[..file.len() - rest.len()];
        let (mac, rest) = text_line(rest.strip_prefix(b" ")?)?;
        let (nonce, chunk) = rest.split_at_checked(NONCE)?;
        let fits = (TAG..=CHUNK + TAG).contains(&chunk.len());
        fits.then_some(Self { share, body, header, mac, nonce, chunk })
    }
}

/// Decodes a line of 32 bytes in strict base64. Returns them and the text after the line.
fn text_line(text: &[u8]) -> Option<([u8; 32], &[u8])> {
    let (line, rest) = text.split_at_checked(TEXT)?;
    let bytes = STANDARD_NO_PAD.decode(line).ok()?;
    Some((bytes.try_into().ok()?, rest.strip_prefix(b"\n")?))
}

/// Derives the key of a stanza; `None` if the other side's public key is a point of low order.
fn wrap_key(
    secret: &SecretBytes,
    theirs: &[u8; KEY],
    share: &[u8; KEY],
    recipient: &[u8; KEY],
) -> Option<SecretBytes> {
    let mut shared = SecretBytes::zeroed(KEY);
    stack_wipe::wiped_after::<CURVE_STACK, _>(|| {
        let result = curve_secret(secret).diffie_hellman(&PublicKey::from(*theirs));
        result.was_contributory().then(|| shared.expose_mut().copy_from_slice(result.as_bytes()))
    })?;
    let mut key = SecretBytes::zeroed(KEY);
    let salt = [&share[..], recipient].concat();
    hkdf(shared.expose(), &salt, &[b"age-encryption.org/v1/X25519"], key.expose_mut());
    Some(key)
}

fn curve_secret(secret: &SecretBytes) -> StaticSecret {
    let secret: &[u8; KEY] = secret.expose().first_chunk().expect("a secret key has 32 bytes");
    StaticSecret::from(*secret)
}

fn header_mac(file_key: &SecretBytes, header: &[u8]) -> [u8; 32] {
    let mut key = SecretBytes::zeroed(KEY);
    hkdf(file_key.expose(), b"", &[b"header"], key.expose_mut());
    hmac(key.expose(), &[header])
}

fn payload_key(file_key: &SecretBytes, nonce: &[u8]) -> SecretBytes {
    let mut key = SecretBytes::zeroed(KEY);
    hkdf(file_key.expose(), nonce, &[b"payload"], key.expose_mut());
    key
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::super::identity::AgeIdentity;
    use super::*;

    /// Vectors that age decrypts and envconf rejects, because envconf supports one X25519 stanza only.
    const NARROWER: &[&str] = &[
        "hybrid_and_x25519",
        "stanza_empty_body",
        "stanza_empty_last_line",
        "stanza_valid_characters",
        "x25519_grease",
        "x25519_multiple_recipients",
        "scrypt",
        "hybrid",
    ];

    /// The test vectors of the age project (C2SP/CCTV, package `cctv-age` 0.2.0), without those about armour.
    #[test]
    fn the_test_vectors_of_age_are_decrypted_or_rejected() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/age");
        let (mut opened, mut refused) = (0, 0);
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if name == "README.md" {
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            let end = bytes.windows(2).position(|two| two == b"\n\n").unwrap();
            let head = std::str::from_utf8(&bytes[..end]).unwrap();
            let field =
                |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            let file = &bytes[end + 2..];
            let identities: Vec<AgeIdentity> =
                head.lines().filter_map(|line| line.strip_prefix("identity: ")?.parse().ok()).collect();
            let results: Vec<_> = identities.iter().map(|identity| identity.open_file(file)).collect();
            let payload = results.iter().find_map(|result| result.as_ref().ok());
            match (field("expect").unwrap(), NARROWER.contains(&name.as_str())) {
                ("success", false) => {
                    let payload = payload.unwrap_or_else(|| panic!("{name}: {results:?}"));
                    let hash: String =
                        Sha256::digest(payload.expose()).iter().map(|byte| format!("{byte:02x}")).collect();
                    assert_eq!(Some(hash.as_str()), field("payload"), "{name}");
                    opened += 1;
                }
                (expected, is_narrower) => {
                    assert_eq!(expected == "success", is_narrower, "{name}");
                    assert!(payload.is_none(), "{name}: opened, expected {expected}");
                    if name == "x25519_no_match" {
                        assert!(results.contains_matching(Unopened::NoMatch), "{name}: {results:?}");
                    }
                    refused += 1;
                }
            }
        }
        assert!(opened >= 2 && refused > 40, "{opened} opened, {refused} refused");
    }

    trait Contains {
        fn contains_matching(&self, wanted: Unopened) -> bool;
    }

    impl Contains for Vec<Result<SecretBytes, Unopened>> {
        fn contains_matching(&self, wanted: Unopened) -> bool {
            self.iter().any(|result| result.as_ref().err() == Some(&wanted))
        }
    }

    #[test]
    fn a_file_has_the_size_of_an_age_file_and_rejects_changes() {
        let identity = AgeIdentity::generate().unwrap();
        let public = crate::base::age_recipient::public_key(identity.key_ref().key_id()).unwrap();
        let file = |payload: &[u8]| seal(&public, payload, &Randomness::fresh().unwrap()).unwrap();
        // The size that Debian's age 1.1.1 writes for one X25519 recipient.
        assert_eq!(file(&[7; 64]).len(), 264);
        let file = file(&[7; 48]);
        assert_eq!(identity.open_file(&file).unwrap().expose(), [7; 48]);
        for at in 0..file.len() {
            for bit in [1, 0x20, 0x80] {
                let mut changed = file.clone();
                changed[at] ^= bit;
                assert!(identity.open_file(&changed).is_err(), "byte {at}");
            }
            assert!(identity.open_file(&file[..at]).is_err(), "cut at {at}");
        }
        assert!(identity.open_file(&[&file[..], b"x"].concat()).is_err());
        let other = AgeIdentity::generate().unwrap();
        assert_eq!(other.open_file(&file).unwrap_err(), Unopened::NoMatch);
    }

    #[test]
    fn a_point_of_low_order_is_not_a_recipient() {
        for point in [[0; 32], {
            let mut one = [0; 32];
            one[0] = 1;
            one
        }] {
            assert!(seal(&point, b"x", &Randomness::fresh().unwrap()).is_none());
        }
    }
}
