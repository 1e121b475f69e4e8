//! Keys that a leaf's type ignores. They are noted while the leaf is read, and then looked up in the tree.

use std::cell::RefCell;

use zeroize::Zeroizing;

use super::misfit::ValueStep;
use crate::syntax::tree::{Node, Place, Value};

/// A key that the type ignored.
pub(crate) struct IgnoredKey {
    /// The steps from the leaf to the key.
    pub(crate) steps: Vec<ValueStep>,
    pub(crate) place: Place,
    /// The number of the source, if several sources are merged into a map.
    pub(crate) layer: Option<usize>,
    /// The keys that the type has in this table, if it declares them.
    pub(crate) known: &'static [&'static str],
}

/// The notes of one reading. The address identifies an entry, because the tree does not move during the reading.
#[derive(Default)]
pub(super) struct IgnoredKeys(RefCell<Vec<Note>>);

#[derive(Clone, Copy)]
pub(super) struct Note {
    entry: usize,
    known: &'static [&'static str],
}

/// Maximum number of notes.
const MAX_NOTES: usize = 1000;

fn address<T>(entry: &T) -> usize {
    std::ptr::from_ref(entry).addr()
}

/// Notes sorted by the addresses of their entries.
pub(super) struct SortedNotes(Vec<Note>);

impl SortedNotes {
    /// Returns the keys of the table of `entry`, if `entry` was noted.
    pub(super) fn known<T>(&self, entry: &T) -> Option<&'static [&'static str]> {
        let index = self.0.binary_search_by_key(&address(entry), |note| note.entry).ok()?;
        Some(self.0[index].known)
    }

    /// Adds the noted keys of `node` to `found`. `steps` lead to `node`.
    pub(super) fn collect(&self, node: &Node<'_>, steps: &mut Vec<ValueStep>, found: &mut Vec<IgnoredKey>) {
        match &node.value {
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    steps.push(ValueStep::Index(index));
                    self.collect(item, steps, found);
                    steps.pop();
                }
            }
            Value::Table(table) => {
                for entry in table.entries() {
                    steps.push(ValueStep::Key(Zeroizing::new(entry.key.to_string())));
                    match self.known(entry) {
                        Some(known) => found.push(IgnoredKey {
                            steps: steps.clone(),
                            place: entry.key_place,
                            layer: None,
                            known,
                        }),
                        None => self.collect(&entry.node, steps, found),
                    }
                    steps.pop();
                }
            }
            _ => {}
        }
    }
}

impl IgnoredKeys {
    /// Notes that the type ignored the value of `entry`. `known` are the keys that the table may have.
    pub(super) fn note<T>(&self, entry: &T, known: &'static [&'static str]) {
        let mut notes = self.0.borrow_mut();
        if notes.len() < MAX_NOTES {
            notes.push(Note { entry: address(entry), known });
        }
    }

    /// Returns the noted keys in `root`, in the order of the text.
    pub(super) fn found_in(&self, root: &Node<'_>) -> Vec<IgnoredKey> {
        let Some(notes) = self.sorted() else { return Vec::new() };
        let mut found = Vec::new();
        notes.collect(root, &mut Vec::new(), &mut found);
        found.sort_by_key(|key| key.place.0);
        found
    }

    /// Takes the notes, sorted; `None` if there are none.
    pub(super) fn sorted(&self) -> Option<SortedNotes> {
        let mut notes = self.0.take();
        notes.sort_unstable_by_key(|note| note.entry);
        notes.dedup_by_key(|note| note.entry);
        (!notes.is_empty()).then_some(SortedNotes(notes))
    }
}
