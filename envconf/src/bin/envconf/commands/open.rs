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
/// envconf opens a pair only with a trusted key. It trusts the keys of --trust. Without
/// --trust, it trusts the keys of ENVCONF_TRUST. Without both, it trusts your local keys.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  envconf open app
  envconf open app --environment prod --trust tencent:ap-guangzhou:23e80852-1e38-11e9-b129-5cb9019b4b01
  envconf open config/app.prod.conf.enc -o config/app.prod.toml")]
pub(crate) struct Args {
    /// Path of an .enc or .key file, or a bare name such as app
    ///
    /// envconf searches for a bare name in the working directory and in ENVCONF_DIR. If
    /// ENVCONF_DIR is not set, envconf searches in config/.
    #[arg(value_name = "PAIR")]
    pair: PathBuf,

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
