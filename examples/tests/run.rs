//! Tests that run the examples and check their output. `cargo test` builds the examples first.

use std::path::PathBuf;
use std::process::{Command, Output};

/// Runs an example with these arguments and environment variables.
fn run(example: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let test = std::env::current_exe().unwrap();
    let directory: PathBuf = test.ancestors().nth(2).unwrap().join("examples");
    let mut command = Command::new(directory.join(example));
    command.args(arguments).envs(variables.iter().copied()).output().unwrap()
}

fn lines(output: &Output) -> Vec<&str> {
    assert!(output.status.success(), "{output:?}");
    std::str::from_utf8(&output.stdout).unwrap().lines().collect()
}

#[test]
fn cli() {
    let output = run("cli", &["Ada"], &[("GREET__TIMES", "2")]);
    assert_eq!(lines(&output)[..2], ["Hello, Ada!", "Hello, Ada!"]);
    let output = run("cli", &[], &[("GREET__TIMES", "many")]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(20), 0));
    let report = String::from_utf8(output.stderr).unwrap();
    assert!(report.contains("times: expected u8, at environment variable GREET__TIMES"), "{report}");
}

#[test]
fn flags() {
    let output =
        run("flags", &["--port", "9000", "-s", "routes[0].target=http://x", "-s", "routes[1].path=/b"], &[]);
    assert_eq!(lines(&output), ["port 9000", "/ to http://x", "/b to http://localhost:3000"]);
    let output = run("flags", &["--port", "many"], &[("SERVER__PORT", "1")]);
    let report = String::from_utf8(output.stderr).unwrap();
    assert!(report.contains("port: expected u16, set by the program"), "{report}");
}

#[test]
fn showcase() {
    let output = run("showcase", &[], &[]);
    assert_eq!(lines(&output)[0], "2 upstreams, logging at Debug");
}

#[test]
fn axum() {
    let output = run("axum", &[], &[]);
    let lines = lines(&output);
    for line in ["Hello, world!", "Good morning, Ada!", "reloaded: the greeting is \"Good morning\" now"] {
        assert!(lines.contains(&line), "{line} in {lines:?}");
    }
    let health = lines.iter().position(|line| line.starts_with("a newer configuration is not used")).unwrap();
    assert_eq!(lines[health - 1], "Good morning, Ada!", "the last good version stays");
}

#[test]
fn custom_kms() {
    assert!(lines(&run("custom_kms", &[], &[]))[0].starts_with("password = SecretBox"));
}
