//! Pairs: their two files on disk, and how envconf seals, opens, rewraps and signs them.

mod files;
pub(crate) mod seal;
pub(crate) mod open;
mod rewrap;
mod sign;
mod lock;
mod known_pairs;
mod plain_layer;
pub(crate) mod policy;
mod trust_source;
pub(crate) mod wrapping;
pub(crate) mod content;

pub use self::content::{check_content, check_dotenv, check_text};
pub use self::files::{Pair, content_type_of, identity_of};
pub use self::known_pairs::KnownPair;
#[cfg(any(feature = "tools", feature = "watch"))]
pub(crate) use self::open::Checked;
pub(crate) use self::open::Wait;
#[cfg(feature = "watch")]
pub(crate) use self::open::read_again;
pub use self::open::{Depth, Opened, Verified, open, open_bytes, verify};
pub(crate) use self::plain_layer::PlainLayer;
pub use self::plain_layer::check_plain_layer;
pub(crate) use self::policy::PolicyVariables;
pub use self::policy::{Policy, Trusted, parse_signers, parse_trust};
pub use self::rewrap::{HowWrapped, Rewrap, Rewrapped};
pub use self::seal::{Check, DataKeyUse, OldPair, Seal, Sealed};
pub use self::sign::{Sign, Signed};
pub(crate) use self::trust_source::TrustSource;
#[cfg(feature = "tools")]
pub(crate) use self::wrapping::Unwrapper;
pub use crate::envelope::{SignerKey, SigningKey};
