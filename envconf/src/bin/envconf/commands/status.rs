use std::path::{Path, PathBuf};

use envconf::format::{EncFile, KeyFile};
use envconf::pair::{Depth, content_type_of, identity_of};
use envconf::process::setting;
use envconf::tools::Rules;
use envconf::{Error, KeyRef, KeyServices, Kind, Name, Pair, Policy, Trusted};
use serde_json::{Value, json};

use crate::git::index::Indexed;
use crate::git::{Repository, hook_managers, tracked};
use crate::options::global::Global;
use crate::options::pairs_below;
use crate::options::target::Target;
use crate::options::wanted_recipients::{MISSING, UNWANTED, borrowed, differences, files, rules};
use crate::output::{Output, hints, shown};

/// Compare the pairs below a directory with the policy file
///
/// envconf checks that the files of each pair are well formed and belong together. It
/// compares the recipients with the rules in .envconf.toml. It compares the generation
/// with ENVCONF_MIN_GENERATION and with git's index. It reports plain files next to a
/// pair, and unused data keys in a .key file. It also checks that the hook of `envconf
/// hook install` is still installed.
///
/// This command needs no key and sends no requests. It shows the recipients that the
/// files state. It skips links, target, node_modules and directories whose names begin
/// with a dot.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  envconf status
  envconf status config --check
  envconf status --json")]
pub(crate) struct Args {
    /// Directory to check (default: the working directory)
    #[arg(value_name = "DIR", default_value = ".", hide_default_value = true)]
    directory: PathBuf,

    /// Exit with 50 if anything differs
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(args: &Args, global: &Global, output: &Output) -> Result<(), Error> {
    let minimum = minimum()?;
    let mut pairs = Vec::new();
    pairs_below::collect(&args.directory, &mut pairs)?;
    pairs.sort_by(|a, b| a.enc().cmp(b.enc()));
    pairs.dedup();
    tracked::warn_of_key_in_project(&args.directory, output);
    let mut indexed = Indexed::around(&args.directory);
    let mut found = Vec::new();
    for pair in pairs {
        let newest = indexed.as_mut().and_then(|indexed| indexed.generation(pair.enc()));
        found.push(PairStatus::look(pair, minimum, newest, global)?);
    }
    let hook = HookStatus::around(&args.directory)?;
    let is_hook_gone = hook == Some(HookStatus::Gone);
    if output.is_json() {
        let mut report = json!({ "pairs": found.iter().map(PairStatus::as_json).collect::<Vec<_>>() });
        if let Some(hook) = hook {
            report["hook"] = hook.name().into();
        }
        output.json(&report)?;
    } else {
        found.iter().try_for_each(|found| found.print(output))?;
        if is_hook_gone {
            output.line("pre-commit hook: differs")?;
            output.line(format_args!("  {HOOK_GONE}: `envconf hook install` sets it up again"))?;
        }
        if found.is_empty() {
            output.say(format_args!("There is no pair below {}", shown(&args.directory)));
        }
    }
    let different = found.iter().filter(|found| !found.differences.is_empty()).count();
    if !found.is_empty() {
        let pairs = if found.len() == 1 { "pair" } else { "pairs" };
        output.say(match different {
            0 => format!("{} {pairs}, no differences", found.len()),
            _ => format!("{} {pairs}, {different} with differences", found.len()),
        });
    }
    if !args.check || different == 0 && !is_hook_gone {
        return Ok(());
    }
    if different == 0 {
        return Err(Error::new(Kind::Differences, HOOK_GONE).advise(
            "set it up again with `envconf hook install`, or remove it with `envconf hook uninstall`",
        ));
    }
    let and_hook = if is_hook_gone { ", and the pre-commit check is missing" } else { "" };
    let message = format!("{different} of {} pairs have differences{and_hook}", found.len());
    Err(Error::new(Kind::Differences, message).advise(
        "run `envconf rewrap` to apply the recipients of the rules; the lines of the other differences say what to do",
    ))
}

fn minimum() -> Result<u64, Error> {
    // The policy reads and checks the variable.
    let anybody: Name = "status".parse()?;
    Policy::from_environment(anybody.clone(), anybody)?;
    Ok(setting("ENVCONF_MIN_GENERATION")?.and_then(|text| text.parse().ok()).unwrap_or(1))
}

const HOOK_GONE: &str = "the pre-commit check that envconf hook install added is missing";

/// The state of the check that was installed in this clone.
#[derive(Clone, Copy, PartialEq, Eq)]
enum HookStatus {
    Installed,
    Gone,
}

impl HookStatus {
    /// Returns `None` outside a repository, if no check was installed, and if git does not answer.
    fn around(directory: &Path) -> Result<Option<Self>, Error> {
        let Ok(Some(repository)) = Repository::find(directory) else { return Ok(None) };
        if repository.setting(hook_managers::REMEMBERED)?.is_none() {
            return Ok(None);
        }
        // A hook that cannot be read, such as a link or a binary, counts as a hook without the check.
        let is_checked = hook_managers::is_checked(&repository).unwrap_or(false);
        Ok(Some(if is_checked { Self::Installed } else { Self::Gone }))
    }

    fn name(self) -> &'static str {
        match self {
            Self::Installed => "installed",
            Self::Gone => "gone",
        }
    }
}

/// A pair, and its differences from the policy file.
struct PairStatus {
    pair: Pair,
    generation: Option<u64>,
    recipients: Vec<KeyRef>,
    differences: Vec<Difference>,
}

struct Difference {
    /// The name of the difference, for programs.
    name: &'static str,
    text: String,
}

impl PairStatus {
    /// Compares a pair with its rules, and with the generations that are known.
    ///
    /// # Errors
    /// The errors of the rules. A fault of the pair is a difference, not an error.
    fn look(pair: Pair, minimum: u64, newest: Option<u64>, global: &Global) -> Result<Self, Error> {
        let mut found = Self { pair, generation: None, recipients: Vec::new(), differences: Vec::new() };
        found.look_at_files(minimum, newest.unwrap_or(0));
        found.look_at_rules(global)?;
        found.look_for_plain_files();
        Ok(found)
    }

    fn differs(&mut self, name: &'static str, text: impl Into<String>) {
        self.differences.push(Difference { name, text: text.into() });
    }

    fn look_at_files(&mut self, minimum: u64, newest: u64) {
        let files = self.pair.read_enc().and_then(|enc| EncFile::parse(&enc));
        let files = files.and_then(|enc| Ok((enc, KeyFile::parse(&self.pair.read_key()?)?)));
        let (enc, key) = match files {
            Ok(files) => files,
            Err(error) => return self.differs("broken", broken(&error)),
        };
        self.generation = Some(enc.header.generation);
        if let Ok((name, environment)) = identity_of(self.pair.enc())
            && (&name, &environment) != (&enc.header.name, &enc.header.environment)
        {
            let text = format!("the pair is `{}` for `{}`", enc.header.name, enc.header.environment);
            self.differs("identity", format!("{text}: it was copied or renamed; seal it again"));
        }
        let itself = Policy::new(enc.header.name.clone(), enc.header.environment.clone());
        if let Err(error) = envconf::verify(&self.pair, &itself, &KeyServices::none(), Depth::Structure) {
            return self.differs("broken", broken(&error));
        }
        let in_use =
            key.section(enc.header.dek).map(|section| section.recipients.clone()).unwrap_or_default();
        self.recipients = in_use.into_iter().map(|recipient| recipient.key).collect();
        if key.sections.len() > 1 {
            let text = "the .key contains unused data keys: the next seal removes them";
            self.differs("leftovers", text);
        }
        if enc.header.generation < minimum {
            let text = format!("generation {} is below ENVCONF_MIN_GENERATION", enc.header.generation);
            self.differs("stale", format!("{text}: restore the newest one"));
        }
        let target = Target {
            pair: self.pair.clone(),
            name: enc.header.name.clone(),
            environment: enc.header.environment.clone(),
        };
        let known = target.known().ok().flatten().map_or(0, |known| known.generation());
        if enc.header.generation < known {
            let text =
                format!("generation {} is older than {known}, which you already used", enc.header.generation);
            self.differs(
                "stale",
                format!(
                    "{text}: restore the newest one, or accept this one with `envconf verify --accept-older`"
                ),
            );
        }
        if enc.header.generation < newest {
            let text = format!("generation {} is older than {newest}, which git has", enc.header.generation);
            self.differs("stale", format!("{text}: restore the newest one, or seal again on top of it"));
        }
    }

    fn look_at_rules(&mut self, global: &Global) -> Result<(), Error> {
        let Some(rules) = rules(global, &self.pair)? else { return Ok(()) };
        let wanted = match wanted(&rules, &self.pair) {
            Ok(wanted) => wanted,
            Err(error) if error.kind() == Kind::NoRule => {
                self.differs("no-rule", "no rule matches it: add one, or remove the pair");
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        if self.recipients.is_empty() {
            return Ok(());
        }
        // The keys of aliases and of `local` are unknown without a request. Any local key may be meant by `local`.
        let is_local = |key: &KeyRef| key.provider() == "local";
        let any_local = wanted.contains(&Trusted::Local);
        let keys: Vec<KeyRef> = wanted
            .iter()
            .filter_map(|trusted| match trusted {
                Trusted::Key(key) if key.alias().is_none() => Some(key.clone()),
                _ => None,
            })
            .collect();
        let aliases = wanted.len() - keys.len() - usize::from(any_local);
        let there: Vec<KeyRef> =
            self.recipients.iter().filter(|key| !(any_local && is_local(key))).cloned().collect();
        let mut drift = differences(&there, &keys);
        // The key of an alias is unknown without a request: an alias accounts for any number of keys of its place.
        if aliases > 0 && drift.iter().all(|text| text.starts_with(UNWANTED)) && drift.len() <= aliases {
            drift.clear();
        }
        if any_local && !self.recipients.iter().any(is_local) {
            drift.push(format!("{MISSING} local"));
        }
        if !drift.is_empty() {
            self.differs("recipients", format!("{}: `envconf rewrap`", drift.join(", ")));
        }
        Ok(())
    }

    fn look_for_plain_files(&mut self) {
        let name = self.pair.enc().file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some(stem) = name.strip_suffix(".conf.enc") else { return };
        for extension in ["toml", "json", "yaml", "yml", "env", "conf"] {
            let plain = self.pair.enc().with_file_name(format!("{stem}.{extension}"));
            if plain.is_file() && content_type_of(&plain, b"").is_ok() {
                let text = format!(
                    "there is a plain file beside it, {}: delete it with `envconf seal --rm`",
                    shown(&plain)
                );
                self.differs("plain", text);
            }
        }
    }

    fn print(&self, output: &Output) -> Result<(), Error> {
        let generation = self.generation.map(|generation| format!(", generation {generation}"));
        let verdict = if self.differences.is_empty() { "ok" } else { "differs" };
        let (paint, enc) = (output.paint(), shown(self.pair.enc()));
        let verdict = if self.differences.is_empty() { paint.good(verdict) } else { paint.doubtful(verdict) };
        output.line(format_args!("{}: {verdict}{}", paint.strong(&enc), generation.unwrap_or_default()))?;
        self.differences.iter().try_for_each(|difference| output.line(format_args!("  {}", difference.text)))
    }

    fn as_json(&self) -> Value {
        let differences = self.differences.iter();
        json!({
            "enc": self.pair.enc().to_string_lossy(),
            "key": self.pair.key().to_string_lossy(),
            "generation": self.generation,
            "recipients": self.recipients.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "differences": differences
                .map(|difference| json!({ "kind": difference.name, "message": difference.text }))
                .collect::<Vec<_>>(),
        })
    }
}

fn wanted(rules: &Rules, pair: &Pair) -> Result<Vec<Trusted>, Error> {
    rules.recipients(&borrowed(&files(None, pair))).map(<[Trusted]>::to_vec)
}

/// Returns the error of a file with its hints.
fn broken(error: &Error) -> String {
    match hints::advice(error.remedy(), error.advice()) {
        Some(advice) => format!("{}: {}", error.message(), advice.replace('\n', "; ")),
        None => error.message().to_owned(),
    }
}
