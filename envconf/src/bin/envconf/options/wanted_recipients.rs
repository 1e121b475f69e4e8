//! Selects the recipients: those of the options, else of the rules, else of the old pair, else the user's local keys
//! (api.md §4).

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use envconf::format::EncFile;
use envconf::format::Outline;
use envconf::key_store::KnownPair;
use envconf::pair::OldPair;
use envconf::tools::Rules;
use envconf::{ContentType, Error, KeyRef, KeyServices, Kind, Opened, Pair, Policy, Trusted};

use super::global::Global;
use super::target::{Stated, Target};
use crate::output::{Output, shown};

/// A pair that a verb will seal or wrap, and the questions that it may ask.
pub(crate) struct Sealing<'a> {
    pub(crate) target: &'a Target,
    /// The plain file, if there is one.
    pub(crate) file: Option<&'a Path>,
    pub(crate) services: &'a KeyServices,
    pub(crate) global: &'a Global,
    pub(crate) output: &'a Output,
    /// `--yes`.
    pub(crate) yes: bool,
    /// True if nothing will be written, so that nothing needs to be accepted.
    pub(crate) is_plan: bool,
    /// `Seal` or `Wrap`, for the question.
    pub(crate) verb: &'static str,
    /// The outline that a rule sets, and the content for it.
    pub(crate) outline: Option<(&'a Outline, ContentType, &'a [u8])>,
}

/// The recipients.
pub(crate) struct Wanted {
    pub(crate) keys: Vec<KeyRef>,
    source: RecipientSource,
    /// Keys that need no question: the user trusts, owns or has accepted them.
    accepted: Vec<KeyRef>,
    outline_accepted: bool,
    /// The record of the pair from earlier seals.
    known: Option<KnownPair>,
}

/// The source of the recipients.
enum RecipientSource {
    Options,
    /// The rules in this file of the repository.
    Rules(PathBuf),
    /// The old pair, which a trusted key opened.
    OldPair(Box<Opened>),
    OwnKeys,
}

impl Wanted {
    /// Selects `-r`, else the rules, else the recipients of the old pair if it opens, else the user's local keys. It
    /// asks about recipients that only the rules name before any key or key service is used. Questions about
    /// recipients that the old pair states wait for [`Wanted::confirm`].
    ///
    /// # Errors
    /// [`Kind::NeedsTerminal`] and [`Kind::Interrupted`] if the answer is not yes; [`Kind::Rollback`] for an old pair
    /// that is older than the known one.
    pub(crate) fn choose(named: &[Trusted], sealing: &Sealing<'_>) -> Result<Self, Error> {
        let Sealing { target, services, global, .. } = *sealing;
        let known = target.known()?;
        target.refuse_older(global, services)?;
        let mut this = Self {
            keys: Vec::new(),
            source: RecipientSource::Options,
            accepted: Vec::new(),
            outline_accepted: false,
            known,
        };
        this.accepted = services.own_keys()?;
        let trust = target.policy(global)?;
        this.accepted.extend(trust.trusted().unwrap_or_default().iter().filter_map(
            |trusted| match trusted {
                Trusted::Key(key) => Some(key.clone()),
                Trusted::Local => None,
            },
        ));
        if !named.is_empty() {
            this.ask_before_keys(&[], None, sealing)?;
            this.keys = resolve(named, services)?;
            return Ok(this);
        }
        // A half pair, and a pair of another identity, is rejected when it would be replaced.
        let is_of_target = |stated: &Stated| {
            !stated.recipients.is_empty()
                && (&stated.header.name, &stated.header.environment) == (&target.name, &target.environment)
        };
        let stated = Stated::read(&target.pair).filter(is_of_target);
        if let Some(rules) = rules(global, &target.pair)? {
            let entries = rules.recipients(&borrowed(&files(sealing.file, &target.pair)))?.to_vec();
            this.source = RecipientSource::Rules(rules.path().to_owned());
            this.ask_before_keys(&entries, stated.as_ref(), sealing)?;
            this.keys = resolve(&entries, services)?;
            if entries.contains(&Trusted::Local) {
                this.accepted.extend(resolve(&[Trusted::Local], services)?);
            }
            return Ok(this);
        }
        this.ask_before_keys(&[], stated.as_ref(), sealing)?;
        if stated.is_some()
            && let Some(opened) = target.open_if_trusted(&trust, services)?
        {
            this.keys = opened.recipients().cloned().collect();
            this.source = RecipientSource::OldPair(Box::new(opened));
            return Ok(this);
        }
        this.source = RecipientSource::OwnKeys;
        this.keys = resolve(&[Trusted::Local], services)?;
        this.accepted.extend(this.keys.iter().cloned());
        Ok(this)
    }

    /// Returns the old pair, if it has the wanted recipients.
    pub(crate) fn opened(&self) -> Option<&Opened> {
        match &self.source {
            RecipientSource::OldPair(opened) => Some(opened),
            _ => None,
        }
    }

    /// Returns the record of the pair from earlier seals.
    pub(crate) fn known(&self) -> Option<&KnownPair> {
        self.known.as_ref()
    }

    /// Returns the keys that may open the old pair: the trusted ones, and those of `-r`, which the operator has named.
    /// The keys of the rules do not count: a writer of the repository could name a foreign key there, beside a pair
    /// made with it, and the next seal would keep the data key of that pair without a question.
    pub(crate) fn trust_for_old(&self, target: &Target, global: &Global) -> Result<Policy, Error> {
        let policy = target.policy(global)?;
        if policy.trusted().is_some() || !matches!(self.source, RecipientSource::Options) {
            return Ok(policy);
        }
        let named = self.keys.iter().cloned().map(Trusted::Key);
        Ok(policy.trust(std::iter::once(Trusted::Local).chain(named)))
    }

    /// Accepts the recipients and the outline, or asks about them. The old pair does not authenticate the recipients
    /// in `added`.
    ///
    /// # Errors
    /// The errors of [`Wanted::choose`].
    pub(crate) fn confirm(&self, added: &[KeyRef], old: OldPair, sealing: &Sealing<'_>) -> Result<(), Error> {
        let strangers: Vec<String> = match self.source {
            RecipientSource::Rules(_) => {
                added.iter().filter(|key| !self.accepted.contains(key)).map(ToString::to_string).collect()
            }
            RecipientSource::Options | RecipientSource::OldPair(_) | RecipientSource::OwnKeys => Vec::new(),
        };
        let revealed = match &sealing.outline {
            Some((outline, ty, content)) if old != OldPair::Opened && !self.outline_accepted => {
                outline.reveals(None, *ty, content)?
            }
            _ => Vec::new(),
        };
        self.ask(&strangers, &revealed, sealing)
    }

    /// Asks about recipients that the old pair cannot confirm in any case.
    fn ask_before_keys(
        &mut self,
        entries: &[Trusted],
        stated: Option<&Stated>,
        sealing: &Sealing<'_>,
    ) -> Result<(), Error> {
        let is_stated = |key: &KeyRef| stated.is_some_and(|stated| stated.recipients.contains(key));
        // The key of an alias is known only after a request to its key service. If neither the old pair nor the
        // trusted keys have a key of that place, no answer could authenticate it.
        let has_key_of_place = |keys: &[KeyRef], alias: &KeyRef| {
            keys.iter().any(|key| (key.provider(), key.region()) == (alias.provider(), alias.region()))
        };
        let may_be_vouched_for = |key: &KeyRef| {
            key.alias().is_some()
                && (has_key_of_place(&self.accepted, key)
                    || stated.is_some_and(|stated| has_key_of_place(&stated.recipients, key)))
        };
        let strangers: Vec<KeyRef> = entries
            .iter()
            .filter_map(|entry| match entry {
                Trusted::Key(key) => Some(key),
                Trusted::Local => None,
            })
            .filter(|key| !self.accepted.contains(key) && !is_stated(key) && !may_be_vouched_for(key))
            .cloned()
            .collect();
        let revealed = match &sealing.outline {
            Some((outline, ty, content)) => {
                outline.reveals(stated.map(|stated| &stated.header), *ty, content)?
            }
            None => Vec::new(),
        };
        let names: Vec<String> = strangers.iter().map(ToString::to_string).collect();
        self.ask(&names, &revealed, sealing)?;
        self.outline_accepted = !revealed.is_empty();
        let (aliases, keys): (Vec<_>, Vec<_>) = strangers.into_iter().partition(|key| key.alias().is_some());
        self.accepted.extend(keys);
        // If an alias was accepted, accept the key that it points to now.
        for alias in aliases {
            self.accepted.push(sealing.services.resolve(&alias)?);
        }
        Ok(())
    }

    fn has_trust(&self, sealing: &Sealing<'_>) -> bool {
        sealing.target.policy(sealing.global).is_ok_and(|policy| policy.trusted().is_some())
    }

    /// Asks about `strangers`, keys that only the rules name, and about additions to the outline by the rules. `--yes`
    /// answers, but if trusted keys are set, it accepts no other key.
    fn ask(&self, strangers: &[String], revealed: &[String], sealing: &Sealing<'_>) -> Result<(), Error> {
        if sealing.is_plan || (strangers.is_empty() && revealed.is_empty()) {
            return Ok(());
        }
        let rules = match &self.source {
            RecipientSource::Rules(path) => shown(path),
            _ => ".envconf.toml".to_owned(),
        };
        let parts = [
            ("names recipients that you have not accepted", strangers, " "),
            ("adds to the outline, which everybody can read", revealed, ", "),
        ];
        let parts = || parts.iter().filter(|(_, items, _)| !items.is_empty());
        let on_lines = || {
            let list = |items: &[String]| items.iter().map(|item| format!("\n  {item}")).collect::<String>();
            parts()
                .map(|(what, items, _)| format!("{rules} {what}:{}", list(items)))
                .collect::<Vec<_>>()
                .join("\n")
        };
        let in_one_line = || {
            let part =
                |(what, items, between): &(&str, &[String], &str)| format!("{what}: {}", items.join(between));
            format!("{rules} {}", parts().map(part).collect::<Vec<_>>().join("; it "))
        };
        let trust_decides = !strangers.is_empty() && self.has_trust(sealing);
        if sealing.yes && !trust_decides {
            sealing.output.say(on_lines());
            return Ok(());
        }
        match sealing.output.ask(&format!("{}\n{} it so?", on_lines(), sealing.verb)) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Error::new(Kind::Interrupted, "not accepted; nothing was written")),
            Err(error) if error.kind() == Kind::NeedsTerminal => {
                let advice = match trust_decides {
                    true => format!(
                        "{} does not name them, and --yes accepts no other key: name each intended recipient with -r",
                        if sealing.global.trust.is_empty() { "ENVCONF_TRUST" } else { "--trust" }
                    ),
                    false => "if this is intended, accept it with --yes".to_owned(),
                };
                Err(Error::new(Kind::NeedsTerminal, in_one_line()).advise(advice))
            }
            Err(error) => Err(error),
        }
    }
}

/// Returns the outline of the rules. Content that cannot have an outline gets none, because a rule applies to files of
/// all types.
pub(crate) fn outline(
    global: &Global,
    file: Option<&Path>,
    pair: &Pair,
    content_type: ContentType,
    output: &Output,
) -> Result<Outline, Error> {
    let files = files(file, pair);
    let outline = rules(global, pair)?.and_then(|rules| rules.outline(&borrowed(&files)).cloned());
    let outline = outline.unwrap_or_default();
    if outline == Outline::None || content_type.has_outline() {
        return Ok(outline);
    }
    let ty = content_type.name();
    output.warn(format_args!("content of type {ty} has no outline, although the rules ask for one"));
    Ok(Outline::None)
}

/// Rejects a change of a pair whose recipients differ, or would differ, from the rules (api.md §4). The file may have
/// been copied to another path, or the rules may have changed: new values would then go to the wrong recipients.
/// Without rules there is no check.
///
/// # Errors
/// [`Kind::Differences`] with the recipients that the rules would add and remove; [`Kind::NoRule`] if no rule matches
/// the pair.
pub(crate) fn refuse_drift(
    recipients: &[KeyRef],
    pair: &Pair,
    global: &Global,
    services: &KeyServices,
) -> Result<(), Error> {
    let Some(rules) = rules(global, pair)? else { return Ok(()) };
    let wanted = resolve(rules.recipients(&borrowed(&files(None, pair)))?, services)?;
    let differences = differences(recipients, &wanted);
    if differences.is_empty() {
        return Ok(());
    }
    let message = format!(
        "the recipients differ from {}: {}; nothing was written",
        shown(rules.path()),
        differences.join(", ")
    );
    Err(Error::new(Kind::Differences, message).at(pair.key()).advise(
        "if the policy file is right, run `envconf rewrap` first\nif the pair was copied here, seal the plain file again",
    ))
}

/// Reports the loss of access of the recipients in `lost`, who could open the old pair and cannot open the new one.
pub(crate) fn say_of_lost(lost: &[KeyRef], services: &KeyServices, output: &Output) {
    if lost.is_empty() {
        return;
    }
    // The pair is written, so a failure here is only a warning.
    let own = services.own_keys().unwrap_or_default();
    lost.iter().filter(|key| own.contains(key)).for_each(|key| {
        output.warn(format_args!("you lost access with your own key {key}"));
    });
    warn_of_older_commits(output);
}

/// Reports the next step after a recipient lost access.
pub(crate) fn warn_of_older_commits(output: &Output) {
    output.warn("removed recipients can still open older commits");
    output.hint("replace the secrets themselves, at their source");
}

/// The words before a recipient in a message about differences.
pub(crate) const MISSING: &str = "missing";
pub(crate) const UNWANTED: &str = "unwanted";

/// Returns the differences between the wanted and the existing recipients, each in words.
pub(crate) fn differences(there: &[KeyRef], wanted: &[KeyRef]) -> Vec<String> {
    let added = wanted.iter().filter(|key| !there.contains(key)).map(|key| format!("{MISSING} {key}"));
    let dropped = there.iter().filter(|key| !wanted.contains(key)).map(|key| format!("{UNWANTED} {key}"));
    added.chain(dropped).collect()
}

/// Returns the paths that a rule for `pair` may match: the plain file and the pair. Without a plain file, it returns
/// all possible plain files with the content type of the pair.
pub(crate) fn files(file: Option<&Path>, pair: &Pair) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = file.into_iter().map(Path::to_owned).collect();
    files.push(pair.enc().to_owned());
    let header = || EncFile::parse(&pair.read_enc().ok()?).ok().map(|enc| enc.header);
    if file.is_none()
        && let Some(header) = header()
        && let Some(stem) = pair.enc().file_name().and_then(|name| name.to_str()?.strip_suffix(".conf.enc"))
    {
        let extensions: &[&str] = match header.content_type {
            ContentType::Toml => &["toml", "conf"],
            ContentType::Json => &["json", "conf"],
            ContentType::Yaml => &["yaml", "yml"],
            ContentType::Dotenv => &["env"],
            _ => &[],
        };
        files.extend(extensions.iter().map(|end| pair.enc().with_file_name(format!("{stem}.{end}"))));
    }
    files
}

pub(crate) fn borrowed(files: &[PathBuf]) -> Vec<&Path> {
    files.iter().map(PathBuf::as_path).collect()
}

/// Returns the rules for `pair`, if there are some.
pub(crate) fn rules(global: &Global, pair: &Pair) -> Result<Option<Rules>, Error> {
    let file = global.config.clone().or_else(|| Rules::file_for(pair.directory()));
    file.map(|file| read_once(&file)).transpose()
}

/// Reads the rules in this file, unless the command has read them already for another pair.
fn read_once(file: &Path) -> Result<Rules, Error> {
    thread_local! {
        static READ: RefCell<HashMap<PathBuf, Rules>> = RefCell::default();
    }
    if let Some(rules) = READ.with_borrow(|read| read.get(file).cloned()) {
        return Ok(rules);
    }
    let rules = Rules::read(file)?;
    READ.with_borrow_mut(|read| read.insert(file.to_owned(), rules.clone()));
    Ok(rules)
}

/// Returns the keys that a list names, each by its id; `local` means the available local keys.
pub(crate) fn resolve(list: &[Trusted], services: &KeyServices) -> Result<Vec<KeyRef>, Error> {
    let mut keys = Vec::new();
    for entry in list {
        match entry {
            Trusted::Key(key) => keys.push(services.resolve(key)?),
            Trusted::Local => {
                let at_hand = services.local_keys()?;
                if at_hand.is_empty() {
                    let advice = services.missing_key_advice([]);
                    return Err(Error::new(Kind::BadLocalKey, "no local key was found").advise(format!(
                        "create one with `envconf init`, or name another key with -r; {advice}"
                    )));
                }
                keys.extend(at_hand.iter().map(|key| key.key_ref().clone()));
            }
        }
    }
    Ok(keys)
}
