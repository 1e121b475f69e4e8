//! The door for generated code: what the derive's output calls. Hidden, and no promises.
//!
//! Each function is generic over the type of one field, which generated code gives in the user's own tokens, so that
//! the compiler blames the field and not an expansion.

pub use serde::de::{Deserialize, DeserializeOwned, Deserializer};

use super::EncryptedConfig;
pub use super::nested::Nested;
use crate::layers;
pub use crate::layers::{Fields, Position};
use crate::meta::{Field, Meta, NestedType, Shape, Variable};
pub use crate::syntax::Given;
use crate::syntax::Misfit;

/// The constant that the derive generates instead of `META` beside its errors.
pub const NO_META: Meta = Meta::EMPTY;

/// Defaults of an entry of `META`; the derive generates only the fields that differ.
pub const FIELD: Field = Field::EMPTY;

/// A type that is read as one value. It is a separate trait for what the compiler says of a type that is none: the
/// derive never implements it, so that a user's type may have both derives.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a nested struct nor a type that serde can read",
    label = "add `#[envconf(nested)]`, or derive serde's Deserialize for `{Self}`",
    note = "a type that derives `EncryptedConfig` is read field by field, with `#[envconf(nested)]`; any other type, and each type within a list, map or Option, derives `serde::Deserialize`"
)]
pub trait LeafValue: Sized {
    /// Reads the value.
    fn read(given: Given<'_, '_>) -> Result<Self, Misfit>;
}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned> LeafValue for T {
    fn read(given: Given<'_, '_>) -> Result<Self, Misfit> {
        T::deserialize(given)
    }
}

/// A leaf that must be given, or has a literal default.
pub fn leaf<T: LeafValue>(fields: &mut Fields<'_>, index: usize) -> Option<T> {
    leaf_with(fields, index, |given| T::read(given))
}

/// The same, read by a function of the user's.
pub fn leaf_with<T>(
    fields: &mut Fields<'_>,
    index: usize,
    read: impl Fn(Given<'_, '_>) -> Result<T, Misfit>,
) -> Option<T> {
    fields.leaf(index, &read, |fields, field| fields.literal_or_missing(field, &read))
}

/// A leaf whose default is made by `default`: the type's own, a function's, or `None`.
pub fn leaf_or<T: LeafValue>(
    fields: &mut Fields<'_>,
    index: usize,
    default: impl FnOnce() -> T,
) -> Option<T> {
    leaf_or_with(fields, index, |given| T::read(given), default)
}

/// The same, read by a function of the user's.
pub fn leaf_or_with<T>(
    fields: &mut Fields<'_>,
    index: usize,
    read: impl Fn(Given<'_, '_>) -> Result<T, Misfit>,
    default: impl FnOnce() -> T,
) -> Option<T> {
    fields.leaf(index, &read, |fields, field| {
        fields.defaulted(field);
        Some(default())
    })
}

/// A field with `nested`.
pub fn nested<T: Nested>(fields: &mut Fields<'_>, index: usize) -> Option<T> {
    fields.nested(index, T::nested_at, None)
}

/// Builds a list or map, or its default if no source has a part of it.
pub fn nested_or<T: Nested>(fields: &mut Fields<'_>, index: usize, default: impl Fn() -> T) -> Option<T> {
    fields.nested(index, T::nested_at, Some(&default))
}

/// Another derived struct, whose fields are read as if they were this one's.
pub fn flattened<T: EncryptedConfig>(fields: &mut Fields<'_>, _index: usize) -> Option<T> {
    fields.flattened(const { &T::META }, T::build)
}

/// The struct that `meta` describes, at this place.
pub fn section<T>(
    at: Position<'_>,
    meta: &'static Meta,
    mut build: impl FnMut(&mut Fields<'_>) -> Option<T>,
) -> Option<T> {
    let mut built = None;
    let is_right = at.section(meta, &mut |fields| {
        built = build(fields);
        built.is_some()
    });
    built.filter(|_| is_right)
}

/// The enum that `meta` describes, at this place: `build` makes the variant of an index.
pub fn variants<T>(
    at: Position<'_>,
    meta: &'static Meta,
    mut build: impl FnMut(usize, Position<'_>) -> Option<T>,
) -> Option<T> {
    let mut built = None;
    let is_right = at.variants(meta, &mut |index, at| {
        built = build(index, at);
        built.is_some()
    });
    built.filter(|_| is_right)
}

/// Builds the content of a variant at this position.
pub fn around<T: Nested>(at: Position<'_>) -> Option<T> {
    T::nested_at(at)
}

/// The enum that `build` makes, if `check` finds nothing wrong with it.
pub fn validated_place<T>(
    mut at: Position<'_>,
    build: impl FnOnce(Position<'_>) -> Option<T>,
    check: impl FnOnce(&T) -> Verdict,
) -> Option<T> {
    let value = build(at.reborrow())?;
    at.judged(check(&value)).then_some(value)
}

/// The type of a field with `nested`, for `META`.
pub const fn shape<T: Nested>(defaulted: bool) -> Shape {
    match T::PART {
        NestedType::Section(meta) => Shape::Nested(meta),
        NestedType::Optional(NestedType::Section(meta)) => Shape::OptionalNested(meta),
        NestedType::Optional(_) => Shape::Composed { defaulted: true },
        _ => Shape::Composed { defaulted },
    }
}

/// The variable of a field with `nested`: a struct has none, its fields have.
pub const fn nested_variable<T: Nested>() -> Variable {
    match shape::<T>(false) {
        Shape::Composed { .. } => Variable::Generated,
        _ => Variable::Forbidden,
    }
}

/// The struct of a field with `flatten`.
pub const fn flattened_meta<T: EncryptedConfig>() -> &'static Meta {
    let meta = const { &T::META };
    assert!(meta.variants.is_empty(), "an enum cannot be flattened: give it a separate table with `nested`");
    meta
}

/// Describes the content of a variant of an internally tagged enum: a struct, whose fields are beside the tag.
pub const fn beside_tag<T: Nested>() -> NestedType {
    let part = T::PART;
    assert!(
        matches!(part, NestedType::Section(_)),
        "with `tag` a variant is around a struct that derives `EncryptedConfig`: its fields are beside the tag"
    );
    part
}

/// The tag of an enum, as a field.
pub const fn tag(key: &'static str, segment: &'static str) -> Field {
    Field { key, ty: "the name of a variant", segment, ..FIELD }
}

/// The fields of a variant that has named ones.
pub fn fields_of_variant(meta: &'static Meta, index: usize) -> &'static Meta {
    match meta.variants.get(index).and_then(|variant| variant.content) {
        Some(content) => content.meta(),
        None => &NO_META_OF_VARIANT,
    }
}

static NO_META_OF_VARIANT: Meta = NO_META;

/// Reads the name of a unit variant: its place among `names`, in which aliases follow the variants. `variants` are
/// listed where the name is none of them.
///
/// # Errors
/// The error of the deserializer.
pub fn unit_variant<'de, D: Deserializer<'de>>(
    deserializer: D,
    name: &'static str,
    variants: &'static [&'static str],
    names: &'static [(&'static str, usize)],
) -> Result<usize, D::Error> {
    layers::unit_variant::read(deserializer, name, variants, names)
}

/// The reason why a value is invalid. A `&'static str` cannot contain the value.
type Verdict = Result<(), &'static str>;

/// The value, if `check` finds nothing wrong with it.
pub fn validated<T>(
    fields: &mut Fields<'_>,
    index: usize,
    value: Option<T>,
    check: impl FnOnce(&T) -> Verdict,
) -> Option<T> {
    let verdict = check(value.as_ref()?);
    fields.judged(index, verdict).then_some(value?)
}

/// Like `validated`, for an `Option`: a missing value is not checked.
pub fn validated_within<T>(
    fields: &mut Fields<'_>,
    index: usize,
    value: Option<Option<T>>,
    check: impl FnOnce(&T) -> Verdict,
) -> Option<Option<T>> {
    let verdict = value.as_ref()?.as_ref().map_or(Ok(()), check);
    fields.judged(index, verdict).then_some(value?)
}

/// The struct, if `check` finds nothing wrong with it as a whole.
pub fn validated_whole<T>(
    fields: &mut Fields<'_>,
    whole: Option<T>,
    check: impl FnOnce(&T) -> Verdict,
) -> Option<T> {
    let verdict = check(whole.as_ref()?);
    fields.whole_judged(verdict).then_some(whole?)
}

/// The value of a field with `default`, or of one that is not loaded.
pub fn default_of<T: Default>() -> T {
    T::default()
}
