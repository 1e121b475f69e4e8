//! Finds the value at a path, or the reason why there is none.

use std::fmt::Write;

use zeroize::Zeroizing;

use super::path::{KeyPath, PathStep};
use super::{by_hand, kind_of};
use crate::base::suggest::nearest;
use crate::base::{Error, Kind, escape, exact_text, json_string};
use crate::envelope::outline::datetime_text;
use crate::syntax::json_text::{non_finite, write_json};
use crate::syntax::{Node, Value, write_scalar};

/// A value, as text in wiped buffers; `Debug` shows none of it.
pub struct Found {
    shape: ValueKind,
    text: Zeroizing<String>,
    /// A number as JSON, if it is written in another way.
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
    /// Any other number, TOML's `inf` and `nan` among them.
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
    /// Its name in documents and in `--json`.
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
    /// The value `node`, which was read from `content`.
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

    /// A string, date or time as it is, and a number as it is written; anything else as JSON on one line, with dates,
    /// `inf` and `nan` in it as strings.
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

/// Why there is nothing at a path.
pub(super) enum Missing {
    /// A table has no such key; the number of steps up to it, and the nearest key that it has.
    Key(usize, Option<String>),
    /// A list is not that long.
    Item(usize),
    /// The steps up to this one lead to a scalar, or to a list where a table is expected, or the reverse.
    No(usize, &'static str),
}

impl Missing {
    /// Returns true if the value could be put there.
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
            Self::No(steps, what) => no(*steps, what),
        }
    }
}

/// The node at `path`.
pub(super) fn at<'n, 'a>(root: &'n Node<'a>, path: &KeyPath) -> Result<&'n Node<'a>, Missing> {
    let mut node = root;
    for (before, step) in path.steps().iter().enumerate() {
        node = match step {
            PathStep::Key(key) => by_key(node, key, before)?,
            PathStep::Index(index) => match &node.value {
                Value::Array(items) => items.get(*index).ok_or(Missing::Item(before + 1))?,
                _ => return Err(Missing::No(before, "it is not a list")),
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
        return Err(Missing::No(before, what));
    };
    match table.get(key) {
        Some(entry) => Ok(&entry.node),
        None => {
            let near = nearest(key, table.iter().map(|(key, _)| &**key)).map(str::to_owned);
            Err(Missing::Key(before + 1, near))
        }
    }
}
