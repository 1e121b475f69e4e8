//! Options that every verb takes, and the list of verbs.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use envconf::{Error, Kind, Name, Trusted, setting};

use crate::commands;

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
    Guard(crate::scratch::Guard),
    Completion(commands::completion::Args),
    Man(commands::man::Args),
}

#[derive(Args)]
#[command(next_help_heading = "Options of every verb")]
pub(crate) struct Global {
    /// Report as JSON: results on stdout, errors on stderr
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Say nothing but errors
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,

    /// The rules of whom to seal for, in place of .envconf.toml
    ///
    /// That one is looked for in the pair's folder and above.
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) config: Option<PathBuf>,

    /// Trust this key, in place of ENVCONF_TRUST; repeatable
    ///
    /// provider:region:key-id, or local for the local keys at hand. Several are
    /// tried in their order; they may be separated by commas.
    #[arg(long, value_name = "REF", verbatim_doc_comment, value_delimiter = ',', global = true)]
    pub(crate) trust: Vec<Trusted>,

    /// The configuration's name, in place of what a file's name says
    #[arg(long, global = true)]
    pub(crate) name: Option<Name>,

    /// Its environment, in place of ENVCONF_ENV or what a file's name says
    #[arg(long, global = true)]
    pub(crate) environment: Option<Name>,
}

impl Global {
    /// The environment where no file's name says one: the option, `ENVCONF_ENV`, or `default`.
    pub(crate) fn environment_or_default(&self) -> Result<Name, Error> {
        if let Some(environment) = &self.environment {
            return Ok(environment.clone());
        }
        let set = setting("ENVCONF_ENV")?;
        set.as_deref()
            .unwrap_or("default")
            .parse()
            .map_err(|error: Error| Error::new(Kind::Usage, format!("ENVCONF_ENV: {}", error.message())))
    }
}

/// Accepts exactly these words, lists them in the help, and gives what `parse` makes of them.
pub(crate) fn one_of<T: Clone + Send + Sync + 'static>(
    words: impl IntoIterator<Item = &'static str>,
    parse: fn(&str) -> Option<T>,
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(words.into_iter().collect::<Vec<_>>())
        .try_map(move |word| parse(&word).ok_or("not one of the words listed"))
}
