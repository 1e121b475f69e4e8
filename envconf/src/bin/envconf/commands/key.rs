use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Subcommand;
use envconf::format::Id;
use envconf::key_store::{KeyStore, StoredKey, StoredSigner};
use envconf::{Error, KeyRef, Kind};
use serde_json::json;

use crate::options::target;
use crate::output::{Output, shown};

/// List, enable and disable the keys in your key store
///
/// The key store is a directory outside every project. ENVCONF_HOME sets its path. The
/// default is envconf in your data directory (~/.local/share/envconf on Linux). You
/// enable a key for a directory. The key opens pairs and is trusted only in that
/// directory and below it.
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
    /// List the keys and the directories where they are enabled
    #[command(after_help = "Examples:\n  envconf key list --json")]
    List,
    /// Enable a key for a directory and everything below it
    #[command(after_help = "Examples:\n  envconf key enable 02f673fde6952cdf ~/projects/shop")]
    Enable(Choice),
    /// Disable a key for a directory
    ///
    /// The key stays in the key store.
    #[command(after_help = "Examples:\n  envconf key disable 02f673fde6952cdf .")]
    Disable(Choice),
    /// Print the path of a key file, for a backup
    #[command(after_help = "Examples:\n  cp \"$(envconf key show-path 02f673fde6952cdf)\" ~/backup.key")]
    ShowPath {
        /// Id of a local key, a recipient age1…, or signer:ID
        #[arg(value_name = "KEY")]
        key: KeyName,
    },
}

#[derive(clap::Args)]
struct Choice {
    /// Id of a local key, a recipient age1…, or signer:ID
    #[arg(value_name = "KEY")]
    key: KeyName,

    /// Directory where the key is enabled or disabled
    ///
    /// The default is the top directory of this repository. Outside a repository, it is
    /// the working directory.
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
}

/// A key of the store, named by an argument.
#[derive(Clone)]
enum KeyName {
    Key(KeyRef),
    Signer(Id),
}

impl FromStr for KeyName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if let Some(id) = text.strip_prefix("signer:") {
            let bad = || Error::new(Kind::Usage, "the id of a signer is 16 hexadecimal digits");
            return id.parse().map(Self::Signer).map_err(|_| bad());
        }
        let reference = match text {
            text if text.contains(':') => text.to_owned(),
            text if text.starts_with("age1") => format!("age:-:{text}"),
            text => format!("local:-:{text}"),
        };
        reference.parse().map(Self::Key)
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => key.fmt(f),
            Self::Signer(id) => write!(f, "signer:{id}"),
        }
    }
}

impl KeyName {
    /// Checks that the store has the key. Returns its path.
    fn path(&self, store: &KeyStore) -> Result<PathBuf, Error> {
        match self {
            Self::Key(key) => {
                store.check_key(key)?;
                store.path_of(key)
            }
            Self::Signer(id) => {
                store.read_signer(*id)?;
                Ok(store.path_of_signer(*id))
            }
        }
    }

    fn enable(&self, store: &KeyStore, directory: &Path) -> Result<PathBuf, Error> {
        match self {
            Self::Key(key) => store.enable(key, directory),
            Self::Signer(id) => store.enable_signer(*id, directory),
        }
    }

    fn disable(&self, store: &KeyStore, directory: &Path) -> Result<bool, Error> {
        match self {
            Self::Key(key) => {
                // Reject an invalid id: it would be reported as a key that is not enabled.
                store.path_of(key)?;
                store.disable(key, directory)
            }
            Self::Signer(id) => store.disable_signer(*id, directory),
        }
    }
}

pub(crate) fn run(args: &Args, output: &Output) -> Result<(), Error> {
    let store = KeyStore::of_user()?.ok_or_else(target::no_home)?;
    match &args.verb {
        KeyVerb::List => list(&store, output),
        KeyVerb::Enable(choice) => enable(&store, choice, output),
        KeyVerb::Disable(choice) => disable(&store, choice, output),
        KeyVerb::ShowPath { key } => {
            let path = key.path(&store)?;
            if output.is_json() {
                return output.json(&json!({ "key": key.to_string(), "path": path.to_string_lossy() }));
            }
            output.line(shown(&path))
        }
    }
}

fn list(store: &KeyStore, output: &Output) -> Result<(), Error> {
    let keys = store.keys()?;
    let signers = store.signers()?;
    if output.is_json() {
        let as_json = |key: &StoredKey| {
            json!({
                "key": key.key_ref().to_string(),
                "path": key.path().to_string_lossy(),
                "enabled_for": key.directories().iter().map(|path| path.to_string_lossy()).collect::<Vec<_>>(),
            })
        };
        let signer_as_json = |signer: &StoredSigner| {
            json!({
                "id": signer.id().to_string(),
                "path": signer.path().to_string_lossy(),
                "enabled_for": signer.directories().iter().map(|path| path.to_string_lossy()).collect::<Vec<_>>(),
            })
        };
        return output.json(&json!({
            "store": store.directory().to_string_lossy(),
            "keys": keys.iter().map(as_json).collect::<Vec<_>>(),
            "signers": signers.iter().map(signer_as_json).collect::<Vec<_>>(),
        }));
    }
    let of_keys = keys.iter().map(|key| (key.key_ref().to_string(), key.path(), key.directories()));
    let of_signers =
        signers.iter().map(|key| (format!("signer:{}", key.id()), key.path(), key.directories()));
    for (name, path, directories) in of_keys.chain(of_signers) {
        let missing = if path.is_file() { "" } else { " (its file is missing)" };
        output.heading(format_args!("{name}{missing}"))?;
        directories.iter().try_for_each(|path| output.line(format_args!("  {}", shown(path))))?;
    }
    if keys.is_empty() && signers.is_empty() {
        output.say(format_args!("There is no key in the key store\n  {}", shown(store.directory())));
        output.hint("create one with `envconf init`");
    }
    Ok(())
}

fn enable(store: &KeyStore, choice: &Choice, output: &Output) -> Result<(), Error> {
    let directory = choice.key.enable(store, &choice.directory()?)?;
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
    if !choice.key.disable(store, &directory)? {
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
