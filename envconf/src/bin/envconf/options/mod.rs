//! Options that several verbs share, and their meaning.

pub(crate) mod global;
pub(crate) mod pair_change;
pub(crate) mod batch;
pub(crate) mod variable_names;
pub(crate) mod locked_pairs;
pub(crate) mod pairs_below;
pub(crate) mod plain_file;
pub(crate) mod wanted_recipients;
pub(crate) mod schema;
pub(crate) mod signing_args;
pub(crate) mod target;
pub(crate) mod secret_value;
