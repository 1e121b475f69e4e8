//! A pair: its two files on disk, and what seals, opens, rewraps and signs them.

pub(crate) mod files;
pub(crate) mod seal;
pub(crate) mod open;
pub(crate) mod rewrap;
pub(crate) mod sign;
pub(crate) mod lock;
pub(crate) mod plain_layer;
pub(crate) mod policy;
pub(crate) mod wrapping;
pub(crate) mod content;
