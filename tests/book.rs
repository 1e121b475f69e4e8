//! The book in envconf/docs: its shell blocks run, its YAML and TOML parse, its help texts are those of the command.
//!
//! `BLESS=1` writes the help texts. `.ci/book` builds the book and checks its links.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use envconf_test_support::Sandbox;

/// Most lines of a page.
const MOST_LINES: usize = 300;

/// Pages whose shell blocks run, and the commands that run before them.
const SHELL: [(&str, &str); 6] = [
    ("quick-start.md", ""),
    ("local-development.md", ""),
    ("rotation.md", ""),
    ("moving-from-dotenv.md", ""),
    ("local-keys.md", ""),
    ("ci.md", "git init --quiet\nenvconf init\nenvconf seal config/app.toml --rm\ngit add .\n"),
];

/// Commands that only print their help, or have no other.
const NO_HELP: [&str; 1] = ["help"];

/// Commands with so many subcommands that they have a separate page.
const SEPARATE: [&str; 1] = ["keys"];

#[test]
fn every_page_is_short() {
    for (page, text) in pages() {
        let lines = text.lines().count();
        assert!(lines < MOST_LINES, "{page} has {lines} lines: split it");
    }
}

#[test]
fn shell_blocks_run() {
    for (page, before) in SHELL {
        let pages = pages();
        let blocks = blocks(&pages[page], "sh");
        assert!(!blocks.is_empty(), "{page} has no shell block");
        let script = format!("set -e\n{before}{}", blocks.concat());
        let output = run(&Sandbox::new(), &script);
        assert!(output.status.success(), "{page}: {}", said(&output));
    }
}

/// Sealing parses the content as YAML or TOML.
#[test]
fn yaml_and_toml_blocks_parse() {
    let sandbox = Sandbox::new();
    assert!(run(&sandbox, "git init --quiet && envconf init").status.success());
    let mut count = 0;
    for (page, text) in pages() {
        for kind in ["yaml", "toml"] {
            for block in blocks(&text, kind) {
                sandbox.write("block", block);
                let seal = format!("envconf seal - --name block-{count} --type {kind} < block");
                let output = run(&sandbox, &seal);
                assert!(output.status.success(), "{page}: {block}\n{}", said(&output));
                count += 1;
            }
        }
    }
    assert!(count > 4, "{count}");
}

#[test]
fn the_policy_file_of_the_sops_page_is_valid() {
    let sandbox = Sandbox::new();
    let pages = pages();
    let [block] = blocks(&pages["moving-from-sops.md"], "toml")[..] else { panic!("one block") };
    sandbox.write(".envconf.toml", block);
    let output = run(&sandbox, "git init --quiet && envconf status --check");
    assert!(output.status.success(), "{}", said(&output));
}

/// The glossary has every term that the help texts rely on.
#[test]
fn the_glossary_has_a_sentence_for_each_term() {
    let pages = pages();
    let glossary = &pages["glossary.md"];
    for term in [
        "pair",
        "data key",
        "wrapped key",
        "key service",
        "key reference",
        "recipient",
        "trusted key",
        "signer",
        "policy file",
    ] {
        let row = glossary.lines().find(|line| line.starts_with(&format!("| **{term}** |")));
        assert!(row.is_some_and(|row| row.ends_with(". |")), "{term}");
    }
}

#[test]
fn help_pages_show_the_help_of_every_command() {
    let sandbox = Sandbox::new();
    let help = |verb: &str| {
        let output = run(&sandbox, &format!("envconf {verb} --help"));
        assert!(output.status.success(), "{verb}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let overview = help("");
    let mut groups = 0;
    for group in overview.split("\n\n").filter(|part| !part.starts_with("Options")) {
        let Some((heading, rows)) = group.split_once(":\n") else { continue };
        if !rows.lines().all(|row| row.starts_with("  ")) || heading.contains('\n') || heading == "Examples" {
            continue;
        }
        groups += 1;
        let mut page = format!("# Help texts: {}\n", heading.to_lowercase());
        for verb in
            rows.lines().filter(|row| !row.starts_with("   ")).filter_map(|row| row.split_whitespace().next())
        {
            if NO_HELP.contains(&verb) {
                continue;
            }
            let mut sections = section(verb, &help(verb));
            for inner in subcommands(&help(verb)) {
                let name = format!("{verb} {inner}");
                sections += &section(&name, &help(&name));
            }
            if SEPARATE.contains(&verb) {
                is_documented(verb, &format!("# Help texts: {verb}\n{sections}"));
            } else {
                page += &sections;
            }
        }
        is_documented(heading, &page);
    }
    assert_eq!(groups, 8);
}

/// Compares the page of a group with the help texts.
fn is_documented(group: &str, page: &str) {
    let name = format!("help-{}.md", group.to_lowercase().replace(' ', "-"));
    let path = docs().join(&name);
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, page).unwrap();
    }
    assert!(fs::read_to_string(&path).unwrap() == page, "{name} is out of date: run this test with BLESS=1");
}

/// A command's section, without the options that every command has.
fn section(name: &str, help: &str) -> String {
    let own = help.split("\nOptions of every verb:").next().unwrap().trim_end();
    format!("\n## `envconf {name}`\n\n```text\n{own}\n```\n")
}

/// The subcommands in the help of a command.
fn subcommands(help: &str) -> Vec<String> {
    let Some((_, list)) = help.split_once("\nCommands:\n") else { return Vec::new() };
    let rows = list.split("\n\n").next().unwrap().lines().filter(|row| !row.starts_with("   "));
    let names = rows.filter_map(|row| row.split_whitespace().next());
    names.filter(|name| !NO_HELP.contains(name)).map(str::to_owned).collect()
}

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")
}

/// The pages, by file name.
fn pages() -> BTreeMap<String, String> {
    let entries = fs::read_dir(docs()).unwrap().map(|entry| entry.unwrap().path());
    let pages: BTreeMap<_, _> = entries
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .map(|path| {
            (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap())
        })
        .collect();
    assert!(pages.len() > 40, "{}", pages.len());
    pages
}

/// The code blocks of a language, also indented ones.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let opening = format!("\n```{language}\n");
    text.split(&opening).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

/// Runs a script in the sandbox with the command in its path.
fn run(sandbox: &Sandbox, script: &str) -> Output {
    let directory = Path::new(env!("CARGO_BIN_EXE_envconf")).parent().unwrap();
    let path = format!("{}:{}", directory.display(), std::env::var("PATH").unwrap());
    let mut command = sandbox.command("sh");
    command.args(["-c", script]).env("PATH", path);
    command.envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1")]);
    command.output().unwrap()
}

fn said(output: &Output) -> String {
    let texts = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
    texts.concat()
}
