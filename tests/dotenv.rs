//! Tests that python-dotenv reads every accepted dotenv file in the same way.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::process::Stdio;

use envconf::ContentType;
use envconf::tools::import::Dotenv;
use envconf_test_support::{Python, Sandbox};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::Value;

const SCRIPT: &str = "\
import io, json, sys
from dotenv import dotenv_values
texts = json.load(sys.stdin)
print(json.dumps([dotenv_values(stream=io.StringIO(text, newline=None), interpolate=False) for text in texts]))
";

/// Generates one or several lines, most of them unusual.
fn any_lines() -> impl Strategy<Value = String> {
    let inner = prop_oneof![
        "[a-z0-9 ]{0,6}",
        "[ -~]{0,8}",
        "[a-z'\"\\\\$`#\n\r\t =]{0,8}",
        "(\\\\[nrt\"\\\\]|[a-z#' \n]){0,6}",
        "[a-zé\u{a0}\u{2028} #]{0,6}",
    ];
    let quote = prop_oneof![Just(""), Just("'"), Just("\"")];
    let value = (quote, inner, prop_oneof![Just(""), Just(" "), Just(" # note 'x\"")]);
    let value = value.prop_map(|(quote, inner, behind)| format!("{quote}{inner}{quote}{behind}"));
    let before = prop_oneof![Just(""), Just("export "), Just("  "), Just("\texport\t")];
    let equals = prop_oneof![3 => Just("="), 1 => Just(" = "), 1 => Just("=\t")];
    let assignment = (before, "[ab]", equals, value)
        .prop_map(|(before, name, equals, value)| format!("{before}{name}{equals}{value}"));
    prop_oneof![6 => assignment, 1 => "#[ -~]{0,6}", 1 => "[ \t]{0,3}", 1 => "[ -~]{0,6}"]
}

#[test]
fn python_dotenv_reads_the_same_values() {
    let mut runner = TestRunner::deterministic();
    let file = proptest::collection::vec(any_lines(), 0..3);
    let mut texts = Vec::new();
    let mut taken = Vec::new();
    for _ in 0..6000 {
        let lines = file.new_tree(&mut runner).unwrap().current();
        let text = lines.join(if texts.len() % 2 == 0 { "\n" } else { "\r\n" });
        let Ok(read) = Dotenv::parse(text.as_bytes()) else { continue };
        // Skip names with paths of several keys, and names with the same path.
        let is_flat = read.names().all(|name| !name.contains("__"));
        let Some(content) = read.content(ContentType::Json, None).ok().filter(|_| is_flat) else { continue };
        taken.push(serde_json::from_str::<Value>(&content).unwrap());
        texts.push(text);
    }
    assert!(taken.len() > 1000, "only {} texts of 6000 were accepted", taken.len());
    let sandbox = Sandbox::new();
    sandbox.write("requirements.txt", "python-dotenv==1.1.1\n");
    sandbox.write("read.py", SCRIPT);
    let python = Python::with_requirements(env!("CARGO_TARGET_TMPDIR"), sandbox.path("requirements.txt"));
    let mut command = python.command(sandbox.path("read.py"));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    // Closes standard input after writing, so that the script reads the end of its input.
    serde_json::to_writer(child.stdin.take().unwrap(), &texts).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let theirs: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(theirs.len(), taken.len());
    for ((text, own), theirs) in texts.iter().zip(&taken).zip(&theirs) {
        let theirs = theirs.as_object().unwrap().iter();
        let theirs: Value = theirs.map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect();
        assert_eq!(*own, theirs, "{text:?}");
    }
}
