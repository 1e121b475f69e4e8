//! The door for generated code: what the derive's output calls. Hidden, and no promises.
//!
//! Each function is generic over the type of one field, which generated code gives in the user's own tokens, so that
//! the compiler blames the field and not an expansion.

pub use serde::de::DeserializeOwned;

use crate::config::EncryptedConfig;
pub use crate::layers::fields::Fields;
use crate::meta::Meta;

/// What the derive puts in place of `META` beside its errors.
pub const NO_META: Meta = Meta {
    type_name: "",
    name: "",
    docs: "",
    dir: None,
    env_prefix: None,
    trust: &[],
    signers: &[],
    required_signatures: None,
    allow_unknown_fields: false,
    fields: &[],
};

/// A leaf that must be given, or has a literal default.
pub fn leaf<T: DeserializeOwned>(fields: &mut Fields<'_>, index: usize) -> Option<T> {
    fields.leaf(index, Fields::literal_or_missing)
}

/// A leaf whose default is made by `default`: the type's own, a function's, or `None`.
pub fn leaf_or<T: DeserializeOwned>(
    fields: &mut Fields<'_>,
    index: usize,
    default: impl FnOnce() -> T,
) -> Option<T> {
    fields.leaf(index, |fields, field| {
        fields.defaulted(field);
        Some(default())
    })
}

/// Another derived struct.
pub fn nested<T: EncryptedConfig>(fields: &mut Fields<'_>, index: usize) -> Option<T> {
    fields.nested(index)
}

/// Another derived struct, absent unless any of its values is given.
pub fn optional_nested<T: EncryptedConfig>(fields: &mut Fields<'_>, index: usize) -> Option<Option<T>> {
    fields.optional_nested(index)
}

/// The value of a field with `default`, or of one that is not loaded.
pub fn default_of<T: Default>() -> T {
    T::default()
}
