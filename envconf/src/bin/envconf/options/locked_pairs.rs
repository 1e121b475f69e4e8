//! Pairs of a project that a new user cannot open, and the people who can help.

use std::collections::BTreeSet;
use std::path::Path;

use envconf::{Error, KeyRef, Pair};
use serde_json::{Value, json};

use super::pairs_below;
use super::target::Stated;
use crate::output::{Output, shown};

/// Number of listed pairs.
const MOST: usize = 8;

/// The pairs in a directory and below it that do not have a key as a recipient, as their files state it.
#[derive(Default)]
pub(crate) struct LockedPairs(Vec<(Pair, Vec<KeyRef>)>);

impl LockedPairs {
    /// Finds these pairs. An existing key usually opens some pairs and not others: then the result is empty, unless
    /// the key opens none.
    ///
    /// # Errors
    /// The errors of [`pairs_below::collect`].
    pub(crate) fn find(directory: &Path, key: &KeyRef, is_new: bool) -> Result<Self, Error> {
        let mut pairs = Vec::new();
        pairs_below::collect(directory, &mut pairs)?;
        pairs.sort_by(|a, b| a.enc().cmp(b.enc()));
        pairs.dedup();
        let stated = pairs.into_iter().filter_map(|pair| {
            let recipients = Stated::read(&pair)?.recipients;
            (!recipients.is_empty()).then_some((pair, recipients))
        });
        let (own, others): (Vec<_>, Vec<_>) = stated.partition(|(_, recipients)| recipients.contains(key));
        Ok(Self(if is_new || own.is_empty() { others } else { Vec::new() }))
    }

    /// Returns the first of these pairs, by path.
    pub(crate) fn first(&self) -> Option<&Pair> {
        self.0.first().map(|(pair, _)| pair)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns true if `app` in `config`, the pair that `init` names next, is one of them.
    pub(crate) fn has_app(&self) -> bool {
        self.0.iter().any(|(pair, _)| pair.enc() == Path::new("config/app.conf.enc"))
    }

    /// Returns a JSON list of `enc` and `recipients`.
    pub(crate) fn as_json(&self) -> Value {
        let pairs = self.0.iter().map(|(pair, recipients)| {
            let recipients: Vec<_> = recipients.iter().map(ToString::to_string).collect();
            json!({ "enc": pair.enc().to_string_lossy(), "recipients": recipients })
        });
        pairs.collect()
    }

    /// Reports these pairs, their recipients, and how the holder of `key` gets access.
    pub(crate) fn say(&self, key: &KeyRef, output: &Output) {
        let Some((first, _)) = self.0.first() else { return };
        let are =
            if self.0.len() == 1 { "1 pair is".to_owned() } else { format!("{} pairs are", self.0.len()) };
        output.warn(format_args!("{are} sealed for others, and {key} cannot open them:"));
        list(self.0.iter().map(|(pair, _)| shown(pair.enc())), output);
        output.say("The recipients that the files name:");
        let recipients: BTreeSet<&KeyRef> = self.0.iter().flat_map(|(_, recipients)| recipients).collect();
        list(recipients.iter().map(ToString::to_string), output);
        let (local, services): (Vec<&KeyRef>, Vec<&KeyRef>) =
            recipients.into_iter().partition(|key| key.provider() == "local");
        if let Some(service) = services.first() {
            output.hint(format_args!(
                "if you have the right to use a key of a service, trust it: set ENVCONF_TRUST={service}"
            ));
        }
        if let Some(other) = local.first() {
            let id = other.to_string().rsplit(':').next().unwrap_or_default().to_owned();
            output.hint(format_args!(
                "ask a colleague who has {other} for that key (envconf key show-path {id} prints its file), and install it: envconf init --local-key FILE"
            ));
        }
        // Wrapping for a local key needs this key.
        let files = if local.is_empty() { "YOUR_KEY" } else { "THEIR_KEY:YOUR_KEY" };
        output.hint(format_args!(
            "or give your key to a colleague, who adds it to .envconf.toml if that file lists recipients, and runs: ENVCONF_KEY_FILE={files} envconf recipients add {} {key}",
            shown(first.enc())
        ));
    }
}

/// Returns the first of these pairs, one on each line.
fn list(items: impl ExactSizeIterator<Item = String>, output: &Output) {
    let all = items.len();
    items.take(MOST).for_each(|item| output.say(format_args!("  {item}")));
    if all > MOST {
        output.say(format_args!("  and {} more", all - MOST));
    }
}
