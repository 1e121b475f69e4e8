//! What is at hand to reach keys: local keys, the deployment's settings for key services, a program's own `Kms`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use futures_channel::oneshot;
use zeroize::Zeroizing;

use super::Kms;
use super::local::{self, KeyStore, LocalKey, key_in_project};
use crate::base::duration::parse_duration;
use crate::base::provider::{Class, Provider};
use crate::base::{Error, KeyRef, Kind, Variables, escape, stack_wipe};

const DEFAULT_DEADLINE: Duration = Duration::from_secs(10);
/// Longer deadlines are cut to this: as good as none, and no clock overflows by adding it.
const LONGEST_DEADLINE: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// Limits of `ENVCONF_KEY_CMD` (api.md §3).
const COMMAND_LIMIT: Duration = Duration::from_secs(10);
const COMMAND_OUTPUT: u64 = 4096;

/// How to reach keys: the local ones that were given, and the settings of the key services.
///
/// Nothing is contacted before a file has passed every check that needs no key (format.md §4).
#[derive(Clone)]
pub struct KeyServices {
    given: Vec<LocalKey>,
    /// The variable that gave the first of these, and how many.
    from_variable: Option<(&'static str, usize)>,
    command: Option<Arc<KeyCommand>>,
    /// The user's key store, and the directory whose enabled keys are found in it.
    found_for: Option<PathBuf>,
    store: Option<KeyStore>,
    /// Services that the program brings: they come before those of this build.
    custom: Vec<Arc<dyn Kms>>,
    built_in: Vec<Arc<dyn Kms>>,
    deadline: Duration,
}

/// `ENVCONF_KEY_CMD`, and the keys that it printed: it may ask a person, so it is run once.
struct KeyCommand {
    words: Vec<String>,
    keys: OnceLock<Vec<LocalKey>>,
}

impl KeyServices {
    /// The services that the process's environment variables describe (api.md §3), and the keys of the user's key store
    /// that are enabled for `directory`: that of the pair.
    ///
    /// # Errors
    /// [`Kind::Usage`] for a setting that is empty or malformed; [`Kind::BadLocalKey`] and
    /// [`Kind::InsecureKeyFile`] for a local key that is given and cannot be used.
    pub fn from_environment(directory: impl Into<PathBuf>) -> Result<Self, Error> {
        Self::from_variables(&Variables::Process, Some(directory.into()))
    }

    /// The services that these variables describe, and nothing of the process; the key store is not used.
    ///
    /// # Errors
    /// As for [`KeyServices::from_environment`].
    pub fn from_given<N, V>(variables: impl IntoIterator<Item = (N, V)>) -> Result<Self, Error>
    where
        N: Into<OsString>,
        V: Into<OsString>,
    {
        Self::from_variables(&Variables::given(variables), None)
    }

    /// No local key, no setting, no credential: only what is added to it.
    pub fn none() -> Self {
        Self::from_variables(&Variables::given::<&str, &str>([]), None)
            .expect("without variables none is malformed")
    }

    pub(crate) fn from_variables(variables: &Variables, found_for: Option<PathBuf>) -> Result<Self, Error> {
        let (given, command) = given_keys(variables)?;
        let variable = match variables.setting("ENVCONF_KEY_FILE")? {
            Some(_) => "ENVCONF_KEY_FILE",
            None => "ENVCONF_KEY",
        };
        let from_variable = (!given.is_empty()).then_some((variable, given.len()));
        let store = if found_for.is_some() { KeyStore::from_variables(variables)? } else { None };
        Ok(Self { given, from_variable, command, found_for, store, ..Self::without_local_keys(variables)? })
    }

    /// Whether the local keys that these variables give can be used.
    ///
    /// # Errors
    /// As for [`KeyServices::from_environment`], as far as local keys go.
    #[cfg(feature = "tools")]
    pub(crate) fn check_local_keys(variables: &Variables) -> Result<(), Error> {
        given_keys(variables).map(drop)
    }

    /// The key services that these variables describe; local keys are not looked at.
    ///
    /// # Errors
    /// [`Kind::Usage`] for a setting that is empty or malformed.
    pub(crate) fn without_local_keys(variables: &Variables) -> Result<Self, Error> {
        let deadline = match variables.setting("ENVCONF_KMS_DEADLINE")? {
            Some(text) => parse_duration(&text).ok_or_else(|| {
                Error::new(Kind::Usage, "ENVCONF_KMS_DEADLINE is no duration")
                    .advise("write a whole number above 0 with ms, s or m, such as 10s")
            })?,
            None => DEFAULT_DEADLINE,
        };
        Ok(Self {
            given: Vec::new(),
            from_variable: None,
            command: None,
            found_for: None,
            store: None,
            custom: Vec::new(),
            built_in: built_in(variables)?,
            deadline,
        })
    }

    /// Adds a local key, trusted as given.
    #[must_use]
    pub fn local_key(mut self, key: LocalKey) -> Self {
        self.given.push(key);
        self
    }

    /// Adds a key service, which takes precedence over one of the library's of the same provider name.
    #[must_use]
    pub fn kms(mut self, kms: Arc<dyn Kms>) -> Self {
        self.custom.push(kms);
        self
    }

    /// What the command of `earlier` printed counts here too, if it is the same command: it is run once.
    #[cfg(feature = "watch")]
    #[must_use]
    pub(crate) fn remembering(mut self, earlier: &Self) -> Self {
        if let (Some(command), Some(same)) = (&mut self.command, &earlier.command)
            && command.words == same.words
        {
            *command = same.clone();
        }
        self
    }

    /// For all tries of one unwrap together; the default is 10 s.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    pub(crate) fn time_limit(&self) -> Duration {
        self.deadline.min(LONGEST_DEADLINE)
    }

    /// The key service of this provider, if this build has one.
    pub(crate) fn provider(&self, name: &str) -> Option<Arc<dyn Kms>> {
        self.custom.iter().chain(&self.built_in).find(|kms| kms.provider() == name).cloned()
    }

    /// Whether a wrapped key of this provider proves the right to wrap (format.md §6).
    pub(crate) fn authenticates(&self, provider: &str) -> bool {
        // The class belongs to the name. A program's own service of a public-key provider cannot raise it.
        let is_public = Provider::named(provider).is_some_and(|known| known.class == Class::P);
        !is_public && self.provider(provider).is_none_or(|kms| kms.authenticates())
    }

    /// The directory whose enabled keys are found in the key store.
    pub(crate) fn directory(&self) -> Option<&Path> {
        self.found_for.as_deref()
    }

    /// The user's key store; `None` without a home directory, or where none is to be used.
    #[cfg(feature = "tools")]
    pub(crate) fn store(&self) -> Option<&KeyStore> {
        self.store.as_ref()
    }

    /// The local keys that were given and are trusted as such.
    pub(crate) fn given(&self) -> &[LocalKey] {
        &self.given
    }

    /// The local keys that were given, and what gave each.
    pub(crate) fn given_by(&self) -> impl Iterator<Item = (&LocalKey, &'static str)> {
        let (variable, count) = self.from_variable.unwrap_or_default();
        let by = move |index| if index < count { variable } else { "the program" };
        self.given.iter().enumerate().map(move |(index, key)| (key, by(index)))
    }

    /// Returns true if `ENVCONF_KEY_CMD` prints local keys.
    pub(crate) fn has_command(&self) -> bool {
        self.command.is_some()
    }

    /// Returns true if local keys were given, also by a command that has not run yet. Then the key store is not used.
    pub fn are_given(&self) -> bool {
        !self.given.is_empty() || self.command.is_some()
    }

    /// The local keys at hand: those that were given, or else those of the key store that are enabled for the
    /// directory. Runs `ENVCONF_KEY_CMD`.
    ///
    /// # Errors
    /// [`Kind::BadLocalKey`] and [`Kind::InsecureKeyFile`] for one that cannot be used.
    pub fn local_keys(&self) -> Result<Vec<LocalKey>, Error> {
        let mut keys = self.given.clone();
        keys.extend(super::worker::block_on(self.of_command())?);
        if keys.is_empty() {
            keys.extend(self.found(|_| true)?);
        }
        Ok(keys)
    }

    /// The local keys that `ENVCONF_KEY_CMD` prints; none if it is not set.
    pub(crate) async fn of_command(&self) -> Result<Vec<LocalKey>, Error> {
        let Some(command) = self.command.clone() else { return Ok(Vec::new()) };
        if let Some(keys) = command.keys.get() {
            return Ok(keys.clone());
        }
        let (done, result) = oneshot::channel();
        // On a thread of its own: an async caller must not be held for as long as the command takes.
        let runs = command.clone();
        let spawned = std::thread::Builder::new().name("envconf-key-cmd".into()).spawn(move || {
            let keys = run_command(&runs.words);
            // The keys are kept there, and no longer than by the caller.
            drop(runs);
            stack_wipe::wipe_deep();
            // The caller may have gone; then nobody wants the result.
            let _ = done.send(keys);
        });
        let died = || Error::new(Kind::BadLocalKey, "ENVCONF_KEY_CMD could not be run");
        spawned.map_err(|error| died().caused_by(error))?;
        let keys = result.await.map_err(|_| died())??;
        Ok(command.keys.get_or_init(|| keys).clone())
    }

    /// The references of the local keys at hand. Runs no command, and reads no key of the key store.
    ///
    /// # Errors
    /// As for [`KeyStore::enabled_for`].
    pub fn own_keys(&self) -> Result<Vec<KeyRef>, Error> {
        let mut keys: Vec<KeyRef> = self.given.iter().map(|key| key.key_ref().clone()).collect();
        if !self.are_given() {
            keys.extend(self.enabled()?);
        }
        Ok(keys)
    }

    /// The keys of the key store that are enabled for the directory and `wanted`.
    pub(crate) fn found(&self, wanted: impl Fn(&KeyRef) -> bool) -> Result<Vec<LocalKey>, Error> {
        let Some(store) = &self.store else { return Ok(Vec::new()) };
        self.enabled()?.iter().filter(|key| wanted(key)).map(|key| store.read(key)).collect()
    }

    /// The references of the keys of the key store that are enabled for the directory.
    pub(crate) fn enabled(&self) -> Result<Vec<KeyRef>, Error> {
        match (&self.store, &self.found_for) {
            (Some(store), Some(directory)) => store.enabled_for(directory),
            _ => Ok(Vec::new()),
        }
    }

    /// Says how to get at one of `wanted`, local keys that were not found; or at any, where none is named.
    pub fn missing_key_advice<'a>(&self, wanted: impl IntoIterator<Item = &'a KeyRef>) -> String {
        if let (Some(store), Some(directory)) = (&self.store, &self.found_for) {
            let wanted: Vec<&KeyRef> = wanted.into_iter().collect();
            let stored: Vec<KeyRef> =
                store.keys().unwrap_or_default().iter().map(|key| key.key_ref().clone()).collect();
            let found = stored.iter().find(|key| wanted.is_empty() || wanted.contains(key));
            if let Some(key) = found {
                let directory = escape(&directory.to_string_lossy()).to_string();
                return format!(
                    "the key {key} is in your key store, but not enabled for {directory}: if it belongs to this project, run `envconf key enable {}`",
                    key.key_id()
                );
            }
        }
        let in_project = self.found_for.as_deref().and_then(key_in_project);
        if let Some(path) = in_project {
            return format!(
                "{} is not used, because everybody who can write the project can put a key there: if it is yours, move it into your key store with `envconf init`, or set ENVCONF_KEY_FILE",
                escape(&path.to_string_lossy())
            );
        }
        let advice = "install the key with `envconf init --local-key FILE`, or set ENVCONF_KEY, ENVCONF_KEY_FILE or ENVCONF_KEY_CMD";
        match (&self.store, &self.found_for) {
            (None, Some(_)) => {
                format!("{advice}; no key store was searched, because HOME and ENVCONF_HOME are not set")
            }
            _ => advice.to_owned(),
        }
    }
}

impl std::fmt::Debug for KeyServices {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyServices")
            .field("given", &self.given)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

/// The key services of this build, each with its settings.
///
/// # Errors
/// [`Kind::Usage`] for a setting that is empty or malformed.
#[cfg_attr(
    not(feature = "__http"),
    allow(clippy::unnecessary_wraps, unused_variables, reason = "a build without any service")
)]
fn built_in(variables: &Variables) -> Result<Vec<Arc<dyn Kms>>, Error> {
    Ok(vec![
        #[cfg(feature = "tencent")]
        Arc::new(super::tencent::Tencent::from_variables(variables)?),
        #[cfg(feature = "vault")]
        Arc::new(super::vault::Vault::from_variables(variables)?),
    ])
}

/// Keys from `ENVCONF_KEY` or `ENVCONF_KEY_FILE`, or the words of `ENVCONF_KEY_CMD`.
fn given_keys(variables: &Variables) -> Result<(Vec<LocalKey>, Option<Arc<KeyCommand>>), Error> {
    let key = variables.setting("ENVCONF_KEY")?.map(Zeroizing::new);
    let file = variables.setting("ENVCONF_KEY_FILE")?;
    let command = variables.setting("ENVCONF_KEY_CMD")?;
    if [key.is_some(), file.is_some(), command.is_some()].into_iter().filter(|is_set| *is_set).count() > 1 {
        return Err(Error::new(
            Kind::Usage,
            "more than one of ENVCONF_KEY, ENVCONF_KEY_FILE and ENVCONF_KEY_CMD is set",
        )
        .advise("unset all but one"));
    }
    if let Some(text) = key {
        let keys = local::parse_several(text).map_err(|error| named("ENVCONF_KEY", &error))?;
        if keys.is_empty() {
            return Err(Error::new(Kind::Usage, "ENVCONF_KEY is set but holds no key")
                .advise("give ENVCONF_KEY a value, or unset it"));
        }
        return Ok((keys, None));
    }
    if let Some(list) = file {
        let keys = std::env::split_paths(&list).map(|path| LocalKey::read(&path)).collect::<Result<_, _>>();
        return keys.map(|keys| (keys, None));
    }
    let Some(line) = command else { return Ok((Vec::new(), None)) };
    let words = split_words(&line).filter(|words| !words.is_empty());
    let words =
        words.ok_or_else(|| Error::new(Kind::Usage, "ENVCONF_KEY_CMD has a quote that is not closed"))?;
    Ok((Vec::new(), Some(Arc::new(KeyCommand { words, keys: OnceLock::new() }))))
}

fn named(variable: &str, error: &Error) -> Error {
    let named = Error::new(error.kind(), format!("{variable}: {}", error.message()));
    match error.advice() {
        Some(advice) => named.advise(advice),
        None => named,
    }
}

/// Splits at blanks; quotes of either kind keep blanks in a word, and nothing is expanded. `None` if one is open.
///
/// shlex does not fit: it takes a backslash for an escape, which breaks paths of Windows, and drops what follows a `#`.
fn split_words(line: &str) -> Option<Vec<String>> {
    let mut words: Vec<String> = Vec::new();
    let mut quote = None;
    let mut in_word = false;
    for c in line.chars() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('\'' | '"', None) => {
                quote = Some(c);
                if !std::mem::replace(&mut in_word, true) {
                    words.push(String::new());
                }
            }
            (c, None) if c.is_whitespace() => in_word = false,
            (c, _) => {
                if !std::mem::replace(&mut in_word, true) {
                    words.push(String::new());
                }
                words.last_mut()?.push(c);
            }
        }
    }
    quote.is_none().then_some(words)
}

/// Runs the command that prints local keys: no shell, no stdin, 10 s, 4 KiB.
fn run_command(words: &[String]) -> Result<Vec<LocalKey>, Error> {
    let failed = |what: &str| {
        Error::new(Kind::BadLocalKey, format!("ENVCONF_KEY_CMD ({}) {what}", escape(&words[0])))
            .advise("run the command by hand; it must print local keys and end with status 0")
    };
    let mut child = Command::new(&words[0])
        .args(&words[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .map_err(|error| failed("could not be started").caused_by(error))?;
    let output = child.stdout.take().map(read_in_background);
    let started = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Some(status),
            Ok(None) if started.elapsed() < COMMAND_LIMIT => std::thread::sleep(Duration::from_millis(5)),
            _ => break None,
        }
    };
    let Some(status) = status else {
        // It may have ended in this moment, which is all that kill and wait could complain about.
        let _ = child.kill();
        let _ = child.wait();
        return Err(failed("did not end within 10 s"));
    };
    if !status.success() {
        return Err(failed("ended with an error"));
    }
    let left = COMMAND_LIMIT.saturating_sub(started.elapsed());
    let text = output
        .and_then(|output| output.recv_timeout(left).ok())
        .ok_or_else(|| failed("printed no text within its limits"))?;
    let keys = local::parse_several(text).map_err(|error| named("ENVCONF_KEY_CMD", &error))?;
    if keys.is_empty() { Err(failed("printed no key")) } else { Ok(keys) }
}

/// Reads at most [`COMMAND_OUTPUT`] bytes, on a thread: a grandchild may keep the pipe open.
fn read_in_background(output: std::process::ChildStdout) -> std::sync::mpsc::Receiver<Zeroizing<String>> {
    use std::io::Read as _;
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        // Room for one byte too many, and for the byte with which the reader asks whether there is more.
        let mut text = Zeroizing::new(String::with_capacity(COMMAND_OUTPUT as usize + 2));
        let read = output.take(COMMAND_OUTPUT + 1).read_to_string(&mut text);
        if read.is_ok() && text.len() as u64 <= COMMAND_OUTPUT {
            // Nobody may be waiting any more.
            let _ = sender.send(text);
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    fn services(pairs: &[(&str, &str)]) -> Result<KeyServices, Error> {
        KeyServices::from_variables(&Variables::given(pairs.iter().copied()), None)
    }

    #[test]
    fn words_are_split_without_a_shell() {
        let words = |line: &str| split_words(line).map(|words| words.join("|"));
        assert_eq!(words("  pass show  'my key' ").as_deref(), Some("pass|show|my key"));
        assert_eq!(words(r#"a"b c"d '' $HOME *"#).as_deref(), Some("ab cd||$HOME|*"));
        assert_eq!(words(r"C:\tools\pass.exe show #1").as_deref(), Some(r"C:\tools\pass.exe|show|#1"));
        assert_eq!(words("a 'b"), None);
    }

    #[test]
    fn the_longest_deadlines_end_at_a_moment_that_exists() {
        let most = services(&[("ENVCONF_KMS_DEADLINE", "18446744073709551615s")]).unwrap();
        for services in [most, KeyServices::none().deadline(Duration::MAX)] {
            assert!(Instant::now().checked_add(services.time_limit()).is_some());
        }
    }

    #[test]
    fn settings_are_checked_before_anything_is_tried() {
        let key = LocalKey::generate().unwrap().expose_text();
        assert_eq!(services(&[("ENVCONF_KEY", &format!("{}, {}\n", *key, *key))]).unwrap().given().len(), 2);
        for (pairs, kind) in [
            (&[("ENVCONF_KEY", "")][..], Kind::Usage),
            (&[("ENVCONF_KEY", " , ,")], Kind::Usage),
            (&[("ENVCONF_KEY", key.as_str()), ("ENVCONF_KEY_CMD", "x")], Kind::Usage),
            (&[("ENVCONF_KEY", "nonsense")], Kind::BadLocalKey),
            (&[("ENVCONF_KEY_FILE", "/does/not/exist")], Kind::BadLocalKey),
            (&[("ENVCONF_KMS_DEADLINE", "soon")], Kind::Usage),
        ] {
            let error = services(pairs).unwrap_err();
            assert_eq!(error.kind(), kind);
            assert!(!error.to_string().contains("nonsense") && !error.to_string().contains("soon"));
        }
    }

    #[test]
    fn a_command_gives_keys_or_a_reason() {
        let key = LocalKey::generate().unwrap();
        let run = |line: &str| {
            let services = services(&[("ENVCONF_KEY_CMD", line)]).unwrap();
            super::super::worker::block_on(services.of_command())
        };
        let keys = run(&format!("printf {}", *key.expose_text())).unwrap();
        assert_eq!(keys[0].key_ref(), key.key_ref());
        for bad in ["false", "true", "printf nonsense", "/does/not/exist", "head -c 5000 /dev/zero"] {
            assert_eq!(run(bad).unwrap_err().kind(), Kind::BadLocalKey, "{bad}");
        }
    }
}
