use std::path::{Path, PathBuf};

use envconf::kms::AgeIdentity;
use envconf::{Error, LocalKey};
use serde_json::json;
use zeroize::Zeroizing;

use crate::git::tracked;
use crate::output::{Output, shown};

/// Write a new local key to a file
///
/// Anybody who has the key can decrypt and forge every pair that is sealed for it. The
/// reference of the key, local:-:<id>, is not secret. Use it with -r, --trust and
/// ENVCONF_TRUST.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  envconf keygen ~/keys/app-prod.key
  ENVCONF_KEY_FILE=~/keys/app-prod.key envconf open app --environment prod
  envconf keygen --age ~/keys/me.age
  envconf keygen --stdout | vault-of-your-choice store app-prod")]
pub(crate) struct Args {
    /// New file for the key, with mode 0600
    ///
    /// envconf does not overwrite a file. Use --stdout to write no file.
    #[arg(required_unless_present = "stdout")]
    file: Option<PathBuf>,

    /// Create an age identity instead of a local key
    #[arg(long)]
    age: bool,

    /// Print the key to stdout, and its reference to stderr
    #[arg(long, conflicts_with = "file")]
    stdout: bool,
}

pub(crate) fn run(args: &Args, output: &Output) -> Result<(), Error> {
    if let Some(file) = &args.file {
        tracked::refuse_key(file, output)?;
    }
    let key = CreatedKey::generate(args.age)?;
    let reference = key.reference();
    let Some(file) = &args.file else {
        let mut text = key.expose_text();
        text.push('\n'); // within its capacity: the library reserves one byte for it
        output.data(text.as_bytes())?;
        output.say(&reference);
        return Ok(());
    };
    key.create(file).map_err(|error| match file.symlink_metadata() {
        Ok(_) => error.advise("envconf never overwrites a key; choose another name"),
        Err(_) => error,
    })?;
    if output.is_json() {
        return output.json(&json!({ "file": file.to_string_lossy(), "key": reference }));
    }
    output.say(format_args!("Created {}\n  {}", key.what(), shown(file)));
    output.warn("back it up: without it the pairs sealed for it cannot be opened");
    output.say(reference);
    Ok(())
}

/// The kind of key to create.
enum CreatedKey {
    Local(LocalKey),
    Age(AgeIdentity),
}

impl CreatedKey {
    fn generate(is_age: bool) -> Result<Self, Error> {
        if is_age { AgeIdentity::generate().map(Self::Age) } else { LocalKey::generate().map(Self::Local) }
    }

    fn what(&self) -> &'static str {
        match self {
            Self::Local(_) => "a local key",
            Self::Age(_) => "an age identity",
        }
    }

    fn reference(&self) -> String {
        match self {
            Self::Local(key) => key.key_ref().to_string(),
            Self::Age(key) => key.key_ref().to_string(),
        }
    }

    fn expose_text(&self) -> Zeroizing<String> {
        match self {
            Self::Local(key) => key.expose_text(),
            Self::Age(key) => key.expose_text(),
        }
    }

    fn create(&self, file: &Path) -> Result<(), Error> {
        match self {
            Self::Local(key) => key.create(file),
            Self::Age(key) => key.create(file),
        }
    }
}
