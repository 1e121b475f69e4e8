//! For whom to seal: what the options say, else the rules, else the local keys at hand (api.md §4).

use std::path::{Path, PathBuf};

use envconf::{Error, KeyRef, KeyServices, Kind, Pair, Policy, Rules, Trusted, setting};

use crate::cli::Global;
use crate::output::{Output, shown};
use crate::target::Target;

/// For whom to seal.
pub(crate) struct Wanted {
    pub(crate) keys: Vec<KeyRef>,
    by: By,
}

/// Who says for whom.
#[derive(PartialEq)]
enum By {
    Options,
    /// The rules in this file of the repository.
    Rules(PathBuf),
    Default,
}

impl Wanted {
    /// `-r`, else the rules, else the local keys at hand; aliases are resolved. `file` is the plain file, where there is
    /// one.
    pub(crate) fn of(
        recipients: &[Trusted],
        global: &Global,
        file: Option<&Path>,
        pair: &Pair,
        services: &KeyServices,
    ) -> Result<Self, Error> {
        if !recipients.is_empty() {
            return Ok(Self { keys: resolve(recipients, services)?, by: By::Options });
        }
        let rules = match &global.config {
            Some(file) => Some(Rules::read(file)?),
            None => Rules::find(pair.folder())?,
        };
        let Some(rules) = rules else {
            return Ok(Self { keys: resolve(&[Trusted::Local], services)?, by: By::Default });
        };
        let files: Vec<&Path> = file.into_iter().chain([pair.enc()]).collect();
        let keys = resolve(rules.recipients(&files)?, services)?;
        Ok(Self { keys, by: By::Rules(rules.path().to_owned()) })
    }

    /// With which keys the old pair may be opened: those that are trusted anyway, and those of `-r`, which the
    /// operator has named. Never those of the rules: whoever can write the repository could name his own key there
    /// beside a pair made with it, and the next seal would keep his data key without a question.
    pub(crate) fn trust_for_old(&self, target: &Target, global: &Global) -> Result<Policy, Error> {
        let policy = target.policy(global)?;
        let is_set = !global.trust.is_empty() || setting("ENVCONF_TRUST")?.is_some();
        if is_set || self.by != By::Options {
            return Ok(policy);
        }
        let named = self.keys.iter().cloned().map(Trusted::Key);
        Ok(policy.trust(std::iter::once(Trusted::Local).chain(named)))
    }

    /// Recipients that only a file of the repository names, and that the old, authenticated pair does not have, need
    /// a yes. `verb` says what is about to be done for them.
    pub(crate) fn confirm(
        &self,
        added: &[KeyRef],
        yes: bool,
        verb: &str,
        output: &Output,
    ) -> Result<(), Error> {
        let By::Rules(rules) = &self.by else { return Ok(()) };
        let added: Vec<_> = added.iter().map(ToString::to_string).collect();
        let added = added.join(" ");
        let message = format!("{} adds recipients that the old pair is not known to have", shown(rules));
        if yes {
            output.say(format_args!("{message}: {added}"));
            return Ok(());
        }
        match output.ask(&format!("{message}:\n  {added}\n{verb} for them?")) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Error::new(Kind::Interrupted, "not agreed to; nothing was written")),
            Err(error) if error.kind() == Kind::NeedsTerminal => {
                Err(Error::new(Kind::NeedsTerminal, format!("{message}: {added}"))
                    .advise("if they are meant to read it, agree with --yes"))
            }
            Err(error) => Err(error),
        }
    }
}

/// The keys that a list names, each by its id; `local` stands for the local keys at hand.
fn resolve(list: &[Trusted], services: &KeyServices) -> Result<Vec<KeyRef>, Error> {
    let mut keys = Vec::new();
    for entry in list {
        match entry {
            Trusted::Key(key) => keys.push(services.resolve(key)?),
            Trusted::Local => {
                let at_hand = services.local_keys()?;
                if at_hand.is_empty() {
                    return Err(Error::new(Kind::BadLocalKey, "no local key is at hand").advise(
                        "make one with `envconf init`, set ENVCONF_KEY or ENVCONF_KEY_FILE, or name another key with -r",
                    ));
                }
                keys.extend(at_hand.iter().map(|key| key.key_ref().clone()));
            }
        }
    }
    Ok(keys)
}
