//! Tests of two pages of the docs: the story, with the real command, git and a shell, and the pitfalls, whose tests
//! must exist.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;

use envconf_test_support::Sandbox;

const SCRIPT: &str = include_str!("../examples/story.sh");
const CHAPTER: &str = include_str!("../envconf/docs/story.md");

// Pitfall 6.
#[test]
fn the_story_runs() {
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
        .envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1")])
        .envs([("GIT_AUTHOR_NAME", "Anna"), ("GIT_AUTHOR_EMAIL", "anna@example.com")])
        .envs([("GIT_COMMITTER_NAME", "Anna"), ("GIT_COMMITTER_EMAIL", "anna@example.com")])
        .output()
        .unwrap();
    let (told, said) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{told}{said}");
    for line in [
        "  changed      token",
        "the server of Ben has a pool of 10",
        "status ended with 50",
        "Ben was rejected with exit code 34",
    ] {
        assert!(told.lines().any(|other| other == line), "no line `{line}`:\n{told}{said}");
    }
    for secret in ["token-one", "token-two", "token-three", "envconf-local-v1"] {
        assert!(!told.contains(secret) && !said.contains(secret), "{secret} is shown:\n{told}{said}");
    }
}

#[test]
fn the_docs_print_the_script_that_runs() {
    assert!(
        CHAPTER.contains(&format!("```sh\n{SCRIPT}```\n")),
        "docs/story.md differs from examples/story.sh"
    );
    assert!(SCRIPT.lines().count() < 40, "the story must be short");
}

/// Checks that each of the thirty pitfalls names files with tests, or the reason why it has no test.
///
/// In Rust files, a comment above the test has the number of the pitfall. A case in `tests/cmd` is a test as a whole.
#[test]
fn the_pitfalls_name_files_with_tests() {
    let chapter = include_str!("../envconf/docs/pitfalls.md");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut count = 0;
    for number in 1..=30 {
        let start = format!("\n{number}. ");
        let pitfall = chapter.split_once(&start).unwrap_or_else(|| panic!("no pitfall {number}")).1;
        let end = pitfall.find(&format!("\n{}. ", number + 1)).unwrap_or(pitfall.len());
        let evidence = pitfall[..end].split_once('→').unwrap_or_else(|| panic!("{number}: no arrow")).1;
        if evidence.trim_start().starts_with("No test: ") {
            continue;
        }
        let files: Vec<_> =
            evidence.split('`').skip(1).step_by(2).filter(|text| text.contains('/')).collect();
        assert!(!files.is_empty(), "{number} names no file");
        for file in files {
            let text =
                std::fs::read_to_string(root.join(file)).unwrap_or_else(|_| panic!("{number}: no {file}"));
            let is_tested = file.starts_with("tests/cmd/") || has_test_of(&text, number);
            assert!(is_tested, "{file} has no test with the comment `// Pitfall {number}.`");
            count += 1;
        }
    }
    assert!(count > 30, "{count}");
}

/// Returns true if a comment above a test in `text` names this pitfall.
fn has_test_of(text: &str, pitfall: usize) -> bool {
    let comment = format!("// Pitfall {pitfall}.");
    let mut below = text.lines().map(str::trim).skip_while(|line| *line != comment);
    below.find(|line| !line.starts_with("// Pitfall ") && !line.starts_with("#[cfg")) == Some("#[test]")
}
