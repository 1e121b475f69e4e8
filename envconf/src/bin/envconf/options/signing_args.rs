//! The signing keys: those that options name, and the signatures that the rules require (docs/signatures.md).

use std::path::{Path, PathBuf};

use envconf::format::Id;
use envconf::key_store::KeyStore;
use envconf::pair::{SignerKey, SigningKey};
use envconf::tools::Demand;
use envconf::{Error, Kind, Pair, Seal};

use super::global::Global;
use super::wanted_recipients::{borrowed, files, rules};
use crate::output::Output;

/// Returns the signatures that the rules require for a pair; `None` without rules or without a matching rule.
pub(crate) fn demand(global: &Global, file: Option<&Path>, pair: &Pair) -> Result<Option<Demand>, Error> {
    let files = files(file, pair);
    Ok(rules(global, pair)?.and_then(|rules| rules.demand(&borrowed(&files)).cloned()))
}

/// The options for the signatures of a new `.enc`.
#[derive(clap::Args)]
pub(crate) struct SigningArgs {
    /// Sign the pair with the key in this file; repeatable
    #[arg(long = "sign-key", value_name = "FILE")]
    sign_keys: Vec<PathBuf>,

    /// Seal without a signature
    ///
    /// You need this option or a signing key if the old pair is signed, or if the policy
    /// file requires signatures.
    #[arg(long, conflicts_with = "sign_keys")]
    unsigned: bool,
}

/// The keys that sign the new `.enc` of a pair, and the signatures that the rules require.
pub(crate) struct Signing {
    keys: Vec<SigningKey>,
    unsigned: bool,
    demand: Option<Demand>,
}

impl SigningArgs {
    /// Reads the keys, and checks them against the rules. If no key is named, the signing keys of the key store that
    /// the rules name are used.
    ///
    /// # Errors
    /// The errors of the key files; [`Kind::SignatureRequired`] if no key is one that the rules name.
    pub(crate) fn read(&self, global: &Global, file: Option<&Path>, pair: &Pair) -> Result<Signing, Error> {
        let demand = demand(global, file, pair)?;
        let keys = match (self.sign_keys.is_empty(), &demand) {
            (true, Some(demand)) if !self.unsigned => stored(demand, pair)?,
            _ => read(&self.sign_keys)?,
        };
        let signing = Signing { keys, unsigned: self.unsigned, demand };
        if !signing.unsigned {
            require(signing.demand.as_ref(), &signing.keys, pair)?;
        }
        Ok(signing)
    }
}

impl Signing {
    pub(crate) fn apply(&self, seal: Seal) -> Seal {
        let seal = self.keys.iter().cloned().fold(seal, Seal::sign);
        if self.unsigned { seal.unsigned() } else { seal }
    }

    /// Returns the signing keys.
    pub(crate) fn ids(&self) -> Vec<Id> {
        self.keys.iter().map(|key| key.public().id()).collect()
    }

    /// Reports the number of missing signatures.
    pub(crate) fn say_missing(&self, output: &Output) {
        say_missing(self.demand.as_ref(), &self.ids(), output);
    }
}

/// Returns the keys in these files.
pub(crate) fn read(files: &[PathBuf]) -> Result<Vec<SigningKey>, Error> {
    files.iter().map(|file| SigningKey::read(file)).collect()
}

/// Returns the signing keys of the key store that are enabled for the pair's directory and that the rules name.
///
/// # Errors
/// The errors of [`KeyStore::read_signer`].
pub(crate) fn stored(demand: &Demand, pair: &Pair) -> Result<Vec<SigningKey>, Error> {
    let Some(store) = KeyStore::of_user()? else { return Ok(Vec::new()) };
    let directory = if pair.directory() == Path::new("") { Path::new(".") } else { pair.directory() };
    let enabled = store.signers_enabled_for(directory)?;
    let is_named = |id: &Id| demand.signers().iter().any(|signer| signer.id() == *id);
    enabled.into_iter().filter(is_named).map(|id| store.read_signer(id)).collect()
}

/// Rejects a new pair without any signature that the rules require. One of several is enough: the other signers can
/// sign later.
fn require(demand: Option<&Demand>, keys: &[SigningKey], pair: &Pair) -> Result<(), Error> {
    let Some(demand) = demand else { return Ok(()) };
    if keys.iter().any(|key| demand.signers().contains(&key.public())) {
        return Ok(());
    }
    let message = format!("the rules require a signature by {}", listed(demand.signers()));
    Err(Error::new(Kind::SignatureRequired, message).at(pair.enc()).advise(
        "sign it with --sign-key; or seal it unsigned (--unsigned), and have it signed before it is deployed",
    ))
}

/// Reports the number of signatures that the rules require in addition to the existing ones.
pub(crate) fn say_missing(demand: Option<&Demand>, there: &[Id], output: &Output) {
    let Some(demand) = demand else { return };
    match demand.missing(there) {
        0 => {}
        missing => {
            let noun = if missing == 1 { "signature" } else { "signatures" };
            output.warn(format_args!("the policy file requires {missing} more {noun}"));
            output.hint("ask another signer to run `envconf sign`");
        }
    }
}

fn listed(signers: &[SignerKey]) -> String {
    signers.iter().map(SignerKey::to_string).collect::<Vec<_>>().join(" ")
}
