use clap::{Args as _, Command};
use clap_complete::Shell;
use envconf::Error;

use crate::options::global::Global;
use crate::output::Output;

/// Print a completion script for your shell
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  envconf completion bash > ~/.local/share/bash-completion/completions/envconf
  envconf completion zsh > ~/.zfunc/_envconf
  envconf completion fish > ~/.config/fish/completions/envconf.fish")]
pub(crate) struct Args {
    /// Name of the shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

pub(crate) fn run(args: &Args, command: &Command, output: &Output) -> Result<(), Error> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut visible(command), "envconf", &mut script);
    output.data(&script)
}

/// Returns the command without the internal verbs, which the scripts would offer, too.
fn visible(whole: &Command) -> Command {
    let verbs = whole.get_subcommands().filter(|verb| !verb.is_hide_set()).cloned();
    let alone = Command::new("envconf").version(env!("CARGO_PKG_VERSION"));
    Global::augment_args(alone).subcommands(verbs)
}
