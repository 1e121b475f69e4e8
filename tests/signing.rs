//! Tests of TC3 signatures, and of their intermediate strings, against vectors of Tencent's own signer.
//!
//! `ENVCONF_TC3_VECTORS` can name another file with the same structure.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::Write as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use envconf::__vectors::{self as vectors, Tc3Request};
use serde_json::Value;
use sha2::{Digest, Sha256};

#[test]
fn every_string_of_every_signature_is_the_same() {
    let mut files = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/tc3.json")];
    files.extend(std::env::var_os("ENVCONF_TC3_VECTORS").map(PathBuf::from));
    for file in files {
        run_file(&file);
    }
}

fn run_file(path: &Path) {
    let text = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let vectors: Value = serde_json::from_slice(&text).unwrap();
    let cases = vectors["cases"].as_array().unwrap();
    assert!(!cases.is_empty());
    cases.iter().for_each(run_case);
    // The harness hides output of `println!` of a passing test, so the summary is written directly.
    let name = path.file_name().unwrap().to_string_lossy();
    let mut out = std::io::stdout();
    writeln!(out, "{name}: {} cases", cases.len()).unwrap();
}

fn run_case(case: &Value) {
    let text = |field: &str| case[field].as_str().unwrap_or_else(|| panic!("{field} of {}", case["name"]));
    let name = text("name");
    let payload = STANDARD.decode(text("payload_base64")).unwrap();
    let unsigned = case["unsigned_payload"].as_bool().unwrap();
    let request = Tc3Request {
        method: text("method"),
        host: text("host"),
        query: text("query"),
        content_type: header(case, "content-type"),
        payload: if unsigned { b"UNSIGNED-PAYLOAD" } else { &payload },
        service: text("service"),
        timestamp: case["timestamp"].as_u64().unwrap(),
    };
    let signed = vectors::tc3(&request, text("secret_id"), text("secret_key"));
    let sha256 = |text: &str| vectors::hex(&Sha256::digest(text));
    assert_eq!(signed.canonical_request, text("canonical_request"), "{name}");
    assert_eq!(sha256(&signed.canonical_request), text("canonical_request_sha256"), "{name}");
    assert_eq!(signed.string_to_sign, text("string_to_sign"), "{name}");
    assert_eq!(sha256(&signed.string_to_sign), text("string_to_sign_sha256"), "{name}");
    assert_eq!(signed.signature, text("signature"), "{name}");
    assert_eq!(signed.authorization, text("authorization"), "{name}");
}

fn header<'a>(case: &'a Value, name: &str) -> &'a str {
    let headers = case["headers"].as_object().unwrap();
    let found = headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name));
    found.and_then(|(_, value)| value.as_str()).unwrap()
}
