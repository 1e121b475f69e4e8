//! Tests of README.md: its program, its commands, the quoted output, its features and its links.
//!
//! `BLESS=1` updates the quoted output.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use envconf_test_support::Sandbox;

const README: &str = include_str!("../README.md");
const PROGRAM: &str = include_str!("../examples/readme.rs");
const MANIFEST: &str = include_str!("../envconf/Cargo.toml");
/// The variable that makes `the_program` run as the program of the README.
const AS_PROGRAM: &str = "README__AS_PROGRAM";
/// The line after which the output of the program begins.
const BEGIN: &str = "<<< the program";

/// The program of the README, unchanged.
#[expect(clippy::print_stdout, reason = "the module is a program")]
mod program {
    include!("../examples/readme.rs");

    pub(super) fn run() -> Result<(), envconf::Error> {
        main()
    }
}

#[test]
fn the_rust_block_is_the_example() {
    assert_eq!(blocks(README, "rust"), [PROGRAM], "README.md differs from examples/readme.rs");
}

/// Runs the program of the README. Does nothing unless the test below starts it.
#[test]
fn the_program() {
    if env::var_os(AS_PROGRAM).is_none() {
        return;
    }
    println!("{BEGIN}");
    // The runtime does the same with the result of `main`.
    std::process::exit(match program::run() {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("Error: {error:?}");
            1
        }
    });
}

#[test]
fn the_commands_run_as_pasted() {
    let sandbox = Sandbox::new();
    assert!(shell(&sandbox, "git init --quiet").1); // `cargo new` does
    let first_steps = section(README, "## First steps in your project");
    for line in blocks(first_steps, "sh")[0].lines().filter(|line| line.starts_with("envconf ")) {
        let (output, success) = shell(&sandbox, line);
        assert!(success, "{line}:\n{output}");
    }
    let quoted = blocks(first_steps, "text")[0];
    let commands: Vec<_> = quoted.lines().filter_map(|line| line.strip_prefix("$ ")).collect();
    assert!(commands.len() > 2, "the commands are missing");
    let mut printed = String::new();
    for command in commands {
        printed += &format!("$ {command}\n{}", shell(&sandbox, command).0);
    }
    if env::var_os("BLESS").is_some() {
        let blessed = README.replace(quoted, &printed);
        fs::write(root().join("README.md"), blessed).unwrap();
    } else {
        assert_eq!(printed, quoted, "README.md quotes other output: update it with BLESS=1");
    }
    for line in blocks(first_steps, "sh")[1].lines().filter(|line| !line.starts_with("envconf edit ")) {
        let (output, success) = shell(&sandbox, line);
        assert!(success, "{line}:\n{output}");
    }
}

/// Runs a line in the sandbox, where `cargo` runs the program. Returns both streams, and true on success.
fn shell(sandbox: &Sandbox, line: &str) -> (String, bool) {
    let directory = Path::new(env!("CARGO_BIN_EXE_envconf")).parent().unwrap();
    let path = format!("{}:{}", directory.display(), env::var("PATH").unwrap());
    let script = format!(
        "cargo() {{ {AS_PROGRAM}=1 \"$PROGRAM\" --exact the_program --nocapture | sed '1,/^{BEGIN}$/d'; }}\n{line}"
    );
    let output = sandbox
        .command("sh")
        .args(["-c", &script])
        .env("PATH", path)
        .env("PROGRAM", env::current_exe().unwrap())
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    (text, output.status.success())
}

#[test]
fn ci_runs_the_commands_of_the_readme() {
    let ci = fs::read_to_string(root().join(".ci/run")).unwrap();
    let try_it = section(README, "## Try it");
    let commands: Vec<_> =
        blocks(try_it, "sh")[0].lines().map(|line| line.split("  ").next().unwrap()).collect();
    assert_eq!(commands, ["cargo run --example quickstart", "cargo test --workspace --all-features"]);
    for line in ["cargo run --quiet --example quickstart", commands[1]] {
        assert!(ci.lines().any(|other| other == line), "CI does not run `{line}`");
    }
}

#[test]
fn the_command_has_every_syntax_and_every_key_service() {
    let features = features();
    // The rest are syntaxes and key services.
    let others = ["default", "cli", "tools", "units", "watch"];
    for feature in features.keys().filter(|feature| !others.contains(feature)) {
        assert!(features["cli"].contains(feature), "`cli` does not have `{feature}`");
    }
}

#[test]
fn every_feature_is_in_the_readme_and_on_the_front_page() {
    let front_page = include_str!("../envconf/src/lib.rs");
    for feature in features().keys().filter(|feature| **feature != "default") {
        let row = format!("| `{feature}`");
        assert!(README.lines().any(|line| line.starts_with(&row)), "README.md: no row of {feature}");
        assert!(front_page.contains(&format!("**`{feature}`**")), "lib.rs: no feature {feature}");
    }
}

#[test]
fn the_links_lead_to_files() {
    let mut links = 0;
    for link in README.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
        if !link.starts_with("https://") {
            assert!(root().join(link.split('#').next().unwrap()).exists(), "no {link}");
            links += 1;
        }
    }
    assert!(links > 20, "{links}");
}

/// The project has no public address yet.
#[test]
fn no_address_is_invented() {
    let invented = ["github.com/", "envconf/envconf"].concat();
    let mut texts = vec![PathBuf::from("README.md"), PathBuf::from("Cargo.toml")];
    for directory in ["envconf", "envconf-derive", "examples"] {
        collect(&root(), Path::new(directory), &mut texts);
    }
    assert!(texts.len() > 100, "the texts are missing");
    for file in texts {
        let text = fs::read(root().join(&file)).unwrap();
        assert!(!String::from_utf8_lossy(&text).contains(&invented), "{}: {invented}", file.display());
    }
}

/// Returns the public features, each with the features that it enables.
fn features() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let table = MANIFEST.split_once("\n[features]\n").unwrap().1;
    let table = table.split("\n[").next().unwrap();
    let line = |line: &'static str| {
        let (name, list) = line.split_once(" = [")?;
        Some((name, list.split('"').skip(1).step_by(2).collect()))
    };
    let rows = table.lines().filter(|row| !row.starts_with('#') && !row.starts_with("__"));
    let features: BTreeMap<_, _> = rows.filter_map(line).collect();
    assert!(features.len() > 4, "the features are missing");
    features
}

/// Returns the section under this heading.
fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let rest = text.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no {heading}")).1;
    rest.split("\n## ").next().unwrap()
}

/// Returns the code blocks of a language.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let opening = format!("\n```{language}\n");
    let bodies = text.split(&opening).skip(1);
    bodies
        .map(|body| &body[..body.find("```\n").unwrap_or_else(|| panic!("a code block has no end"))])
        .collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn collect(root: &Path, directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(root.join(directory)).unwrap() {
        let entry = entry.unwrap();
        let path = directory.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            collect(root, &path, files);
        } else {
            files.push(path);
        }
    }
}
