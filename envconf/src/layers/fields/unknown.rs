//! Keys and lines that no field has.

use std::collections::HashSet;

use super::{Document, Fields};
use crate::base::{Complaint, Problem, suggest};
use crate::meta::{self, Field};
use crate::syntax::{Entry, Table};

impl Fields<'_> {
    /// Reports the keys of this struct's tables that no field has.
    pub(super) fn refuse_unknown_keys(&mut self) {
        if self.meta.allow_unknown_fields {
            return;
        }
        let known: Vec<&str> = self.meta.fields.iter().flat_map(Field::keys).collect();
        for (document, scope) in self.documents.iter().zip(&self.tables) {
            let Some(scope) = scope.as_ref().filter(|scope| scope.known < scope.table.entries().len()) else {
                continue;
            };
            for entry in unknown(scope.table, &known) {
                let path = || meta::path_of_key(&self.parents, &entry.key);
                self.report.problem(|| no_such_key(path(), document, entry, &known));
            }
        }
    }

    /// Reports the lines of dotenv content that no field reads.
    pub(super) fn refuse_unknown_lines(&mut self) {
        if self.meta.allow_unknown_fields || !self.documents.iter().any(Document::is_flat) {
            return;
        }
        let prefix = self.environment.prefix();
        let leaves = self.meta.leaves();
        let names: Vec<String> = leaves.iter().flat_map(|leaf| leaf.content_names(prefix)).collect();
        let known: Vec<&str> = names.iter().map(String::as_str).collect();
        for document in self.documents.iter().filter(|document| document.is_flat()) {
            for entry in unknown(&document.root, &known) {
                self.report.problem(|| no_such_key(entry.key.to_string(), document, entry, &known));
            }
        }
    }
}

/// The entries of `table` whose keys are none of `known`, as they stand in the text.
fn unknown<'t, 'a>(table: &'t Table<'a>, known: &[&str]) -> Vec<&'t Entry<'a>> {
    let known: HashSet<&str> = known.iter().copied().collect();
    let mut unknown: Vec<_> = table.entries().iter().filter(|entry| !known.contains(&*entry.key)).collect();
    unknown.sort_by_key(|entry| entry.key_place.0);
    unknown
}

fn no_such_key(path: String, document: &Document<'_>, entry: &Entry<'_>, known: &[&str]) -> Problem {
    let suggestion = suggest::nearest(&entry.key, known.iter().copied()).map(str::to_owned);
    Problem::new(path, Some(document.origin(entry.key_place)), Complaint::Unknown { suggestion })
}
