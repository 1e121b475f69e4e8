//! Tests of the command with Vault and OpenBao, against a real OpenBao server: keys, the first steps of a project, the
//! move of a team, a diagnosis, and errors.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Output;
use std::sync::LazyLock;

use envconf_test_support::openbao::ROOT;
use envconf_test_support::{OpenBao, Sandbox};
use serde_json::{Value, json};

const SCRIPT: &str = include_str!("../examples/story-vault.sh");
const PAGE: &str = include_str!("../envconf/docs/vault.md");

static SERVER: LazyLock<OpenBao> = LazyLock::new(|| OpenBao::start(env!("CARGO_TARGET_TMPDIR")));

/// The result of a command.
struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Ran {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    fn ok(self) -> String {
        assert_eq!(self.code, 0, "{}{}", self.stdout, self.stderr);
        self.stdout
    }

    fn json(self) -> Value {
        serde_json::from_str(&self.ok()).unwrap()
    }

    fn fails(&self, code: i32, says: &str) {
        assert_eq!(self.code, code, "{}{}", self.stdout, self.stderr);
        let text = format!("{}{}", self.stdout, self.stderr);
        assert!(text.contains(says), "{says} is not in: {text}");
        assert!(!text.contains(ROOT), "{text}");
    }
}

fn envconf_as(token: &str, sandbox: &Sandbox, arguments: &[&str]) -> Ran {
    let mut command = sandbox.command(env!("CARGO_BIN_EXE_envconf"));
    command.args(arguments).env("VAULT_ADDR", SERVER.url()).env("VAULT_TOKEN", token);
    Ran::of(command.output().unwrap())
}

fn envconf(sandbox: &Sandbox, arguments: &[&str]) -> Ran {
    envconf_as(ROOT, sandbox, arguments)
}

#[test]
fn the_story_of_the_moving_team_runs() {
    let sandbox = Sandbox::new();
    let directory = Path::new(env!("CARGO_BIN_EXE_envconf")).parent().unwrap();
    let path = format!("{}:{}", directory.display(), std::env::var("PATH").unwrap());
    let repository = sandbox.path("repository");
    std::fs::create_dir(&repository).unwrap();
    let output = sandbox
        .command("sh")
        .current_dir(&repository)
        .args(["-c", SCRIPT])
        .env("PATH", path)
        .envs([("VAULT_ADDR", SERVER.url().as_str()), ("VAULT_TOKEN", ROOT)])
        .envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1")])
        .envs([("GIT_AUTHOR_NAME", "Anna"), ("GIT_AUTHOR_EMAIL", "anna@example.com")])
        .envs([("GIT_COMMITTER_NAME", "Anna"), ("GIT_COMMITTER_EMAIL", "anna@example.com")])
        .output()
        .unwrap();
    let ran = Ran::of(output);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    for line in ["the service has a pool of 10", "the local key was rejected with exit code 34"] {
        assert!(
            ran.stdout.lines().any(|other| other == line),
            "no line `{line}`:\n{}{}",
            ran.stdout,
            ran.stderr
        );
    }
    assert!(ran.stdout.contains("decrypt is granted"), "{}", ran.stdout);
    for secret in ["token-one", "token-two", "envconf-local-v1", ROOT] {
        let shown = ran.stdout.contains(secret) || ran.stderr.contains(secret);
        assert!(!shown, "{secret} is shown:\n{}{}", ran.stdout, ran.stderr);
    }
    assert!(
        PAGE.contains(&format!("```sh\n{SCRIPT}```\n")),
        "docs/vault.md differs from examples/story-vault.sh"
    );
}

#[test]
fn keys_of_transit_are_made_listed_described_and_rotated() {
    let sandbox = Sandbox::new();
    let run = |arguments: &[&str]| envconf(&sandbox, arguments);
    SERVER.ok("POST", "sys/mounts/vaulted/transit", &json!({"type": "transit"}));
    let place = "vault:-:vaulted/transit";
    // The mount has no keys.
    assert_eq!(run(&["keys", "list", place, "--json"]).json()["keys"], json!([]));
    let made = run(&["keys", "create", place, "--alias", "app", "--rotate", "90"]).ok();
    assert_eq!(made, "vault:-:vaulted/transit/app\n");
    let key = made.trim();
    let described = run(&["keys", "describe", key, "--json"]).json();
    assert_eq!(described["key"], key);
    assert_eq!((&described["state"], &described["wraps"]), (&json!("enabled"), &json!(true)));
    assert_eq!((&described["rotates"], &described["rotate_days"]), (&json!(true), &json!(90)));
    assert!(described["created"].is_string() && described["alias"].is_null(), "{described}");
    assert!(run(&["keys", "describe", key]).ok().starts_with(made.as_str()));
    assert_eq!(run(&["keys", "rotation", key]).ok(), format!("{key}: rotation on\n"));
    assert_eq!(run(&["keys", "rotation", key, "--off"]).ok(), format!("{key}: rotation off\n"));
    assert_eq!(run(&["keys", "rotation", key, "--on", "--json"]).json()["rotates"], true);
    assert_eq!(run(&["keys", "rotation", key, "--every", "1", "--json"]).json()["rotates"], true);
    let period = SERVER.ok("GET", "vaulted/transit/keys/app", &Value::Null);
    assert_eq!(period["data"]["auto_rotate_period"], 86_400);
    // A second key with this name is an error, because the server would return the existing one.
    run(&["keys", "create", place, "--alias", "app"]).fails(42, "a key with this name exists already");
    for bad in ["a/b", "..", "a b", "a?b", "\u{e9}"] {
        let ran = run(&["keys", "create", place, "--alias", bad]);
        assert_ne!(ran.code, 0, "{bad}");
        ran.fails(ran.code, "invalid name of a key");
    }
    run(&["keys", "create", place, "--alias", "x", "--description", "d"]).fails(40, "no description");
    // `--all` also lists keys that cannot wrap.
    for (name, parameters) in [
        ("rsa", json!({"type": "rsa-2048"})),
        ("derived", json!({"derived": true})),
        ("soft", json!({})),
        ("sign", json!({"type": "ed25519"})),
    ] {
        SERVER.ok("POST", &format!("vaulted/transit/keys/{name}"), &parameters);
    }
    SERVER.ok("DELETE", "vaulted/transit/keys/soft/soft-delete", &Value::Null);
    let names = |arguments: &[&str]| {
        let listed = run(arguments).json();
        let keys = listed["keys"].as_array().unwrap().clone();
        let name = |key: &Value| key["key"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        let mut names: Vec<_> = keys.iter().map(name).collect();
        names.sort();
        names
    };
    assert_eq!(names(&["keys", "list", place, "--json"]), ["app", "soft"]);
    assert_eq!(names(&["keys", "list", place, "--all", "--json"]), ["app", "derived", "rsa", "sign", "soft"]);
    let soft = run(&["keys", "describe", "vault:-:vaulted/transit/soft", "--json"]).json();
    assert_eq!(soft["state"], "pending deletion");
    assert!(run(&["keys", "list", place]).ok().contains(key));
    run(&["keys", "describe", "vault:-:vaulted/transit/none"]).fails(42, "the key does not exist");
    run(&["keys", "list", "vault:-:nowhere"]).fails(42, "the mount does not exist");
    run(&["keys", "list", "vault:eu"]).fails(2, "vault:-:MOUNT");
    // `vault:-` is the mount transit.
    assert!(names(&["keys", "list", "vault:-", "--json"]).contains(&"app".to_owned()));
}

#[test]
fn an_error_names_the_missing_rights_of_a_token() {
    let sandbox = Sandbox::new();
    let lister = SERVER.token(&[("transit/keys", "list"), ("transit/keys/", "list")], "1h");
    let listed = envconf_as(&lister, &sandbox, &["keys", "list", "vault:-:transit", "--json"]).json();
    let app = listed["keys"].as_array().unwrap().iter().find(|key| key["key"] == "vault:-:transit/app");
    assert_eq!(app.unwrap()["state"], "unknown");
    let nothing = SERVER.token(&[("transit/decrypt/app", "update")], "1h");
    for (arguments, right) in [
        (&["keys", "list", "vault:-:transit"][..], "`list` on MOUNT/keys"),
        (&["keys", "describe", "vault:-:transit/app"], "`read` on MOUNT/keys/KEY"),
        (&["keys", "rotation", "vault:-:transit/app"], "`read` on MOUNT/keys/KEY"),
        (&["keys", "rotation", "vault:-:transit/app", "--on"], "`update` on MOUNT/keys/KEY/config"),
        (
            &["keys", "create", "vault:-:transit", "--alias", "denied"],
            "`update` (and `create`) on MOUNT/keys/KEY",
        ),
    ] {
        let ran = envconf_as(&nothing, &sandbox, arguments);
        ran.fails(42, right);
        assert!(ran.stderr.contains("permission denied") && !ran.stderr.contains(&nothing), "{}", ran.stderr);
    }
    // A token that may make keys but not read them can make a key.
    let maker = SERVER.token(&[("transit/keys/+", "create,update")], "1h");
    assert_eq!(
        envconf_as(&maker, &sandbox, &["keys", "create", "vault:-:transit", "--alias", "by-maker"]).ok(),
        "vault:-:transit/by-maker\n"
    );
}

#[test]
fn init_accepts_a_key_of_transit() {
    let sandbox = Sandbox::new();
    let key = envconf(&sandbox, &["keys", "create", "vault:-:transit", "--alias", "first"]).ok();
    let key = key.trim();
    let begun = envconf(&sandbox, &["init", "-r", key, "--json"]).json();
    assert!(begun["key"].is_null() && begun["enabled_for"].is_null(), "{begun}");
    let made: Vec<_> = begun["made"].as_array().unwrap().iter().map(|made| made.as_str().unwrap()).collect();
    assert_eq!(made, [".envconf.toml", ".gitattributes", ".gitignore", "config/app.toml"]);
    let rules = std::fs::read_to_string(sandbox.path(".envconf.toml")).unwrap();
    assert!(rules.ends_with(&format!("[[rule]]\nfiles = \"**\"\nrecipients = [\"{key}\"]\n")), "{rules}");
    // The printed next steps work.
    let next: Vec<_> = begun["next"].as_array().unwrap().iter().map(|step| step.as_str().unwrap()).collect();
    assert_eq!(
        next,
        [
            &format!("export ENVCONF_TRUST={key}"),
            "envconf doctor --wrap",
            "envconf seal config/app.toml",
            "envconf open app"
        ]
    );
    let directory = Path::new(env!("CARGO_BIN_EXE_envconf")).parent().unwrap();
    let mut shell = sandbox.command("sh");
    shell.args(["-ec", &next.join("\n")]);
    shell.env("PATH", format!("{}:{}", directory.display(), std::env::var("PATH").unwrap()));
    shell.env("VAULT_ADDR", SERVER.url()).env("VAULT_TOKEN", ROOT);
    let told = Ran::of(shell.output().unwrap()).ok();
    assert!(told.contains("encrypt is granted") && told.contains("pool_size = 10"), "{told}");
    // A second run changes nothing. A key that is not in the rules is an error.
    let again = envconf(&sandbox, &["init", "-r", key, "--json"]).json();
    assert_eq!(again["made"], json!([]));
    envconf(&sandbox, &["init", "-r", "vault:-:transit/other"]).fails(2, "init does not change rules");
    assert_eq!(std::fs::read_to_string(sandbox.path(".envconf.toml")).unwrap(), rules);
    // A local key is added on request.
    let both = Sandbox::new();
    let begun = envconf(&both, &["init", "-r", key, "-r", "local", "--json"]).json();
    assert!(begun["key"].as_str().unwrap().starts_with("local:-:"), "{begun}");
    assert_eq!(begun["next"][0], format!("export ENVCONF_TRUST={key},local"));
    let rules = std::fs::read_to_string(both.path(".envconf.toml")).unwrap();
    assert!(rules.ends_with(&format!("recipients = [\"{key}\", \"local\"]\n")), "{rules}");
    // An invalid key reference is rejected before anything is written.
    let empty = Sandbox::new();
    for bad in ["vault:-:app", "vault:eu:transit/app", "vault:-:transit/../app", "nonsense", ""] {
        envconf(&empty, &["init", "-r", bad]).fails(2, "");
    }
    assert_eq!(std::fs::read_dir(empty.root()).unwrap().count(), 0);
}

#[test]
fn every_command_checks_a_reference() {
    let sandbox = Sandbox::new();
    sandbox.write("config/app.toml", "a = 1\n");
    sandbox.write("config/other.toml", "a = 1\n");
    envconf(&sandbox, &["seal", "config/other.toml", "-r", "vault:-:transit/app"]).ok();
    let bad = [
        ("vault:-:app", "its mount is missing"),
        ("vault:eu:transit/app", "no region"),
        ("aws:eu-west-1:arn:aws:kms:us-east-1:111122223333:key/a", "differs from the region in the ARN"),
        ("aws:eu-west-1:1234abcd-12ab-34cd-56ef-1234567890ab", "expected the ARN"),
    ];
    for (reference, says) in bad {
        envconf(&sandbox, &["seal", "config/app.toml", "-r", reference]).fails(2, says);
        envconf(&sandbox, &["open", "app", "--trust", reference]).fails(2, says);
        sandbox.write(".envconf.toml", format!("[[rule]]\nfiles = \"**\"\nrecipients = [\"{reference}\"]\n"));
        let ran = envconf(&sandbox, &["seal", "config/app.toml", "--yes"]);
        assert_ne!(ran.code, 0);
        ran.fails(ran.code, says);
        std::fs::remove_file(sandbox.path(".envconf.toml")).unwrap();
        let mut command = sandbox.command(env!("CARGO_BIN_EXE_envconf"));
        command.args(["open", "other"]).env("ENVCONF_TRUST", reference);
        Ran::of(command.output().unwrap()).fails(2, says);
    }
    assert!(!sandbox.path("config/app.conf.enc").exists());
}

#[test]
fn a_diagnosis_shows_each_step() {
    let sandbox = Sandbox::new();
    sandbox.write("config/app.toml", "a = 1\n");
    let key = "vault:-:transit/app";
    envconf(&sandbox, &["seal", "config/app.toml", "-r", key]).ok();
    let report = envconf(&sandbox, &["doctor", "app", "--trust", key]).ok();
    for part in [
        "from the variable VAULT_TOKEN; long-term",
        "of VAULT_ADDR",
        "plain http",
        "decrypt is granted",
        "decrypted; content type toml",
    ] {
        assert!(report.contains(part), "{part} is not in:\n{report}");
    }
    assert!(!report.contains(ROOT), "{report}");
    let denied = SERVER.token(&[("transit/encrypt/app", "update")], "1h");
    envconf_as(&denied, &sandbox, &["doctor", "app", "--trust", key]).fails(42, "permission denied");
    // Without the right to read the key, a note says that it is not needed. With it, the weaknesses of the key are
    // reported.
    let reader = SERVER.token(&[("transit/decrypt/app", "update")], "1h");
    let report = envconf_as(&reader, &sandbox, &["doctor", "app", "--trust", key]).ok();
    assert!(report.contains("has no right to read the key itself"), "{report}");
    for (name, parameters, says, code) in [
        ("weak", json!({"exportable": true}), "it can be exported", 0),
        ("backed-up", json!({"allow_plaintext_backup": true}), "backed up in plain text", 0),
        ("rsa", json!({"type": "rsa-2048"}), "not an AEAD key", 40),
        ("derived", json!({"derived": true}), "a derived key", 40),
    ] {
        SERVER.ok("POST", &format!("transit/keys/{name}"), &parameters);
        let ran = envconf(&sandbox, &["doctor", "--trust", &format!("vault:-:transit/{name}")]);
        ran.fails(code, says);
    }
    let no_token = {
        let mut command = sandbox.command(env!("CARGO_BIN_EXE_envconf"));
        command.args(["doctor", "app", "--trust", key]).env("VAULT_ADDR", SERVER.url());
        Ran::of(command.output().unwrap())
    };
    no_token.fails(42, "no token; searched");
    let no_address = {
        let mut command = sandbox.command(env!("CARGO_BIN_EXE_envconf"));
        Ran::of(command.args(["doctor", "app", "--trust", key]).output().unwrap())
    };
    no_address.fails(42, "set VAULT_ADDR");
}

#[test]
fn exec_removes_the_variables_of_the_server() {
    let sandbox = Sandbox::new();
    sandbox.write("config/app.toml", "port = 1\n");
    let key = "vault:-:transit/app";
    envconf(&sandbox, &["seal", "config/app.toml", "-r", key]).ok();
    let names = [
        "VAULT_ADDR",
        "VAULT_TOKEN",
        "BAO_TOKEN",
        "VAULT_NAMESPACE",
        "ENVCONF_VAULT_AUTH",
        "ENVCONF_VAULT_SECRET_ID",
        "ENVCONF_VAULT_SECRET_ID_FILE",
        "ENVCONF_VAULT_JWT",
        "ENVCONF_VAULT_JWT_FILE",
        "ENVCONF_VAULT_ROLE_ID",
    ];
    let run = |options: &[&str]| {
        let mut command = sandbox.command(env!("CARGO_BIN_EXE_envconf"));
        command.args(["exec", "app", "--trust", key]).args(options).args(["--", "/usr/bin/env"]);
        for name in names {
            command.env(name, "x");
        }
        command.env("VAULT_ADDR", SERVER.url()).env("BAO_TOKEN", ROOT).env("ENVCONF_VAULT_AUTH", "token");
        command.env_remove("VAULT_NAMESPACE");
        Ran::of(command.output().unwrap()).ok()
    };
    let kept = run(&[]);
    assert!(kept.contains("\nVAULT_ADDR=") || kept.starts_with("VAULT_ADDR="), "{kept}");
    let dropped = run(&["--drop-credentials"]);
    for name in names {
        assert!(!dropped.lines().any(|line| line.starts_with(&format!("{name}="))), "{name}: {dropped}");
    }
    assert!(dropped.lines().any(|line| line == "PORT=1"), "{dropped}");
}
