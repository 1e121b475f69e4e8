//! Configuration that lies encrypted in git and loads into a typed struct.

mod config;
mod error;
mod format;
mod kms;
mod layers;
pub mod meta;
#[doc(hidden)]
pub mod private;
mod secret;
mod variables;

pub use config::EncryptedConfig;
pub use envconf_derive::EncryptedConfig;
pub use error::{Complaint, Error, Kind, Origin, Problem};
pub use layers::report::Provenance;
pub use secrecy::{self, ExposeSecret, SecretString};
