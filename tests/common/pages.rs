//! The code blocks of a page of the book, and a shell that runs them.

use std::path::Path;
use std::process::{Command, Output};

use envconf_test_support::Sandbox;

const ENVCONF: &str = env!("CARGO_BIN_EXE_envconf");

/// Returns the code blocks of a language, without the indentation of a block in a list.
pub(crate) fn blocks(text: &str, language: &str) -> Vec<String> {
    let (opening, mut blocks) = (format!("```{language}"), Vec::new());
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.trim_start() == opening {
            let indentation = &line[..line.len() - opening.len()];
            let body = lines.by_ref().take_while(|line| line.trim_start() != "```");
            let body = body.map(|line| line.strip_prefix(indentation).unwrap_or(line));
            blocks.push(body.flat_map(|line| [line, "\n"]).collect());
        }
    }
    blocks
}

/// Returns a shell that runs a script in the sandbox, with the command in its path.
pub(crate) fn shell(sandbox: &Sandbox, script: &str) -> Command {
    let directory = Path::new(ENVCONF).parent().unwrap();
    let path = format!("{}:{}", directory.display(), std::env::var("PATH").unwrap());
    let mut command = sandbox.command("sh");
    command.args(["-c", script]).env("PATH", path);
    command.envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1")]);
    command.envs([("GIT_AUTHOR_NAME", "Anna"), ("GIT_AUTHOR_EMAIL", "anna@example.com")]);
    command.envs([("GIT_COMMITTER_NAME", "Anna"), ("GIT_COMMITTER_EMAIL", "anna@example.com")]);
    command
}

/// Returns standard output, then standard error.
pub(crate) fn said(output: &Output) -> String {
    let texts = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
    texts.concat()
}
