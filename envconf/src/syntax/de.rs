//! The deserializer of the tree, and its error, which cannot contain a value.
//!
//! A leaf of the user's struct may have any type that serde can read. This module drops the error messages of these
//! types: messages of serde quote values, and messages of users may contain anything (api.md §3). The error keeps a
//! path, a position, and constants of the type: its fields, its variants, its length.
//!
//! There are two kinds of source. A [`Node`] has a type: an integer fits an integer or a float, a string fits a string,
//! and so on, as in toml and serde_json. The text of a variable has no type and is parsed as the requested type: see
//! [`TextDeserializer`].

mod claims;
mod datetime;
mod ignored;
mod merged;
mod misfit;
mod node;
mod text;
#[cfg(feature = "units")]
pub(crate) mod units;

use serde::de::{self, Visitor};

use self::claims::at_node;
pub(crate) use self::ignored::IgnoredKey;
use self::ignored::IgnoredKeys;
use self::merged::MergedDeserializer;
pub(crate) use self::merged::{Merged, MergedTable, from_merged};
pub(crate) use self::misfit::{Fact, Misfit, ValueStep, path_of_steps};
use self::node::NodeDeserializer;
use self::text::{ParsedText, TextDeserializer};
use super::tree::Node;

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

#[cfg(test)]
mod tests;
