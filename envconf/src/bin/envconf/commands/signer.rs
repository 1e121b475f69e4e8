use std::path::{Path, PathBuf};

use clap::Subcommand;
use envconf::key_store::KeyStore;
use envconf::pair::SigningKey;
use envconf::{Error, Kind};
use serde_json::json;

use crate::git::tracked;
use crate::options::target;
use crate::output::{Output, shown};

/// Create a signing key, or print its public key
///
/// A signer approves the content that a program may load. The right to sign is separate
/// from the right to seal. The public key is not secret. Use it in the attribute signers,
/// in ENVCONF_SIGNERS and with --signers.
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
    /// Create a key and print its public key
    #[command(after_help = "Examples:\n  envconf signer new ~/keys/release.signer")]
    New {
        /// New file for the key, with mode 0600
        ///
        /// envconf does not overwrite a file.
        file: PathBuf,
    },
    /// Print the public key and the id of a key
    #[command(after_help = "Examples:\n  envconf signer show ~/keys/release.signer --json")]
    Show {
        /// File of the key (default: the key in your key store)
        file: Option<PathBuf>,
    },
}

pub(crate) fn run(args: &Args, output: &Output) -> Result<(), Error> {
    let of_store: PathBuf;
    let (file, key) = match &args.verb {
        SignerVerb::New { file } => {
            tracked::refuse_key(file, output)?;
            let key = SigningKey::generate()?;
            key.create(file).map_err(|error| match file.symlink_metadata() {
                Ok(_) => error.advise("envconf never overwrites a key; choose another name"),
                Err(_) => error,
            })?;
            output.say(format_args!("Created the signing key\n  {}", shown(file)));
            output.hint("keep it where only the signer can read it");
            (file, key)
        }
        SignerVerb::Show { file: Some(file) } => (file, SigningKey::read(file)?),
        SignerVerb::Show { file: None } => {
            let store = KeyStore::of_user()?.ok_or_else(target::no_home)?;
            let enabled = store.signers_enabled_for(Path::new("."))?;
            let id = enabled.first().copied().ok_or_else(|| {
                Error::new(Kind::Usage, "the key store has no signing key that is enabled here")
                    .advise("name the file of a signing key, or create one with `envconf init --age`")
            })?;
            of_store = store.path_of_signer(id);
            (&of_store, store.read_signer(id)?)
        }
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
