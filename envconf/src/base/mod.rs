//! What every room uses: errors, secret buffers, environment variables, files.

pub(crate) mod error;
pub(crate) mod key_ref;
pub(crate) mod secret;
pub(crate) mod mlock;
pub(crate) mod stack_wipe;
pub(crate) mod variables;
pub(crate) mod upward_search;
pub(crate) mod private_file;
pub(crate) mod harden;
pub(crate) mod suggest;
