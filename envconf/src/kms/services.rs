//! Access to keys: local keys, the key services that the environment variables describe, and a program's own `Kms`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::Kms;
#[cfg(feature = "age")]
use super::age::{Age, AgeIdentities, AgeIdentity};
use super::key_command::KeyCommand;
use super::local::{self, KeyStore, LocalKey, key_in_project};
use crate::base::duration::parse_duration;
use crate::base::provider::{Class, Provider};
use crate::base::{Error, KeyRef, Kind, Variables, escape};

const DEFAULT_DEADLINE: Duration = Duration::from_secs(10);
/// The longest deadline; longer ones are reduced to it. Adding it to the current time cannot overflow.
const LONGEST_DEADLINE: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The local keys that were given, and the key services with their settings.
///
/// envconf contacts a key service only after a file has passed every check that needs no key (format.md §4).
#[derive(Clone)]
pub struct KeyServices {
    given: Vec<LocalKey>,
    /// The variable that supplied the first of these keys, and their number.
    from_variable: Option<(&'static str, usize)>,
    command: Option<Arc<KeyCommand<LocalKey>>>,
    /// The directory of the pair. The keys of the key store that are enabled for it are available.
    found_for: Option<PathBuf>,
    store: Option<KeyStore>,
    /// Services that the program brings; they override services of this build with the same name.
    custom: Vec<Arc<dyn Kms>>,
    built_in: Vec<Arc<dyn Kms>>,
    #[cfg(feature = "age")]
    age: Arc<Age>,
    deadline: Duration,
}

impl KeyServices {
    /// Returns the services that the process's environment variables describe (environment-variables.md), and the keys of the user's
    /// key store that are enabled for `directory`, the directory of the pair.
    ///
    /// # Errors
    /// [`Kind::Usage`] for a setting that is empty or malformed; [`Kind::BadLocalKey`] and
    /// [`Kind::InsecureKeyFile`] for a local key that is given and cannot be used.
    pub fn from_environment(directory: impl Into<PathBuf>) -> Result<Self, Error> {
        Self::from_variables(&Variables::Process, Some(directory.into()))
    }

    /// Returns the services that these variables describe. Reads no variable of the process and no key store.
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

    /// Returns services without local keys, settings and credentials; the caller adds them.
    pub fn none() -> Self {
        Self::from_variables(&Variables::given::<&str, &str>([]), None)
            .expect("no variable is set, so none is malformed")
    }

    pub(crate) fn from_variables(variables: &Variables, found_for: Option<PathBuf>) -> Result<Self, Error> {
        let (given, command) = given_keys(variables)?;
        let variable = match variables.setting("ENVCONF_KEY_FILE")? {
            Some(_) => "ENVCONF_KEY_FILE",
            None => "ENVCONF_KEY",
        };
        let from_variable = (!given.is_empty()).then_some((variable, given.len()));
        let store = if found_for.is_some() { KeyStore::from_variables(variables)? } else { None };
        #[cfg(feature = "age")]
        let identities = AgeIdentities::from_variables(variables, store.clone(), found_for.clone())?;
        Ok(Self {
            given,
            from_variable,
            command,
            found_for,
            store,
            #[cfg(feature = "age")]
            age: Arc::new(Age::new(identities)),
            ..Self::without_local_keys(variables)?
        })
    }

    /// Checks that the local keys and age identities that these variables name can be used.
    ///
    /// # Errors
    /// As for [`KeyServices::from_environment`], for local keys and identities only.
    #[cfg(feature = "tools")]
    pub(crate) fn check_local_keys(variables: &Variables) -> Result<(), Error> {
        #[cfg(feature = "age")]
        AgeIdentities::from_variables(variables, None, None)?;
        given_keys(variables).map(drop)
    }

    /// Returns the key services that these variables describe. Reads no local key.
    ///
    /// # Errors
    /// [`Kind::Usage`] for a setting that is empty or malformed.
    pub(crate) fn without_local_keys(variables: &Variables) -> Result<Self, Error> {
        let deadline = match variables.setting("ENVCONF_KMS_DEADLINE")? {
            Some(text) => parse_duration(&text).ok_or_else(|| {
                Error::new(
                    Kind::Usage,
                    "ENVCONF_KMS_DEADLINE: invalid duration: expected a number with ms, s or m, such as 10s",
                )
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
            #[cfg(feature = "age")]
            age: Arc::new(Age::new(AgeIdentities::default())),
            deadline,
        })
    }

    /// Adds a local key and trusts it.
    #[must_use]
    pub fn local_key(mut self, key: LocalKey) -> Self {
        self.given.push(key);
        self
    }

    /// Adds an age identity and trusts it.
    #[cfg(feature = "age")]
    #[must_use]
    pub fn age_identity(mut self, identity: AgeIdentity) -> Self {
        let mut identities = self.age.identities().clone();
        identities.add(identity);
        self.age = Arc::new(Age::new(identities));
        self
    }

    /// Adds a key service. It overrides a service of this library with the same provider name.
    #[must_use]
    pub fn kms(mut self, kms: Arc<dyn Kms>) -> Self {
        self.custom.push(kms);
        self
    }

    /// Reuses the keys that the command of `earlier` printed, if it is the same command. So the command runs once.
    #[cfg(feature = "watch")]
    #[must_use]
    pub(crate) fn remembering(mut self, earlier: &Self) -> Self {
        if let (Some(command), Some(same)) = (&mut self.command, &earlier.command)
            && command.is_like(same)
        {
            *command = same.clone();
        }
        #[cfg(feature = "age")]
        {
            let mut identities = self.age.identities().clone();
            identities.remember(earlier.age.identities());
            self.age = Arc::new(Age::new(identities));
        }
        self
    }

    /// Sets the deadline for all tries of one unwrap together; the default is 10 s.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    pub(crate) fn time_limit(&self) -> Duration {
        self.deadline.min(LONGEST_DEADLINE)
    }

    /// Returns the key service of this provider, if the program or this build has one.
    pub(crate) fn provider(&self, name: &str) -> Option<Arc<dyn Kms>> {
        let found = self.custom.iter().chain(&self.built_in).find(|kms| kms.provider() == name).cloned();
        #[cfg(feature = "age")]
        let found = found.or_else(|| (name == self.age.provider()).then(|| self.age.clone() as Arc<dyn Kms>));
        found
    }

    /// Returns this library's own age service; `None` if the program brings a service of that name.
    #[cfg(feature = "age")]
    pub(crate) fn age(&self) -> Option<&Age> {
        let is_replaced = self.custom.iter().any(|kms| kms.provider() == self.age.provider());
        (!is_replaced).then_some(&*self.age)
    }

    /// Returns true if a wrapped key of this provider proves that its maker had the right to wrap (format.md §6).
    pub(crate) fn authenticates(&self, provider: &str) -> bool {
        // The class belongs to the provider name. A program's own service under the name of a public-key provider
        // stays in class P, even if it claims more.
        let is_public = Provider::named(provider).is_some_and(|known| known.class == Class::P);
        !is_public && self.provider(provider).is_none_or(|kms| kms.authenticates())
    }

    /// Returns the directory of the pair, for which keys of the key store are enabled.
    pub(crate) fn directory(&self) -> Option<&Path> {
        self.found_for.as_deref()
    }

    /// Returns the user's key store; `None` without a home directory, or if the caller uses no key store.
    #[cfg(feature = "tools")]
    pub(crate) fn store(&self) -> Option<&KeyStore> {
        self.store.as_ref()
    }

    /// Returns the local keys that variables or the program supplied; they are trusted.
    pub(crate) fn given(&self) -> &[LocalKey] {
        &self.given
    }

    /// Returns the local keys that were given, each with the name of its source.
    pub(crate) fn given_by(&self) -> impl Iterator<Item = (&LocalKey, &'static str)> {
        let (variable, count) = self.from_variable.unwrap_or_default();
        let by = move |index| if index < count { variable } else { "the program" };
        self.given.iter().enumerate().map(move |(index, key)| (key, by(index)))
    }

    /// Returns true if `ENVCONF_KEY_CMD` is set.
    pub(crate) fn has_command(&self) -> bool {
        self.command.is_some()
    }

    /// Returns true if local keys were given, or if a command that has not run yet will print them. Then envconf does
    /// not use the key store.
    pub fn are_given(&self) -> bool {
        !self.given.is_empty() || self.command.is_some()
    }

    /// Returns the local keys that were given, or else those of the key store that are enabled for the directory. Runs
    /// `ENVCONF_KEY_CMD`.
    ///
    /// # Errors
    /// [`Kind::BadLocalKey`] and [`Kind::InsecureKeyFile`] for a key that cannot be used.
    pub fn local_keys(&self) -> Result<Vec<LocalKey>, Error> {
        let mut keys = self.given.clone();
        keys.extend(super::worker::block_on(self.of_command())?);
        if keys.is_empty() {
            keys.extend(self.stored(&self.enabled()?)?);
        }
        Ok(keys)
    }

    /// Returns the age identities that were given, or else those of the key store that are enabled for the directory.
    /// Runs `ENVCONF_AGE_KEY_CMD`.
    ///
    /// # Errors
    /// [`Kind::BadLocalKey`] and [`Kind::InsecureKeyFile`] for an identity that cannot be used.
    #[cfg(feature = "age")]
    pub fn age_identities(&self) -> Result<Vec<AgeIdentity>, Error> {
        let sources = self.age.identities();
        let mut identities = super::worker::block_on(sources.all_given())?;
        for key in sources.enabled(false)? {
            identities.extend(sources.stored(&key)?);
        }
        Ok(identities)
    }

    /// Runs `ENVCONF_KEY_CMD` and returns the local keys that it prints; none if the variable is not set.
    pub(crate) async fn of_command(&self) -> Result<Vec<LocalKey>, Error> {
        let Some(command) = self.command.clone() else { return Ok(Vec::new()) };
        command.keys().await
    }

    /// Returns the references of the available local keys and age recipients. Runs no command, and reads no key of the
    /// key store.
    ///
    /// # Errors
    /// As for [`KeyStore::enabled_for`].
    pub fn own_keys(&self) -> Result<Vec<KeyRef>, Error> {
        let mut keys: Vec<KeyRef> = self.given.iter().map(|key| key.key_ref().clone()).collect();
        if !self.are_given() {
            keys.extend(self.enabled()?);
        }
        #[cfg(feature = "age")]
        if let Some(age) = self.age() {
            keys.extend(age.identities().recipients()?);
        }
        Ok(keys)
    }

    /// Reads keys that [`enabled`](Self::enabled) has returned from the key store.
    pub(crate) fn stored<'a>(
        &self,
        keys: impl IntoIterator<Item = &'a KeyRef>,
    ) -> Result<Vec<LocalKey>, Error> {
        let Some(store) = &self.store else { return Ok(Vec::new()) };
        keys.into_iter().map(|key| store.read_enabled(key)).collect()
    }

    /// Returns the references of the keys in the key store that are enabled for the directory.
    pub(crate) fn enabled(&self) -> Result<Vec<KeyRef>, Error> {
        match (&self.store, &self.found_for) {
            (Some(store), Some(directory)) => store.enabled_for(directory),
            _ => Ok(Vec::new()),
        }
    }

    /// Returns the hint for local keys that were not found: how to supply one of `wanted`, or any key if it is empty.
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

/// Returns the key services of this build, each with its settings.
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
        #[cfg(feature = "aws")]
        Arc::new(super::aws::Aws::from_variables(variables)?),
    ])
}

/// Returns the keys of `ENVCONF_KEY` or `ENVCONF_KEY_FILE`, or the command of `ENVCONF_KEY_CMD`.
#[expect(clippy::type_complexity, reason = "the only caller destructures the pair at once")]
fn given_keys(variables: &Variables) -> Result<(Vec<LocalKey>, Option<Arc<KeyCommand<LocalKey>>>), Error> {
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
        let keys = local::parse_several(text).map_err(|error| error.of_setting("ENVCONF_KEY"))?;
        if keys.is_empty() {
            return Err(Error::new(Kind::Usage, "ENVCONF_KEY is set, but contains no key")
                .advise("set ENVCONF_KEY to a local key, or unset it"));
        }
        return Ok((keys, None));
    }
    if let Some(list) = file {
        let keys = std::env::split_paths(&list).map(|path| LocalKey::read(&path)).collect::<Result<_, _>>();
        return keys.map(|keys| (keys, None));
    }
    let Some(line) = command else { return Ok((Vec::new(), None)) };
    let command = KeyCommand::new("ENVCONF_KEY_CMD", &line, local::parse_several)?;
    Ok((Vec::new(), Some(Arc::new(command))))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn services(pairs: &[(&str, &str)]) -> Result<KeyServices, Error> {
        KeyServices::from_variables(&Variables::given(pairs.iter().copied()), None)
    }

    #[test]
    fn the_longest_deadline_does_not_overflow_the_clock() {
        let most = services(&[("ENVCONF_KMS_DEADLINE", "18446744073709551615s")]).unwrap();
        for services in [most, KeyServices::none().deadline(Duration::MAX)] {
            assert!(Instant::now().checked_add(services.time_limit()).is_some());
        }
    }

    #[test]
    fn malformed_settings_are_rejected() {
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
    fn a_command_prints_keys_or_fails() {
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
