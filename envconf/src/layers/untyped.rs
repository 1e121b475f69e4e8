//! Layers without a type: the layer that each leaf comes from.

use super::document::Document;
use super::origins::Provenance;
use crate::base::{Complaint, Problem};
use crate::syntax::{Node, Table, Value, segment};

/// A value of the merged layers: its keys from the root, and its origin, the strongest layer that has it.
pub(crate) struct UntypedLeaf<'k, 't, 'a> {
    pub(crate) keys: &'k [&'t str],
    pub(crate) document: &'t Document<'a>,
    pub(crate) node: &'t Node<'a>,
}

impl UntypedLeaf<'_, '_, '_> {
    /// Returns the dotted path.
    pub(crate) fn path(&self) -> String {
        self.keys.iter().map(|key| segment(key)).collect::<Vec<_>>().join(".")
    }
}

/// Returns the path and origin of every leaf of `documents` (the weakest first), sorted by path. Sealed values count
/// as secret.
///
/// # Errors
/// The problem of [`refuse_long_paths`].
pub(crate) fn origins(documents: &[Document<'_>]) -> Result<Vec<Provenance>, Problem> {
    let documents: Vec<_> = documents.iter().collect();
    refuse_long_paths(&documents)?;
    let mut origins = Vec::new();
    for_each_leaf(&documents, &mut |leaf| {
        let origin = leaf.document.origin(leaf.node.place);
        origins.push(Provenance::new(leaf.path(), origin, !leaf.document.is_plain()));
    });
    Ok(origins)
}

/// Largest total length of all paths, as a multiple of the length of the texts. Below [`SHORT`] bytes paths may be
/// longer.
const PATHS_PER_BYTE: usize = 16;
const SHORT: usize = 1 << 16;

/// Rejects documents whose leaves share long keys: one key of a megabyte above a hundred thousand leaves results in
/// paths of a hundred gigabytes.
///
/// # Errors
/// The problem.
pub(crate) fn refuse_long_paths(documents: &[&Document<'_>]) -> Result<(), Problem> {
    let texts: usize = documents.iter().map(|document| document.text().len()).sum();
    let mut paths = 0;
    for_each_leaf(documents, &mut |leaf| {
        paths += leaf.keys.iter().map(|key| key.len() + 1).sum::<usize>();
    });
    if paths <= SHORT.max(PATHS_PER_BYTE * texts) {
        return Ok(());
    }
    let rule = format!(
        "the paths of all values are more than {PATHS_PER_BYTE} times as long as the text; use shorter keys"
    );
    Err(Problem::new("", None, Complaint::Rule(rule)))
}

/// Calls `each` with every leaf of `documents` (the weakest first), sorted by path.
pub(crate) fn for_each_leaf<'t, 'a>(
    documents: &[&'t Document<'a>],
    each: &mut dyn FnMut(&UntypedLeaf<'_, 't, 'a>),
) {
    let root = |document: &&'t Document<'a>| Some((*document, table(document.root_node())?));
    let roots: Vec<_> = documents.iter().rev().filter_map(root).collect();
    walk(&mut Vec::new(), &roots, each);
}

/// The tables of one path, the strongest first, with the documents that they are from.
type Tables<'t, 'a> = [(&'t Document<'a>, &'t Table<'a>)];

fn walk<'t, 'a>(
    parents: &mut Vec<&'t str>,
    tables: &Tables<'t, 'a>,
    each: &mut dyn FnMut(&UntypedLeaf<'_, 't, 'a>),
) {
    let mut keys: Vec<&'t str> =
        tables.iter().flat_map(|(_, table)| table.iter()).map(|(key, _)| &**key).collect();
    keys.sort_unstable();
    keys.dedup();
    for key in keys {
        let given: Vec<_> =
            tables.iter().filter_map(|(document, table)| Some((*document, &table.get(key)?.node))).collect();
        // Merge tables down to the first value that is not a table. That value hides all weaker ones.
        let merged: Vec<_> =
            given.iter().map_while(|(document, node)| Some((*document, table(node)?))).collect();
        parents.push(key);
        match given.first() {
            Some((document, node)) if merged.iter().all(|(_, table)| table.entries().is_empty()) => {
                each(&UntypedLeaf { keys: parents, document, node });
            }
            _ => walk(parents, &merged, each),
        }
        parents.pop();
    }
}

fn table<'t, 'a>(node: &'t Node<'a>) -> Option<&'t Table<'a>> {
    match &node.value {
        Value::Table(table) => Some(table),
        _ => None,
    }
}
