//! Configuration that lies encrypted in git and loads into a typed struct.

// The derive's output names us from outside, also in our own tests.
#[cfg(test)]
extern crate self as envconf;

#[cfg(feature = "__vectors")]
#[doc(hidden)]
#[path = "vectors.rs"]
pub mod __vectors;
mod config;
mod envelope;
mod error;
pub mod format;
#[cfg(feature = "tencent")]
mod http;
mod kms;
mod layers;
mod load;
pub mod meta;
mod open;
mod pair;
mod policy;
#[doc(hidden)]
pub mod private;
mod recipients;
mod rules;
mod seal;
mod search;
mod secret;
mod signer;
mod variables;

pub use config::EncryptedConfig;
pub use envconf_derive::EncryptedConfig;
pub use error::{Attempt, Complaint, Error, Fault, Kind, Origin, Problem, escape};
pub use secrecy::{self, ExposeSecret, SecretString};

pub use envelope::DataKey;
pub use format::{ContentType, Id, Name, Outline, Suite};
pub use kms::local::LocalKey;
pub use kms::services::KeyServices;
pub use kms::{BoxFuture, Context, KeyRef, Kms, KmsError, WrappedKey};
pub use layers::report::Provenance;
pub use load::{Loaded, Loader};
pub use open::{Depth, Opened, Verified, open, open_bytes, verify};
pub use pair::{Pair, content_type_of, identity_of};
pub use policy::{Policy, Trusted, parse_signers, parse_trust};
pub use rules::Rules;
pub use seal::{Check, DataKeyUse, Seal, Sealed, check_content};
pub use signer::{SignerKey, SigningKey};
pub use variables::setting;
