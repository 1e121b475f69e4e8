//! The door for generated code: what the derive's output calls. Hidden, and no promises.
//!
//! Each function is generic over the type of one field, which generated code gives in the user's own tokens, so that
//! the compiler blames the field and not an expansion.

pub use serde::de::DeserializeOwned;

use super::EncryptedConfig;
pub use crate::layers::Fields;
use crate::meta::{Field, Meta};
pub use crate::syntax::Given;
use crate::syntax::Misfit;

/// What the derive puts in place of `META` beside its errors.
pub const NO_META: Meta = Meta::EMPTY;

/// What the derive leaves out of an entry of `META` that is as here.
pub const FIELD: Field = Field::EMPTY;

/// A type that is read as one value. It is a trait of its own for what the compiler says of a type that is none: the
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

/// Another derived struct.
pub fn nested<T: EncryptedConfig>(fields: &mut Fields<'_>, index: usize) -> Option<T> {
    fields.nested(index, const { &T::META }, T::build)
}

/// Another derived struct, absent unless any of its values is given.
pub fn optional_nested<T: EncryptedConfig>(fields: &mut Fields<'_>, index: usize) -> Option<Option<T>> {
    fields.optional_nested(index, const { &T::META }, T::build)
}

/// Another derived struct, whose fields are read as if they were this one's.
pub fn flattened<T: EncryptedConfig>(fields: &mut Fields<'_>, _index: usize) -> Option<T> {
    fields.flattened(const { &T::META }, T::build)
}

/// What is wrong with a value, in words that were written before there was one: a `&'static str` has no room for it.
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

/// The same for an `Option`: what is absent is not checked.
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
