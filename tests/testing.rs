//! Tests of `envconf::testing`, used as in the tests of a program.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use envconf::kms::KmsError;
use envconf::testing::{self, Deployment, MemoryKms};
use envconf::{ContentType, EncryptedConfig, ExposeSecret, Kind, SecretString};

#[derive(EncryptedConfig)]
#[envconf(name = "app", env_prefix = "APP")]
struct Config {
    #[envconf(default = 1)]
    port: u16,
    token: SecretString,
}

/// A type that pins real signers. No test has their private keys.
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
fn a_loader_reads_nothing_of_the_process() {
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
fn a_type_with_pinned_signers_loads_from_a_signed_pair() {
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
fn the_service_fails_as_set_and_counts_requests() {
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
fn wrapped_keys_of_the_service_are_bound_to_name_and_environment() {
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

#[derive(EncryptedConfig, Debug)]
#[envconf(name = "layered", env_prefix = "LAYERED", signers = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")]
struct Layered {
    #[envconf(default = 1)]
    a: u8,
    #[envconf(default = 1)]
    b: u8,
    #[envconf(default = 1)]
    c: u8,
    #[envconf(default = 1)]
    d: u8,
    token: SecretString,
}

#[test]
fn a_deployment_has_an_environment_plain_layers_and_signatures() {
    let dir = tempfile::tempdir().unwrap();
    let kms = MemoryKms::new();
    let deployment = || {
        Deployment::<Layered>::new(dir.path())
            .environment("prod")
            .defaults("a = 2\nb = 2\nc = 2")
            .environment_defaults("b = 3\nc = 3")
            .content_as(ContentType::Json, br#"{"c": 4, "token": "x"}"#)
            .kms(&kms)
    };
    let loaded = deployment().loader().unwrap().variables([("LAYERED__D", "5")]).load().unwrap();
    assert_eq!((loaded.a, loaded.b, loaded.c, loaded.d), (2, 3, 4, 5));
    assert_eq!(loaded.token.expose_secret(), "x");
    let file = |path: &str| {
        let origin = loaded.origin(path).unwrap().to_string();
        [
            "layered.defaults.toml",
            "layered.prod.defaults.toml",
            "layered.prod.conf.enc",
            "environment variable LAYERED__D",
        ]
        .into_iter()
        .find(|name| origin.contains(name))
        .unwrap()
    };
    assert_eq!(
        ["a", "b", "c", "d"].map(file),
        [
            "layered.defaults.toml",
            "layered.prod.defaults.toml",
            "layered.prod.conf.enc",
            "environment variable LAYERED__D"
        ]
    );
    // A second deployment replaces the existing files.
    assert_eq!(deployment().defaults("a = 7").loader().unwrap().load().unwrap().a, 7);

    kms.fail(KmsError::refused("no"));
    assert_eq!(deployment().loader().map(drop).unwrap_err().exit_code(), 42);
    kms.recover();
    let loader = deployment().loader().unwrap();
    kms.fail(KmsError::refused("no"));
    assert_eq!(loader.load().map(drop).unwrap_err().exit_code(), 42);

    let nowhere = Deployment::<Layered>::new(dir.path()).environment_defaults("a = 1").loader();
    assert_eq!(nowhere.map(drop).unwrap_err().kind(), Kind::Usage);
    let unnamed = Deployment::<Layered>::new(dir.path()).environment("not a name").loader();
    assert_eq!(unnamed.map(drop).unwrap_err().kind(), Kind::Usage);
    let secret = Deployment::<Layered>::new(dir.path()).defaults("token = 'x'").content("token = 'y'");
    let error = secret.loader().unwrap().load().map(drop).unwrap_err();
    assert!(error.to_string().contains("a secret does not belong in a plain layer"), "{error}");
}

#[derive(EncryptedConfig, Debug)]
#[envconf(name = "app", env_prefix = "APP")]
struct OfTheProcess {
    port: u16,
}

#[test]
fn a_given_loader_loads_the_instance_of_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let loader = |toml: &str| testing::loader::<OfTheProcess>(dir.path(), toml).unwrap();
    let failed = OfTheProcess::init_global(loader("port = 'x'"));
    assert_eq!(failed.unwrap_err().kind(), Kind::DoesNotFit);
    let first = OfTheProcess::init_global(loader("port = 1")).unwrap();
    assert_eq!(first.port, 1);
    let error = OfTheProcess::init_global(loader("port = 2")).unwrap_err();
    assert_eq!(error.kind(), Kind::Usage);
    assert!(error.to_string().contains("OfTheProcess"), "{error}");
    assert!(std::ptr::eq(OfTheProcess::global().unwrap(), first));
}
