//! Layers without a type: which of them gives each leaf.

use super::fields::Document;
use super::report::Provenance;
use crate::syntax::{Node, Table, Value, segment};

/// A value of the merged layers: its keys from the root, and where the strongest layer that has it says it.
pub(crate) struct UntypedLeaf<'t, 'a> {
    pub(crate) keys: Vec<&'t str>,
    pub(crate) document: &'t Document<'a>,
    pub(crate) node: &'t Node<'a>,
}

impl UntypedLeaf<'_, '_> {
    /// The dotted path.
    pub(crate) fn path(&self) -> String {
        self.keys.iter().map(|key| segment(key)).collect::<Vec<_>>().join(".")
    }
}

/// Path and origin of every leaf of `documents` (the weakest first), by path. What lies sealed counts as secret.
pub(crate) fn origins(documents: &[Document<'_>]) -> Vec<Provenance> {
    let documents: Vec<_> = documents.iter().collect();
    let leaves = leaves(&documents).into_iter();
    leaves
        .map(|leaf| {
            Provenance::new(leaf.path(), leaf.document.origin(leaf.node.place), !leaf.document.is_plain())
        })
        .collect()
}

/// Every leaf of `documents` (the weakest first), by path.
pub(crate) fn leaves<'t, 'a>(documents: &[&'t Document<'a>]) -> Vec<UntypedLeaf<'t, 'a>> {
    let mut leaves = Vec::new();
    let roots: Vec<_> = documents.iter().rev().map(|document| (*document, document.root())).collect();
    collect(&[], &roots, &mut leaves);
    leaves
}

/// The tables of one path, the strongest first, with the documents that they are from.
type Tables<'t, 'a> = [(&'t Document<'a>, &'t Table<'a>)];

fn collect<'t, 'a>(parents: &[&'t str], tables: &Tables<'t, 'a>, leaves: &mut Vec<UntypedLeaf<'t, 'a>>) {
    let mut keys: Vec<&'t str> =
        tables.iter().flat_map(|(_, table)| table.iter()).map(|(key, _)| &**key).collect();
    keys.sort_unstable();
    keys.dedup();
    for key in keys {
        let given: Vec<_> =
            tables.iter().filter_map(|(document, table)| Some((*document, &table.get(key)?.node))).collect();
        let keys = [parents, &[key]].concat();
        // Tables are merged down to the first value that is none; that one hides what is below it.
        let merged: Vec<_> =
            given.iter().map_while(|(document, node)| Some((*document, table(node)?))).collect();
        match given.first() {
            Some((document, node)) if merged.iter().all(|(_, table)| table.entries().is_empty()) => {
                leaves.push(UntypedLeaf { keys, document, node });
            }
            _ => collect(&keys, &merged, leaves),
        }
    }
}

fn table<'t, 'a>(node: &'t Node<'a>) -> Option<&'t Table<'a>> {
    match &node.value {
        Value::Table(table) => Some(table),
        _ => None,
    }
}
