//! Tests that real programs read the output of `export`: python-dotenv, Node's dotenv, Docker Compose, `sh`, PyYAML,
//! JSON and `envconf import`. Each program reads the same values, or `export` rejects the value by name.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "common/compose.rs"]
mod compose;

use std::collections::BTreeMap;
use std::process::{Command, Output, Stdio};

use envconf::tools::import::Dotenv;
use envconf::{ContentType, KeyServices, LocalKey, Pair, Seal};
use envconf_test_support::{Node, Python, Sandbox};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

const ENVCONF: &str = env!("CARGO_BIN_EXE_envconf");

type Variables = BTreeMap<String, String>;

/// A project with sealed JSON.
struct Project(Sandbox);

impl Project {
    fn sealed(variables: &Variables) -> Self {
        let (sandbox, key) = (Sandbox::new(), LocalKey::generate().unwrap());
        sandbox.own_key(&key.expose_text());
        let (name, environment) = ("app".parse().unwrap(), "default".parse().unwrap());
        let pair = Pair::new(sandbox.root(), &name, &environment);
        Seal::new(name, environment, ContentType::Json)
            .recipient(key.key_ref().clone())
            .seal(&pair, json!(variables).to_string().as_bytes(), &KeyServices::none().local_key(key))
            .unwrap();
        Self(sandbox)
    }

    fn export(&self, format: &str) -> Output {
        self.0.command(ENVCONF).args(["export", "app", "--format", format]).output().unwrap()
    }

    /// Returns the exported text, and writes it to the file `app.<format>`.
    fn exported(&self, format: &str) -> Vec<u8> {
        let output = self.export(format);
        assert!(output.status.success(), "{}", text(&output.stderr));
        self.0.write(&format!("app.{format}"), &output.stdout);
        output.stdout
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Returns values that dotenv readers may read differently, and random values.
fn many_values() -> Variables {
    let fixed = [
        "abc #def",
        "abc#def",
        "#",
        "  x",
        "x  ",
        "\t",
        "$HOME",
        "$(touch ran)",
        "`touch ran`",
        "\"x\"",
        "'x'",
        "`x`",
        "it's",
        "a\nb",
        "\n",
        "a\n\n",
        "!",
        "a!b",
        "100%",
        "%PATH%",
        "é",
        "日本",
        "\u{1f600}",
        "\\n",
        "a\\tb",
        "C:\\dir",
        "${HOME}",
        "${",
        "$",
        "$$",
        "pa$$word",
        "\\",
        "\\\\",
        "a\\",
        "\\\\host\\share",
        "'\"",
        "it's \"x\"",
        "'$HOME'",
        "a\rb",
        "a\r\nb",
        "\r",
        "",
        " ",
        "=",
        "a=b",
        "~",
        "~root",
        "a:~",
        "*",
        "?",
        "[a]",
        "{a,b}",
        "a;touch ran",
        "a&touch ran",
        "a|b",
        "<x>",
        "(",
        ")",
        "export x",
        "-----BEGIN KEY-----\nMIIE+/=\n-----END KEY-----\n",
        "[\"a\",\"b\"]",
        "{\"a\": \"b'c\"}",
        "\u{a0}x\u{a0}",
        "\u{2028}",
        "\u{85}",
        "\u{feff}x",
        "\u{1b}[0m",
        "\u{7f}",
        "\u{b}\u{c}",
        "NULL",
        "1.10",
        "no",
        "- a",
        "a: b",
        "'\n\"'",
        "\"\n\"",
        "'a'\n'b'",
        "# x\ny",
        "x\nY=1",
        "'\nY=1",
        "\\'",
        "\\\"",
        "\\$",
        "$'x'",
        "a\\\nb",
        "a #'",
        "\"#",
        "'#",
        "A=$B",
        "%s%n",
        "a^b",
        "\u{e0}\u{81}",
    ];
    let mut runner = TestRunner::deterministic();
    let random = prop_oneof![
        "[ -~]{0,12}",
        "['\"\\\\$`\n\t #!%{}()=~;&|*a-]{0,8}",
        "['\"\\\\$`\n\r a]{0,6}",
        "[^\\x00]{0,6}",
        "\\PC{0,8}",
        "[a-z '#\n]{0,8}",
    ];
    let random = (0..2500).map(|_| random.new_tree(&mut runner).unwrap().current()).collect::<Vec<_>>();
    let values = fixed.into_iter().map(str::to_owned).chain(random);
    values.enumerate().map(|(index, value)| (format!("T_{index}"), value)).collect()
}

/// Returns the variables that dotenv can contain. Checks that `export` rejects each of the others by name.
fn writable(all: Variables) -> Variables {
    let output = Project::sealed(&all).export("dotenv");
    assert_eq!((output.status.code(), output.stdout.len()), (Some(20), 0));
    let message = text(&output.stderr);
    let refused: Vec<&str> = message.split([' ', ';', '\n']).filter(|word| word.starts_with("T_")).collect();
    for name in &refused {
        let value = &all[*name];
        let both = value.contains('\'') && value.contains(['"', '$', '\\', '`']);
        let backslashes = value.ends_with('\\') || value.contains("\\\\");
        assert!(value.contains('\r') || value.contains("${") || both || backslashes, "{value:?} was refused");
    }
    let (count, all_of_them) = (refused.len(), all.len());
    let kept: Variables = all.into_iter().filter(|(name, _)| !refused.contains(&name.as_str())).collect();
    assert!(kept.len() == all_of_them - count && kept.len() > 1500, "only {} are left", kept.len());
    kept
}

/// Compares the values one by one, so that a failure shows the value.
#[track_caller]
fn assert_same(reader: &str, found: &Variables, expected: &Variables) {
    for (name, value) in expected {
        assert_eq!(found.get(name), Some(value), "{reader} reads another value of {name}");
    }
    assert_eq!(found.len(), expected.len(), "{reader} reads other names");
}

/// Returns the variables that a program reads, from the JSON object on its standard output.
fn read_by(command: &mut Command) -> Variables {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Returns the environment variables `T_…` of a shell after `script`.
fn environment(shell: &str, script: &str, project: &Project) -> Variables {
    let mut command = Command::new(shell);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).current_dir(project.0.root());
    let output = command.args(["-c", &format!("{script}\nexec env -0")]).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", text(&output.stderr));
    let found = String::from_utf8(output.stdout).unwrap();
    let found = found.split_terminator('\0').map(|entry| entry.split_once('=').unwrap());
    found
        .filter(|(name, _)| name.starts_with("T_"))
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
}

fn shells() -> Vec<&'static str> {
    let has_bash = Command::new("bash").arg("--version").output().is_ok();
    ["sh"].into_iter().chain(has_bash.then_some("bash")).collect()
}

fn python(project: &Project, requirement: &str) -> Python {
    project.0.write("requirements.txt", requirement);
    Python::with_requirements(env!("CARGO_TARGET_TMPDIR"), project.0.path("requirements.txt"))
}

#[test]
fn every_reader_of_dotenv_reads_the_same_values() {
    let variables = writable(many_values());
    let project = Project::sealed(&variables);
    let exported = project.exported("dotenv");
    let file = project.0.path("app.dotenv");

    for shell in shells() {
        assert_same(shell, &environment(shell, "set -a; . ./app.dotenv", &project), &variables);
    }
    assert!(!project.0.exists("ran"), "a shell ran a value");

    project
        .0
        .write("read.py", "import dotenv, json, sys\nprint(json.dumps(dotenv.dotenv_values(sys.argv[1])))\n");
    let python = python(&project, "python-dotenv==1.1.1\n");
    let found = read_by(python.command(project.0.path("read.py")).arg(&file));
    assert_same("python-dotenv", &found, &variables);

    for version in ["dotenv@16.4.7", "dotenv@17.2.3", "dotenv@18.0.10"] {
        let Some(node) = Node::with_packages(env!("CARGO_TARGET_TMPDIR"), &[version]) else { continue };
        let script = "const fs = require('fs'), dotenv = require('dotenv');\
            console.log(JSON.stringify(dotenv.parse(fs.readFileSync(process.argv[1]))))";
        assert_same(version, &read_by(node.command(script).arg(&file)), &variables);
    }

    for rules in [compose::Rules::First, compose::Rules::Current] {
        let found = compose::read(std::str::from_utf8(&exported).unwrap(), rules).unwrap();
        assert_same("Docker Compose", &found, &variables);
    }

    let content = Dotenv::parse(&exported).unwrap().content(ContentType::Json, None).unwrap();
    let found: Variables = serde_json::from_str(&content).unwrap();
    let found: Variables = found.into_iter().map(|(name, value)| (name.to_uppercase(), value)).collect();
    assert_same("envconf import", &found, &variables);
}

/// Each file has only one value, so no other line helps a reader to find the end of the value.
#[test]
fn compose_and_import_read_a_single_value_alike() {
    let all = writable(many_values());
    let short: Variables = all.into_iter().take(120).collect();
    for (name, value) in short {
        let line = {
            let project = Project::sealed(&BTreeMap::from([(name.clone(), value.clone())]));
            String::from_utf8(project.exported("dotenv")).unwrap()
        };
        let expected = BTreeMap::from([(name, value)]);
        for rules in [compose::Rules::First, compose::Rules::Current] {
            assert_same("Docker Compose", &compose::read(&line, rules).unwrap(), &expected);
        }
        let content = Dotenv::parse(line.as_bytes()).unwrap().content(ContentType::Json, None).unwrap();
        let found: Variables = serde_json::from_str(&content).unwrap();
        assert_eq!(found.values().collect::<Vec<_>>(), expected.values().collect::<Vec<_>>(), "{line}");
    }
}

#[test]
fn the_other_formats_can_contain_every_value() {
    let variables = many_values();
    let project = Project::sealed(&variables);
    project.exported("shell");
    for shell in shells() {
        let script = "eval \"$(cat app.shell)\"";
        assert_same(shell, &environment(shell, script, &project), &variables);
    }
    assert!(!project.0.exists("ran"), "a shell ran a value");

    let json: Variables = serde_json::from_slice(&project.exported("json")).unwrap();
    assert_same("JSON", &json, &variables);

    project.exported("kubernetes");
    project.0.write(
        "read.py",
        "import base64, json, sys, yaml\n\
         data = yaml.safe_load(open(sys.argv[1], encoding='utf-8'))['data']\n\
         print(json.dumps({k: base64.b64decode(v, validate=True).decode() for k, v in data.items()}))\n",
    );
    let python = python(&project, "PyYAML==6.0.2\n");
    let mut command = python.command(project.0.path("read.py"));
    assert_same("PyYAML", &read_by(command.arg(project.0.path("app.kubernetes"))), &variables);
}

/// Output of `export` without quotes can be sealed as dotenv content. Output with quotes needs `import`.
#[test]
fn exported_files_can_be_sealed_or_imported() {
    let plain = BTreeMap::from([
        ("A".to_owned(), "1.10".to_owned()),
        ("B".to_owned(), "postgres://u:p@h/d".to_owned()),
    ]);
    let project = Project::sealed(&plain);
    project.0.write("back.env", project.exported("dotenv"));
    let run = |project: &Project, words: &[&str]| {
        let output = project.0.command(ENVCONF).args(words).stdin(Stdio::null()).output().unwrap();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    assert_eq!(run(&project, &["seal", "back.env", "--quiet", "-r", "local"]).0, Some(0));
    assert_eq!(run(&project, &["open", "back"]).1, "A=1.10\nB=postgres://u:p@h/d\n");

    let quoted = BTreeMap::from([("A".to_owned(), "x #y".to_owned())]);
    let project = Project::sealed(&quoted);
    project.0.write("back.env", project.exported("dotenv"));
    let (code, _, said) = run(&project, &["seal", "back.env", "-r", "local"]);
    assert!(code == Some(20) && said.contains("envconf import --dotenv"), "{said}");
    assert_eq!(run(&project, &["import", "--dotenv", "back.env", "--yes", "-r", "local"]).0, Some(0));
    let found: Value = serde_json::from_str(&run(&project, &["export", "back", "-f", "json"]).1).unwrap();
    assert_eq!(found, json!(quoted));
}
