//! Lays an error out, as text or as JSON, and picks the exit code.

use std::error::Error as _;
use std::path::Path;
use std::process::ExitCode;

use clap::error::ErrorKind;
use envconf::error::{Attempt, Fault, Problem, escape};
use envconf::{Error, Kind};
use serde_json::{Value, json};

use crate::output::Output;

/// Reports an error that ends the command.
pub(crate) fn failed(error: &Error, output: &Output) -> ExitCode {
    print(error, output);
    ExitCode::from(error.exit_code())
}

/// Reports an error: the library's own words, or one line of JSON.
pub(crate) fn print(error: &Error, output: &Output) {
    if output.is_json() {
        output.error(json!({ "error": as_json(error) }));
    } else {
        output.error(format_args!("error: {error}"));
    }
}

/// Help, version, or arguments that do not parse.
pub(crate) fn not_parsed(stopped: &clap::Error) -> ExitCode {
    // The options are not known; what was asked for still is.
    let json = std::env::args_os().take_while(|arg| arg != "--").any(|arg| arg == "--json");
    let output = Output::new(json, false);
    let text = stopped.render().to_string();
    let safe = |text: &str| text.lines().map(|line| escape(line).to_string()).collect::<Vec<_>>().join("\n");
    match stopped.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => match output.data(text.as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed(&error, &output),
        },
        _ if json => {
            let text = safe(&text);
            let first = text.lines().next().unwrap_or_default();
            let message = first.strip_prefix("error: ").unwrap_or(first);
            failed(&Error::new(Kind::Usage, message).advise("see `envconf --help`"), &output)
        }
        _ => {
            output.error(safe(text.trim_end()));
            ExitCode::from(Error::new(Kind::Usage, "").exit_code())
        }
    }
}

/// The shape that docs/command.md describes.
pub(crate) fn as_json(error: &Error) -> Value {
    json!({
        "code": error.kind().name(),
        "exit": error.exit_code(),
        "message": error.message(),
        "advice": error.advice(),
        "path": error.path().map(path),
        "causes": causes(error),
    })
}

/// The path as it is, for programs; but not a key that was given where a path belongs.
fn path(path: &Path) -> String {
    let text = path.to_string_lossy();
    let shown = escape(&text).to_string();
    if shown.contains("[REDACTED]") { shown } else { text.into_owned() }
}

fn causes(error: &Error) -> Vec<Value> {
    let problems = error.problems().iter().map(problem);
    let attempts = error.attempts().iter().map(attempt);
    let source = error.source().map(|source| json!({ "message": source.to_string() }));
    problems.chain(attempts).chain(source).collect()
}

fn problem(problem: &Problem) -> Value {
    json!({
        "message": problem.to_string(),
        "path": problem.path(),
        "origin": problem.origin().map(ToString::to_string),
    })
}

fn attempt(attempt: &Attempt) -> Value {
    json!({
        "message": attempt.message(),
        "advice": attempt.advice(),
        "recipient": attempt.key().to_string(),
        "fault": match attempt.fault() {
            Fault::Transient => "transient",
            Fault::Refused => "refused",
            _ => "other",
        },
        "code": attempt.code(),
        "request_id": attempt.request_id(),
    })
}
