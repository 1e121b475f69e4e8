mod age;

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use envconf::format::KeyFile;
use envconf::key_store::{KeyStore, StoredKey, key_in_project};
use envconf::pair::Depth;
use envconf::process::setting;
use envconf::tools::Rules;
use envconf::{Error, KeyRef, KeyServices, Kind, LocalKey, Policy, Trusted};
use serde_json::json;

use crate::git::appended_lines::{ATTRIBUTES, AppendedLines};
use crate::git::tracked::{self, Standing, tracked_key};
use crate::options::locked_pairs::LockedPairs;
use crate::options::pairs_below;
use crate::options::plain_file;
use crate::options::target;
use crate::output::{Output, shown};

/// Create a local key, a policy file and a sample
///
/// envconf creates missing files and never overwrites a file, so you can run this command
/// again. It stores the local key in your key store, outside the project. It enables the
/// key for this repository: the key opens pairs and is trusted only there. If a stored
/// key already opens pairs of this project, envconf offers that key first.
///
/// With -r, the policy file names keys of a key service. envconf then creates a local key
/// only if `local` is one of them.
///
/// With --age, envconf creates an age identity and a signing key instead of a local key.
/// It stores them in the key store, and writes their public keys to the policy file. Give
/// the recipient to colleagues. Pin the signer in the program.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  envconf init
  envconf init && envconf seal config/app.toml && envconf open app
  envconf init --age
  envconf init --local-key ~/Downloads/app.key
  pass show app/local-key | envconf init --local-key -")]
pub(crate) struct Args {
    /// Install this local key instead of a new one
    ///
    /// With -, envconf reads the key from standard input.
    #[arg(long, value_name = "FILE")]
    local_key: Option<PathBuf>,

    /// Add this recipient to the policy file; repeatable
    ///
    /// REF is provider:region:key-id, such as vault:-:transit/app, or local for your own
    /// local keys.
    #[arg(short, long = "recipient", value_name = "REF", value_delimiter = ',')]
    recipients: Vec<Trusted>,

    /// Create an age identity and a signing key, no local key
    #[arg(long, conflicts_with_all = ["local_key", "recipients"])]
    age: bool,

    /// Answer all questions with yes
    #[arg(short, long)]
    yes: bool,
}

const RULES: &str = ".envconf.toml";
const SAMPLE: &str = "config/app.toml";

/// Ignores the plain files in `config/`, but not the files that belong into git. Many ignore lists contain `*.key`.
const IGNORED: &[&str] = &[
    "/config/*.toml",
    "/config/*.json",
    "/config/*.yaml",
    "/config/*.yml",
    "/config/*.env",
    "/config/*.conf",
    "!/config/*.defaults.toml",
    "!/config/*.conf.enc",
    "!/config/*.conf.key",
];

const RULES_TEXT: &str = r#"# The recipients for which `envconf seal` seals each file. The first rule whose glob matches the path of the file,
# relative to this directory, counts. This file makes no key trusted: set ENVCONF_TRUST, or the attribute trust.
#
# [[rule]]
# files = "config/*.prod.*"
# recipients = ["tencent:ap-guangzhou:<id of the CMK>"]

[[rule]]
files = "**"
"#;

const SAMPLE_TEXT: &str = r#"# The plain configuration: git ignores it. Edit it, run `envconf seal config/app.toml`, and commit the pair.
listen = "127.0.0.1:8080"
api_token = "change-me"

[database]
url = "postgres://app:change-me@localhost/app"
pool_size = 10
"#;

pub(crate) fn run(args: &Args, output: &Output) -> Result<(), Error> {
    if args.age {
        return age::run(output);
    }
    let here = Path::new(".");
    // Check everything, and ask every question, before anything is written.
    let rules = Rules::find(here)?;
    refuse_other_rules(rules.as_ref(), &args.recipients)?;
    // A user who names only keys of services needs no local key.
    let needs_local =
        args.recipients.is_empty() || args.recipients.contains(&Trusted::Local) || args.local_key.is_some();
    let key = if needs_local { Some(Key::choose(args, here, output)?) } else { None };
    let attributes = AppendedLines::missing_in(Path::new(".gitattributes"), ATTRIBUTES)?;
    let ignored = AppendedLines::missing_in(Path::new(".gitignore"), IGNORED)?;
    refuse_link(Path::new("config"))?;
    let local = key.as_ref().and_then(|key| Some((key.reference()?, key.is_new())));
    let locked = match local {
        Some((reference, is_new)) => LockedPairs::find(here, &reference, is_new)?,
        None => LockedPairs::default(),
    };

    let mut done = Initialized::default();
    let reference = key.map_or(Ok(None), |key| key.put(&mut done, output))?;
    match rules {
        Some(rules) => done.kept.push(relative(rules.path())),
        None => done.make(RULES, create(Path::new(RULES), &rules_text(&args.recipients)))?,
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
    let open = (!locked.has_app()).then(|| "envconf open app".to_owned());
    let seal = plain.map(|plain| format!("envconf seal {plain}"));
    let next: Vec<_> = first_steps(&args.recipients).into_iter().chain(seal).chain(open).collect();
    report(&done, reference.clone(), &next, &locked, output)?;
    if let Some(reference) = reference {
        locked.say(&reference, output);
    }
    Ok(())
}

/// Rejects existing rules that do not name the requested keys.
fn refuse_other_rules(rules: Option<&Rules>, recipients: &[Trusted]) -> Result<(), Error> {
    let Some(rules) = rules else { return Ok(()) };
    let known: Vec<_> = rules.all_recipients().collect();
    let Some(missing) = recipients.iter().find(|wanted| !known.contains(wanted)) else { return Ok(()) };
    Err(Error::new(Kind::Usage, format!("its rules do not name {missing}, and init does not change rules"))
        .at(rules.path())
        .advise(format!("add a rule with recipients = [\"{missing}\"]")))
}

fn rules_text(recipients: &[Trusted]) -> String {
    let local = [Trusted::Local];
    let recipients = if recipients.is_empty() { &local[..] } else { recipients };
    // Only these characters of a key reference need an escape.
    let quoted =
        |key: &Trusted| format!("\"{}\"", key.to_string().replace('\\', "\\\\").replace('"', "\\\""));
    let list: Vec<_> = recipients.iter().map(quoted).collect();
    format!("{RULES_TEXT}recipients = [{}]\n", list.join(", "))
}

/// Returns the steps before the first seal for keys of services: set the trust, and check the connection.
fn first_steps(recipients: &[Trusted]) -> Vec<String> {
    let keys = recipients.iter().filter(|key| **key != Trusted::Local);
    let trust = keys.map(|key| match key {
        Trusted::Key(alias) if alias.alias().is_some() => {
            format!("$(envconf keys describe {} | head -n 1)", quoted_for_shell(&alias.to_string()))
        }
        key => quoted_for_shell(&key.to_string()),
    });
    let trust: Vec<_> = trust.collect();
    if trust.is_empty() {
        return Vec::new();
    }
    let local = if recipients.contains(&Trusted::Local) { ",local" } else { "" };
    vec![format!("export ENVCONF_TRUST={}{local}", trust.join(",")), "envconf doctor --wrap".to_owned()]
}

/// Quotes a text for a shell.
fn quoted_for_shell(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._/:=@+,".contains(&byte);
    if text.bytes().all(is_plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// The local key that the project will have.
enum Key {
    /// The local keys of this variable. The key store is not used then.
    OfVariable(&'static str),
    /// A key of the store that is enabled here already.
    Enabled(KeyRef),
    /// A key of the store that opens pairs of this project.
    Stored { store: KeyStore, key: KeyRef, directory: PathBuf },
    /// A key that is not in the store yet.
    New { store: KeyStore, key: LocalKey, directory: PathBuf, from: From },
}

/// The source of a key that is not in the store yet.
enum From {
    Generated,
    Given,
    /// A file in the project. It is deleted after the store has the key.
    Project(PathBuf),
}

impl Key {
    fn choose(args: &Args, here: &Path, output: &Output) -> Result<Self, Error> {
        let given = match args.local_key.as_deref() {
            Some(file) if file == Path::new("-") => Some(read_stdin()?),
            Some(file) => Some(LocalKey::read(file)?),
            None => None,
        };
        if let (None, Some(variable)) = (&given, given_by_variable()?) {
            return Ok(Self::OfVariable(variable));
        }
        let store = KeyStore::of_user()?.ok_or_else(target::no_home)?;
        let directory = target::project_directory(here)?;
        store.check_directory(&directory)?;
        if let Some(key) = given {
            return Ok(Self::New { store, key, directory, from: From::Given });
        }
        if let Some(key) = store.enabled_for(here)?.into_iter().next() {
            store.read(&key)?;
            return Ok(Self::Enabled(key));
        }
        if let Some(path) = key_in_project(here).filter(|path| may_be_moved(path, &directory, output)) {
            let question = format!(
                "{} is inside the project, where envconf does not use it\nMove it into your key store, and enable it for {}?",
                shown(&path),
                shown(&directory)
            );
            if agreed(&question, args, output)? {
                let key = LocalKey::read(&path)?;
                return Ok(Self::New { store, key, directory, from: From::Project(path) });
            }
        }
        if let Some(stored) = stored_key_of_project(&store)? {
            let key = stored.key_ref().clone();
            let elsewhere: String = stored
                .directories()
                .iter()
                .map(|other| format!("\n  it is enabled for {}", shown(other)))
                .collect();
            let question = format!(
                "{key} of your key store opens pairs of this project{elsewhere}\nEnable it for {} too?",
                shown(&directory)
            );
            if agreed(&question, args, output)? {
                return Ok(Self::Stored { store, key, directory });
            }
        }
        let key = LocalKey::generate()?;
        Ok(Self::New { store, key, directory, from: From::Generated })
    }

    /// Returns the key's reference, if it is known without running a command.
    fn reference(&self) -> Option<KeyRef> {
        match self {
            Self::OfVariable(_) => None,
            Self::Enabled(key) | Self::Stored { key, .. } => Some(key.clone()),
            Self::New { key, .. } => Some(key.key_ref().clone()),
        }
    }

    /// Returns true if this run stores the key.
    fn is_new(&self) -> bool {
        matches!(self, Self::New { .. })
    }

    /// Stores and enables the key. Returns its reference, if it is known without running a command.
    fn put(self, done: &mut Initialized, output: &Output) -> Result<Option<KeyRef>, Error> {
        let reference = match self {
            Self::OfVariable(variable) => {
                done.kept.push(format!("the local key of {variable}"));
                return Ok(None);
            }
            Self::Enabled(key) => {
                done.kept.push(format!("the local key {key}"));
                key
            }
            Self::Stored { store, key, directory } => {
                done.enabled = Some(store.enable(&key, &directory)?);
                key
            }
            Self::New { store, key, directory, from } => {
                tracked::refuse_key(&store.path_of(key.key_ref())?, output)?;
                let path = store.add(&key)?;
                done.enabled = Some(store.enable(key.key_ref(), &directory)?);
                match from {
                    From::Generated => done.new_key = Some(path),
                    From::Given => done.installed = Some(path),
                    From::Project(file) => {
                        fs::remove_file(&file).map_err(|error| Error::write(&file, error))?;
                        done.moved = Some((relative(&file), shown(&path)));
                    }
                }
                key.key_ref().clone()
            }
        };
        Ok(Some(reference))
    }
}

/// Returns true if a key in the project may be the user's own. If git tracks the key, it leaked, or somebody planted
/// it. The same is possible for a key behind a link, and if git does not answer.
fn may_be_moved(path: &Path, project: &Path, output: &Output) -> bool {
    let is_file_of_project =
        path.canonicalize().is_ok_and(|canonical| canonical == path) && path.starts_with(project);
    if !is_file_of_project {
        output.warn(format_args!("{} is not used: it is a link, or outside this project", shown(path)));
        return false;
    }
    match Standing::of(path) {
        Ok(Standing::Tracked) => output.warn(tracked_key(path)),
        Ok(Standing::NotIgnored | Standing::Safe) => return true,
        Err(error) => output
            .warn(format_args!("{} is not used: git cannot say whether it tracks it: {error}", shown(path))),
    }
    false
}

fn agreed(question: &str, args: &Args, output: &Output) -> Result<bool, Error> {
    if args.yes {
        output.say(question);
        return Ok(true);
    }
    output.ask(question).map_err(|error| match error.kind() {
        Kind::NeedsTerminal => {
            Error::new(Kind::NeedsTerminal, question.lines().map(str::trim).collect::<Vec<_>>().join("; "))
                .advise("accept it with --yes")
        }
        _ => error,
    })
}

/// Returns the first key of the store that opens a pair in this directory or below it.
fn stored_key_of_project(store: &KeyStore) -> Result<Option<StoredKey>, Error> {
    let stored = store.keys()?;
    if stored.is_empty() {
        return Ok(None);
    }
    let mut pairs = Vec::new();
    pairs_below::collect(Path::new("."), &mut pairs)?;
    for pair in pairs {
        let Ok(key) = pair.read_key().and_then(|key| KeyFile::parse(&key)) else { continue };
        let listed = |key_ref: &KeyRef| {
            key.sections
                .iter()
                .flat_map(|section| &section.recipients)
                .any(|recipient| recipient.key == *key_ref)
        };
        for candidate in stored.iter().filter(|candidate| listed(candidate.key_ref())) {
            let Ok(local) = store.read(candidate.key_ref()) else { continue };
            let policy = Policy::new(key.name.clone(), key.environment.clone());
            let services = KeyServices::none().local_key(local);
            if envconf::verify(&pair, &policy, &services, Depth::Unwrap).is_ok() {
                return Ok(Some(candidate.clone()));
            }
        }
    }
    Ok(None)
}

fn read_stdin() -> Result<LocalKey, Error> {
    let text = plain_file::read_stdin()?;
    let text = std::str::from_utf8(&text).unwrap_or_default();
    text.parse().map_err(|error: Error| error.at(Path::new("standard input")))
}

/// The files that `init` created, extended and kept.
#[derive(Default)]
struct Initialized {
    made: Vec<String>,
    extended: Vec<String>,
    kept: Vec<String>,
    /// The file of a key that was generated.
    new_key: Option<PathBuf>,
    /// The file of a key that was given.
    installed: Option<PathBuf>,
    /// The directory for which the key was enabled.
    enabled: Option<PathBuf>,
    /// The old and the new path of a moved key.
    moved: Option<(String, String)>,
}

impl Initialized {
    fn make(&mut self, what: &str, made: Result<(), Error>) -> Result<(), Error> {
        self.made.push(what.to_owned());
        made
    }

    fn lines(&mut self, lines: &AppendedLines) -> Result<(), Error> {
        let list = match (lines.is_empty(), lines.exists()) {
            (true, _) => &mut self.kept,
            (false, true) => &mut self.extended,
            (false, false) => &mut self.made,
        };
        list.push(shown(lines.file()));
        lines.append()
    }
}

fn report(
    done: &Initialized,
    key: Option<KeyRef>,
    next: &[String],
    locked: &LockedPairs,
    output: &Output,
) -> Result<(), Error> {
    let key = key.map(|key| key.to_string());
    if output.is_json() {
        let keys = done.new_key.iter().chain(&done.installed).map(|path| shown(path));
        let mut report = json!({
            "made": keys.chain(done.made.iter().cloned()).collect::<Vec<_>>(),
            "extended": done.extended,
            "kept": done.kept,
            "key": key,
            "enabled_for": done.enabled.as_deref().map(shown),
            "next": next,
        });
        if !locked.is_empty() {
            report["sealed_for_others"] = locked.as_json();
        }
        return output.json(&report);
    }
    if let (Some(path), Some(key)) = (&done.new_key, &key) {
        output.say(format_args!("Created the local key {key}\n  {}", shown(path)));
    }
    if let (Some(path), Some(key)) = (&done.installed, &key) {
        output.say(format_args!("Installed the local key {key}\n  {}", shown(path)));
    }
    if let Some((from, to)) = &done.moved {
        output.say(format_args!("Moved the local key {from}\n  {to}"));
    }
    if let (Some(directory), Some(key)) = (&done.enabled, &key) {
        output.say(format_args!("Enabled {key} for\n  {}", shown(directory)));
    }
    done.made.iter().for_each(|what| output.say(format_args!("Created {what}")));
    done.extended.iter().for_each(|what| output.say(format_args!("Added lines to {what}")));
    done.kept.iter().for_each(|what| output.say(format_args!("Kept {what}")));
    if done.new_key.is_some() {
        output.warn("back up the local key: without it nobody can open the pairs that are sealed for it");
    }
    if next.is_empty() {
        return Ok(());
    }
    output.say("Next:");
    next.iter().for_each(|step| output.say(format_args!("  {step}")));
    Ok(())
}

/// Returns the variable that supplies the local keys, if one is set. A key file is not used then.
fn given_by_variable() -> Result<Option<&'static str>, Error> {
    for name in ["ENVCONF_KEY", "ENVCONF_KEY_FILE", "ENVCONF_KEY_CMD"] {
        if setting(name)?.is_some() {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// Rejects a `config` that is not a directory. A link could lead out of the project.
fn refuse_link(directory: &Path) -> Result<(), Error> {
    match directory.symlink_metadata() {
        Ok(metadata) if !metadata.is_dir() => Err(Error::new(Kind::Usage, "it is not a directory")
            .at(directory)
            .advise("move it away: init creates a directory with a sample there")),
        _ => Ok(()),
    }
}

/// Returns `app` in `config/`: the plain file if it exists, else the sealed one.
fn configuration() -> Option<String> {
    let endings = ["toml", "json", "yaml", "yml", "env", "conf", "conf.enc"];
    let mut files = endings.iter().map(|ending| format!("config/app.{ending}"));
    files.find(|file| Path::new(file).symlink_metadata().is_ok())
}

/// Creates a new file: with all of `text`, or not at all.
fn create(path: &Path, text: &str) -> Result<(), Error> {
    let failed = |error| Error::write(path, error);
    let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(|error| {
        // Half a file would block the next try. If it cannot be removed, nothing else helps.
        let _ = fs::remove_file(path);
        failed(error)
    })
}

fn make_directory(path: &Path, mode: u32) -> Result<(), Error> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true); // accepts an existing directory
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, mode);
    #[cfg(not(unix))]
    let _ = mode;
    builder.create(path).map_err(|error| Error::write(path, error))
}

/// Returns a path relative to the working directory, if it is below it.
fn relative(path: &Path) -> String {
    let here = Path::new(".").canonicalize().unwrap_or_else(|_| PathBuf::new());
    shown(path.strip_prefix(here).unwrap_or(path))
}
