//! TOML, JSON, YAML and dotenv as one tree of borrowed values, and what serde reads of it.

pub(crate) mod toml;
pub(crate) mod json;
#[cfg(feature = "tools")]
pub(crate) mod json_text;
#[cfg(feature = "yaml")]
mod yaml;
pub(crate) mod dotenv;
pub(crate) mod tree;
pub(crate) mod de;
#[cfg(feature = "tools")]
mod written;

pub use self::de::Given;
pub(crate) use self::de::Misfit;
pub(crate) use self::tree::{Entry, Lines, Node, Place, Table, Text, Value, segment};
#[cfg(feature = "tools")]
pub(crate) use self::written::write_scalar;

use crate::format::ContentType;

/// A text that does not follow its syntax, is too deep, repeats a key, or has a root that is no table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) syntax: &'static str,
    pub(crate) place: Place,
}

/// The tree of `text`, whose root is a table. Raw content has none, and YAML only with the feature `yaml`.
pub(crate) fn parse(content_type: ContentType, text: &str) -> Result<Node<'_>, Broken> {
    let root = match content_type {
        ContentType::Toml => toml::parse(text)?,
        ContentType::Json => json::parse(text)?,
        ContentType::Dotenv => dotenv::parse(text)?,
        #[cfg(feature = "yaml")]
        ContentType::Yaml => yaml::parse(text)?,
        _ => {
            return Err(Broken { syntax: "TOML, JSON or dotenv", place: Place(0) });
        }
    };
    match root.value {
        Value::Table(_) => Ok(root),
        _ => Err(no_table(root.place)),
    }
}

/// Only JSON can have a root that is no table.
pub(crate) fn no_table(place: Place) -> Broken {
    Broken { syntax: "JSON with an object at its root", place }
}
