//! Parsers of TOML, JSON, YAML and dotenv into one tree of borrowed values, and the deserializer of this tree.

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
#[cfg(feature = "units")]
pub(crate) use self::de::units;
pub(crate) use self::de::{Fact, IgnoredKey, Merged, MergedTable, Misfit, Reading, ValueStep, path_of_steps};
pub(crate) use self::tree::{Entry, Lines, Node, Place, Table, Text, Value, segment};
#[cfg(feature = "tools")]
pub(crate) use self::written::write_scalar;

use crate::format::ContentType;

/// A syntax error and its position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) syntax: &'static str,
    pub(crate) place: Place,
    pub(crate) fault: SyntaxFault,
}

/// The kind of a syntax error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SyntaxFault {
    /// The text does not follow the grammar of its syntax.
    Grammar,
    /// A table has the same key twice.
    Repeated {
        /// The path of the key, from the root.
        path: Vec<PathPart>,
        /// The position of the first key.
        first: Place,
    },
    /// A string, list, table or object begins at the position and does not end.
    Unclosed(&'static str),
    /// Containers are nested too deeply.
    TooDeep,
    /// The text breaks this rule of the syntax.
    Rule(&'static str),
}

/// One step of the path to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PathPart {
    Key(String),
    Item(usize),
}

const FLOAT_RANGE: &str = "the number is too large for a 64-bit float";

impl Broken {
    /// Adds `key` to the front of a repeated key's path.
    pub(crate) fn within(self, key: &str) -> Self {
        self.below(|| PathPart::Key(key.to_owned()))
    }

    /// Adds the item with this index to the front of a repeated key's path.
    pub(crate) fn within_item(self, index: usize) -> Self {
        self.below(|| PathPart::Item(index))
    }

    fn below(mut self, step: impl FnOnce() -> PathPart) -> Self {
        if let SyntaxFault::Repeated { path, .. } = &mut self.fault {
            path.insert(0, step());
        }
        self
    }
}

/// Parses `text`, which must have a table as its root. Raw content is an error, and YAML without the feature `yaml`.
pub(crate) fn parse(content_type: ContentType, text: &str) -> Result<Node<'_>, Broken> {
    let root = match content_type {
        ContentType::Toml => toml::parse(text)?,
        ContentType::Json => json::parse(text)?,
        ContentType::Dotenv => dotenv::parse(text)?,
        #[cfg(feature = "yaml")]
        ContentType::Yaml => yaml::parse(text)?,
        _ => {
            return Err(Broken {
                syntax: "TOML, JSON or dotenv",
                place: Place(0),
                fault: SyntaxFault::Grammar,
            });
        }
    };
    match root.value {
        Value::Table(_) => Ok(root),
        _ => Err(no_table(root.place)),
    }
}

/// Returns the error for a root that is not a table, which only JSON can have.
pub(crate) fn no_table(place: Place) -> Broken {
    Broken { syntax: "JSON with an object at its root", place, fault: SyntaxFault::Grammar }
}
