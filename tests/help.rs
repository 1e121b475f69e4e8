//! Tests of `--help` and the manual pages: every verb has both, every example runs, and the output has no colours.

#![cfg(target_os = "linux")] // the examples `edit` and `exec --file` need files in memory
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use envconf_test_support::{Sandbox, StandIn};

const ENVCONF: &str = env!("CARGO_BIN_EXE_envconf");

/// Names in the examples, which the test replaces: a key, a key of another region, keys of a colleague and of the
/// user, and a signer.
const KEY: &str = "23e80852-1e38-11e9-b129-5cb9019b4b01";
const FAR_KEY: &str = "71b03ac8-1e38-11e9-b129-5cb9019b4b01";
const COLLEAGUE: &str = "local:-:02f673fde6952cdf";
const OWN: &str = "02f673fde6952cdf";
const SIGNER: &str = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

/// Examples that need not succeed here, and the reason. They run too, and must not fail with a usage error.
const MAY_FAIL: [(&str, &str); 4] = [
    ("import --key test_encode_256.key", "tests/import.rs makes and reads the files of Tencent's guide"),
    ("import --data test_encry.dat", "tests/import.rs makes and reads the file of the guide for small files"),
    ("import --key old.key --data old.conf", "tests/import.rs makes and reads these files"),
    ("import --dotenv", "the command asks a question without a terminal: 61"),
];

/// Beginnings of examples, and the commands that run before these examples to create or remove files.
const BEFORE: [(&str, &str); 20] = [
    (
        "ENVCONF_KEY_FILE=~/keys/app-prod.key envconf open",
        "envconf keygen ~/keys/app-prod.key && ENVCONF_KEY_FILE=~/keys/app-prod.key envconf seal config/app.prod.toml -r local --yes",
    ),
    ("envconf open config/app.prod.conf.enc -o", "rm config/app.prod.toml"),
    ("envconf init --local-key", "mkdir -p ~/Downloads && envconf keygen ~/Downloads/app.key"),
    ("envconf key enable", "mkdir -p ~/projects/shop"),
    (
        "envconf key disable",
        "mkdir -p ~/old/project && envconf key enable <OWN> ~/old/project && envconf key enable <OWN> .",
    ),
    (
        "envconf verify app --environment prod --signers",
        "envconf sign app --environment prod --sign-key ~/keys/release.signer",
    ),
    ("envconf signer new", "rm ~/keys/release.signer"),
    ("envconf scan", "git add . && git commit -q -m all"),
    ("git diff; git log", "envconf hook install && git add . && git commit -q -m all"),
    ("envconf hook install && git diff", "git add . && git commit -q -m all"),
    ("envconf recipients add", "rm .envconf.toml"),
    (
        "envconf recipients remove",
        "ENVCONF_KEY_FILE=$(envconf key show-path <OWN>):colleague envconf seal config/app.toml -r local -r <COLLEAGUE> && rm .envconf.toml",
    ),
    (
        "envconf get app '\"key.with.dots\".x'",
        "printf '[\"key.with.dots\"]\\nx = 1\\n' > config/app.toml && envconf seal config/app.toml",
    ),
    ("envconf status config --check", "rm config/*.toml"),
    ("envconf rewrap app --environment prod --trust", "rm .envconf.toml"),
    ("envconf import --dotenv", "rm config/app.conf.* && echo A=1 > .env"),
    ("envconf doctor app --trust", "envconf seal config/app.toml -r tencent:ap-guangzhou:<KEY>"),
    ("envconf completion bash", "mkdir -p ~/.local/share/bash-completion/completions"),
    ("envconf completion zsh", "mkdir -p ~/.zfunc"),
    ("envconf completion fish", "mkdir -p ~/.config/fish/completions"),
];

/// The help of a verb, or of envconf itself: its words and its text.
struct Help {
    words: Vec<String>,
    text: String,
}

impl Help {
    /// Returns the help of all verbs that the command lists.
    fn all() -> Vec<Self> {
        fn collect(words: Vec<String>, all: &mut Vec<Help>) {
            let sandbox = Sandbox::new();
            let mut command = sandbox.command(ENVCONF);
            let output = command.args(&words).arg("--help").output().unwrap();
            assert!(output.status.success() && !output.stdout.contains(&0x1b), "{words:?}");
            let help = Help { words, text: String::from_utf8(output.stdout).unwrap() };
            let verbs: Vec<String> = match help.words.is_empty() {
                true => help.grouped_verbs(),
                false => help.section("Commands:").map(first_word).collect(),
            };
            for verb in verbs.into_iter().filter(|verb| verb != "help") {
                collect(help.words.iter().cloned().chain([verb]).collect(), all);
            }
            all.push(help);
        }
        let mut all = Vec::new();
        collect(Vec::new(), &mut all);
        assert!(all.len() > 35, "the verbs are missing");
        all
    }

    /// Returns the verbs of all groups. They stand before the options.
    fn grouped_verbs(&self) -> Vec<String> {
        let groups = self.text.split("\nOptions:").next().unwrap_or_default().lines();
        let verbs = groups.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
        verbs.map(|line| first_word(line.trim_start())).collect()
    }

    /// Returns the indented lines below a heading, without continuation lines.
    fn section<'a>(&'a self, heading: &'a str) -> impl Iterator<Item = &'a str> {
        let lines = self.text.lines().skip_while(move |line| *line != heading).skip(1);
        lines.take_while(|line| line.starts_with("  ")).map(|line| &line[2..])
    }

    fn heading(&self) -> &'static str {
        "Examples:"
    }

    /// Returns the examples as shell commands. Joins a command with its continuation lines.
    fn examples(&self) -> Vec<String> {
        let mut examples: Vec<String> = Vec::new();
        for line in self.section(self.heading()) {
            match examples.last_mut().filter(|last| last.ends_with('\\')) {
                Some(last) => *last = format!("{}{}", last.trim_end_matches('\\'), line.trim()),
                None => examples.push(line.to_owned()),
            }
        }
        examples
    }
}

fn first_word(line: &str) -> String {
    line.split(' ').next().unwrap_or_default().to_owned()
}

#[test]
fn every_verb_has_examples_and_a_page_with_them() {
    let sandbox = Sandbox::new();
    let output = sandbox.command(ENVCONF).args(["man", "pages/man1", "--json"]).output().unwrap();
    assert!(output.status.success());
    let mut named = Vec::new();
    for help in Help::all() {
        let name = format!("pages/man1/{}.1", [&["envconf".to_owned()], &help.words[..]].concat().join("-"));
        let page = String::from_utf8(sandbox.read(&name)).unwrap();
        // Hyphens and apostrophes are escaped so that users can copy them.
        let plain = page.replace("\\-", "-").replace("\\*(Aq", "'").replace("\\\\", "\\").replace("\\&", "");
        assert!(!help.examples().is_empty(), "{name}: no example");
        for example in help.section(help.heading()) {
            assert!(plain.contains(example), "{name} lacks {example}:\n{page}");
        }
        let known = [".TH", ".SH", ".PP", ".TP", ".RS", ".RE", ".IP", ".br", ".nf", ".fi", ".ie", ".el"];
        for line in page.lines().filter(|line| line.starts_with(['.', '\''])) {
            assert!(known.contains(&&line[..3]), "{name}: text is read as a request: {line}");
        }
        named.push(name);
    }
    named.sort();
    let written: Vec<_> = sandbox.snapshot().into_keys().collect();
    assert_eq!(written, named, "hidden verbs have pages");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["written"].as_array().unwrap().len(), named.len());

    let output = sandbox.command(ENVCONF).arg("man").output().unwrap();
    assert_eq!(output.stdout, sandbox.read("pages/man1/envconf.1"));
}

#[test]
fn every_example_runs() {
    let mut examples: Vec<_> = Help::all().iter().flat_map(Help::examples).collect();
    examples.sort();
    examples.dedup();
    assert!(examples.len() > 70, "the examples are missing");
    for (start, _) in BEFORE {
        assert!(examples.iter().any(|example| example.starts_with(start)), "no example begins with {start}");
    }
    let place = Place::new();
    let mut failures = Vec::new();
    for (at, example) in examples.iter().enumerate() {
        if let Err(what) = place.run(at, example) {
            failures.push(format!("{example}\n{what}"));
        }
    }
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), examples.len(), failures.join("\n"));
}

#[test]
fn completions_offer_every_public_verb() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = sandbox.command(ENVCONF).args(["completion", shell]).output().unwrap();
        let script = String::from_utf8(output.stdout).unwrap();
        for verb in Help::all().iter().flat_map(|help| help.words.clone()) {
            assert!(script.contains(&verb), "{shell} lacks {verb}");
        }
        for hidden in ["git-diff", "guard"] {
            assert!(!script.contains(hidden), "{shell} has {hidden}");
        }
        for option in ["json", "outline-hide", "version"] {
            assert!(script.contains(option), "{shell} lacks --{option}");
        }
    }
    let shell = Command::new("bash")
        .args(["-c", "source <(\"$0\" completion bash) && complete -p envconf"])
        .arg(ENVCONF)
        .output();
    assert!(shell.unwrap().status.success(), "bash cannot read the completions");
}

// Pitfall 10.
#[test]
fn no_option_skips_a_check() {
    for help in Help::all() {
        // This option skips keys of the content, not a check.
        let text = help.text.replace("--skip-unnamed", "");
        for word in ["ignore", "insecure", "no-verify", "skip", "lenient", "force-"] {
            assert!(!text.contains(&format!("--{word}")), "{:?} has --{word}", help.words);
        }
    }
}

// Pitfall 16.
#[test]
fn verbs_that_need_no_key_ask_no_key_service() {
    let place = Place::new();
    let before = place.kms.requests().len();
    for arguments in [
        "--version",
        "--help",
        "inspect app.prod",
        "verify app.prod --depth structure",
        "diff app.staging app.prod",
        "status",
        "scan",
        "doctor",
        "completion bash",
        "man",
    ] {
        let output = place.shell("plan", &format!("envconf {arguments}"), "");
        assert!(!output.stdout.is_empty() || !output.stderr.is_empty(), "{arguments}");
        assert_eq!(place.kms.requests().len(), before, "{arguments}");
    }
    // `verify` sends a request: this shows that the variables have an effect.
    place.shell(
        "plan",
        "ENVCONF_TRUST=tencent:ap-guangzhou:<KEY> envconf verify app.prod"
            .replace("<KEY>", place.kms.key_id())
            .as_str(),
        "",
    );
    assert!(place.kms.requests().len() > before);
}

/// A repository with the files and programs that the examples use.
struct Place {
    sandbox: Sandbox,
    kms: StandIn,
    /// The names in the examples, and their replacements.
    names: Vec<(&'static str, String)>,
}

impl Place {
    fn new() -> Self {
        let (sandbox, kms) = (Sandbox::new(), StandIn::start());
        for alias in ["app-prod", "app-prod-2027"] {
            kms.set_alias("ap-guangzhou", &kms.create_key("ap-guangzhou"), alias);
        }
        let (key, far_key) = (kms.key_id().to_owned(), kms.create_key("ap-shanghai"));
        let names = vec![(KEY, key.clone()), ("<KEY>", key.clone()), (FAR_KEY, far_key)];
        let mut place = Self { sandbox, kms, names };
        let program = |name: &str, text: &str| {
            place.sandbox.write_mode(name, format!("#!/bin/sh\n{text}\n"), 0o755);
        };
        let failed = place.sandbox.path("failed");
        program(
            "bin/envconf",
            &format!("'{ENVCONF}' \"$@\"; s=$?; test $s = 0 || echo $s >> '{}'; exit $s", failed.display()),
        );
        program("bin/vault-of-your-choice", "cat > /dev/null");
        program("bin/pass", &format!("'{ENVCONF}' keygen --stdout"));
        program("bin/kubectl", "cat > /dev/null");
        program("bin/man", "cat > /dev/null");
        program("bin/generate-config", "echo '{\"a\": 1}'");
        program("bin/pwgen", "echo typed");
        program("bin/code", "exit 0");
        program("bin/nginx", "exec cat \"$2\"");
        program("plan/server", "exit 0");
        place.sandbox.write("plan/key.pem", "PEM\n");
        place.sandbox.write("plan/app.schema.json", SCHEMA);
        fs::create_dir_all(place.sandbox.path("plan-home/keys")).unwrap();
        let output = place.shell("plan", &SETUP.replace("<KEY>", &key), "");
        assert!(output.status.success() && !place.sandbox.exists("failed"), "{}", said(&output));
        let reported = |what: &str| String::from_utf8(place.shell("plan", what, "").stdout).unwrap();
        let signer = reported("envconf signer show ~/keys/release.signer -q").trim().to_owned();
        let colleague = reported("cut -d: -f2 colleague").trim().to_owned();
        let own = reported("envconf key list | head -n 1 | cut -d: -f3").trim().to_owned();
        place.names.extend([
            (SIGNER, signer),
            (COLLEAGUE, format!("local:-:{colleague}")),
            ("<COLLEAGUE>", format!("local:-:{colleague}")),
            ("<OWN>", own.clone()),
            // This is the id without `local:-:`.
            (OWN, own),
        ]);
        place
    }

    fn run(&self, at: usize, example: &str) -> Result<(), String> {
        let directory = format!("place{at}");
        for part in ["", "-home"] {
            let (from, to) =
                (self.sandbox.path(&format!("plan{part}")), self.sandbox.path(&format!("{directory}{part}")));
            assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
        }
        let record = format!("{directory}-home/store/enabled.json");
        let enabled = String::from_utf8(self.sandbox.read(&record)).unwrap();
        self.sandbox.write(&record, enabled.replace("/plan\"", &format!("/{directory}\"")));
        let here = |text: &str| {
            self.names.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
        };
        for (_, before) in BEFORE.iter().filter(|(start, _)| example.starts_with(start)) {
            let output = self.shell(&directory, &here(before), "");
            assert!(output.status.success(), "before {example}: {}", said(&output));
        }
        // An alias must be unique.
        let command = here(example).replace("--alias app-prod", &format!("--alias app-{at}"));
        let output = self.shell(&directory, &format!("set -e\n{command}"), "typed\n");
        let failed = fs::read_to_string(self.sandbox.path("failed")).unwrap_or_default();
        let _ = fs::remove_file(self.sandbox.path("failed"));
        for part in ["", "-home"] {
            fs::remove_dir_all(self.sandbox.path(&format!("{directory}{part}"))).unwrap();
        }
        if output.stdout.contains(&0x1b) || output.stderr.contains(&0x1b) {
            return Err("the output is coloured".into());
        }
        let succeeds = output.status.success() && failed.is_empty();
        match MAY_FAIL.iter().any(|(part, _)| example.contains(part)) {
            true if succeeds => Err("the example succeeds: remove the exception".into()),
            true if failed.trim() != "2" => Ok(()),
            false if succeeds => Ok(()),
            _ => Err(format!("{failed}{}", said(&output))),
        }
    }

    fn shell(&self, directory: &str, script: &str, input: &str) -> Output {
        let bin = self.sandbox.path("bin");
        let mut child = self
            .sandbox
            .command("sh")
            .args(["-c", script])
            .current_dir(self.sandbox.path(directory))
            .env("HOME", self.sandbox.path(&format!("{directory}-home")))
            .env("ENVCONF_HOME", self.sandbox.path(&format!("{directory}-home/store")))
            .env("PATH", format!("{}:{}", bin.display(), std::env::var("PATH").unwrap()))
            .env("EDITOR", "true")
            .envs([("NO_COLOR", "1"), ("TERM", "xterm-256color")])
            .envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_PAGER", "cat")])
            .envs([("GIT_AUTHOR_NAME", "A"), ("GIT_AUTHOR_EMAIL", "a@b.test")])
            .envs([("GIT_COMMITTER_NAME", "A"), ("GIT_COMMITTER_EMAIL", "a@b.test")])
            .envs(self.kms.variables())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Most examples do not read standard input.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }
}

fn said(output: &Output) -> String {
    format!(
        "{}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

const SCHEMA: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema", "title": "app", "description": "Everything.",
  "x-envconf-prefix": "APP", "type": "object",
  "properties": {
    "token": { "type": "string", "x-envconf-type": "SecretString", "x-envconf-secret": true },
    "hosts": { "type": "array", "items": { "type": "string" }, "x-envconf-type": "Vec<String>" },
    "database": {
      "type": "object", "required": ["password"], "additionalProperties": false,
      "properties": {
        "password": { "type": "string", "x-envconf-type": "SecretString", "x-envconf-secret": true },
        "pool_size": { "type": "integer", "x-envconf-type": "u32" }
      }
    }
  },
  "required": ["token", "hosts", "database"], "additionalProperties": false
}
"#;

/// `<KEY>` is the id of the stand-in's key.
const SETUP: &str = r#"set -e
git init -q
envconf init
cat > .envconf.toml <<'RULES'
[[rule]]
files = "config/*.prod.*"
recipients = ["tencent:ap-guangzhou:<KEY>", "local"]
[[rule]]
files = "**"
recipients = ["local"]
RULES
cat > config/app.toml <<'CONTENT'
token = "first"
hosts = ["a", "b"]
[database]
password = "second"
pool_size = 10
CONTENT
cp config/app.toml config/app.prod.toml
cp config/app.toml config/app.staging.toml
envconf seal config/app.toml
envconf seal config/app.staging.toml
envconf seal config/app.prod.toml --yes
mkdir old
cp config/app.conf.* old
envconf keygen colleague
echo colleague >> .git/info/exclude
envconf signer new ~/keys/release.signer
"#;
