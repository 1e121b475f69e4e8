use std::path::PathBuf;

use envconf::pair::check_dotenv;
use envconf::tools::change::{self, KeyPath, NewValue};
use envconf::{ContentType, Error, Seal};
use serde_json::json;

use crate::options::global::Global;
use crate::options::pair_change::Change;
use crate::options::secret_value::{ValueSource, refuse_assignment};
use crate::options::signing_args::SigningArgs;
use crate::output::Output;

/// Change one value
///
/// The value comes from standard input, from --value-file, or from a prompt that
/// does not show it; never from an argument.
///
/// Where a string is, or nothing yet, it becomes a string, as it is. Where a number
/// or anything else is, it must be one too, spelled as the content's syntax spells
/// it. The rest of the content stays byte for byte.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  envconf set app database.password
  pwgen 32 1 | envconf set app database.password
  envconf set app tls.key --value-file key.pem --exact
  echo '[\"a\", \"b\"]' | envconf set app hosts --literal")]
pub(crate) struct Args {
    /// The path of an .enc or .key, or a bare name such as app
    #[arg(value_name = "PAIR")]
    pair: PathBuf,

    /// Keys joined by dots, quoted where they are not of A-Z a-z 0-9 _ -; [n] for an item
    #[arg(value_name = "PATH")]
    path: String,

    #[command(flatten)]
    value: ValueSource,

    /// The value is of any type, spelled as TOML or JSON
    #[arg(long)]
    literal: bool,

    /// Write nothing if this very value is there already
    #[arg(long)]
    idempotent: bool,

    #[command(flatten)]
    signing: SigningArgs,
}

pub(crate) fn run(args: &Args, global: &Global, output: &Output) -> Result<(), Error> {
    args.value.refuse_surplus()?;
    refuse_assignment(&args.path)?;
    let path: KeyPath = args.path.parse()?;
    let change = Change::begin(&args.pair, &args.signing, global, output)?;
    let value = args.value.read(&format!("value of {path}"), output)?;
    // It has been found to be text.
    let text = std::str::from_utf8(&value).unwrap_or_default();
    let value = if args.literal { NewValue::Literal(text) } else { NewValue::Text(text) };
    let new = change::set(change.content_type(), change.content(), &path, &value)
        .map_err(|error| change.name(error))?;
    let more = json!({ "path": path.to_string(), "changed": new.is_some() });
    match new {
        Some(new) => {
            change.seal(Seal::as_is, &new, more, output)?;
            // The line was set on purpose; whoever opens the pair into a file may not expect it.
            if let (ContentType::Dotenv, Err(ambiguous)) =
                (change.content_type(), check_dotenv(&new, change.content()))
            {
                ambiguous.problems().iter().for_each(|line| output.warn(line));
            }
            Ok(())
        }
        None if args.idempotent => change.leave(more, output),
        None => change.seal(Seal::as_is, change.content(), more, output),
    }
}
