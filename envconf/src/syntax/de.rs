//! The deserializer of the tree, and its error, which cannot contain a value.
//!
//! A leaf of the user's struct may have any type that serde can read. This module drops the error messages of these
//! types: messages of serde quote values, and messages of users may contain anything (api.md §3). The error keeps a
//! path, a position, and constants of the type: its fields, its variants, its length.
//!
//! There are two kinds of source. A [`Node`] has a type: an integer fits an integer or a float, a string fits a string,
//! and so on, as in toml and serde_json. The text of a variable has no type and is parsed as the requested type: see
//! [`TextDeserializer`].

mod ignored;
mod merged;
mod misfit;
mod text;
#[cfg(feature = "units")]
pub(crate) mod units;

use std::slice;

use serde::de::{self, DeserializeSeed, Deserializer as _, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use toml::value::Datetime;
use zeroize::Zeroizing;

pub(crate) use self::ignored::IgnoredKey;
use self::ignored::IgnoredKeys;
use self::merged::MergedDeserializer;
pub(crate) use self::merged::{Merged, MergedTable, from_merged};
use self::misfit::Claim;
pub(crate) use self::misfit::{Fact, Misfit, ValueStep, path_of_steps};
use self::text::{ParsedText, TextDeserializer};
use super::tree::{Entry, Node, Table, Value};

/// The result of reading a value: the typed value or a misfit, and the keys that the type ignored.
pub(crate) struct Reading<T> {
    pub(crate) value: Result<T, Misfit>,
    pub(crate) ignored: Vec<IgnoredKey>,
}

/// Reads `node` with `read`.
pub(crate) fn from_node<T>(
    node: &Node<'_>,
    read: impl FnOnce(Given<'_, '_>) -> Result<T, Misfit>,
) -> Reading<T> {
    let ignored = IgnoredKeys::default();
    let deserializer = NodeDeserializer { node, ignored: &ignored };
    let value = read(Given(GivenSource::Node(deserializer))).map_err(|misfit| at_node(misfit, node));
    Reading { value, ignored: ignored.found_in(node) }
}

/// Reads `text`, which has no type, with `read`.
///
/// A type that requests no particular type receives the TOML value of the text. If it rejects that value, it receives
/// the text.
pub(crate) fn from_text<T>(text: &str, read: impl Fn(Given<'_, '_>) -> Result<T, Misfit>) -> Reading<T> {
    let source = ParsedText::new(true);
    let value = read(Given(GivenSource::Text(TextDeserializer::of_variable(text, &source))));
    if value.is_err() && source.gave_scalar() {
        let source = ParsedText::new(false);
        let value = read(Given(GivenSource::Text(TextDeserializer::of_variable(text, &source))));
        if value.is_ok() {
            return Reading { value, ignored: source.ignored() };
        }
    }
    let value = value.map_err(|misfit| match source.node() {
        Some(node) => at_node(misfit, node).without_place(),
        None => misfit,
    });
    Reading { value, ignored: source.ignored() }
}

/// The value of one leaf, from any source: the argument of its `Deserialize` or `deserialize_with` function.
///
/// It lends all texts, also unescaped ones, for the time of the reading. So the buffers of serde (untagged enums,
/// flatten) need no copy.
pub struct Given<'de, 'text>(GivenSource<'de, 'text>);

enum GivenSource<'de, 'text> {
    Node(NodeDeserializer<'de>),
    Text(TextDeserializer<'de, 'text>),
    Merged(MergedDeserializer<'de, 'text>),
}

macro_rules! pass_on {
    ($($method:ident($($argument:ident: $ty:ty),*);)*) => {$(
        fn $method<V: Visitor<'de>>(self, $($argument: $ty,)* visitor: V) -> Result<V::Value, Misfit> {
            match self.0 {
                GivenSource::Node(node) => node.$method($($argument,)* visitor),
                GivenSource::Text(text) => text.$method($($argument,)* visitor),
                GivenSource::Merged(merged) => merged.$method($($argument,)* visitor),
            }
        }
    )*};
}

impl<'de, 'text: 'de> de::Deserializer<'de> for Given<'de, 'text> {
    type Error = Misfit;

    pass_on! {
        deserialize_any(); deserialize_bool(); deserialize_char(); deserialize_str(); deserialize_string();
        deserialize_i8(); deserialize_i16(); deserialize_i32(); deserialize_i64(); deserialize_i128();
        deserialize_u8(); deserialize_u16(); deserialize_u32(); deserialize_u64(); deserialize_u128();
        deserialize_f32(); deserialize_f64(); deserialize_bytes(); deserialize_byte_buf(); deserialize_option();
        deserialize_unit(); deserialize_seq(); deserialize_map(); deserialize_identifier(); deserialize_ignored_any();
        deserialize_unit_struct(name: &'static str);
        deserialize_newtype_struct(name: &'static str);
        deserialize_tuple(len: usize);
        deserialize_tuple_struct(name: &'static str, len: usize);
        deserialize_struct(name: &'static str, fields: &'static [&'static str]);
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
    }
}

/// Reads a value of the tree.
#[derive(Clone, Copy)]
struct NodeDeserializer<'de> {
    node: &'de Node<'de>,
    ignored: &'de IgnoredKeys,
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

/// Adds the position of `node` to a misfit. Serde reports errors from its buffers only after the table has ended, so
/// claims about the table are checked here too.
fn at_node(misfit: Misfit, node: &Node<'_>) -> Misfit {
    let misfit = match &node.value {
        Value::Table(table) => in_table(misfit, table, None),
        _ => misfit,
    };
    misfit.at(node.place)
}

/// Checks a type's claim about `table`, converts it to a fact, and adds a missing field to the path.
///
/// Serde's buffers lose the path of an error in them. So the field may belong to a nested table, unless the type
/// declares it or there is no nested table. A name that the type does not declare could be a value: it is reported only
/// if no text in the table is like it.
fn in_table(misfit: Misfit, table: &Table<'_>, fields: Option<&'static [&'static str]>) -> Misfit {
    let is_container = |entry: &Entry<'_>| matches!(entry.node.value, Value::Array(_) | Value::Table(_));
    judged(
        misfit,
        fields,
        &TableFacts {
            has: &|name| table.get(name).is_some(),
            holds: &|name| holds(table, name),
            has_containers: &|| table.entries().iter().any(is_container),
        },
    )
}

/// Questions about a table that do not depend on the source of its entries.
struct TableFacts<'f> {
    /// Returns true if the table has this key.
    has: &'f dyn Fn(&str) -> bool,
    /// Returns true if a text in the table is like this one.
    holds: &'f dyn Fn(&str) -> bool,
    /// Returns true if the table contains lists or tables.
    has_containers: &'f dyn Fn() -> bool,
}

fn judged(misfit: Misfit, fields: Option<&'static [&'static str]>, table: &TableFacts<'_>) -> Misfit {
    let Fact::Claimed(claim) = misfit.fact else { return misfit };
    if !misfit.is_here() {
        return misfit;
    }
    let is_declared = |name: &'static str| fields.is_some_and(|fields| fields.contains(&name));
    let is_safe = |name: &'static str| is_declared(name) || !(table.holds)(name);
    let is_here = |name: &'static str| match fields {
        Some(_) => is_declared(name),
        None => !(table.has_containers)(),
    };
    match claim {
        Claim::Missing(name) | Claim::Twice(name) if !is_safe(name) => misfit.with_fact(Fact::Type),
        Claim::Missing(name) if is_here(name) && !(table.has)(name) => {
            misfit.with_fact(Fact::Missing).within(ValueStep::Field(name))
        }
        Claim::Missing(name) => misfit.with_fact(Fact::MissingBelow(name)),
        Claim::Twice(name) => misfit.with_fact(Fact::Twice(name)),
        Claim::NoSuchKey(known) => misfit.with_fact(Fact::NoSuchKeyBelow(known)),
    }
}

/// Returns true if a text in `table` is like `name`.
fn holds(table: &Table<'_>, name: &str) -> bool {
    table.entries().iter().any(|entry| is_in(&entry.node, name))
}

fn is_in(node: &Node<'_>, name: &str) -> bool {
    match &node.value {
        Value::String(text) => is_like(text, name),
        Value::Array(items) => items.iter().any(|item| is_in(item, name)),
        Value::Table(table) => holds(table, name),
        _ => false,
    }
}

/// Returns true if `text` is like `name`: equal, or one contains the other and is not too short for that.
fn is_like(text: &str, name: &str) -> bool {
    const MIN_LENGTH: usize = 4;
    text == name
        || text.len() >= MIN_LENGTH && name.contains(text)
        || name.len() >= MIN_LENGTH && text.contains(name)
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
fn all_read<T>(left: usize, value: T) -> Result<T, Misfit> {
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

/// Converts a misfit of a key.
fn of_key(misfit: Misfit) -> Misfit {
    let fact = match misfit.fact {
        Fact::Claimed(Claim::NoSuchKey(known)) => Fact::NoSuchKey(known),
        Fact::Type => Fact::WrongKey,
        fact => fact,
    };
    misfit.with_fact(fact)
}

/// Returns the step to `key`: a field if the key is one of `declared`, and otherwise a key of the content.
fn step(key: &str, declared: &'static [&'static str]) -> ValueStep {
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

/// Reads the value of a key, and notes the key if the type ignores it.
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
struct VariantAccess<'de> {
    name: &'de str,
    content: Option<NodeDeserializer<'de>>,
    variants: &'static [&'static str],
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

/// The struct name with which toml's `Datetime` asks for a value, and the only key that it reads.
const DATETIME: &str = "$__toml_private_Datetime";
const DATETIME_KEY: &str = "$__toml_private_datetime";

fn visit_datetime<'de, V: Visitor<'de>>(datetime: &Datetime, visitor: V) -> Result<V::Value, Misfit> {
    visitor.visit_map(DatetimeAccess::new(&datetime.to_string()))
}

/// A date or time in the form that toml's `Datetime` reads.
struct DatetimeAccess<'n> {
    text: Option<&'n str>,
}

impl<'n> DatetimeAccess<'n> {
    fn new(text: &'n str) -> Self {
        Self { text: Some(text) }
    }
}

impl<'de> de::MapAccess<'de> for DatetimeAccess<'_> {
    type Error = Misfit;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Misfit> {
        match self.text {
            Some(_) => seed.deserialize(DATETIME_KEY.into_deserializer()).map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Misfit> {
        seed.deserialize(self.text.take().unwrap_or_default().into_deserializer())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;
    use serde::Deserialize;
    use serde::de::DeserializeOwned;
    use serde_json::Value as Json;

    use super::*;
    use crate::format::ContentType;
    use crate::syntax::parse;

    fn from_node<T: DeserializeOwned>(node: &Node<'_>) -> Result<T, Misfit> {
        super::from_node(node, |given| T::deserialize(given)).value
    }

    fn from_text<T: DeserializeOwned>(text: &str) -> Result<T, Misfit> {
        super::from_text(text, |given| T::deserialize(given)).value
    }

    fn read<T: DeserializeOwned>(json: &str) -> Result<T, Misfit> {
        from_node(&crate::syntax::json::parse(json).ok().unwrap())
    }

    /// Returns the message, and the text from the position of the misfit.
    #[track_caller]
    fn misfit<T: DeserializeOwned>(json: &str) -> (String, &str) {
        let misfit = read::<T>(json).err().expect("it should not fit");
        let rest = &json[misfit.place.expect("a tree has places").0..];
        (path_of_steps(&misfit.into_steps()), rest)
    }

    #[derive(Deserialize, Debug, PartialEq)]
    struct Server {
        host: String,
        port: u16,
    }

    #[derive(Deserialize, Debug, PartialEq)]
    enum Figure {
        Unit,
        Newtype(u8),
        Tuple(u8, String),
        Struct { side: u8 },
    }

    #[derive(Deserialize, Debug, PartialEq)]
    #[serde(tag = "kind", content = "of")]
    enum Adjacent {
        Unit,
        Newtype(u8),
    }

    #[derive(Deserialize, Debug, PartialEq)]
    struct Flat {
        a: u8,
        #[serde(flatten)]
        rest: HashMap<String, u8>,
    }

    #[test]
    fn a_misfit_has_a_path_and_a_position() {
        let path = |path: &str, rest| (path.to_owned(), rest);
        assert_eq!(misfit::<Vec<Server>>(r#"[{"host":"a","port":70000}]"#), path("[0].port", "70000}]"));
        assert_eq!(misfit::<Vec<Server>>(r#"[{"host":"a"},3]"#), path("[0].port", r#"{"host":"a"},3]"#));
        assert_eq!(misfit::<HashMap<u8, u8>>(r#"{"1":1,"a.b":2}"#), path(".\"a.b\"", r#""a.b":2}"#));
        assert_eq!(misfit::<(u8, u8)>("[1,2,3]"), path("", "[1,2,3]"));
        assert_eq!(misfit::<Figure>(r#"{"Struct":{"side":"x"}}"#), path(".Struct.side", r#""x"}}"#));
        assert_eq!(misfit::<Option<Vec<u8>>>("[1,null]"), path("[1]", "null]"));
    }

    #[test]
    fn every_form_of_an_enum_is_read() {
        assert_eq!(read(r#""Unit""#), Ok(Figure::Unit));
        assert_eq!(read(r#"{"Unit":null}"#), Ok(Figure::Unit));
        assert_eq!(read(r#"{"Newtype":1}"#), Ok(Figure::Newtype(1)));
        assert_eq!(read(r#"{"Tuple":[1,"a"]}"#), Ok(Figure::Tuple(1, "a".into())));
        assert_eq!(read(r#"{"Struct":{"side":1}}"#), Ok(Figure::Struct { side: 1 }));
        assert_eq!(read(r#"{"kind":"Newtype","of":1}"#), Ok(Adjacent::Newtype(1)));
        assert_eq!(read(r#"{"kind":"Unit"}"#), Ok(Adjacent::Unit));
        for wrong in [r#""Newtype""#, r#"{"Unit":1}"#, r#"{"Unit":null,"Newtype":1}"#, "{}", "1", r#""unit""#]
        {
            assert!(read::<Figure>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn flattened_keyed_and_unusual_types_are_read() {
        let rest = HashMap::from([("b".into(), 2), ("c".into(), 3)]);
        assert_eq!(read(r#"{"a":1,"b":2,"c":3}"#), Ok(Flat { a: 1, rest }));
        assert_eq!(read(r#"{"1":true}"#), Ok(HashMap::from([(1_i8, true)])));
        assert_eq!(read(r#"{"Unit":1}"#.trim()), Ok(HashMap::from([("Unit".to_owned(), 1)])));
        assert_eq!(read("18446744073709551615"), Ok(u64::MAX));
        assert_eq!(read("-9223372036854775808"), Ok(i64::MIN));
        assert_eq!(read("7"), Ok(7_u128));
        assert_eq!(read("7"), Ok(7.0_f64));
        assert_eq!(read("null"), Ok(()));
        assert_eq!(read::<Vec<de::IgnoredAny>>("[{},[],1]").map(|ignored| ignored.len()), Ok(3));
        assert!(read::<u8>("1.0").is_err() && read::<u8>("256").is_err() && read::<bool>("1").is_err());
    }

    #[test]
    fn the_buffer_of_a_text_has_the_length_of_the_text() {
        for json in [r#""plain""#, r#""esc\u0061ped""#] {
            let text: String = read(json).unwrap();
            assert_eq!(text.capacity(), text.len(), "{json}");
        }
        let text: String = from_text("of a variable").unwrap();
        assert_eq!(text.capacity(), text.len());
    }

    fn json() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            any::<u64>().prop_map(Json::from),
            any::<i32>().prop_map(|n| Json::from(f64::from(n) / 8.0)),
            any::<String>().prop_map(Json::from),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Json::from),
                prop::collection::btree_map(any::<String>(), inner, 0..5)
                    .prop_map(|map| Json::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn json_has_the_same_values_as_in_serde_json(value in json()) {
            prop_assert_eq!(read::<Json>(&value.to_string()), Ok(value));
        }

        #[test]
        fn toml_has_the_same_values_as_in_the_toml_crate(text in "([a-c.]{1,3} = [0-9'\\[\\]{}\",a.e-]{0,6}\n|\\[[a-c.]{1,3}\\]\n){0,4}") {
            let theirs = toml::from_str::<toml::Table>(&text);
            match crate::syntax::toml::parse(&text) {
                Ok(node) => prop_assert_eq!(from_node::<toml::Table>(&node).unwrap(), theirs.unwrap()),
                Err(_) => prop_assert!(theirs.is_err(), "{}", text),
            }
        }

        #[test]
        fn nothing_panics(text in any::<String>(), lines in "([A-Za-z\\[\\]{}=.\"' \n\\\\u0-9]){0,40}") {
            for text in [&text, &lines] {
                for content_type in ContentType::ALL {
                    if let Ok(node) = parse(content_type, text) {
                        let _ = from_node::<Json>(&node);
                    }
                }
                let _ = from_text::<Vec<Json>>(text);
                let _ = from_text::<Figure>(text);
            }
        }
    }
}
