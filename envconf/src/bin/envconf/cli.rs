//! The list of verbs.

use clap::{Command, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::commands;
use crate::options::global::Global;
use crate::output::style::{self, ColorOption};
use crate::output::{self, layout};

/// The groups in which `--help` lists the verbs.
const GROUPS: [(&str, &[&str]); 8] = [
    ("Start", &["init", "template", "import"]),
    ("Read", &["open", "get", "explain"]),
    ("Change", &["seal", "edit", "set", "unset"]),
    ("Share and rotate", &["recipients", "rewrap", "rotate", "status"]),
    ("Review and check", &["inspect", "verify", "diff", "scan", "hook", "sign"]),
    ("Run", &["exec", "export"]),
    ("Keys and services", &["key", "keygen", "keys", "signer", "doctor"]),
    ("Shell", &["completion", "man", "help"]),
];

/// Parses the process's arguments.
///
/// # Errors
/// Help, the version, or what is wrong with the arguments.
pub(crate) fn parse(color: ColorOption) -> Result<Cli, clap::Error> {
    let mut command = with_whole_examples(command()).color(color.for_clap());
    let matches = command.try_get_matches_from_mut(std::env::args_os())?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// The same with blanks in the examples that help texts do not break: a command is never broken. [`Output::help`]
/// prints them as blanks.
///
/// [`Output::help`]: crate::output::Output::help
fn with_whole_examples(command: Command) -> Command {
    let command = match command.get_after_help().map(|examples| examples.to_string()) {
        Some(examples) => command.after_help(examples.replace(' ', output::UNBROKEN_BLANK)),
        None => command,
    };
    command.mut_subcommands(with_whole_examples)
}

/// The definition of the command, with the verbs in groups.
pub(crate) fn command() -> Command {
    let command = Cli::command().styles(style::of_help());
    let verbs = grouped(&command);
    command.help_template(format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{verbs}{{options}}{{after-help}}"
    ))
}

/// Configuration that is encrypted in git
///
/// `envconf seal` encrypts a configuration into a pair of files. NAME.conf.enc holds the
/// encrypted configuration. NAME.conf.key holds its data key, wrapped for each recipient.
/// Both files are safe to commit.
#[derive(Parser)]
#[command(name = "envconf", version, max_term_width = output::HELP_WIDTH,
    after_help = "\
Examples:
  envconf init
  envconf seal config/app.toml
  envconf open app", subcommand_help_heading = "Commands")]
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
    /// Remove the plain file of `edit` and `exec` when they end
    #[cfg(unix)]
    #[command(hide = true)]
    Guard(crate::editor::scratch::Guard),
    Completion(commands::completion::Args),
    Man(commands::man::Args),
}

/// Columns before what a verb does.
const INDENT: usize = 14;

/// The verbs with what they do, a line each, below the headings of their groups.
fn grouped(command: &Command) -> String {
    let heading = style::of_help().get_header().to_owned();
    let literal = style::of_help().get_literal().to_owned();
    let width = output::help_width();
    let gap = format!("\n{}", " ".repeat(INDENT));
    let mut text = String::new();
    for (group, verbs) in GROUPS {
        text += &format!("{heading}{group}:{heading:#}\n");
        for verb in verbs {
            let found = command.find_subcommand(verb);
            let about = match found.and_then(Command::get_about) {
                Some(about) => about.to_string(),
                None => "Print the help of a command".to_owned(),
            };
            let aliases: Vec<_> = found.into_iter().flat_map(Command::get_visible_aliases).collect();
            let alias = if aliases.is_empty() { String::new() } else { format!(" [{}]", aliases.join(", ")) };
            let about = format!("{about}{alias}");
            let lines = layout::wrapped(&about, Some(width), INDENT, INDENT);
            text += &format!("  {literal}{verb:<10}{literal:#}  {}\n", lines.join(&gap));
        }
        text.push('\n');
    }
    text + &format!("{heading}Options:{heading:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_is_in_exactly_one_group() {
        let mut grouped: Vec<_> = GROUPS.iter().flat_map(|(_, verbs)| verbs.iter().copied()).collect();
        grouped.sort_unstable();
        let command = Cli::command();
        let visible = command.get_subcommands().filter(|verb| !verb.is_hide_set()).map(Command::get_name);
        let mut verbs: Vec<_> = visible.chain(["help"]).collect();
        verbs.sort_unstable();
        assert_eq!(grouped, verbs);
    }

    #[test]
    fn what_a_verb_does_is_said_in_sixty_characters() {
        for verb in Cli::command().get_subcommands().filter(|verb| !verb.is_hide_set()) {
            let about = verb.get_about().unwrap().to_string();
            assert!(about.len() <= 60 && !about.ends_with('.'), "{}: {about}", verb.get_name());
        }
    }
}
