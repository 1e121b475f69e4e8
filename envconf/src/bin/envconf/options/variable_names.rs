//! The configuration as environment variables, for `exec` and `export`.

use envconf::refused_names::AllowedName;
use envconf::{Error, ExportOptions, Exported, escape};

use super::global::Global;
use super::target::Target;
use crate::output::Output;

/// Options of the verbs that make environment variables.
#[derive(clap::Args)]
pub(crate) struct VariableNames {
    /// Begin every name with PREFIX and __, and add the plain layers
    #[arg(long, value_name = "PREFIX")]
    pub(crate) env_prefix: Option<String>,

    /// Allow refused names, such as AWS_REGION or cloud-credentials; repeatable
    ///
    /// Names that other programs read are refused. Allow a name, a group such as
    /// 'AWS_*', or a category: loader, shell, interpreter, build-tool, editor,
    /// version-control, proxy-and-tls, cloud-credentials, database, session or
    /// envconf. Commas separate several.
    #[arg(long, value_name = "NAME", verbatim_doc_comment, value_delimiter = ',')]
    pub(crate) allow: Vec<AllowedName>,
}

/// Opens the pair and prints once which keys of plain layers were left out.
///
/// # Errors
/// As for [`envconf::export`].
pub(crate) fn variables(
    target: &Target,
    global: &Global,
    names: &VariableNames,
    output: &Output,
) -> Result<Exported, Error> {
    let mut options = ExportOptions::new().allow(names.allow.iter().cloned());
    if let Some(prefix) = &names.env_prefix {
        options = options.env_prefix(prefix);
    }
    let exported =
        envconf::export(&target.pair, &target.policy(global)?, &target.services(output)?, &options)?;
    target.opened(exported.header(), exported.recipients(), output)?;
    print_left_out(&exported, output);
    Ok(exported)
}

/// A writer of the repository can put any number of keys into a plain layer; only so many are printed.
const LISTED: usize = 50;

fn print_left_out(exported: &Exported, output: &Output) {
    let left_out = exported.left_out();
    if left_out.is_empty() {
        return;
    }
    let keys: Vec<_> = left_out.iter().take(LISTED).map(|key| escape(key.path()).to_string()).collect();
    let more = match left_out.len() - keys.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    output.say(format_args!("warning: left out these keys of plain layers: {}{more}", keys.join(" ")));
    output.say("hint: use --env-prefix PREFIX to add them, or seal them");
}
