//! The position of a path in a TOML document, and the ranges of lines.

use std::ops::Range;

use toml_edit::{ArrayOfTables, InlineTable, Item, Table, Value};

use crate::tools::change::path::{KeyPath, PathStep};

/// The position of a path in a document.
pub(super) struct Spot<'d, 'p> {
    /// The last table on the path that can contain new keys.
    pub(super) block: Block<'d>,
    /// The dotted keys in this table that are part of the path.
    pub(super) dotted: Vec<&'p str>,
    /// The table of these dotted keys.
    pub(super) group: Option<&'d Table>,
    /// The part at the path.
    pub(super) found: Option<Part<'d>>,
    /// The keys at the end of the path that the document does not have.
    pub(super) missing: Vec<&'p str>,
}

/// A table that can contain new keys.
#[derive(Clone, Copy)]
pub(super) enum Block<'d> {
    /// The root, or a table with a header.
    Own(&'d Table),
    /// A table without its own header: it exists only because another header names it.
    Implicit,
    /// An inline table.
    Inline(&'d InlineTable),
}

/// A part of a document.
#[derive(Clone, Copy)]
pub(super) enum Part<'d> {
    /// A table of lines: with a header, without one, or of dotted keys.
    Table(&'d Table),
    /// Tables with headers in double brackets.
    Tables(&'d ArrayOfTables),
    /// Dotted keys in an inline table.
    Dotted(&'d InlineTable),
    /// A value in one piece of text.
    Value(&'d Value),
}

impl<'d> Part<'d> {
    fn of_item(item: &'d Item) -> Option<Self> {
        match item {
            Item::Table(table) => Some(Self::Table(table)),
            Item::ArrayOfTables(tables) => Some(Self::Tables(tables)),
            Item::Value(value) => Some(Self::of_value(value)),
            Item::None => None,
        }
    }

    fn of_value(value: &'d Value) -> Self {
        match value {
            Value::InlineTable(table) if table.is_dotted() => Self::Dotted(table),
            value => Self::Value(value),
        }
    }

    /// Returns the part under `key` of this table.
    fn key(self, key: &str) -> Option<Self> {
        match self {
            Self::Table(table) => table.get(key).and_then(Self::of_item),
            Self::Dotted(table) | Self::Value(Value::InlineTable(table)) => {
                table.get(key).map(Self::of_value)
            }
            _ => None,
        }
    }

    fn index(self, index: usize) -> Option<Self> {
        match self {
            Self::Tables(tables) => tables.get(index).map(Self::Table),
            Self::Value(Value::Array(items)) => items.get(index).map(Self::of_value),
            _ => None,
        }
    }
}

impl<'d, 'p> Spot<'d, 'p> {
    /// Follows `path`. Returns `None` if the path leads through a scalar or past the end of a list.
    pub(super) fn of(root: &'d Table, path: &'p KeyPath) -> Option<Self> {
        let mut place = Self {
            block: Block::Own(root),
            dotted: Vec::new(),
            group: None,
            found: None,
            missing: Vec::new(),
        };
        let mut part = Part::Table(root);
        let mut steps = path.steps().iter();
        while let Some(step) = steps.next() {
            let next = match step {
                PathStep::Index(index) => Some(part.index(*index)?),
                PathStep::Key(key) => part.key(key),
            };
            let Some(next) = next else {
                for step in std::iter::once(step).chain(steps) {
                    place.missing.push(step.key()?);
                }
                return Some(place);
            };
            place.enter(step, next);
            part = next;
        }
        place.found = Some(part);
        Some(place)
    }

    fn enter(&mut self, step: &'p PathStep, part: Part<'d>) {
        let key = step.key();
        match part {
            Part::Table(table) if table.is_dotted() => {
                self.dotted.extend(key);
                self.group = Some(table);
                return;
            }
            Part::Dotted(_) => return self.dotted.extend(key),
            Part::Table(table) if table.is_implicit() => self.block = Block::Implicit,
            Part::Table(table) => self.block = Block::Own(table),
            Part::Value(Value::InlineTable(table)) => self.block = Block::Inline(table),
            Part::Value(_) | Part::Tables(_) => {}
        }
        self.dotted.clear();
        self.group = None;
    }
}

/// Returns the ranges of the values of `table` that have their own lines, also under dotted keys. A range is from the
/// last part of the key to the end of the value.
pub(super) fn lines(table: &Table) -> Vec<Range<usize>> {
    let mut lines = Vec::new();
    for (key, item) in table {
        match item {
            Item::Table(inner) if inner.is_dotted() => lines.extend(self::lines(inner)),
            Item::Value(value) => {
                let key = table.key(key).and_then(toml_edit::Key::span);
                if let (Some(key), Some(value)) = (key, value.span()) {
                    lines.push(key.start..value.end);
                }
            }
            _ => {}
        }
    }
    lines
}

/// Like [`lines`], for the entries of an inline table.
pub(super) fn entries(table: &InlineTable) -> Vec<Range<usize>> {
    let mut entries = Vec::new();
    for (key, value) in table {
        match value {
            Value::InlineTable(inner) if inner.is_dotted() => entries.extend(self::entries(inner)),
            value => {
                let key = table.key(key).and_then(toml_edit::Key::span);
                if let (Some(key), Some(value)) = (key, value.span()) {
                    entries.push(key.start..value.end);
                }
            }
        }
    }
    entries.sort_by_key(|entry| entry.start);
    entries
}

/// Returns the beginning of the line that contains `at`.
pub(super) fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |feed| feed + 1)
}

/// Returns the end of the line that contains `at`, after its line feed.
pub(super) fn line_end(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |feed| at + feed + 1)
}
