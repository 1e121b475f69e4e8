use std::path::PathBuf;

use envconf::schema::{Format, template};
use envconf::{Error, Kind, Schema};

use crate::options::global::one_of;
use crate::output::Output;

/// Print a plain file to fill in, from a JSON Schema
///
/// Every key, with its documentation, type, default and variable. Values that need
/// none of your own are commented out; what begins with # and no space parses without
/// it. JSON has no comments: there null stands where something is to be filled in.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  envconf template --schema app.schema.json --link ../app.schema.json > config/app.toml
  envconf template --schema app.schema.json --type dotenv")]
pub(crate) struct Args {
    /// What T::json_schema() writes
    #[arg(long, value_name = "FILE")]
    schema: PathBuf,

    /// What to print
    #[arg(long = "type", value_name = "TYPE", default_value = "toml",
        value_parser = one_of(["toml", "json", "dotenv"], format))]
    format: Format,

    /// Name the schema to editors, by its path from the file, in the first line (TOML)
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
        Some(_) => return Err(Error::new(Kind::Usage, "--link is a path, and only for TOML")),
    };
    output.data(format!("{link}{}", template(schema.meta(), args.format)).as_bytes())
}
