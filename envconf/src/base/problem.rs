//! A problem of a configuration, with its text.

use std::fmt;

use super::{Origin, escape, written_type};

/// One problem of a configuration: its path, its origin, and the expected value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    path: String,
    origin: Option<Origin>,
    complaint: Complaint,
}

/// The problem with one value of a configuration. No variant can hold a value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Complaint {
    /// A required value is missing.
    Missing {
        /// The field's type, as written; empty for a field of a type that serde reads.
        expected: String,
        /// The environment variable that can set the value, if there is one.
        variable: Option<String>,
    },
    /// A value does not have the field's type.
    WrongType {
        /// The type as written; a description if only the program knows the type.
        expected: String,
    },
    /// A list has the wrong length.
    WrongLength {
        /// The length that the type needs.
        expected: usize,
    },
    /// A value names a variant that its type does not have.
    UnknownVariant {
        /// The variants that the type has.
        expected: &'static [&'static str],
    },
    /// An unknown key within a value.
    UnknownKey {
        /// The most similar known key.
        suggestion: Option<String>,
        /// The known keys, as far as the type names them.
        known: &'static [&'static str],
    },
    /// A key or variable that belongs to no field.
    Unknown {
        /// The most similar name of a field.
        suggestion: Option<String>,
    },
    /// The text does not follow its syntax.
    Syntax {
        /// The syntax, such as `TOML`, `JSON`, `YAML`, `dotenv` or `UTF-8`.
        expected: &'static str,
    },
    /// A key that is in the text twice.
    Repeated {
        /// The line of the first one, from 1.
        first_line: usize,
    },
    /// Another rule, as a complete message.
    Rule(String),
}

impl Problem {
    /// Returns a problem with the value at `path` (dotted; empty for the whole), which came from `origin`.
    pub(crate) fn new(path: impl Into<String>, origin: Option<Origin>, complaint: Complaint) -> Self {
        Self { path: path.into(), origin, complaint }
    }

    /// Returns the dotted path of the value, such as `database.pool_size`; empty for the whole text.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the origin of the value; `None` if the value is missing.
    pub fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }

    /// Returns the kind of problem.
    pub fn complaint(&self) -> &Complaint {
        &self.complaint
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", escape(&self.path))?;
        }
        match &self.complaint {
            Complaint::Missing { expected, variable } => {
                f.write_str("missing")?;
                if !expected.is_empty() {
                    write!(f, ", expected {expected}")?;
                }
                if let Some(variable) = variable {
                    write!(f, " (environment variable {})", escape(variable))?;
                }
            }
            Complaint::WrongType { expected } => write!(f, "expected {}", written_type::in_words(expected))?,
            Complaint::WrongLength { expected: 1 } => f.write_str("expected a list of 1 value")?,
            Complaint::WrongLength { expected } => write!(f, "expected a list of {expected} values")?,
            Complaint::UnknownVariant { expected } => {
                f.write_str("unknown variant, ")?;
                write_one_of(f, expected)?;
            }
            Complaint::UnknownKey { suggestion, known } => {
                f.write_str("no such key")?;
                if let Some(suggestion) = suggestion {
                    write!(f, " (did you mean {}?)", escape(suggestion))?;
                }
                if !known.is_empty() && (suggestion.is_none() || known.len() <= MAX_KNOWN) {
                    f.write_str(", ")?;
                    write_one_of(f, known)?;
                }
            }
            Complaint::Unknown { suggestion } => {
                f.write_str(match self.origin {
                    Some(Origin::Variable(_)) if self.path.is_empty() => "no field has this name",
                    _ => "no such key",
                })?;
                if let Some(suggestion) = suggestion {
                    write!(f, " (did you mean {}?)", escape(suggestion))?;
                }
            }
            Complaint::Syntax { expected: "dotenv" } => {
                f.write_str("not valid dotenv, expected NAME=value")?
            }
            Complaint::Syntax { expected } => write!(f, "not valid {expected}")?,
            Complaint::Repeated { first_line } => write!(f, "set twice, first at line {first_line}")?,
            Complaint::Rule(rule) => f.write_str(rule)?,
        }
        match (&self.origin, &self.complaint) {
            (Some(origin), Complaint::Repeated { .. }) => write!(f, ", again at {origin}"),
            (Some(Origin::Program), _) => f.write_str(", set by the program"),
            (Some(origin), _) => write!(f, ", at {origin}"),
            (None, _) => Ok(()),
        }
    }
}

/// Largest number of known names that are listed after a suggestion; longer lists are left out.
const MAX_KNOWN: usize = 12;

fn write_one_of(f: &mut fmt::Formatter<'_>, names: &[&str]) -> fmt::Result {
    match names {
        [] => f.write_str("expected none: the type has no variants"),
        [one] => write!(f, "expected {}", escape(one)),
        several => write!(f, "expected one of {}", escape(&several.join(", "))),
    }
}
