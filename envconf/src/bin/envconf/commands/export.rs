use std::path::PathBuf;

use envconf::Error;
use serde_json::json;

use crate::git::tracked;
use crate::options::global::{Global, one_of};
use crate::options::plain_file;
use crate::options::target::Target;
use crate::options::variable_names::{self, VariableNames};
use crate::output::variable_formats::{self, ExportFormat, SecretName};
use crate::output::{Output, shown};

/// Print a configuration as environment variables
///
/// envconf uses the same names as `envconf exec`, and refuses the same names. The output
/// is plain text: do not commit it. For a program, load the pair or use `envconf exec`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  envconf export app
  envconf export app --names keep --separator _ --skip-unnamed
  eval \"$(envconf export app --format shell)\"
  envconf export app --environment prod --format kubernetes | kubectl apply -f -")]
pub(crate) struct Args {
    /// Path of an .enc or .key file, or a bare name such as app
    #[arg(value_name = "PAIR")]
    pair: PathBuf,

    /// Output format
    ///
    /// dotenv prints lines of NAME=value, with quotes where necessary. It refuses values
    /// that dotenv readers read differently. json prints an object of strings. shell
    /// prints lines of export NAME='value', for eval. kubernetes prints the manifest of a
    /// Secret.
    #[arg(long, short, default_value = "dotenv",
        value_parser = one_of(ExportFormat::WORDS.map(|(word, _)| word), ExportFormat::of))]
    format: ExportFormat,

    #[command(flatten)]
    names: VariableNames,

    /// Name of the Secret
    ///
    /// The default is the name of the configuration, with its environment.
    #[arg(long, value_name = "NAME")]
    secret_name: Option<String>,

    /// Namespace of the Secret
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,

    /// Write to this file, with mode 0600
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Replace the output file if it exists
    #[arg(long, requires = "output")]
    force: bool,
}

pub(crate) fn run(args: &Args, global: &Global, output: &Output) -> Result<(), Error> {
    let target = Target::resolve(&args.pair, global)?;
    if let Some(file) = &args.output {
        plain_file::refuse_pair(file, &target.pair)?;
    }
    let secret = secret(args, &target)?;
    let exported = variable_names::variables(&target, global, &args.names, output)?;
    let text = variable_formats::write(&exported, args.format, &secret)
        .map_err(|error| error.at(target.pair.enc()))?;
    let Some(file) = &args.output else { return output.data(text.as_bytes()) };
    plain_file::write(file, text.as_bytes(), args.force)?;
    tracked::warn_of_plain(file, output);
    if output.is_json() {
        let names = exported.variables().iter().map(|variable| variable.name());
        let left_out = exported.left_out().iter().map(|key| key.path());
        return output.json(&json!({
            "file": file.to_string_lossy(),
            "generation": exported.header().generation,
            "left_out": left_out.collect::<Vec<_>>(),
            "names": names.collect::<Vec<_>>(),
            "skipped": exported.skipped().iter().map(|key| key.path()).collect::<Vec<_>>(),
        }));
    }
    output.say(format_args!(
        "Exported {} (generation {})\n  {}",
        target.label(),
        exported.header().generation,
        shown(file)
    ));
    Ok(())
}

fn secret(args: &Args, target: &Target) -> Result<SecretName, Error> {
    if let Some(name) = &args.secret_name {
        variable_formats::check_name(name, "--secret-name", true, 253)?;
    }
    if let Some(namespace) = &args.namespace {
        variable_formats::check_name(namespace, "--namespace", false, 63)?;
    }
    let own = || variable_formats::secret_name(target.name.as_str(), target.environment.as_str());
    Ok(SecretName { name: args.secret_name.clone().unwrap_or_else(own), namespace: args.namespace.clone() })
}
