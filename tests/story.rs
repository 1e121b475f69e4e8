//! The story that the docs tell, with the real command, git and a shell.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use envconf_test_support::Sandbox;

const SCRIPT: &str = include_str!("../examples/story.sh");
const CHAPTER: &str = include_str!("../envconf/docs/story.md");

#[test]
fn it_goes_as_told() {
    let sandbox = Sandbox::new();
    let folder = Path::new(env!("CARGO_BIN_EXE_envconf")).parent().unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
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
        "Ben was refused with 34",
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
    assert!(SCRIPT.lines().count() < 40, "a story is short");
}
