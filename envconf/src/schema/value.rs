//! Checks with serde that a value has a type, as the types of the program do.
//!
//! So this check accepts the same numbers, lists and nulls as the program, in every syntax. It does not keep values.

use std::fmt;

use serde::de::{Deserialize as _, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::types::{TextSchema, Type};

impl<'de> DeserializeSeed<'de> for &Type {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        match self {
            Type::Any => Ok(()),
            Type::Null => <()>::deserialize(value),
            Type::Bool => bool::deserialize(value).map(drop),
            Type::Integer { min, max } => integer(value, *min, *max),
            Type::Number => f64::deserialize(value).map(drop),
            Type::Text(text) => text.deserialize(value),
            // A Rust array, which serde reads as a tuple.
            Type::List { items, min: Some(len), max: Some(most) } if len == most => {
                value.deserialize_tuple(*len, ListVisitor { items, min: Some(*len), max: Some(*len) })
            }
            Type::List { items, min, max } => {
                value.deserialize_seq(ListVisitor { items, min: *min, max: *max })
            }
            Type::Tuple(items) => value.deserialize_tuple(items.len(), TupleVisitor(items)),
            Type::Map { keys, values } => value.deserialize_map(MapVisitor { keys, values }),
            Type::Nullable(inner) => value.deserialize_option(NullableVisitor(inner)),
        }
    }
}

/// Checks an integer. Text is parsed as a signed or an unsigned number, as for the type in Rust.
fn integer<'de, D: Deserializer<'de>>(
    value: D,
    min: Option<i128>,
    max: Option<i128>,
) -> Result<(), D::Error> {
    let fits = if min.is_some_and(|min| min >= 0) {
        let number = u128::deserialize(value)?;
        let beyond = |bound: i128| u128::try_from(bound).map_or(true, |bound| number > bound);
        let below = |bound: i128| u128::try_from(bound).is_ok_and(|bound| number < bound);
        !min.is_some_and(below) && !max.is_some_and(beyond)
    } else {
        let number = i128::deserialize(value)?;
        min.is_none_or(|min| number >= min) && max.is_none_or(|max| number <= max)
    };
    if fits { Ok(()) } else { Err(misfit()) }
}

/// Returns the error for a value that does not fit. The error type drops the text.
fn misfit<E: Error>() -> E {
    E::custom("")
}

impl<'de> DeserializeSeed<'de> for &TextSchema {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        value.deserialize_str(self)
    }
}

/// Implements `expecting`, which the traits require. The error type drops this text.
fn expecting(f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("a value of the schema's type")
}

impl Visitor<'_> for &TextSchema {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        expecting(f)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        if self.admits(text) { Ok(()) } else { Err(misfit()) }
    }
}

struct ListVisitor<'t> {
    items: &'t Type,
    min: Option<usize>,
    max: Option<usize>,
}

impl<'de> Visitor<'de> for ListVisitor<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        expecting(f)
    }

    /// Reads at most `max` items. The deserializer of the list rejects further items.
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let mut len = 0;
        while self.max.is_none_or(|max| len < max) && list.next_element_seed(self.items)?.is_some() {
            len += 1;
        }
        if self.min.is_none_or(|min| len >= min) { Ok(()) } else { Err(misfit()) }
    }
}

struct TupleVisitor<'t>(&'t [Type]);

impl<'de> Visitor<'de> for TupleVisitor<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        expecting(f)
    }

    /// Reads one item for each type. The deserializer of the list rejects further items.
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        for item in self.0 {
            list.next_element_seed(item)?.ok_or_else(misfit)?;
        }
        Ok(())
    }
}

struct MapVisitor<'t> {
    keys: &'t TextSchema,
    values: &'t Type,
}

impl<'de> Visitor<'de> for MapVisitor<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        expecting(f)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_key_seed(self.keys)?.is_some() {
            map.next_value_seed(self.values)?;
        }
        Ok(())
    }
}

struct NullableVisitor<'t>(&'t Type);

impl<'de> Visitor<'de> for NullableVisitor<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        expecting(f)
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        self.0.deserialize(value)
    }
}
