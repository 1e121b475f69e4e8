//! Reads the keywords of a field with `nested`: a table, or a list, a map or an enum of tables.

use super::keywords::Keywords;
use super::{SchemaReader, keep, keep_text, merge, written};
use crate::base::Error;
use crate::meta::{Field, Merge, Meta, NestedType, Shape, Variable, Variant};
use crate::schema::write::part_needs_values;
use crate::schema::{FieldSchema, NestedSchema, Object, PROPERTIES, pointer_key};
use crate::syntax::{Node, Table, Value};

/// Returns true if a property is more than a leaf.
pub(super) fn is_nested(table: &Table<'_>) -> bool {
    let within = |keyword: &str| match table.get(keyword).map(|entry| &entry.node.value) {
        Some(Value::Table(table)) => is_nested(table),
        _ => false,
    };
    table.get("properties").is_some()
        || table.get("oneOf").is_some()
        || within("items")
        || within("additionalProperties")
}

impl SchemaReader<'_> {
    pub(super) fn nested(
        &self,
        keywords: &mut Keywords<'_>,
        field: &mut Field,
        here: &mut String,
        required: bool,
    ) -> Result<FieldSchema, Error> {
        let docs = keywords.text("description")?.map_or("", |(docs, _)| docs);
        let (mut schema, mut part) = self.part_of(keywords, here)?;
        let defaulted = keywords.flag("x-envconf-default")?.unwrap_or(false);
        let needs_values = part_needs_values(part);
        if required && !needs_values {
            return Err(keywords.refuse("a table without required values is in `required`: remove it there"));
        }
        if needs_values && !required && !defaulted {
            (schema, part) = optional(schema, part);
        }
        field.merge = merge(keywords)?.unwrap_or(Merge::Keys);
        field.ty = written(keywords)?.unwrap_or("a table");
        field.docs = if docs.is_empty() { part.meta().docs } else { keep_text(docs) };
        field.part = Some(part);
        (field.shape, field.variable) = match part {
            NestedType::Section(meta) => (Shape::Nested(meta), Variable::Forbidden),
            NestedType::Optional(NestedType::Section(meta)) => {
                (Shape::OptionalNested(meta), Variable::Forbidden)
            }
            NestedType::Optional(_) => (Shape::Composed { defaulted: true }, Variable::Generated),
            _ => (Shape::Composed { defaulted }, Variable::Generated),
        };
        Ok(FieldSchema::Nested(schema))
    }

    /// Reads the type that the keywords describe.
    fn part_of(
        &self,
        keywords: &mut Keywords<'_>,
        here: &mut String,
    ) -> Result<(NestedSchema, NestedType), Error> {
        let is_optional = keywords.flag("x-envconf-optional")?.unwrap_or(false);
        let (schema, part) = if keywords.has("oneOf") {
            self.variants(keywords, here)?
        } else {
            let (name, _) = keywords.ty()?.unwrap_or_default();
            match name {
                "object" if keywords.has("properties") => {
                    let object = self.table(keywords, here)?;
                    let part = NestedType::Section(object.meta);
                    (NestedSchema::Section(object), part)
                }
                "object" => {
                    let node = keywords.take("additionalProperties");
                    let (schema, part) = self.inner(node, keywords, here, "/additionalProperties")?;
                    (NestedSchema::Map(Box::new(schema)), NestedType::Map(keep_part(part)))
                }
                "array" => {
                    let (schema, part) = self.inner(keywords.take("items"), keywords, here, "/items")?;
                    (NestedSchema::List(Box::new(schema)), NestedType::List(keep_part(part)))
                }
                _ => return Err(keywords.refuse("a part with `properties` must have the type object")),
            }
        };
        Ok(if is_optional { optional(schema, part) } else { (schema, part) })
    }

    fn inner(
        &self,
        node: Option<&Node<'_>>,
        outer: &Keywords<'_>,
        here: &mut String,
        further: &str,
    ) -> Result<(NestedSchema, NestedType), Error> {
        let Some(Node { value: Value::Table(table), place }) = node else {
            return Err(outer.refuse("the type of a part must be an object"));
        };
        let mut keywords = Keywords::of(table, *place, self);
        // `table` reads the description of a table.
        if !keywords.has("properties") {
            keywords.take("description");
        }
        let outer = here.len();
        here.push_str(further);
        self.count_path(here.len(), *place)?;
        let (schema, part) = self.part_of(&mut keywords, here)?;
        here.truncate(outer);
        let type_name = written(&mut keywords)?.unwrap_or("a table");
        keywords.finish()?;
        Ok((renamed(schema, type_name), part)).map(|(schema, part)| {
            let part = named(part, &schema, type_name);
            (schema, part)
        })
    }

    fn variants(
        &self,
        keywords: &mut Keywords<'_>,
        here: &mut String,
    ) -> Result<(NestedSchema, NestedType), Error> {
        const FORM: &str = "`oneOf` must be a list of variants";
        let tag = keywords.name("x-envconf-tag")?;
        let tag_segment = keywords.name("x-envconf-tag-segment")?;
        let default = keywords.text("x-envconf-variant")?.map(|(name, _)| name);
        let Some(Node { value: Value::Array(alternatives), place }) = keywords.take("oneOf") else {
            return Err(keywords.refuse(FORM));
        };
        let (mut variants, mut contents): (Vec<Variant>, Vec<Option<NestedSchema>>) =
            (Vec::new(), Vec::new());
        for (index, node) in alternatives.iter().enumerate() {
            let Value::Table(table) = &node.value else { return Err(self.refuse(*place, FORM)) };
            let mut inner = Keywords::of(table, node.place, self);
            let Some((key, _)) = inner.text("title")? else {
                // Null, or a table that names no variant: see `write::variants`.
                continue;
            };
            let outer = here.len();
            here.push_str(&format!("/oneOf/{index}"));
            self.count_path(here.len(), node.place)?;
            let segment = inner.name("x-envconf-segment")?.unwrap_or(keep_text(&key.to_uppercase()));
            let docs = inner.text("description")?.map_or("", |(docs, _)| docs);
            let (names, content) = self.alternative(&mut inner, tag, table, here)?;
            here.truncate(outer);
            inner.finish()?;
            if let Some(variant) = variants.iter_mut().find(|variant| variant.key == key) {
                let names = variant.aliases.iter().copied().chain(names);
                variant.aliases = names.filter(|name| *name != key).collect::<Vec<_>>().leak();
                continue;
            }
            let aliases: Vec<&'static str> = names.into_iter().filter(|name| *name != key).collect();
            variants.push(Variant {
                key: keep_text(key),
                aliases: aliases.leak(),
                docs: keep_text(docs),
                segment,
                is_default: default == Some(key),
                content: content.as_ref().map(|(_, part)| *part),
            });
            contents.push(content.map(|(schema, _)| schema));
        }
        if variants.is_empty() {
            return Err(self.refuse(*place, FORM));
        }
        let tag = tag.map(|key| {
            let segment = tag_segment.unwrap_or(keep_text(&key.to_uppercase()));
            &*Box::leak(Box::new(Field { key, ty: "one of the variants", segment, ..Field::EMPTY }))
        });
        let meta = keep(Meta { type_name: "an enum", tag, variants: variants.leak(), ..Meta::EMPTY });
        Ok((NestedSchema::Variants(contents), NestedType::Variants(meta)))
    }

    /// Reads the names and the content of one variant.
    #[expect(clippy::type_complexity, reason = "a pair of a schema and its part")]
    fn alternative(
        &self,
        keywords: &mut Keywords<'_>,
        tag: Option<&'static str>,
        table: &Table<'_>,
        here: &mut String,
    ) -> Result<(Vec<&'static str>, Option<(NestedSchema, NestedType)>), Error> {
        if keywords.has("enum") {
            let names = keywords.names("enum")?;
            return Ok((names.into_iter().map(|(name, _)| keep_text(name)).collect(), None));
        }
        keywords.ty()?;
        let Some(Value::Table(properties)) = table.get("properties").map(|entry| &entry.node.value) else {
            return Err(keywords.refuse("a variant must have `properties` or `enum`"));
        };
        if let Some(tag) = tag {
            let Some(Value::Table(of_tag)) = properties.get(tag).map(|entry| &entry.node.value) else {
                return Err(keywords.refuse("the properties of a variant must include the tag"));
            };
            let mut of_tag = Keywords::of(of_tag, keywords.place(), self);
            let names = of_tag.names("enum")?.into_iter().map(|(name, _)| keep_text(name)).collect();
            of_tag.finish()?;
            let object = self.table_beside(keywords, here, Some(tag))?;
            let content = (!object.meta.fields.is_empty()).then(|| {
                let part = NestedType::Section(object.meta);
                (NestedSchema::Section(object), part)
            });
            return Ok((names, content));
        }
        let [entry] = properties.entries() else {
            return Err(keywords.refuse("a variant must have one property, its name"));
        };
        for known in ["properties", "required", "additionalProperties"] {
            keywords.take(known);
        }
        let content =
            self.inner(Some(&entry.node), keywords, here, &[PROPERTIES, &pointer_key(&entry.key)].concat())?;
        Ok((vec![keep_text(&entry.key)], Some(content)))
    }
}

fn keep_part(part: NestedType) -> &'static NestedType {
    Box::leak(Box::new(part))
}

fn optional(schema: NestedSchema, part: NestedType) -> (NestedSchema, NestedType) {
    match part {
        NestedType::Optional(_) => (schema, part),
        _ => (NestedSchema::Optional(Box::new(schema)), NestedType::Optional(keep_part(part))),
    }
}

/// Sets the type name of the schema's table, if it has none.
fn renamed(schema: NestedSchema, type_name: &'static str) -> NestedSchema {
    match schema {
        NestedSchema::Section(Object { meta, slots }) if meta.type_name.is_empty() => {
            NestedSchema::Section(Object { meta: keep(Meta { type_name, ..*meta }), slots })
        }
        NestedSchema::Optional(inner) => NestedSchema::Optional(Box::new(renamed(*inner, type_name))),
        other => other,
    }
}

/// Sets the type name of the part: a table takes it from the schema.
fn named(part: NestedType, schema: &NestedSchema, type_name: &'static str) -> NestedType {
    match (part, schema) {
        (NestedType::Section(_), NestedSchema::Section(object)) => NestedType::Section(object.meta),
        (NestedType::Variants(meta), _) => NestedType::Variants(keep(Meta { type_name, ..*meta })),
        (NestedType::Optional(inner), NestedSchema::Optional(schema)) => {
            NestedType::Optional(keep_part(named(*inner, schema, type_name)))
        }
        (part, _) => part,
    }
}
