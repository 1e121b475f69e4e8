//! Who signs: the keys that options name, and what the rules demand of them (docs/signatures.md).

use std::path::{Path, PathBuf};

use envconf::{Demand, Error, Id, Kind, Pair, Rules, SignerKey, SigningKey};

use crate::cli::Global;
use crate::output::Output;

/// What the rules demand of a pair; nothing where there are none, or none matches.
pub(crate) fn demand(global: &Global, file: Option<&Path>, pair: &Pair) -> Result<Option<Demand>, Error> {
    let rules = match &global.config {
        Some(file) => Some(Rules::read(file)?),
        None => Rules::find(pair.folder())?,
    };
    let files: Vec<&Path> = file.into_iter().chain([pair.enc()]).collect();
    Ok(rules.and_then(|rules| rules.demand(&files).cloned()))
}

/// The keys in these files.
pub(crate) fn read(files: &[PathBuf]) -> Result<Vec<SigningKey>, Error> {
    files.iter().map(|file| SigningKey::read(file)).collect()
}

/// Refuses to make a pair that nobody whom the rules name has signed. With some of several it goes on: the others sign
/// what it made.
pub(crate) fn require(demand: Option<&Demand>, keys: &[SigningKey], pair: &Pair) -> Result<(), Error> {
    let Some(demand) = demand else { return Ok(()) };
    if keys.iter().any(|key| demand.signers().contains(&key.public())) {
        return Ok(());
    }
    let message = format!("the rules demand that it is signed, by {}", listed(demand.signers()));
    Err(Error::new(Kind::SignatureRequired, message).at(pair.enc()).advise(
        "sign it with --sign-key; or seal it unsigned (--unsigned), and have it signed before it is deployed",
    ))
}

/// Says how many signatures the rules still demand beyond those that are there.
pub(crate) fn say_missing(demand: Option<&Demand>, there: &[Id], output: &Output) {
    let Some(demand) = demand else { return };
    match demand.missing(there) {
        0 => {}
        1 => output.say("1 more signature is demanded by the rules: `envconf sign`"),
        missing => {
            output.say(format_args!("{missing} more signatures are demanded by the rules: `envconf sign`"))
        }
    }
}

fn listed(signers: &[SignerKey]) -> String {
    signers.iter().map(SignerKey::to_string).collect::<Vec<_>>().join(" ")
}
