//! Formats an error as text or JSON, and selects the exit code.

use std::error::Error as _;
use std::path::Path;
use std::process::ExitCode;

use clap::error::ErrorKind;
use envconf::error::{Attempt, Fault, Problem, escape};
use envconf::{Error, Kind};
use serde_json::{Value, json};

use crate::output::Output;
use crate::output::style::ColorOption;

/// Reports an error that ends the command.
pub(crate) fn failed(error: &Error, output: &Output) -> ExitCode {
    print(error, output);
    ExitCode::from(error.exit_code())
}

/// Reports an error: as text, or as one line of JSON.
pub(crate) fn print(error: &Error, output: &Output) {
    if output.is_json() {
        output.json_error(&json!({ "error": as_json(error) }));
    } else {
        output.failure(error);
    }
}

/// Prints help, the version, or the error in the arguments.
pub(crate) fn not_parsed(stopped: &clap::Error, color: ColorOption) -> ExitCode {
    // The options were not parsed, but `--json` still counts.
    let json = std::env::args_os().take_while(|arg| arg != "--").any(|arg| arg == "--json");
    let output = Output::new(json, false, color);
    let usage = Error::new(Kind::Usage, "").exit_code();
    match stopped.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => match output.help(&stopped.render()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed(&error, &output),
        },
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand if std::env::args_os().len() == 1 => {
            output.error(FIRST_STEPS);
            ExitCode::from(usage)
        }
        _ if json => {
            let text = stopped.render().to_string();
            let first = escape(text.lines().next().unwrap_or_default()).to_string();
            let message = first.strip_prefix("error: ").unwrap_or(&first);
            failed(&Error::new(Kind::Usage, message).advise("see `envconf --help`"), &output)
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            output.error(stopped.render());
            ExitCode::from(usage)
        }
        _ => {
            output.usage(&stopped.render().to_string());
            ExitCode::from(usage)
        }
    }
}

/// The text that `envconf` without arguments prints.
const FIRST_STEPS: &str = "\
envconf keeps configuration encrypted in git, next to the code.

First steps, in the directory of your project:
  envconf init                  Create a local key, a policy file and a sample
  envconf seal config/app.toml  Encrypt the sample into a pair
  envconf edit app              Edit it; `envconf open app` prints it

All commands:
  envconf help";

/// Returns the shape that docs/json-output.md describes.
pub(crate) fn as_json(error: &Error) -> Value {
    json!({
        "code": error.kind().name(),
        "exit": error.exit_code(),
        "message": error.message(),
        "advice": error.advice().map(|advice| advice.replace('\n', "; ")),
        "path": error.path().map(path),
        "causes": causes(error),
    })
}

/// Returns the path unchanged, for programs; but not a key that the user passed by mistake.
fn path(path: &Path) -> String {
    let text = path.to_string_lossy();
    let shown = escape(&text).to_string();
    if shown.contains("[REDACTED]") { shown } else { text.into_owned() }
}

fn causes(error: &Error) -> Vec<Value> {
    let notes = error.notes().iter().map(|note| json!({ "message": note }));
    let problems = error.problems().iter().map(problem);
    let attempts = error.attempts().iter().map(attempt);
    let source = error.source().map(|source| json!({ "message": source.to_string() }));
    notes.chain(problems).chain(attempts).chain(source).collect()
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
