//! What the command and other tools need, and a program that loads does not.

#[cfg(feature = "cli")]
pub mod change;
pub(crate) mod compare;
pub(crate) mod explain;
pub(crate) mod export;
pub mod import;
pub(crate) mod doctor;
pub(crate) mod rules;
pub(crate) mod manage;
