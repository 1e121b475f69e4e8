//! Loads a configuration into a struct: the loader, the instance of a process, reload.

mod config;
mod loader;
pub(crate) mod global;
mod nested;
#[doc(hidden)]
pub mod private;
#[cfg(feature = "watch")]
mod watch;

pub use self::config::EncryptedConfig;
pub use self::loader::{Loaded, Loader};
#[cfg(feature = "watch")]
pub use self::watch::{Status, Watch, WatchOptions};
pub use crate::layers::Provenance;
