//! The loader: opens a pair, merges the layers, and builds the struct (api.md §3).

use std::ffi::OsString;
use std::marker::PhantomData;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::EncryptedConfig;
use crate::base::{Error, Kind, Origin, Variables, escape, own_variables, stack_wipe};
use crate::format::Name;
use crate::kms::{KeyServices, Kms, LocalKey, worker};
use crate::layers::{self, Environment, Layer, Origins, Provenance, Report, SetValues};
use crate::meta::Meta;
use crate::pair::{Opened, Pair, PlainLayer, Policy, PolicyVariables, TrustSource, Wait, open, policy};

const DEFAULT_DIR: &str = "config";
const DEFAULT_ENVIRONMENT: &str = "default";

/// Loads a `T` with explicit settings. A setting that is not set here comes from an environment variable, else from an
/// attribute.
///
/// ```no_run
/// # #[derive(envconf::EncryptedConfig)] struct AppConfig { #[envconf(default = 1)] a: u8 }
/// use envconf::EncryptedConfig;
///
/// # fn main() -> Result<(), envconf::Error> {
/// let config = AppConfig::loader().dir("deploy/config").environment("prod").load()?;
/// for value in config.origins() {
///     println!("{} comes from {}", value.path(), value.origin());
/// }
/// # Ok(())
/// # }
/// ```
pub struct Loader<T> {
    dir: Option<PathBuf>,
    environment: Option<String>,
    path: Option<PathBuf>,
    trust: Option<String>,
    signers: Option<String>,
    required_signatures: Option<usize>,
    min_generation: Option<u64>,
    local_keys: Vec<Result<LocalKey, Error>>,
    kms: Vec<Arc<dyn Kms>>,
    pub(crate) variables: Variables,
    deadline: Option<Duration>,
    set_values: SetValues,
    set_error: Option<String>,
    #[cfg(feature = "watch")]
    pub(crate) watch_options: super::watch::WatchOptions,
    loads: PhantomData<fn() -> T>,
}

impl<T: EncryptedConfig> Loader<T> {
    pub(crate) fn new() -> Self {
        Self {
            dir: None,
            environment: None,
            path: None,
            trust: None,
            signers: None,
            required_signatures: None,
            min_generation: None,
            local_keys: Vec::new(),
            kms: Vec::new(),
            variables: Variables::Process,
            deadline: None,
            set_values: SetValues::default(),
            set_error: None,
            #[cfg(feature = "watch")]
            watch_options: super::watch::WatchOptions::default(),
            loads: PhantomData,
        }
    }

    /// Sets the directory of the pair; otherwise `ENVCONF_DIR`, the attribute `dir`, or `config`.
    #[must_use]
    pub fn dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.dir = Some(dir.into());
        self
    }

    /// Sets the environment; otherwise `ENVCONF_ENV`, or `default`.
    #[must_use]
    pub fn environment(mut self, environment: impl Into<String>) -> Self {
        self.environment = Some(environment.into());
        self
    }

    /// Sets the pair, by the path of one of its files. The pair must still have the expected name and environment.
    #[must_use]
    pub fn path(mut self, path: impl Into<PathBuf>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// Sets the trusted keys, separated by commas, in the order of tries; replaces `ENVCONF_TRUST` and the attribute.
    #[must_use]
    pub fn trust(mut self, keys: impl Into<String>) -> Self {
        self.trust = Some(keys.into());
        self
    }

    /// Sets the public keys of trusted signers, separated by commas; replaces `ENVCONF_SIGNERS` and the attribute.
    #[must_use]
    pub fn signers(mut self, signers: impl Into<String>) -> Self {
        self.signers = Some(signers.into());
        self
    }

    /// Sets how many of the signers must have signed; otherwise `ENVCONF_REQUIRED_SIGNATURES`, the attribute, or 1.
    #[must_use]
    pub fn required_signatures(mut self, required: usize) -> Self {
        self.required_signatures = Some(required);
        self
    }

    /// Rejects generations below this one. If `ENVCONF_MIN_GENERATION` is set, the larger number counts.
    #[must_use]
    pub fn min_generation(mut self, generation: u64) -> Self {
        self.min_generation = Some(generation);
        self
    }

    /// Adds a local key, or the text of one. The key is trusted.
    #[must_use]
    pub fn local_key<K>(mut self, key: K) -> Self
    where
        K: TryInto<LocalKey>,
        K::Error: Into<Error>,
    {
        self.local_keys.push(key.try_into().map_err(Into::into));
        self
    }

    /// Adds a key service. Its keys are used only if they are trusted.
    #[must_use]
    pub fn kms(mut self, kms: impl Kms) -> Self {
        self.kms.push(Arc::new(kms));
        self
    }

    /// Replaces all environment variables that this library reads, settings and credentials included. The variables of
    /// the process are then ignored.
    #[must_use]
    pub fn variables<N, V>(mut self, variables: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: Into<OsString>,
        V: Into<OsString>,
    {
        self.variables = Variables::given(variables);
        self
    }

    /// Sets the time limit for all unwrap attempts together; otherwise `ENVCONF_KMS_DEADLINE`, the attribute, or 10 s.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Sets the value at `path`, such as `database.url`, `nodes[0].id` or `peers."a.b".host`. This layer overrides all
    /// others; use it for flags of a command line. The origin of the value is "given by the program".
    ///
    /// The text is read like the text of an environment variable: as the type of the field, lists and maps as inline
    /// TOML or JSON. A later text for the same path, or for a path that contains it, replaces an earlier one.
    ///
    /// ```no_run
    /// # #[derive(envconf::EncryptedConfig)] struct AppConfig { #[envconf(default = 1)] port: u16 }
    /// # use envconf::EncryptedConfig;
    /// # fn main() -> Result<(), envconf::Error> {
    /// let config = AppConfig::loader().set("port", "9000").load()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn set(mut self, path: impl AsRef<str>, text: impl Into<String>) -> Self {
        let (path, text) = (path.as_ref(), Zeroizing::new(text.into()));
        if let Err(what) = self.set_values.set(path, text) {
            self.set_error.get_or_insert(format!("Loader::set: {}: {what}", escape(path)));
        }
        self
    }

    /// Sets the values at these paths, like [`set`](Self::set).
    #[must_use]
    pub fn sets<P: AsRef<str>, V: Into<String>>(self, values: impl IntoIterator<Item = (P, V)>) -> Self {
        values.into_iter().fold(self, |loader, (path, text)| loader.set(path, text))
    }

    /// Loads, and blocks this thread until the configuration is loaded. Works in a plain `main`, inside an async
    /// runtime, and within another load.
    ///
    /// # Errors
    /// Every kind of format.md §8; [`Kind::Usage`] for a setting; [`Kind::DoesNotFit`] with every problem of the
    /// configuration.
    pub fn load(self) -> Result<Loaded<T>, Error> {
        worker::block_on(self.load_with_origins(Wait::Blocking))
    }

    /// Loads without blocking the thread. It awaits only a channel, so it works on every async runtime.
    ///
    /// # Errors
    /// The errors of [`Loader::load`].
    pub async fn load_async(self) -> Result<Loaded<T>, Error> {
        stack_wipe::wiped(self.load_with_origins(Wait::OnWorker)).await
    }

    async fn load_with_origins(mut self, wait: Wait) -> Result<Loaded<T>, Error> {
        self.variables = self.variables.listed();
        let plan = self.plan()?;
        let texts = plan.read(wait).await?;
        self.build_with_origins(&plan, &texts)
    }

    pub(crate) fn build_with_origins(&self, plan: &LoadPlan, texts: &Texts) -> Result<Loaded<T>, Error> {
        let (value, origins) = self.build(plan, texts, Report::tracing())?;
        Ok(Loaded { value, origins })
    }

    /// Returns the struct without the origins of its values.
    pub(crate) async fn load_value(mut self, wait: Wait) -> Result<T, Error> {
        self.variables = self.variables.listed();
        let plan = self.plan()?;
        let texts = plan.read(wait).await?;
        self.build(&plan, &texts, Report::default()).map(|(value, _)| value)
    }

    fn build(&self, plan: &LoadPlan, texts: &Texts, report: Report) -> Result<(T, Origins), Error> {
        let meta = const { &T::META };
        let layers = texts.layers(&plan.pair)?;
        let environment = Environment::new(&self.variables, meta.env_prefix).below_set(&self.set_values);
        layers::build(&plan.policy.title(), &layers, &environment, report, meta, T::build_at)
    }

    /// Reads and checks all settings, before any file of the pair is opened.
    pub(crate) fn plan(&self) -> Result<LoadPlan, Error> {
        if let Some(message) = &self.set_error {
            return Err(Error::new(Kind::Usage, message));
        }
        let meta = const { &T::META };
        let variables = &self.variables;
        own_variables::refuse_misspelled(variables, |name| layers::names::reads_variable(meta, name))?;
        let name: Name = meta.name.parse()?;
        let environment = match (&self.environment, variables.setting("ENVCONF_ENV")?) {
            (Some(environment), _) => environment.parse()?,
            (None, Some(environment)) => environment.parse().map_err(|error: Error| {
                Error::new(Kind::Usage, format!("ENVCONF_ENV: {}", error.message()))
            })?,
            (None, None) => DEFAULT_ENVIRONMENT.parse::<Name>()?,
        };
        let dir = variables.setting("ENVCONF_DIR")?.map(PathBuf::from);
        let dir = self.dir.clone().or(dir).unwrap_or_else(|| PathBuf::from(meta.dir.unwrap_or(DEFAULT_DIR)));
        let pair = match &self.path {
            Some(path) => Pair::of(path)?,
            None => Pair::new(dir, &name, &environment),
        };
        let policy = self.policy(meta, name, environment)?;
        let services = self.services(meta, &pair)?;
        Ok(LoadPlan { pair, policy, services })
    }

    /// Returns the policy: a method overrides the variable, and the variable overrides the attribute (api.md §2).
    fn policy(&self, meta: &Meta, name: Name, environment: Name) -> Result<Policy, Error> {
        let set = PolicyVariables::read(&self.variables)?;
        let (trust, trusted_by) = match (&self.trust, set.trust) {
            (Some(list), _) => (Some(policy::parse_trust(list, "Loader::trust")?), TrustSource::Loader),
            (None, Some(list)) => (Some(list), TrustSource::Variable),
            (None, None) => attribute_trust(meta, environment.as_str())?,
        };
        let signers = match (&self.signers, set.signers) {
            (Some(list), _) => policy::parse_signers(list, "Loader::signers")?,
            (None, Some(list)) => list,
            (None, None) if meta.signers.is_empty() => Vec::new(),
            (None, None) => policy::parse_signers(&meta.signers.join(","), "the attribute signers")?,
        };
        let required = self
            .required_signatures
            .or(set.required_signatures)
            .or(meta.required_signatures.map(usize::from));
        let mut policy = Policy::new(name, environment);
        (policy.trust, policy.trusted_by) = (trust, trusted_by);
        if required.is_some() || !signers.is_empty() {
            policy = policy.signers(signers, required.unwrap_or(1))?;
        }
        let generations = [self.min_generation, set.min_generation];
        Ok(generations.into_iter().flatten().fold(policy, Policy::min_generation))
    }

    /// Returns the key services, with the deadline of the method, else of the variable, else of the attribute.
    fn services(&self, meta: &Meta, pair: &Pair) -> Result<KeyServices, Error> {
        let mut services = KeyServices::from_variables(&self.variables, Some(pair.directory().to_owned()))?;
        for key in &self.local_keys {
            let key = key.as_ref().map_err(|error| {
                Error::new(error.kind(), format!("Loader::local_key: {}", error.message()))
            })?;
            services = services.local_key(key.clone());
        }
        services = self.kms.iter().cloned().fold(services, KeyServices::kms);
        let by_variable = self.variables.setting("ENVCONF_KMS_DEADLINE")?.is_some();
        Ok(match self.deadline.or(meta.deadline.filter(|_| !by_variable)) {
            Some(deadline) => services.deadline(deadline),
            None => services,
        })
    }
}

/// Returns the keys that the attribute trusts in this environment. If the attribute lists only other environments, no
/// key is trusted here: the author did not mean to trust every local key in an environment that is missing.
fn attribute_trust(
    meta: &Meta,
    environment: &str,
) -> Result<(Option<Vec<policy::Trusted>>, TrustSource), Error> {
    if meta.trust.is_empty() {
        return Ok((None, TrustSource::Nothing));
    }
    let of = |wanted: Option<&str>| meta.trust.iter().find(|trust| trust.environment == wanted);
    Ok(match of(Some(environment)).or_else(|| of(None)) {
        Some(trust) => {
            let for_all = trust.environment.is_none();
            let keys = policy::parse_trust(trust.keys, "the attribute trust")?;
            (Some(keys), TrustSource::Attribute { for_all })
        }
        None => {
            let others = meta.trust.iter().filter_map(|trust| trust.environment).collect();
            (Some(Vec::new()), TrustSource::OtherEnvironments(others))
        }
    })
}

impl<T> std::fmt::Debug for Loader<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loader")
            .field("dir", &self.dir)
            .field("environment", &self.environment)
            .field("path", &self.path)
            .field("trust", &self.trust)
            .finish_non_exhaustive()
    }
}

/// The plan of one load: the pair, the trusted keys and the key services.
pub(crate) struct LoadPlan {
    pub(crate) pair: Pair,
    pub(crate) policy: Policy,
    pub(crate) services: KeyServices,
}

impl LoadPlan {
    /// Reads all texts. Reads the plain layers first, so that an unreadable file is reported before any request to a
    /// key service.
    async fn read(&self, wait: Wait) -> Result<Texts, Error> {
        let plain = PlainLayer::beside(&self.pair, &self.policy.name, &self.policy.environment)?;
        let opened = open::open_pair(&self.pair, &self.policy, &self.services, wait).await?;
        Ok(Texts { plain, opened })
    }

    /// Returns the paths of the pair's plain layers, existing or not.
    #[cfg(feature = "watch")]
    pub(crate) fn plain_files(&self) -> Vec<PathBuf> {
        PlainLayer::files(&self.pair, &self.policy.name, &self.policy.environment)
    }
}

/// All texts of one configuration.
pub(crate) struct Texts {
    pub(crate) plain: Vec<PlainLayer>,
    pub(crate) opened: Opened,
}

impl Texts {
    /// Returns all layers, the weakest first: the plain layers, then the pair.
    fn layers(&self, pair: &Pair) -> Result<Vec<Layer<'_>>, Error> {
        let sealed = self.opened.layer(pair)?;
        Ok(self.plain.iter().map(PlainLayer::layer).chain([sealed]).collect())
    }
}

/// A loaded `T`, and the origin of each of its values. Derefs to `T`.
///
/// `Debug` shows the origins only, because the values may be secret.
pub struct Loaded<T> {
    value: T,
    origins: Origins,
}

impl<T> Loaded<T> {
    /// Returns the struct without the origins.
    pub fn into_inner(self) -> T {
        self.value
    }

    /// Returns the origin of the value at `path`, such as `database.url`; `None` if no value has this path.
    pub fn origin(&self, path: &str) -> Option<&Origin> {
        self.origins().iter().find(|value| value.path() == path).map(Provenance::origin)
    }

    /// Returns path, origin and secrecy of every value, in the order of the struct, without the values.
    pub fn origins(&self) -> &[Provenance] {
        self.origins.list()
    }
}

impl<T> Deref for Loaded<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> std::fmt::Debug for Loaded<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loaded").field("origins", &self.origins).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Loader};
    use crate::EncryptedConfig;

    #[derive(EncryptedConfig)]
    #[envconf(deadline = "250ms")]
    struct Hurried {}

    #[derive(EncryptedConfig)]
    struct Patient {}

    fn deadline<T: EncryptedConfig>(loader: Loader<T>, variable: Option<&str>) -> u128 {
        let variables = variable.map(|value| ("ENVCONF_KMS_DEADLINE", value));
        loader.variables(variables).plan().unwrap().services.time_limit().as_millis()
    }

    #[test]
    fn method_overrides_variable_and_variable_overrides_attribute_for_the_deadline() {
        assert_eq!(deadline(Patient::loader(), None), 10_000);
        assert_eq!(deadline(Hurried::loader(), None), 250);
        assert_eq!(deadline(Hurried::loader(), Some("3s")), 3_000);
        assert_eq!(deadline(Hurried::loader().deadline(Duration::from_secs(4)), Some("3s")), 4_000);
    }
}
