//! Measures sealing and opening in memory, compared with the sum of the necessary work: the cipher, base64, and a hash
//! of the content for sealing.
//!
//! The necessary work runs in place and with existing buffers. envconf also allocates buffers, pads, derives keys and
//! wipes.

use std::time::Duration;

use aes_gcm::aead::AeadInOut as _;
use aes_gcm::{Aes256Gcm, KeyInit as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use envconf::format::Header;
use envconf::format::{Id, Suite};
use envconf::pair::open_bytes;
use envconf::{__vectors as vectors, ContentType, KeyServices, LocalKey, Policy, Seal};
use ring::aead;
use sha2::{Digest as _, Sha256};

use crate::measure::{Aim, Contestant, prepared, race, whole};

const KEY: [u8; 32] = [7; 32];
const NONCE: [u8; 12] = [9; 12];

pub(crate) fn run() {
    for (name, len, seconds) in [("4 KiB", 4096, 3), ("1 MiB", 1 << 20, 4), ("64 MiB", 64 << 20, 12)] {
        let content: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
        seal(name, &content, Duration::from_secs(seconds));
        open(name, &content, Duration::from_secs(seconds));
    }
}

fn seal(name: &str, content: &[u8], time: Duration) {
    let key = LocalKey::generate().unwrap();
    let services = KeyServices::none().local_key(key.clone());
    let seal = seal_for(&key);
    let checked = || seal.seal_bytes(content, &services).unwrap();
    let unchecked = || vectors::seal(given(content)).unwrap();
    let race = race(
        time,
        [
            whole(unchecked),
            whole(checked),
            aes(content),
            base64(content),
            sha2(content),
            ring_aead(content),
            ring_sha2(content),
            aes_new_buffer(content),
            whole(|| STANDARD.encode(content)),
        ],
    );
    let sum = |t: &[f64; 9]| t[2] + t[3] + t[4];
    let name = format!("seal {name}");
    race.compare(&name, |t| t[0], "aes-gcm + base64 + sha2", sum, Aim::Within(1.3));
    race.compare(&name, |t| t[0], "the same, results in new buffers", |t| t[7] + t[8] + t[4], Aim::None);
    race.compare(&name, |t| t[0], "ring's AES-GCM, SHA-256 + base64", |t| t[3] + t[5] + t[6], Aim::None);
    race.compare(
        "  its self-check, and a new data key",
        |t| t[1] - t[0],
        "aes-gcm + base64 + sha2",
        sum,
        Aim::None,
    );
}

fn open(name: &str, content: &[u8], time: Duration) {
    let key = LocalKey::generate().unwrap();
    let services = KeyServices::none().local_key(key.clone());
    let (enc, wrapped) = seal_for(&key).seal_bytes(content, &services).unwrap();
    let policy = Policy::new("app".parse().unwrap(), "default".parse().unwrap());
    let opened = || open_bytes(&enc, &wrapped, &policy, &services).unwrap();
    let race = race(time, [whole(opened), aes_open(content), base64_decode(content), ring_open(content)]);
    let name = format!("open {name}");
    race.compare(&name, |t| t[0], "aes-gcm + base64", |t| t[1] + t[2], Aim::Within(1.3));
    race.compare(&name, |t| t[0], "ring's AES-GCM + base64", |t| t[2] + t[3], Aim::None);
}

fn seal_for(key: &LocalKey) -> Seal {
    let (name, environment) = ("app".parse().unwrap(), "default".parse().unwrap());
    Seal::new(name, environment, ContentType::Raw).recipient(key.key_ref().clone())
}

/// The input of a seal without the self-check.
fn given(content: &[u8]) -> vectors::SealInput<'_> {
    let header = Header {
        name: "app".parse().unwrap(),
        environment: "default".parse().unwrap(),
        content_type: ContentType::Raw,
        suite: Suite::Aes256Gcm,
        dek: Id::new([1; 8]),
        generation: 1,
        sealed_at: None,
        outline: Vec::new(),
    };
    vectors::SealInput { header, content, dek: &KEY, random: [2; 32], seeds: Vec::new(), outline: None }
}

fn aes(content: &[u8]) -> Contestant<'_> {
    let mut buffer = content.to_vec();
    whole(move || {
        let cipher = Aes256Gcm::new_from_slice(&KEY).unwrap();
        cipher.encrypt_inout_detached(&NONCE.into(), b"", buffer.as_mut_slice().into()).unwrap()
    })
}

/// Encrypts into a new buffer, like a program that keeps its content.
fn aes_new_buffer(content: &[u8]) -> Contestant<'_> {
    whole(move || {
        let mut buffer = content.to_vec();
        let cipher = Aes256Gcm::new_from_slice(&KEY).unwrap();
        cipher.encrypt_inout_detached(&NONCE.into(), b"", buffer.as_mut_slice().into()).unwrap();
        buffer
    })
}

fn aes_open(content: &[u8]) -> Contestant<'_> {
    let cipher = Aes256Gcm::new_from_slice(&KEY).unwrap();
    let mut sealed = content.to_vec();
    let tag = cipher.encrypt_inout_detached(&NONCE.into(), b"", sealed.as_mut_slice().into()).unwrap();
    prepared(
        sealed.clone(),
        move |buffer| buffer.copy_from_slice(&sealed),
        move |buffer| {
            let cipher = Aes256Gcm::new_from_slice(&KEY).unwrap();
            cipher.decrypt_inout_detached(&NONCE.into(), b"", buffer.as_mut_slice().into(), &tag).unwrap();
        },
    )
}

fn base64(content: &[u8]) -> Contestant<'_> {
    let mut text = vec![0; content.len().div_ceil(3) * 4];
    whole(move || STANDARD.encode_slice(content, &mut text).unwrap())
}

fn base64_decode(content: &[u8]) -> Contestant<'_> {
    let text = STANDARD.encode(content);
    let mut bytes = vec![0; content.len()];
    whole(move || STANDARD.decode_slice(&text, &mut bytes).unwrap())
}

fn sha2(content: &[u8]) -> Contestant<'_> {
    whole(move || Sha256::digest(content))
}

fn ring_key() -> aead::LessSafeKey {
    aead::LessSafeKey::new(aead::UnboundKey::new(&aead::AES_256_GCM, &KEY).unwrap())
}

fn ring_aead(content: &[u8]) -> Contestant<'_> {
    let mut buffer = content.to_vec();
    whole(move || {
        let nonce = aead::Nonce::assume_unique_for_key(NONCE);
        ring_key().seal_in_place_separate_tag(nonce, aead::Aad::empty(), &mut buffer).unwrap()
    })
}

fn ring_open(content: &[u8]) -> Contestant<'_> {
    let mut sealed = content.to_vec();
    let nonce = || aead::Nonce::assume_unique_for_key(NONCE);
    ring_key().seal_in_place_append_tag(nonce(), aead::Aad::empty(), &mut sealed).unwrap();
    prepared(
        sealed.clone(),
        move |buffer| buffer.copy_from_slice(&sealed),
        move |buffer| ring_key().open_in_place(nonce(), aead::Aad::empty(), buffer).unwrap().len(),
    )
}

fn ring_sha2(content: &[u8]) -> Contestant<'_> {
    whole(move || ring::digest::digest(&ring::digest::SHA256, content))
}
