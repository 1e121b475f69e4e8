//! `envconf::testing`, as the tests of a program use it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use envconf::kms::KmsError;
use envconf::testing::{self, MemoryKms};
use envconf::{ContentType, EncryptedConfig, ExposeSecret, Kind, SecretString};

#[derive(EncryptedConfig)]
#[envconf(name = "app", env_prefix = "APP")]
struct Config {
    #[envconf(default = 1)]
    port: u16,
    token: SecretString,
}

/// Its signers are real ones, whose private keys no test has.
#[derive(EncryptedConfig, Debug)]
#[envconf(
    name = "signed",
    trust = "tencent:ap-guangzhou:1",
    signers = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=,PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=",
    required_signatures = 2
)]
struct Signed {
    port: u16,
}

#[test]
fn a_loader_knows_what_it_is_given_and_nothing_of_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let loader = testing::loader::<Config>(dir.path(), "token = 'x'").unwrap();
    let config = loader.load().unwrap();
    assert_eq!((config.port, config.token.expose_secret()), (1, "x"));

    let loader = testing::loader::<Config>(dir.path(), "token = 'y'").unwrap();
    let config = loader.variables([("APP__PORT", "2")]).load().unwrap();
    assert_eq!((config.port, config.token.expose_secret()), (2, "y"));

    let error = testing::loader::<Config>(dir.path(), "port = 'x'").unwrap().load().map(drop).unwrap_err();
    assert_eq!((error.kind(), error.problems().len()), (Kind::DoesNotFit, 2));
}

#[test]
fn a_type_that_pins_signers_is_loaded_from_a_signed_pair() {
    let dir = tempfile::tempdir().unwrap();
    let loaded = testing::loader::<Signed>(dir.path(), "port = 3").unwrap().load().unwrap();
    assert_eq!(loaded.port, 3);
    let kms = MemoryKms::new();
    testing::seal::<Signed>(dir.path(), "default", ContentType::Toml, b"port = 4", &MemoryKms::new())
        .unwrap();
    let loader = Signed::loader().dir(dir.path()).kms(kms.clone()).trust(kms.key().to_string());
    assert_eq!(loader.load().unwrap_err().kind(), Kind::SignatureRequired);
}

#[test]
fn the_service_fails_as_it_is_told_and_counts() {
    let dir = tempfile::tempdir().unwrap();
    let kms = MemoryKms::new();
    testing::seal::<Config>(dir.path(), "prod", ContentType::Json, br#"{"token":"x"}"#, &kms).unwrap();
    let load = || {
        let loader = Config::loader().dir(dir.path()).environment("prod").kms(kms.clone());
        loader.trust(kms.key().to_string()).deadline(Duration::from_millis(200)).load().map(drop)
    };
    let sealed = kms.requests();
    load().unwrap();
    assert_eq!(kms.requests(), sealed + 1);

    kms.fail_next(KmsError::transient("away"));
    assert_eq!(load().unwrap_err().exit_code(), 41);
    load().unwrap();

    kms.fail(KmsError::refused("no"));
    assert_eq!((load().unwrap_err().exit_code(), load().unwrap_err().exit_code()), (42, 42));
    kms.recover();
    load().unwrap();

    kms.delay(Duration::from_secs(3600));
    assert_eq!(load().unwrap_err().exit_code(), 41);
    kms.delay(Duration::ZERO);
    load().unwrap();
}

#[test]
fn its_wrapped_keys_are_bound_to_name_environment_and_service() {
    let dir = tempfile::tempdir().unwrap();
    let (kms, other) = (MemoryKms::new(), MemoryKms::new());
    testing::seal::<Config>(dir.path(), "prod", ContentType::Toml, b"token = 'x'", &kms).unwrap();
    for file in ["enc", "key"] {
        let text = std::fs::read_to_string(dir.path().join(format!("app.prod.conf.{file}"))).unwrap();
        let text = text.replace("env: prod", "env: test");
        std::fs::write(dir.path().join(format!("app.test.conf.{file}")), text).unwrap();
    }
    let load = |environment: &str, kms: &MemoryKms| {
        let loader = Config::loader().dir(dir.path()).environment(environment).kms(kms.clone());
        loader.trust(kms.key().to_string()).load().map(drop)
    };
    load("prod", &kms).unwrap();
    assert_eq!(load("test", &kms).unwrap_err().kind(), Kind::UnwrapFailed);
    assert_eq!(load("prod", &other).unwrap_err().kind(), Kind::NoTrustedRecipient);
}
