//! Tests of the stand-in over HTTP, with a small client: every error and every kind of scripted fault.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::signature::{canonical_request, sign, string_to_sign, utc_date};
use super::*;

const OTHER_REGION: &str = "ap-shanghai";

#[test]
fn a_data_key_is_wrapped_and_unwrapped() {
    let kms = StandIn::start();
    let made = generate(&kms);
    let opened = Call::new(&kms, "Decrypt", json!({ "CiphertextBlob": made["CiphertextBlob"] })).response();
    assert_eq!(opened["Plaintext"], made["Plaintext"]);
    assert_eq!(opened["KeyId"], kms.key_id());
    assert_eq!(STANDARD.decode(opened["Plaintext"].as_str().unwrap()).unwrap().len(), 32);
    assert_ne!(generate(&kms)["Plaintext"], made["Plaintext"]);
}

#[test]
fn get_and_post_are_equivalent() {
    let kms = StandIn::start();
    let mut call = Call::new(&kms, "GenerateDataKey", json!({}));
    call.method = "GET";
    call.content_type = "application/x-www-form-urlencoded";
    call.body.clear();
    call.query =
        format!("NumberOfBytes=16&KeyId={}&EncryptionContext=%7B%22a%22%3A+%22~%22%7D", kms.key_id());
    let made = call.response();
    let context = r#"{"a": "~"}"#;
    let parameters = json!({ "CiphertextBlob": made["CiphertextBlob"], "EncryptionContext": context });
    assert_eq!(Call::new(&kms, "Decrypt", parameters).response()["Plaintext"], made["Plaintext"]);

    call.query = "x".repeat(32 * 1024 + 1);
    assert_eq!(call.code(), "RequestSizeLimitExceeded");
}

#[test]
fn a_caller_must_be_known_and_must_sign() {
    type Fault = fn(&mut Call);
    let faults: [(&str, Fault); 21] = [
        ("AuthFailure.SecretIdNotFound", |call| call.credential.secret_id = "AKIDnobody".into()),
        ("AuthFailure.SignatureFailure", |call| call.credential.secret_key.push(' ')),
        ("AuthFailure.SignatureFailure", |call| call.after_signing = |wire| wire.body.push(b' ')),
        ("AuthFailure.SignatureFailure", |call| call.after_signing = |wire| wire.set("host", "localhost")),
        ("AuthFailure.SignatureExpire", |call| call.timestamp -= 320),
        ("AuthFailure.SignatureExpire", |call| call.timestamp += 320),
        ("AuthFailure.TokenFailure", |call| call.set("x-tc-token", "unasked")),
        ("AuthFailure.InvalidAuthorization", |call| call.service = "sts"),
        ("AuthFailure.InvalidAuthorization", |call| call.signed = &["content-type"]),
        ("AuthFailure.InvalidAuthorization", |call| call.signed = &["content-type", "host", "x-unsent"]),
        ("AuthFailure.InvalidAuthorization", |call| call.date = Some("2019-02-25")),
        ("AuthFailure.InvalidAuthorization", |call| {
            call.after_signing = |wire| wire.set("authorization", "TC3-HMAC-SHA256 nonsense");
        }),
        ("MissingParameter", |call| call.after_signing = |wire| wire.remove("authorization")),
        ("MissingParameter", |call| call.after_signing = |wire| wire.remove("x-tc-timestamp")),
        ("MissingParameter", |call| call.remove("x-tc-region")),
        ("MissingParameter", |call| call.remove("x-tc-action")),
        ("InvalidAction", |call| call.set("x-tc-action", "DeleteEverything")),
        ("NoSuchVersion", |call| call.set("x-tc-version", "2017-03-12")),
        ("UnsupportedProtocol", |call| call.content_type = "application/x-www-form-urlencoded"),
        ("UnsupportedProtocol", |call| call.method = "PUT"),
        ("UnsupportedProtocol", |call| call.after_signing = |wire| wire.path = "/v1".into()),
    ];
    let kms = StandIn::start();
    for (nth, (code, fault)) in faults.into_iter().enumerate() {
        let mut call = Call::generate(&kms);
        fault(&mut call);
        assert_eq!(call.code(), code, "fault {nth}");
    }
}

#[test]
fn other_headers_may_be_signed_and_the_payload_may_be_unsigned() {
    let kms = StandIn::start();
    let mut call = Call::generate(&kms);
    call.signed = &["content-type", "host", "x-tc-action"];
    call.response();

    let mut call = Call::generate(&kms);
    call.set("x-tc-content-sha256", "UNSIGNED-PAYLOAD");
    call.after_signing = |wire| wire.body.push(b' ');
    call.response();
}

#[test]
fn a_temporary_credential_must_send_its_token() {
    let kms = StandIn::builder().credential(Credential::fake_temporary()).start();
    Call::generate(&kms).response();
    for token in [None, Some("wrong")] {
        let mut call = Call::generate(&kms);
        call.remove("x-tc-token");
        token.inspect(|token| call.set("x-tc-token", token));
        assert_eq!(call.code(), "AuthFailure.TokenFailure");
    }
}

#[test]
fn a_credential_permits_the_granted_actions() {
    let kms = StandIn::start();
    let (sealer, reader) = (Credential::fake(), Credential::fake());
    kms.add_credential(sealer.clone(), &["GenerateDataKey", "Encrypt"]);
    kms.add_credential(reader.clone(), &["Decrypt"]);

    let made = Call::generate(&kms).by(&sealer).response();
    let decrypt = Call::new(&kms, "Decrypt", json!({ "CiphertextBlob": made["CiphertextBlob"] }));
    assert_eq!(decrypt.clone().by(&reader).response()["Plaintext"], made["Plaintext"]);
    assert_eq!(decrypt.by(&sealer).code(), "UnauthorizedOperation");
    assert_eq!(Call::generate(&kms).by(&reader).code(), "UnauthorizedOperation");
    assert_eq!(kms.requests()[0].secret_id, sealer.secret_id);
}

#[test]
fn parameters_are_checked() {
    let kms = StandIn::start();
    let key = kms.key_id();
    let too_long = format!(r#"{{"a":"{}"}}"#, "界".repeat(1024));
    let too_much = STANDARD.encode([0; 4097]);
    for (action, parameters, code) in [
        ("GenerateDataKey", json!({ "KeyId": key, "KeySpec": "AES_256", "Extra": 1 }), "UnknownParameter"),
        ("GenerateDataKey", json!({ "KeySpec": "AES_256" }), "MissingParameter"),
        ("GenerateDataKey", json!({ "KeyId": key }), "InvalidParameter"),
        ("GenerateDataKey", json!({ "KeyId": 1, "KeySpec": "AES_256" }), "InvalidParameter"),
        ("GenerateDataKey", json!({ "KeyId": key, "KeySpec": "AES_512" }), "InvalidParameter"),
        ("GenerateDataKey", json!({ "KeyId": key, "NumberOfBytes": 0 }), "InvalidParameter"),
        ("GenerateDataKey", json!({ "KeyId": key, "NumberOfBytes": 1025 }), "InvalidParameter"),
        ("GenerateDataKey", json!([]), "InvalidParameter"),
        (
            "GenerateDataKey",
            json!({ "KeyId": "alias/app", "KeySpec": "AES_256" }),
            "InvalidParameterValue.InvalidKeyId",
        ),
        (
            "GenerateDataKey",
            json!({ "KeyId": random::uuid(), "KeySpec": "AES_256" }),
            "ResourceUnavailable.CmkNotFound",
        ),
        ("Encrypt", json!({ "KeyId": key }), "MissingParameter"),
        (
            "Encrypt",
            json!({ "KeyId": key, "Plaintext": "not base64" }),
            "InvalidParameterValue.InvalidPlaintext",
        ),
        ("Encrypt", json!({ "KeyId": key, "Plaintext": too_much }), "InvalidParameterValue.InvalidPlaintext"),
        (
            "Encrypt",
            json!({ "KeyId": key, "Plaintext": "AAAA", "EncryptionContext": "[]" }),
            "InvalidParameter",
        ),
        (
            "Encrypt",
            json!({ "KeyId": key, "Plaintext": "AAAA", "EncryptionContext": { "a": "b" } }),
            "InvalidParameter",
        ),
        (
            "Encrypt",
            json!({ "KeyId": key, "Plaintext": "AAAA", "EncryptionContext": too_long }),
            "InvalidParameter",
        ),
        ("Decrypt", json!({ "CiphertextBlob": "AAAA" }), "InvalidParameterValue.InvalidCiphertext"),
        ("Decrypt", json!({ "CiphertextBlob": "AAAA", "KeyId": key }), "UnknownParameter"),
    ] {
        assert_eq!(Call::new(&kms, action, parameters.clone()).code(), code, "{action} {parameters}");
    }
    // These values are at the limits.
    let longest = format!(r#"{{"a":"{}"}}"#, "界".repeat(1024 - r#"{"a":""}"#.len()));
    let most = STANDARD.encode([0; 4096]);
    Call::new(&kms, "Encrypt", json!({ "KeyId": key, "Plaintext": most, "EncryptionContext": longest }))
        .response();
}

#[test]
fn a_context_is_bound_as_a_text() {
    let kms = StandIn::start();
    let parameters =
        |context| json!({ "KeyId": kms.key_id(), "Plaintext": "AAAA", "EncryptionContext": context });
    let made = Call::new(&kms, "Encrypt", parameters(r#"{"a":"b"}"#)).response();
    let decrypt = |context: Value| {
        let blob = &made["CiphertextBlob"];
        Call::new(&kms, "Decrypt", json!({ "CiphertextBlob": blob, "EncryptionContext": context }))
    };
    assert_eq!(decrypt(json!(r#"{"a":"b"}"#)).response()["Plaintext"], "AAAA");
    for wrong in [json!(r#"{"a": "b"}"#), json!("{}"), Value::Null] {
        assert_eq!(decrypt(wrong).code(), "InvalidParameterValue.InvalidCiphertext");
    }
}

#[test]
fn keys_stay_in_their_region() {
    let kms = StandIn::start();
    let made = generate(&kms);
    let mut decrypt = Call::new(&kms, "Decrypt", json!({ "CiphertextBlob": made["CiphertextBlob"] }));
    decrypt.set("x-tc-region", OTHER_REGION);
    assert_eq!(decrypt.code(), "ResourceUnavailable.CmkNotFound");

    let elsewhere = kms.create_key(OTHER_REGION);
    let mut encrypt = Call::new(&kms, "Encrypt", json!({ "KeyId": elsewhere, "Plaintext": "AAAA" }));
    assert_eq!(encrypt.code(), "ResourceUnavailable.CmkNotFound");
    encrypt.set("x-tc-region", OTHER_REGION);
    assert_eq!(encrypt.response()["KeyId"], elsewhere);
}

#[test]
fn the_state_of_a_key_is_checked() {
    let kms = StandIn::start();
    let blob = generate(&kms)["CiphertextBlob"].clone();
    let decrypt = || Call::new(&kms, "Decrypt", json!({ "CiphertextBlob": blob }));
    for (state, code) in [
        (KeyState::Disabled, "ResourceUnavailable.CmkDisabled"),
        (KeyState::PendingDelete, "ResourceUnavailable.KeyPendingDelete"),
    ] {
        kms.set_state(REGION, kms.key_id(), state);
        assert_eq!(Call::generate(&kms).code(), code);
        assert_eq!(decrypt().code(), code);
    }
    kms.set_state(REGION, kms.key_id(), KeyState::Archived);
    assert_eq!(Call::generate(&kms).code(), "ResourceUnavailable.CmkArchived");
    decrypt().response();
    kms.set_state(REGION, kms.key_id(), KeyState::Enabled);
    Call::generate(&kms).response();
}

#[test]
fn errors_have_status_200_and_are_in_chinese_by_default() {
    let kms = StandIn::start();
    let mut call = Call::generate(&kms);
    call.credential.secret_key.clear();
    let answer = call.send().unwrap();
    assert_eq!(answer.status, 200);
    assert!(answer.json()["Response"]["Error"]["Message"].as_str().unwrap().starts_with("签名错误"));
    assert_eq!(answer.json()["Response"]["RequestId"].as_str().unwrap().len(), 36);

    call.set("x-tc-language", "en-US");
    assert!(call.send().unwrap().json()["Response"]["Error"]["Message"].as_str().unwrap().is_ascii());
}

#[test]
fn the_date_header_shows_its_own_clock() {
    let kms = StandIn::start();
    kms.set_clock_offset(-86_400);
    let answer = Call::generate(&kms).send().unwrap();
    assert_eq!(answer.code(), Some("AuthFailure.SignatureExpire".to_owned()));
    let date = httpdate::parse_http_date(answer.header("date").unwrap()).unwrap();
    let behind = SystemTime::now().duration_since(date).unwrap().as_secs();
    assert!((86_399..86_460).contains(&behind), "{behind}");
}

#[test]
fn requests_are_stored_as_received() {
    let kms = StandIn::start();
    let call = Call::generate(&kms);
    call.response();
    let [request] = &kms.requests()[..] else { panic!("one request") };
    assert_eq!(request.action, "GenerateDataKey");
    assert_eq!(request.region, REGION);
    assert_eq!(request.method, "POST");
    assert_eq!(request.body, call.body);
    assert_eq!(request.secret_id, kms.credential().secret_id);
    assert_eq!(request.header("Host"), Some(kms.host().as_str()));
}

#[test]
fn each_scripted_reply_is_sent_once_in_order() {
    let kms = StandIn::start();
    kms.next(Reply::Status(503));
    kms.next(Reply::error("RequestLimitExceeded", "slow down"));
    kms.next(Reply::Redirect("http://127.0.0.1:1/".into()));
    kms.next(Reply::json("{"));
    let send = || Call::generate(&kms).send().unwrap();

    assert_eq!(send().status, 503);
    assert_eq!(send().code(), Some("RequestLimitExceeded".to_owned()));
    let redirect = send();
    assert_eq!((redirect.status, redirect.header("location")), (307, Some("http://127.0.0.1:1/")));
    assert_eq!(send().body, b"{");
    assert_eq!(send().code(), None);
    assert_eq!(kms.requests().len(), 5);
}

#[test]
fn connections_are_broken_on_request() {
    let kms = StandIn::start();
    kms.next(Reply::Close);
    assert_eq!(Call::generate(&kms).exchange().unwrap(), b"");

    kms.next(Reply::Garbage);
    let garbage = Call::generate(&kms).exchange().unwrap();
    assert!(!garbage.is_empty() && !garbage.starts_with(b"HTTP"));

    kms.next(Reply::HalfBody);
    let half = Call::generate(&kms).send().unwrap();
    let announced: usize = half.header("content-length").unwrap().parse().unwrap();
    assert_eq!(half.body.len(), announced / 2);

    Call::generate(&kms).response();
}

#[test]
fn answers_are_falsified_on_request() {
    let kms = StandIn::start();
    kms.next(Reply::WrongKeyId);
    assert_ne!(generate(&kms)["KeyId"], kms.key_id());

    kms.next(Reply::WrongLength);
    let short = generate(&kms);
    assert_eq!(STANDARD.decode(short["Plaintext"].as_str().unwrap()).unwrap().len(), 31);

    kms.next(Reply::Oversized(1_000_000));
    let oversized = Call::generate(&kms).send().unwrap();
    assert_eq!(oversized.header("content-length"), None);
    assert!(oversized.body.len() > 1_000_000);

    kms.next(Reply::edit(|answer| answer["Response"]["RequestId"] = answer["Response"]["Plaintext"].clone()));
    let indiscreet = generate(&kms);
    assert_eq!(indiscreet["RequestId"], indiscreet["Plaintext"]);
}

#[test]
fn a_delay_is_followed_by_the_normal_answer() {
    let kms = StandIn::start();
    kms.next(Reply::Delay(Duration::from_millis(200)));
    let start = Instant::now();
    generate(&kms);
    assert!(start.elapsed() >= Duration::from_millis(200));
}

#[test]
fn a_drop_ends_even_a_waiting_request() {
    let kms = StandIn::start();
    kms.next(Reply::Delay(Duration::from_secs(3_600)));
    let call = Call::generate(&kms);
    let waiting = std::thread::spawn(move || call.exchange());
    while kms.requests().is_empty() {
        std::thread::sleep(Duration::from_millis(1));
    }
    let address = kms.address();
    drop(kms);
    assert!(waiting.join().unwrap().map_or(true, |answer| answer.is_empty()));
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn a_body_has_a_limit() {
    let kms = StandIn::start();
    let mut call = Call::generate(&kms);
    call.body = vec![b' '; 10 * 1024 * 1024 + 1];
    // The answer may arrive during the request, and be lost with the connection.
    if let Ok(answer) = call.send() {
        assert_eq!(answer.code().unwrap(), "RequestSizeLimitExceeded");
    }
    assert!(kms.requests().is_empty());
}

#[test]
fn a_client_needs_only_the_variables() {
    let kms = StandIn::builder().credential(Credential::fake_temporary()).tls().start();
    let variables: std::collections::HashMap<_, _> = kms.variables().into_iter().collect();
    assert_eq!(variables["TENCENTCLOUD_SECRET_ID"], kms.credential().secret_id);
    assert_eq!(variables["ENVCONF_TENCENT_ENDPOINT"], format!("https://{}", kms.host()));
    assert_eq!(Some(&variables["TENCENTCLOUD_TOKEN"]), kms.credential().token.as_ref());
    assert!(kms.ca_pem().unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
}

fn generate(kms: &StandIn) -> Value {
    Call::generate(kms).response()
}

/// A request before it is signed and sent. Tests make one part of it invalid.
#[derive(Clone)]
struct Call {
    address: SocketAddr,
    credential: Credential,
    method: &'static str,
    query: String,
    content_type: &'static str,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    timestamp: i64,
    date: Option<&'static str>,
    service: &'static str,
    signed: &'static [&'static str],
    after_signing: fn(&mut Request),
}

impl Call {
    fn new(kms: &StandIn, action: &str, parameters: Value) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let mut call = Self {
            address: kms.address(),
            credential: kms.credential().clone(),
            method: "POST",
            query: String::new(),
            content_type: "application/json",
            headers: Vec::new(),
            body: parameters.to_string().into(),
            timestamp: now.as_secs().cast_signed(),
            date: None,
            service: "kms",
            signed: &["content-type", "host"],
            after_signing: |_| {},
        };
        call.set("x-tc-action", action);
        call.set("x-tc-version", "2019-01-18");
        call.set("x-tc-region", REGION);
        call.by(kms.credential())
    }

    fn generate(kms: &StandIn) -> Self {
        Self::new(kms, "GenerateDataKey", json!({ "KeyId": kms.key_id(), "KeySpec": "AES_256" }))
    }

    fn by(mut self, credential: &Credential) -> Self {
        self.credential = credential.clone();
        self.remove("x-tc-token");
        credential.token.iter().for_each(|token| self.set("x-tc-token", token));
        self
    }

    fn set(&mut self, name: &str, value: &str) {
        set(&mut self.headers, name, value);
    }

    fn remove(&mut self, name: &str) {
        self.headers.retain(|(known, _)| known != name);
    }

    /// Sends a request that must succeed, and returns the reply.
    fn response(&self) -> Value {
        let answer = self.send().unwrap();
        assert_eq!(answer.code(), None);
        answer.json()["Response"].take()
    }

    /// Sends a request that must fail, and returns the error code.
    fn code(&self) -> String {
        self.send().unwrap().code().expect("a refusal")
    }

    fn send(&self) -> std::io::Result<Answer> {
        self.exchange().map(|bytes| Answer::parse(&bytes))
    }

    /// Signs and sends a request. Returns all received bytes until the connection closes.
    fn exchange(&self) -> std::io::Result<Vec<u8>> {
        let request = self.signed();
        let mut head = format!("{} {}?{} HTTP/1.1\r\n", request.method, request.path, request.query);
        for (name, value) in &request.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("content-length: {}\r\nconnection: close\r\n\r\n", request.body.len()));

        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        stream.write_all(&[head.as_bytes(), &request.body].concat())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer)
    }

    fn signed(&self) -> Request {
        let mut headers = self.headers.clone();
        set(&mut headers, "host", &self.address.to_string());
        set(&mut headers, "content-type", self.content_type);
        set(&mut headers, "x-tc-timestamp", &self.timestamp.to_string());
        let mut request = Request::new(self.method, "/", &self.query, headers, self.body.clone());

        let Credential { secret_id, secret_key, .. } = &self.credential;
        let date = self.date.map_or_else(|| utc_date(self.timestamp), str::to_owned);
        let canonical = canonical_request(&request, self.signed).unwrap_or_default();
        let text = string_to_sign(self.timestamp, &date, self.service, &canonical);
        let signature = sign(secret_key, &date, self.service, &text);
        let (service, names) = (self.service, self.signed.join(";"));
        request.set(
            "authorization",
            &format!(
                "TC3-HMAC-SHA256 Credential={secret_id}/{date}/{service}/tc3_request, SignedHeaders={names}, \
                 Signature={signature}"
            ),
        );
        (self.after_signing)(&mut request);
        request
    }
}

impl Request {
    fn set(&mut self, name: &str, value: &str) {
        set(&mut self.headers, name, value);
    }

    fn remove(&mut self, name: &str) {
        self.headers.retain(|(known, _)| known != name);
    }
}

fn set(headers: &mut Vec<(String, String)>, name: &str, value: &str) {
    headers.retain(|(known, _)| known != name);
    headers.push((name.to_owned(), value.to_owned()));
}

/// An HTTP answer. Its chunks are not decoded.
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a whole head");
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head, body: bytes[end + 4..].to_vec() }
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        Some(lines.find(|(known, _)| known.eq_ignore_ascii_case(name))?.1)
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn code(&self) -> Option<String> {
        self.json().pointer("/Response/Error/Code").map(|code| code.as_str().unwrap().to_owned())
    }
}
