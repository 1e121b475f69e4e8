//! Texts without a type: variables, lines of dotenv content, keys.

use std::cell::OnceCell;

use serde::de::{self, Deserializer as _, Visitor};

use super::{DATETIME, DatetimeAccess, Misfit, NodeDeserializer, VariantAccess};
use crate::syntax::tree::Node;
use crate::syntax::{json, toml};

/// Reads a text as whatever its type asks for.
///
/// `true` and `false`, numbers as Rust's `parse` reads them, a string as it is, a unit variant by its name; `Option`
/// is `Some`. Lists, maps and other variants are inline TOML or JSON. A type that asks for nothing in particular
/// gets a list or a map where the text is one, and the text itself otherwise.
#[derive(Clone, Copy)]
pub(super) struct TextDeserializer<'de, 'text> {
    text: &'text str,
    /// Where the list or map is kept that the text may be.
    container: Option<&'de Container<'text>>,
}

/// The list or map that a text is, once somebody has asked for it.
pub(super) type Container<'text> = OnceCell<Option<Node<'text>>>;

impl<'de, 'text: 'de> TextDeserializer<'de, 'text> {
    /// Of a variable, or of a line of dotenv content.
    pub(super) fn of_variable(text: &'text str, container: &'de Container<'text>) -> Self {
        Self { text, container: Some(container) }
    }

    /// Of a key or the name of a variant.
    pub(super) fn of_key(text: &'text str) -> Self {
        Self { text, container: None }
    }

    /// The list or map that the text is.
    fn container(self) -> Option<&'de Node<'text>> {
        let text = self.text;
        let parsed = || match text.trim_start().starts_with(['[', '{']) {
            true => json::parse(text).or_else(|_| toml::parse_value(text.trim())).ok(),
            false => None,
        };
        self.container?.get_or_init(parsed).as_ref()
    }

    /// For what only a list or a map can be. Places within the text tell nobody anything, so they are dropped.
    fn expect_container<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.container() {
            Some(node) => NodeDeserializer { node }.deserialize_any(visitor).map_err(without_place),
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
        match self.container() {
            Some(node) => NodeDeserializer { node }.deserialize_any(visitor).map_err(without_place),
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
            Some(node) => {
                NodeDeserializer { node }.deserialize_enum(name, variants, visitor).map_err(without_place)
            }
            None => visitor.visit_enum(VariantAccess { name: self.text, content: None }),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_unit()
    }
}
