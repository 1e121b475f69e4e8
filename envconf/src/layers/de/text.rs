//! Texts without a type: variables, lines of dotenv content, keys.

use serde::de::{self, Deserializer as _, Visitor};

use super::{DATETIME, DatetimeAccess, Misfit, NodeDeserializer, VariantAccess, visit_bytes, visit_text};
use crate::layers::tree::{Node, Text};
use crate::layers::{json, toml};

/// Reads a text as whatever its type asks for.
///
/// `true` and `false`, numbers as Rust's `parse` reads them, a string as it is, a unit variant by its name; `Option`
/// is `Some`. Lists, maps and other variants are inline TOML or JSON. A type that asks for nothing in particular
/// gets a list or a map where the text is one, and the text itself otherwise.
#[derive(Clone, Copy)]
pub(super) struct TextDeserializer<'n, 'de> {
    text: &'n Text<'de>,
    /// Whether the text may be a list or a map.
    inline: bool,
}

impl<'n, 'de> TextDeserializer<'n, 'de> {
    /// Of a variable, or of a line of dotenv content.
    pub(super) fn of_variable(text: &'n Text<'de>) -> Self {
        Self { text, inline: true }
    }

    /// Of a key or the name of a variant.
    pub(super) fn of_key(text: &'n Text<'de>) -> Self {
        Self { text, inline: false }
    }

    /// The list or map that the text is.
    fn container(self) -> Option<Node<'de>> {
        match *self.text {
            Text::Borrowed(text) if self.inline && text.trim_start().starts_with(['[', '{']) => {
                json::parse(text).or_else(|_| toml::parse_value(text.trim())).ok()
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
