//! Tests of AWS KMS: the contract with moto; key states, clock and permissions with MiniStack; other replies with a
//! script.
//!
//! If a test meets a bug of a server, its comment describes the bug.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;
#[path = "common/loopback.rs"]
mod loopback;
#[path = "common/wire.rs"]
mod wire;

use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use envconf::error::Fault;
use envconf::format::KeyFile;
use envconf::kms::{KeyPlace, KeyState, NewKey, Rotation};
use envconf::pair::{HowWrapped, Rewrap, open_bytes};
use envconf::testing::contract;
use envconf::{ContentType, Error, KeyRef, KeyServices, Kind, Pair, Policy, Seal, Trusted};
use envconf_test_support::{AwsSdk, AwsServer, Python, Sandbox, aws};
use loopback::{Answer, Http};
use serde_json::{Value, json};
use wire::{CANARY, Script, Wire};

static PYTHON: LazyLock<Python> = LazyLock::new(|| aws::packages(env!("CARGO_TARGET_TMPDIR")));

/// Returns the variables for a server, with the credentials of the user `test`, who has all permissions.
fn variables(url: &str) -> Vec<(String, String)> {
    [
        ("ENVCONF_AWS_ENDPOINT", url),
        ("ENVCONF_AWS_STS_ENDPOINT", url),
        ("ENVCONF_AWS_METADATA_ENDPOINT", "http://127.0.0.1:1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

fn services(url: &str) -> KeyServices {
    KeyServices::from_given(variables(url)).unwrap()
}

fn sdk(server: &AwsServer) -> AwsSdk {
    AwsSdk::start(&PYTHON, Some(server.url()))
}

/// Creates a key with the SDK.
fn key(sdk: &mut AwsSdk, more: Value) -> KeyRef {
    let made = sdk.call("kms", "create_key", more).unwrap();
    reference("us-east-1", made["KeyMetadata"]["Arn"].as_str().unwrap())
}

fn reference(region: &str, arn: &str) -> KeyRef {
    format!("aws:{region}:{arn}").parse().unwrap()
}

fn seal(keys: &[&KeyRef]) -> Seal {
    let seal = Seal::new("app".parse().unwrap(), "prod".parse().unwrap(), ContentType::Raw);
    keys.iter().fold(seal, |seal, key| seal.recipient((*key).clone()))
}

fn policy(key: &KeyRef) -> Policy {
    Policy::new("app".parse().unwrap(), "prod".parse().unwrap()).trust([Trusted::Key(key.clone())])
}

fn open(pair: &(Vec<u8>, Vec<u8>), key: &KeyRef, services: &KeyServices) -> Result<Vec<u8>, Error> {
    open_bytes(&pair.0, &pair.1, &policy(key), services).map(|opened| opened.content().to_vec())
}

#[test]
fn aws_passes_the_contract() {
    let server = AwsServer::moto(&PYTHON);
    let services = services(&server.url());
    let place: KeyPlace = "aws:us-east-1".parse().unwrap();
    let made = |place: &KeyPlace| services.create_key(place, &NewKey::default()).unwrap().key;
    let key = made(&place);
    for region in ["us-east-1", "eu-central-1"] {
        let other = made(&format!("aws:{region}").parse().unwrap());
        contract(&services, &key, &other).unwrap();
    }
}

#[test]
fn aws_handles_failures_as_the_contract_requires() {
    let server = AwsServer::moto(&PYTHON);
    let error = |status, code: &str| {
        Script::Status(
            status,
            json!({"__type": format!("com.amazonaws.kms#{code}"), "message": CANARY}).to_string(),
        )
    };
    let xml = |status, code: &str| {
        let body = format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{CANARY}</Message></Error></ErrorResponse>"
        );
        Script::Status(status, body)
    };
    let edit = |field: &'static str, value: &'static str| {
        Script::edit(move |body| {
            let mut body: Value = serde_json::from_str(body).unwrap();
            body[field] = value.into();
            body.to_string()
        })
    };
    let refused = [
        "AccessDeniedException",
        "NotFoundException",
        "DisabledException",
        "KMSInvalidStateException",
        "InvalidGrantTokenException",
        "InvalidKeyUsageException",
        "InvalidArnException",
        "OptInRequired",
        "UnsupportedOperationException",
        "UnrecognizedClientException",
        "InvalidSignatureException",
        "IncompleteSignature",
        "MissingAuthenticationToken",
        "ExpiredTokenException",
    ];
    let throttled = [
        "ThrottlingException",
        "Throttling",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "LimitExceededException",
    ];
    let statuses = [200, 204, 400, 401, 403, 404, 409, 418, 429, 500, 502, 503, 504, 599];
    let canary = |status| Script::Status(status, format!("{{\"{CANARY}\":\"{CANARY}\"}}"));
    let mut canaries: Vec<Script> = statuses.map(canary).into();
    canaries.extend([
        error(400, CANARY),
        error(500, CANARY),
        xml(403, CANARY),
        error(400, "InvalidCiphertextException"),
        error(400, "IncorrectKeyException"),
        error(400, "InvalidSignatureException"),
        edit("Plaintext", CANARY),
        edit("KeyId", CANARY),
        edit("EncryptionAlgorithm", CANARY),
    ]);
    let wire = Wire {
        upstream: server.host(),
        services: &services,
        key: key(&mut sdk(&server), json!({})),
        throttled: throttled
            .map(|code| error(400, code))
            .into_iter()
            .chain([error(429, "Unheard"), Script::Status(429, String::new())])
            .collect(),
        faults: vec![
            error(500, "KMSInternalException"),
            error(500, "KeyUnavailableException"),
            error(503, "DependencyTimeoutException"),
            error(500, "UnheardOf"),
            Script::Status(503, "{}".into()),
            xml(503, "ServiceUnavailable"),
        ],
        refusals: refused
            .map(|code| (error(400, code), code))
            .into_iter()
            .chain([
                (xml(403, "AccessDenied"), "AccessDenied"),
                (xml(403, "SignatureDoesNotMatch"), "SignatureDoesNotMatch"),
            ])
            .collect(),
        lies: vec![
            (edit("KeyId", "another"), "another key"),
            (edit("KeyId", "arn:aws:kms:us-east-1:123456789012:key/another"), "another key"),
            (edit("EncryptionAlgorithm", "RSAES_OAEP_SHA_256"), "another algorithm"),
            (edit("Plaintext", "AAE="), "length"),
            (edit("Plaintext", "AAE"), "base64"),
            (error(400, "InvalidCiphertextException"), "damaged"),
            (error(400, "IncorrectKeyException"), "another key"),
        ],
        canaries,
    };
    wire.check();
}

#[test]
fn a_load_is_one_decrypt_with_the_key_and_the_context() {
    let server = AwsServer::moto(&PYTHON);
    let proxy = wire::Scripted::before(server.host());
    let (key, services) = (key(&mut sdk(&server), json!({})), services(&proxy.url()));
    let pair = seal(&[&key]).seal_bytes(b"content", &services).unwrap();
    let actions: Vec<_> =
        proxy.requests().iter().map(|it| it.header("x-amz-target").unwrap().to_owned()).collect();
    assert_eq!(actions, ["TrentService.GenerateDataKey", "TrentService.Decrypt"]);
    assert_eq!(open(&pair, &key, &services).unwrap(), b"content");
    let requests = proxy.requests();
    assert_eq!(requests.len(), 3);
    let request = &requests[2];
    assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/"));
    assert_eq!(request.header("content-type"), Some("application/x-amz-json-1.1"));
    let signed = request.header("authorization").unwrap();
    assert!(
        signed.contains(
            "/us-east-1/kms/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-target,"
        )
    );
    let body = request.json();
    assert_eq!(body["EncryptionContext"], json!({"env": "prod", "envconf": "v1", "name": "app"}));
    assert_eq!(body["KeyId"], key.key_id());
    let file = KeyFile::parse(&pair.1).unwrap();
    assert_eq!(body["CiphertextBlob"], file.sections[0].recipients[0].blob);
    assert_eq!(body.as_object().unwrap().len(), 3);
}

#[test]
fn wrapped_keys_are_compatible_with_the_sdk() {
    let server = AwsServer::moto(&PYTHON);
    let (mut sdk, services) = (sdk(&server), services(&server.url()));
    let key = key(&mut sdk, json!({}));
    let pair = seal(&[&key]).seal_bytes(b"content", &services).unwrap();
    let mut file = KeyFile::parse(&pair.1).unwrap();
    let context = json!({"name": "app", "envconf": "v1", "env": "prod"});
    let blob = file.sections[0].recipients[0].blob.clone();
    let opened = sdk
        .call(
            "kms",
            "decrypt",
            json!({"CiphertextBlob": blob, "KeyId": key.key_id(), "EncryptionContext": context}),
        )
        .unwrap();
    let again =
        json!({"Plaintext": opened["Plaintext"], "KeyId": key.key_id(), "EncryptionContext": context});
    let again = sdk.call("kms", "encrypt", again).unwrap();
    let again = again["CiphertextBlob"].as_str().unwrap().to_owned();
    assert_ne!(again, blob);
    let dek = STANDARD.decode(opened["Plaintext"].as_str().unwrap()).unwrap();
    let section = &mut file.sections[0];
    section.recipients[0].blob = again;
    let file = envconf::__vectors::key_file("app", "prod", &[(section.dek, dek, section.recipients.clone())]);
    assert_eq!(open(&(pair.0, file.unwrap()), &key, &services).unwrap(), b"content");
}

#[test]
fn a_wrapped_key_is_moved_within_a_region() {
    let server = AwsServer::moto(&PYTHON);
    let proxy = wire::Scripted::before(server.host());
    let (mut sdk, services) = (sdk(&server), services(&proxy.url()));
    let (old, new) = (key(&mut sdk, json!({})), key(&mut sdk, json!({})));
    let elsewhere = services.create_key(&"aws:eu-west-1".parse().unwrap(), &NewKey::default()).unwrap().key;
    let sandbox = Sandbox::new();
    let pair = Pair::new(sandbox.path(""), &"app".parse().unwrap(), &"prod".parse().unwrap());
    seal(&[&old]).seal(&pair, b"content", &services).unwrap();
    let before = proxy.requests().len();
    let rewrap = Rewrap::new(policy(&old)).recipient(new.clone()).recipient(elsewhere.clone());
    let rewrapped = rewrap.rewrap(&pair, &services).unwrap();
    let actions: Vec<_> = proxy.requests().split_off(before);
    let actions: Vec<_> = actions.iter().map(|it| it.header("x-amz-target").unwrap().to_owned()).collect();
    assert!(actions.contains(&"TrentService.ReEncrypt".to_owned()), "{actions:?}");
    assert!(actions.contains(&"TrentService.Encrypt".to_owned()), "{actions:?}");
    let moved: Vec<_> = rewrapped.recipients().iter().filter(|(_, how)| *how == HowWrapped::Moved).collect();
    assert!(matches!(moved.as_slice(), [(key, _)] if *key == new), "{:?}", rewrapped.recipients());
    for key in [&new, &elsewhere] {
        let opened = envconf::open(&pair, &policy(key), &services).unwrap();
        assert_eq!(opened.content(), b"content");
    }
}

#[test]
fn keys_are_created_listed_described_and_rotated() {
    let server = AwsServer::moto(&PYTHON);
    let (mut sdk, services) = (sdk(&server), services(&server.url()));
    let place: KeyPlace = "aws:us-east-1".parse().unwrap();
    let wanted = NewKey { alias: "app-prod".into(), description: "app in production".into() };
    let made = services.create_key(&place, &wanted).unwrap();
    assert!(made.key.key_id().starts_with("arn:aws:kms:us-east-1:123456789012:key/"), "{}", made.key);
    assert_eq!((made.alias.as_deref(), made.state, made.wraps), (Some("app-prod"), KeyState::Enabled, true));
    // moto replies to `CreateAlias` with the text `null`; the reply of AWS has no body.
    // An existing alias is found before a second key is created.
    let taken = services.create_key(&place, &wanted).unwrap_err();
    assert!(taken.to_string().contains("has this alias"), "{taken}");
    assert_eq!(services.list_keys(&place, true).unwrap().len(), 1);

    let rsa = json!({"KeyUsage": "SIGN_VERIFY", "KeySpec": "RSA_2048"});
    let rsa = key(&mut sdk, rsa);
    let many: Vec<_> = (0..3).map(|_| key(&mut sdk, json!({"KeyUsage": "ENCRYPT_DECRYPT"}))).collect();
    let listed = services.list_keys(&place, false).unwrap();
    assert_eq!(listed.len(), 1 + many.len());
    assert!(listed.iter().all(|key| key.wraps && key.key != rsa));
    assert!(listed.windows(2).all(|two| two[0].created >= two[1].created), "the newest first");
    assert!(services.list_keys(&place, true).unwrap().iter().any(|key| key.key == rsa && !key.wraps));
    let found = listed.iter().find(|key| key.key == made.key).unwrap();
    assert_eq!((found.alias.as_deref(), found.description.as_str()), (Some("app-prod"), "app in production"));

    let alias: KeyRef = "aws:us-east-1:alias/app-prod".parse().unwrap();
    assert_eq!(services.resolve(&alias).unwrap(), made.key);
    let described = services.describe_key(&alias).unwrap();
    assert_eq!((described.key.clone(), described.rotation), (made.key.clone(), Some(Rotation::Off)));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    assert!(described.created.unwrap().abs_diff(now) < 300);
    services.set_key_rotation(&alias, Rotation::Every(Some(180))).unwrap();
    assert!(services.key_rotates(&made.key).unwrap());
    // moto does not store the number of days; MiniStack does.
    assert_eq!(services.describe_key(&alias).unwrap().rotation, Some(Rotation::Every(None)));
    services.set_key_rotation(&made.key, Rotation::Off).unwrap();
    assert!(!services.key_rotates(&alias).unwrap());

    let missing = services.resolve(&"aws:us-east-1:alias/App-Prod".parse().unwrap()).unwrap_err();
    assert!(missing.to_string().contains("no key of this region and account has this alias"), "{missing}");
    let gone = made.key.to_string().replace("key/", "key/f");
    assert!(services.describe_key(&gone.parse().unwrap()).is_err());
}

#[test]
fn the_arn_of_an_alias_is_resolved_only_in_its_account() {
    let answer = |account: &str| {
        let arn = format!("arn:aws:kms:us-east-1:{account}:key/a");
        json!({"KeyMetadata": {"Arn": arn, "KeyUsage": "ENCRYPT_DECRYPT", "KeySpec": "SYMMETRIC_DEFAULT"}})
    };
    let http = Http::start(move |_| Some(Answer::json(answer("222222222222"))));
    let services = services(&http.url());
    let alias =
        |account: &str| format!("aws:us-east-1:arn:aws:kms:us-east-1:{account}:alias/app").parse().unwrap();
    let found = services.resolve(&alias("222222222222")).unwrap();
    assert_eq!(found.key_id(), "arn:aws:kms:us-east-1:222222222222:key/a");
    assert_eq!(http.requests()[0].json()["KeyId"], "arn:aws:kms:us-east-1:222222222222:alias/app");
    assert!(services.resolve(&alias("111111111111")).is_err());
    // A key of another region is also rejected.
    let elsewhere: KeyRef = "aws:eu-west-1:alias/app".parse().unwrap();
    assert!(services.resolve(&elsewhere).is_err());
    assert_eq!(http.requests()[2].json()["KeyId"], "alias/app");
}

#[test]
fn the_error_names_a_created_key_without_its_alias() {
    let created = json!({"KeyMetadata": {
        "Arn": "arn:aws:kms:us-east-1:1:key/a", "KeyUsage": "ENCRYPT_DECRYPT", "KeySpec": "SYMMETRIC_DEFAULT", "KeyState": "Enabled",
    }});
    let http = Http::start(move |request| {
        Some(match request.header("x-amz-target").unwrap() {
            "TrentService.DescribeKey" => Answer::text(400, json!({"__type": "NotFoundException"})),
            "TrentService.CreateKey" => Answer::json(&created),
            _ => Answer::text(400, json!({"__type": "AccessDeniedException"})),
        })
    });
    let wanted = NewKey { alias: "app".into(), description: String::new() };
    let error = services(&http.url()).create_key(&"aws:us-east-1".parse().unwrap(), &wanted).unwrap_err();
    assert!(error.to_string().contains("arn:aws:kms:us-east-1:1:key/a was created"), "{error}");
    let made = http
        .requests()
        .iter()
        .filter(|it| it.header("x-amz-target") == Some("TrentService.CreateKey"))
        .count();
    assert_eq!(made, 1);
}

#[test]
fn a_key_is_created_only_once_even_after_a_lost_reply() {
    let http = Http::start(|request| {
        Some(match request.header("x-amz-target").unwrap() {
            "TrentService.DescribeKey" => Answer::text(400, json!({"__type": "NotFoundException"})),
            _ => Answer::text(503, "{}"),
        })
    });
    let wanted = NewKey { alias: "app".into(), description: String::new() };
    let error = services(&http.url()).create_key(&"aws:us-east-1".parse().unwrap(), &wanted).unwrap_err();
    assert_eq!(http.requests().len(), 2, "{error}");
    assert!(error.to_string().contains("check with `envconf keys list`"), "{error}");
}

#[test]
fn lists_are_read_page_by_page() {
    let http = Http::start(|request| {
        let body = request.json();
        Some(Answer::json(match (request.header("x-amz-target").unwrap(), body["Marker"].as_str()) {
            ("TrentService.ListAliases", _) => json!({"Aliases": [
                {"AliasName": "alias/one", "TargetKeyId": "k1"}, {"AliasName": "alias/two", "TargetKeyId": "k1"},
                {"AliasName": "alias/aws/s3"},
            ], "Truncated": false}),
            ("TrentService.ListKeys", None) => json!({
                "Keys": [{"KeyId": "k1", "KeyArn": "arn:aws:kms:us-east-1:1:key/k1"}], "Truncated": true, "NextMarker": "m",
            }),
            ("TrentService.ListKeys", Some("m")) => json!({
                "Keys": [{"KeyId": "k2", "KeyArn": "arn:aws:kms:us-east-1:1:key/k2"}], "Truncated": false, "NextMarker": "x",
            }),
            _ => json!({"KeyMetadata": {
                "Arn": body["KeyId"], "KeyUsage": "ENCRYPT_DECRYPT", "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT",
                "KeyState": "PendingReplicaDeletion", "KeyManager": if body["KeyId"].as_str().unwrap().ends_with("k2") { "AWS" } else { "CUSTOMER" },
                "CreationDate": 1.5e9,
            }}),
        }))
    });
    let place: KeyPlace = "aws:us-east-1".parse().unwrap();
    let listed = services(&http.url()).list_keys(&place, true).unwrap();
    let shown: Vec<_> =
        listed.iter().map(|key| (key.key.key_id(), key.alias.as_deref(), key.wraps)).collect();
    assert_eq!(
        shown,
        [
            ("arn:aws:kms:us-east-1:1:key/k1", Some("one"), true),
            ("arn:aws:kms:us-east-1:1:key/k2", None, false)
        ]
    );
    assert_eq!((listed[0].created, listed[0].state), (Some(1_500_000_000), KeyState::PendingDeletion));
    // Reading an endless list ends at the deadline.
    let endless =
        Http::start(|_| Some(Answer::json(json!({"Aliases": [], "Truncated": true, "NextMarker": "m"}))));
    let hasty = services(&endless.url()).deadline(Duration::from_secs(1));
    assert!(hasty.list_keys(&place, true).is_err());
}

/// MiniStack has the same key states as AWS.
#[test]
fn the_error_names_the_state_of_an_unusable_key() {
    let server = AwsServer::ministack(&PYTHON);
    let (mut sdk, services) = (sdk(&server), services(&server.url()));
    let key = key(&mut sdk, json!({}));
    let pair = seal(&[&key]).seal_bytes(b"content", &services).unwrap();
    assert_eq!(open(&pair, &key, &services).unwrap(), b"content");
    let id = json!({"KeyId": key.key_id()});
    services.set_key_rotation(&key, Rotation::Every(Some(180))).unwrap();
    assert_eq!(services.describe_key(&key).unwrap().rotation, Some(Rotation::Every(Some(180))));

    sdk.call("kms", "disable_key", id.clone()).unwrap();
    let error = open(&pair, &key, &services).unwrap_err();
    assert_eq!((error.fault(), error.exit_code()), (Some(Fault::Refused), 42), "{error}");
    assert!(error.to_string().contains("the key is disabled: DisabledException"), "{error}");
    assert_eq!(services.describe_key(&key).unwrap().state, KeyState::Disabled);
    assert_eq!(seal(&[&key]).seal_bytes(b"x", &services).unwrap_err().fault(), Some(Fault::Refused));
    sdk.call("kms", "enable_key", id).unwrap();
    assert_eq!(open(&pair, &key, &services).unwrap(), b"content");

    let deletion = json!({"KeyId": key.key_id(), "PendingWindowInDays": 7});
    sdk.call("kms", "schedule_key_deletion", deletion).unwrap();
    let error = open(&pair, &key, &services).unwrap_err();
    assert_eq!(error.fault(), Some(Fault::Refused), "{error}");
    assert!(error.to_string().contains("KMSInvalidStateException"), "{error}");
    assert!(error.attempts()[0].advice().unwrap().contains("pending deletion"), "{error}");
    assert_eq!(services.describe_key(&key).unwrap().state, KeyState::PendingDeletion);
    let id = "7c2bd1a4-5f0e-4c8e-9a2b-0123456789ab";
    let gone = reference("us-east-1", &format!("arn:aws:kms:us-east-1:000000000000:key/{id}"));
    assert!(services.describe_key(&gone).unwrap_err().to_string().contains("NotFoundException"));
}

/// MiniStack decrypts with the key that the blob names, ignores `KeyId`, and returns wrong bytes or another `KeyId`.
/// AWS answers `IncorrectKeyException`. The pair must open in neither case.
#[test]
fn the_blob_of_another_key_does_not_open_even_if_the_server_accepts_it() {
    let server = AwsServer::ministack(&PYTHON);
    let (mut sdk, services) = (sdk(&server), services(&server.url()));
    let (key, other) = (key(&mut sdk, json!({})), key(&mut sdk, json!({})));
    let pair = seal(&[&key, &other]).seal_bytes(b"content", &services).unwrap();
    let mut file = KeyFile::parse(&pair.1).unwrap();
    let [first, second] = file.sections[0].recipients.as_mut_slice() else { panic!("recipients") };
    std::mem::swap(&mut first.blob, &mut second.blob);
    let swapped = (pair.0.clone(), file.emit());
    for trusted in [&key, &other] {
        assert_eq!(open(&pair, trusted, &services).unwrap(), b"content");
        let error = open(&swapped, trusted, &services).unwrap_err();
        assert!(matches!(error.kind(), Kind::UnwrapFailed | Kind::BadDek | Kind::KeyMacMismatch), "{error}");
        assert_ne!(error.fault(), Some(Fault::Transient), "{error}");
    }
}

/// MiniStack allows a difference of 5 minutes, like AWS. AWS returns the code `InvalidSignatureException`, MiniStack
/// returns `RequestTimeTooSkewed`.
#[test]
fn a_wrong_clock_is_corrected_once_by_the_date_of_the_reply() {
    for ahead in [-3600, 3600] {
        let server = AwsServer::ministack_ahead(&PYTHON, ahead);
        let proxy = wire::Scripted::before(server.host());
        // MiniStack does not check signatures of root, so this user has a separate access key.
        let (id, secret) = user(&mut sdk(&server), "kms:*");
        let services = KeyServices::from_given(as_user(&proxy.url(), &id, &secret)).unwrap();
        let key = services.create_key(&"aws:us-east-1".parse().unwrap(), &NewKey::default()).unwrap().key;
        // The first request was rejected and sent again. All later requests have the right time.
        assert_eq!(proxy.requests().len(), 2, "{ahead}");
        let pair = seal(&[&key]).seal_bytes(b"content", &services).unwrap();
        assert_eq!(open(&pair, &key, &services).unwrap(), b"content");
        assert_eq!(proxy.requests().len(), 5, "{ahead}");
    }
}

/// AWS uses the same code for a wrong secret, so only the message shows a wrong clock. Here a server of the test sends
/// that message.
#[test]
fn the_message_of_the_service_identifies_a_late_signature() {
    let seen = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = seen.clone();
    let http = Http::start(move |_| {
        count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let body = json!({
            "__type": "InvalidSignatureException",
            "message": "Signature expired: 20260101T000000Z is now earlier than 20260101T000500Z",
        })
        .to_string();
        let head = format!(
            "HTTP/1.1 400 X\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        Some(Answer { bytes: (head + &body).into_bytes(), pace: None })
    });
    let key = reference("us-east-1", "arn:aws:kms:us-east-1:1:key/a");
    let error = services(&http.url()).describe_key(&key).unwrap_err();
    assert_eq!(seen.load(std::sync::atomic::Ordering::SeqCst), 2, "{error}");
    assert!(error.to_string().contains("clock is more than 5 minutes off"), "{error}");
    assert!(error.to_string().contains("s ahead of the service's"), "{error}");
    let requests = http.requests();
    assert!(
        requests[1].header("x-amz-date").unwrap().starts_with("19941106T0849"),
        "{:?}",
        requests[1].headers
    );
}

/// MiniStack checks actions and resources. Neither server can check conditions on the context.
#[test]
fn permissions_decide_who_can_seal_and_open() {
    let server = AwsServer::ministack(&PYTHON);
    let mut sdk = sdk(&server);
    let key = key(&mut sdk, json!({}));
    let root = services(&server.url());
    let pair = seal(&[&key]).seal_bytes(b"content", &root).unwrap();
    let services_of = |sdk: &mut AwsSdk, action: &str| {
        let (id, secret) = user(sdk, action);
        KeyServices::from_given(as_user(&server.url(), &id, &secret)).unwrap()
    };
    let reader = services_of(&mut sdk, "kms:Decrypt");
    assert_eq!(open(&pair, &key, &reader).unwrap(), b"content");
    let error = seal(&[&key]).seal_bytes(b"x", &reader).unwrap_err();
    assert_eq!(error.fault(), Some(Fault::Refused), "{error}");
    assert!(error.to_string().contains("AccessDenied"), "{error}");
    assert!(error.to_string().contains("the credential is from the variables AWS_ACCESS_KEY_ID"), "{error}");

    let sealer = services_of(&mut sdk, "kms:GenerateDataKey");
    let sealed = seal(&[&key]).seal_bytes(b"by the sealer", &sealer).unwrap();
    assert_eq!(open(&sealed, &key, &sealer).unwrap_err().fault(), Some(Fault::Refused));
    assert_eq!(open(&sealed, &key, &reader).unwrap(), b"by the sealer");

    // A wrong secret is an error, and the request is not repeated.
    let (id, _) = user(&mut sdk, "kms:*");
    let proxy = wire::Scripted::before(server.host());
    let wrong = KeyServices::from_given(as_user(&proxy.url(), &id, "not-the-secret-of-this-id")).unwrap();
    let error = open(&pair, &key, &wrong).unwrap_err();
    assert_eq!((error.fault(), proxy.requests().len()), (Some(Fault::Refused), 1), "{error}");
    assert!(!format!("{error} {error:?}").contains("not-the-secret"));
}

/// Creates a user with this permission, and an access key.
fn user(sdk: &mut AwsSdk, action: &str) -> (String, String) {
    static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let name = format!("user{}", COUNT.fetch_add(1, std::sync::atomic::Ordering::SeqCst));
    sdk.call("iam", "create_user", json!({"UserName": name})).unwrap();
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]});
    let put = json!({"UserName": name, "PolicyName": "p", "PolicyDocument": policy.to_string()});
    sdk.call("iam", "put_user_policy", put).unwrap();
    let key = sdk.call("iam", "create_access_key", json!({"UserName": name})).unwrap();
    let text = |field: &str| key["AccessKey"][field].as_str().unwrap().to_owned();
    (text("AccessKeyId"), text("SecretAccessKey"))
}

fn as_user(url: &str, id: &str, secret: &str) -> Vec<(String, String)> {
    let mut variables = variables(url);
    variables.retain(|(name, _)| !name.starts_with("AWS_"));
    variables.push(("AWS_ACCESS_KEY_ID".into(), id.into()));
    variables.push(("AWS_SECRET_ACCESS_KEY".into(), secret.into()));
    variables
}

#[test]
fn the_error_explains_that_replicas_are_separate_keys() {
    let server = AwsServer::moto(&PYTHON);
    let (mut sdk, services) = (sdk(&server), services(&server.url()));
    let primary = key(&mut sdk, json!({"MultiRegion": true}));
    assert!(primary.key_id().contains("key/mrk-"), "{primary}");
    let pair = seal(&[&primary]).seal_bytes(b"content", &services).unwrap();
    let replica: KeyRef = primary.to_string().replace("us-east-1", "eu-west-1").parse().unwrap();
    let error = open(&pair, &replica, &services).unwrap_err();
    assert_eq!(error.kind(), Kind::NoTrustedRecipient);
    let told = format!("{error} {}", error.advice().unwrap_or_default());
    assert!(told.contains("multi-Region"), "{told}");
    assert!(told.contains(&primary.to_string()) && told.contains("eu-west-1"), "{told}");
    // For an ordinary key, and for a key of another account, there is no hint.
    for other in [
        primary.to_string().replace("mrk-", "").replace("us-east-1", "eu-west-1"),
        primary.to_string().replace("us-east-1", "eu-west-1").replace("123456789012", "111111111111"),
    ] {
        let error = open(&pair, &other.parse().unwrap(), &services).unwrap_err();
        assert_eq!(error.kind(), Kind::NoTrustedRecipient);
        assert!(!format!("{error} {:?}", error.advice()).contains("multi-Region"), "{error}");
    }
}

#[test]
fn envconf_settings_are_checked_first_and_others_when_they_are_needed() {
    let given = |pairs: &[(&str, &str)]| KeyServices::from_given(pairs.iter().copied());
    for (name, bad) in [
        ("ENVCONF_AWS_ENDPOINT", "http://kms.example.com"),
        ("ENVCONF_AWS_ENDPOINT", ""),
        ("ENVCONF_AWS_STS_ENDPOINT", "ftp://x"),
        ("ENVCONF_AWS_METADATA_ENDPOINT", "http://10.0.0.1"),
        ("ENVCONF_AWS_ROLE_ARN", "reader"),
        ("ENVCONF_AWS_ROLE_ARN", ""),
    ] {
        let error = given(&[(name, bad)]).unwrap_err();
        assert_eq!(error.kind(), Kind::Usage);
        assert!(error.to_string().contains(name), "{error}");
    }
    let key = reference("us-east-1", "arn:aws:kms:us-east-1:1:key/a");
    let keys = [("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "canary-b")];
    for (name, bad) in [
        ("AWS_ENDPOINT_URL", "http://localstack:4566"),
        ("AWS_ENDPOINT_URL_KMS", "ftp://x"),
        ("AWS_USE_FIPS_ENDPOINT", "yes"),
        ("AWS_USE_DUALSTACK_ENDPOINT", "1"),
        ("AWS_CA_BUNDLE", "/does/not/exist"),
        ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "maybe"),
    ] {
        let services = given(&[&keys[..], &[(name, bad)]].concat()).unwrap();
        let error = services.describe_key(&key).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
        assert!(!format!("{error:?}").contains("canary"));
        assert_eq!(error.exit_code(), 42, "{error}");
    }
}
