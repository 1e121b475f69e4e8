use std::path::PathBuf;

use envconf::format::Id;
use envconf::pair::{Sign, Signed, SigningKey};
use envconf::{Error, Kind};
use serde_json::json;

use crate::options::global::Global;
use crate::options::signing_args;
use crate::options::target::Target;
use crate::output::{Output, shown};

/// Sign a pair
///
/// envconf adds a signature to the .enc file and keeps the other signatures. It opens the
/// pair and parses the content before it signs. A signer vouches for the content, so read
/// it first with `envconf open`.
///
/// Sealing again removes the signatures. Sign again after that, or seal with --sign-key.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  envconf sign app --environment prod --sign-key ~/keys/release.signer
  envconf verify app --environment prod --signers 11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")]
pub(crate) struct Args {
    /// Path of an .enc or .key file, or a bare name such as app
    #[arg(value_name = "PAIR")]
    pair: PathBuf,

    /// Sign with the key in this file; repeatable
    ///
    /// The default is every signing key in your key store that .envconf.toml names.
    #[arg(long = "sign-key", value_name = "FILE")]
    keys: Vec<PathBuf>,

    /// Sign without opening the pair
    ///
    /// Use this option if the signer cannot decrypt the pair.
    #[arg(long)]
    blind: bool,
}

pub(crate) fn run(args: &Args, global: &Global, output: &Output) -> Result<(), Error> {
    let target = Target::resolve(&args.pair, global)?;
    let demand = signing_args::demand(global, None, &target.pair)?;
    let keys = match (&demand, args.keys.is_empty()) {
        (Some(demand), true) => signing_args::stored(demand, &target.pair)?,
        _ => signing_args::read(&args.keys)?,
    };
    if keys.is_empty() {
        return Err(Error::new(Kind::Usage, "the policy file names none of your signing keys")
            .advise("name one with --sign-key FILE; `envconf signer new FILE` creates one"));
    }
    let own: Vec<Id> = keys.iter().map(|key| key.public().id()).collect();
    let strangers: Vec<_> = match &demand {
        Some(demand) => {
            keys.iter().map(SigningKey::public).filter(|key| !demand.signers().contains(key)).collect()
        }
        None => Vec::new(),
    };
    let services = target.services(output)?;
    target.refuse_older(global, &services)?;
    let sign = keys.into_iter().fold(Sign::new(target.policy(global)?), Sign::key);
    let sign = if args.blind { sign.blind() } else { sign };
    let signed = sign.sign(&target.pair, &services)?;
    report(&target, &signed, &own, output)?;
    for key in strangers {
        output.warn(format_args!("the policy file does not name this signer: {key}"));
    }
    signing_args::say_missing(demand.as_ref(), signed.signers(), output);
    Ok(())
}

fn report(target: &Target, signed: &Signed, own: &[Id], output: &Output) -> Result<(), Error> {
    let header = signed.header();
    let enc = target.pair.enc();
    if output.is_json() {
        return output.json(&json!({
            "enc": enc.to_string_lossy(),
            "name": target.name.as_str(),
            "environment": target.environment.as_str(),
            "generation": header.generation,
            "signers": signed.signers().iter().map(Id::to_string).collect::<Vec<_>>(),
            "opened": signed.is_opened(),
            "written": signed.is_written(),
        }));
    }
    let enc = shown(enc);
    if !signed.is_written() {
        output.say(format_args!("Unchanged: the pair has this signature already\n  {enc}"));
        return Ok(());
    }
    let how = if signed.is_opened() { "" } else { ", not decrypted" };
    let mut text = format!("Signed {} (generation {}{how})\n  {enc}", target.label(), header.generation);
    for id in signed.signers() {
        let before = if own.contains(id) { "" } else { " (signed before)" };
        text += &format!("\n  signer {id}{before}");
    }
    output.say(text);
    Ok(())
}
