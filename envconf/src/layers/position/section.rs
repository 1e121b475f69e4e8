//! A struct: its fields take their values from the tables of the sources.

use super::{LayerSource, Position};
use crate::layers::fields::{Fields, Scope};
use crate::meta::{Merge, Meta, NestedType};
use crate::syntax::Value;

impl Position<'_> {
    /// Builds the struct that `meta` describes with `build`. Returns true if it is valid.
    pub(crate) fn section(self, meta: &'static Meta, build: &mut dyn FnMut(&mut Fields<'_>) -> bool) -> bool {
        self.expanded(&mut |at| at.section_of_tables(meta, build))
    }

    fn section_of_tables(
        mut self,
        meta: &'static Meta,
        build: &mut dyn FnMut(&mut Fields<'_>) -> bool,
    ) -> bool {
        let mut scopes = Vec::with_capacity(self.sources.len());
        for source in std::mem::take(&mut self.sources) {
            match source {
                LayerSource::Node(node, owner) => match &node.value {
                    Value::Table(table) => {
                        if self.merge == Merge::Replace {
                            self.replaced_scopes(&mut scopes, meta);
                        }
                        let tag = self.tag.map_or(0, |tag| {
                            tag.keys().iter().filter(|key| table.get(key).is_some()).count()
                        });
                        scopes.push(Scope::Table { table, owner, known: tag });
                    }
                    Value::Null => scopes.clear(),
                    _ => {
                        self.misfit(owner.origin(node.place));
                        return false;
                    }
                },
                LayerSource::Lines(document) => scopes.push(Scope::Lines(document)),
                LayerSource::Variables => scopes.push(Scope::Variables),
                LayerSource::Set(values) => {
                    self.refuse_set_entries(values, false, true);
                    scopes.push(Scope::Set(values));
                }
            }
        }
        let mut fields = Fields::new(meta, self.shared, &mut *self.walk, scopes, self.tag);
        let built = build(&mut fields);
        fields.refuse_unknown_keys();
        built
    }

    fn replaced_scopes(&mut self, scopes: &mut Vec<Scope<'_>>, meta: &'static Meta) {
        for scope in scopes.drain(..) {
            if let Scope::Table { table, owner, .. } = scope {
                self.judge_replaced_table(NestedType::Section(meta), table, owner);
            }
        }
    }
}
