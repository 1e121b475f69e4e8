//! Layers without a type: which of them gives each leaf.

use super::fields::Document;
use super::report::Provenance;
use super::tree::{Node, Table, Value, segment};

/// Path and origin of every leaf of `documents` (the weakest first), by path. What lies sealed counts as secret.
pub(crate) fn origins(documents: &[Document<'_>]) -> Vec<Provenance> {
    let mut origins = Vec::new();
    let roots: Vec<_> = documents.iter().rev().map(|document| (document, document.root())).collect();
    collect("", &roots, &mut origins);
    origins
}

/// The tables of one path, the strongest first, with the documents that they are from.
type Tables<'t, 'a> = [(&'t Document<'a>, &'t Table<'a>)];

fn collect(path: &str, tables: &Tables<'_, '_>, origins: &mut Vec<Provenance>) {
    let mut keys: Vec<&str> =
        tables.iter().flat_map(|(_, table)| table.iter()).map(|(key, _)| &**key).collect();
    keys.sort_unstable();
    keys.dedup();
    for key in keys {
        let path = format!("{path}{}", segment(key));
        let given: Vec<_> =
            tables.iter().filter_map(|(document, table)| Some((*document, &table.get(key)?.node))).collect();
        // Tables are merged down to the first value that is none; that one hides what is below it.
        let merged: Vec<_> =
            given.iter().map_while(|(document, node)| Some((*document, table(node)?))).collect();
        match given.first() {
            Some((document, node)) if merged.iter().all(|(_, table)| table.entries().is_empty()) => {
                origins.push(Provenance::new(path, document.origin(node.place), !document.is_plain()));
            }
            _ => collect(&format!("{path}."), &merged, origins),
        }
    }
}

fn table<'t, 'a>(node: &'t Node<'a>) -> Option<&'t Table<'a>> {
    match &node.value {
        Value::Table(table) => Some(table),
        _ => None,
    }
}
