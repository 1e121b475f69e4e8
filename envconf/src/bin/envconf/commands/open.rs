use std::path::PathBuf;

use envconf::Error;
use serde_json::json;

use crate::git::tracked;
use crate::options::global::Global;
use crate::options::plain_file;
use crate::options::target::Target;
use crate::output::{Output, shown};

/// Decrypt a pair to standard output
///
/// Opens only what a trusted key wrapped: one of --trust, else of ENVCONF_TRUST,
/// else a local key.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  envconf open app
  envconf open app --environment prod --trust tencent:ap-guangzhou:23e80852-1e38-11e9-b129-5cb9019b4b01
  envconf open config/app.prod.conf.enc -o config/app.prod.toml")]
pub(crate) struct Args {
    /// The path of an .enc or .key, or a bare name such as app
    ///
    /// A bare name is looked for here and in ENVCONF_DIR or config/.
    #[arg(value_name = "PAIR")]
    pair: PathBuf,

    /// Write to this file instead, with mode 0600
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Replace the file of -o if it is there
    #[arg(long, requires = "output")]
    force: bool,
}

pub(crate) fn run(args: &Args, global: &Global, output: &Output) -> Result<(), Error> {
    let target = Target::resolve(&args.pair, global)?;
    if let Some(file) = &args.output {
        plain_file::refuse_pair(file, &target.pair)?;
    }
    let opened = target.open(global, &target.services(output)?, output)?;
    let Some(file) = &args.output else {
        return output.data(opened.content());
    };
    plain_file::write(file, opened.content(), args.force)?;
    tracked::warn_of_plain(file, output);
    if output.is_json() {
        return output.json(&json!({
            "file": file.to_string_lossy(),
            "type": opened.header().content_type.name(),
            "generation": opened.header().generation,
        }));
    }
    output.say(format_args!(
        "Decrypted {} (generation {})\n  {}",
        target.label(),
        opened.header().generation,
        shown(file)
    ));
    Ok(())
}
