//! Dates and times in the form that toml's `Datetime` reads.

use serde::de::{self, DeserializeSeed, IntoDeserializer, Visitor};
use toml::value::Datetime;

use super::Misfit;

/// The struct name with which toml's `Datetime` asks for a value, and the only key that it reads.
pub(super) const DATETIME: &str = "$__toml_private_Datetime";
const DATETIME_KEY: &str = "$__toml_private_datetime";

pub(super) fn visit_datetime<'de, V: Visitor<'de>>(
    datetime: &Datetime,
    visitor: V,
) -> Result<V::Value, Misfit> {
    visitor.visit_map(DatetimeAccess::new(&datetime.to_string()))
}

/// A date or time in the form that toml's `Datetime` reads.
pub(super) struct DatetimeAccess<'n> {
    text: Option<&'n str>,
}

impl<'n> DatetimeAccess<'n> {
    pub(super) fn new(text: &'n str) -> Self {
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
