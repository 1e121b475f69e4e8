use std::path::{Path, PathBuf};
use std::{fs, io};

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};
use envconf::Error;
use serde_json::json;

use crate::output::{Output, shown};

/// Write the manual pages to a directory
///
/// With DIR, envconf writes a page for the command and one for each verb. It replaces
/// existing pages. Without DIR, envconf prints the page of the command to stdout.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  envconf man ~/.local/share/man/man1
  envconf man | man -l -")]
pub(crate) struct Args {
    /// Output directory, created if it does not exist
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, command: Command, output: &Output) -> Result<(), Error> {
    // There is no page for `help`: the pages are the help.
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let Some(directory) = &args.directory else {
        return output.data(&page(&command)?.1);
    };
    let mut pages = Vec::new();
    collect(&command, &mut pages)?;
    fs::create_dir_all(directory).map_err(|error| Error::write(directory, error))?;
    let mut written = Vec::new();
    for (name, text) in pages {
        let path = directory.join(name);
        fs::write(&path, text).map_err(|error| {
            // Half a page looks like a whole one. If it cannot be removed, nothing else helps.
            let _ = fs::remove_file(&path);
            Error::write(&path, error)
        })?;
        written.push(shown(&path));
    }
    if output.is_json() {
        return output.json(&json!({ "written": written }));
    }
    output.say(format_args!("Wrote {} manual pages\n  {}", written.len(), shown(directory)));
    Ok(())
}

/// Returns the pages of a command and of all below it.
fn collect(command: &Command, pages: &mut Vec<(String, Vec<u8>)>) -> Result<(), Error> {
    pages.push(page(command)?);
    visible(command).try_for_each(|verb| collect(verb, pages))
}

/// Returns a page: the name of its file, and its text.
fn page(command: &Command) -> Result<(String, Vec<u8>), Error> {
    let source = concat!("envconf ", env!("CARGO_PKG_VERSION"));
    let man = Man::new(command.clone()).manual("envconf").source(source);
    let mut text = Vec::new();
    write(command, &man, &mut text).map_err(|error| Error::write(Path::new("the manual page"), error))?;
    Ok((man.get_filename(), text))
}

fn write(command: &Command, man: &Man, text: &mut Vec<u8>) -> io::Result<()> {
    man.render_title(text)?;
    man.render_name_section(text)?;
    man.render_synopsis_section(text)?;
    man.render_description_section(text)?;
    man.render_options_section(text)?;
    if visible(command).next().is_some() {
        man.render_subcommands_section(text)?;
    }
    match command.get_after_help() {
        Some(examples) => last_section(&examples.to_string()).to_writer(text),
        None => Ok(()),
    }
}

/// Returns the verbs below it that are for users.
fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|verb| !verb.is_hide_set())
}

/// Writes the text after the help, with its first line as a heading. The crate's own function would fill its lines.
fn last_section(text: &str) -> Roff {
    let (heading, lines) = text.split_once('\n').unwrap_or((text, ""));
    let mut roff = Roff::new();
    roff.control("SH", [heading.trim_end_matches(':').to_uppercase().as_str()]);
    roff.control("nf", []);
    for line in lines.lines() {
        roff.text([roman(line)]);
    }
    roff.control("fi", []);
    roff
}
