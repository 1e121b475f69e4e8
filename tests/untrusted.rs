//! Tests of the notes about trust in the error of a rejected pair: the trusted keys, and the setting that named them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "the tests do not read all loaded values")]

mod common;

use common::Project;
use envconf::{ContentType, EncryptedConfig, Error, KeyServices, Kind, LocalKey, Policy};

#[derive(EncryptedConfig, Debug)]
#[envconf(name = "app")]
struct App {
    port: u16,
}

#[derive(EncryptedConfig, Debug)]
#[envconf(name = "app", trust(prod = "tencent:ap-guangzhou:23e80852", default = "local:-:0123456789abcdef"))]
struct ByEnvironment {
    port: u16,
}

#[derive(EncryptedConfig, Debug)]
#[envconf(name = "app", trust = "tencent:ap-guangzhou:23e80852")]
struct ForAll {
    port: u16,
}

fn notes<T>(loaded: Result<T, Error>) -> Vec<String> {
    let error = loaded.map(drop).unwrap_err();
    assert_eq!((error.kind(), error.exit_code()), (Kind::NoTrustedRecipient, 34), "{error}");
    let shown = error.to_string();
    for note in error.notes() {
        assert!(shown.contains(&format!("\n  {note}\n")), "the notes must be before the advice: {shown}");
    }
    // The recipients come first, then the trusted keys.
    let recipients = error.notes().iter().take_while(|note| note.starts_with("recipient ")).count();
    assert!(recipients > 0, "{shown}");
    error.notes()[recipients..].to_vec()
}

fn text(key: &LocalKey) -> String {
    key.expose_text().to_string()
}

#[test]
fn each_source_of_trust_is_named_with_its_keys() {
    let project = Project::toml("port = 1");
    let load = |variables: &[(&str, &str)]| project.loader_without_key::<App>(variables).load();
    assert!(notes(load(&[])).is_empty(), "without trusted keys there must be only the advice");
    let list = "tencent:ap-guangzhou:1,local:-:0123456789abcdef";
    let trusted = "tencent:ap-guangzhou:1, local:-:0123456789abcdef";
    assert_eq!(notes(load(&[("ENVCONF_TRUST", list)])), [format!("trusted by ENVCONF_TRUST: {trusted}")]);
    let loader = project.loader_without_key::<App>(&[("ENVCONF_TRUST", "local")]).trust(list);
    assert_eq!(notes(loader.load()), [format!("trusted by Loader::trust: {trusted}")]);
    let loader = project.loader_without_key::<ForAll>(&[]);
    assert_eq!(notes(loader.load()), ["trusted by the attribute trust: tencent:ap-guangzhou:23e80852"]);
    let loader = project.loader_without_key::<ByEnvironment>(&[]);
    assert_eq!(
        notes(loader.load()),
        ["trusted by the attribute trust for default: local:-:0123456789abcdef"]
    );

    let policy = Policy::new("app".parse().unwrap(), "default".parse().unwrap());
    let policy = policy.trust(["tencent:ap-guangzhou:1".parse().unwrap()]);
    let opened = envconf::open(&project.pair("default"), &policy, &KeyServices::none());
    assert_eq!(notes(opened), ["trusted by the caller: tencent:ap-guangzhou:1"]);
}

#[test]
fn an_attribute_without_the_environment_is_reported() {
    let project = Project::toml("port = 1");
    let services = KeyServices::none().local_key(project.key.clone());
    project.seal("staging", ContentType::Toml, b"port = 1", &[project.key.key_ref()], &services);
    let loader = project.loader_without_key::<ByEnvironment>(&[]).environment("staging");
    assert_eq!(
        notes(loader.load()),
        ["the attribute trust has no entry for staging, only for prod, default"]
    );
    let other = LocalKey::generate().unwrap();
    let loader = project.loader_without_key::<ByEnvironment>(&[("ENVCONF_KEY", &text(&other))]);
    let expected = [
        "the attribute trust has no entry for staging, only for prod, default".to_owned(),
        format!("trusted local key, given by ENVCONF_KEY: {}", other.key_ref()),
    ];
    assert_eq!(notes(loader.environment("staging").load()), expected);
}

#[test]
fn local_keys_are_named_with_their_source() {
    let project = Project::toml("port = 1");
    let [one, two] = [(); 2].map(|()| LocalKey::generate().unwrap());
    let given = |by: &str, key: &LocalKey| format!("trusted local key, given by {by}: {}", key.key_ref());
    let load = |variables: &[(&str, &str)]| project.loader_without_key::<App>(variables);
    let both = [given("ENVCONF_KEY", &one), given("the program", &two)];
    let loader = load(&[("ENVCONF_KEY", &text(&one))]).local_key(two.clone());
    let error = loader.load().map(drop).unwrap_err();
    assert!(!error.to_string().contains(&text(&one)), "the error must show no key");
    let loader = load(&[("ENVCONF_KEY", &text(&one))]).local_key(two.clone());
    assert_eq!(notes(loader.load()), both);
    project.sandbox.write_mode("key", text(&one), 0o600);
    let file = project.sandbox.path("key").to_string_lossy().into_owned();
    assert_eq!(notes(load(&[("ENVCONF_KEY_FILE", &file)]).load()), [given("ENVCONF_KEY_FILE", &one)]);
    let command = [("ENVCONF_KEY_CMD", "false"), ("ENVCONF_TRUST", "tencent:ap-guangzhou:1")];
    assert_eq!(
        notes(load(&command).load()),
        [
            "trusted by ENVCONF_TRUST: tencent:ap-guangzhou:1",
            "trusted local keys: those that ENVCONF_KEY_CMD prints"
        ]
    );
}

#[test]
fn an_enabled_key_of_the_store_is_named() {
    let project = Project::toml("port = 1");
    let home = project.sandbox.path("home");
    std::fs::create_dir_all(&home).unwrap();
    let store = envconf::key_store::KeyStore::at(&home);
    let other = LocalKey::generate().unwrap();
    store.add(&other).unwrap();
    store.enable(other.key_ref(), &project.sandbox.path("config")).unwrap();
    let home = home.to_string_lossy().into_owned();
    let loader = project.loader_without_key::<App>(&[("ENVCONF_HOME", &home)]);
    let notes = notes(loader.load());
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(
        notes[0].starts_with("trusted local key, enabled for ")
            && notes[0].ends_with(&other.key_ref().to_string())
    );
}
