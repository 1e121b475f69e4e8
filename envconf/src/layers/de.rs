//! The tree's Deserializer, and the error that cannot hold a value.
//!
//! A leaf of the user's struct is any type of serde's; what it says when it does not like its value is dropped
//! here, because serde's messages quote values and a user's own may hold anything (api.md §3). Left are a path and
//! a place.
//!
//! Two sources, one set of rules. A [`Node`] has a type of its own: an integer fits an integer or a float, a string
//! fits a string, and so on, as in toml and serde_json. The text of a variable has none and is parsed to whatever
//! the type asks for: see [`TextDeserializer`].

use std::fmt;
use std::slice;

use serde::de::{self, DeserializeOwned, DeserializeSeed, Deserializer as _, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use toml::value::Datetime;

use super::tree::{Entry, Node, Place, Table, Text, Value, segment};
use super::{json, toml as toml_syntax};

/// The value of `node` as a `T`.
pub(crate) fn from_node<T: DeserializeOwned>(node: &Node<'_>) -> Result<T, Misfit> {
    T::deserialize(NodeDeserializer { node }).map_err(|misfit| misfit.at(node.place))
}

/// What `text`, which has no type of its own, says as a `T`.
pub(crate) fn from_text<T: DeserializeOwned>(text: &str) -> Result<T, Misfit> {
    T::deserialize(TextDeserializer { text: &Text::Borrowed(text), inline: true })
}

/// A value that does not fit its type: where, and nothing else.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// From the leaf on, such as `[2].port`.
    pub(crate) path: String,
    /// Where the value begins in its text, if it is one of a tree.
    pub(crate) place: Option<Place>,
    /// The type asked for a list or a map, and the text of a variable is none.
    pub(crate) wants_inline: bool,
}

impl Misfit {
    fn at(mut self, place: Place) -> Self {
        self.place.get_or_insert(place);
        self
    }

    fn within(mut self, segment: &str) -> Self {
        self.path.insert_str(0, segment);
        self
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value does not fit its type")
    }
}

impl std::error::Error for Misfit {}

/// The other constructors end here too. Nothing is formatted, so not even a `Display` that records what it is
/// given gets to see a value.
impl de::Error for Misfit {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::default()
    }
}

/// Reads a value of the tree.
#[derive(Clone, Copy)]
struct NodeDeserializer<'n, 'de> {
    node: &'n Node<'de>,
}

impl<'de> de::Deserializer<'de> for NodeDeserializer<'_, 'de> {
    type Error = Misfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match &self.node.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Integer(value) => visit_integer(*value, visitor),
            Value::Float(value) => visitor.visit_f64(*value),
            Value::String(text) => visit_text(text, visitor),
            Value::Datetime(datetime) => visit_datetime(datetime, visitor),
            Value::Array(items) => visit_array(items, visitor),
            Value::Table(table) => visit_table(table, visitor),
        }
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
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        match &self.node.value {
            Value::String(text) if name == DATETIME => visitor.visit_map(DatetimeAccess::new(text)),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        match &self.node.value {
            Value::String(name) => visitor.visit_enum(VariantAccess { name, content: None }),
            Value::Table(table) => match table.entries() {
                [Entry { key, node, .. }] => {
                    visitor.visit_enum(VariantAccess { name: key, content: Some(node) })
                }
                _ => Err(Misfit::default()),
            },
            _ => Err(Misfit::default()),
        }
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match &self.node.value {
            Value::String(text) => visit_bytes(text, visitor),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.deserialize_bytes(visitor)
    }

    /// Without a look: what is ignored may hold anything.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string
        unit unit_struct seq tuple tuple_struct map identifier
    }
}

/// Reads a text without a type: a variable, a line of dotenv content, a key.
///
/// `true` and `false`, numbers as Rust's `parse` reads them, a string as it is, a unit variant by its name; `Option`
/// is `Some`. Lists, maps and other variants are inline TOML or JSON. A type that asks for nothing in particular
/// gets a list or a map where the text is one, and the text itself otherwise.
#[derive(Clone, Copy)]
struct TextDeserializer<'n, 'de> {
    text: &'n Text<'de>,
    /// Whether the text may be a list or a map.
    inline: bool,
}

impl<'de> TextDeserializer<'_, 'de> {
    /// The list or map that the text is.
    fn container(self) -> Option<Node<'de>> {
        match *self.text {
            Text::Borrowed(text) if self.inline && text.trim_start().starts_with(['[', '{']) => {
                json::parse(text).or_else(|_| toml_syntax::parse_value(text.trim())).ok()
            }
            _ => None,
        }
    }

    /// For what only a list or a map can be. Places within the text tell nobody anything, so they are dropped.
    fn expect_container<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.container() {
            Some(node) => NodeDeserializer { node: &node }.deserialize_any(visitor).map_err(without_place),
            None => Err(Misfit { wants_inline: true, ..Misfit::default() }),
        }
    }

    fn number<T: std::str::FromStr>(self) -> Result<T, Misfit> {
        self.text.parse().map_err(|_| Misfit::default())
    }
}

fn without_place(misfit: Misfit) -> Misfit {
    Misfit { place: None, ..misfit }
}

macro_rules! numbers {
    ($($method:ident $visit:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
            visitor.$visit(self.number()?)
        }
    )*};
}

impl<'de> de::Deserializer<'de> for TextDeserializer<'_, 'de> {
    type Error = Misfit;

    numbers! {
        deserialize_i8 visit_i8 deserialize_i16 visit_i16 deserialize_i32 visit_i32 deserialize_i64 visit_i64
        deserialize_u8 visit_u8 deserialize_u16 visit_u16 deserialize_u32 visit_u32 deserialize_u64 visit_u64
        deserialize_i128 visit_i128 deserialize_u128 visit_u128
        deserialize_f32 visit_f32 deserialize_f64 visit_f64
        deserialize_bool visit_bool
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.container() {
            Some(node) => NodeDeserializer { node: &node }.deserialize_any(visitor).map_err(without_place),
            None => visit_text(self.text, visitor),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visit_text(self.text, visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visit_text(self.text, visitor)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visit_text(self.text, visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visit_text(self.text, visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visit_bytes(self.text, visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visit_bytes(self.text, visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        visitor.visit_newtype_struct(self)
    }

    /// Nothing is what an empty text says.
    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        if self.text.is_empty() { visitor.visit_unit() } else { Err(Misfit::default()) }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.expect_container(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Misfit> {
        self.expect_container(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        self.expect_container(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.expect_container(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        match name {
            DATETIME => visitor.visit_map(DatetimeAccess::new(self.text)),
            _ => self.expect_container(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        match self.container() {
            Some(node) => NodeDeserializer { node: &node }
                .deserialize_enum(name, variants, visitor)
                .map_err(without_place),
            None => visitor.visit_enum(VariantAccess { name: self.text, content: None }),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_unit()
    }
}

/// Borrowed text may stay borrowed, so that serde's own buffers (untagged enums, flatten) need no copy.
fn visit_text<'de, V: Visitor<'de>>(text: &Text<'de>, visitor: V) -> Result<V::Value, Misfit> {
    match text {
        Text::Borrowed(text) => visitor.visit_borrowed_str(text),
        Text::Owned(text) => visitor.visit_str(text),
    }
}

fn visit_bytes<'de, V: Visitor<'de>>(text: &Text<'de>, visitor: V) -> Result<V::Value, Misfit> {
    match text {
        Text::Borrowed(text) => visitor.visit_borrowed_bytes(text.as_bytes()),
        Text::Owned(text) => visitor.visit_bytes(text.as_bytes()),
    }
}

/// The narrowest of serde's calls; types that want less check for themselves.
fn visit_integer<'de, V: Visitor<'de>>(value: i128, visitor: V) -> Result<V::Value, Misfit> {
    match (i64::try_from(value), u64::try_from(value)) {
        (Ok(value), _) => visitor.visit_i64(value),
        (_, Ok(value)) => visitor.visit_u64(value),
        _ => visitor.visit_i128(value),
    }
}

fn visit_array<'de, V: Visitor<'de>>(items: &[Node<'de>], visitor: V) -> Result<V::Value, Misfit> {
    let mut access = ArrayAccess { items: items.iter(), index: 0 };
    let value = visitor.visit_seq(&mut access)?;
    all_read(access.items.len(), value)
}

fn visit_table<'de, V: Visitor<'de>>(table: &Table<'de>, visitor: V) -> Result<V::Value, Misfit> {
    let mut access = TableAccess { entries: table.entries().iter(), current: None };
    let value = visitor.visit_map(&mut access)?;
    all_read(access.entries.len(), value)
}

/// A type that stops before the end, such as a tuple, does not fit a longer list.
fn all_read<T>(left: usize, value: T) -> Result<T, Misfit> {
    if left == 0 { Ok(value) } else { Err(Misfit::default()) }
}

struct ArrayAccess<'n, 'de> {
    items: slice::Iter<'n, Node<'de>>,
    index: usize,
}

impl<'de> de::SeqAccess<'de> for ArrayAccess<'_, 'de> {
    type Error = Misfit;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Misfit> {
        let Some(node) = self.items.next() else { return Ok(None) };
        let index = self.index;
        self.index += 1;
        let value = seed.deserialize(NodeDeserializer { node });
        value.map(Some).map_err(|misfit| misfit.at(node.place).within(&format!("[{index}]")))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

struct TableAccess<'n, 'de> {
    entries: slice::Iter<'n, Entry<'de>>,
    current: Option<&'n Entry<'de>>,
}

impl<'de> de::MapAccess<'de> for TableAccess<'_, 'de> {
    type Error = Misfit;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Misfit> {
        self.current = self.entries.next();
        let Some(entry) = self.current else { return Ok(None) };
        let key = seed.deserialize(TextDeserializer { text: &entry.key, inline: false });
        key.map(Some).map_err(|misfit| misfit.at(entry.key_place).within(&dotted(&entry.key)))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Misfit> {
        // A visitor that asks for a value before its key is at fault, and gets an error like any other.
        let entry = self.current.take().ok_or_else(Misfit::default)?;
        let value = seed.deserialize(NodeDeserializer { node: &entry.node });
        value.map_err(|misfit| misfit.at(entry.node.place).within(&dotted(&entry.key)))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.entries.len())
    }
}

fn dotted(key: &str) -> String {
    format!(".{}", segment(key))
}

/// An enum's variant: a name alone, or a table of one key.
struct VariantAccess<'n, 'de> {
    name: &'n Text<'de>,
    content: Option<&'n Node<'de>>,
}

impl<'de> VariantAccess<'_, 'de> {
    fn read<T>(self, read: impl FnOnce(NodeDeserializer<'_, 'de>) -> Result<T, Misfit>) -> Result<T, Misfit> {
        let node = self.content.ok_or_else(Misfit::default)?;
        read(NodeDeserializer { node }).map_err(|misfit| misfit.at(node.place).within(&dotted(self.name)))
    }
}

impl<'de> de::EnumAccess<'de> for VariantAccess<'_, 'de> {
    type Error = Misfit;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Misfit> {
        let variant = seed.deserialize(TextDeserializer { text: self.name, inline: false })?;
        Ok((variant, self))
    }
}

impl<'de> de::VariantAccess<'de> for VariantAccess<'_, 'de> {
    type Error = Misfit;

    fn unit_variant(self) -> Result<(), Misfit> {
        match self.content.map(|node| &node.value) {
            None | Some(Value::Null) => Ok(()),
            Some(Value::Table(table)) if table.entries().is_empty() => Ok(()),
            Some(_) => Err(Misfit::default()),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Misfit> {
        self.read(|node| seed.deserialize(node))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Misfit> {
        self.read(|node| node.deserialize_seq(visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        self.read(|node| node.deserialize_map(visitor))
    }
}

/// What toml's `Datetime` calls itself when it asks, and the one key that it then wants.
const DATETIME: &str = "$__toml_private_Datetime";
const DATETIME_KEY: &str = "$__toml_private_datetime";

fn visit_datetime<'de, V: Visitor<'de>>(datetime: &Datetime, visitor: V) -> Result<V::Value, Misfit> {
    visitor.visit_map(DatetimeAccess::new(&datetime.to_string()))
}

/// A date or time in the form in which toml's `Datetime` wants it.
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
