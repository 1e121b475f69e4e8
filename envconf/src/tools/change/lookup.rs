//! Lookup of the value at a path, or the reason why it is missing.

use std::fmt::Write;

use zeroize::Zeroizing;

use super::path::{KeyPath, PathStep};
use super::{by_hand, kind_of};
use crate::base::suggest::nearest;
use crate::base::{Error, Kind, escape, exact_text, json_string};
use crate::envelope::outline::datetime_text;
use crate::syntax::json_text::{non_finite, write_json};
use crate::syntax::{Node, Value, write_scalar};

/// A value as text in wiped buffers. `Debug` does not show it.
pub struct Found {
    shape: ValueKind,
    text: Zeroizing<String>,
    /// A number as JSON, which may differ from `text`.
    json: Option<Zeroizing<String>>,
}

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ValueKind {
    /// JSON's null.
    Null,
    /// True or false.
    Bool,
    /// A whole number.
    Integer,
    /// Any other number, including TOML's `inf` and `nan`.
    Float,
    /// Text.
    String,
    /// TOML's dates and times.
    Datetime,
    /// A list.
    List,
    /// Keys and their values.
    Table,
}

impl ValueKind {
    /// Returns the name of the type in the documentation and in `--json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "bool",
            Self::Integer => "integer",
            Self::Float => "float",
            Self::String => "string",
            Self::Datetime => "datetime",
            Self::List => "list",
            Self::Table => "table",
        }
    }
}

impl Found {
    /// Converts `node`, which was read from `content`.
    pub(super) fn of(node: &Node<'_>, content: &str) -> Self {
        let (text, json) = match &node.value {
            Value::String(text) => (Zeroizing::new(text.to_string()), None),
            Value::Float(float) if !float.is_finite() => {
                (Zeroizing::new(non_finite(*float).to_owned()), None)
            }
            Value::Datetime(datetime) => (Zeroizing::new(datetime_text(datetime)[1..].to_owned()), None),
            Value::Integer(_) | Value::Float(_) => {
                (exact_text(|out| write_scalar(node, content, out)), Some(json(node, content)))
            }
            _ => (json(node, content), None),
        };
        Self { shape: shape(&node.value), text, json }
    }

    /// Returns the type of the value.
    pub fn shape(&self) -> ValueKind {
        self.shape
    }

    /// Returns the value as text: a string, date or time unchanged, and a number with the digits of the content.
    ///
    /// Other values are JSON on one line, in which dates, `inf` and `nan` are strings.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the value as JSON, with strings, dates, `inf` and `nan` as JSON strings.
    pub fn json(&self) -> Zeroizing<String> {
        match (&self.json, self.shape) {
            (Some(json), _) => json.clone(),
            (None, ValueKind::String | ValueKind::Datetime | ValueKind::Float) => json_string(&self.text),
            (None, _) => self.text.clone(),
        }
    }
}

impl std::fmt::Debug for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Found").field("shape", &self.shape).finish_non_exhaustive()
    }
}

fn shape(value: &Value<'_>) -> ValueKind {
    match value {
        Value::Null => ValueKind::Null,
        Value::Bool(_) => ValueKind::Bool,
        Value::Integer(_) => ValueKind::Integer,
        Value::Float(_) => ValueKind::Float,
        Value::String(_) => ValueKind::String,
        Value::Datetime(_) => ValueKind::Datetime,
        Value::Array(_) => ValueKind::List,
        Value::Table(_) => ValueKind::Table,
    }
}

/// Returns `node`, which was read from `content`, as JSON on one line.
fn json(node: &Node<'_>, content: &str) -> Zeroizing<String> {
    let datetime = |node: &Node<'_>, out: &mut dyn Write| match &node.value {
        Value::Datetime(datetime) => out.write_str(&datetime_text(datetime)[1..]),
        _ => Ok(()),
    };
    exact_text(|out| write_json(node, content, &datetime, out))
}

/// The reason why a value is missing.
pub(super) enum Missing {
    /// A table has no such key: the number of steps including the key, and the nearest existing key.
    Key(usize, Option<String>),
    /// A list is too short: the number of steps including the item.
    Item(usize),
    /// The value after this number of steps has the wrong type.
    WrongType(usize, &'static str),
}

impl Missing {
    /// Returns true if `set` can add the value.
    pub(super) fn can_be_made(&self) -> bool {
        matches!(self, Self::Key(..))
    }

    pub(super) fn error(&self, path: &KeyPath) -> Error {
        let no = |steps, what| Error::new(Kind::DoesNotFit, format!("{}: {what}", path.prefix(steps)));
        match self {
            Self::Key(steps, Some(near)) => {
                no(*steps, "no such key").advise(format!("did you mean {}?", escape(near)))
            }
            Self::Key(steps, None) => no(*steps, "no such key"),
            Self::Item(steps) => by_hand(path, &format!("the list ends before {}", path.prefix(*steps))),
            Self::WrongType(steps, what) => no(*steps, what),
        }
    }
}

/// Returns the node at `path`.
pub(super) fn at<'n, 'a>(root: &'n Node<'a>, path: &KeyPath) -> Result<&'n Node<'a>, Missing> {
    let mut node = root;
    for (before, step) in path.steps().iter().enumerate() {
        node = match step {
            PathStep::Key(key) => by_key(node, key, before)?,
            PathStep::Index(index) => match &node.value {
                Value::Array(items) => items.get(*index).ok_or(Missing::Item(before + 1))?,
                _ => return Err(Missing::WrongType(before, "it is not a list")),
            },
        };
    }
    Ok(node)
}

fn by_key<'n, 'a>(node: &'n Node<'a>, key: &str, before: usize) -> Result<&'n Node<'a>, Missing> {
    let Value::Table(table) = &node.value else {
        let what = if kind_of(&node.value) == "a list" {
            "it is a list; name an item of it, such as [0]"
        } else {
            "it is not a table"
        };
        return Err(Missing::WrongType(before, what));
    };
    match table.get(key) {
        Some(entry) => Ok(&entry.node),
        None => {
            let near = nearest(key, table.iter().map(|(key, _)| &**key)).map(str::to_owned);
            Err(Missing::Key(before + 1, near))
        }
    }
}
