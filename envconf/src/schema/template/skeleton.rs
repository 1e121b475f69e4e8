//! The template without comments.

use crate::meta::{Fallback, Field, Meta, Shape};
use crate::schema::{Json, literal};

/// `meta` as JSON.
pub(super) fn of(meta: &'static Meta) -> String {
    table(meta).document()
}

fn table(meta: &'static Meta) -> Json {
    let member = |field: &'static Field| Some((field.key.to_owned(), value(field)?));
    Json::Object(meta.unflattened().into_iter().filter_map(member).collect())
}

/// A default that cannot be told is left to the program.
fn value(field: &'static Field) -> Option<Json> {
    let example = || field.example.and_then(literal);
    match field.shape {
        Shape::Nested(meta) => Some(table(meta)),
        // An object, even an empty one, would bring it about.
        Shape::OptionalNested(_) | Shape::Optional => Some(Json::Null),
        Shape::Defaulted(Fallback::Literal(default)) if !field.secret => literal(default),
        Shape::Defaulted(_) => None,
        Shape::Required | Shape::Flattened(_) => Some(example().unwrap_or(Json::Null)),
    }
}
