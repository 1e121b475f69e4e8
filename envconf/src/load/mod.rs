//! From the files to your struct: the loader, the one instance of a process, reload.

pub(crate) mod loader;
pub(crate) mod global;
#[doc(hidden)]
pub mod private;
#[cfg(feature = "watch")]
pub(crate) mod watch;
