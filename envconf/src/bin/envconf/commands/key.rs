use std::path::{Path, PathBuf};

use clap::Subcommand;
use envconf::key_store::{KeyStore, StoredKey};
use envconf::{Error, KeyRef, Kind};
use serde_json::json;

use crate::options::target;
use crate::output::{Output, shown};

/// List, enable and disable the local keys in your key store
///
/// The key store is a directory outside every project: ENVCONF_HOME, else envconf in
/// your data directory (~/.local/share/envconf on Linux). A key opens pairs, and is
/// trusted, only in the directories that it is enabled for, and below them.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  envconf key list
  envconf key enable 02f673fde6952cdf
  envconf key disable 02f673fde6952cdf ~/old/project
  cp \"$(envconf key show-path 02f673fde6952cdf)\" ~/backup.key")]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: KeyVerb,
}

#[derive(Subcommand)]
enum KeyVerb {
    /// List the keys, and the directories that each is enabled for
    #[command(after_help = "Examples:\n  envconf key list --json")]
    List,
    /// Enable a key for a directory and everything below it
    #[command(after_help = "Examples:\n  envconf key enable 02f673fde6952cdf ~/projects/shop")]
    Enable(Choice),
    /// Disable a key for a directory; the key stays in the store
    #[command(after_help = "Examples:\n  envconf key disable 02f673fde6952cdf .")]
    Disable(Choice),
    /// Print the path of a key's file, to back it up
    #[command(after_help = "Examples:\n  cp \"$(envconf key show-path 02f673fde6952cdf)\" ~/backup.key")]
    ShowPath {
        /// The key's id, or its reference local:-:ID
        #[arg(value_name = "KEY", value_parser = reference)]
        key: KeyRef,
    },
}

#[derive(clap::Args)]
struct Choice {
    /// The key's id, or its reference local:-:ID
    #[arg(value_name = "KEY", value_parser = reference)]
    key: KeyRef,

    /// The directory; else the top of this repository, or this directory
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
}

fn reference(text: &str) -> Result<KeyRef, Error> {
    let text = if text.contains(':') { text.to_owned() } else { format!("local:-:{text}") };
    text.parse()
}

pub(crate) fn run(args: &Args, output: &Output) -> Result<(), Error> {
    let store = KeyStore::of_user()?.ok_or_else(target::no_home)?;
    match &args.verb {
        KeyVerb::List => list(&store, output),
        KeyVerb::Enable(choice) => enable(&store, choice, output),
        KeyVerb::Disable(choice) => disable(&store, choice, output),
        KeyVerb::ShowPath { key } => {
            store.read(key)?;
            let path = store.path_of(key)?;
            if output.is_json() {
                return output.json(&json!({ "key": key.to_string(), "path": path.to_string_lossy() }));
            }
            output.line(shown(&path))
        }
    }
}

fn list(store: &KeyStore, output: &Output) -> Result<(), Error> {
    let keys = store.keys()?;
    if output.is_json() {
        let as_json = |key: &StoredKey| {
            json!({
                "key": key.key_ref().to_string(),
                "path": key.path().to_string_lossy(),
                "enabled_for": key.directories().iter().map(|path| path.to_string_lossy()).collect::<Vec<_>>(),
            })
        };
        return output.json(&json!({
            "store": store.directory().to_string_lossy(),
            "keys": keys.iter().map(as_json).collect::<Vec<_>>(),
        }));
    }
    for key in &keys {
        let missing = if key.path().is_file() { "" } else { " (its file is missing)" };
        output.heading(format_args!("{}{missing}", key.key_ref()))?;
        key.directories().iter().try_for_each(|path| output.line(format_args!("  {}", shown(path))))?;
    }
    if keys.is_empty() {
        output.say(format_args!("There is no key in the key store\n  {}", shown(store.directory())));
        output.hint("create one with `envconf init`");
    }
    Ok(())
}

fn enable(store: &KeyStore, choice: &Choice, output: &Output) -> Result<(), Error> {
    let directory = store.enable(&choice.key, &choice.directory()?)?;
    if output.is_json() {
        return output.json(&json!({
            "key": choice.key.to_string(),
            "enabled_for": directory.to_string_lossy(),
        }));
    }
    output.say(format_args!("Enabled {} for\n  {}", choice.key, shown(&directory)));
    Ok(())
}

fn disable(store: &KeyStore, choice: &Choice, output: &Output) -> Result<(), Error> {
    let directory = choice.directory()?;
    if !store.disable(&choice.key, &directory)? {
        return Err(Error::new(Kind::Usage, format!("{} is not enabled for this directory", choice.key))
            .at(&directory)
            .advise("`envconf key list` shows the directories that each key is enabled for"));
    }
    if output.is_json() {
        return output.json(&json!({
            "key": choice.key.to_string(),
            "disabled_for": directory.to_string_lossy(),
        }));
    }
    output.say(format_args!("Disabled {} for\n  {}", choice.key, shown(&directory)));
    Ok(())
}

impl Choice {
    fn directory(&self) -> Result<PathBuf, Error> {
        match &self.directory {
            Some(directory) => Ok(directory.clone()),
            None => target::project_directory(Path::new(".")),
        }
    }
}
