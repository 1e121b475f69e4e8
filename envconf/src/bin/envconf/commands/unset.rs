use std::path::PathBuf;

use envconf::tools::change::{self, KeyPath};
use envconf::{Error, Seal};
use serde_json::json;

use crate::options::global::Global;
use crate::options::pair_change::Change;
use crate::options::signing_args::SigningArgs;
use crate::output::Output;

/// Delete one value
///
/// envconf deletes a table with all its values. The rest of the content stays the same,
/// byte for byte. In TOML, envconf also deletes a comment at the end of the value's line.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  envconf unset app database.password
  envconf unset app database.password --idempotent")]
pub(crate) struct Args {
    /// Path of an .enc or .key file, or a bare name such as app
    #[arg(value_name = "PAIR")]
    pair: PathBuf,

    /// Path of the value, such as database.password
    ///
    /// Join keys with dots. Quote a key with characters other than A-Z, a-z, 0-9, _ and
    /// -.
    #[arg(value_name = "PATH")]
    path: String,

    /// Succeed and write nothing if the value does not exist
    #[arg(long)]
    idempotent: bool,

    #[command(flatten)]
    signing: SigningArgs,
}

pub(crate) fn run(args: &Args, global: &Global, output: &Output) -> Result<(), Error> {
    let path: KeyPath = args.path.parse()?;
    let change = Change::begin(&args.pair, &args.signing, global, output)?;
    let (content_type, content) = (change.content_type(), change.content());
    let new = change::unset(content_type, content, &path).map_err(|error| change.name(error))?;
    let more = json!({ "path": path.to_string(), "changed": new.is_some() });
    match new {
        Some(new) => change.seal(Seal::as_is, &new, more, output),
        None if args.idempotent => change.leave(more, output),
        // Use the message of a failed lookup.
        None => change::get(content_type, content, &path).map(drop).map_err(|error| change.name(error)),
    }
}
