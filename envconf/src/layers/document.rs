//! A layer's text as a tree.

use std::cell::OnceCell;

use super::names::SortedNames;
use super::{Layer, LayerKind};
use crate::base::Origin;
use crate::format::ContentType;
use crate::syntax::{Entry, Lines, Node, Place, Value};

/// A layer's text as a tree.
pub(crate) struct Document<'a> {
    layer: &'a Layer<'a>,
    /// A table.
    root: Node<'a>,
    /// Filled when a position is needed for the first time.
    lines: OnceCell<Lines>,
    /// The names of dotenv content. A name with the prefix is listed with it and without it.
    names: OnceCell<SortedNames>,
}

impl<'a> Document<'a> {
    /// Returns the document with the table `root`.
    pub(crate) fn new(layer: &'a Layer<'a>, root: Node<'a>) -> Self {
        Self { layer, root, lines: OnceCell::new(), names: OnceCell::new() }
    }

    /// Returns true for dotenv content. It is not a tree: its names are names of variables.
    pub(crate) fn is_flat(&self) -> bool {
        self.layer.content_type == ContentType::Dotenv
    }

    pub(crate) fn is_plain(&self) -> bool {
        self.layer.kind == LayerKind::Plain
    }

    pub(crate) fn root_node(&self) -> &Node<'a> {
        &self.root
    }

    /// Returns the keys and lines of the root, sorted by their bytes.
    pub(crate) fn entries(&self) -> &[Entry<'a>] {
        match &self.root.value {
            Value::Table(table) => table.entries(),
            _ => &[],
        }
    }

    /// Returns the entry of a key or line of the root.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry<'a>> {
        match &self.root.value {
            Value::Table(table) => table.get(key),
            _ => None,
        }
    }

    #[cfg(feature = "tools")]
    /// Returns the text that the places refer to.
    pub(crate) fn text(&self) -> &'a str {
        self.layer.text
    }

    pub(crate) fn origin(&self, place: Place) -> Origin {
        self.layer.origin(place, self.lines.get_or_init(|| Lines::of(self.layer.text)))
    }

    /// Returns the names of dotenv content. A name that begins with `prefix` is listed with it and without it.
    pub(crate) fn names(&self, prefix: Option<&str>) -> &SortedNames {
        self.names.get_or_init(|| {
            let start = prefix.map(|prefix| format!("{prefix}__"));
            let names = self.entries().iter().flat_map(|entry| {
                let bare = start.as_deref().and_then(|start| entry.key.strip_prefix(start));
                std::iter::once(&*entry.key).chain(bare).map(str::to_owned)
            });
            SortedNames::new(names.collect())
        })
    }

    /// Returns the lines for the value with the name `segments`: first the line without the prefix, then the one with
    /// it.
    pub(crate) fn lines_of(&self, segments: &str, prefix: Option<&str>) -> [Option<&Entry<'a>>; 2] {
        let full = prefix.and_then(|prefix| self.entry(&format!("{prefix}__{segments}")));
        [self.entry(segments), full]
    }
}
