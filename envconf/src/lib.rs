//! Configuration that must not leak lies encrypted in git, beside the code, and loads into a typed struct.
//!
//! ```
//! use envconf::{ContentType, EncryptedConfig, ExposeSecret, KeyServices, LocalKey, Pair, Seal, SecretString};
//!
//! #[derive(EncryptedConfig)]
//! #[envconf(name = "app", env_prefix = "APP")]
//! struct AppConfig {
//!     #[envconf(default = 8080)]
//!     port: u16,
//!     password: SecretString,
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = std::env::temp_dir().join(format!("envconf-doc-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! // Once, by hand: `envconf init` and `envconf seal app.toml`.
//! let key = LocalKey::generate()?;
//! let pair = Pair::new(&folder, &"app".parse()?, &"default".parse()?);
//! let services = KeyServices::none().local_key(key.clone());
//! Seal::new("app".parse()?, "default".parse()?, ContentType::Toml)
//!     .recipient(key.key_ref().clone())
//!     .seal(&pair, b"password = 'correct horse'", &services)?;
//!
//! // At every start: `AppConfig::load()?`, or with settings of one's own, as here.
//! let config = AppConfig::loader().dir(&folder).local_key(key).variables([("APP__PORT", "9000")]).load()?;
//! # std::fs::remove_dir_all(&folder)?;
//! assert_eq!((config.port, config.password.expose_secret()), (9000, "correct horse"));
//! assert_eq!(config.origin("port").map(ToString::to_string).as_deref(), Some("variable APP__PORT"));
//! # Ok(())
//! # }
//! ```
//!
//! # Define
//!
//! Derive [`EncryptedConfig`] on a struct; its page has every attribute. A leaf is any type that serde can read, a
//! `nested` field another derived struct. serde need not be in your manifest.
//!
//! # Seal
//!
//! `envconf seal app.toml` writes `app.conf.enc` and `app.conf.key`, both safe to commit: the content under a fresh
//! data key, and that key wrapped by a key service for each recipient. In a program [`Seal`] does it. With the type's
//! [`Schema`] what the program would refuse is not sealed; [`EncryptedConfig::template`] gives a text to fill in. The
//! chapter [Schemas](https://github.com/envconf/envconf/blob/main/envconf/docs/schema.md) has all of it.
//!
//! # Load
//!
//! [`EncryptedConfig::load`] from plain code and [`EncryptedConfig::load_async`] from async code on any runtime;
//! [`EncryptedConfig::loader`] for settings of one's own. All that is wrong is in one [`Error`], with paths, origins
//! and expected types, and never a value. Attribute defaults yield to plain layers, these
//! to the sealed content, and that to variables.
//!
//! `<name>.defaults.toml` beside the pair is a plain layer, for what is not secret. The chapter
//! [Layers](https://github.com/envconf/envconf/blob/main/envconf/docs/layers.md) has all of it.
//!
//! # Reload
//!
//! With the feature `watch`, `AppConfig::watch()` follows the files: `current()` is the newest valid configuration, and
//! what is refused changes nothing. The chapter
//! [Reload](https://github.com/envconf/envconf/blob/main/envconf/docs/reload.md) has all of it.
//!
//! # Trust
//!
//! What opens a pair is decided by the program and its deployment, never by the files ([`Policy`]): in the attribute
//! `trust`, in `ENVCONF_TRUST`, or with [`Loader::trust`]. A local key of the user's
//! [key store](key_store) is trusted only at or below a directory that it is enabled for, where none of these is set, or
//! they name it.
//!
//! Whoever may wrap for a key that is trusted may choose the configuration; a signer that the program pins ([`pair::Sign`],
//! `ENVCONF_SIGNERS`, the attribute `signers`) takes that away from them. The chapter
//! [Signatures](https://github.com/envconf/envconf/blob/main/envconf/docs/signatures.md) says when production must pin one.
//!
//! # Memory
//!
//! When a load is over nothing is left of plaintext and keys but the fields of the struct. [`harden`] protects the
//! process as a whole. The chapter [Memory](https://github.com/envconf/envconf/blob/main/envconf/docs/memory.md) has
//! what remains nevertheless, and what helps.
//!
//! # Key services
//!
//! Local keys are built in ([`LocalKey`]), Tencent Cloud KMS comes with the feature `tencent`, anything else through
//! the trait [`Kms`]. All work with them runs on one thread of the library's own, which is started by the first
//! request and ends when it is idle; a pair that needs only local keys starts none.
//!
//! # Features
//!
//! * `tencent` (default): Tencent Cloud KMS, and with it an HTTP client and TLS (rustls on ring).
//! * `watch`: reload, and with it the notices of the operating system (notify).
//! * `yaml`: YAML 1.2 content. Without it such content is sealed and opened, and neither parsed nor loaded.
//! * `tools`: what the command and other tools need, and a program that loads does not: the module [`tools`], and the
//!   management of a service's keys.
//! * `cli`: the `envconf` command, with `tools` and `yaml`. A library user never builds its argument parser.
//!
//! TOML, JSON and dotenv are always there.

// The derive's output names us from outside, also in our own tests.
#[cfg(test)]
extern crate self as envconf;

// One room per concept, from top to bottom: a room uses those below it.
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

// The chapters' code runs with the tests.
#[cfg(doctest)]
#[doc = include_str!("../docs/layers.md")]
mod layers_chapter {}
#[cfg(doctest)]
#[doc = include_str!("../docs/testing.md")]
mod testing_chapter {}

#[cfg(doctest)]
#[doc = include_str!("../docs/signatures.md")]
mod signatures_chapter {}
#[cfg(all(doctest, feature = "watch"))]
#[doc = include_str!("../docs/reload.md")]
mod reload_chapter {}
#[cfg(doctest)]
#[doc = include_str!("../docs/schema.md")]
mod schema_chapter {}
#[cfg(doctest)]
#[doc = include_str!("../docs/memory.md")]
mod memory_chapter {}

// What every program needs is at the root; the rest is in the modules.
pub use base::{Error, KeyRef, Kind, harden};
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

/// What an [`Error`] holds: problems of a configuration with their origins, and keys that were tried.
pub mod error {
    pub use crate::base::{Attempt, Complaint, Fault, Origin, Problem, Remedy, escape, is_deceptive};
}
/// Files as this library reads them.
pub mod files {
    pub use crate::base::open_regular;
}
/// The user's key store: local keys, enabled directory by directory, and what is known of pairs.
pub mod key_store {
    pub use crate::kms::{KeyStore, StoredKey, key_in_project};
    pub use crate::pair::KnownPair;
}
/// The process: its settings, and how far it is hardened.
pub mod process {
    pub use crate::base::{Hardened, Measure, check_variable_names, setting};
}
/// Secret text, written so that no copy of it stays in memory.
pub mod secret_text {
    pub use crate::base::{exact_text, write_json_string};
}
