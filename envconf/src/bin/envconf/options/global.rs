//! The options of every verb.

use std::path::PathBuf;

use crate::output::style::ColorOption;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use envconf::process::setting;
use envconf::{Error, Kind, Name, Trusted};

#[derive(Args)]
#[command(next_help_heading = "Options of every verb")]
pub(crate) struct Global {
    /// Print JSON: results to stdout, errors to stderr
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Print errors only
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,

    /// Colour messages and results
    ///
    /// auto uses colour on a terminal, unless NO_COLOR is set. With CLICOLOR_FORCE, it
    /// uses colour everywhere.
    #[arg(long, value_name = "WHEN", global = true, default_value = "auto", hide_default_value = true)]
    pub(crate) color: ColorOption,

    /// Use this policy file instead of .envconf.toml
    ///
    /// By default, envconf searches for .envconf.toml in the directory of the pair and
    /// above.
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) config: Option<PathBuf>,

    /// Trust this key and ignore ENVCONF_TRUST; repeatable
    ///
    /// REF is provider:region:key-id, or local for your own local keys. Commas separate
    /// several keys. envconf tries them in this order.
    #[arg(long, value_name = "REF", value_delimiter = ',', global = true)]
    pub(crate) trust: Vec<Trusted>,

    /// Name of the configuration (default: from the file name)
    #[arg(long, global = true)]
    pub(crate) name: Option<Name>,

    /// Environment (default: from the file name or ENVCONF_ENV)
    #[arg(long, global = true)]
    pub(crate) environment: Option<Name>,
}

impl Global {
    /// Returns the environment if no file name contains it: the option, `ENVCONF_ENV`, or `default`.
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

/// Returns a parser of these words that lists them in the help. `parse` converts a word.
pub(crate) fn one_of<T: Clone + Send + Sync + 'static>(
    words: impl IntoIterator<Item = &'static str>,
    parse: fn(&str) -> Option<T>,
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(words.into_iter().collect::<Vec<_>>())
        .try_map(move |word| parse(&word).ok_or("not one of the words listed"))
}
