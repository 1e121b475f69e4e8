//! The verbs. Each file has the `Args` of a verb, with the documentation for users, and `run`.

pub(crate) mod completion;
pub(crate) mod diff;
pub(crate) mod doctor;
#[cfg(unix)]
pub(crate) mod edit;
pub(crate) mod exec;
pub(crate) mod explain;
pub(crate) mod export;
pub(crate) mod get;
pub(crate) mod git_diff;
pub(crate) mod hook;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod inspect;
pub(crate) mod key;
pub(crate) mod keygen;
pub(crate) mod keys;
pub(crate) mod man;
pub(crate) mod open;
pub(crate) mod recipients;
pub(crate) mod rewrap;
pub(crate) mod rotate;
pub(crate) mod scan;
pub(crate) mod seal;
pub(crate) mod set;
pub(crate) mod sign;
pub(crate) mod signer;
pub(crate) mod status;
pub(crate) mod template;
pub(crate) mod unset;
pub(crate) mod verify;
