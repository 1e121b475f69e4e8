//! The name of a unit variant, for an enum that is a leaf.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, EnumAccess, VariantAccess as _, Visitor};

/// Reads one of `names`, and returns the index of its variant.
pub(crate) fn read<'de, D: Deserializer<'de>>(
    deserializer: D,
    name: &'static str,
    variants: &'static [&'static str],
    names: &'static [(&'static str, usize)],
) -> Result<usize, D::Error> {
    deserializer.deserialize_enum(name, variants, UnitVariant { variants, names })
}

#[derive(Clone, Copy)]
struct UnitVariant {
    variants: &'static [&'static str],
    names: &'static [(&'static str, usize)],
}

impl<'de> Visitor<'de> for UnitVariant {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a variant")
    }

    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<usize, A::Error> {
        let (index, content) = access.variant_seed(NameOfVariant(self))?;
        content.unit_variant().map(|()| index)
    }
}

struct NameOfVariant(UnitVariant);

impl<'de> DeserializeSeed<'de> for NameOfVariant {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for NameOfVariant {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a variant")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<usize, E> {
        let found = self.0.names.iter().find(|(known, _)| *known == name);
        found.map(|(_, index)| *index).ok_or_else(|| E::unknown_variant(name, self.0.variants))
    }
}
