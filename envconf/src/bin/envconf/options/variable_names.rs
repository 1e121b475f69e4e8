//! The configuration as environment variables, for `exec` and `export`.

use envconf::Error;
use envconf::error::escape;
use envconf::load::Provenance;
use envconf::tools::refused_names::AllowedName;
use envconf::tools::{ExportOptions, Exported, NameStyle};

use super::global::{Global, one_of};
use super::target::Target;
use crate::output::Output;

/// Options of the verbs that create environment variables.
#[derive(clap::Args)]
pub(crate) struct VariableNames {
    /// Begin each name with PREFIX and __, and add plain layers
    #[arg(long, value_name = "PREFIX")]
    pub(crate) env_prefix: Option<String>,

    /// Write keys in upper snake case, or keep them as written
    ///
    /// upper turns poolSize into POOL_SIZE. keep writes poolSize.
    #[arg(long, value_name = "STYLE", default_value = "upper",
        value_parser = one_of(NameStyle::NAMES, NameStyle::from_name))]
    pub(crate) names: NameStyle,

    /// Text between the prefix and the keys of a name
    #[arg(long, value_name = "TEXT", default_value = "__")]
    pub(crate) separator: String,

    /// Skip keys that cannot be part of a name
    ///
    /// An example is Microsoft.AspNetCore. Without this option, such a key is an error.
    #[arg(long)]
    pub(crate) skip_unnamed: bool,

    /// Allow a refused name, such as AWS_REGION; repeatable
    ///
    /// envconf refuses names that other programs read. Allow a name, a group such as
    /// 'AWS_*', or a category. The categories are loader, shell, interpreter, build-tool,
    /// editor, version-control, proxy-and-tls, cloud-credentials, database, session and
    /// envconf. Commas separate several names.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) allow: Vec<AllowedName>,
}

/// Opens the pair, and prints the keys that are not exported.
///
/// # Errors
/// The errors of [`envconf::tools::export`].
pub(crate) fn variables(
    target: &Target,
    global: &Global,
    names: &VariableNames,
    output: &Output,
) -> Result<Exported, Error> {
    let mut options = ExportOptions::new()
        .names(names.names)
        .separator(&names.separator)
        .allow(names.allow.iter().cloned());
    if names.skip_unnamed {
        options = options.skip_unnamed();
    }
    if let Some(prefix) = &names.env_prefix {
        options = options.env_prefix(prefix);
    }
    let exported =
        envconf::tools::export(&target.pair, &target.policy(global)?, &target.services(output)?, &options)?;
    target.opened(exported.header(), exported.recipients(), output)?;
    print_keys("left out these keys of plain layers", exported.left_out(), output);
    if !exported.left_out().is_empty() {
        output.hint("add them with --env-prefix PREFIX, or seal them");
    }
    print_keys("skipped these keys, which cannot name a variable", exported.skipped(), output);
    Ok(exported)
}

/// A writer of the repository can add any number of keys to a plain layer, so the list is limited.
const LISTED: usize = 50;

fn print_keys(what: &str, keys: &[Provenance], output: &Output) {
    if keys.is_empty() {
        return;
    }
    let listed: Vec<_> = keys.iter().take(LISTED).map(|key| escape(key.path()).to_string()).collect();
    let more = match keys.len() - listed.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    output.warn(format_args!("{what}: {}{more}", listed.join(" ")));
}
