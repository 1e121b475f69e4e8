//! Deserialization of texts without a type: variables, lines of dotenv content, keys.

use std::cell::{Cell, OnceCell};

use serde::de::{self, Visitor};

use super::datetime::{DATETIME, DatetimeAccess};
use super::ignored::{IgnoredKey, IgnoredKeys};
use super::node::{NodeDeserializer, VariantAccess};
use super::{Fact, Misfit};
use crate::syntax::tree::{Node, Value};
use crate::syntax::{json, toml};

/// Deserializes a text as the requested type.
///
/// Booleans are `true` and `false`, numbers are parsed by Rust's `parse`, a string is the text itself, and a unit
/// variant is its name. An `Option` is `Some`. Lists, maps and other variants are inline TOML or JSON. A type that
/// requests no particular type receives the TOML value of the text, or the text itself if it is not valid TOML.
#[derive(Clone, Copy)]
pub(super) struct TextDeserializer<'de, 'text> {
    text: &'text str,
    /// The parsed text; `None` for keys, which are always texts.
    source: Option<&'de ParsedText<'text>>,
}

/// The results of one reading of a text.
pub(super) struct ParsedText<'text> {
    /// The text as a list or map, filled at the first request.
    container: OnceCell<Option<Node<'text>>>,
    /// The text as a boolean, number or quoted string of TOML, filled at the first request.
    scalar: OnceCell<Option<Node<'text>>>,
    /// True if a type that requests no particular type receives the scalar.
    with_scalars: bool,
    gave_scalar: Cell<bool>,
    ignored: IgnoredKeys,
}

impl<'text> ParsedText<'text> {
    pub(super) fn new(with_scalars: bool) -> Self {
        Self {
            container: OnceCell::new(),
            scalar: OnceCell::new(),
            with_scalars,
            gave_scalar: Cell::new(false),
            ignored: IgnoredKeys::default(),
        }
    }

    /// Returns true if a type received a boolean, number or string instead of the text.
    pub(super) fn gave_scalar(&self) -> bool {
        self.gave_scalar.get()
    }

    /// Returns true if a type that requests no particular type receives the TOML value of the text.
    pub(super) fn gives_scalars(&self) -> bool {
        self.with_scalars
    }

    /// Returns the text as a list or map, if a type requested one.
    pub(super) fn node(&self) -> Option<&Node<'text>> {
        self.container.get()?.as_ref()
    }

    /// Returns the keys that the type ignored.
    pub(super) fn ignored(&self) -> Vec<IgnoredKey> {
        self.node().map(|node| self.ignored.found_in(node)).unwrap_or_default()
    }
}

impl<'de, 'text: 'de> TextDeserializer<'de, 'text> {
    /// Creates a deserializer of a variable, or of a line of dotenv content.
    pub(super) fn of_variable(text: &'text str, source: &'de ParsedText<'text>) -> Self {
        Self { text, source: Some(source) }
    }

    /// Creates a deserializer of a key, or of the name of a variant.
    pub(super) fn of_key(text: &'text str) -> Self {
        Self { text, source: None }
    }

    /// Parses the text as a list or map.
    fn container(self) -> Option<NodeDeserializer<'de>> {
        let text = self.text;
        let parsed = || match text.trim_start().starts_with(['[', '{']) {
            true => json::parse(text).or_else(|_| toml::parse_value(text.trim())).ok(),
            false => None,
        };
        let source = self.source?;
        let node = source.container.get_or_init(parsed).as_ref()?;
        Some(NodeDeserializer { node, ignored: &source.ignored })
    }

    /// Parses the text as a boolean, number or quoted string of TOML. A date stays text: serde has no type for it.
    fn scalar(self) -> Option<NodeDeserializer<'de>> {
        let text = self.text;
        let is_scalar = |node: &Node<'_>| {
            matches!(node.value, Value::Bool(_) | Value::Integer(_) | Value::Float(_) | Value::String(_))
        };
        // TOML would ignore a comment after the number: such a text is not a number.
        let parsed = || match text.trim() == text && (text.starts_with(['"', '\'']) || !text.contains('#')) {
            true => toml::parse_value(text).ok().filter(is_scalar),
            false => None,
        };
        let source = self.source.filter(|source| source.with_scalars)?;
        let node = source.scalar.get_or_init(parsed).as_ref()?;
        source.gave_scalar.set(true);
        Some(NodeDeserializer { node, ignored: &source.ignored })
    }

    /// Reads a type that can only be a list or a map. Removes positions, which are not useful for a variable.
    fn expect_container<T>(
        self,
        read: impl FnOnce(NodeDeserializer<'de>) -> Result<T, Misfit>,
    ) -> Result<T, Misfit> {
        match self.container() {
            Some(container) => read(container).map_err(Misfit::without_place),
            None => Err(Misfit::of(Fact::Inline)),
        }
    }

    fn number<T: std::str::FromStr>(self) -> Result<T, Misfit> {
        self.text.parse().map_err(|_| Misfit::default())
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
            visitor.$visit(self.number()?)
        }
    )*};
}

impl<'de, 'text: 'de> de::Deserializer<'de> for TextDeserializer<'de, 'text> {
    type Error = Misfit;

    numbers! {
        deserialize_i8 visit_i8 deserialize_i16 visit_i16 deserialize_i32 visit_i32 deserialize_i64 visit_i64
        deserialize_u8 visit_u8 deserialize_u16 visit_u16 deserialize_u32 visit_u32 deserialize_u64 visit_u64
        deserialize_i128 visit_i128 deserialize_u128 visit_u128
        deserialize_f32 visit_f32 deserialize_f64 visit_f64
        deserialize_bool visit_bool
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.container().or_else(|| self.scalar()) {
            Some(node) => node.deserialize_any(visitor).map_err(Misfit::without_place),
            None => visitor.visit_borrowed_str(self.text),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_borrowed_str(self.text)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_borrowed_str(self.text)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_borrowed_str(self.text)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_borrowed_str(self.text)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_borrowed_bytes(self.text.as_bytes())
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_borrowed_bytes(self.text.as_bytes())
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

    /// An empty text is the unit value.
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
        self.expect_container(|node| node.deserialize_seq(visitor))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Misfit> {
        self.expect_container(|node| node.deserialize_tuple(len, visitor))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        self.expect_container(|node| node.deserialize_tuple_struct(name, len, visitor))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.expect_container(|node| node.deserialize_map(visitor))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        match name {
            DATETIME => visitor.visit_map(DatetimeAccess::new(self.text)),
            _ => self.expect_container(|node| node.deserialize_struct(name, fields, visitor)),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        match self.container() {
            Some(node) => node.deserialize_enum(name, variants, visitor).map_err(Misfit::without_place),
            None => visitor.visit_enum(VariantAccess { name: self.text, content: None, variants }),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_unit()
    }
}
