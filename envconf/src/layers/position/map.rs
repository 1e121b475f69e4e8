//! A map: its keys, merged key by key from the weakest source to the strongest.

use std::collections::{BTreeMap, HashMap};

use super::{LayerSource, NameBelow, Position, tail_fits};
use crate::base::{Complaint, Problem, written_type};
use crate::layers::fields::Reported;
use crate::layers::names::{Tail, entry_segments, is_upper};
use crate::meta::{Merge, NestedType, TypeStep};
use crate::syntax::Value;

/// The sources of each key.
type KeySources<'a> = BTreeMap<String, Vec<LayerSource<'a>>>;

impl Position<'_> {
    /// Calls `each` to build the value of every key, with the number of keys. Returns true if the map is valid.
    pub(crate) fn map(
        self,
        value: &'static NestedType,
        each: &mut dyn FnMut(usize, &str, Position<'_>) -> bool,
    ) -> bool {
        if self.walk.checking {
            let (mut this, ty) = (self, value.meta().type_name);
            return this.descend(TypeStep::AnyKey, Vec::new(), ty, |at| each(0, "*", at));
        }
        self.expanded(&mut |at| at.map_of_sources(value, each))
    }

    fn map_of_sources(
        mut self,
        value: &'static NestedType,
        each: &mut dyn FnMut(usize, &str, Position<'_>) -> bool,
    ) -> bool {
        let ty = written_type::value(self.ty).unwrap_or(value.meta().type_name);
        let mut keys = KeySources::new();
        let (mut given, mut is_right) = (false, true);
        for source in self.sources.clone() {
            match source {
                LayerSource::Node(node, owner) => match &node.value {
                    Value::Table(table) => {
                        if self.merge == Merge::Replace {
                            self.replace_all(&mut keys, value);
                        }
                        given = true;
                        for entry in table.entries() {
                            let node = LayerSource::Node(&entry.node, owner);
                            let is_null = matches!(entry.node.value, Value::Null);
                            match keys.remove(&*entry.key) {
                                Some(replaced) if is_null => {
                                    self.judge_key(&entry.key, replaced, value);
                                }
                                Some(mut weaker) => {
                                    weaker.push(node);
                                    keys.insert(entry.key.to_string(), weaker);
                                }
                                None if is_null && !matches!(value, NestedType::Optional(_)) => {}
                                None => drop(keys.insert(entry.key.to_string(), vec![node])),
                            }
                        }
                    }
                    Value::Null => {
                        self.replace_all(&mut keys, value);
                        given = false;
                    }
                    _ => {
                        self.misfit(owner.origin(node.place));
                        return false;
                    }
                },
                LayerSource::Set(values) => {
                    self.refuse_set_entries(values, false, true);
                    is_right &= values.items.is_empty();
                    for (key, values) in &values.keys {
                        given = true;
                        keys.entry(key.clone()).or_default().push(LayerSource::Set(values));
                    }
                }
                names => match self.lay_names_over(names, &mut keys, value) {
                    Some(any) => given |= any,
                    None => is_right = false,
                },
            }
        }
        if !given {
            return is_right && self.missing();
        }
        let len = keys.len();
        for (key, sources) in keys {
            is_right &= self.descend(TypeStep::Key(key.clone()), sources, ty, |at| each(len, &key, at));
        }
        is_right
    }

    /// Adds variables or dotenv lines to the sources of the keys that their names set. Returns true if they set any
    /// key; `None` after it reported a name.
    fn lay_names_over<'s>(
        &mut self,
        source: LayerSource<'s>,
        keys: &mut KeySources<'s>,
        value: &'static NestedType,
    ) -> Option<bool>
    where
        Self: 's,
    {
        let names = self.names_below(source);
        if names.is_empty() {
            return Some(false);
        }
        let mut by_segment: HashMap<String, Vec<String>> = HashMap::new();
        for key in keys.keys() {
            by_segment.entry(key.to_uppercase()).or_default().push(key.clone());
        }
        let (mut touched, mut is_right) = (Vec::new(), true);
        for name in names {
            match self.key_of(&name, &by_segment, value) {
                Ok(key) => touched.extend(key),
                Err(Reported) => is_right = false,
            }
        }
        touched.sort_unstable();
        touched.dedup();
        for key in &touched {
            keys.entry(key.clone()).or_default().push(source);
        }
        is_right.then_some(!touched.is_empty())
    }

    /// Returns the key whose value a name sets: an existing key, or a new one. Returns `None` for a name that
    /// does not belong to this type, and may belong to another program.
    fn key_of(
        &mut self,
        name: &NameBelow<'_>,
        by_segment: &HashMap<String, Vec<String>>,
        value: &'static NestedType,
    ) -> Result<Option<String>, Reported> {
        let fits = |tail: Tail<'_>| tail_fits(*value, tail, name.from_variable);
        let mut there = entry_segments(name.rest)
            .filter(|(_, tail)| fits(*tail))
            .filter_map(|(segment, _)| by_segment.get(segment))
            .flatten();
        match (there.next(), there.next()) {
            (Some(key), None) => return Ok(Some(key.clone())),
            (Some(one), Some(other)) => {
                let rule = format!("it is the name of two keys, {one} and {other}; rename one of them");
                let (path, origin) = (self.path(), Some(name.origin.clone()));
                self.walk.report.problem(|| Problem::new(path, origin, Complaint::Rule(rule)));
                return Err(Reported);
            }
            (None, _) => {}
        }
        let Some((segment, tail)) = entry_segments(name.rest).next() else { return Ok(None) };
        if is_upper(segment) && fits(tail) && !(tail == Tail::Exact && segment.contains("__")) {
            return Ok(Some(segment.to_lowercase()));
        }
        if self.lets_pass(name) {
            return Ok(None);
        }
        self.unknown_name(name, *value, Some(&segment.to_uppercase()));
        Err(Reported)
    }

    fn replace_all(&mut self, keys: &mut KeySources<'_>, value: &'static NestedType) {
        for (key, sources) in std::mem::take(keys) {
            self.judge_key(&key, sources, value);
        }
    }

    fn judge_key(&mut self, key: &str, sources: Vec<LayerSource<'_>>, value: &'static NestedType) {
        self.walk.steps.push(TypeStep::Key(key.to_owned()));
        for source in sources {
            if let LayerSource::Node(node, owner) = source {
                self.judge_replaced(*value, node, owner);
            }
        }
        self.walk.steps.pop();
    }
}
