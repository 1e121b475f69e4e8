//! A map that is merged from several sources, entry by entry.

use std::collections::BTreeMap;

use serde::de::{self, DeserializeSeed, Visitor};
use serde::forward_to_deserialize_any;
use zeroize::Zeroizing;

use super::claims::{TableFacts, at_node, is_in, is_like, judged, of_key};
use super::ignored::{IgnoredKey, IgnoredKeys, SortedNotes};
use super::node::{NodeDeserializer, all_read, step};
use super::text::{ParsedText, TextDeserializer};
use super::{Given, GivenSource, Misfit, Reading, ValueStep};
use crate::syntax::tree::{Node, Place, Table, Value};

/// The entries of several tables. An entry of a stronger table replaces that of a weaker one.
#[derive(Default)]
pub(crate) struct MergedTable<'m> {
    entries: BTreeMap<&'m str, MergedEntry<'m>>,
}

struct MergedEntry<'m> {
    value: Merged<'m>,
    /// The number of the layer that contains this entry.
    layer: usize,
    /// The position of the key, if the entry is from a tree.
    key_place: Option<Place>,
    /// The parsed text of a variable, filled at the first request.
    parsed: ParsedText<'m>,
}

/// The value of one entry.
pub(crate) enum Merged<'m> {
    Node(&'m Node<'m>),
    /// A text without a type.
    Text(&'m str),
    Table(MergedTable<'m>),
}

/// Reads a map that is merged from several sources with `read`.
///
/// A text is read as a TOML value first, like the text of a single variable. If that value does not fit, the map is
/// read again with the text itself.
pub(crate) fn from_merged<T>(
    table: &mut MergedTable<'_>,
    read: impl Fn(Given<'_, '_>) -> Result<T, Misfit>,
) -> Reading<T> {
    let mut first: Option<Misfit> = None;
    loop {
        let ignored = IgnoredKeys::default();
        let deserializer = MergedDeserializer { table: &*table, ignored: &ignored };
        let value = read(Given(GivenSource::Merged(deserializer)));
        let misfit = match value {
            Ok(value) => return Reading { value: Ok(value), ignored: table.ignored(&ignored) },
            Err(misfit) => table.judged(misfit, None),
        };
        if misfit.layer.is_some_and(|layer| table.read_as_text(layer)) {
            first = Some(misfit);
            continue;
        }
        let first = first.filter(|first| first.layer == misfit.layer);
        return Reading { value: Err(first.unwrap_or(misfit)), ignored: table.ignored(&ignored) };
    }
}

impl<'m> MergedTable<'m> {
    /// Sets the value of `key`.
    pub(crate) fn put(&mut self, key: &'m str, value: Merged<'m>, layer: usize) {
        self.put_at(key, value, layer, None);
    }

    fn put_at(&mut self, key: &'m str, value: Merged<'m>, layer: usize, key_place: Option<Place>) {
        let entry = MergedEntry { value, layer, key_place, parsed: ParsedText::new(true) };
        self.entries.insert(key, entry);
    }

    /// Puts the entries of a stronger table over this one. Tables within `levels` levels are merged, and a null removes
    /// an entry.
    pub(crate) fn lay_over(&mut self, table: &'m Table<'m>, levels: usize, layer: usize) {
        for entry in table.entries() {
            let (node, place) = (&entry.node, Some(entry.key_place));
            match (&node.value, self.entries.get_mut(&*entry.key)) {
                (Value::Null, Some(_)) => drop(self.entries.remove(&*entry.key)),
                (
                    Value::Table(stronger),
                    Some(MergedEntry { value: Merged::Table(weaker), layer: last, key_place, .. }),
                ) if levels > 1 => {
                    weaker.lay_over(stronger, levels - 1, layer);
                    (*last, *key_place) = (layer, place);
                }
                (Value::Table(table), _) if levels > 1 => {
                    let mut merged = Self::default();
                    merged.lay_over(table, levels - 1, layer);
                    self.put_at(&entry.key, Merged::Table(merged), layer, place);
                }
                _ => self.put_at(&entry.key, Merged::Node(node), layer, place),
            }
        }
    }

    /// Makes the next reading use the text of `layer` itself. Returns false if no type received its TOML value.
    fn read_as_text(&mut self, layer: usize) -> bool {
        let is_it = |entry: &MergedEntry<'_>| {
            entry.layer == layer && matches!(entry.value, Merged::Text(_)) && entry.parsed.gave_scalar()
        };
        if !self.entries.values().any(is_it) {
            return false;
        }
        for entry in self.entries.values_mut() {
            // Discard the notes of the failed reading.
            entry.parsed = ParsedText::new(entry.parsed.gives_scalars() && !is_it(entry));
        }
        true
    }

    /// Returns the keys that the type ignored.
    fn ignored(&self, notes: &IgnoredKeys) -> Vec<IgnoredKey> {
        let mut found = Vec::new();
        self.collect(notes.sorted().as_ref(), &mut Vec::new(), &mut found);
        found
    }

    fn collect(&self, notes: Option<&SortedNotes>, steps: &mut Vec<ValueStep>, found: &mut Vec<IgnoredKey>) {
        for (key, entry) in &self.entries {
            steps.push(ValueStep::Key(Zeroizing::new((*key).to_owned())));
            let of_entry = found.len();
            match (&entry.value, notes.and_then(|notes| notes.known(entry))) {
                (_, Some(known)) => found.push(IgnoredKey {
                    steps: steps.clone(),
                    place: entry.key_place.unwrap_or(Place(0)),
                    layer: None,
                    known,
                }),
                (Merged::Node(node), None) => {
                    if let Some(notes) = notes {
                        notes.collect(node, steps, found);
                    }
                }
                (Merged::Text(_), None) => found.extend(entry.parsed.ignored().into_iter().map(|mut key| {
                    key.steps.splice(0..0, steps.iter().cloned());
                    key
                })),
                (Merged::Table(table), None) => table.collect(notes, steps, found),
            }
            for key in &mut found[of_entry..] {
                key.layer.get_or_insert(entry.layer);
            }
            steps.pop();
        }
    }

    /// Converts a type's claim about this table to a fact.
    fn judged(&self, misfit: Misfit, fields: Option<&'static [&'static str]>) -> Misfit {
        judged(
            misfit,
            fields,
            &TableFacts {
                has: &|name| self.entries.contains_key(name),
                holds: &|name| self.holds(name),
                has_containers: &|| self.entries.values().any(MergedEntry::is_container),
            },
        )
    }

    fn holds(&self, name: &str) -> bool {
        self.entries.values().any(|entry| match &entry.value {
            Merged::Node(node) => is_in(node, name),
            Merged::Text(text) => is_like(text, name),
            Merged::Table(table) => table.holds(name),
        })
    }
}

impl MergedEntry<'_> {
    fn is_container(&self) -> bool {
        match &self.value {
            Merged::Node(node) => matches!(node.value, Value::Array(_) | Value::Table(_)),
            Merged::Text(_) => self.parsed.node().is_some(),
            Merged::Table(_) => true,
        }
    }
}

/// The deserializer of a merged table.
#[derive(Clone, Copy)]
pub(super) struct MergedDeserializer<'de, 'm> {
    table: &'de MergedTable<'m>,
    ignored: &'de IgnoredKeys,
}

impl<'de, 'm: 'de> MergedDeserializer<'de, 'm> {
    /// Reads the table. `fields` are the keys of the type, if the type declares them.
    fn read_table<V: Visitor<'de>>(
        self,
        fields: Option<&'static [&'static str]>,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        let Self { table, ignored } = self;
        let mut access = MergedAccess { entries: table.entries.iter(), current: None, fields, ignored };
        let value = visitor.visit_map(&mut access).map_err(|misfit| table.judged(misfit, fields))?;
        all_read(access.entries.len(), value)
    }
}

impl<'de, 'm: 'de> de::Deserializer<'de> for MergedDeserializer<'de, 'm> {
    type Error = Misfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.read_table(None, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        self.read_table(Some(fields), visitor).map_err(|misfit| misfit.in_struct(name))
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

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf enum
        unit unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}

struct MergedAccess<'de, 'm> {
    entries: std::collections::btree_map::Iter<'de, &'m str, MergedEntry<'m>>,
    current: Option<(&'m str, &'de MergedEntry<'m>)>,
    /// The keys of the type, if the type declares them.
    fields: Option<&'static [&'static str]>,
    ignored: &'de IgnoredKeys,
}

impl MergedAccess<'_, '_> {
    fn step(&self, key: &str) -> ValueStep {
        step(key, self.fields.unwrap_or_default())
    }
}

impl<'de, 'm: 'de> de::MapAccess<'de> for MergedAccess<'de, 'm> {
    type Error = Misfit;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Misfit> {
        self.current = self.entries.next().map(|(key, entry)| (*key, entry));
        let Some((key, entry)) = self.current else { return Ok(None) };
        let read = seed.deserialize(TextDeserializer::of_key(key));
        read.map(Some).map_err(|misfit| {
            let misfit = of_key(misfit).of_source(entry.layer).within(self.step(key));
            match entry.key_place {
                Some(place) => misfit.at(place),
                None => misfit,
            }
        })
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Misfit> {
        let (key, entry) = self.current.take().ok_or_else(Misfit::default)?;
        let ignored = self.ignored;
        let given = Given(match &entry.value {
            Merged::Node(node) => GivenSource::Node(NodeDeserializer { node, ignored }),
            Merged::Text(text) => GivenSource::Text(TextDeserializer::of_variable(text, &entry.parsed)),
            Merged::Table(table) => GivenSource::Merged(MergedDeserializer { table, ignored }),
        });
        let known = self.fields.unwrap_or_default();
        let read = seed.deserialize(MergedValue { given, key, entry, known, ignored });
        read.map_err(|misfit| {
            let misfit = match (&entry.value, entry.parsed.node()) {
                (Merged::Node(node), _) => at_node(misfit, node),
                (Merged::Text(_), Some(node)) => at_node(misfit, node).without_place(),
                (Merged::Text(_), None) => misfit,
                (Merged::Table(table), _) => table.judged(misfit, None),
            };
            misfit.of_source(entry.layer).within(self.step(key))
        })
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.entries.len())
    }
}

/// The deserializer of the value of a key. It notes the key if the type ignores the value.
struct MergedValue<'de, 'm> {
    given: Given<'de, 'm>,
    key: &'m str,
    entry: &'de MergedEntry<'m>,
    known: &'static [&'static str],
    ignored: &'de IgnoredKeys,
}

macro_rules! pass_to_given {
    ($($method:ident($($argument:ident: $ty:ty),*);)*) => {$(
        fn $method<V: Visitor<'de>>(self, $($argument: $ty,)* visitor: V) -> Result<V::Value, Misfit> {
            self.given.$method($($argument,)* visitor)
        }
    )*};
}

impl<'de, 'm: 'de> de::Deserializer<'de> for MergedValue<'de, 'm> {
    type Error = Misfit;

    pass_to_given! {
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
        if !self.known.contains(&self.key) {
            self.ignored.note(self.entry, self.known);
        }
        visitor.visit_unit()
    }
}
