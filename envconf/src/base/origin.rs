//! The origin of a value, with its text.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::escape;

/// The place where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// A text: sealed content, or a plain layer.
    Text {
        /// The file with the text; for sealed content, its `.enc`. `None` for text that is not in a file.
        file: Option<Arc<Path>>,
        /// True for sealed content: line and column then refer to the content that was sealed.
        sealed: bool,
        /// From 1.
        line: usize,
        /// In characters, from 1.
        column: usize,
    },
    /// An environment variable.
    Variable(String),
    /// A file that an environment variable ending in `_FILE` names.
    VariableFile {
        /// The variable.
        variable: String,
        /// The file that the variable names.
        file: PathBuf,
    },
    /// The program, with [`Loader::set`](crate::Loader::set).
    Program,
    /// The default of the field's attribute.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text { file, sealed, line, column } => {
                if let Some(file) = file {
                    write!(f, "{} ", escape(&file.to_string_lossy()))?;
                }
                write!(f, "line {line}, column {column}{}", if *sealed { " of the sealed text" } else { "" })
            }
            Self::Variable(name) => write!(f, "environment variable {}", escape(name)),
            Self::VariableFile { variable, file } => {
                write!(
                    f,
                    "environment variable {}, file {}",
                    escape(variable),
                    escape(&file.to_string_lossy())
                )
            }
            Self::Program => f.write_str("given by the program"),
            Self::Default => f.write_str("the attribute's default"),
        }
    }
}
