//! The definition of the command line: the verbs and their groups.

use clap::{Args, Command, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

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
/// Help, the version, or the error in the arguments.
pub(crate) fn parse(color: ColorOption) -> Result<Cli, clap::Error> {
    if let Some(cli) = parse_one_verb() {
        return Ok(cli);
    }
    let mut command = with_whole_examples(command()).color(color.for_clap());
    let matches = command.try_get_matches_from_mut(std::env::args_os())?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// Parses arguments that begin with a verb, with the definition of this verb only: defining all verbs takes longer
/// than decrypting a pair. Returns `None` for other arguments, and for help and errors, which need the whole
/// definition.
fn parse_one_verb() -> Option<Cli> {
    let verb = std::env::args_os().nth(1)?;
    let definition = verb_definition(verb.to_str()?)?;
    let root = Command::new("envconf").subcommand_required(true).version(env!("CARGO_PKG_VERSION"));
    let command = Global::augment_args(root).subcommand(definition).color(clap::ColorChoice::Never);
    Cli::from_arg_matches(&command.try_get_matches_from(std::env::args_os()).ok()?).ok()
}

/// Returns the definition of the verb with this name or alias.
fn verb_definition(verb: &str) -> Option<Command> {
    fn of<A: Args>(name: &'static str) -> Option<Command> {
        Some(A::augment_args(Command::new(name)))
    }
    match verb {
        "seal" => of::<commands::seal::Args>("seal"),
        "encrypt" => of::<commands::seal::Args>("seal").map(|seal| seal.alias("encrypt")),
        "open" => of::<commands::open::Args>("open"),
        "decrypt" => of::<commands::open::Args>("open").map(|open| open.alias("decrypt")),
        #[cfg(unix)]
        "edit" => of::<commands::edit::Args>("edit"),
        "get" => of::<commands::get::Args>("get"),
        "set" => of::<commands::set::Args>("set"),
        "unset" => of::<commands::unset::Args>("unset"),
        "verify" => of::<commands::verify::Args>("verify"),
        "git-diff" => of::<commands::git_diff::Args>("git-diff"),
        "scan" => of::<commands::scan::Args>("scan"),
        "explain" => of::<commands::explain::Args>("explain"),
        "status" => of::<commands::status::Args>("status"),
        "exec" => of::<commands::exec::Args>("exec"),
        "run" => of::<commands::exec::Args>("exec").map(|exec| exec.alias("run")),
        "export" => of::<commands::export::Args>("export"),
        #[cfg(unix)]
        "guard" => of::<crate::editor::scratch::Guard>("guard"),
        _ => None,
    }
}

/// Replaces the blanks in examples by blanks at which help texts are not broken, so that a command stays on one line.
/// [`Output::help`] prints them as blanks.
///
/// [`Output::help`]: crate::output::Output::help
fn with_whole_examples(command: Command) -> Command {
    let command = match command.get_after_help().map(|examples| examples.to_string()) {
        Some(examples) => command.after_help(examples.replace(' ', output::UNBROKEN_BLANK)),
        None => command,
    };
    command.mut_subcommands(with_whole_examples)
}

/// Returns the definition of the command, with the verbs in groups.
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

/// Columns before the description of a verb.
const INDENT: usize = 14;

/// Returns the verbs with their descriptions, one line each, below the headings of their groups.
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

    /// A verb that is missing in `verb_definition` is parsed with the whole definition, so this test only compares
    /// definitions.
    #[test]
    fn the_definition_of_one_verb_is_that_of_the_whole() {
        let mut count = 0;
        for verb in Cli::command().get_subcommands() {
            for name in verb.get_all_aliases().chain([verb.get_name()]) {
                let Some(one) = verb_definition(name) else { continue };
                assert_eq!(one.get_name(), verb.get_name());
                assert!(one.get_name() == name || one.get_all_aliases().any(|alias| alias == name));
                let arguments = |command: &Command| -> Vec<String> {
                    command.get_arguments().map(|argument| format!("{argument:?}")).collect()
                };
                assert_eq!(arguments(&one), arguments(verb), "{name}");
                count += 1;
            }
        }
        assert!(count > 15, "{count}");
    }

    #[test]
    fn the_short_help_of_a_verb_has_at_most_sixty_characters() {
        for verb in Cli::command().get_subcommands().filter(|verb| !verb.is_hide_set()) {
            let about = verb.get_about().unwrap().to_string();
            assert!(about.len() <= 60 && !about.ends_with('.'), "{}: {about}", verb.get_name());
        }
    }
}
