//! An enum: the variant that the strongest source names, and the sources of its fields.
//!
//! If a source names a different variant than a weaker source, it replaces all values of that source. If it names the
//! same variant, or none, it overrides single values.

use std::collections::BTreeSet;

use zeroize::Zeroizing;

use super::{LayerSource, NameBelow, Position, tail_fits};
use crate::base::{Complaint, Origin, Problem};
use crate::layers::env::Unusable;
use crate::layers::fields::Reported;
use crate::layers::names::{Tail, tail};
use crate::meta::{
    Field, Merge, Meta, NestedType, TypeStep, Variant, path_of_key, push_path_of, push_path_of_key,
    segments_below,
};
use crate::syntax::{Entry, Value};

/// The variant that the sources name. Sources are added from the weakest to the strongest.
#[derive(Default)]
struct ChosenVariant<'a> {
    variant: Option<usize>,
    origin: Option<Origin>,
    /// The sources of the variant's content.
    contents: Vec<LayerSource<'a>>,
}

impl Position<'_> {
    /// Builds the variant with `each`, which receives its index. Returns true if it is valid.
    pub(crate) fn variants(
        self,
        meta: &'static Meta,
        each: &mut dyn FnMut(usize, Position<'_>) -> bool,
    ) -> bool {
        if self.walk.checking {
            return self.check_variants(meta, each);
        }
        self.expanded(&mut |at| at.variants_of_sources(meta, each))
    }

    fn check_variants(
        mut self,
        meta: &'static Meta,
        each: &mut dyn FnMut(usize, Position<'_>) -> bool,
    ) -> bool {
        for (index, variant) in meta.variants.iter().enumerate() {
            self.descend(TypeStep::Variant(variant), Vec::new(), self.ty, |at| each(index, at));
        }
        true
    }

    fn variants_of_sources(
        mut self,
        meta: &'static Meta,
        each: &mut dyn FnMut(usize, Position<'_>) -> bool,
    ) -> bool {
        let mut choice = ChosenVariant::default();
        for source in std::mem::take(&mut self.sources) {
            let added = match meta.tag {
                Some(tag) => self.add_tagged(&mut choice, source, meta, tag),
                None => self.add_named(&mut choice, source, meta),
            };
            if added.is_err() {
                return false;
            }
        }
        let Some(index) =
            choice.variant.or_else(|| meta.variants.iter().position(|variant| variant.is_default))
        else {
            return self.no_variant(meta);
        };
        let Some(variant) = meta.variants.get(index) else { return false };
        let origin = choice.origin.unwrap_or(Origin::Default);
        match meta.tag {
            Some(tag) => self.build_tagged(tag, meta, (index, variant), origin, choice.contents, each),
            None => self.build_named(variant, index, origin, choice.contents, each),
        }
    }

    /// Applies `source` to an externally tagged enum: a name, or a table with the name as its one key.
    fn add_named<'s>(
        &mut self,
        choice: &mut ChosenVariant<'s>,
        source: LayerSource<'s>,
        meta: &'static Meta,
    ) -> Result<(), Reported>
    where
        Self: 's,
    {
        match source {
            LayerSource::Node(node, owner) => match &node.value {
                Value::Null => *choice = ChosenVariant::default(),
                Value::String(name) => {
                    let variant = self.variant_named(meta, name, owner.origin(node.place))?;
                    self.choose(choice, meta, variant, owner.origin(node.place));
                }
                Value::Table(table) => match table.entries() {
                    [] => {}
                    [Entry { key, key_place, node }] => {
                        let variant = self.variant_named(meta, key, owner.origin(*key_place))?;
                        self.choose(choice, meta, variant, owner.origin(*key_place));
                        choice.contents.push(LayerSource::Node(node, owner));
                    }
                    _ => {
                        let rule = format!("more than one key, expected one of {}", listed(meta));
                        self.complain(Some(owner.origin(node.place)), Complaint::Rule(rule));
                        return Err(Reported);
                    }
                },
                _ => {
                    self.misfit(owner.origin(node.place));
                    return Err(Reported);
                }
            },
            LayerSource::Set(values) => {
                self.refuse_set_entries(values, false, true);
                let mut named = values.keys.iter();
                match (named.next(), named.next()) {
                    (None, _) => {}
                    (Some((key, values)), None) => {
                        let variant = self.variant_named(meta, key, Origin::Program)?;
                        self.choose(choice, meta, variant, Origin::Program);
                        choice.contents.push(LayerSource::Set(values));
                    }
                    _ => return Err(self.more_than_one(Origin::Program, meta)),
                }
            }
            names => {
                let mut found: BTreeSet<usize> = BTreeSet::new();
                let mut origin = None;
                for name in self.names_below(names) {
                    match self.variant_of_name(meta, &name) {
                        Some(variant) => {
                            found.insert(variant);
                            origin.get_or_insert(name.origin);
                        }
                        None if self.lets_pass(&name) => {}
                        None => return Err(self.refuse_name(&name, meta)),
                    }
                }
                let (Some(first), Some(origin)) = (found.first(), origin) else { return Ok(()) };
                if found.len() > 1 {
                    return Err(self.more_than_one(origin, meta));
                }
                self.choose(choice, meta, *first, origin);
                choice.contents.push(names);
            }
        }
        Ok(())
    }

    /// Returns the variant whose segment a name begins with.
    fn variant_of_name(&self, meta: &'static Meta, name: &NameBelow<'_>) -> Option<usize> {
        meta.variants.iter().position(|variant| match (tail(name.rest, variant.segment), variant.content) {
            (Some(Tail::File), _) if !name.from_variable => false,
            (Some(Tail::Exact | Tail::File), _) => true,
            (Some(below), Some(content)) => tail_fits(content, below, name.from_variable),
            _ => false,
        })
    }

    /// Applies `source` to an internally tagged enum: a table with the tag beside the fields.
    fn add_tagged<'s>(
        &mut self,
        choice: &mut ChosenVariant<'s>,
        source: LayerSource<'s>,
        meta: &'static Meta,
        tag: &'static Field,
    ) -> Result<(), Reported>
    where
        Self: 's,
    {
        let named = match source {
            LayerSource::Node(node, owner) => match &node.value {
                Value::Null => {
                    *choice = ChosenVariant::default();
                    return Ok(());
                }
                Value::Table(table) => match tag.keys().into_iter().find_map(|key| table.get(key)) {
                    None => None,
                    Some(Entry { node, .. }) => match &node.value {
                        Value::Null => None,
                        Value::String(name) => {
                            Some((Zeroizing::new(name.to_string()), owner.origin(node.place)))
                        }
                        _ => {
                            let expected = format!("one of {}", listed(meta));
                            self.complain_of(
                                tag,
                                Some(owner.origin(node.place)),
                                Complaint::WrongType { expected },
                            );
                            return Err(Reported);
                        }
                    },
                },
                _ => {
                    self.misfit(owner.origin(node.place));
                    return Err(Reported);
                }
            },
            LayerSource::Set(values) => {
                let value = tag.keys().into_iter().find_map(|key| values.keys.get(key));
                value.and_then(|value| Some((value.text.clone()?, Origin::Program)))
            }
            LayerSource::Variables => self.tag_variable(tag)?,
            LayerSource::Lines(document) => {
                let segments = segments_below(&self.walk.steps) + tag.segment;
                let lines = document.lines_of(&segments, self.shared.environment.prefix());
                let entry = self.only_line(document, lines).ok_or(Reported)?;
                match entry {
                    None => None,
                    Some(entry) => {
                        let text = self.unquoted_line(document, entry).ok_or(Reported)?;
                        Some((Zeroizing::new(text.to_owned()), document.origin(entry.node.place)))
                    }
                }
            }
        };
        if let Some((name, origin)) = named {
            self.walk.steps.push(TypeStep::Field(tag));
            let variant = self.variant_named(meta, &name, origin.clone());
            self.walk.steps.pop();
            self.choose(choice, meta, variant?, origin);
        }
        choice.contents.push(source);
        Ok(())
    }

    fn tag_variable(&mut self, tag: &'static Field) -> Result<Option<(Zeroizing<String>, Origin)>, Reported> {
        let environment = self.shared.environment;
        if environment.present().is_empty() {
            return Ok(None);
        }
        let name = environment.name(&(segments_below(&self.walk.steps) + tag.segment));
        match name.and_then(|name| environment.read(&name)) {
            None => Ok(None),
            Some(Ok(setting)) => Ok(Some((setting.text, setting.origin))),
            Some(Err(Unusable { origin, complaint })) => {
                self.complain_of(tag, Some(origin), complaint);
                Err(Reported)
            }
        }
    }

    fn choose(
        &mut self,
        choice: &mut ChosenVariant<'_>,
        meta: &'static Meta,
        variant: usize,
        origin: Origin,
    ) {
        if choice.variant.is_some_and(|earlier| earlier != variant) {
            let replaced = choice.variant.and_then(|index| meta.variants.get(index));
            for source in choice.contents.drain(..) {
                let (LayerSource::Node(node, owner), Some(replaced)) = (source, replaced) else { continue };
                match (&node.value, meta.tag, replaced.content) {
                    (Value::Table(table), Some(_), _) => {
                        self.judge_replaced_table(NestedType::Variants(meta), table, owner);
                    }
                    (_, None, Some(content)) => {
                        self.walk.steps.push(TypeStep::Variant(replaced));
                        self.judge_replaced(content, node, owner);
                        self.walk.steps.pop();
                    }
                    _ => {}
                }
            }
        }
        (choice.variant, choice.origin) = (Some(variant), Some(origin));
    }

    fn variant_named(&mut self, meta: &'static Meta, name: &str, origin: Origin) -> Result<usize, Reported> {
        let found = meta.variants.iter().position(|variant| variant.names().any(|known| known == name));
        found.ok_or_else(|| {
            let rule = format!("unknown variant, expected one of {}", listed(meta));
            self.complain(Some(origin), Complaint::Rule(rule));
            Reported
        })
    }

    fn more_than_one(&mut self, origin: Origin, meta: &'static Meta) -> Reported {
        let rule = format!("more than one variant is given, expected one of {}", listed(meta));
        self.complain(Some(origin), Complaint::Rule(rule));
        Reported
    }

    fn refuse_name(&mut self, name: &NameBelow<'_>, meta: &'static Meta) -> Reported {
        self.unknown_name(name, NestedType::Variants(meta), None);
        Reported
    }

    fn no_variant(&mut self, meta: &'static Meta) -> bool {
        let Some(tag) = meta.tag else { return self.missing() };
        let variable = self.shared.environment.name(&(segments_below(&self.walk.steps) + tag.segment));
        let expected = format!("one of {}", listed(meta));
        self.complain_of(tag, None, Complaint::Missing { expected, variable });
        false
    }

    fn complain_of(&mut self, tag: &'static Field, origin: Option<Origin>, complaint: Complaint) {
        let steps = &self.walk.steps;
        self.walk.report.problem(|| Problem::new(path_of_key(steps, tag.key), origin, complaint));
    }

    fn build_named(
        mut self,
        variant: &'static Variant,
        index: usize,
        origin: Origin,
        contents: Vec<LayerSource<'_>>,
        each: &mut dyn FnMut(usize, Position<'_>) -> bool,
    ) -> bool {
        let ty = self.ty;
        if variant.content.is_some() {
            return self.descend(TypeStep::Variant(variant), contents, ty, |at| each(index, at));
        }
        let steps = &self.walk.steps;
        self.walk.report.trace_place(|text| push_path_of(text, steps), origin);
        self.descend(TypeStep::Variant(variant), contents, ty, |at| at.expect_no_content())
            && each(index, self)
    }

    /// Reports a value for a unit variant that is not empty. Returns true if every value is empty.
    fn expect_no_content(self) -> bool {
        self.expanded(&mut |mut at| {
            for source in std::mem::take(&mut at.sources) {
                let LayerSource::Node(node, owner) = source else { continue };
                let is_nothing = match &node.value {
                    Value::Null => true,
                    Value::Table(table) => table.entries().is_empty(),
                    Value::String(text) => text.is_empty(),
                    _ => false,
                };
                if !is_nothing {
                    let rule = Complaint::Rule("this variant has no fields".to_owned());
                    at.complain(Some(owner.origin(node.place)), rule);
                    return false;
                }
            }
            true
        })
    }

    fn build_tagged(
        mut self,
        tag: &'static Field,
        meta: &'static Meta,
        (index, variant): (usize, &'static Variant),
        origin: Origin,
        contents: Vec<LayerSource<'_>>,
        each: &mut dyn FnMut(usize, Position<'_>) -> bool,
    ) -> bool {
        let steps = &self.walk.steps;
        self.walk.report.trace_place(|text| push_path_of_key(text, steps, tag.key), origin);
        let names_are_right = contents.iter().all(|source| self.names_belong(*source, tag, meta, variant));
        let at = Position {
            shared: self.shared,
            walk: &mut *self.walk,
            sources: contents,
            ty: self.ty,
            merge: Merge::Keys,
            takes_whole: false,
            tag: Some(tag),
        };
        let built = match variant.content {
            Some(_) => each(index, at),
            None => {
                at.section(&UNIT, &mut |_| true) && {
                    let mut at = self;
                    at.sources = Vec::new();
                    each(index, at)
                }
            }
        };
        built && names_are_right
    }

    /// Returns true if every name of a flat source is the tag or a field of the chosen variant.
    fn names_belong(
        &mut self,
        source: LayerSource<'_>,
        tag: &Field,
        meta: &'static Meta,
        variant: &Variant,
    ) -> bool {
        let mut belong = true;
        for name in self.names_below(source) {
            let is_tag = match tail(name.rest, tag.segment) {
                Some(Tail::Exact) => true,
                Some(Tail::File) => name.from_variable,
                _ => false,
            };
            let of = |content: Option<NestedType>| {
                let below = Tail::Below(name.rest);
                content.is_some_and(|content| tail_fits(content, below, name.from_variable))
            };
            if is_tag || of(variant.content) {
                continue;
            }
            let other = meta.variants.iter().find(|other| of(other.content));
            if other.is_none() && self.lets_pass(&name) {
                continue;
            }
            belong = false;
            match other {
                Some(other) => {
                    let rule = format!(
                        "a field of the variant {}, but the variant {} is chosen",
                        other.key, variant.key
                    );
                    self.complain(Some(name.origin), Complaint::Rule(rule));
                }
                None => self.unknown_name(&name, NestedType::Variants(meta), None),
            }
        }
        belong
    }
}

/// The fields of a unit variant: none.
static UNIT: Meta = Meta::EMPTY;

/// Returns the names of the variants, for messages.
fn listed(meta: &'static Meta) -> String {
    let names: Vec<&str> = meta.variants.iter().map(|variant| variant.key).collect();
    names.join(", ")
}
