use std::path::PathBuf;

use envconf::Error;
use envconf::error::{Origin, escape};
use envconf::load::Provenance;
use envconf::tools::{explain, explain_by};
use serde_json::{Value, json};

use crate::options::global::Global;
use crate::options::schema::SchemaArgs;
use crate::options::target::Target;
use crate::output::Output;
use crate::output::layout;

/// Show where each value comes from, without the values
///
/// envconf reads the pair and the plain layers next to it (NAME.defaults.toml and
/// NAME.ENVIRONMENT.defaults.toml). For each value, it prints the path, the file, the
/// line and the column. It also prints which values are sealed. For a pair, line numbers
/// refer to the sealed text.
///
/// With --schema, envconf shows the values that the program would load here. It includes
/// defaults and environment variables of this process, and marks secrets. It rejects a
/// configuration that the program would reject.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  envconf explain app
  envconf explain app --schema app.schema.json
  envconf explain config/app.prod.conf.enc --json")]
pub(crate) struct Args {
    /// Path of an .enc or .key file, or a bare name such as app
    #[arg(value_name = "PAIR")]
    pair: PathBuf,

    #[command(flatten)]
    schema: SchemaArgs,
}

pub(crate) fn run(args: &Args, global: &Global, output: &Output) -> Result<(), Error> {
    let schema = args.schema.read()?;
    let target = Target::resolve(&args.pair, global)?;
    let (policy, services) = (target.policy(global)?, target.services(output)?);
    let explained = match &schema {
        Some(schema) => explain_by(schema, &target.pair, &policy, &services)?,
        None => explain(&target.pair, &policy, &services)?,
    };
    target.opened(explained.header(), explained.recipients(), output)?;
    let values = explained.values();
    if output.is_json() {
        return output.json(&json!({
            "name": target.name.as_str(),
            "environment": target.environment.as_str(),
            "generation": explained.header().generation,
            "values": values.iter().map(as_json).collect::<Vec<_>>(),
        }));
    }
    let paths: Vec<String> = values.iter().map(|value| escape(value.path()).to_string()).collect();
    let width = layout::column_width(paths.iter().map(String::as_str));
    for (path, value) in paths.iter().zip(values) {
        // Without a schema, all sealed values are marked alike.
        let secret = if value.secret() && schema.is_some() { " (secret)" } else { "" };
        let lead = format!("{}  ", layout::padded(path, width));
        let columns = lead.chars().count();
        let lead = output.paint().strong(&lead).into_owned();
        output.paragraph_after(&lead, columns, &format!("{}{secret}", value.origin()))?;
    }
    Ok(())
}

fn as_json(value: &Provenance) -> Value {
    let (file, line, column, sealed) = match value.origin() {
        Origin::Text { file, line, column, sealed } => {
            (file.as_deref(), Some(line), Some(column), Some(sealed))
        }
        _ => (None, None, None, None),
    };
    let variable = match value.origin() {
        Origin::Variable(variable) | Origin::VariableFile { variable, .. } => Some(variable),
        _ => None,
    };
    json!({
        "path": value.path(),
        "origin": value.origin().to_string(),
        "file": file.map(|file| file.to_string_lossy()),
        "line": line,
        "column": column,
        "sealed": sealed,
        "secret": value.secret(),
        "variable": variable,
    })
}
