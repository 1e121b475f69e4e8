//! The template in JSON, which has no comments.

use crate::meta::{Fallback, Field, Meta, NestedType, Shape};
use crate::schema::{Json, literal};

/// Returns the template of `meta` as JSON.
pub(super) fn of(meta: &'static Meta) -> String {
    table(meta).document()
}

fn table(meta: &'static Meta) -> Json {
    let member = |field: &'static Field| Some((field.key.to_owned(), value(field)?));
    Json::Object(meta.unflattened().into_iter().filter_map(member).collect())
}

/// Returns the value of a field, or `None` to leave it out: then the program uses its default.
fn value(field: &'static Field) -> Option<Json> {
    let example = || field.example.and_then(literal);
    match field.shape {
        Shape::Nested(meta) => Some(table(meta)),
        // An object, even an empty one, would create the optional struct.
        Shape::OptionalNested(_) | Shape::Optional => Some(Json::Null),
        Shape::Composed { .. } => composed(field),
        Shape::Defaulted(Fallback::Literal(default)) if !field.secret => literal(default),
        Shape::Defaulted(_) => None,
        Shape::Required | Shape::Flattened(_) => Some(example().unwrap_or(Json::Null)),
    }
}

/// Returns an empty list or map if it has no default. Leaves out an enum with a default variant.
fn composed(field: &'static Field) -> Option<Json> {
    match (field.shape, field.part?) {
        (_, NestedType::Optional(_)) => Some(Json::Null),
        (Shape::Composed { defaulted: true }, _) => None,
        (_, NestedType::List(_)) => Some(Json::Array(Vec::new())),
        (_, NestedType::Map(_)) => Some(Json::Object(Vec::new())),
        (_, NestedType::Variants(meta)) => match meta.variants.iter().find(|variant| variant.is_default) {
            Some(_) => None,
            None => Some(Json::Null),
        },
        (_, NestedType::Section(meta)) => Some(table(meta)),
    }
}
