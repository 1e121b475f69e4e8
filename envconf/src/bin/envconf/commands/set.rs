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
/// envconf reads the value from standard input, from --value-file, or from a prompt that
/// hides it. A value is never an argument.
///
/// If the old value is a string or does not exist, the new value becomes a string.
/// Otherwise the new value must have the same type: write it in the syntax of the
/// content. The rest of the content stays the same, byte for byte.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  envconf set app database.password
  pwgen 32 1 | envconf set app database.password
  envconf set app tls.key --value-file key.pem --exact
  echo '[\"a\", \"b\"]' | envconf set app hosts --literal")]
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

    #[command(flatten)]
    value: ValueSource,

    /// Read a value of any type, in the syntax of TOML or JSON
    #[arg(long)]
    literal: bool,

    /// Write nothing if the pair already has this value
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
    // `read` has checked that it is text.
    let text = std::str::from_utf8(&value).unwrap_or_default();
    let value = if args.literal { NewValue::Literal(text) } else { NewValue::Text(text) };
    let new = change::set(change.content_type(), change.content(), &path, &value)
        .map_err(|error| change.name(error))?;
    let more = json!({ "path": path.to_string(), "changed": new.is_some() });
    match new {
        Some(new) => {
            change.seal(Seal::as_is, &new, more, output)?;
            // The user set this line on purpose, but other readers of the content may not expect it.
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
