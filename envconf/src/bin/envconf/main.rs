//! The `envconf` command: parses the arguments, runs the verb, reports the result, and ends with its exit code.

mod cli;
mod commands;
mod options;
mod output;
mod git;
mod editor;

use std::process::ExitCode;

use cli::{Cli, Verb};
use output::style::ColorOption;
use output::{Output, error_report, hints};

fn main() -> ExitCode {
    // If the system refuses, the command works all the same, and the user could not change it here.
    envconf::harden();
    report_file_size_limit();
    let color = ColorOption::of_arguments(std::env::args_os());
    let cli = match cli::parse(color) {
        Ok(cli) => cli,
        Err(stopped) => return error_report::not_parsed(&stopped, color),
    };
    let output = Output::new(cli.global.json, cli.global.quiet, color);
    match run(&cli, &output) {
        Ok(code) => code,
        Err(error) => error_report::failed(&hints::with_options(error), &output),
    }
}

/// Makes a write beyond the file size limit (`ulimit -f`) fail. Otherwise SIGXFSZ would end the process and leave half
/// a file.
///
/// Use a handler instead of "ignore": a program that replaces this process then starts with the default again.
fn report_file_size_limit() {
    #[cfg(unix)]
    {
        let noted = std::sync::Arc::default();
        // If this fails, SIGXFSZ ends the process, as by default.
        let _ = signal_hook::flag::register(rustix::process::Signal::XFSZ.as_raw(), noted);
    }
}

fn run(cli: &Cli, output: &Output) -> Result<ExitCode, envconf::Error> {
    let global = &cli.global;
    // `doctor` reports such variables with everything else, and these other verbs use none.
    if !matches!(&cli.verb, Verb::Doctor(_) | Verb::Completion(_) | Verb::Man(_) | Verb::GitDiff(_)) {
        envconf::process::check_variable_names()?;
    }
    let done = |()| ExitCode::SUCCESS;
    match &cli.verb {
        Verb::Init(args) => commands::init::run(args, output).map(done),
        Verb::Key(args) => commands::key::run(args, output).map(done),
        Verb::Keygen(args) => commands::keygen::run(args, output).map(done),
        Verb::Seal(args) => commands::seal::run(args, global, output).map(done),
        Verb::Open(args) => commands::open::run(args, global, output).map(done),
        #[cfg(unix)]
        Verb::Edit(args) => commands::edit::run(args, global, output).map(done),
        Verb::Get(args) => commands::get::run(args, global, output).map(done),
        Verb::Set(args) => commands::set::run(args, global, output).map(done),
        Verb::Unset(args) => commands::unset::run(args, global, output).map(done),
        Verb::Inspect(args) => commands::inspect::run(args, global, output).map(done),
        Verb::Verify(args) => commands::verify::run(args, global, output),
        Verb::Diff(args) => commands::diff::run(args, global, output),
        Verb::GitDiff(args) => commands::git_diff::run(args, output).map(done),
        Verb::Scan(args) => commands::scan::run(args, global, output),
        Verb::Hook(args) => commands::hook::run(args, output).map(done),
        Verb::Explain(args) => commands::explain::run(args, global, output).map(done),
        Verb::Rotate(args) => commands::rotate::run(args, global, output),
        Verb::Recipients(args) => commands::recipients::run(args, global, output).map(done),
        Verb::Status(args) => commands::status::run(args, global, output).map(done),
        Verb::Rewrap(args) => commands::rewrap::run(args, global, output),
        Verb::Exec(args) => commands::exec::run(args, global, output).map(|never| match never {}),
        Verb::Export(args) => commands::export::run(args, global, output).map(done),
        Verb::Sign(args) => commands::sign::run(args, global, output).map(done),
        Verb::Signer(args) => commands::signer::run(args, output).map(done),
        Verb::Keys(args) => commands::keys::run(args, output).map(done),
        Verb::Import(args) => commands::import::run(args, global, output).map(done),
        Verb::Doctor(args) => commands::doctor::run(args, global, output),
        Verb::Template(args) => commands::template::run(args, output).map(done),
        #[cfg(unix)]
        Verb::Guard(args) => editor::scratch::guard(args).map(done),
        Verb::Completion(args) => commands::completion::run(args, &cli::command(), output).map(done),
        Verb::Man(args) => commands::man::run(args, cli::command(), output).map(done),
    }
}
