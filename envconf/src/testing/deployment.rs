//! A deployment for one test: any environment, plain layers next to the pair, and signatures if the type pins signers.

use std::marker::PhantomData;
use std::path::PathBuf;

use zeroize::Zeroizing;

use super::{MemoryKms, seal_signed, signers};
use crate::base::{Error, Kind};
use crate::format::{ContentType, Name};
use crate::load::{EncryptedConfig, Loader};
use crate::pair::PlainLayer;

/// The files from which a test loads a `T`. [`Deployment::loader`] writes them.
///
/// ```
/// use envconf::testing::Deployment;
/// use envconf::{EncryptedConfig, SecretString};
///
/// #[derive(EncryptedConfig)]
/// #[envconf(name = "app", signers = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")]
/// struct AppConfig {
///     port: u16,
///     workers: u16,
///     api_token: SecretString,
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let dir = tempfile::tempdir()?;
/// let config = Deployment::<AppConfig>::new(dir.path())
///     .environment("prod")
///     .defaults("port = 80\nworkers = 1")
///     .environment_defaults("workers = 8")
///     .content("api_token = 'x'")
///     .loader()?
///     .load()?;
/// assert_eq!((config.port, config.workers), (80, 8));
/// # Ok(())
/// # }
/// ```
pub struct Deployment<T> {
    dir: PathBuf,
    environment: String,
    content_type: ContentType,
    content: Zeroizing<Vec<u8>>,
    defaults: Option<String>,
    environment_defaults: Option<String>,
    kms: MemoryKms,
    loads: PhantomData<fn() -> T>,
}

impl<T: EncryptedConfig> Deployment<T> {
    /// Describes files in `dir` for the environment `default`, with empty content.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            environment: "default".to_owned(),
            content_type: ContentType::Toml,
            content: Zeroizing::default(),
            defaults: None,
            environment_defaults: None,
            kms: MemoryKms::new(),
            loads: PhantomData,
        }
    }

    /// Sets the environment's label.
    #[must_use]
    pub fn environment(mut self, environment: impl Into<String>) -> Self {
        self.environment = environment.into();
        self
    }

    /// Sets the content to seal, in TOML.
    #[must_use]
    pub fn content(self, toml: &str) -> Self {
        self.content_as(ContentType::Toml, toml.as_bytes())
    }

    /// Sets the content to seal, of any type.
    #[must_use]
    pub fn content_as(mut self, content_type: ContentType, content: &[u8]) -> Self {
        (self.content_type, self.content) = (content_type, Zeroizing::new(content.to_vec()));
        self
    }

    /// Sets the text of the plain layer for all environments, `<name>.defaults.toml`.
    #[must_use]
    pub fn defaults(mut self, toml: impl Into<String>) -> Self {
        self.defaults = Some(toml.into());
        self
    }

    /// Sets the text of the plain layer for this environment, `<name>.<environment>.defaults.toml`.
    #[must_use]
    pub fn environment_defaults(mut self, toml: impl Into<String>) -> Self {
        self.environment_defaults = Some(toml.into());
        self
    }

    /// Sets the key service that wraps and unwraps the data key. The default is a new one.
    #[must_use]
    pub fn kms(mut self, kms: &MemoryKms) -> Self {
        self.kms = kms.clone();
        self
    }

    /// Writes the files and returns a loader of them, which does not read the environment variables of the process.
    ///
    /// If `T` pins signers, new signers sign the pair, as many as `T` requires. The loader pins them instead.
    ///
    /// # Errors
    /// The errors of [`Seal::seal`](crate::Seal::seal). [`Kind::Io`] for a plain layer that cannot be written.
    /// [`Kind::Usage`] for [`environment_defaults`](Self::environment_defaults) in the environment `default`, which
    /// has no separate plain layer.
    pub fn loader(self) -> Result<Loader<T>, Error> {
        let environment: Name = self.environment.parse()?;
        let signers = signers::<T>()?;
        let pair = seal_signed::<T>(
            &self.dir,
            environment.clone(),
            self.content_type,
            &self.content,
            &self.kms,
            &signers,
        )?;
        let mut files = PlainLayer::files(&pair, &T::META.name.parse()?, &environment).into_iter();
        for text in [self.defaults, self.environment_defaults] {
            let file = files.next();
            let Some(text) = text else { continue };
            let file = file.ok_or_else(|| {
                Error::new(Kind::Usage, "the environment `default` has no separate plain layer")
                    .advise("use Deployment::defaults, or choose another environment")
            })?;
            std::fs::write(&file, text).map_err(|error| Error::write(&file, error))?;
        }
        let nothing: [(&str, &str); 0] = [];
        let loader = Loader::new().dir(self.dir).environment(environment.as_str()).variables(nothing);
        let loader = loader.kms(self.kms.clone()).trust(self.kms.key().to_string());
        if signers.is_empty() {
            return Ok(loader);
        }
        let public: Vec<_> = signers.iter().map(|signer| signer.public().to_string()).collect();
        Ok(loader.signers(public.join(",")))
    }
}

impl<T> std::fmt::Debug for Deployment<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deployment")
            .field("dir", &self.dir)
            .field("environment", &self.environment)
            .finish_non_exhaustive()
    }
}
