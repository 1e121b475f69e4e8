//! A list: its items, each with the entries that variables and the program set in it.

use std::collections::BTreeMap;

use super::{LayerSource, Position, TreeOwner, tail_fits};
use crate::base::{Complaint, Origin, Problem, written_type};
use crate::layers::names::{entry_segments, index};
use crate::meta::{NestedType, TypeStep, path_of};
use crate::syntax::{Node, Value};

/// The items in which a flat source sets entries, with one name for each.
struct Overlay<'a> {
    source: OverlaySource<'a>,
    items: BTreeMap<usize, Origin>,
    /// True if every name belongs to an item.
    is_right: bool,
}

#[derive(Clone, Copy)]
enum OverlaySource<'a> {
    /// Names of variables or lines.
    Names(LayerSource<'a>),
    Set(&'a crate::layers::set_values::SetValues),
}

impl Position<'_> {
    /// Calls `each` to build every item, with the list's length. Returns true if the list is valid.
    pub(crate) fn list(
        self,
        item: &'static NestedType,
        each: &mut dyn FnMut(usize, Position<'_>) -> bool,
    ) -> bool {
        if self.walk.checking {
            let (mut this, ty) = (self, item.meta().type_name);
            return this.descend(TypeStep::AnyItem, Vec::new(), ty, |at| each(0, at));
        }
        self.expanded(&mut |at| at.list_of_sources(item, each))
    }

    fn list_of_sources(
        mut self,
        item: &'static NestedType,
        each: &mut dyn FnMut(usize, Position<'_>) -> bool,
    ) -> bool {
        let ty = written_type::item(self.ty, 0).unwrap_or(item.meta().type_name);
        let mut base: Option<(&[Node<'_>], TreeOwner<'_>)> = None;
        let mut flat = Vec::new();
        for source in self.sources.clone() {
            let LayerSource::Node(node, owner) = source else {
                flat.push(source);
                continue;
            };
            if let Some((items, owner)) = base.take() {
                for (index, node) in items.iter().enumerate() {
                    self.walk.steps.push(TypeStep::Item(index));
                    self.judge_replaced(*item, node, owner);
                    self.walk.steps.pop();
                }
            }
            flat.clear();
            match &node.value {
                Value::Array(items) => base = Some((items, owner)),
                Value::Null => {}
                _ => {
                    self.misfit(owner.origin(node.place));
                    return false;
                }
            }
        }
        let len = base.map_or(0, |(items, _)| items.len());
        let overlays: Vec<Overlay<'_>> = flat.into_iter().map(|source| self.overlay(source, item)).collect();
        let Some(len) = self.with_next(len, &overlays) else { return false };
        let mut is_right = overlays.iter().all(|overlay| overlay.is_right);
        if base.is_none() && len == 0 {
            return is_right && self.missing();
        }
        for index in 0..len {
            let mut sources = Vec::new();
            let node = base.and_then(|(items, owner)| Some((items.get(index)?, owner)));
            sources.extend(node.map(|(node, owner)| LayerSource::Node(node, owner)));
            for overlay in overlays.iter().filter(|overlay| overlay.items.contains_key(&index)) {
                match overlay.source {
                    OverlaySource::Names(source) => sources.push(source),
                    OverlaySource::Set(values) => {
                        sources.extend(values.items.get(&index).map(LayerSource::Set))
                    }
                }
            }
            let null = match (&sources[..], item) {
                (_, NestedType::Optional(_)) => None,
                ([LayerSource::Node(Node { value: Value::Null, place }, owner)], _) => {
                    Some(owner.origin(*place))
                }
                _ => None,
            };
            is_right &= self.descend(TypeStep::Item(index), sources, ty, |mut at| match null {
                Some(origin) => {
                    at.misfit(origin);
                    false
                }
                None => each(len, at),
            });
        }
        is_right
    }

    /// Returns the items in which `source` sets entries.
    fn overlay<'s>(&mut self, source: LayerSource<'s>, item: &'static NestedType) -> Overlay<'s>
    where
        Self: 's,
    {
        let mut items = BTreeMap::new();
        if let LayerSource::Set(values) = source {
            self.refuse_set_entries(values, true, false);
            items.extend(values.items.keys().map(|index| (*index, Origin::Program)));
            let is_right = values.keys.is_empty();
            return Overlay { source: OverlaySource::Set(values), items, is_right };
        }
        let mut is_right = true;
        for name in self.names_below(source) {
            let entry = entry_segments(name.rest).next();
            let entry = entry.and_then(|(segment, tail)| Some((segment, index(segment)?, tail)));
            match entry {
                Some((_, index, tail)) if tail_fits(*item, tail, name.from_variable) => {
                    items.entry(index).or_insert(name.origin);
                }
                _ if self.lets_pass(&name) => {}
                other => {
                    self.unknown_name(&name, *item, Some(other.map_or("0", |(segment, ..)| segment)));
                    is_right = false;
                }
            }
        }
        Overlay { source: OverlaySource::Names(source), items, is_right }
    }

    /// Returns the length of the list with the items added to it. A gap is reported.
    fn with_next(&mut self, len: usize, overlays: &[Overlay<'_>]) -> Option<usize> {
        let mut added: BTreeMap<usize, &Origin> = BTreeMap::new();
        for overlay in overlays {
            added.extend(overlay.items.range(len..).map(|(index, origin)| (*index, origin)));
        }
        for (next, (index, origin)) in (len..).zip(&added) {
            if next != *index {
                let rule = format!("there is no item {next} before it: a new item takes the next index");
                let path = format!("{}[{index}]", path_of(&self.walk.steps));
                let origin = Some((*origin).clone());
                self.walk.report.problem(|| Problem::new(path, origin, Complaint::Rule(rule)));
                return None;
            }
        }
        Some(len + added.len())
    }
}
