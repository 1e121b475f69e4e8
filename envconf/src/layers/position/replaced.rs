//! Values that a stronger layer replaces. They are not used, but they are still in a file, so their keys are checked.

use super::{Position, TreeOwner};
use crate::base::Complaint;
use crate::layers::fields::{PLAIN_SECRET, PLAIN_SECRET_ADVICE, no_such_key};
use crate::meta::{Field, Meta, NestedType, TypeStep};
use crate::syntax::{Node, Table, Value};

impl Position<'_> {
    /// Reports secrets in plain layers and unknown keys in a value of type `part` that is replaced.
    pub(super) fn judge_replaced(&mut self, part: NestedType, node: &Node<'_>, owner: TreeOwner<'_>) {
        match (&node.value, part.without_options()) {
            (Value::Array(items), NestedType::List(inner)) => {
                for (index, item) in items.iter().enumerate() {
                    self.judge_step(TypeStep::Item(index), *inner, item, owner);
                }
            }
            (Value::Table(table), part) => self.judge_replaced_table(part, table, owner),
            _ => {}
        }
    }

    pub(super) fn judge_replaced_table(&mut self, part: NestedType, table: &Table<'_>, owner: TreeOwner<'_>) {
        match part.without_options() {
            NestedType::Section(meta) => self.judge_section(meta, &[], table, owner),
            NestedType::Map(inner) => {
                for entry in table.entries() {
                    self.judge_step(TypeStep::Key(entry.key.to_string()), *inner, &entry.node, owner);
                }
            }
            NestedType::Variants(meta) => self.judge_variant(meta, table, owner),
            NestedType::Optional(_) | NestedType::List(_) => {}
        }
    }

    fn judge_variant(&mut self, meta: &'static Meta, table: &Table<'_>, owner: TreeOwner<'_>) {
        let named =
            |name: &str| meta.variants.iter().find(|variant| variant.names().any(|known| known == name));
        match meta.tag {
            Some(tag) => {
                let entry = tag.keys().into_iter().find_map(|key| table.get(key));
                let Some(Value::String(name)) = entry.map(|entry| &entry.node.value) else { return };
                if let Some(NestedType::Section(meta)) = named(name).and_then(|variant| variant.content) {
                    self.judge_section(meta, &tag.keys(), table, owner);
                }
            }
            None => {
                for entry in table.entries() {
                    let Some(variant) = named(&entry.key) else { continue };
                    let Some(content) = variant.content else { continue };
                    self.judge_step(TypeStep::Variant(variant), content, &entry.node, owner);
                }
            }
        }
    }

    fn judge_step(&mut self, step: TypeStep, part: NestedType, node: &Node<'_>, owner: TreeOwner<'_>) {
        self.walk.steps.push(step);
        self.judge_replaced(part, node, owner);
        self.walk.steps.pop();
    }

    fn judge_section(
        &mut self,
        meta: &'static Meta,
        known: &[&str],
        table: &Table<'_>,
        owner: TreeOwner<'_>,
    ) {
        let fields = meta.unflattened();
        let keys: Vec<&str> = fields.iter().flat_map(|field| field.keys()).collect();
        let of_key = |key: &str| fields.iter().copied().find(|field| field.keys().contains(&key));
        for entry in table.entries() {
            match of_key(&entry.key) {
                Some(field) => self.judge_field(field, &entry.node, owner),
                None if meta.allow_unknown_fields || known.contains(&&*entry.key) => {}
                None => {
                    let steps = &self.walk.steps;
                    self.walk.report.problem(|| no_such_key(steps, owner, entry, &keys));
                }
            }
        }
    }

    fn judge_field(&mut self, field: &'static Field, node: &Node<'_>, owner: TreeOwner<'_>) {
        self.walk.steps.push(TypeStep::Field(field));
        if let Some(part) = field.part {
            self.judge_replaced(part, node, owner);
        } else if field.secret && owner.is_plain() {
            self.walk.report.advise(PLAIN_SECRET_ADVICE);
            self.complain(Some(owner.origin(node.place)), Complaint::Rule(PLAIN_SECRET.to_owned()));
        }
        self.walk.steps.pop();
    }
}
