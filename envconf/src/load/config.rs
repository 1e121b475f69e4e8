//! The trait that the derive implements.

use super::{Loader, global};
use crate::base::{Error, stack_wipe};
use crate::kms::worker;
use crate::layers::Fields;
use crate::meta::Meta;
use crate::pair::Wait;
use crate::schema::{self, Format, template};

/// A struct that is loaded from an encrypted configuration; implemented by `#[derive(EncryptedConfig)]`.
///
/// ```
/// use envconf::{EncryptedConfig, SecretString};
///
/// /// Everything the service needs to start.
/// #[derive(EncryptedConfig)]
/// #[envconf(name = "app", env_prefix = "APP", trust = "local")]
/// struct AppConfig {
///     /// Address to listen on.
///     #[envconf(default = "127.0.0.1:8080")]
///     listen: std::net::SocketAddr,
///     #[envconf(nested)]
///     database: Database,
///     api_token: SecretString,
/// }
///
/// #[derive(EncryptedConfig)]
/// struct Database {
///     #[envconf(env = "DATABASE_URL")]
///     url: SecretString,
///     #[envconf(default = 10)]
///     pool_size: u32,
/// }
///
/// let leaves = AppConfig::META.leaves();
/// assert_eq!(leaves[2].path(), "database.pool_size");
/// assert_eq!(leaves[2].variable(AppConfig::META.env_prefix).as_deref(), Some("APP__DATABASE__POOL_SIZE"));
/// ```
///
/// Do not implement it by hand: the hidden method may change in any release.
///
/// # Fields
///
/// A field is a leaf of any type with serde's `Deserialize` that owns its data, or with `nested` another derived
/// struct. `Option<T>` is optional, told by the name `Option` in the type as written. An `Option` of a nested struct
/// is `Some` as soon as the content has its table or anything gives one of its values; its fields' defaults alone do
/// not. Values keep their types: an integer is also a float where one is wanted, nothing else is converted. JSON's
/// null is `None`, and no value for a field that needs one.
///
/// | attribute of the struct | |
/// |---|---|
/// | `name = "app"` | the configuration's name; otherwise the struct's, in kebab-case, without `Config` or `Settings` at its end |
/// | `dir = "config"` | the folder of its pairs |
/// | `env_prefix = "APP"` | what generated variable names begin with; without it only those of `env` are read. That of a nested struct is ignored: the outer prefix and path count |
/// | `trust = "…"`, `trust(prod = "…", "eu-1" = "…")` | the trusted keys, for all environments or one by one |
/// | `signers = "…"`, `required_signatures = 1` | the trusted signers' public keys, and how many of them must have signed |
/// | `deadline = "10s"` | the time for all tries of unwrapping together: a whole number with `ms`, `s` or `m` |
/// | `rename_all = "kebab-case"` | the keys' case, as in serde. Variables keep to the Rust names |
/// | `allow_unknown_fields` | keys that no field has are let pass, in this struct's own table |
/// | `validate = path` | a function that judges the struct as a whole, see "Validation" |
///
/// | attribute of a field | |
/// |---|---|
/// | `default` | the type's `Default`, where nothing gives a value |
/// | `default = 10` | a literal or array of literals, read through the field's `Deserialize` like a value of the content |
/// | `default_with = path` | what the function returns |
/// | `env = "NAME"`, `no_env` | the variable instead of the generated one; none |
/// | `rename = "key"`, `alias = "key"` | the key; a further one. Only one of them may be given |
/// | `nested` | the type is another derived struct, whose keys are in a table of its own |
/// | `flatten` | the same, its keys being in this struct's table and its variables named as this struct's |
/// | `secret` | marked as secret; `SecretString` and `SecretBox` are without it |
/// | `deserialize_with = path` | the function reads the value in place of the type's `Deserialize`, as in serde; defaults and examples too |
/// | `validate = path` | a function that judges the value, see "Validation" |
/// | `example = 10` | a literal for templates and schemas; [`check`](Self::check) reads it |
/// | `deprecated`, `deprecated = "use …"` | [`Provenance::deprecated`](crate::load::Provenance::deprecated) tells where a value is still given |
/// | `skip` | not loaded: the type's `Default` |
///
/// ```
/// use std::time::Duration;
/// use envconf::EncryptedConfig;
///
/// #[derive(EncryptedConfig)]
/// #[envconf(name = "worker", dir = "deploy", env_prefix = "WORKER", deadline = "5s")]
/// #[envconf(trust(prod = "tencent:ap-guangzhou:23e80852-1e38-11e9-b129-5cb9019b4b01", default = "local"))]
/// #[envconf(signers = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", required_signatures = 1)]
/// #[envconf(rename_all = "kebab-case", allow_unknown_fields, validate = WorkerConfig::judge)]
/// struct WorkerConfig {
///     #[envconf(default)]
///     labels: Vec<String>,
///     #[envconf(default = 4, validate = at_least_one)]
///     threads: u8,
///     #[envconf(default_with = one_minute, deserialize_with = seconds, example = 30)]
///     timeout: Duration,
///     #[envconf(env = "QUEUE_URL", secret)]
///     queue: String,
///     #[envconf(no_env, rename = "region", alias = "zone", deprecated = "the queue tells it")]
///     region: Option<String>,
///     #[envconf(nested)]
///     retry: Retry,
///     #[envconf(flatten)]
///     logging: Logging,
///     #[envconf(skip)]
///     started: Option<std::time::Instant>,
/// }
///
/// #[derive(EncryptedConfig)]
/// struct Retry {
///     #[envconf(default = 3)]
///     times: u8,
/// }
///
/// #[derive(EncryptedConfig)]
/// struct Logging {
///     #[envconf(default = "info")]
///     log: String,
/// }
///
/// impl WorkerConfig {
///     fn judge(&self) -> Result<(), &'static str> {
///         if self.threads < 64 || self.retry.times == 0 { Ok(()) } else { Err("so many threads must not retry") }
///     }
/// }
///
/// fn at_least_one(threads: &u8) -> Result<(), &'static str> {
///     if *threads > 0 { Ok(()) } else { Err("at least one is needed") }
/// }
///
/// fn one_minute() -> Duration {
///     Duration::from_secs(60)
/// }
///
/// fn seconds<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
///     serde::Deserialize::deserialize(deserializer).map(Duration::from_secs)
/// }
///
/// # fn main() -> Result<(), envconf::Error> {
/// let variables: Vec<_> = WorkerConfig::META.leaves().iter().map(|leaf| leaf.variable(Some("WORKER"))).collect();
/// assert_eq!(variables[6].as_deref(), Some("WORKER__LOG"));
/// WorkerConfig::check()?;
/// # Ok(())
/// # }
/// ```
///
/// A flattened struct cannot be optional, and its `allow_unknown_fields` counts for nothing: the table is the outer
/// struct's. What both have is found by [`check`](Self::check): the derive sees one struct at a time. Type parameters
/// are bounded by what their fields need; lifetimes, references, enums and tuple structs are refused on the struct,
/// and are leaves like any other type where serde can read them.
///
/// # Validation
///
/// A function of `validate` is given `&T` (of an `Option` what is in it, if anything is) or the struct as `&Self`, and
/// returns `Result<(), &'static str>`. What it says goes into the one report with the value's path and origin, so it
/// must not hold the value, and being `&'static str` it cannot. Defaults are judged too; a struct is judged once all its
/// fields are right.
///
/// # Variables
///
/// `APP__DATABASE__POOL_SIZE`: prefix, path and field by their Rust names in upper case, joined by `__`. A variable
/// outweighs the sealed value, and replaces the whole of it where that is a list or map. `NAME_FILE` names a file with
/// the value instead: at most 1 MiB of UTF-8, of which one newline at the end (LF or CRLF) is not part. Both set is an
/// error, and so is a variable under the prefix that no field has. Set but empty is a value.
///
/// A variable is read as what its field's type asks for: `true` or `false`, a number as Rust's `parse` reads it, a text
/// as it is, a variant without content by its name. Lists, maps and other variants are inline TOML or JSON. A type that
/// asks for nothing in particular, such as an untagged enum, gets a list or map where the text is one, and else the
/// text. dotenv content is read by the same rules and names, the prefix being optional there; `no_env` forbids the
/// variable only.
///
/// # Secrets
///
/// A text is borrowed from the decrypted buffer and copied once, into its field; nothing else of it is left when the
/// load is over. What serde buffers (`untagged`, `flatten`) is borrowed too. Copies that nobody wipes are made by the
/// YAML parser (feature `yaml`) of texts with escapes, of folded and of literal ones. All that remains, and what helps,
/// is in the chapter [Memory](https://github.com/envconf/envconf/blob/main/envconf/docs/memory.md).
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not derive `EncryptedConfig`",
    label = "not a configuration struct",
    note = "a `nested` field's type derives `EncryptedConfig`; without `nested`, serde's `Deserialize` is enough"
)]
pub trait EncryptedConfig: Sized {
    /// The struct as constants: names, docs, variables, which fields are secret.
    const META: Meta;

    /// Loads the configuration: reads the pair, has a trusted key unwrap its data key, decrypts, lays environment
    /// variables over it. Blocks; call it from anywhere, inside async code too.
    ///
    /// # Errors
    /// As for [`Loader::load`].
    fn load() -> Result<Self, Error> {
        worker::block_on(Self::loader().load_value(Wait::Here))
    }

    /// The same for async code, on any runtime.
    ///
    /// # Errors
    /// As for [`Loader::load`].
    fn load_async() -> impl Future<Output = Result<Self, Error>> + Send {
        stack_wipe::wiped(Self::loader().load_value(Wait::Beside))
    }

    /// The process's one instance: loaded as [`load`](Self::load) does by whoever asks first, while others wait. A
    /// failed load is tried again by the next who asks.
    ///
    /// For programs where handing a reference around is a burden. A `validate` function that asks for the very type
    /// that it judges waits for itself.
    ///
    /// # Errors
    /// As for [`Loader::load`].
    fn global() -> Result<&'static Self, Error>
    where
        Self: Send + Sync + 'static,
    {
        global::get(Self::load)
    }

    /// Loads the configuration as [`load`](Self::load) does, and follows its files from then on: the handle always
    /// gives the newest that is valid. See [`Watch`](crate::Watch).
    ///
    /// # Errors
    /// As for [`Loader::load`]; [`Kind::Unexpected`](crate::Kind::Unexpected) where no thread can be started.
    #[cfg(feature = "watch")]
    fn watch() -> Result<crate::Watch<Self>, Error>
    where
        Self: Send + Sync + 'static,
    {
        Self::loader().watch()
    }

    /// The same for async code, on any runtime.
    ///
    /// # Errors
    /// As for [`watch`](Self::watch).
    #[cfg(feature = "watch")]
    fn watch_async() -> impl Future<Output = Result<crate::Watch<Self>, Error>> + Send
    where
        Self: Send + Sync + 'static,
    {
        Self::loader().watch_async()
    }

    /// Looks for mistakes in the type itself that only show when it is used: names of variables, keys and lines that
    /// collide across structs; defaults and examples that do not fit their fields, or that `validate` refuses.
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
    /// [`Kind::DoesNotFit`](crate::Kind::DoesNotFit) with everything that is wrong.
    fn check() -> Result<(), Error> {
        schema::check::check(const { &Self::META }, Self::build)
    }

    /// The schema of the content, for editors and for `envconf seal --schema`: JSON Schema, draft 2020-12, as the text of
    /// a file. [`Schema`](crate::Schema) reads it. The chapter
    /// [Schemas](https://github.com/envconf/envconf/blob/main/envconf/docs/schema.md) tells what it can say.
    fn json_schema() -> String {
        schema::of(const { &Self::META })
    }

    /// A text to fill in, with every key; of the syntaxes with comments also docs, types, defaults and variables, and
    /// which values are secret.
    ///
    /// It parses; and it loads once the values that are neither defaulted, optional nor given an `example` are filled in.
    fn template(format: Format) -> String {
        template(const { &Self::META }, format)
    }

    /// A [`Loader`], for settings of its own.
    fn loader() -> Loader<Self> {
        Loader::new()
    }

    /// Builds the struct from its fields. `None` when a problem was reported.
    #[doc(hidden)]
    fn build(fields: &mut Fields<'_>) -> Option<Self>;
}
