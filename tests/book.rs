//! Tests of the book in envconf/docs: shell blocks run, and YAML, TOML and JSON blocks parse. Commands have the options
//! that the book names, and help texts and exit codes are the same as in the program.
//!
//! `BLESS=1` writes the help texts and the output in console blocks. `.ci/book` builds the book and checks its links.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "common/pages.rs"]
mod pages;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use envconf_test_support::Sandbox;
use pages::{blocks, said};

const ENVCONF: &str = env!("CARGO_BIN_EXE_envconf");

/// A page must have fewer lines.
const MAX_LINES: usize = 300;
/// Maximum number of columns in a line.
const MAX_COLUMNS: usize = 100;

/// Pages whose shell blocks run, and the commands that run before each block. `tests/book_services.rs` has the pages
/// that need a server.
const SHELL: [(&str, &[&str]); 8] = [
    ("quick-start.md", &[]),
    ("local-development.md", &[]),
    ("rotation.md", &[]),
    ("moving-from-dotenv.md", &[]),
    ("local-keys.md", &[]),
    ("ci.md", &["git init --quiet\nenvconf init\nenvconf seal config/app.toml --rm\ngit add .\n"]),
    (
        "refused-names.md",
        &["git init --quiet
        envconf init
        printf 'AWS_ACCESS_KEY_ID=a\\nAWS_SECRET_ACCESS_KEY=b\\n' | envconf seal - --name app --type dotenv -o config
        printf '#!/bin/sh\\ntest \"$AWS_ACCESS_KEY_ID\" = a\\n' > server
        chmod +x server
        "],
    ),
    (
        "review.md",
        &[
            "git init --quiet\nenvconf init\n",
            "envconf seal config/app.toml --rm
            git add .
            git commit --quiet --message base
            mkdir -m 700 \"$ENVCONF_HOME/colleague\"
            cp -Rp \"$ENVCONF_HOME\"/keys \"$ENVCONF_HOME\"/enabled.json \"$ENVCONF_HOME/colleague\"
            git checkout --quiet -b theirs
            printf theirs | ENVCONF_HOME=\"$ENVCONF_HOME/colleague\" envconf set app api_token
            git commit --quiet --all --message theirs
            git checkout --quiet -
            printf ours | envconf set app api_token
            git commit --quiet --all --message ours
            git merge --quiet theirs > /dev/null || true
            git ls-files --unmerged | grep --quiet app.conf.enc
            ",
            "git add .\n",
        ],
    ),
];

/// A project with a local key that is the same in every run.
const PROJECT: &str = "git init --quiet
echo 'envconf-local-v1:f7e831f2fdbdab2e:q50ObQQ6NyIt9GmJdAlw2CLnLTpfGa/Hm+w2Myz0vXc=' | envconf init --local-key -
";

/// Pages whose console blocks show the output of commands, and the commands that run in [`PROJECT`] before them.
const CONSOLE: [(&str, &str); 7] = [
    (
        "json-output.md",
        r#"printf '[database]\nurl = "postgres://app:pw@db/app"\n' > config/app.toml
        envconf seal config/app.toml"#,
    ),
    (
        "quick-start.md",
        r#"printf 'api_token = "t-5678"\n[database]\nurl = "postgres://app:pw@db/app"\n' > config/app.toml
        envconf seal config/app.toml"#,
    ),
    (
        "exit-codes.md",
        "echo 'token = 1' > config/app.prod.toml
        export ENVCONF_KEY=envconf-local-v1:50b9837295fdf643:tSHz5dv66aUGvoaEP1vPB2yUjlo4vfIknhy0VHZlm9Y=
        envconf seal config/app.prod.toml --yes",
    ),
    (
        "layers.md",
        r#"printf '\n[database]\nurl = "postgres://app:pw@db/app"\n' > config/app.prod.toml
        printf 'workers = 2\n[database]\npool_size = 10\n' > config/app.defaults.toml
        printf 'workers = 16\n' > config/app.prod.defaults.toml
        envconf seal config/app.prod.toml"#,
    ),
    ("signatures.md", "envconf seal config/app.toml"),
    (
        "schema.md",
        r#"printf 'listen = "8080"\n\n[databse]\n' > config/app.prod.toml
        echo '{ "title": "app", "type": "object", "additionalProperties": false, "properties": {
            "listen": { "type": "string", "format": "socket-address", "x-envconf-type": "SocketAddr" },
            "database": { "type": "object", "required": ["url"], "properties": { "url": { "type": "string" } } }
        }, "required": ["listen", "database"], "x-envconf-prefix": "APP" }' > app.schema.json"#,
    ),
    (
        "review.md",
        r#"envconf hook install
        printf 'debug = true\napi_token = "a"\n[database]\nurl = "a"\n' > config/app.toml
        envconf seal config/app.toml --outline tags --outline-hide api_token
        git add . && git commit --quiet --message 1
        printf 'api_token = "b"\n[database]\nurl = "b"\npool_size = 2\n' > config/app.toml
        envconf seal config/app.toml --outline tags --outline-hide api_token"#,
    ),
];

/// Languages of blocks in which a line can be a command.
const WITH_COMMANDS: [&str; 5] = ["console", "sh", "text", "yaml", "dockerfile"];

/// The argument that replaces a variable or a shortened text.
const PLACEHOLDER: &str = "local:-:0123456789abcdef";

/// The terms of the glossary.
const TERMS: [&str; 20] = [
    "configuration",
    "pair",
    "seal",
    "open",
    "data key",
    "wrapped key",
    "key service",
    "key",
    "key reference",
    "recipient",
    "trusted key",
    "local key",
    "key store",
    "generation",
    "outline",
    "signer",
    "environment",
    "policy file",
    "layer",
    "origin",
];

/// Commands without a help text.
const NO_HELP: [&str; 1] = ["help"];

/// Commands with so many subcommands that they have a separate page.
const SEPARATE: [&str; 1] = ["keys"];

#[test]
fn every_page_is_short() {
    for (page, text) in pages() {
        let lines: usize =
            text.lines().map(|line| included(line).map_or(1, |part| part.lines().count())).sum();
        assert!(lines < MAX_LINES, "{page} has {lines} lines: split it");
    }
}

/// Exceptions are help pages, rows of tables, images, HTML, single words such as links, console and JSON blocks, lines
/// of code with ARNs, and the code blocks of `format.md`.
#[test]
fn lines_are_wrapped() {
    for (page, text) in pages().into_iter().filter(|(page, _)| !page.starts_with("help-")) {
        let mut language = None;
        for (number, line) in text.lines().enumerate() {
            if let Some(rest) = line.trim_start().strip_prefix("```") {
                language = if language.is_none() { Some(rest) } else { None };
            }
            let is_exempt = match language {
                None => line.starts_with(['|', '!', '<']) || is_one_word(line),
                Some(language) => {
                    ["console", "json"].contains(&language) || line.contains("arn:aws") || page == "format.md"
                }
            };
            assert!(
                is_exempt || line.chars().count() <= MAX_COLUMNS,
                "{page}:{}: more than {MAX_COLUMNS} columns: {line}",
                number + 1
            );
        }
    }
}

#[test]
fn shell_blocks_run() {
    for (page, before) in SHELL {
        let pages = pages();
        let blocks = blocks(&pages[page], "sh");
        assert!(!blocks.is_empty(), "{page} has no shell block");
        let before = before.iter().copied().chain(std::iter::repeat(""));
        let script: String = before.zip(&blocks).flat_map(|(before, block)| [before, block]).collect();
        let script = format!("set -e\n{script}");
        let output = run(&Sandbox::new(), &script);
        assert!(output.status.success(), "{page}: {}", said(&output));
    }
}

#[test]
fn console_blocks_show_the_output() {
    for (page, text) in pages() {
        let shown = blocks(&text, "console");
        let setup = CONSOLE.iter().find(|(name, _)| *name == page);
        assert_eq!(shown.is_empty(), setup.is_none(), "{page}: CONSOLE lists the pages with console blocks");
        let Some((_, setup)) = setup else { continue };
        let sandbox = Sandbox::new();
        let output = run(&sandbox, &format!("set -e\n{PROJECT}{setup}"));
        assert!(output.status.success(), "{page}: {}", said(&output));
        let mut blessed = text.clone();
        for block in shown {
            let printed = block.lines().filter(|line| line.starts_with("$ ")).map(|line| {
                let output = run(&sandbox, &format!("exec 2>&1\n{}", &line[2..]));
                let shown = said(&output);
                // A terminal shows the next prompt on a new line.
                let end = if shown.is_empty() || shown.ends_with('\n') { "" } else { "\n" };
                format!("{line}\n{shown}{end}")
            });
            blessed = blessed.replace(&block, &printed.collect::<String>());
        }
        if std::env::var_os("BLESS").is_some() {
            fs::write(docs().join(&page), &blessed).unwrap();
        } else {
            assert_eq!(text, blessed, "{page} shows other output: run this test with BLESS=1");
        }
    }
}

/// Seals each block, which parses it as YAML or TOML.
#[test]
fn yaml_and_toml_blocks_parse() {
    let sandbox = Sandbox::new();
    assert!(run(&sandbox, "git init --quiet && envconf init").status.success());
    let mut count = 0;
    for (page, text) in pages() {
        for kind in ["yaml", "toml"] {
            for block in blocks(&text, kind) {
                sandbox.write("block", &block);
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
fn policy_files_are_valid() {
    let mut count = 0;
    for (page, text) in pages() {
        // Skip blocks with shortened key references, which are not valid.
        for block in
            blocks(&text, "toml").iter().filter(|block| block.contains("[[rule]]") && !block.contains('…'))
        {
            let sandbox = Sandbox::new();
            sandbox.write(".envconf.toml", block);
            let output = run(&sandbox, "git init --quiet && envconf status --check");
            assert!(output.status.success(), "{page}: {}", said(&output));
            count += 1;
        }
    }
    assert!(count > 2, "{count}");
}

#[test]
fn json_blocks_parse() {
    let mut count = 0;
    for (page, text) in pages() {
        for block in blocks(&text, "json") {
            let parsed: Result<serde_json::Value, _> = serde_json::from_str(&block);
            assert!(parsed.is_ok(), "{page}: {block}");
            count += 1;
        }
    }
    assert!(count > 2, "{count}");
}

/// `no_run` blocks are compiled, `ignore` blocks are not.
#[test]
fn rust_blocks_are_doctests() {
    let front_page = include_str!("../envconf/src/lib.rs");
    for (page, text) in pages() {
        let is_compiled = |line: &str| line.starts_with("```rust") && !line.contains("ignore");
        if text.lines().map(str::trim_start).any(is_compiled) {
            let included = format!("include_str!(\"../docs/{page}\")");
            assert!(front_page.contains(&included), "lib.rs does not include {page}");
        }
    }
}

/// Runs each command with its arguments and `--help`. An unknown verb or option fails before the help is printed.
#[test]
fn commands_have_the_verbs_and_options_that_pages_name() {
    let sandbox = Sandbox::new();
    let mut commands = BTreeMap::new();
    for (page, text) in pages().into_iter().filter(|(page, _)| !page.starts_with("help-")) {
        for block in WITH_COMMANDS.iter().flat_map(|language| blocks(&text, language)) {
            for arguments in block.replace("\\\n", " ").lines().flat_map(arguments_of_commands) {
                commands.entry(arguments).or_insert_with(|| page.clone());
            }
        }
    }
    assert!(commands.len() > 60, "{}", commands.len());
    let mut failures = Vec::new();
    for (arguments, page) in commands {
        let output = sandbox.command(ENVCONF).args(&arguments).arg("--help").output().unwrap();
        if !output.status.success() {
            failures.push(format!("{page}: {arguments:?}\n{}", said(&output)));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Checks that the help has each option in the table of a command.
#[test]
fn option_tables_name_options_of_the_command() {
    let help = pages().into_iter().filter(|(page, _)| page.starts_with("help-"));
    let help: String = help.map(|(_, text)| text).collect();
    let mut count = 0;
    for (page, text) in pages().into_iter().filter(|(page, _)| page.starts_with("command-")) {
        for part in text.split("\n## `").skip(1) {
            let verb = part.split(['`', ' ']).next().unwrap();
            let sections = help.split("\n## `envconf ").skip(1);
            let own: String =
                sections.filter(|section| section.split(['`', ' ']).next() == Some(verb)).collect();
            assert!(!own.is_empty(), "{page}: {verb}");
            let rows = part.lines().filter(|line| line.starts_with("| `-"));
            let cells = rows.map(|row| row.split(" | ").next().unwrap());
            for option in cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).map(first_word) {
                assert!(own.contains(&option), "{page}: {verb} {option}");
                count += 1;
            }
        }
    }
    assert!(count > 30, "{count}");
}

#[test]
fn the_glossary_has_a_sentence_for_each_term() {
    let pages = pages();
    let rows = pages["glossary.md"].lines().filter_map(|line| line.strip_prefix("| **")?.split_once("** | "));
    let mut terms = Vec::new();
    for (term, sentence) in rows {
        assert!(sentence.ends_with(". |"), "{term}");
        terms.push(term);
    }
    assert_eq!(terms, TERMS);
}

#[test]
fn the_page_of_exit_codes_has_every_code_of_the_library() {
    let source = include_str!("../envconf/src/base/exit_code.rs");
    let numbers = source.lines().filter_map(|line| line.trim().rsplit_once("=> ")?.1.strip_suffix(','));
    let returned: BTreeSet<u8> = numbers.filter_map(|number| number.parse().ok()).collect();
    let pages = pages();
    let first_cell = |line: &str| line.strip_prefix("| ")?.split(' ').next()?.parse::<u8>().ok();
    let mut documented: BTreeSet<_> = pages["exit-codes.md"].lines().filter_map(first_cell).collect();
    assert!(documented.remove(&0), "the page has no code 0");
    assert_eq!(documented, returned);
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

/// Returns the section of a command, without the options that every command has.
fn section(name: &str, help: &str) -> String {
    let own = help.split("\nOptions of every verb:").next().unwrap().trim_end();
    format!("\n## `envconf {name}`\n\n```text\n{own}\n```\n")
}

/// Returns the subcommands in the help of a command.
fn subcommands(help: &str) -> Vec<String> {
    let Some((_, list)) = help.split_once("\nCommands:\n") else { return Vec::new() };
    let rows = list.split("\n\n").next().unwrap().lines().filter(|row| !row.starts_with("   "));
    let names = rows.filter_map(|row| row.split_whitespace().next());
    names.filter(|name| !NO_HELP.contains(name)).map(str::to_owned).collect()
}

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")
}

/// Returns the pages, by file name.
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

/// Returns the arguments of each call of the command in a line of shell, up to `--`.
fn arguments_of_commands(line: &str) -> Vec<Vec<String>> {
    let (mut words, mut quote) = (vec![String::new()], None);
    for letter in line.chars() {
        let word = words.last_mut().unwrap();
        match (letter, quote) {
            (_, Some(open)) if letter == open => quote = None,
            ('"' | '\'', None) => quote = Some(letter),
            (' ' | '(' | ')' | ';', None) => words.push(String::new()),
            _ => word.push(letter),
        }
        if matches!(letter, ')' | ';') && quote.is_none() {
            words.extend([letter.to_string(), String::new()]);
        }
    }
    let ends = |word: &String| {
        matches!(word.as_str(), "--" | "2>&1" | "|" | "||" | "&&" | ">" | "<" | ")" | ";" | "…")
    };
    let comment = words.iter().position(|word| word.starts_with('#')).unwrap_or(words.len());
    let words: Vec<_> = words[..comment].iter().filter(|word| !word.is_empty()).cloned().collect();
    let calls = words.iter().enumerate().filter(|(at, word)| {
        let before = at.checked_sub(1).map_or("", |before| words[before].as_str());
        // A command is at the beginning of its line, or after an assignment, `$`, `run:`, the dash of a list, or
        // another command.
        let starts =
            before.is_empty() || before.contains('=') || before.ends_with(['$', '|', '&', ';', '-', ':']);
        word.as_str() == "envconf" && starts
    });
    // A function of a script contains `envconf "$@"`.
    let calls = calls.filter(|(at, _)| words.get(at + 1).is_none_or(|word| word != "$@"));
    let argument = |word: &String| match word.starts_with('$') || word.contains('…') {
        true => PLACEHOLDER.to_owned(),
        false => word.clone(),
    };
    calls
        .map(|(at, _)| words[at + 1..].iter().take_while(|word| !ends(word)).map(argument).collect())
        .collect()
}

/// Returns the text between the comments of an anchor that a line includes. `None` if the line includes no anchor.
fn included(line: &str) -> Option<String> {
    let target = line.strip_prefix("{{#include ")?.strip_suffix("}}")?;
    let (file, anchor) = target.split_once(':')?;
    let text = fs::read_to_string(docs().join(file)).unwrap_or_else(|_| panic!("no {file}"));
    let start = format!("<!-- ANCHOR: {anchor} -->\n");
    let rest = text.split_once(&start).unwrap_or_else(|| panic!("no {anchor} in {file}")).1;
    Some(rest.split("<!-- ANCHOR_END").next().unwrap().to_owned())
}

/// Returns true for a line of one link, one code span or one word, after the marker of a list.
fn is_one_word(line: &str) -> bool {
    let word = line.trim_start().trim_start_matches("* ").trim_end_matches([',', '.']);
    let is_span = word.starts_with('`') && word.ends_with('`') && word.matches('`').count() == 2;
    is_span || !word.contains(' ')
}

fn first_word(text: &str) -> String {
    text.split_whitespace().next().unwrap_or_default().to_owned()
}

/// Runs a script in the sandbox with the command in its path.
fn run(sandbox: &Sandbox, script: &str) -> Output {
    pages::shell(sandbox, script).output().unwrap()
}
