//! Configuration that lies encrypted in git and loads into a typed struct.

mod format;
mod kms;
mod variables;
mod secret;
mod error;
