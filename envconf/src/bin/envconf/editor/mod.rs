//! The editor of `edit`, and places for plaintext that leave no copies.

#[cfg(unix)]
pub(crate) mod program;
pub(crate) mod memory_file;
#[cfg(unix)]
mod leftovers;
#[cfg(unix)]
pub(crate) mod scratch;
#[cfg(unix)]
pub(crate) mod early_return;
