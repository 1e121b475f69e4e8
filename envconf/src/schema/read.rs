//! A schema's text to what the loader is driven by (docs/schema.md).
//!
//! Exactly what [`write`](super::write) says is understood. An annotation is passed over; a keyword that is neither
//! is refused: to pass over it would be to accept what it refuses.

mod keywords;
mod value_type;

use std::collections::BTreeMap;

use self::keywords::Keywords;
use super::json::Json;
use super::types::Type;
use super::write::{alias_rules, needs_values};
use super::{DRAFT, FieldSchema, Object, pointer};
use crate::base::{Error, Kind, escape};
use crate::meta::{Fallback, Field, Literal, Meta, Shape, Variable};
use crate::syntax::{Entry, Node, Place, Table, Value, json};

/// The schema `text`.
///
/// # Errors
/// [`Kind::Usage`] with line and column of the keyword that is not understood.
pub(crate) fn schema(text: &str) -> Result<Object, Error> {
    let reader = SchemaReader { text };
    let root = json::parse(text).map_err(|broken| reader.refuse(broken.place, "not valid JSON"))?;
    let Value::Table(table) = &root.value else {
        return Err(reader.refuse(root.place, "a schema is an object"));
    };
    let mut keywords = Keywords::of(table, root.place, &reader);
    if let Some((draft, place)) = keywords.text("$schema")?
        && draft.trim_end_matches('#') != DRAFT
    {
        return Err(reader.refuse(place, "it is of another draft than 2020-12"));
    }
    let prefix = keywords.name("x-envconf-prefix")?;
    let title = keywords.text("title")?.map_or("", |(title, _)| title);
    if let Some((ty, place)) = keywords.text("type")?
        && ty != "object"
    {
        return Err(reader.refuse(place, "a configuration is of type object"));
    }
    let mut object = reader.table(&mut keywords, "#")?;
    keywords.finish()?;
    object.meta = keep(Meta { name: keep_text(title), env_prefix: prefix, ..*object.meta });
    Ok(object)
}

/// Keeps a value for good: META is made of constants.
fn keep(meta: Meta) -> &'static Meta {
    Box::leak(Box::new(meta))
}

fn keep_text(text: &str) -> &'static str {
    text.to_owned().leak()
}

/// A schema's text, for the places of what is wrong with it.
struct SchemaReader<'t> {
    text: &'t str,
}

impl SchemaReader<'_> {
    fn refuse(&self, place: Place, what: &str) -> Error {
        let (line, column) = place.in_text(self.text);
        Error::new(Kind::Usage, format!("line {line}, column {column}: {what}"))
    }

    /// What is said of a struct's table.
    fn table(&self, keywords: &mut Keywords<'_>, here: &str) -> Result<Object, Error> {
        let Some(Node { value: Value::Table(properties), .. }) = keywords.take("properties") else {
            return Err(keywords.refuse("a table has `properties`"));
        };
        let docs = keywords.text("description")?.map_or("", |(docs, _)| docs);
        let allow_unknown_fields = keywords.flag("additionalProperties")?.unwrap_or(true);
        let required = keywords.names("required")?;
        let rules = keywords.take("allOf");
        let (references, entries): (Vec<_>, Vec<_>) =
            in_their_order(properties).into_iter().partition(|entry| reference(entry).is_some());
        let (mut given, mut known) = (Vec::new(), 0);
        let (mut fields, mut slots) = (Vec::new(), Vec::new());
        let mut needed: BTreeMap<&str, Place> = required.into_iter().collect();
        // What is not there cannot be equal: of the rules that are due no more are made than the text has.
        let mut room = match rules {
            Some(Node { value: Value::Array(items), .. }) => items.len(),
            _ => 0,
        };
        for entry in entries {
            let at = pointer(here, &entry.key);
            let aliases =
                references.iter().filter(|alias| reference(alias).is_some_and(|target| *target == at));
            let aliases: Vec<&'static str> = aliases.map(|alias| keep_text(&alias.key)).collect();
            known += aliases.len();
            let pairs = aliases.len() * (aliases.len() + 1) / 2;
            room = room.checked_sub(pairs).ok_or_else(|| match rules {
                Some(Node { value: Value::Array(_), place }) => self.refuse(*place, UNRULED),
                Some(node) => self.refuse(node.place, RULES_ARE_A_LIST),
                None => keywords.refuse(UNRULED),
            })?;
            let required = if aliases.is_empty() {
                needed.remove(&*entry.key).is_some()
            } else {
                let always = alias_rules(&entry.key, &aliases, false);
                let one = alias_rules(&entry.key, &aliases, true);
                let required = rules.is_some_and(|rules| one.iter().all(|rule| has(rules, rule)));
                given.extend(if required { one } else { always });
                required
            };
            let (mut field, slot) = self.property(entry, &at, required)?;
            field.aliases = aliases.leak();
            fields.push(field);
            slots.push(slot);
        }
        if let Some(alias) = references.first().filter(|_| known < references.len()) {
            let what = "a `$ref` names a property beside it, and makes an alias of it";
            return Err(self.refuse(alias.key_place, what));
        }
        if let Some((name, place)) = needed.first_key_value() {
            let what =
                format!("`required` has `{}`, which is no property or one with an alias", escape(name));
            return Err(self.refuse(*place, &what));
        }
        self.only_of_aliases(keywords, rules, &given)?;
        let meta = Meta { docs: keep_text(docs), allow_unknown_fields, fields: fields.leak(), ..Meta::EMPTY };
        Ok(Object { meta: keep(meta), slots })
    }

    /// `allOf` says of aliases that one of them is enough, and nothing else.
    fn only_of_aliases(
        &self,
        keywords: &Keywords<'_>,
        rules: Option<&Node<'_>>,
        due: &[Json],
    ) -> Result<(), Error> {
        let Some(node) = rules else {
            return if due.is_empty() { Ok(()) } else { Err(keywords.refuse(UNRULED)) };
        };
        let Value::Array(items) = &node.value else {
            return Err(self.refuse(node.place, RULES_ARE_A_LIST));
        };
        if let Some(item) = items.iter().find(|item| !due.iter().any(|rule| equals(item, rule))) {
            return Err(self.refuse(
                item.place,
                "`allOf` is read only where it rules out that a field is given by two names",
            ));
        }
        if due.iter().all(|rule| has(node, rule)) { Ok(()) } else { Err(self.refuse(node.place, UNRULED)) }
    }

    fn property(&self, entry: &Entry<'_>, here: &str, required: bool) -> Result<(Field, FieldSchema), Error> {
        let mut field =
            Field { key: keep_text(&entry.key), segment: entry.key.to_uppercase().leak(), ..NO_FIELD };
        let table = match &entry.node.value {
            Value::Bool(true) => {
                if required {
                    field.shape = Shape::Required;
                }
                return Ok((field, FieldSchema::Leaf(Type::Any)));
            }
            Value::Table(table) => table,
            _ => return Err(self.refuse(entry.node.place, "a property is an object or true")),
        };
        let mut keywords = Keywords::of(table, entry.node.place, self);
        if let Some(segment) = keywords.name("x-envconf-segment")? {
            field.segment = segment;
        }
        let slot = match table.get("properties") {
            Some(_) => self.nested(&mut keywords, &mut field, here, required)?,
            None => self.leaf(&mut keywords, &mut field, required)?,
        };
        keywords.finish()?;
        Ok((field, slot))
    }

    fn nested(
        &self,
        keywords: &mut Keywords<'_>,
        field: &mut Field,
        here: &str,
        required: bool,
    ) -> Result<FieldSchema, Error> {
        let (name, _) = keywords.ty()?.unwrap_or_default();
        if name != "object" {
            return Err(keywords.refuse("what has `properties` is of type object"));
        }
        let optional = keywords.flag("x-envconf-optional")?.unwrap_or(false);
        let object = self.table(keywords, here)?;
        field.variable = Variable::Forbidden;
        field.ty = written(keywords)?.unwrap_or("a table");
        field.docs = object.meta.docs;
        let needs_values = needs_values(object.meta);
        if required && !needs_values {
            return Err(keywords.refuse("a table that needs no value is required; take it out of `required`"));
        }
        if optional || needs_values && !required {
            field.shape = Shape::OptionalNested(object.meta);
            return Ok(FieldSchema::OptionalTable(object));
        }
        field.shape = Shape::Nested(object.meta);
        Ok(FieldSchema::Table(object))
    }

    fn leaf(
        &self,
        keywords: &mut Keywords<'_>,
        field: &mut Field,
        required: bool,
    ) -> Result<FieldSchema, Error> {
        let ty = self.ty(keywords)?;
        field.docs = keywords.text("description")?.map_or("", |(docs, _)| keep_text(docs));
        field.ty = written(keywords)?.unwrap_or_else(|| ty.spelled());
        field.secret = keywords.flag("x-envconf-secret")?.unwrap_or(false);
        field.variable = match keywords.take("x-envconf-env") {
            None => Variable::Generated,
            Some(Node { value: Value::Bool(false), .. }) => Variable::Forbidden,
            Some(_) => keywords.name("x-envconf-env")?.map_or(Variable::Generated, Variable::Named),
        };
        field.example = match keywords.take("examples").map(|node| &node.value) {
            Some(Value::Array(examples)) => examples.first().and_then(literal),
            _ => None,
        };
        let deprecated = keywords.flag("deprecated")?.unwrap_or(false);
        let note = keywords.text("x-envconf-deprecated")?.map_or("", |(note, _)| note);
        field.deprecated = deprecated.then(|| keep_text(note));
        let default = keywords.take("default");
        let elsewhere = keywords.take("x-envconf-default");
        field.shape = match (required, default, elsewhere) {
            (true, ..) => Shape::Required,
            (false, Some(node), _) => {
                Shape::Defaulted(literal(node).map_or(Fallback::Type, Fallback::Literal))
            }
            (false, None, Some(Node { value: Value::String(path), .. })) => {
                Shape::Defaulted(Fallback::Function(keep_text(path)))
            }
            (false, None, Some(_)) => Shape::Defaulted(Fallback::Type),
            (false, None, None) => Shape::Optional,
        };
        Ok(FieldSchema::Leaf(ty))
    }
}

/// The type as the program has it: what is shown where a value does not fit.
fn written(keywords: &mut Keywords<'_>) -> Result<Option<&'static str>, Error> {
    let written = keywords.text("x-envconf-type")?;
    Ok(written.map(|(written, _)| &*escape(written).to_string().leak()))
}

const UNRULED: &str = "a property has an alias, and no `allOf` rules out that both are given";

const RULES_ARE_A_LIST: &str = "`allOf` is a list";

const NO_FIELD: Field = Field {
    key: "",
    aliases: &[],
    docs: "",
    ty: "any value",
    shape: Shape::Optional,
    segment: "",
    variable: Variable::Generated,
    secret: false,
    deserialize_with: None,
    validate: None,
    example: None,
    deprecated: None,
};

/// The entries as they stand in the text: the order of the struct.
fn in_their_order<'t, 'a>(table: &'t Table<'a>) -> Vec<&'t Entry<'a>> {
    let mut entries: Vec<_> = table.entries().iter().collect();
    entries.sort_by_key(|entry| entry.key_place.0);
    entries
}

/// The target of a property that is nothing but a `$ref`.
fn reference<'t>(entry: &'t Entry<'_>) -> Option<&'t str> {
    match &entry.node.value {
        Value::Table(table) => match table.entries() {
            [Entry { key, node: Node { value: Value::String(target), .. }, .. }] if &**key == "$ref" => {
                Some(target)
            }
            _ => None,
        },
        _ => None,
    }
}

fn literal(node: &Node<'_>) -> Option<Literal> {
    Some(match &node.value {
        Value::Bool(value) => Literal::Bool(*value),
        Value::Integer(number) => Literal::Integer(*number),
        Value::Float(number) => Literal::Float(*number),
        Value::String(text) => Literal::String(keep_text(text)),
        Value::Array(items) => Literal::Array(items.iter().map(literal).collect::<Option<Vec<_>>>()?.leak()),
        Value::Null | Value::Datetime(_) | Value::Table(_) => return None,
    })
}

fn has(list: &Node<'_>, wanted: &Json) -> bool {
    matches!(&list.value, Value::Array(items) if items.iter().any(|item| equals(item, wanted)))
}

/// Whether `node` is the rule `wanted`, which is made of objects, lists and texts.
fn equals(node: &Node<'_>, wanted: &Json) -> bool {
    match (&node.value, wanted) {
        (Value::String(text), Json::String(wanted)) => **text == **wanted,
        (Value::Array(items), Json::Array(wanted)) => {
            items.len() == wanted.len() && items.iter().zip(wanted).all(|(item, wanted)| equals(item, wanted))
        }
        (Value::Table(table), Json::Object(wanted)) => {
            table.entries().len() == wanted.len()
                && wanted
                    .iter()
                    .all(|(key, value)| table.get(key).is_some_and(|entry| equals(&entry.node, value)))
        }
        _ => false,
    }
}
