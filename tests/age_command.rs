//! Tests of the command with age keys: the first steps of one person, and a team of two with a member who leaves.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

const ENVCONF: &str = env!("CARGO_BIN_EXE_envconf");

/// A person with a home directory, a key store, and a clone of the project.
struct Person {
    directory: TempDir,
}

impl Person {
    fn new() -> Self {
        let directory = TempDir::with_prefix("envconf-age-").unwrap();
        std::fs::create_dir_all(directory.path().join("home")).unwrap();
        std::fs::create_dir_all(directory.path().join("project")).unwrap();
        Self { directory }
    }

    /// Creates a person with a copy of the project of `other`.
    fn with_clone_of(other: &Self) -> Self {
        let this = Self::new();
        this.pull(other);
        this
    }

    fn pull(&self, from: &Self) {
        let files =
            [".envconf.toml", ".gitattributes", ".gitignore", "config/app.conf.enc", "config/app.conf.key"];
        std::fs::create_dir_all(self.project().join("config")).unwrap();
        for file in files {
            std::fs::copy(from.project().join(file), self.project().join(file)).unwrap();
        }
    }

    fn project(&self) -> PathBuf {
        self.directory.path().join("project")
    }

    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.project().join(file)).unwrap()
    }

    fn write(&self, file: &str, text: &str) {
        std::fs::write(self.project().join(file), text).unwrap();
    }

    fn command(&self, signers: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(ENVCONF);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        command.env("HOME", self.directory.path().join("home")).current_dir(self.project());
        if !signers.is_empty() {
            command.env("ENVCONF_SIGNERS", signers);
        }
        command.args(arguments).stdin(Stdio::null());
        command
    }

    /// Runs the command with these pinned signers. Fails if the output shows a secret key.
    fn envconf(&self, signers: &str, arguments: &[&str], exit: i32) -> String {
        let output = self.command(signers, arguments).output().unwrap();
        let text = both(&output);
        assert_eq!(output.status.code(), Some(exit), "{arguments:?}: {text}");
        assert!(!text.contains("AGE-SECRET-KEY-1") && !text.contains("envconf-signer-v1"), "{text}");
        text
    }

    fn init(&self) -> (String, String) {
        let report: Value = serde_json::from_str(&self.envconf("", &["init", "--age", "--json"], 0)).unwrap();
        let text = |field: &str| report[field].as_str().unwrap().to_owned();
        (text("key"), text("signer"))
    }
}

fn both(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

#[test]
fn one_person_starts_with_two_commands() {
    let anna = Person::new();
    let told = anna.envconf("", &["init", "--age"], 0);
    let signer = told.split("signers = \"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert!(told.contains(&format!("ENVCONF_SIGNERS={signer}")), "{told}");
    let rules = anna.read(".envconf.toml");
    assert!(rules.contains("recipients = [\"age:-:age1") && rules.contains(&signer), "{rules}");
    // The signing key in the store signs, because the policy file names it.
    let sealed = anna.envconf("", &["seal", "config/app.toml"], 0);
    assert!(sealed.contains("generation 1"), "{sealed}");
    let refused = anna.envconf("", &["open", "app"], 33);
    assert!(refused.contains("ENVCONF_SIGNERS"), "{refused}");
    assert!(anna.envconf(&signer, &["open", "app"], 0).contains("change-me"));
    // The policy file does not make a signer trusted.
    anna.envconf("x0QgAfC6SBMufG59OdXWqI9ZNE2ULV/yrPXiLayb7J4=", &["open", "app"], 33);
    // Sealing again keeps the data key, with and without a pinned signer.
    assert!(anna.envconf("", &["seal", "config/app.toml"], 0).contains("generation 2"));
    let report: Value =
        serde_json::from_str(&anna.envconf(&signer, &["seal", "config/app.toml", "--json"], 0)).unwrap();
    assert_eq!((&report["generation"], &report["data_key"]), (&3.into(), &"kept".into()), "{report}");
    // A second `init` changes nothing.
    let again = anna.envconf("", &["init", "--age"], 0);
    assert!(!again.contains("Created") && again.contains("Kept the age identity"), "{again}");
    assert_eq!(anna.envconf("", &["signer", "show"], 0).lines().next(), Some(signer.as_str()));
    let listed = anna.envconf("", &["key", "list"], 0);
    assert!(listed.contains("age:-:age1") && listed.contains("signer:"), "{listed}");
    anna.envconf("", &["verify", "app", "--signers", &signer], 0);
    anna.envconf(&signer, &["doctor", "app"], 0);
    anna.envconf("", &["doctor", "app"], 33);
}

#[test]
fn a_key_alone_is_not_enough_to_seal() {
    let anna = Person::new();
    anna.envconf("", &["keygen", "--age", "../home/me.age"], 0);
    let file = anna.directory.path().join("home/me.age");
    let text = std::fs::read_to_string(&file).unwrap();
    let recipient = text.lines().next().unwrap().rsplit(' ').next().unwrap().to_owned();
    let reference = format!("age:-:{recipient}");
    anna.write("app.toml", "port = 1\n");
    let refused = anna.envconf("", &["seal", "app.toml", "-r", &reference], 33);
    assert!(refused.contains("envconf signer new ~/app.signer"), "{refused}");
    assert!(refused.contains("envconf seal app.toml --sign-key ~/app.signer"), "{refused}");
    assert!(!anna.project().join("app.conf.enc").exists() && !anna.project().join("app.conf.key").exists());
    anna.envconf("", &["signer", "new", "../home/app.signer"], 0);
    let signer = anna.envconf("", &["signer", "show", "../home/app.signer"], 0);
    let signer = signer.lines().next().unwrap().to_owned();
    anna.envconf("", &["seal", "app.toml", "-r", &reference, "--sign-key", "../home/app.signer"], 0);
    let run = |variable: &str, value: &str, arguments: &[&str]| {
        let output = anna.command(&signer, arguments).env(variable, value).output().unwrap();
        (output.status.code().unwrap(), both(&output))
    };
    let path = file.to_str().unwrap();
    for (variable, value) in [
        ("ENVCONF_AGE_KEY_FILE", path),
        ("ENVCONF_AGE_KEY", text.as_str()),
        ("ENVCONF_AGE_KEY_CMD", &format!("cat '{path}'")),
    ] {
        assert_eq!(run(variable, value, &["get", "app", "port"]), (0, "1".to_owned()), "{variable}");
        // The program that exec starts inherits none of these variables.
        let (exit, told) = run(variable, value, &["exec", "app", "--", "env"]);
        assert!(exit == 0 && told.contains("port=1") || told.contains("PORT=1"), "{told}");
        assert!(!told.contains("ENVCONF_AGE_KEY") && !told.contains("AGE-SECRET-KEY-1"), "{told}");
    }
    let (exit, told) = run("SOPS_AGE_KEY_FILE", path, &["open", "app"]);
    assert!(exit == 34 && told.contains("set ENVCONF_AGE_KEY_FILE"), "{told}");
    let (exit, told) = run("ENVCONF_AGE_KEYFILE", path, &["open", "app"]);
    assert!(exit == 2 && told.contains("ENVCONF_AGE_KEY_FILE"), "{told}");
    // An unsigned pair can be signed later.
    anna.envconf("", &["seal", "app.toml", "-r", &reference, "--unsigned"], 0);
    assert_eq!(run("ENVCONF_AGE_KEY_FILE", path, &["open", "app"]).0, 33);
    assert_eq!(
        run("ENVCONF_AGE_KEY_FILE", path, &["sign", "app", "--blind", "--sign-key", "../home/app.signer"]).0,
        0
    );
    assert_eq!(run("ENVCONF_AGE_KEY_FILE", path, &["open", "app"]).0, 0);
    // `scan` finds an identity in the project, and errors never show it.
    anna.write("keys.txt", &text);
    let found = anna.command("", &["scan", "keys.txt"]).output().unwrap();
    assert_eq!(found.status.code(), Some(50), "{}", both(&found));
    let secret = text.lines().nth(1).unwrap();
    for arguments in [["seal", "app.toml", "-r", secret], ["open", "app", "--trust", secret]] {
        let told = anna.envconf("", &arguments, 2);
        assert!(!told.contains(&secret[20..40]), "{told}");
    }
}

/// Anna adds Ben to the team, and removes him later.
#[test]
fn a_removed_member_cannot_open_new_pairs_or_restore_old_ones() {
    let anna = Person::new();
    let (anna_key, anna_signer) = anna.init();
    anna.write("config/app.toml", "token = \"first\"\n");
    anna.envconf("", &["seal", "config/app.toml"], 0);

    // Ben clones the project, creates his keys, and sends the public keys to Anna.
    let ben = Person::with_clone_of(&anna);
    let told = ben.envconf("", &["init", "--age"], 0);
    assert!(told.contains("does not name your recipient") && told.contains("recipients add"), "{told}");
    let (ben_key, ben_signer) = ben.init();
    assert_eq!(ben.read(".envconf.toml"), anna.read(".envconf.toml"));
    ben.envconf(&anna_signer, &["open", "app"], 34);

    // Anna adds him. The data key and her signature stay.
    let team = format!("{anna_signer},{ben_signer}");
    let alone = anna.read(".envconf.toml");
    let rules = alone
        .replace(&format!("\"{anna_key}\""), &format!("\"{anna_key}\", \"{ben_key}\""))
        .replace(&format!("\"{anna_signer}\""), &format!("\"{anna_signer}\", \"{ben_signer}\""));
    anna.write(".envconf.toml", &rules);
    anna.envconf(&anna_signer, &["recipients", "add", "app", &ben_key], 0);
    ben.pull(&anna);
    assert!(ben.envconf(&team, &["open", "app"], 0).contains("first"));

    // Ben changes a value and signs it with his signing key.
    let file = ben.project().join("value");
    std::fs::write(&file, "second").unwrap();
    ben.envconf(&team, &["set", "app", "token", "--value-file", file.to_str().unwrap()], 0);
    anna.pull(&ben);
    assert!(anna.envconf(&team, &["open", "app"], 0).contains("second"));
    anna.envconf(&anna_signer, &["open", "app"], 33);

    // Ben leaves: the policy file changes, the data key is new, and programs pin only Anna.
    let theirs = Person::with_clone_of(&anna);
    anna.write(".envconf.toml", &alone);
    anna.envconf(&team, &["recipients", "remove", "app", &ben_key], 0);
    anna.envconf(&anna_signer, &["get", "app", "token"], 0);
    ben.pull(&anna);
    ben.envconf(&team, &["open", "app"], 34);

    // Ben keeps his old files and cannot bring them back: the key store remembers the generation.
    ben.pull(&theirs);
    assert!(ben.envconf(&team, &["open", "app"], 0).contains("second"));
    let now: Vec<_> = ["enc", "key"].map(|end| anna.read(&format!("config/app.conf.{end}"))).into();
    anna.pull(&theirs);
    anna.write(".envconf.toml", &alone);
    anna.write("value", "third");
    anna.envconf(&team, &["set", "app", "token", "--value-file", "value"], 32);
    anna.envconf(&anna_signer, &["open", "app"], 33);

    // A new pair of Ben does not load either if only Anna is pinned.
    ben.write(".envconf.toml", &rules);
    ben.write("config/app.toml", "token = \"forged\"\n");
    ben.envconf(&team, &["seal", "config/app.toml", "-r", &anna_key, "-r", &ben_key], 0);
    anna.pull(&ben);
    anna.envconf(&anna_signer, &["open", "app"], 33);
    for (end, text) in ["enc", "key"].iter().zip(&now) {
        anna.write(&format!("config/app.conf.{end}"), text);
    }
    assert!(anna.envconf(&anna_signer, &["open", "app"], 0).contains("second"));
}

#[test]
fn a_signing_key_is_used_only_where_it_is_enabled() {
    let anna = Person::new();
    anna.init();
    // Another project names Anna's keys in its policy file.
    let other = anna.directory.path().join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::copy(anna.project().join(".envconf.toml"), other.join(".envconf.toml")).unwrap();
    std::fs::write(other.join("app.toml"), "port = 1\n").unwrap();
    let seal = |directory: &Path| {
        anna.command("", &["seal", "app.toml", "--yes"]).current_dir(directory).output().unwrap()
    };
    assert_eq!(seal(&other).status.code(), Some(33));
    assert!(!other.join("app.conf.enc").exists());
    let list: Value = serde_json::from_str(&anna.envconf("", &["key", "list", "--json"], 0)).unwrap();
    let id = list["signers"][0]["id"].as_str().unwrap().to_owned();
    let name = format!("signer:{id}");
    anna.envconf("", &["key", "enable", &name, other.to_str().unwrap()], 0);
    let sealed = seal(&other);
    assert_eq!(sealed.status.code(), Some(0), "{}", both(&sealed));
    anna.envconf("", &["key", "disable", &name, other.to_str().unwrap()], 0);
    assert_eq!(seal(&other).status.code(), Some(33));
    let path = anna.envconf("", &["key", "show-path", &name], 0);
    assert!(Path::new(path.trim()).is_file(), "{path}");
    anna.envconf("", &["key", "enable", "signer:nonsense"], 2);
    anna.envconf("", &["key", "enable", "age1nonsense"], 2);
}
