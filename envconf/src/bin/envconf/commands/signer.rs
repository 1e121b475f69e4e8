use std::path::PathBuf;

use clap::Subcommand;
use envconf::Error;
use envconf::pair::SigningKey;
use serde_json::json;

use crate::git::tracked;
use crate::output::{Output, shown};

/// Create the key of a signer, or print its public key
///
/// A signer vouches for what a program may load, apart from whoever may seal. The
/// public key is no secret: it is what the attribute signers, ENVCONF_SIGNERS and
/// --signers take.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  envconf signer new ~/keys/release.signer
  envconf signer show ~/keys/release.signer
  envconf sign app --environment prod --sign-key ~/keys/release.signer")]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: SignerVerb,
}

#[derive(Subcommand)]
enum SignerVerb {
    /// Make a new key and print its public half
    #[command(after_help = "Examples:\n  envconf signer new ~/keys/release.signer")]
    New {
        /// The file to make, with mode 0600; never one that is there
        file: PathBuf,
    },
    /// Print public key and id of the key in a file
    #[command(after_help = "Examples:\n  envconf signer show ~/keys/release.signer --json")]
    Show {
        /// A file that `signer new` made
        file: PathBuf,
    },
}

pub(crate) fn run(args: &Args, output: &Output) -> Result<(), Error> {
    let (file, key) = match &args.verb {
        SignerVerb::New { file } => {
            tracked::refuse_key(file, output)?;
            let key = SigningKey::generate()?;
            key.create(file).map_err(|error| match file.symlink_metadata() {
                Ok(_) => error.advise("a key is never written over; choose another name"),
                Err(_) => error,
            })?;
            output.say(format_args!("Created the key of a signer\n  {}", shown(file)));
            output.hint("keep it where only the signer can read it");
            (file, key)
        }
        SignerVerb::Show { file } => (file, SigningKey::read(file)?),
    };
    let public = key.public();
    if output.is_json() {
        return output.json(&json!({
            "file": file.to_string_lossy(),
            "public_key": public.to_string(),
            "id": public.id().to_string(),
        }));
    }
    output.line(&public)?;
    output.say(format_args!("The id that `envconf inspect` shows\n  {}", public.id()));
    Ok(())
}
