//! Tests of Tencent's SDK against the stand-in: each must accept the messages of the other.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::LazyLock;

use envconf_test_support::tencent::REGION;
use envconf_test_support::{Credential, Python, Sandbox, StandIn};
use serde_json::{Value, json};

static PYTHON: LazyLock<Python> = LazyLock::new(|| {
    Python::with_requirements(
        env!("CARGO_TARGET_TMPDIR"),
        concat!(env!("CARGO_MANIFEST_DIR"), "/../sdk/requirements.txt"),
    )
});

#[test]
fn a_data_key_is_decrypted_with_its_context() {
    for method in ["POST", "GET"] {
        let kms = StandIn::start();
        let mut sdk = Sdk::start(&kms, &[("REQUEST_METHOD", method)]);
        // The context has blanks, quotes, non-ASCII and escaped characters. The service compares the text itself.
        let context = r#"{"app": "支付 a+b&c=d", "n~*": "%20"}"#;
        let made = sdk.call(
            "GenerateDataKey",
            json!({ "KeyId": kms.key_id(), "KeySpec": "AES_256", "EncryptionContext": context }),
        );
        let made = made.unwrap();
        assert_eq!(made["KeyId"], kms.key_id());

        let opened = sdk.decrypt(&made["CiphertextBlob"], Some(context)).unwrap();
        assert_eq!(opened["Plaintext"], made["Plaintext"], "{method}");
        assert_eq!(opened["KeyId"], kms.key_id());

        let otherwise = r#"{"app":"支付 a+b&c=d","n~*":"%20"}"#;
        for wrong in [None, Some("{}"), Some(otherwise)] {
            let refused = sdk.decrypt(&made["CiphertextBlob"], wrong);
            assert_eq!(refused.unwrap_err(), "InvalidParameterValue.InvalidCiphertext", "{method}");
        }
        assert!(kms.requests().iter().all(|request| request.method == method && request.region == REGION));
    }
}

#[test]
fn encrypted_bytes_are_decrypted() {
    for method in ["POST", "GET"] {
        let kms = StandIn::start();
        let mut sdk = Sdk::start(&kms, &[("REQUEST_METHOD", method)]);
        let made =
            sdk.call("Encrypt", json!({ "KeyId": kms.key_id(), "Plaintext": "dGVzdCAvKys=" })).unwrap();
        assert_eq!(sdk.decrypt(&made["CiphertextBlob"], None).unwrap()["Plaintext"], "dGVzdCAvKys=");
    }
}

#[test]
fn the_length_of_a_data_key_can_be_given_as_a_number() {
    for method in ["POST", "GET"] {
        let kms = StandIn::start();
        let mut sdk = Sdk::start(&kms, &[("REQUEST_METHOD", method)]);
        let made = sdk.call("GenerateDataKey", json!({ "KeyId": kms.key_id(), "NumberOfBytes": 3 })).unwrap();
        assert_eq!(made["Plaintext"].as_str().unwrap().len(), 4, "{method}");
    }
}

#[test]
fn a_wrapped_key_is_encrypted_again_with_another_key() {
    for method in ["POST", "GET"] {
        let kms = StandIn::start();
        let other = kms.create_key(REGION);
        let mut sdk = Sdk::start(&kms, &[("REQUEST_METHOD", method)]);
        let context = r#"{"a":"b"}"#;
        let made = sdk.call(
            "GenerateDataKey",
            json!({ "KeyId": kms.key_id(), "KeySpec": "AES_256", "EncryptionContext": context }),
        );
        let made = made.unwrap();
        let moved = sdk.call(
            "ReEncrypt",
            json!({
                "CiphertextBlob": made["CiphertextBlob"],
                "DestinationKeyId": other,
                "SourceEncryptionContext": context,
                "DestinationEncryptionContext": context,
            }),
        );
        let moved = moved.unwrap();
        assert_eq!((&moved["KeyId"], &moved["SourceKeyId"]), (&json!(other), &json!(kms.key_id())));
        assert_eq!(moved["ReEncrypted"], true);
        let opened = sdk.decrypt(&moved["CiphertextBlob"], Some(context)).unwrap();
        assert_eq!((&opened["Plaintext"], &opened["KeyId"]), (&made["Plaintext"], &json!(other)), "{method}");
        let same = sdk.call("ReEncrypt", json!({ "CiphertextBlob": moved["CiphertextBlob"] }));
        assert_eq!(same.unwrap_err(), "InvalidParameterValue.InvalidCiphertext", "without its context");
    }
}

#[test]
fn keys_are_made_listed_and_rotated() {
    for method in ["POST", "GET"] {
        let kms = StandIn::start();
        let mut sdk = Sdk::start(&kms, &[("REQUEST_METHOD", method)]);
        let made = sdk.call("CreateKey", json!({ "Alias": "prod", "Description": "为 a&b" })).unwrap();
        let again = sdk.call("CreateKey", json!({ "Alias": "prod" }));
        assert_eq!(again.unwrap_err(), "InvalidParameterValue.AliasAlreadyExists");
        let malformed = sdk.call("CreateKey", json!({ "Alias": "kms-prod" }));
        assert_eq!(malformed.unwrap_err(), "InvalidParameterValue.InvalidAlias");

        let found = sdk.call("ListKeyDetail", json!({ "SearchKeyAlias": "ro", "Limit": 200 })).unwrap();
        assert_eq!((&found["TotalCount"], &found["KeyMetadatas"][0]["KeyId"]), (&json!(1), &made["KeyId"]));
        let page = sdk.call("ListKeyDetail", json!({ "Offset": 1, "Limit": 1 })).unwrap();
        assert_eq!(
            (&page["TotalCount"], &page["KeyMetadatas"][0]["KeyId"]),
            (&json!(2), &json!(kms.key_id()))
        );

        let key = json!({ "KeyId": made["KeyId"] });
        let rotates = |sdk: &mut Sdk| {
            sdk.call("GetKeyRotationStatus", key.clone()).unwrap()["KeyRotationEnabled"].take()
        };
        assert_eq!(rotates(&mut sdk), false);
        sdk.call("EnableKeyRotation", json!({ "KeyId": made["KeyId"], "RotateDays": 30 })).unwrap();
        assert_eq!(rotates(&mut sdk), true);
        let described = sdk.call("DescribeKey", key.clone()).unwrap();
        assert_eq!(described["KeyMetadata"]["RotateDays"], 30, "{method}");
        assert_eq!(described["KeyMetadata"]["Description"], "为 a&b");
        sdk.call("DisableKeyRotation", key.clone()).unwrap();
        assert_eq!(rotates(&mut sdk), false);
    }
}

#[test]
fn a_wrong_secret_key_is_rejected() {
    for method in ["POST", "GET"] {
        let kms = StandIn::start();
        let wrong = ("TENCENTCLOUD_SECRET_KEY", "another-fake-secret-key");
        let mut sdk = Sdk::start(&kms, &[("REQUEST_METHOD", method), wrong]);
        assert_eq!(sdk.generate(kms.key_id()).unwrap_err(), "AuthFailure.SignatureFailure");
    }
}

#[test]
fn a_clock_may_be_wrong_by_five_minutes() {
    let kms = StandIn::start();
    let mut sdk = Sdk::start(&kms, &[]);
    for off in [-600, 600] {
        kms.set_clock_offset(off);
        assert_eq!(sdk.generate(kms.key_id()).unwrap_err(), "AuthFailure.SignatureExpire");
    }
    for off in [-280, 280] {
        kms.set_clock_offset(off);
        assert!(sdk.generate(kms.key_id()).is_ok());
    }
}

#[test]
fn a_temporary_credential_sends_its_token() {
    let kms = StandIn::builder().credential(Credential::fake_temporary()).start();
    assert!(Sdk::start(&kms, &[]).generate(kms.key_id()).is_ok());
    let mut wrong = Sdk::start(&kms, &[("TENCENTCLOUD_TOKEN", "another-token")]);
    assert_eq!(wrong.generate(kms.key_id()).unwrap_err(), "AuthFailure.TokenFailure");
}

#[test]
fn an_unsigned_payload_is_accepted() {
    for method in ["POST", "GET"] {
        let kms = StandIn::start();
        let mut sdk = Sdk::start(&kms, &[("REQUEST_METHOD", method), ("UNSIGNED_PAYLOAD", "1")]);
        assert!(sdk.generate(kms.key_id()).is_ok(), "{method}");
        assert_eq!(kms.requests()[0].header("x-tc-content-sha256"), Some("UNSIGNED-PAYLOAD"));
    }
}

#[test]
fn tls_works_with_the_trusted_authority() {
    let kms = StandIn::builder().tls().start();
    let sandbox = Sandbox::new();
    let ca = sandbox.write("ca.pem", kms.ca_pem().unwrap());
    let mut sdk = Sdk::start(&kms, &[("ENVCONF_CA_FILE", ca.to_str().unwrap())]);
    assert!(sdk.generate(kms.key_id()).is_ok());

    let mut distrustful = Sdk::start(&kms, &[]);
    assert_eq!(distrustful.generate(kms.key_id()).unwrap_err(), "ClientNetworkError");
    assert_eq!(kms.requests().len(), 1);
}

/// The SDK in a separate process. The process ends when the handle is dropped.
struct Sdk {
    process: Child,
    calls: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Sdk {
    fn start(kms: &StandIn, variables: &[(&str, &str)]) -> Self {
        let mut process = PYTHON
            .command(concat!(env!("CARGO_MANIFEST_DIR"), "/../sdk/tencent_sdk.py"))
            .env("REQUEST_METHOD", "POST")
            .env("TENCENTCLOUD_REGION", REGION)
            .envs(kms.variables())
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the interpreter that installed the packages runs");
        let calls = process.stdin.take().expect("a piped input");
        let answers = BufReader::new(process.stdout.take().expect("a piped output"));
        Self { process, calls, answers }
    }

    /// Returns the response, or the code of the error.
    fn call(&mut self, action: &str, parameters: Value) -> Result<Value, String> {
        writeln!(self.calls, "{}", json!({ "action": action, "parameters": parameters }))
            .expect("the script listens; see its traceback above");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the script writes UTF-8");
        let mut answer: Value =
            serde_json::from_str(&line).expect("the script answers; see its traceback above");
        match answer["error"].as_str() {
            Some(code) => Err(code.to_owned()),
            None => Ok(answer["ok"].take()),
        }
    }

    fn generate(&mut self, key_id: &str) -> Result<Value, String> {
        self.call("GenerateDataKey", json!({ "KeyId": key_id, "KeySpec": "AES_256" }))
    }

    fn decrypt(&mut self, blob: &Value, context: Option<&str>) -> Result<Value, String> {
        self.call("Decrypt", json!({ "CiphertextBlob": blob, "EncryptionContext": context }))
    }
}

impl Drop for Sdk {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
