use std::path::PathBuf;

use envconf::Error;
use envconf::tools::change::{self, KeyPath};
use zeroize::Zeroizing;

use crate::options::global::Global;
use crate::options::target::Target;
use crate::output::Output;

/// Print one value
///
/// envconf prints strings and dates unchanged. It adds a line feed only if stdout is a
/// terminal. It prints other values as JSON on one line.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  envconf get app database.password
  envconf get app 'hosts[0]'
  envconf get app '\"key.with.dots\".x' --json")]
pub(crate) struct Args {
    /// Path of an .enc or .key file, or a bare name such as app
    #[arg(value_name = "PAIR")]
    pair: PathBuf,

    /// Path of the value, such as database.password or hosts[0]
    ///
    /// Join keys with dots. Quote a key with characters other than A-Z, a-z, 0-9, _ and
    /// -. Write [n] for an item of a list.
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
    // Do not build a JSON value: it would keep copies.
    let path = serde_json::Value::from(path.to_string()).to_string();
    let (shape, value) = (found.shape().name(), found.json());
    let parts = ["{\"path\":", &path, ",\"type\":\"", shape, "\",\"value\":", &value, "}\n"];
    let mut report = Zeroizing::new(String::with_capacity(parts.iter().map(|part| part.len()).sum()));
    parts.iter().for_each(|part| report.push_str(part));
    output.data(report.as_bytes())
}
