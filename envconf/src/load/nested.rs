//! The types that `nested` supports: derived types, and `Option`, `Box`, `Vec` and maps of them.

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;

use super::EncryptedConfig;
use crate::layers::Position;
use crate::meta::NestedType;

/// A type that a field with `nested` may have.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not derive `EncryptedConfig`",
    label = "not a configuration type",
    note = "`nested` works on a type that derives `EncryptedConfig`, and on `Option`, `Box`, `Vec`, `BTreeMap<String, _>` and `HashMap<String, _>` of one; without `nested`, serde's `Deserialize` is enough"
)]
pub trait Nested: Sized {
    /// The type as a constant.
    const PART: NestedType;

    /// Builds the value at this place. Returns `None` after it reported a problem.
    fn nested_at(at: Position<'_>) -> Option<Self>;
}

impl<T: EncryptedConfig> Nested for T {
    const PART: NestedType = const { &T::META }.part();

    fn nested_at(at: Position<'_>) -> Option<Self> {
        T::build_at(at)
    }
}

impl<T: Nested> Nested for Option<T> {
    const PART: NestedType = NestedType::Optional(&T::PART);

    fn nested_at(at: Position<'_>) -> Option<Self> {
        if at.walk.checking {
            // Check the defaults of the inner type too, although this field defaults to `None`.
            T::nested_at(at);
            return Some(None);
        }
        if at.is_given() || at.is_named_elsewhere(T::PART) { T::nested_at(at).map(Some) } else { Some(None) }
    }
}

impl<T: Nested> Nested for Vec<T> {
    const PART: NestedType = NestedType::List(&T::PART);

    fn nested_at(at: Position<'_>) -> Option<Self> {
        let mut items = Self::new();
        let is_right = at.list(const { &T::PART }, &mut |len, at| {
            // Reserve the whole list first: a list that grows leaves copies of its items behind.
            items.reserve_exact(len.saturating_sub(items.len()));
            let item = T::nested_at(at);
            let is_right = item.is_some();
            items.extend(item);
            is_right
        });
        is_right.then_some(items)
    }
}

impl<T: Nested> Nested for BTreeMap<String, T> {
    const PART: NestedType = NestedType::Map(&T::PART);

    fn nested_at(at: Position<'_>) -> Option<Self> {
        let mut entries = Self::new();
        let is_right = at.map(const { &T::PART }, &mut |_, key, at| {
            let value = T::nested_at(at);
            let is_right = value.is_some();
            entries.extend(value.map(|value| (key.to_owned(), value)));
            is_right
        });
        is_right.then_some(entries)
    }
}

impl<T: Nested, S: BuildHasher + Default> Nested for HashMap<String, T, S> {
    const PART: NestedType = NestedType::Map(&T::PART);

    fn nested_at(at: Position<'_>) -> Option<Self> {
        let mut entries = Self::default();
        let is_right = at.map(const { &T::PART }, &mut |len, key, at| {
            entries.reserve(len.saturating_sub(entries.len()));
            let value = T::nested_at(at);
            let is_right = value.is_some();
            entries.extend(value.map(|value| (key.to_owned(), value)));
            is_right
        });
        is_right.then_some(entries)
    }
}

/// Implements `Nested` for a `Box` of each of these types. A `Box` of a derived type implements `EncryptedConfig`, see
/// `config`, so an implementation for every `Box<T>` would overlap with it.
macro_rules! boxed {
    ($([$($parameter:ident: $bound:path),*] $ty:ty),* $(,)?) => {$(
        impl<$($parameter: $bound),*> Nested for Box<$ty> {
            const PART: NestedType = <$ty as Nested>::PART;

            fn nested_at(at: Position<'_>) -> Option<Self> {
                <$ty>::nested_at(at).map(Box::new)
            }
        }
    )*};
}

boxed! {
    [T: Nested] Option<T>,
    [T: Nested] Vec<T>,
    [T: Nested] BTreeMap<String, T>,
    [T: Nested] HashMap<String, T>,
}
