use std::path::PathBuf;

use envconf::schema::{Format, template};
use envconf::{Error, Kind, Schema};

use crate::options::global::one_of;
use crate::output::Output;

/// Print a plain file to fill in, from a JSON Schema
///
/// The file has every key with its documentation, type, default and environment variable.
/// Keys that need no value from you are comments. A line that begins with # and no space
/// is a setting: remove the # to use it. JSON has no comments, so null marks the values
/// to fill in.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  envconf template --schema app.schema.json --link ../app.schema.json > config/app.toml
  envconf template --schema app.schema.json --type dotenv")]
pub(crate) struct Args {
    /// JSON Schema from T::json_schema()
    #[arg(long, value_name = "FILE")]
    schema: PathBuf,

    /// Output format
    #[arg(long = "type", value_name = "TYPE", default_value = "toml",
        value_parser = one_of(["toml", "json", "dotenv"], format))]
    format: Format,

    /// Write this schema path to the first line, for editors
    ///
    /// This works for TOML only. The path is relative to the plain file.
    #[arg(long, value_name = "PATH")]
    link: Option<String>,
}

fn format(name: &str) -> Option<Format> {
    match name {
        "toml" => Some(Format::Toml),
        "json" => Some(Format::Json),
        "dotenv" => Some(Format::Dotenv),
        _ => None,
    }
}

pub(crate) fn run(args: &Args, output: &Output) -> Result<(), Error> {
    let schema = Schema::read(&args.schema)?;
    let link = match &args.link {
        None => String::new(),
        Some(path) if args.format == Format::Toml && !path.contains(char::is_control) => {
            format!("#:schema {path}\n\n")
        }
        Some(_) => return Err(Error::new(Kind::Usage, "--link needs a path, and works for TOML only")),
    };
    output.data(format!("{link}{}", template(schema.meta(), args.format)).as_bytes())
}
