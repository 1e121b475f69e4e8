use std::path::PathBuf;

use envconf::Error;
use envconf::tools::change::{self, KeyPath};
use zeroize::Zeroizing;

use crate::options::global::Global;
use crate::options::target::Target;
use crate::output::Output;

/// Print one value
///
/// A string or date is printed as it is, byte for byte, and without a line feed
/// unless stdout is a terminal; anything else as JSON on one line.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  envconf get app database.password
  envconf get app 'hosts[0]'
  envconf get app '\"key.with.dots\".x' --json")]
pub(crate) struct Args {
    /// The path of an .enc or .key, or a bare name such as app
    #[arg(value_name = "PAIR")]
    pair: PathBuf,

    /// Keys joined by dots, quoted where they are not of A-Z a-z 0-9 _ -; [n] for an item
    #[arg(value_name = "PATH")]
    path: String,
}

pub(crate) fn run(args: &Args, global: &Global, output: &Output) -> Result<(), Error> {
    let path: KeyPath = args.path.parse()?;
    let target = Target::resolve(&args.pair, global)?;
    let opened = target.open(global, &target.services(output)?, output)?;
    let found = change::get(opened.header().content_type, opened.content(), &path)
        .map_err(|error| error.at(target.pair.enc()))?;
    if !output.is_json() {
        return output.value(found.text());
    }
    // Not through a JSON value, which would keep copies.
    let path = serde_json::Value::from(path.to_string()).to_string();
    let (shape, value) = (found.shape().name(), found.json());
    let parts = ["{\"path\":", &path, ",\"type\":\"", shape, "\",\"value\":", &value, "}\n"];
    let mut report = Zeroizing::new(String::with_capacity(parts.iter().map(|part| part.len()).sum()));
    parts.iter().for_each(|part| report.push_str(part));
    output.data(report.as_bytes())
}
