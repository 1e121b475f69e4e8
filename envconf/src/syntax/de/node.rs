//! The deserializer of a value of the tree.

use std::slice;

use serde::de::{self, DeserializeSeed, Deserializer as _, Visitor};
use serde::forward_to_deserialize_any;
use zeroize::Zeroizing;

use super::claims::{at_node, in_table, of_key};
use super::datetime::{DATETIME, DatetimeAccess, visit_datetime};
use super::ignored::IgnoredKeys;
use super::text::TextDeserializer;
use super::{Fact, Misfit, ValueStep};
use crate::syntax::tree::{Entry, Node, Table, Value};

/// The deserializer of a value of the tree.
#[derive(Clone, Copy)]
pub(super) struct NodeDeserializer<'de> {
    pub(super) node: &'de Node<'de>,
    pub(super) ignored: &'de IgnoredKeys,
}

impl<'de> NodeDeserializer<'de> {
    /// Reads the value as the type that its syntax defines. If `is_one` is false, a misfit reports `what` as expected.
    fn read_as<V: Visitor<'de>>(
        self,
        visitor: V,
        what: &'static str,
        is_one: impl FnOnce(&Value<'de>) -> bool,
    ) -> Result<V::Value, Misfit> {
        self.deserialize_any(visitor).map_err(|misfit| match is_one(&self.node.value) {
            true => misfit,
            false => misfit.or_fact(Fact::Expected(what)),
        })
    }

    /// Reads a list of exactly `len` values.
    fn read_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Misfit> {
        let is_as_long = matches!(&self.node.value, Value::Array(items) if items.len() == len);
        self.deserialize_any(visitor).map_err(|misfit| match is_as_long {
            true => misfit,
            false => misfit.or_fact(Fact::Length(len)),
        })
    }

    /// Reads a struct with these fields.
    fn read_struct<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        match &self.node.value {
            Value::Table(table) => self.read_table(table, Some(fields), visitor),
            _ => self.deserialize_any(visitor),
        }
    }

    /// Reads a table. `fields` are the keys of the type, if the type declares them.
    fn read_table<V: Visitor<'de>>(
        self,
        table: &'de Table<'de>,
        fields: Option<&'static [&'static str]>,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        let mut access =
            TableAccess { entries: table.entries().iter(), current: None, fields, ignored: self.ignored };
        let value = visitor.visit_map(&mut access).map_err(|misfit| in_table(misfit, table, fields))?;
        all_read(access.entries.len(), value)
    }
}

macro_rules! integers {
    ($($method:ident $ty:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
            self.read_as(visitor, stringify!($ty), |value| {
                matches!(value, Value::Integer(number) if $ty::try_from(*number).is_ok())
            })
        }
    )*};
}

impl<'de> de::Deserializer<'de> for NodeDeserializer<'de> {
    type Error = Misfit;

    integers! {
        deserialize_i8 i8 deserialize_i16 i16 deserialize_i32 i32 deserialize_i64 i64 deserialize_i128 i128
        deserialize_u8 u8 deserialize_u16 u16 deserialize_u32 u32 deserialize_u64 u64 deserialize_u128 u128
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match &self.node.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Integer(value) => visit_integer(*value, visitor),
            Value::Float(value) => visitor.visit_f64(*value),
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Datetime(datetime) => visit_datetime(datetime, visitor),
            Value::Array(items) => visit_array(items, self.ignored, visitor),
            Value::Table(table) => self.read_table(table, None, visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.read_as(visitor, "bool", |value| matches!(value, Value::Bool(_)))
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.read_as(visitor, "f32", |value| matches!(value, Value::Integer(_) | Value::Float(_)))
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.read_as(visitor, "f64", |value| matches!(value, Value::Integer(_) | Value::Float(_)))
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.read_as(visitor, "char", |_| false)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.read_as(visitor, "a string", |value| matches!(value, Value::String(_)))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.deserialize_str(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.read_as(visitor, "a list", |value| matches!(value, Value::Array(_)))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Misfit> {
        self.read_tuple(len, visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        self.read_tuple(len, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.read_as(visitor, "a table", |value| matches!(value, Value::Table(_)))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.node.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        match &self.node.value {
            Value::String(text) if name == DATETIME => visitor.visit_map(DatetimeAccess::new(text)),
            Value::Table(_) => self.read_struct(fields, visitor).map_err(|misfit| misfit.in_struct(name)),
            // A type and its own format recognize each other by names that begin with `$`.
            _ if name.starts_with('$') => self.deserialize_any(visitor),
            _ => self.read_as(visitor, name, |_| false),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        let access = match &self.node.value {
            Value::String(name) => VariantAccess { name, content: None, variants },
            Value::Table(table) => match table.entries() {
                [Entry { key, node, .. }] => {
                    let content = Some(NodeDeserializer { node, ignored: self.ignored });
                    VariantAccess { name: key, content, variants }
                }
                _ => return Err(Misfit::of(Fact::Expected(name))),
            },
            _ => return Err(Misfit::of(Fact::Expected(name))),
        };
        visitor.visit_enum(access).map_err(|misfit| misfit.or_fact(Fact::Expected(name)))
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match &self.node.value {
            Value::String(text) => visitor.visit_borrowed_bytes(text.as_bytes()),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.deserialize_bytes(visitor)
    }

    /// Does not read the value, which may be of any type. [`ValueDeserializer`] notes its key.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        unit unit_struct identifier
    }
}

/// Visits an integer with the narrowest call of serde. Smaller types check their own range.
fn visit_integer<'de, V: Visitor<'de>>(value: i128, visitor: V) -> Result<V::Value, Misfit> {
    match (i64::try_from(value), u64::try_from(value)) {
        (Ok(value), _) => visitor.visit_i64(value),
        (_, Ok(value)) => visitor.visit_u64(value),
        _ => visitor.visit_i128(value),
    }
}

fn visit_array<'de, V: Visitor<'de>>(
    items: &'de [Node<'de>],
    ignored: &'de IgnoredKeys,
    visitor: V,
) -> Result<V::Value, Misfit> {
    let mut access = ArrayAccess { items: items.iter(), index: 0, ignored };
    let value = visitor.visit_seq(&mut access)?;
    all_read(access.items.len(), value)
}

/// Rejects a value if items are left: a type that stops before the end, such as a tuple, does not fit a longer list.
pub(super) fn all_read<T>(left: usize, value: T) -> Result<T, Misfit> {
    if left == 0 { Ok(value) } else { Err(Misfit::default()) }
}

struct ArrayAccess<'de> {
    items: slice::Iter<'de, Node<'de>>,
    index: usize,
    ignored: &'de IgnoredKeys,
}

impl<'de> de::SeqAccess<'de> for ArrayAccess<'de> {
    type Error = Misfit;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Misfit> {
        let Some(node) = self.items.next() else { return Ok(None) };
        let index = self.index;
        self.index += 1;
        let value = seed.deserialize(NodeDeserializer { node, ignored: self.ignored });
        value.map(Some).map_err(|misfit| at_node(misfit, node).within(ValueStep::Index(index)))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

struct TableAccess<'de> {
    entries: slice::Iter<'de, Entry<'de>>,
    current: Option<&'de Entry<'de>>,
    /// The keys of the type, if the type declares them.
    fields: Option<&'static [&'static str]>,
    ignored: &'de IgnoredKeys,
}

/// Returns the step to `key`: a field if the key is one of `declared`, and otherwise a key of the content.
pub(super) fn step(key: &str, declared: &'static [&'static str]) -> ValueStep {
    match declared.iter().find(|known| **known == key) {
        Some(known) => ValueStep::Field(known),
        None => ValueStep::Key(Zeroizing::new(key.to_owned())),
    }
}

impl TableAccess<'_> {
    fn step(&self, key: &str) -> ValueStep {
        step(key, self.fields.unwrap_or_default())
    }
}

impl<'de> de::MapAccess<'de> for TableAccess<'de> {
    type Error = Misfit;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Misfit> {
        self.current = self.entries.next();
        let Some(entry) = self.current else { return Ok(None) };
        let key = seed.deserialize(TextDeserializer::of_key(&entry.key));
        key.map(Some).map_err(|misfit| of_key(misfit).at(entry.key_place).within(self.step(&entry.key)))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Misfit> {
        // A visitor that asks for a value before its key has a bug: it gets an error.
        let entry = self.current.take().ok_or_else(Misfit::default)?;
        let known = self.fields.unwrap_or_default();
        let deserializer = ValueDeserializer { entry, known, ignored: self.ignored };
        let value = seed.deserialize(deserializer);
        value.map_err(|misfit| at_node(misfit, &entry.node).within(self.step(&entry.key)))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.entries.len())
    }
}

/// The deserializer of the value of a key. It notes the key if the type ignores the value.
struct ValueDeserializer<'de> {
    entry: &'de Entry<'de>,
    known: &'static [&'static str],
    ignored: &'de IgnoredKeys,
}

macro_rules! pass_to_node {
    ($($method:ident($($argument:ident: $ty:ty),*);)*) => {$(
        fn $method<V: Visitor<'de>>(self, $($argument: $ty,)* visitor: V) -> Result<V::Value, Misfit> {
            let node = NodeDeserializer { node: &self.entry.node, ignored: self.ignored };
            node.$method($($argument,)* visitor)
        }
    )*};
}

impl<'de> de::Deserializer<'de> for ValueDeserializer<'de> {
    type Error = Misfit;

    pass_to_node! {
        deserialize_any(); deserialize_bool(); deserialize_char(); deserialize_str(); deserialize_string();
        deserialize_i8(); deserialize_i16(); deserialize_i32(); deserialize_i64(); deserialize_i128();
        deserialize_u8(); deserialize_u16(); deserialize_u32(); deserialize_u64(); deserialize_u128();
        deserialize_f32(); deserialize_f64(); deserialize_bytes(); deserialize_byte_buf(); deserialize_option();
        deserialize_unit(); deserialize_seq(); deserialize_map(); deserialize_identifier();
        deserialize_unit_struct(name: &'static str);
        deserialize_newtype_struct(name: &'static str);
        deserialize_tuple(len: usize);
        deserialize_tuple_struct(name: &'static str, len: usize);
        deserialize_struct(name: &'static str, fields: &'static [&'static str]);
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
    }

    /// Notes the key, unless it is a declared field with a type that ignores its value, such as serde's `IgnoredAny`.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        if !self.known.contains(&&*self.entry.key) {
            self.ignored.note(self.entry, self.known);
        }
        visitor.visit_unit()
    }
}

/// An enum's variant: a name alone, or a table of one key.
pub(super) struct VariantAccess<'de> {
    pub(super) name: &'de str,
    pub(super) content: Option<NodeDeserializer<'de>>,
    pub(super) variants: &'static [&'static str],
}

impl<'de> VariantAccess<'de> {
    fn read<T>(self, read: impl FnOnce(NodeDeserializer<'de>) -> Result<T, Misfit>) -> Result<T, Misfit> {
        let content = self.content.ok_or_else(Misfit::default)?;
        read(content).map_err(|misfit| at_node(misfit, content.node).within(step(self.name, self.variants)))
    }
}

impl<'de> de::EnumAccess<'de> for VariantAccess<'de> {
    type Error = Misfit;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Misfit> {
        let variant = seed.deserialize(TextDeserializer::of_key(self.name))?;
        Ok((variant, self))
    }
}

impl<'de> de::VariantAccess<'de> for VariantAccess<'de> {
    type Error = Misfit;

    fn unit_variant(self) -> Result<(), Misfit> {
        match self.content.map(|content| &content.node.value) {
            None | Some(Value::Null) => Ok(()),
            Some(Value::Table(table)) if table.entries().is_empty() => Ok(()),
            Some(_) => Err(Misfit::default()),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Misfit> {
        self.read(|node| seed.deserialize(node))
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Misfit> {
        self.read(|node| node.read_tuple(len, visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        self.read(|node| node.read_struct(fields, visitor))
    }
}
