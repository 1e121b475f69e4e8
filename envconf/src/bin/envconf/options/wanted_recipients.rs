//! For whom to seal: what the options say, else the rules, else the local keys at hand (api.md §4).

use std::path::{Path, PathBuf};

use envconf::format::EncFile;
use envconf::{
    ContentType, Error, KeyRef, KeyServices, Kind, Outline, Pair, Policy, Rules, Trusted, setting,
};

use super::global::Global;
use super::target::Target;
use crate::output::{Output, shown};

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
        let Some(rules) = rules(global, pair)? else {
            return Ok(Self { keys: resolve(&[Trusted::Local], services)?, by: By::Default });
        };
        let keys = resolve(rules.recipients(&borrowed(&files(file, pair)))?, services)?;
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

/// The outline that the rules ask for; none for content that carries none, for a rule speaks of files of every type.
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
    output.say(format_args!("note: content of type {ty} carries no outline, whatever the rules say"));
    Ok(Outline::None)
}

/// Stops a change of a pair that is, or would be, sealed for others than the rules want (api.md §4): a file that was
/// copied to another path, or rules that were changed since, would hand new values to the wrong recipients. No rules, no
/// check.
///
/// # Errors
/// [`Kind::Differences`] with whom they would add and drop; [`Kind::NoRule`] where no rule matches the pair.
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
    let message = format!("{} wants other recipients: {}", shown(rules.path()), differences.join(", "));
    Err(Error::new(Kind::Differences, message).at(pair.key()).advise(
        "nothing was written; if the rules are right, bring it in line with `envconf rewrap` first; if it was copied here, seal it anew",
    ))
}

/// How the recipients that are wanted differ from those that there are, each in words.
pub(crate) fn differences(there: &[KeyRef], wanted: &[KeyRef]) -> Vec<String> {
    let added = wanted.iter().filter(|key| !there.contains(key)).map(|key| format!("not yet {key}"));
    let dropped = there.iter().filter(|key| !wanted.contains(key)).map(|key| format!("no more {key}"));
    added.chain(dropped).collect()
}

/// What a rule for `pair` may match: the plain file, and the pair. Where no plain file is given those count that it may
/// have been sealed from, by what the pair says its content is.
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

/// The rules that apply to `pair`, where there are some.
pub(crate) fn rules(global: &Global, pair: &Pair) -> Result<Option<Rules>, Error> {
    match &global.config {
        Some(file) => Rules::read(file).map(Some),
        None => Rules::find(pair.folder()),
    }
}

/// The keys that a list names, each by its id; `local` stands for the local keys at hand.
pub(crate) fn resolve(list: &[Trusted], services: &KeyServices) -> Result<Vec<KeyRef>, Error> {
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
