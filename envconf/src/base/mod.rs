//! Types and functions that every module uses: errors, secret buffers, environment variables, files.

pub(crate) mod duration;
pub(crate) mod error;
mod exact_text;
mod exit_code;
mod remedy;
pub(crate) mod key_ref;
pub(crate) mod age_recipient;
pub(crate) mod provider;
pub(crate) mod secret;
pub(crate) mod stack_wipe;
pub(crate) mod variables;
pub(crate) mod upward_search;
pub(crate) mod regular_file;
pub(crate) mod private_file;
pub(crate) mod data_directory;
pub(crate) mod harden;
pub(crate) mod suggest;
pub(crate) mod own_variables;
pub(crate) mod pages;
pub(crate) mod written_type;

pub use self::error::{Attempt, Complaint, Error, Fault, Kind, Origin, Problem, escape, is_deceptive};
pub(crate) use self::exact_text::json_string;
pub use self::exact_text::{exact_text, write_json_string};
pub(crate) use self::exit_code::exit_code;
pub use self::harden::{Hardened, Measure, harden};
pub use self::key_ref::KeyRef;
pub use self::own_variables::check_variable_names;
pub use self::regular_file::open_regular;
pub(crate) use self::regular_file::{fill, open_by_own_name, read_opened, read_regular};
pub use self::remedy::Remedy;
pub(crate) use self::secret::{Plaintext, SecretBytes, same};
pub(crate) use self::variables::Variables;
pub use self::variables::setting;
