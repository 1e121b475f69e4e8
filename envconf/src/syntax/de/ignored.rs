//! Keys that a leaf's type ignores: noted while it is read, and found in the tree afterwards.

use std::cell::RefCell;

use zeroize::Zeroizing;

use super::misfit::ValueStep;
use crate::syntax::tree::{Entry, Node, Place, Value};

/// A key that the type ignored.
pub(crate) struct IgnoredKey {
    /// From the leaf to the key.
    pub(crate) steps: Vec<ValueStep>,
    pub(crate) place: Place,
    /// The keys that the type has there, as far as it said so.
    pub(crate) known: &'static [&'static str],
}

/// The notes of one reading. An entry is noted by its address: the tree does not move while it is read.
#[derive(Default)]
pub(super) struct IgnoredKeys(RefCell<Vec<Note>>);

#[derive(Clone, Copy)]
struct Note {
    entry: usize,
    known: &'static [&'static str],
}

/// More keys than this are not noted.
const NOTED: usize = 1000;

fn address(entry: &Entry<'_>) -> usize {
    std::ptr::from_ref(entry).addr()
}

impl IgnoredKeys {
    /// Notes that the value of `entry` was ignored; `known` are the keys that its table may have.
    pub(super) fn note(&self, entry: &Entry<'_>, known: &'static [&'static str]) {
        let mut notes = self.0.borrow_mut();
        if notes.len() < NOTED {
            notes.push(Note { entry: address(entry), known });
        }
    }

    /// The keys that were noted, as they stand in the text of `root`.
    pub(super) fn found_in(&self, root: &Node<'_>) -> Vec<IgnoredKey> {
        let mut notes = self.0.take();
        if notes.is_empty() {
            return Vec::new();
        }
        notes.sort_unstable_by_key(|note| note.entry);
        notes.dedup_by_key(|note| note.entry);
        let mut found = Vec::new();
        collect(root, &notes, &mut Vec::new(), &mut found);
        found.sort_by_key(|key| key.place.0);
        found
    }
}

fn collect(node: &Node<'_>, notes: &[Note], steps: &mut Vec<ValueStep>, found: &mut Vec<IgnoredKey>) {
    match &node.value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                steps.push(ValueStep::Index(index));
                collect(item, notes, steps, found);
                steps.pop();
            }
        }
        Value::Table(table) => {
            for entry in table.entries() {
                steps.push(ValueStep::Key(Zeroizing::new(entry.key.to_string())));
                match notes.binary_search_by_key(&address(entry), |note| note.entry) {
                    Ok(index) => found.push(IgnoredKey {
                        steps: steps.clone(),
                        place: entry.key_place,
                        known: notes[index].known,
                    }),
                    Err(_) => collect(&entry.node, notes, steps, found),
                }
                steps.pop();
            }
        }
        _ => {}
    }
}
