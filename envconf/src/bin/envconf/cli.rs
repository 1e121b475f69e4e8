//! The list of verbs.

use clap::{Parser, Subcommand};

use crate::commands;
use crate::options::global::Global;

/// Configuration that lies encrypted in git
///
/// A configuration is sealed into two files, which are safe to commit:
/// NAME.conf.enc holds it encrypted, NAME.conf.key holds its data key, wrapped
/// by the keys of those who may open it.
#[derive(Parser)]
#[command(
    name = "envconf",
    version,
    verbatim_doc_comment,
    after_help = "\
Start in an empty folder:
  envconf init
  envconf seal config/app.toml
  envconf open app"
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Subcommand)]
pub(crate) enum Verb {
    Init(commands::init::Args),
    Key(commands::key::Args),
    Keygen(commands::keygen::Args),
    #[command(visible_alias = "encrypt")]
    Seal(commands::seal::Args),
    #[command(visible_alias = "decrypt")]
    Open(commands::open::Args),
    #[cfg(unix)]
    Edit(commands::edit::Args),
    Get(commands::get::Args),
    Set(commands::set::Args),
    #[command(visible_alias = "del")]
    Unset(commands::unset::Args),
    Inspect(commands::inspect::Args),
    #[command(visible_alias = "validate")]
    Verify(commands::verify::Args),
    Diff(commands::diff::Args),
    #[command(hide = true)]
    GitDiff(commands::git_diff::Args),
    Scan(commands::scan::Args),
    Hook(commands::hook::Args),
    Explain(commands::explain::Args),
    Rotate(commands::rotate::Args),
    Recipients(commands::recipients::Args),
    Status(commands::status::Args),
    #[command(visible_alias = "run")]
    Exec(commands::exec::Args),
    Export(commands::export::Args),
    #[command(visible_alias = "updatekeys")]
    Rewrap(commands::rewrap::Args),
    Sign(commands::sign::Args),
    Signer(commands::signer::Args),
    Keys(commands::keys::Args),
    Import(commands::import::Args),
    Doctor(commands::doctor::Args),
    Template(commands::template::Args),
    /// Started by `edit`, to clear up after it whatever becomes of it.
    #[cfg(unix)]
    #[command(hide = true)]
    Guard(crate::editor::scratch::Guard),
    Completion(commands::completion::Args),
    Man(commands::man::Args),
}
