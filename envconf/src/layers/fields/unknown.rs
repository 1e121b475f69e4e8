//! Keys and lines that belong to no field.

use std::collections::HashSet;

use super::{Fields, Scope};
use crate::base::{Complaint, Origin, Problem, suggest};
use crate::layers::document::Document;
use crate::layers::env::{Environment, unreachable};
use crate::layers::names::{self, FileForms, Fit};
use crate::layers::position::TreeOwner;
use crate::layers::report::Report;
use crate::meta::{Field, Meta, TypeStep, Variable, path_of_key, segments_below};
use crate::syntax::{Entry, Table};

impl Fields<'_> {
    /// Reports the keys of this struct's tables that belong to no field.
    pub(crate) fn refuse_unknown_keys(&mut self) {
        // Most structs have no unknown key. Then the names of the fields are not needed.
        let may_have_unknown = self.scopes.iter().any(|scope| match scope {
            Scope::Table { table, known, .. } => *known < table.entries().len(),
            Scope::Set(_) => true,
            Scope::Lines(_) | Scope::Variables => false,
        });
        if self.meta.allow_unknown_fields || !may_have_unknown {
            return;
        }
        let fields = self.meta.fields.iter();
        let known: Vec<&str> =
            fields.flat_map(Field::keys).chain(self.tag.into_iter().flat_map(Field::keys)).collect();
        let steps = &self.walk.steps;
        for scope in &self.scopes {
            match scope {
                Scope::Table { table, owner, known: found } if *found < table.entries().len() => {
                    for entry in unknown(table, &known) {
                        self.walk.report.problem(|| no_such_key(steps, *owner, entry, &known));
                    }
                }
                Scope::Set(values) => {
                    for key in values.keys.keys().filter(|key| !known.contains(&key.as_str())) {
                        let suggestion = suggest::nearest(key, known.iter().copied()).map(str::to_owned);
                        let complaint = Complaint::Unknown { suggestion };
                        let path = || path_of_key(steps, key);
                        self.walk.report.problem(|| Problem::new(path(), Some(Origin::Program), complaint));
                    }
                }
                Scope::Table { .. } | Scope::Lines(_) | Scope::Variables => {}
            }
        }
    }
}

/// Reports the dotenv lines that no field of `meta` reads. Lists, maps and enums check the lines for their parts.
pub(super) fn refuse_unknown_lines(
    meta: &'static Meta,
    documents: &[Document<'_>],
    environment: &Environment<'_>,
    report: &mut Report,
) {
    if meta.allow_unknown_fields || !documents.iter().any(Document::is_flat) {
        return;
    }
    let prefix = environment.prefix();
    let start = prefix.map(|prefix| format!("{prefix}__"));
    let known: Vec<String> = meta.leaves().iter().flat_map(|leaf| leaf.content_names(prefix)).collect();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    for document in documents.iter().filter(|document| document.is_flat()) {
        let mut entries: Vec<&Entry<'_>> = document.entries().iter().collect();
        entries.sort_by_key(|entry| entry.key_place.0);
        let is_known: HashSet<&str> = known.iter().copied().collect();
        for entry in entries.into_iter().filter(|entry| !is_known.contains(&*entry.key)) {
            let bare = start.as_deref().and_then(|start| entry.key.strip_prefix(start));
            let fits: Vec<Fit> = bare
                .into_iter()
                .chain([&*entry.key])
                .map(|name| names::fit(meta, name, FileForms::None))
                .collect();
            if fits.iter().any(|fit| matches!(fit, Fit::Value)) {
                continue;
            }
            let unreached = fits.into_iter().find_map(|fit| match fit {
                Fit::Unreachable(steps, field) => Some((steps, field)),
                _ => None,
            });
            let origin = || Some(document.origin(entry.key_place));
            report.problem(|| match unreached {
                Some((steps, field)) => {
                    let whole = match field.variable {
                        Variable::Named(name) => name.to_owned(),
                        _ => segments_below(&steps) + field.segment,
                    };
                    Problem::new(path_of_key(&steps, field.key), origin(), unreachable(&whole))
                }
                None => {
                    let suggestion = suggest::nearest(&entry.key, known.iter().copied()).map(str::to_owned);
                    Problem::new(entry.key.to_string(), origin(), Complaint::Unknown { suggestion })
                }
            });
        }
    }
}

/// Returns the entries of `table` whose keys are not in `known`, in the order of the text.
fn unknown<'t, 'a>(table: &'t Table<'a>, known: &[&str]) -> Vec<&'t Entry<'a>> {
    let known: HashSet<&str> = known.iter().copied().collect();
    let mut unknown: Vec<_> = table.entries().iter().filter(|entry| !known.contains(&*entry.key)).collect();
    unknown.sort_by_key(|entry| entry.key_place.0);
    unknown
}

/// Returns the complaint about a key below `steps` that is not one of `known`.
pub(crate) fn no_such_key(
    steps: &[TypeStep],
    owner: TreeOwner<'_>,
    entry: &Entry<'_>,
    known: &[&str],
) -> Problem {
    let suggestion = suggest::nearest(&entry.key, known.iter().copied()).map(str::to_owned);
    let path = path_of_key(steps, &entry.key);
    Problem::new(path, Some(owner.origin(entry.key_place)), Complaint::Unknown { suggestion })
}
