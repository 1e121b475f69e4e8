//! Writes META as JSON Schema, draft 2020-12 (docs/schema.md).
//!
//! Validators and editors understand the keywords of the draft. Keywords that only envconf needs begin with
//! `x-envconf-`: variables, secrets and types as written.

use std::collections::HashSet;

use super::json::Json;
use super::types::{TextSchema, Type};
use super::{DRAFT, pointer};
use crate::meta::{
    Fallback, Field, Leaf, Literal, Merge, Meta, NestedType, Shape, TypeStep, Variable, Variant,
};

/// The value of `x-envconf-default` for a default that an expression computes.
pub(crate) const COMPUTED: &str = "computed";

type Members = Vec<(String, Json)>;

/// Returns the schema of the content that `meta` describes.
pub(crate) fn schema(meta: &'static Meta) -> Json {
    let mut members = Members::new();
    add(&mut members, "$schema", DRAFT);
    add(&mut members, "title", meta.name);
    describe(&mut members, meta.docs);
    if let Some(prefix) = meta.env_prefix {
        add(&mut members, "x-envconf-prefix", prefix);
    }
    if meta.allow_unknown_variables {
        add(&mut members, "x-envconf-allow-unknown-variables", true);
    }
    add(&mut members, "type", "object");
    let mut writer = Writer { prefix: meta.env_prefix, parents: Vec::new() };
    writer.table(meta, "#", &mut members);
    Json::Object(members)
}

/// Returns true if the content must have a table of `meta`, because a value in it has no default.
pub(crate) fn needs_values(meta: &'static Meta) -> bool {
    meta.fields.iter().any(field_needs_values)
}

/// Returns true if the content must have the field.
fn field_needs_values(field: &'static Field) -> bool {
    match field.shape {
        Shape::Required => true,
        Shape::Nested(meta) | Shape::Flattened(meta) => needs_values(meta),
        Shape::Composed { defaulted } => !defaulted && field.part.is_none_or(part_needs_values),
        Shape::Optional | Shape::Defaulted(_) | Shape::OptionalNested(_) => false,
    }
}

/// Returns true if the content must have a value of this type.
pub(crate) fn part_needs_values(part: NestedType) -> bool {
    match part {
        NestedType::Section(meta) => needs_values(meta),
        NestedType::Optional(_) => false,
        NestedType::List(_) | NestedType::Map(_) => true,
        NestedType::Variants(meta) => match meta.variants.iter().find(|variant| variant.is_default) {
            Some(variant) => variant.content.is_some_and(part_needs_values),
            None => true,
        },
    }
}

/// Returns a literal as JSON; `None` for an integer that content cannot contain.
pub(crate) fn literal(literal: Literal) -> Option<Json> {
    const INTEGERS: std::ops::RangeInclusive<i128> = i64::MIN as i128..=u64::MAX as i128;
    Some(match literal {
        Literal::Bool(value) => Json::Bool(value),
        Literal::Integer(number) if !INTEGERS.contains(&number) => return None,
        Literal::Integer(number) => number.into(),
        // `Debug` keeps the point or exponent that makes it a float.
        Literal::Float(number) => Json::Number(format!("{number:?}")),
        Literal::String(text) => text.into(),
        Literal::Array(items) => {
            Json::Array(items.iter().map(|item| self::literal(*item)).collect::<Option<_>>()?)
        }
    })
}

struct Writer {
    prefix: Option<&'static str>,
    parents: Vec<TypeStep>,
}

impl Writer {
    /// Writes the keywords of a struct's table; `here` is the position in the schema.
    fn table(&mut self, meta: &'static Meta, here: &str, members: &mut Members) {
        let (mut properties, mut required, mut rules) = (Members::new(), Vec::new(), Vec::new());
        let mut keys = HashSet::new();
        for field in meta.unflattened() {
            // `check` reports a key that two flattened structs share.
            if !keys.insert(field.key) {
                continue;
            }
            let at = pointer(here, field.key);
            let is_required = field_needs_values(field);
            add(&mut properties, field.key, self.property(field, &at));
            for alias in field.aliases {
                keys.insert(alias);
                add(
                    &mut properties,
                    alias,
                    Json::Object(vec![("$ref".to_owned(), Json::String(at.clone()))]),
                );
            }
            match (is_required, field.aliases.is_empty()) {
                (true, true) => required.push(Json::from(field.key)),
                (_, false) => rules.extend(alias_rules(field.key, field.aliases, is_required)),
                (false, true) => {}
            }
        }
        add(members, "properties", Json::Object(properties));
        if !required.is_empty() {
            add(members, "required", Json::Array(required));
        }
        if !rules.is_empty() {
            add(members, "allOf", Json::Array(rules.iter().map(of_objects).collect()));
        }
        add(members, "additionalProperties", meta.allow_unknown_fields);
    }

    fn property(&mut self, field: &'static Field, here: &str) -> Json {
        let mut members = Members::new();
        match field.part {
            Some(part) => self.nested(field, part, here, &mut members),
            None => self.leaf(field, &mut members),
        }
        if field.segment != field.key.to_uppercase() {
            add(&mut members, "x-envconf-segment", field.segment);
        }
        Json::Object(members)
    }

    fn nested(&mut self, field: &'static Field, part: NestedType, here: &str, members: &mut Members) {
        let docs = if field.docs.is_empty() { part.meta().docs } else { field.docs };
        describe(members, docs);
        let defaulted = matches!(field.shape, Shape::Composed { defaulted: true });
        let optional = matches!(part, NestedType::Optional(_));
        self.parents.push(TypeStep::Field(field));
        // Null means that the value is missing.
        self.part(part, here, members, defaulted || !part_needs_values(part));
        self.parents.pop();
        add(members, "x-envconf-type", field.ty);
        if defaulted && !optional {
            add(members, "x-envconf-default", true);
        }
        if field.merge == Merge::Replace {
            add(members, "x-envconf-merge", "replace");
        }
        if let Some(variable) = Leaf::new(&self.parents, field).variable(self.prefix) {
            add(members, "x-envconf-variable", variable.as_str());
        }
    }

    /// Writes the keywords of a type; `null` is true if it may be null.
    fn part(&mut self, part: NestedType, here: &str, members: &mut Members, null: bool) {
        let ty = |name: &str| {
            one_or_more(std::iter::once(Json::from(name)).chain(null.then(|| Json::from("null"))))
        };
        match part {
            NestedType::Optional(inner) => {
                self.part(*inner, here, members, true);
                add(members, "x-envconf-optional", true);
            }
            NestedType::Section(meta) => {
                add(members, "type", ty("object"));
                self.table(meta, here, members);
            }
            NestedType::List(item) => {
                add(members, "type", ty("array"));
                add(members, "items", self.inner(TypeStep::AnyItem, *item, &format!("{here}/items"), false));
            }
            NestedType::Map(value) => {
                add(members, "type", ty("object"));
                let here = format!("{here}/additionalProperties");
                // Null removes a key, or leaves it out.
                add(members, "additionalProperties", self.inner(TypeStep::AnyKey, *value, &here, true));
            }
            NestedType::Variants(meta) => self.variants(meta, here, members, null),
        }
    }

    fn inner(&mut self, step: TypeStep, part: NestedType, here: &str, null: bool) -> Json {
        let mut members = Members::new();
        describe(&mut members, part.meta().docs);
        self.parents.push(step);
        self.part(part, here, &mut members, null);
        self.parents.pop();
        add(&mut members, "x-envconf-type", part.meta().type_name);
        Json::Object(members)
    }

    fn variants(&mut self, meta: &'static Meta, here: &str, members: &mut Members, null: bool) {
        let mut alternatives = Vec::new();
        for variant in meta.variants {
            let names: Vec<&'static str> = variant.names().collect();
            match (meta.tag, variant.content) {
                (Some(tag), content) => {
                    let here = format!("{here}/oneOf/{}", alternatives.len());
                    alternatives.push(self.tagged(tag, variant, content, &here));
                }
                (None, None) => {
                    alternatives.extend(names.iter().map(|name| empty_content(name)));
                    let names = names.into_iter().map(Json::from).collect();
                    alternatives.push(alternative(variant, vec![("enum".to_owned(), Json::Array(names))]));
                }
                (None, Some(content)) => {
                    // The variant's name alone is enough if all its fields have defaults.
                    if !part_needs_values(content) {
                        let names = names.iter().copied().map(Json::from).collect();
                        alternatives.push(Json::Object(vec![("enum".to_owned(), Json::Array(names))]));
                    }
                    for name in names {
                        let here = format!("{here}/oneOf/{}", alternatives.len());
                        let at = pointer(&here, name);
                        let null = !part_needs_values(content);
                        let inner = self.inner(TypeStep::Variant(variant), content, &at, null);
                        let mut members = Members::new();
                        add(&mut members, "type", "object");
                        add(&mut members, "properties", Json::Object(vec![(name.to_owned(), inner)]));
                        add(&mut members, "required", Json::Array(vec![Json::from(name)]));
                        add(&mut members, "additionalProperties", false);
                        alternatives.push(alternative(variant, members));
                    }
                }
            }
        }
        // A table without a variant is valid only if one variant is the default.
        if meta.tag.is_none() && !part_needs_values(NestedType::Variants(meta)) {
            let mut members = Members::new();
            add(&mut members, "type", "object");
            add(&mut members, "properties", Json::Object(Vec::new()));
            add(&mut members, "additionalProperties", false);
            alternatives.push(Json::Object(members));
        }
        if null {
            alternatives.push(Json::Object(vec![("type".to_owned(), "null".into())]));
        }
        add(members, "oneOf", Json::Array(alternatives));
        if let Some(tag) = meta.tag {
            add(members, "x-envconf-tag", tag.key);
            add(members, "x-envconf-tag-segment", tag.segment);
        }
        if let Some(default) = meta.variants.iter().find(|variant| variant.is_default) {
            add(members, "x-envconf-variant", default.key);
        }
    }

    /// Returns the schema of a variant of an internally tagged enum: the tag, and the fields next to it.
    fn tagged(
        &mut self,
        tag: &'static Field,
        variant: &'static Variant,
        content: Option<NestedType>,
        here: &str,
    ) -> Json {
        let mut members = Members::new();
        add(&mut members, "type", "object");
        self.table(content.map_or(&NO_FIELDS, NestedType::meta), here, &mut members);
        let names = variant.names().map(Json::from).collect();
        let tag_schema = Json::Object(vec![("enum".to_owned(), Json::Array(names))]);
        for (keyword, value) in &mut members {
            match (keyword.as_str(), value) {
                ("properties", Json::Object(properties)) => {
                    properties.insert(0, (tag.key.to_owned(), tag_schema.clone()));
                }
                ("required", Json::Array(required)) if !variant.is_default => {
                    required.insert(0, tag.key.into())
                }
                _ => {}
            }
        }
        if !variant.is_default && !members.iter().any(|(keyword, _)| keyword == "required") {
            members.insert(2, ("required".to_owned(), Json::Array(vec![tag.key.into()])));
        }
        alternative(variant, members)
    }

    fn leaf(&self, field: &'static Field, members: &mut Members) {
        describe(members, field.docs);
        // The function of `deserialize_with` may accept any form of value.
        let ty = if field.deserialize_with.is_some() { Type::Any } else { Type::of(field.ty) };
        self::ty(&ty, members);
        if let Shape::Defaulted(fallback) = field.shape {
            default(fallback, field.secret, members);
        }
        if field.merge == Merge::Keys {
            add(members, "x-envconf-merge", "keys");
        }
        if let Some(example) = field.example.and_then(literal) {
            add(members, "examples", Json::Array(vec![example]));
        }
        if let Some(note) = field.deprecated {
            add(members, "deprecated", true);
            if !note.is_empty() {
                add(members, "x-envconf-deprecated", note);
            }
        }
        add(members, "x-envconf-type", field.ty);
        if field.secret {
            add(members, "x-envconf-secret", true);
        }
        for (keyword, function) in
            [("x-envconf-deserialize-with", field.deserialize_with), ("x-envconf-validate", field.validate)]
        {
            if let Some(function) = function {
                add(members, keyword, function);
            }
        }
        match field.variable {
            Variable::Named(name) => add(members, "x-envconf-env", name),
            Variable::Forbidden => add(members, "x-envconf-env", false),
            Variable::Generated => {}
        }
        if let Some(variable) = Leaf::new(&self.parents, field).variable(self.prefix) {
            add(members, "x-envconf-variable", variable.as_str());
        }
    }
}

/// The fields of a unit variant.
static NO_FIELDS: Meta = Meta::EMPTY;

/// Returns one alternative of an enum.
fn alternative(variant: &Variant, mut members: Members) -> Json {
    add(&mut members, "title", variant.key);
    describe(&mut members, variant.docs);
    add(&mut members, "x-envconf-segment", variant.segment);
    Json::Object(members)
}

/// Returns the schema of a table with only the name of a unit variant, which is another way to write the variant.
fn empty_content(name: &str) -> Json {
    let types = ["object", "null", "string"].map(Json::from).to_vec();
    let mut nothing = Members::new();
    add(&mut nothing, "type", Json::Array(types));
    add(&mut nothing, "maxProperties", 0_usize);
    add(&mut nothing, "maxLength", 0_usize);
    let mut members = Members::new();
    add(&mut members, "type", "object");
    add(&mut members, "properties", Json::Object(vec![(name.to_owned(), Json::Object(nothing))]));
    add(&mut members, "required", Json::Array(vec![name.into()]));
    add(&mut members, "additionalProperties", false);
    Json::Object(members)
}

/// Returns the rules that forbid two names of one field, and that require one name if the field is required.
pub(crate) fn alias_rules(key: &str, aliases: &[&str], required: bool) -> Vec<Json> {
    let names: Vec<&str> = std::iter::once(key).chain(aliases.iter().copied()).collect();
    let object = |key: &str, value| Json::Object(vec![(key.to_owned(), value)]);
    let requiring = |names: &[&str]| {
        object("required", Json::Array(names.iter().map(|name| Json::from(*name)).collect()))
    };
    let mut rules = Vec::new();
    for (index, one) in names.iter().enumerate() {
        rules.extend(names[..index].iter().map(|other| object("not", requiring(&[*other, *one]))));
    }
    if required {
        rules.push(object("anyOf", Json::Array(names.iter().map(|name| requiring(&[*name])).collect())));
    }
    rules
}

/// Restricts a rule to objects, so that null is valid for an optional table.
pub(crate) fn of_objects(rule: &Json) -> Json {
    match rule {
        Json::Object(members) => {
            let member = |(keyword, value): &(String, Json)| match (keyword.as_str(), value) {
                ("not", Json::Object(inner)) => {
                    let ty = ("type".to_owned(), Json::from("object"));
                    (keyword.clone(), Json::Object(std::iter::once(ty).chain(inner.clone()).collect()))
                }
                _ => (keyword.clone(), value.clone()),
            };
            Json::Object(members.iter().map(member).collect())
        }
        other => other.clone(),
    }
}

fn default(fallback: Fallback, secret: bool, members: &mut Members) {
    match fallback {
        // Other people read a schema: it must not contain a secret default.
        Fallback::Literal(value) if !secret => match literal(value) {
            Some(value) => add(members, "default", value),
            None => add(members, "x-envconf-default", true),
        },
        Fallback::Literal(_) | Fallback::Type => add(members, "x-envconf-default", true),
        Fallback::Function(path) => add(members, "x-envconf-default", path),
        Fallback::Computed => add(members, "x-envconf-default", COMPUTED),
    }
}

/// Writes the keywords of a type.
fn ty(ty: &Type, members: &mut Members) {
    let (inner, null) = match ty {
        Type::Nullable(inner) => (&**inner, Some(Json::from("null"))),
        other => (other, None),
    };
    if let Some(name) = name(inner) {
        add(members, "type", one_or_more(std::iter::once(Json::from(name)).chain(null)));
    }
    match inner {
        Type::Integer { min, max } => {
            bound(members, "minimum", *min);
            bound(members, "maximum", *max);
        }
        Type::Text(text) => self::text(text, members),
        Type::List { items, min, max } => {
            if **items != Type::Any {
                add(members, "items", object(items));
            }
            bound(members, "minItems", *min);
            bound(members, "maxItems", *max);
        }
        Type::Tuple(items) => {
            add(members, "prefixItems", Json::Array(items.iter().map(object).collect()));
            // Do not write `items: false`: editors with support for older drafts only would apply it to all items.
            bound(members, "minItems", Some(items.len()));
            bound(members, "maxItems", Some(items.len()));
        }
        Type::Map { keys, values } => {
            if *keys != TextSchema::default() {
                let mut names = Members::new();
                text(keys, &mut names);
                add(members, "propertyNames", Json::Object(names));
            }
            if **values != Type::Any {
                add(members, "additionalProperties", object(values));
            }
        }
        Type::Any | Type::Null | Type::Bool | Type::Number | Type::Nullable(_) => {}
    }
}

fn name(ty: &Type) -> Option<&'static str> {
    match ty {
        Type::Any | Type::Nullable(_) => None,
        Type::Null => Some("null"),
        Type::Bool => Some("boolean"),
        Type::Integer { .. } => Some("integer"),
        Type::Number => Some("number"),
        Type::Text(_) => Some("string"),
        Type::List { .. } | Type::Tuple(_) => Some("array"),
        Type::Map { .. } => Some("object"),
    }
}

fn text(text: &TextSchema, members: &mut Members) {
    if let Some(format) = text.format {
        add(members, "format", format.name());
    }
    bound(members, "minLength", text.min);
    bound(members, "maxLength", text.max);
}

fn object(ty: &Type) -> Json {
    let mut members = Members::new();
    self::ty(ty, &mut members);
    Json::Object(members)
}

fn bound<N: Into<Json>>(members: &mut Members, keyword: &str, bound: Option<N>) {
    if let Some(bound) = bound {
        add(members, keyword, bound);
    }
}

fn describe(members: &mut Members, docs: &str) {
    if !docs.is_empty() {
        add(members, "description", docs);
    }
}

fn add(members: &mut Members, keyword: &str, value: impl Into<Json>) {
    members.push((keyword.to_owned(), value.into()));
}

/// Returns a single item as it is, and several items as a list.
fn one_or_more(items: impl Iterator<Item = Json>) -> Json {
    let mut items: Vec<Json> = items.collect();
    match items.len() {
        1 => items.remove(0),
        _ => Json::Array(items),
    }
}
