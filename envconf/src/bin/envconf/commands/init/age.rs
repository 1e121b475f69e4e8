//! `init --age`: creates an identity and a signing key in the key store, and rules with their public halves.

use std::path::{Path, PathBuf};

use envconf::format::Id;
use envconf::key_store::KeyStore;
use envconf::kms::AgeIdentity;
use envconf::pair::{SignerKey, SigningKey};
use envconf::process::setting;
use envconf::tools::Rules;
use envconf::{Error, KeyRef, KeyServices, Kind, Trusted};
use serde_json::json;

use super::{
    IGNORED, Initialized, RULES, SAMPLE, SAMPLE_TEXT, configuration, create, make_directory, refuse_link,
    relative,
};
use crate::git::appended_lines::{ATTRIBUTES, AppendedLines};
use crate::git::tracked;
use crate::options::locked_pairs::LockedPairs;
use crate::options::{plain_file, target};
use crate::output::{Output, shown};

pub(super) fn run(output: &Output) -> Result<(), Error> {
    let here = Path::new(".");
    // Check everything before anything is written.
    let store = KeyStore::of_user()?.ok_or_else(target::no_home)?;
    let directory = target::project_directory(here)?;
    store.check_directory(&directory)?;
    let identity = Identity::choose(&store, here)?;
    let signer = Signer::choose(&store, here)?;
    let rules = Rules::find(here)?;
    let attributes = AppendedLines::missing_in(Path::new(".gitattributes"), ATTRIBUTES)?;
    let ignored = AppendedLines::missing_in(Path::new(".gitignore"), IGNORED)?;
    refuse_link(Path::new("config"))?;
    let recipient = identity.recipient();
    let locked = LockedPairs::find(here, &recipient, matches!(identity, Identity::New(_)))?;
    tracked::refuse_key(&store.path_of(&recipient)?, output)?;

    let mut done = Initialized::default();
    let mut keys = Vec::new();
    match &identity {
        Identity::OfVariable(variable, _) => done.kept.push(format!("the age identity of {variable}")),
        Identity::Enabled(key) => done.kept.push(format!("the age identity {key}")),
        Identity::New(new) => {
            let path = store.add_age(new)?;
            done.enabled = Some(store.enable(new.key_ref(), &directory)?);
            keys.push((format!("Created the age identity {recipient}"), path));
        }
    }
    match &signer {
        Signer::Enabled(key) => done.kept.push(format!("the signing key {}", key.public())),
        Signer::New(key) => {
            let path = store.add_signer(key)?;
            done.enabled = Some(store.enable_signer(key.public().id(), &directory)?);
            keys.push((format!("Created the signing key {}", key.public()), path));
        }
    }
    let public = signer.key().public();
    let standing = NamedByRules::of(rules.as_ref(), &recipient, &public);
    match &rules {
        Some(rules) => done.kept.push(relative(rules.path())),
        None => done.make(RULES, create(Path::new(RULES), &rules_text(&recipient, &public)))?,
    }
    done.lines(&attributes)?;
    done.lines(&ignored)?;
    let plain = match configuration() {
        Some(there) => {
            done.kept.push(there.clone());
            Some(there).filter(|there| !there.ends_with(".enc"))
        }
        None => {
            make_directory(Path::new("config"), 0o777)?;
            done.make(SAMPLE, plain_file::write(Path::new(SAMPLE), SAMPLE_TEXT.as_bytes(), false))?;
            Some(SAMPLE.to_owned())
        }
    };
    let open = (!locked.has_app()).then(|| format!("ENVCONF_SIGNERS={public} envconf open app"));
    let next: Vec<_> = plain.map(|plain| format!("envconf seal {plain}")).into_iter().chain(open).collect();
    report(&done, &keys, &recipient, &public, &next, &locked, output)?;
    if !output.is_json() {
        standing.say(&recipient, &public, &locked, output);
    }
    Ok(())
}

/// The identity that the project will have.
enum Identity {
    /// The first identity of this variable. The key store is not used then.
    OfVariable(&'static str, KeyRef),
    /// An identity of the store that is enabled here already.
    Enabled(KeyRef),
    New(AgeIdentity),
}

impl Identity {
    fn choose(store: &KeyStore, here: &Path) -> Result<Self, Error> {
        for variable in ["ENVCONF_AGE_KEY", "ENVCONF_AGE_KEY_FILE", "ENVCONF_AGE_KEY_CMD"] {
            if setting(variable)?.is_some() {
                let identities = KeyServices::from_environment(here)?.age_identities()?;
                let first = identities.first().ok_or_else(|| {
                    Error::new(Kind::BadLocalKey, format!("{variable} has no age identity"))
                })?;
                return Ok(Self::OfVariable(variable, first.key_ref().clone()));
            }
        }
        match store.age_enabled_for(here)?.into_iter().next() {
            Some(key) => {
                store.read_age(&key)?;
                Ok(Self::Enabled(key))
            }
            None => AgeIdentity::generate().map(Self::New),
        }
    }

    fn recipient(&self) -> KeyRef {
        match self {
            Self::OfVariable(_, key) | Self::Enabled(key) => key.clone(),
            Self::New(identity) => identity.key_ref().clone(),
        }
    }
}

/// The signing key that the project will have.
enum Signer {
    Enabled(SigningKey),
    New(SigningKey),
}

impl Signer {
    fn choose(store: &KeyStore, here: &Path) -> Result<Self, Error> {
        let enabled: Option<Id> = store.signers_enabled_for(here)?.into_iter().next();
        match enabled {
            Some(id) => store.read_signer(id).map(Self::Enabled),
            None => SigningKey::generate().map(Self::New),
        }
    }

    fn key(&self) -> &SigningKey {
        match self {
            Self::Enabled(key) | Self::New(key) => key,
        }
    }
}

/// The keys of the new user that existing rules name.
struct NamedByRules {
    names_recipient: bool,
    names_signer: bool,
}

impl NamedByRules {
    fn of(rules: Option<&Rules>, recipient: &KeyRef, signer: &SignerKey) -> Self {
        let Some(rules) = rules else { return Self { names_recipient: true, names_signer: true } };
        let wanted = Trusted::Key(recipient.clone());
        let demand = rules.demand(&[Path::new(SAMPLE)]);
        Self {
            names_recipient: rules.all_recipients().any(|known| *known == wanted),
            names_signer: demand.is_some_and(|demand| demand.signers().contains(signer)),
        }
    }

    fn say(&self, recipient: &KeyRef, signer: &SignerKey, locked: &LockedPairs, output: &Output) {
        if !self.names_recipient {
            output.warn(format_args!("the policy file does not name your recipient\n  {recipient}"));
            output.hint("add it to the recipients in the policy file, with a review");
            match locked.first() {
                Some(pair) => output.hint(format_args!(
                    "then ask a colleague who can open the pairs to run `envconf recipients add {} {recipient}`",
                    shown(pair.enc())
                )),
                None => output.hint("then seal again"),
            }
        }
        if !self.names_signer {
            output.warn(format_args!("the policy file does not name your signing key\n  {signer}"));
            output.hint("if you may sign, add it to the signers in the policy file, and to those that the program pins");
        }
    }
}

fn rules_text(recipient: &KeyRef, signer: &SignerKey) -> String {
    format!(
        r#"# The recipients for which `envconf seal` seals each file. The first rule whose glob matches the path of the file,
# relative to this directory, counts.
# Add a colleague's recipient here, then run `envconf recipients add`.
[[rule]]
files = "**"
recipients = ["{recipient}"]
# Anybody can encrypt to an age recipient, so pairs must be signed. This file only requires signatures. The program pins
# the trusted signers: with the attribute signers, or ENVCONF_SIGNERS.
signers = ["{signer}"]
"#
    )
}

fn report(
    done: &Initialized,
    keys: &[(String, PathBuf)],
    recipient: &KeyRef,
    signer: &SignerKey,
    next: &[String],
    locked: &LockedPairs,
    output: &Output,
) -> Result<(), Error> {
    if output.is_json() {
        let made = keys.iter().map(|(_, path)| shown(path)).chain(done.made.iter().cloned());
        let mut report = json!({
            "made": made.collect::<Vec<_>>(),
            "extended": done.extended,
            "kept": done.kept,
            "key": recipient.to_string(),
            "signer": signer.to_string(),
            "enabled_for": done.enabled.as_deref().map(shown),
            "next": next,
        });
        if !locked.is_empty() {
            report["sealed_for_others"] = locked.as_json();
        }
        return output.json(&report);
    }
    keys.iter().for_each(|(what, path)| output.say(format_args!("{what}\n  {}", shown(path))));
    if let Some(directory) = &done.enabled {
        output.say(format_args!("Enabled for\n  {}", shown(directory)));
    }
    done.made.iter().for_each(|what| output.say(format_args!("Created {what}")));
    done.extended.iter().for_each(|what| output.say(format_args!("Added lines to {what}")));
    done.kept.iter().for_each(|what| output.say(format_args!("Kept {what}")));
    if !keys.is_empty() {
        output.warn("back up these keys: nobody else has them");
    }
    output.say(format_args!(
        "The program pins the signer, in its code\n  #[envconf(name = \"app\", signers = \"{signer}\")]\nor where it runs\n  ENVCONF_SIGNERS={signer}"
    ));
    if !next.is_empty() {
        output.say("Next:");
        next.iter().for_each(|step| output.say(format_args!("  {step}")));
    }
    Ok(())
}
