//! Tests of the format vectors: known answers, pairs that open and seal to the same bytes, and rejected pairs with
//! their error class.
//!
//! `ENVCONF_FORMAT_VECTORS` can name another file with the same structure.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::Write as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use envconf::__vectors as vectors;
use envconf::format::{Header, Recipient};
use envconf::format::{Id, Suite};
use envconf::pair::{SigningKey, open_bytes};
use envconf::{ContentType, KeyRef, KeyServices, LocalKey, Policy, Trusted};
use serde_json::Value;
use sha2::{Digest, Sha256};

#[test]
fn every_vector_passes() {
    let mut files = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/format-v1.json")];
    files.extend(std::env::var_os("ENVCONF_FORMAT_VECTORS").map(PathBuf::from));
    for file in files {
        run_file(&file);
    }
}

fn run_file(path: &Path) {
    let text = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let vectors: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(vectors["format"], "envconf/v1");
    if vectors["kats"].is_object() {
        known_answers(&vectors["kats"]);
    }
    let accept = list(&vectors["accept"]);
    accept.iter().for_each(accepted);
    let reject = list(&vectors["reject"]);
    reject.iter().for_each(rejected);
    assert!(!accept.is_empty() || !reject.is_empty(), "{} has no case", path.display());
    // The harness hides output of `println!` of a passing test, so the summary is written directly.
    let name = path.file_name().unwrap().to_string_lossy();
    let mut out = std::io::stdout();
    writeln!(out, "{name}: {} accept, {} reject", accept.len(), reject.len()).unwrap();
}

fn accepted(case: &Value) {
    let id = text(&case["id"]);
    let content = bytes(&case["content"]);
    let key = sealed_key(&case["seal"]);
    assert_eq!(key, bytes(&case["key"]), "{id}: the sealed .key differs");
    let enc = sealed_enc(&case["seal"], &content);
    match case["enc"]["sha256"].as_str() {
        Some(digest) => {
            assert_eq!(case["enc"]["len"], enc.len(), "{id}: the length of the sealed .enc differs");
            assert_eq!(vectors::hex(&Sha256::digest(&enc)), digest, "{id}: the sealed .enc differs");
        }
        None => assert!(enc == bytes(&case["enc"]), "{id}: the sealed .enc differs"),
    }
    let opened = open(&enc, &key, &case["policy"]).unwrap_or_else(|error| panic!("{id}: {error}"));
    assert!(opened.content() == content, "{id}: the opened content differs");
}

fn rejected(case: &Value) {
    let id = text(&case["id"]);
    match open(&bytes(&case["enc"]), &bytes(&case["key"]), &case["policy"]) {
        Ok(_) => panic!("{id} opens"),
        Err(error) => {
            assert_eq!(error.kind().name(), text(&case["error"]), "{id}: {} ({error})", case["desc"])
        }
    }
}

fn open(enc: &[u8], key: &[u8], policy: &Value) -> Result<envconf::Opened, envconf::Error> {
    let mut services = KeyServices::none();
    let mut trust = Vec::new();
    for text in list(&policy["local_keys"]) {
        let key: LocalKey = self::text(text).parse()?;
        trust.push(Trusted::Key(key.key_ref().clone()));
        services = services.local_key(key);
    }
    for pin in list(&policy["pins"]) {
        trust.push(text(pin).parse()?);
    }
    let mut reader = Policy::new(text(&policy["name"]).parse()?, text(&policy["env"]).parse()?)
        .trust(trust)
        .min_generation(policy["min_generation"].as_u64().unwrap_or(1));
    let signers: Vec<_> =
        list(&policy["signers"]).iter().map(|signer| text(signer).parse().unwrap()).collect();
    if !signers.is_empty() {
        let required = policy["required_signatures"].as_u64().unwrap_or(1) as usize;
        reader = vectors::with_signers(reader, signers, required);
    }
    open_bytes(enc, key, &reader, &services)
}

fn sealed_enc(seal: &Value, content: &[u8]) -> Vec<u8> {
    let hidden: Vec<&str> = list(&seal["hide"]).iter().map(text).collect();
    let tags = |path: &str| !hidden.contains(&path);
    let keys = |_: &str| false;
    let outline: Option<&dyn Fn(&str) -> bool> = match seal["outline"].as_str() {
        Some("tags") => Some(&tags),
        Some("keys") => Some(&keys),
        Some(mode) => panic!("unknown outline mode {mode}"),
        None => None,
    };
    let header = Header {
        name: text(&seal["name"]).parse().unwrap(),
        environment: text(&seal["env"]).parse().unwrap(),
        content_type: ContentType::from_name(text(&seal["type"])).unwrap(),
        suite: Suite::from_name(text(&seal["suite"])).unwrap(),
        dek: id(&seal["dek_id"]),
        generation: seal["generation"].as_u64().unwrap(),
        sealed_at: seal["sealed_at"].as_str().map(|moment| moment.parse().unwrap()),
        outline: Vec::new(),
    };
    let dek = b64(&seal["dek"]);
    let seeds = list(&seal["sign_seeds"]).iter().map(array).collect();
    vectors::seal(vectors::SealInput {
        header,
        content,
        dek: &dek,
        random: array(&seal["rnd"]),
        seeds,
        outline,
    })
    .unwrap()
}

fn sealed_key(seal: &Value) -> Vec<u8> {
    let (name, environment) = (text(&seal["name"]), text(&seal["env"]));
    let sections: Vec<_> = list(&seal["key_sections"])
        .iter()
        .map(|section| {
            let (id, dek) = (id(&section["dek_id"]), b64(&section["dek"]));
            let context = vectors::context(name, environment, id).unwrap();
            let recipients =
                list(&section["recipients"]).iter().map(|recipient| match recipient["local_key"].as_str() {
                    Some(key) => {
                        let key: LocalKey = key.parse().unwrap();
                        let (_, blob) =
                            vectors::local_wrap(&key, &dek, &context, &array(&recipient["wrap_salt"]));
                        Recipient { key: key.key_ref().clone(), blob }
                    }
                    None => Recipient { key: key_ref(recipient), blob: text(&recipient["blob"]).to_owned() },
                });
            (id, dek.clone(), recipients.collect())
        })
        .collect();
    vectors::key_file(name, environment, &sections).unwrap()
}

fn key_ref(recipient: &Value) -> KeyRef {
    let [provider, region, key_id] = ["provider", "region", "key_id"].map(|part| text(&recipient[part]));
    format!("{provider}:{region}:{key_id}").parse().unwrap()
}

fn known_answers(kats: &Value) {
    let key: LocalKey = text(&kats["local_key"]["text"]).parse().unwrap();
    assert_eq!(key.key_ref().key_id(), kats["local_key"]["kid"]);

    let kat = &kats["context"];
    let context = vectors::context(text(&kat["name"]), text(&kat["env"]), Id::new([0; 8])).unwrap();
    assert_eq!(context.as_json(), kat["text"]);
    assert_eq!(vectors::hex(&Sha256::digest(context.as_json())), kat["sha256"]);

    let kat = &kats["local_wrap"];
    let context = vectors::context("app.conf", "prod", id(&kat["dek_id"])).unwrap();
    assert_eq!(context.as_json(), kat["context"]);
    let (okm, blob) = vectors::local_wrap(&key, &b64(&kat["dek"]), &context, &array(&kat["salt"]));
    assert_eq!((STANDARD.encode(okm), blob.as_str()), (text(&kat["okm"]).to_owned(), text(&kat["blob"])));

    let kat = &kats["key_mac"];
    let parts = [text(&kat["prefix"]).as_bytes(), text(&kat["section"]).as_bytes()];
    let (mac_key, mac) = vectors::section_mac(&b64(&kat["dek"]), &parts);
    assert_eq!((mac_key, mac), (b64(&kat["mac_key"]), array(&kat["mac"])));

    for suite in [Suite::Aes256Gcm, Suite::Aes128Gcm] {
        let kat = &kats[format!("content_keys {}", suite.name())];
        let (key, nonce, commit) = vectors::content_keys(
            &b64(&kat["dek"]),
            suite,
            &array(&kat["salt"]),
            text(&kat["h0"]).as_bytes(),
        );
        assert_eq!((key, nonce, commit), (b64(&kat["key"]), b64(&kat["nonce"]), array(&kat["commit"])));
    }

    let kat = &kats["hedged_salt"];
    let (header, content) = (text(&kat["header_before_salt"]).as_bytes(), text(&kat["content"]).as_bytes());
    assert_eq!(
        vectors::hedged_salt(&b64(&kat["dek"]), &array(&kat["rnd"]), header, content),
        array(&kat["salt"])
    );

    let kat = &kats["outline"];
    let key = vectors::outline_key(&b64(&kat["dek"]), text(&kat["name"]), text(&kat["env"]));
    assert_eq!(key, b64(&kat["outline_key"]));
    for value in list(&kat["values"]) {
        let (encoded, tag) = vectors::outline_value(&key, text(&kat["path"]), text(&value["value"])).unwrap();
        assert_eq!(vectors::hex(&encoded), value["enc_hex"], "{}", value["value"]);
        assert_eq!(vectors::hex(&tag), value["tag"], "{}", value["value"]);
    }
    for element in list(&kats["path_elements"]) {
        assert_eq!(vectors::path_element(text(&element["key"])), element["element"]);
    }

    let signer = SigningKey::from_seed(&array(&kats["signer"]["seed"])).public();
    assert_eq!(
        (signer.to_string().as_str(), signer.id()),
        (text(&kats["signer"]["public"]), id(&kats["signer"]["id"]))
    );
}

/// Returns bytes of a vector in any of its forms: `text`, `b64`, `utf8`, `parts` or `gen`.
fn bytes(given: &Value) -> Vec<u8> {
    for form in ["text", "utf8"] {
        if let Some(text) = given[form].as_str() {
            return text.into();
        }
    }
    if given["b64"].is_string() {
        return b64(&given["b64"]);
    }
    if given["gen"].is_object() {
        return generated(text(&given["gen"]["seed"]), given["gen"]["len"].as_u64().unwrap() as usize);
    }
    list(&given["parts"]).iter().flat_map(part).collect()
}

fn part(part: &Value) -> Vec<u8> {
    let Some(count) = part["count"].as_u64() else { return bytes(part) };
    let repeat = text(&part["repeat"]);
    let copy = |n: u64| match part["number"].as_u64() {
        Some(width) => repeat.replace('#', &format!("{n:0width$}", width = width as usize)),
        None => repeat.to_owned(),
    };
    (0..count).flat_map(|n| copy(n).into_bytes()).collect()
}

fn generated(seed: &str, len: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len + 32);
    for block in 0u64.. {
        if bytes.len() >= len {
            break;
        }
        bytes.extend_from_slice(
            &Sha256::new().chain_update(seed).chain_update(block.to_be_bytes()).finalize(),
        );
    }
    bytes.truncate(len);
    bytes
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("expected text, found {value}"))
}

fn b64(value: &Value) -> Vec<u8> {
    STANDARD.decode(text(value)).unwrap()
}

fn array<const N: usize>(value: &Value) -> [u8; N] {
    b64(value).try_into().unwrap()
}

fn id(value: &Value) -> Id {
    text(value).parse().unwrap()
}
