//! What `exec` hands to a command and what it keeps back, and what `export` prints, each read by the program that it is
//! meant for.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use envconf::{ContentType, KeyServices, LocalKey, Pair, Seal};
use envconf_test_support::{Python, Sandbox};
use proptest::prelude::*;
use serde_json::{Value, json};

const ENVCONF: &str = env!("CARGO_BIN_EXE_envconf");

/// A folder with a local key and a pair `app`.
struct Project {
    sandbox: Sandbox,
    key: LocalKey,
}

impl Project {
    fn sealed(content_type: ContentType, content: &[u8]) -> Self {
        let project = Self { sandbox: Sandbox::new(), key: LocalKey::generate().unwrap() };
        project.sandbox.own_key(&project.key.expose_text());
        project.seal(content_type, content);
        project
    }

    fn seal(&self, content_type: ContentType, content: &[u8]) {
        let (name, environment) = ("app".parse().unwrap(), "default".parse().unwrap());
        let pair = Pair::new(self.sandbox.root(), &name, &environment);
        Seal::new(name, environment, content_type)
            .recipient(self.key.key_ref().clone())
            .seal(&pair, content, &KeyServices::none().local_key(self.key.clone()))
            .unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.sandbox.command(ENVCONF);
        command.args(arguments);
        command
    }

    /// Standard output of a run that succeeds and says nothing else.
    fn told(&self, arguments: &[&str]) -> Vec<u8> {
        let output = self.command(arguments).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{}", said(&output));
        output.stdout
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What `env -0` prints.
fn variables(bytes: &[u8]) -> BTreeMap<String, String> {
    let text = std::str::from_utf8(bytes).unwrap();
    let entries = text.split_terminator('\0').map(|entry| entry.split_once('=').unwrap());
    entries.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn the_environment_is_the_old_one_and_the_configuration() {
    let project = Project::sealed(ContentType::Toml, b"port = 1\n[database]\nurl = \"a\\nb\"\n");
    let (folder, key) = (project.sandbox.root(), project.key.expose_text());
    project.sandbox.write_mode("key", key.as_str(), 0o600);
    let by: [(&str, String); 3] = [
        ("ENVCONF_KEY", key.to_string()),
        ("ENVCONF_KEY_FILE", folder.join("key").to_string_lossy().into_owned()),
        ("ENVCONF_KEY_CMD", format!("cat '{}'", folder.join("key").display())),
    ];
    for (name, value) in by {
        let mut command = project.command(&["exec", "app", "--env-prefix", "APP", "--", "env", "-0"]);
        let output =
            command.env(name, &value).env("OTHER", "x").env("ENVCONF_ENV", "default").output().unwrap();
        let found = variables(&output.stdout);
        assert_eq!(found["APP__DATABASE__URL"], "a\nb");
        assert_eq!((found["APP__PORT"].as_str(), found["OTHER"].as_str()), ("1", "x"));
        assert!(found.keys().all(|name| !name.starts_with("ENVCONF_KEY")), "{name}: {:?}", found.keys());
        assert_eq!(found["ENVCONF_ENV"], "default");

        let mut command = project.command(&["exec", "app", "--pristine", "--", "env", "-0"]);
        let output = command.env(name, &value).output().unwrap();
        let names: Vec<_> = variables(&output.stdout).into_keys().collect();
        assert_eq!(names, ["DATABASE__URL", "PORT"], "{}", said(&output));
    }
}

#[test]
fn a_variable_that_is_set_stays_unless_it_is_overridden() {
    let project = Project::sealed(ContentType::Dotenv, b"A=canary-1\nB=canary-2\nC=3\n");
    let run = |more: &[&str]| {
        let arguments = [&["exec", "app"], more, &["--", "env", "-0"]].concat();
        let output = project.command(&arguments).env("A", "own").env("B", "canary-2").output().unwrap();
        (variables(&output.stdout), said(&output))
    };
    let (found, said) = run(&[]);
    assert_eq!((found["A"].as_str(), found["B"].as_str(), found["C"].as_str()), ("own", "canary-2", "3"));
    assert_eq!(said, "set already, and kept (--override replaces them): A\n");
    let (found, said) = run(&["--override"]);
    assert_eq!((found["A"].as_str(), said.as_str()), ("canary-1", ""));
    assert_eq!(run(&["--quiet"]).1, "");
}

#[test]
fn the_exit_code_and_signals_are_the_commands() {
    let project = Project::sealed(ContentType::Toml, b"a = 1\n");
    for code in [0, 3, 42, 255] {
        let script = format!("exit {code}");
        let output = project.command(&["exec", "app", "--", "sh", "-c", &script]).output().unwrap();
        assert_eq!(output.status.code(), Some(code));
        assert!(output.stderr.is_empty());
    }
    // The process that is signalled is the command itself: same id, and no envconf in between.
    let script = "echo $$; exec sleep 600";
    let mut child =
        project.command(&["exec", "app", "--", "sh", "-c", script]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line.trim(), child.id().to_string());
    let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert_eq!(child.wait().unwrap().signal(), Some(15));
    // A broken pipe ends the command as it does without envconf.
    let script = "trap '' 13 2>/dev/null; trap - 13; kill -13 $$";
    let output = project.command(&["exec", "app", "--", "sh", "-c", script]).output().unwrap();
    assert_eq!(output.status.signal(), Some(13));
}

#[test]
#[cfg(target_os = "linux")]
fn a_file_in_memory_holds_what_was_sealed_and_nothing_changes_it() {
    let bytes: Vec<u8> = (0..=255).collect();
    let project = Project::sealed(ContentType::Raw, &bytes);
    assert_eq!(project.told(&["exec", "app", "--file", "--", "cat", "{}"]), bytes);
    let script = "cmp \"$1\" \"$2\" && echo \"$3\"";
    let run = ["exec", "app", "--file", "--", "sh", "-c", script, "x", "{}", "{}", "--c={}"];
    let told = String::from_utf8(project.told(&run)).unwrap();
    assert!(told.starts_with("--c=/proc/self/fd/"), "{told}");
    let write = "(echo x >\"$1\") 2>/dev/null || (echo x >>\"$1\") 2>/dev/null || cat \"$1\"";
    assert_eq!(project.told(&["exec", "app", "--file", "--", "sh", "-c", write, "x", "{}"]), bytes);
    let link = project.told(&["exec", "app", "--file", "--", "readlink", "{}"]);
    assert_eq!(String::from_utf8(link).unwrap(), "/memfd:envconf (deleted)\n");
    let names = project.told(&["exec", "app", "--file", "--", "env", "-0", "A={}"]);
    let names: Vec<_> = variables(&names).into_keys().filter(|name| name != "A").collect();
    assert_eq!(names, ["HOME", "PATH"]);
    assert_eq!(project.sandbox.snapshot().len(), 3, "something was left on disk");
}

#[test]
fn nothing_runs_when_the_pair_does_not_open_or_a_name_is_obeyed() {
    let project = Project::sealed(ContentType::Dotenv, b"LD_PRELOAD=/x.so\nA=canary\n");
    let marker = project.sandbox.path("ran").to_string_lossy().into_owned();
    let touch = ["--", "touch", &marker];
    let refused = |arguments: &[&str], code: i32| {
        let output = project.command(&[&["exec", "app"], arguments, &touch].concat()).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", said(&output));
        assert!(!Path::new(&marker).exists() && !said(&output).contains("canary"), "{}", said(&output));
        said(&output)
    };
    let told = refused(&[], 20);
    assert!(told.contains("LD_PRELOAD") && told.contains("--allow"), "{told}");
    refused(&["--allow", "LD_PRELOADED"], 20);
    refused(&["--json"], 20);
    refused(&["--trust", "tencent:ap-x:1"], 34);
    // The value is no library, of which the loader complains, and goes on.
    let output = project.command(&[&["exec", "app", "--allow", "LD_PRELOAD"], &touch[..]].concat()).output();
    assert!(output.unwrap().status.success() && Path::new(&marker).exists());
}

/// A configuration of names and texts, as dotenv cannot always write it.
fn any_variables() -> impl Strategy<Value = BTreeMap<String, String>> {
    let value = prop_oneof!["[ -~]{0,12}", "[^\\x00]{0,8}", "['\"\\\\$`\n\r\t #!-]{0,8}"];
    proptest::collection::btree_map("T_[A-Z0-9_]{0,4}|[NY]O?", value, 0..6)
}

fn json_project(variables: &BTreeMap<String, String>) -> Project {
    Project::sealed(ContentType::Json, json!(variables).to_string().as_bytes())
}

/// The variables among `found` that the configuration has.
fn of(found: BTreeMap<String, String>, wanted: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    found.into_iter().filter(|(name, _)| wanted.contains_key(name)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// A real shell evaluates the exported text to the same bytes, a real JSON parser reads them, and `exec` sets them.
    #[test]
    fn every_reader_gets_the_same_bytes(variables_ in any_variables()) {
        let project = json_project(&variables_);
        let exec = project.told(&["exec", "app", "--", "env", "-0"]);
        prop_assert_eq!(&of(variables(&exec), &variables_), &variables_);

        let script = project.told(&["export", "app", "--format", "shell"]);
        let mut shell = project.sandbox.command("sh");
        let mut child = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(&[&script[..], b"exec env -0\n"].concat()).unwrap();
        let output = child.wait_with_output().unwrap();
        prop_assert_eq!(&of(variables(&output.stdout), &variables_), &variables_);

        let text = project.told(&["export", "app", "--format", "json"]);
        prop_assert_eq!(serde_json::from_slice::<Value>(&text).unwrap(), json!(variables_));
    }

    /// What is written as dotenv is read back by this project as it was; what cannot be is refused by its path.
    #[test]
    fn dotenv_is_read_back_or_refused(variables_ in any_variables()) {
        let project = json_project(&variables_);
        let output = project.command(&["export", "app"]).output().unwrap();
        let writable = |value: &String| !value.contains('\n') && !value.starts_with(['"', '\'', '`']);
        if !variables_.values().all(writable) {
            prop_assert_eq!(output.status.code(), Some(20));
            for (bad, _) in variables_.iter().filter(|(_, value)| !writable(value)) {
                prop_assert!(said(&output).contains(bad.as_str()), "{bad} is not named");
            }
            return Ok(());
        }
        let project = Project::sealed(ContentType::Dotenv, &output.stdout);
        let again = project.told(&["export", "app", "--format", "json"]);
        prop_assert_eq!(serde_json::from_slice::<Value>(&again).unwrap(), json!(variables_));
    }
}

#[test]
fn a_secret_of_kubernetes_is_yaml_with_the_same_bytes() {
    let variables = BTreeMap::from([
        ("NO".to_owned(), "1e3".to_owned()),
        ("Y".to_owned(), "true".to_owned()),
        ("TEXT".to_owned(), "a'\"\\\n: #é".to_owned()),
        ("EMPTY".to_owned(), String::new()),
    ]);
    let project = json_project(&variables);
    project.sandbox.write("requirements.txt", "PyYAML==6.0.2\n");
    project.sandbox.write(
        "read.py",
        "import base64, json, sys, yaml\n\
         secret = yaml.safe_load(sys.stdin)\n\
         secret['data'] = {k: base64.b64decode(v, validate=True).decode() for k, v in secret['data'].items()}\n\
         print(json.dumps(secret))\n",
    );
    let python =
        Python::with_requirements(env!("CARGO_TARGET_TMPDIR"), project.sandbox.path("requirements.txt"));
    let read = |text: &[u8]| {
        let mut command = python.command(project.sandbox.path("read.py"));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(text).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let manifest = |more: &[&str]| {
        read(&project.told(&[&["export", "app", "--format", "kubernetes"][..], more].concat()))
    };
    let expected = |metadata: Value| {
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": variables,
        })
    };
    assert_eq!(manifest(&[]), expected(json!({ "name": "app" })));
    let named = manifest(&["--secret-name", "1e3", "--namespace", "null"]);
    assert_eq!(named, expected(json!({ "name": "1e3", "namespace": "null" })));
    let none = json_project(&BTreeMap::new());
    assert_eq!(read(&none.told(&["export", "app", "--format", "kubernetes"]))["data"], json!({}));
}
