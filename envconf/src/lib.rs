//! Encrypted configuration in git, loaded into a typed struct with one derive.
//!
//! ```no_run
//! use envconf::{EncryptedConfig, SecretString};
//!
//! #[derive(EncryptedConfig)]
//! #[envconf(name = "app", env_prefix = "APP")]
//! struct AppConfig {
//!     #[envconf(default = 8080)]
//!     port: u16,
//!     api_token: SecretString,
//! }
//!
//! fn main() -> Result<(), envconf::Error> {
//!     let config = AppConfig::load()?; // in async code: AppConfig::load_async().await?
//!     println!("listen on port {}", config.port);
//!     Ok(())
//! }
//! ```
//!
//! `envconf seal config/app.toml` encrypts the configuration into a pair to commit. [`load`](EncryptedConfig::load)
//! opens the pair in `config`, below the working directory, with a trusted key. Environment variables override its
//! values. One [`Error`] lists every problem with path, origin and expected type. It never contains a value.
//!
//! * Define: [the derive](derive@EncryptedConfig) has every attribute, with an example.
//! * Load: [`EncryptedConfig::loader`] for your own settings, [`Loaded::origins`] for the origin of each value.
//! * Seal: [`Seal`], [`open`], [`verify`]; [`Schema`] and [`EncryptedConfig::template`] list the values to seal.
//! * Trust: [`Policy`], [`KeyServices`]; [`Kms`] to add a key service.
//! * Test and protect: [`testing`], [`EncryptedConfig::check`], [`harden`].
//!
//! Guides are in `envconf/docs` of the repository.
//!
//! Features: **`tencent`** (default) Tencent Cloud KMS, with HTTP and TLS ·
//! **`vault`** HashiCorp Vault and OpenBao, with the same HTTP client ·
//! **`age`** keys of age, a key pair for each person ·
//! **`aws`** AWS KMS, with the same HTTP client ·
//! **`watch`** reload ·
//! **`units`** durations and byte sizes, in the module `de` ·
//! **`yaml`** YAML content; TOML, JSON and dotenv need no feature ·
//! **`tools`** the operations of the command, as a library ·
//! **`cli`** the command: `tools`, `yaml` and every key service.

// Generated code names this crate as `envconf`, also in its unit tests.
#[cfg(test)]
extern crate self as envconf;

// One module per concept, from top to bottom: a module uses only the modules below it.
pub mod testing;
pub mod load;
#[cfg(feature = "tools")]
pub mod tools;
pub mod pair;
pub mod kms;
mod envelope;
pub mod schema;
mod layers;
pub mod meta;
mod syntax;
pub mod format;
mod base;
#[cfg(feature = "__vectors")]
#[doc(hidden)]
#[path = "vectors.rs"]
pub mod __vectors;

// These modules run the code of the derive's manual and of the chapters as tests.
#[cfg(doctest)]
#[doc = include_str!("../../envconf-derive/docs/attributes.md")]
mod attributes_manual {}
#[cfg(all(doctest, feature = "units"))]
#[doc = include_str!("../docs/layers.md")]
mod layers_chapter {}
#[cfg(doctest)]
#[doc = include_str!("../docs/testing.md")]
mod testing_chapter {}

#[cfg(doctest)]
#[doc = include_str!("../docs/own-key-service.md")]
mod own_key_service_chapter {}

#[cfg(doctest)]
#[doc = include_str!("../docs/signatures.md")]
mod signatures_chapter {}
#[cfg(doctest)]
#[doc = include_str!("../docs/age.md")]
mod age_chapter {}
#[cfg(all(doctest, feature = "watch"))]
#[doc = include_str!("../docs/reload.md")]
mod reload_chapter {}
#[cfg(doctest)]
#[doc = include_str!("../docs/schema.md")]
mod schema_chapter {}
#[cfg(doctest)]
#[doc = include_str!("../docs/memory.md")]
mod memory_chapter {}

#[cfg(doctest)]
#[doc = include_str!("../docs/quick-start.md")]
mod quick_start_chapter {}
#[cfg(doctest)]
#[doc = include_str!("../docs/moving-from-config-rs.md")]
mod moving_from_config_rs_chapter {}
#[cfg(doctest)]
#[doc = include_str!("../docs/api.md")]
mod api_chapter {}

// Items that every program needs are at the root; the others are in the modules.
pub use base::{Error, KeyRef, Kind, harden};
/// Makes a struct loadable: implements the trait [`EncryptedConfig`](trait@EncryptedConfig), which has `load`.
///
pub use envconf_derive::EncryptedConfig;
pub use format::{ContentType, Name};
pub use kms::{KeyServices, Kms, LocalKey};
#[cfg(feature = "watch")]
pub use load::Watch;
#[doc(hidden)]
pub use load::private;
pub use load::{EncryptedConfig, Loaded, Loader};
pub use pair::{Opened, Pair, Policy, Seal, Sealed, Trusted, open, verify};
pub use schema::Schema;
pub use secrecy::{self, ExposeSecret, SecretString};

/// The parts of an [`Error`]: problems of a configuration with their origins, and the keys that were tried.
pub mod error {
    pub use crate::base::{Attempt, Complaint, Fault, Origin, Problem, Remedy, escape, is_deceptive};
}
/// Functions for `deserialize_with`: durations and byte sizes as people write them (feature `units`).
#[cfg(feature = "units")]
pub mod de {
    pub use crate::syntax::units::{ByteSizeValue, DurationValue, byte_size, duration};
}
/// Functions that read files, and open regular files only.
pub mod files {
    pub use crate::base::open_regular;
}
/// The user's key store: local keys, age identities and signing keys, each enabled per directory. It also records the
/// pairs that this user sealed or opened.
pub mod key_store {
    pub use crate::kms::{KeyStore, StoredKey, StoredSigner, key_in_project};
    pub use crate::pair::KnownPair;
}
/// Settings and hardening of the process.
pub mod process {
    pub use crate::base::{Hardened, Measure, check_variable_names, setting};
}
/// Functions that write secret text and leave no copy of it in memory.
pub mod secret_text {
    pub use crate::base::{exact_text, write_json_string};
}
