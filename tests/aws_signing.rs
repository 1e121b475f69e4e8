//! Compares AWS signatures with the published test suite, including every intermediate string, and with botocore.
//!
//! The suite is from aws-c-auth (Apache-2.0), with signatures in headers.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::Write as _;

use envconf::__vectors as vectors;
use envconf_test_support::{AwsSdk, aws};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const VECTORS: &str = include_str!("vectors/sigv4.json");

/// A request of the suite.
struct Parsed {
    method: String,
    query: String,
    headers: Vec<(String, String)>,
    body: String,
}

fn parsed(text: &str) -> Parsed {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.lines();
    let mut words = lines.next().unwrap().split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let mut headers: Vec<(String, String)> = Vec::new();
    for line in lines {
        match line.split_once(':').filter(|_| !line.starts_with(' ')) {
            Some((name, value)) => headers.push((name.to_owned(), value.to_owned())),
            // The value continues on this line.
            None => headers.last_mut().unwrap().1 += &format!("\n{line}"),
        }
    }
    Parsed { method: method.to_owned(), query: query.to_owned(), headers, body: body.to_owned() }
}

fn seconds(timestamp: &str) -> u64 {
    // All cases of the suite have the same time.
    assert_eq!(timestamp, "2015-08-30T12:36:00Z");
    1_440_938_160
}

#[test]
fn every_string_of_the_suite_is_the_same() {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let cases = vectors["cases"].as_array().unwrap();
    assert!(cases.len() >= 22);
    for case in cases {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let (name, context) = (text(&case["name"]), &case["context"]);
        let mut request = parsed(&text(&case["request"]));
        request.headers.push(("X-Amz-Date".into(), "20150830T123600Z".into()));
        let token = context["credentials"]["token"].as_str();
        // If the suite leaves the token out of the signature, it is not a signed header.
        if let Some(token) = token.filter(|_| context["omit_session_token"] != true) {
            request.headers.push(("X-Amz-Security-Token".into(), token.into()));
        }
        if context["sign_body"] == true {
            let hash = vectors::hex(&Sha256::digest(&request.body));
            request.headers.push(("X-Amz-Content-SHA256".into(), hash));
        }
        let headers: Vec<(&str, &str)> =
            request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let (id, secret) = (
            text(&context["credentials"]["access_key_id"]),
            text(&context["credentials"]["secret_access_key"]),
        );
        let (region, service) = (text(&context["region"]), text(&context["service"]));
        let signed = vectors::sigv4(
            (&request.method, &request.query, &headers, request.body.as_bytes()),
            (&region, &service, seconds(context["timestamp"].as_str().unwrap())),
            (&id, &secret),
        );
        assert_eq!(signed.canonical_request, text(&case["canonical_request"]), "{name}");
        assert_eq!(signed.string_to_sign, text(&case["string_to_sign"]), "{name}");
        assert_eq!(signed.signature, text(&case["signature"]), "{name}");
        let names = signed.canonical_request.rsplit('\n').nth(1).unwrap();
        let expected = format!(
            "AWS4-HMAC-SHA256 Credential={id}/20150830/{region}/{service}/aws4_request, SignedHeaders={names}, Signature={}",
            signed.signature
        );
        assert_eq!(signed.authorization, expected, "{name}");
    }
    // `println!` would not show the summary of a passing test.
    writeln!(std::io::stdout(), "sigv4.json: {} cases", cases.len()).unwrap();
}

#[test]
fn botocore_creates_the_same_signatures() {
    let mut sdk = AwsSdk::start(&aws::packages(env!("CARGO_TARGET_TMPDIR")), None);
    let bodies = ["", "{}", "Action=AssumeRole&Version=2011-06-15", "{\"a\":\"ü/+ =\"}"];
    let tokens = [None, Some("FQoGZXIvYXdzEBYaD+/=")];
    let regions = ["us-east-1", "cn-north-1", "eusc-de-east-1"];
    for (at, body) in bodies.iter().enumerate() {
        for token in tokens {
            for (service, region) in [("kms", regions[at % 3]), ("sts", regions[(at + 1) % 3])] {
                // The last second of a leap day, a time in this century, and a time that needs more than 32 bits.
                for timestamp in [951_868_799, 1_795_000_000 + at as u64, 4_294_967_296] {
                    let host = format!("{service}.{region}.example.com:8443");
                    let time = amz_time(timestamp);
                    let mut headers = vec![
                        ("content-type", "application/x-amz-json-1.1"),
                        ("host", host.as_str()),
                        ("x-amz-date", &time),
                        ("x-amz-target", "TrentService.Decrypt"),
                    ];
                    headers.extend(token.map(|token| ("x-amz-security-token", token)));
                    let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
                    let ours = vectors::sigv4(
                        ("POST", "", &headers, body.as_bytes()),
                        (region, service, timestamp),
                        ("AKIDEXAMPLE", secret),
                    );
                    let theirs = sdk.ask(json!({
                        "action": "sign", "service": service, "region": region, "timestamp": timestamp,
                        "id": "AKIDEXAMPLE", "secret": secret, "token": token, "method": "POST",
                        "url": format!("https://{host}/"), "body": body,
                        "headers": {
                            "Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "TrentService.Decrypt",
                        },
                    }));
                    let theirs = theirs.unwrap();
                    assert_eq!(theirs["canonical_request"], ours.canonical_request);
                    assert_eq!(theirs["string_to_sign"], ours.string_to_sign);
                    assert_eq!(theirs["authorization"], ours.authorization);
                }
            }
        }
    }
}

/// Formats a time, independently of the signing code.
fn amz_time(timestamp: u64) -> String {
    let stamp = envconf::format::Timestamp::from_unix(timestamp).unwrap();
    stamp.as_str().replace(['-', ':'], "")
}
