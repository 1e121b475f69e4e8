//! The borrowed tree that every parser builds: values with their positions.
//!
//! Texts are borrowed from the plaintext if its syntax allows it. A text that had to be unescaped is in a buffer that
//! is wiped on drop. Nothing here has a `Debug` that shows content (format.md §12).

use std::borrow::Cow;
use std::ops::Deref;

use toml::value::Datetime;
use zeroize::Zeroizing;

use super::{Broken, PathPart, SyntaxFault};
use crate::base::stack_wipe;

/// Maximum depth of nested containers, including the root. It limits every recursion.
pub(crate) const MAX_DEPTH: usize = 128;

/// A value and its position.
pub(crate) struct Node<'a> {
    pub(crate) value: Value<'a>,
    pub(crate) place: Place,
}

/// A value of any syntax, as format.md §7 defines it.
pub(crate) enum Value<'a> {
    /// JSON's null.
    Null,
    /// True or false.
    Bool(bool),
    /// An integer from −2^63 to 2^64−1.
    Integer(i128),
    /// Any other number.
    Float(f64),
    /// Text.
    String(Text<'a>),
    /// TOML's dates and times.
    Datetime(Datetime),
    /// A list.
    Array(Vec<Node<'a>>),
    /// Keys and their values.
    Table(Table<'a>),
}

/// A position: the offset of the first byte in the text.
///
/// Line and column are computed from it only for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(pub(crate) usize);

/// An index of a text: the beginning of each line, and the number of characters before every [`STEP`]th byte. With it, many
/// positions need only one pass over the text, also if the text is one long line.
pub(crate) struct Lines {
    starts: Vec<usize>,
    /// The number of characters that begin before each multiple of [`STEP`]; empty for ASCII text.
    characters: Vec<usize>,
}

/// Bytes of stack that the search for line feeds uses. Without optimisation it stores pieces of the text there, and
/// moving an [`Origin`](crate::base::Origin) could copy them to the heap.
const SCAN_STACK: usize = 4 * 1024;
/// Bytes between two counts of characters.
const STEP: usize = 256;

impl Lines {
    pub(crate) fn of(text: &str) -> Self {
        stack_wipe::wiped_after::<SCAN_STACK, _>(|| Self::scan(text))
    }

    fn scan(text: &str) -> Self {
        let mut starts = Vec::with_capacity(text.len() / 32 + 1);
        starts.push(0);
        starts.extend(memchr::memchr_iter(b'\n', text.as_bytes()).map(|newline| newline + 1));
        if text.is_ascii() {
            return Self { starts, characters: Vec::new() };
        }
        let mut count = 0;
        let characters = text.as_bytes().chunks(STEP).map(|chunk| {
            let before = count;
            count += characters_in(chunk);
            before
        });
        let characters = characters.collect();
        Self { starts, characters }
    }

    /// Returns how many characters begin before the byte at `offset`.
    fn characters_before(&self, text: &str, offset: usize) -> usize {
        if self.characters.is_empty() {
            return offset;
        }
        let step = (offset / STEP).min(self.characters.len().saturating_sub(1));
        let counted = self.characters.get(step).copied().unwrap_or_default();
        counted + characters_in(&text.as_bytes()[step * STEP..offset])
    }

    /// Returns line and column (in characters) of `place` in `text`, both from 1.
    pub(crate) fn position(&self, text: &str, place: Place) -> (usize, usize) {
        let within = place.0.min(text.len());
        let offset = (0..=within).rev().find(|offset| text.is_char_boundary(*offset)).unwrap_or_default();
        let line = self.starts.partition_point(|start| *start <= offset);
        let start =
            line.checked_sub(1).and_then(|before| self.starts.get(before)).copied().unwrap_or_default();
        (line, self.characters_before(text, offset) - self.characters_before(text, start) + 1)
    }
}

/// Returns how many characters of UTF-8 begin in `bytes`.
fn characters_in(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
}

impl Place {
    /// Returns line and column of this position in `text`. Use [`Lines`] for several positions.
    pub(crate) fn in_text(self, text: &str) -> (usize, usize) {
        Lines::of(text).position(text, self)
    }
}

/// A text: borrowed from the plaintext, or unescaped into a buffer that is wiped on drop.
pub(crate) enum Text<'a> {
    /// A part of the plaintext.
    Borrowed(&'a str),
    /// An unescaped copy.
    Owned(Zeroizing<String>),
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Owned(text) => text,
        }
    }
}

/// Allows a `&str` as the key to look up in a map with `Text` keys.
impl std::borrow::Borrow<str> for Text<'_> {
    fn borrow(&self) -> &str {
        self
    }
}

impl PartialEq for Text<'_> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Text<'_> {}

impl PartialOrd for Text<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text<'_> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (**self).cmp(other)
    }
}

impl<'a> From<Cow<'a, str>> for Text<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        match text {
            Cow::Borrowed(text) => Self::Borrowed(text),
            Cow::Owned(text) => Self::Owned(Zeroizing::new(text)),
        }
    }
}

/// Keys and their values, sorted by the bytes of the keys. Each key occurs once.
pub(crate) struct Table<'a> {
    entries: Vec<Entry<'a>>,
}

/// A key that occurs twice in a table.
pub(crate) struct RepeatedKey {
    key: String,
    first: Place,
    second: Place,
}

impl RepeatedKey {
    pub(crate) fn broken(self, syntax: &'static str) -> Broken {
        let fault = SyntaxFault::Repeated { path: vec![PathPart::Key(self.key)], first: self.first };
        Broken { syntax, place: self.second, fault }
    }
}

/// A key of a [`Table`] with its value.
pub(crate) struct Entry<'a> {
    pub(crate) key: Text<'a>,
    pub(crate) key_place: Place,
    pub(crate) node: Node<'a>,
}

impl<'a> Table<'a> {
    /// Returns the table of these entries, which may be in any order.
    ///
    /// # Errors
    /// The first repeated key in the text.
    pub(crate) fn new(mut entries: Vec<Entry<'a>>) -> Result<Self, RepeatedKey> {
        if entries.is_sorted_by(|a, b| *a.key < *b.key) {
            return Ok(Self { entries });
        }
        entries.sort_by(|a, b| a.key.cmp(&b.key).then(a.key_place.0.cmp(&b.key_place.0)));
        let repeated = entries.windows(2).filter(|pair| *pair[0].key == *pair[1].key);
        match repeated.min_by_key(|pair| pair[1].key_place.0) {
            Some([first, second]) => Err(RepeatedKey {
                key: (*second.key).to_owned(),
                first: first.key_place,
                second: second.key_place,
            }),
            _ => Ok(Self { entries }),
        }
    }

    /// Returns the entry of `key`.
    pub(crate) fn get(&self, key: &str) -> Option<&Entry<'a>> {
        // In a small table most keys differ in length, which is cheaper to compare than their bytes.
        const SMALL: usize = 24;
        if self.entries.len() <= SMALL {
            return self.entries.iter().find(|entry| *entry.key == *key);
        }
        let index = self.entries.binary_search_by(|entry| (*entry.key).cmp(key)).ok()?;
        self.entries.get(index)
    }

    /// Returns keys and values, sorted by the bytes of the keys.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Text<'a>, &Node<'a>)> {
        self.entries.iter().map(|entry| (&entry.key, &entry.node))
    }

    /// Returns the entries, sorted by the bytes of the keys.
    pub(crate) fn entries(&self) -> &[Entry<'a>] {
        &self.entries
    }
}

/// Returns a key as a segment of a dotted path: bare if that is not ambiguous, and otherwise in quotes.
pub(crate) fn segment(key: &str) -> Cow<'_, str> {
    let bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if bare { Cow::Borrowed(key) } else { Cow::Owned(format!("\"{key}\"")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: &str, at: usize) -> Entry<'_> {
        let node = Node { value: Value::Null, place: Place(at) };
        Entry { key: Text::Borrowed(key), key_place: Place(at), node }
    }

    #[test]
    fn lines_and_columns_count_from_one_and_columns_in_characters() {
        let text = "a\n\u{e9}\u{1f600}x\n";
        let position = |offset| Place(offset).in_text(text);
        assert_eq!(position(0), (1, 1));
        assert_eq!(position(1), (1, 2), "a newline ends its line");
        assert_eq!(position(text.find('x').unwrap()), (2, 3));
        assert_eq!(position(3), (2, 1), "within a character");
        assert_eq!(position(999), (3, 1), "beyond the end");
    }

    #[test]
    fn columns_of_long_and_short_lines_are_counted_alike() {
        let text = "a\u{e9}\u{1f600}b\n".repeat(3) + &"x\u{e9}\u{1f600}".repeat(400);
        let lines = Lines::of(&text);
        for (offset, _) in text.char_indices().chain([(text.len(), ' ')]) {
            let line_start = text[..offset].rfind('\n').map_or(0, |newline| newline + 1);
            let line = text[..offset].matches('\n').count() + 1;
            let column = text[line_start..offset].chars().count() + 1;
            assert_eq!(lines.position(&text, Place(offset)), (line, column), "{offset}");
        }
        assert_eq!(Lines::of("").position("", Place(0)), (1, 1));
    }

    #[test]
    fn a_table_sorts_its_keys_and_rejects_a_repeated_key() {
        let table = Table::new(vec![entry("b", 0), entry("a", 1)]).ok().unwrap();
        assert_eq!(table.iter().map(|(key, _)| &**key).collect::<Vec<_>>(), ["a", "b"]);
        assert!(table.get("b").is_some() && table.get("c").is_none());
        let again =
            Table::new(vec![entry("b", 0), entry("a", 1), entry("b", 2), entry("b", 3)]).err().unwrap();
        assert_eq!((&*again.key, again.first, again.second), ("b", Place(0), Place(2)));
    }

    #[test]
    fn ambiguous_keys_are_quoted_in_a_path() {
        assert_eq!(segment("pool_size"), "pool_size");
        assert_eq!(segment("a.b"), "\"a.b\"");
        assert_eq!(segment(""), "\"\"");
    }
}
