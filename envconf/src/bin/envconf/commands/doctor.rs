use std::path::{Path, PathBuf};
use std::process::ExitCode;

use envconf::kms::{State, Step};
use envconf::pair::parse_signers;
use envconf::process::setting;
use envconf::tools::Diagnose;
use envconf::{Error, Kind};
use serde_json::{Value, json};

use crate::git::tracked;
use crate::options::global::Global;
use crate::options::target::Target;
use crate::output::{Output, hints};

/// Check step by step why a pair cannot be opened
///
/// envconf checks the policy file, the pair, the local key and the settings. For every
/// trusted key service, it checks the source of the credentials, the endpoint, name
/// resolution, TLS and the clock. It also checks the right to unwrap, and measures the
/// time of that request. At the end, it decrypts and parses the content. The report
/// contains neither credentials nor content.
///
/// Without PAIR, envconf checks the working directory. It then sends no request to a key
/// service.
///
/// The exit code is that of the first failed step.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  envconf doctor
  envconf doctor app --environment prod
  envconf doctor app --trust tencent:ap-guangzhou:23e80852-1e38-11e9-b129-5cb9019b4b01 --wrap")]
pub(crate) struct Args {
    /// Path of an .enc or .key file, or a bare name such as app
    #[arg(value_name = "PAIR")]
    pair: Option<PathBuf>,

    /// Also check the rights that sealing needs
    ///
    /// A key service wraps a new data key, and envconf discards the result. envconf asks
    /// the key services in the policy file, else those of the pair, else the trusted ones.
    #[arg(long)]
    wrap: bool,

    /// Require signatures by these signers, not ENVCONF_SIGNERS
    ///
    /// LIST contains Ed25519 public keys, separated by commas. Each key is 32 bytes in
    /// base64.
    #[arg(long, value_name = "LIST")]
    signers: Option<String>,

    /// Number of signers that must have signed
    #[arg(long, value_name = "N", default_value_t = 1, requires = "signers")]
    required_signatures: usize,
}

pub(crate) fn run(args: &Args, global: &Global, output: &Output) -> Result<ExitCode, Error> {
    let mut diagnose = match args.pair.as_ref().map(|pair| Target::resolve(pair, global)) {
        None => {
            tracked::warn_of_key_in_project(Path::new("."), output);
            Diagnose::new(".")
        }
        Some(Ok(Target { pair, name, environment })) => {
            tracked::warn_of_key_in_project(pair.directory(), output);
            let target = Target { pair: pair.clone(), name: name.clone(), environment: environment.clone() };
            if let Err(error) = target.check_known() {
                output.warn_of(&error);
            }
            Diagnose::new(pair.directory()).pair(pair, name, environment)
        }
        // Contradicting options end the command. A missing pair is only one failed step.
        Some(Err(error)) if error.kind() == Kind::Usage => return Err(error),
        Some(Err(error)) => {
            let directory = setting("ENVCONF_DIR")?.unwrap_or_else(|| "config".into());
            let is_there = Path::new(&directory).is_dir();
            Diagnose::new(if is_there { directory } else { ".".into() }).missing_pair(error)
        }
    };
    if let Some(file) = &global.config {
        diagnose = diagnose.rules(file);
    }
    if !global.trust.is_empty() {
        diagnose = diagnose.trust(global.trust.iter().cloned());
    }
    if let Some(list) = &args.signers {
        diagnose = diagnose.signers(parse_signers(list, "--signers")?, args.required_signatures);
    }
    if args.wrap {
        diagnose = diagnose.wrap();
    }
    let diagnosis = diagnose.run();
    let code = diagnosis.exit_code();
    if output.is_json() {
        let steps: Vec<_> = diagnosis.steps().iter().map(as_json).collect();
        output.json(&json!({ "steps": steps, "exit": code }))?;
    } else {
        print(diagnosis.steps(), output)?;
        print_next(diagnosis.steps(), output);
    }
    Ok(ExitCode::from(code))
}

/// Columns for the state of a step, with the blank after it.
const STATE_WIDTH: usize = 9;

/// Prints the next step.
fn print_next(steps: &[Step], output: &Output) {
    let is_first = |state: State| steps.iter().find(|step| step.state() == state);
    let failed = steps.iter().filter(|step| step.state() == State::Failed).count();
    let Some(step) = is_first(State::Failed) else {
        output.say("No step failed");
        return;
    };
    output.say(match failed {
        1 => "1 step failed".to_owned(),
        _ => format!("{failed} steps failed; start with the first"),
    });
    let advice = hints::advice(step.remedy(), step.advice());
    output.hint(match advice.as_deref().and_then(|advice| advice.lines().next()) {
        Some(advice) => advice.to_owned(),
        None => format!("{}: {}", step.name(), step.message()),
    });
}

/// Prints a line for each step, and one for its advice. The steps of a key are below it.
fn print(steps: &[Step], output: &Output) -> Result<(), Error> {
    let mut key = None;
    for step in steps {
        if step.recipient() != key {
            key = step.recipient();
            if let Some(key) = key {
                output.line(key)?;
            }
        }
        let name = format!("{}{}", if key.is_some() { "  " } else { "" }, step.name());
        let state = step.state().name();
        let marked = format!("{} {state}", output.mark(step.state()));
        let lead = format!("{name:<14}{marked}{}", " ".repeat(STATE_WIDTH.saturating_sub(state.len())));
        output.paragraph_after(&lead, 16 + STATE_WIDTH, step.message())?;
        if let Some(advice) = hints::advice(step.remedy(), step.advice()) {
            for hint in advice.lines() {
                output.paragraph(&" ".repeat(16 + STATE_WIDTH), hint)?;
            }
        }
    }
    Ok(())
}

fn as_json(step: &Step) -> Value {
    json!({
        "step": step.name(),
        "recipient": step.recipient().map(ToString::to_string),
        "state": step.state().name(),
        "message": step.message(),
        "advice": hints::advice(step.remedy(), step.advice()),
        "ms": step.duration().map(|took| took.as_millis() as u64),
    })
}
