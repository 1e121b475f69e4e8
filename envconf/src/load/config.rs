//! The trait that the derive implements.

use super::{Loader, global, private};
use crate::base::{Error, Kind, stack_wipe};
use crate::kms::worker;
use crate::layers::{Fields, Position};
use crate::meta::Meta;
use crate::pair::Wait;
use crate::schema::{self, Format, template};

/// A struct or enum that is loaded from an encrypted configuration.
///
/// Implement it with `#[derive(EncryptedConfig)]`. The page of
/// [the derive](derive@crate::EncryptedConfig) has every attribute.
///
/// ```
/// use envconf::{EncryptedConfig, SecretString};
///
/// #[derive(EncryptedConfig)]
/// #[envconf(name = "app", env_prefix = "APP", trust = "local")]
/// struct AppConfig {
///     #[envconf(default = "127.0.0.1:8080")]
///     listen: std::net::SocketAddr,
///     api_token: SecretString,
/// }
///
/// // A test of one line finds mistakes in the struct before the program starts.
/// AppConfig::check().unwrap();
///
/// // The struct as constants.
/// let leaves = AppConfig::META.leaves();
/// assert_eq!(leaves[1].path(), "api_token");
/// assert_eq!(leaves[1].variable(AppConfig::META.env_prefix).as_deref(), Some("APP__API_TOKEN"));
/// ```
///
/// Do not implement it by hand: the hidden methods may change in any release.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not derive `EncryptedConfig`",
    label = "not a configuration type",
    note = "the type of a `nested` field must derive `EncryptedConfig`; without `nested`, serde's `Deserialize` is enough"
)]
pub trait EncryptedConfig: Sized {
    /// The struct as constants: names, docs, variables, and which fields are secret.
    const META: Meta;

    /// Loads the configuration: reads the pair, unwraps its data key with a trusted key, decrypts, and applies
    /// environment variables. Blocks this thread. You can call it anywhere, also inside async code.
    ///
    /// # Errors
    /// The errors of [`Loader::load`].
    fn load() -> Result<Self, Error> {
        worker::block_on(Self::loader().load_value(Wait::Blocking))
    }

    /// Like [`load`](Self::load), for async code on any runtime.
    ///
    /// # Errors
    /// The errors of [`Loader::load`].
    fn load_async() -> impl Future<Output = Result<Self, Error>> + Send {
        stack_wipe::wiped(Self::loader().load_value(Wait::OnWorker))
    }

    /// Returns the instance of the process. The first call loads it like [`load`](Self::load), while other callers
    /// wait. After a failed load, the next call tries again.
    ///
    /// For programs that cannot pass a reference around. A `validate` function must not call `global` of the same
    /// type: that call would never return.
    ///
    /// # Errors
    /// The errors of [`Loader::load`].
    fn global() -> Result<&'static Self, Error>
    where
        Self: Send + Sync + 'static,
    {
        global::get(Self::load)
    }

    /// Loads the instance of the process with `loader`, before any code calls [`global`](Self::global). Use it for a
    /// separate directory, for your own key service, and in tests of code that calls `global`.
    ///
    /// ```
    /// # use envconf::{EncryptedConfig, testing};
    /// # #[derive(EncryptedConfig)] struct AppConfig { port: u16 }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// AppConfig::init_global(testing::loader(dir.path(), "port = 80")?)?;
    /// assert_eq!(AppConfig::global()?.port, 80);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The errors of [`Loader::load`]; then there is no instance, and you can try again. [`Kind::Usage`] if the
    /// instance is loaded already; it stays unchanged.
    fn init_global(loader: Loader<Self>) -> Result<&'static Self, Error>
    where
        Self: Send + Sync + 'static,
    {
        let instance = global::init(|| worker::block_on(loader.load_value(Wait::Blocking)))?;
        instance.ok_or_else(|| {
            let name = Self::META.type_name;
            Error::new(Kind::Usage, format!("the instance of {name} is loaded already"))
                .advise("call init_global once, before anything calls global")
        })
    }

    /// Loads the configuration like [`load`](Self::load), and follows its files from then on. The handle always
    /// returns the newest valid version. See [`Watch`](crate::Watch).
    ///
    /// # Errors
    /// The errors of [`Loader::load`]; [`Kind::Unexpected`](crate::Kind::Unexpected) if no thread can be started.
    #[cfg(feature = "watch")]
    fn watch() -> Result<crate::Watch<Self>, Error>
    where
        Self: Send + Sync + 'static,
    {
        Self::loader().watch()
    }

    /// Like [`watch`](Self::watch), for async code on any runtime.
    ///
    /// # Errors
    /// The errors of [`watch`](Self::watch).
    #[cfg(feature = "watch")]
    fn watch_async() -> impl Future<Output = Result<crate::Watch<Self>, Error>> + Send
    where
        Self: Send + Sync + 'static,
    {
        Self::loader().watch_async()
    }

    /// Finds mistakes in the type that otherwise show only in use. It reports keys, environment variables and dotenv
    /// names that collide, and defaults and examples that do not fit their fields or that `validate` rejects.
    ///
    /// For a test of one line:
    ///
    /// ```
    /// # use envconf::EncryptedConfig;
    /// # #[derive(EncryptedConfig)] struct AppConfig { #[envconf(default = 1)] a: u8 }
    /// # fn main() -> Result<(), envconf::Error> {
    /// AppConfig::check()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Kind::DoesNotFit`](crate::Kind::DoesNotFit) with every mistake.
    fn check() -> Result<(), Error> {
        schema::check::check(const { &Self::META }, Self::build_at)
    }

    /// Returns the schema of the content, for editors and for `envconf seal --schema`: JSON Schema, draft 2020-12, as
    /// the text of a file. [`Schema`](crate::Schema) reads it. `envconf/docs/schema.md` in the repository lists what
    /// it expresses.
    fn json_schema() -> String {
        schema::of(const { &Self::META })
    }

    /// Returns a text to fill in, with every key. In syntaxes with comments it also has docs, types, defaults and
    /// variables, and marks secret values.
    ///
    /// The template parses. It loads after you have filled in every required value that has neither a default nor an
    /// `example`.
    fn template(format: Format) -> String {
        template(const { &Self::META }, format)
    }

    /// Returns a [`Loader`], to load with other settings.
    fn loader() -> Loader<Self> {
        Loader::new()
    }

    /// Builds the struct from its fields. Returns `None` after it reported a problem.
    #[doc(hidden)]
    fn build(fields: &mut Fields<'_>) -> Option<Self> {
        let _ = fields;
        None
    }

    /// Builds the value at this place. Returns `None` after it reported a problem.
    #[doc(hidden)]
    fn build_at(at: Position<'_>) -> Option<Self> {
        private::section(at, const { &Self::META }, Self::build)
    }
}

/// A boxed struct or enum is loaded as the struct or enum itself.
#[diagnostic::do_not_recommend]
impl<T: EncryptedConfig> EncryptedConfig for Box<T> {
    const META: Meta = T::META;

    fn build(fields: &mut Fields<'_>) -> Option<Self> {
        T::build(fields).map(Self::new)
    }

    fn build_at(at: Position<'_>) -> Option<Self> {
        T::build_at(at).map(Self::new)
    }
}
