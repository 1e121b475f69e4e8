//! Tests of the search for local keys and of trust in them (api.md §2 and §3). Also tests the limits of a writer of the
//! repository.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::Project;
use envconf::{ContentType, EncryptedConfig, Error, KeyServices, Kind, LocalKey};

#[derive(EncryptedConfig, Debug)]
#[envconf(name = "app")]
struct App {
    port: u16,
}

#[derive(EncryptedConfig, Debug)]
#[envconf(name = "app", trust(prod = "tencent:ap-guangzhou:23e80852", default = "local"))]
struct Pinned {
    port: u16,
}

const TENCENT: &str = "tencent:ap-guangzhou:23e80852";

fn project() -> Project {
    Project::toml("port = 8080\n")
}

fn load(project: &Project, variables: &[(&str, &str)]) -> Result<u16, Error> {
    project.loader_without_key::<App>(variables).load().map(|app| app.port)
}

fn text(key: &LocalKey) -> String {
    key.expose_text().to_string()
}

#[test]
fn supplied_keys_are_trusted() {
    let project = project();
    let key = text(&project.key);
    let other = text(&LocalKey::generate().unwrap());
    assert_eq!(load(&project, &[("ENVCONF_KEY", &key)]).unwrap(), 8080);
    assert_eq!(load(&project, &[("ENVCONF_KEY", &format!("{other},{key}"))]).unwrap(), 8080);
    assert_eq!(load(&project, &[("ENVCONF_KEY", &key), ("ENVCONF_TRUST", TENCENT)]).unwrap(), 8080);
    assert_eq!(load(&project, &[("ENVCONF_KEY", &other)]).unwrap_err().kind(), Kind::NoTrustedRecipient);
}

#[test]
fn key_files_must_have_the_right_mode() {
    let project = project();
    let (good, other) = ("keys/good", "keys/other");
    project.sandbox.write_mode(good, format!("{}\n", text(&project.key)), 0o600);
    project.sandbox.write_mode(other, text(&LocalKey::generate().unwrap()), 0o640);
    let [good, other] = [good, other].map(|file| project.sandbox.path(file).to_string_lossy().into_owned());
    assert_eq!(load(&project, &[("ENVCONF_KEY_FILE", &format!("{other}:{good}"))]).unwrap(), 8080);
    for mode in [0o604, 0o620, 0o610, 0o601, 0o602] {
        project.sandbox.write_mode("keys/open", text(&project.key), mode);
        let open = project.sandbox.path("keys/open").to_string_lossy().into_owned();
        let error = load(&project, &[("ENVCONF_KEY_FILE", &open)]).unwrap_err();
        assert_eq!((error.kind(), error.exit_code()), (Kind::InsecureKeyFile, 43), "{mode:o}");
        assert!(error.to_string().contains("chmod 600"));
    }
    let directory = project.sandbox.path("keys").to_string_lossy().into_owned();
    assert_eq!(
        load(&project, &[("ENVCONF_KEY_FILE", &directory)]).unwrap_err().kind(),
        Kind::InsecureKeyFile
    );
    let error = load(&project, &[("ENVCONF_KEY_FILE", "/does/not/exist")]).unwrap_err();
    assert_eq!((error.kind(), error.exit_code()), (Kind::BadLocalKey, 43));
}

#[test]
fn a_command_runs_only_where_local_is_listed_and_trusted() {
    let project = project();
    let marker = project.sandbox.path("ran");
    let script = format!("#!/bin/sh\necho ran > {}\necho '{}'\n", marker.display(), text(&project.key));
    project.sandbox.write_mode("key.sh", script, 0o700);
    let command = format!("sh '{}'", project.sandbox.path("key.sh").display());
    let error = load(&project, &[("ENVCONF_KEY_CMD", &command), ("ENVCONF_TRUST", TENCENT)]).unwrap_err();
    assert_eq!(error.kind(), Kind::NoTrustedRecipient);
    assert!(!marker.exists(), "the command must not run if local is not trusted");
    assert_eq!(load(&project, &[("ENVCONF_KEY_CMD", &command)]).unwrap(), 8080);
    assert!(marker.exists());
    assert_eq!(load(&project, &[("ENVCONF_KEY_CMD", &command), ("ENVCONF_TRUST", "local")]).unwrap(), 8080);
}

#[test]
fn empty_or_invalid_settings_are_named() {
    let project = project();
    let key = text(&project.key);
    for (name, value) in [
        ("ENVCONF_TRUST", ""),
        ("ENVCONF_TRUST", "local,"),
        ("ENVCONF_TRUST", "nonsense"),
        ("ENVCONF_SIGNERS", ""),
        ("ENVCONF_SIGNERS", "AAAA"),
        ("ENVCONF_REQUIRED_SIGNATURES", "0"),
        ("ENVCONF_REQUIRED_SIGNATURES", "2"),
        ("ENVCONF_MIN_GENERATION", "-1"),
        ("ENVCONF_KMS_DEADLINE", "10"),
        ("ENVCONF_ENV", ""),
        ("ENVCONF_ENV", "a b"),
        ("ENVCONF_DIR", ""),
        ("ENVCONF_KEY_FILE", ""),
        ("ENVCONF_KEY_CMD", " "),
        ("ENVCONF_KEY_CMD", "sh 'x"),
    ] {
        let error = load(&project, &[(name, value)]).unwrap_err();
        assert_eq!((error.kind(), error.exit_code()), (Kind::Usage, 2), "{name}={value}: {error}");
        let named = error.to_string().contains(name) || name == "ENVCONF_REQUIRED_SIGNATURES";
        assert!(named, "{name} is not in: {error}");
    }
    let both = [("ENVCONF_KEY", key.as_str()), ("ENVCONF_KEY_FILE", "x")];
    assert_eq!(load(&project, &both).unwrap_err().kind(), Kind::Usage);
}

#[test]
fn untrusted_recipients_are_named_with_a_hint() {
    let project = project();
    let error = load(&project, &[("ENVCONF_TRUST", TENCENT)]).unwrap_err();
    assert_eq!((error.kind(), error.exit_code()), (Kind::NoTrustedRecipient, 34));
    let report = error.to_string();
    assert!(
        report.contains(&project.key.key_ref().to_string()) && report.contains("ENVCONF_TRUST"),
        "{report}"
    );
    assert!(report.contains("trust = "), "{report}");
}

#[test]
fn a_missing_local_key_is_reported_if_it_is_trusted() {
    let project = project();
    // No setting trusts a local key here, so all recipients are untrusted.
    let error = load(&project, &[]).unwrap_err();
    assert_eq!((error.kind(), error.exit_code()), (Kind::NoTrustedRecipient, 34));
    assert!(error.to_string().contains("ENVCONF_KEY,") && error.to_string().contains("ENVCONF_TRUST"));
    let error = load(&project, &[("ENVCONF_TRUST", "local")]).unwrap_err();
    assert_eq!((error.kind(), error.exit_code()), (Kind::BadLocalKey, 43));
    let pinned = format!("local:-:{}", project.key.key_ref().key_id());
    let error = load(&project, &[("ENVCONF_TRUST", &pinned)]).unwrap_err();
    assert_eq!(error.exit_code(), 43, "{error}");
}

#[test]
fn the_method_replaces_the_variable_and_the_variable_replaces_the_attribute() {
    let project = project();
    let loader = |variables: &[(&str, &str)]| project.loader_without_key::<Pinned>(variables);
    let key = text(&project.key);
    let pinned = project.key.key_ref().to_string();
    // The attribute trusts `local` here, and the variable supplies the key.
    assert_eq!(loader(&[("ENVCONF_KEY", &key)]).load().unwrap().port, 8080);
    let error = loader(&[("ENVCONF_TRUST", TENCENT)]).load().map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), Kind::NoTrustedRecipient);
    let error = loader(&[("ENVCONF_TRUST", &pinned)]).trust(TENCENT).load().map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), Kind::NoTrustedRecipient);
}

/// Runs a program in `directory`, with the key store of the sandbox.
fn run_in(project: &Project, directory: &str, variables: &[(&str, &str)]) -> String {
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "loads_in_its_working_directory", "--nocapture", "--test-threads", "1"]);
    child.env_clear().env("RUN_IN_DIRECTORY", "1").env("ENVCONF_HOME", project.sandbox.store());
    child.envs(variables.iter().copied());
    child.current_dir(project.sandbox.path(directory));
    let output = child.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line =
        text.lines().find_map(|line| line.split_once("outcome: ").map(|(_, outcome)| outcome.to_owned()));
    line.unwrap_or_else(|| panic!("{text}"))
}

/// The child of [`run_in`]. Does nothing in a normal run of the tests.
#[test]
fn loads_in_its_working_directory() {
    if std::env::var_os("RUN_IN_DIRECTORY").is_none() {
        return;
    }
    match App::load() {
        Ok(app) => println!("outcome: {}", app.port),
        Err(error) if std::env::var_os("RUN_IN_DIRECTORY").is_some_and(|word| word == "text") => {
            println!("outcome: {error}");
        }
        Err(error) => println!("outcome: {}", error.kind()),
    }
}

#[test]
fn a_found_key_is_trusted_without_a_setting_or_if_a_setting_names_it() {
    let project = project();
    let stored = project.sandbox.own_key(&text(&project.key));
    let pinned = project.key.key_ref().to_string();
    let other = LocalKey::generate().unwrap();
    let (other_ref, other_text) = (other.key_ref().to_string(), text(&other));
    for (variables, outcome) in [
        (&[][..], "8080"),
        (&[("ENVCONF_TRUST", "local")], "8080"),
        (&[("ENVCONF_TRUST", &pinned)], "8080"),
        (&[("ENVCONF_TRUST", TENCENT)], "NoTrustedRecipient"),
        (&[("ENVCONF_TRUST", &other_ref)], "NoTrustedRecipient"),
        // If keys are supplied, the key store is not used.
        (&[("ENVCONF_KEY", &other_text)], "NoTrustedRecipient"),
        (&[("ENVCONF_KEY", &other_text), ("ENVCONF_TRUST", "local")], "NoTrustedRecipient"),
        (&[("ENVCONF_KEY", &other_text), ("ENVCONF_TRUST", &pinned)], "8080"),
        (&[("ENVCONF_HOME", "relative")], "Usage"),
        (&[("ENVCONF_HOME", "")], "Usage"),
    ] {
        assert_eq!(run_in(&project, ".", variables), outcome, "{variables:?}");
    }
    let chmod = |mode| {
        std::fs::set_permissions(&stored, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    };
    chmod(0o644);
    assert_eq!(run_in(&project, ".", &[]), "InsecureKeyFile");
    assert_eq!(run_in(&project, ".", &[("ENVCONF_TRUST", TENCENT)]), "NoTrustedRecipient");
}

/// The directory of the pair decides which keys are used, in any working directory.
#[test]
fn a_found_key_is_used_below_its_enabled_directories() {
    let project = project();
    project.sandbox.write("elsewhere/readme", "");
    let dir = project.sandbox.path("config").to_string_lossy().into_owned();
    for (enabled_for, outcome) in [("elsewhere", "NoTrustedRecipient"), ("", "8080"), ("config", "8080")] {
        project.sandbox.own_key_for(&text(&project.key), enabled_for);
        for directory in [".", "elsewhere"] {
            let outcome_here = run_in(&project, directory, &[("ENVCONF_DIR", &dir)]);
            assert_eq!(outcome_here, outcome, "enabled for {enabled_for:?}, working in {directory}");
        }
        project.sandbox.lose_keys();
    }
}

/// Without a home directory there is no key store, and the error says so.
#[test]
fn a_missing_home_is_reported() {
    let project = project();
    project.sandbox.own_key(&text(&project.key));
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "loads_in_its_working_directory", "--nocapture", "--test-threads", "1"]);
    child.env_clear().env("RUN_IN_DIRECTORY", "text").current_dir(project.sandbox.root());
    let output = String::from_utf8(child.output().unwrap().stdout).unwrap();
    assert!(output.contains("HOME and ENVCONF_HOME are not set"), "{output}");
}

#[test]
fn an_attribute_with_environments_trusts_no_key_in_others() {
    let project = project();
    let services = KeyServices::none().local_key(project.key.clone());
    project.seal("staging", ContentType::Toml, b"port = 1\n", &[project.key.key_ref()], &services);
    let error =
        project.loader_without_key::<Pinned>(&[]).environment("staging").load().map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), Kind::NoTrustedRecipient);
}

#[test]
fn generations_below_the_higher_limit_are_rejected() {
    let project = project();
    let load = |variable: &str, method: u64| {
        let loader = project.loader::<App>(&[("ENVCONF_MIN_GENERATION", variable)]);
        loader.min_generation(method).load().map(|app| app.port)
    };
    assert_eq!(load("1", 1).unwrap(), 8080);
    assert_eq!(load("2", 1).unwrap_err().kind(), Kind::Rollback);
    assert_eq!(load("1", 2).unwrap_err().exit_code(), 32);
}
