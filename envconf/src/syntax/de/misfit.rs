//! The facts about a value that does not fit its type: its path and place, and static facts of the type. Never the
//! value.

use std::fmt;

use serde::de;
use zeroize::Zeroizing;

#[cfg(feature = "units")]
use super::units::{NotBytes, NotDuration};
use crate::syntax::tree::{Place, segment};

/// A value that does not fit its type: where, and what the type says of itself.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Misfit {
    /// From the value outwards to the leaf.
    inward: Vec<ValueStep>,
    /// Where the value begins in its text, if it is one of a tree.
    pub(crate) place: Option<Place>,
    /// The number of the source of the misfit, if several sources are merged into a map.
    pub(crate) layer: Option<usize>,
    pub(crate) fact: Fact,
}

/// One step of a path below a leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ValueStep {
    /// An item of a list, from 0.
    Index(usize),
    /// A field or variant that the type declares.
    Field(&'static str),
    /// A key that only the content has: below a secret it may be one itself.
    Key(Zeroizing<String>),
}

/// The reason why a value does not fit, as far as the type defines it. Nothing in it is from the content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fact {
    /// It is not of its type.
    #[default]
    Type,
    /// The type asked for this, by a name of serde's data model or its own.
    Expected(&'static str),
    /// It is not of the type that this struct has for this field.
    FieldOf(&'static str, &'static str),
    /// A function of this library reads values of this form only.
    #[cfg_attr(not(feature = "units"), expect(dead_code, reason = "only the module of units makes it"))]
    Form(&'static str),
    /// The type asked for a list or a map, and the text of a variable is none.
    Inline,
    /// The key that the path ends in is not of the type that keys have there.
    WrongKey,
    /// The field that the path ends in is missing.
    Missing,
    /// This field is missing in this table, or in one below it.
    MissingBelow(&'static str),
    /// The key that the path ends in is none of these.
    NoSuchKey(&'static [&'static str]),
    /// A key of this table, or of one below it, is none of these.
    NoSuchKeyBelow(&'static [&'static str]),
    /// The type says this of a table; whether the value is one, and what it holds, is looked at before it is believed.
    Claimed(Claim),
    /// It names a variant that is none of these.
    UnknownVariant(&'static [&'static str]),
    /// It is a list, and not of this length.
    Length(usize),
    /// This field is given twice in this table, or in one below it.
    Twice(&'static str),
}

/// A constraint of a type on a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    Missing(&'static str),
    Twice(&'static str),
    NoSuchKey(&'static [&'static str]),
}

impl Misfit {
    pub(super) fn of(fact: Fact) -> Self {
        Self { fact, ..Self::default() }
    }

    /// That of the whole that the source of this number gives.
    pub(crate) fn of_layer(fact: Fact, layer: usize) -> Self {
        Self { fact, layer: Some(layer), ..Self::default() }
    }

    /// Sets the source of the value, unless a nested misfit has one already.
    pub(super) fn of_source(self, layer: usize) -> Self {
        Self { layer: self.layer.or(Some(layer)), ..self }
    }

    pub(super) fn at(mut self, place: Place) -> Self {
        self.place.get_or_insert(place);
        self
    }

    pub(super) fn within(mut self, step: ValueStep) -> Self {
        self.inward.push(step);
        self
    }

    /// Puts another fact in place of the one that it has.
    pub(super) fn said(self, fact: Fact) -> Self {
        Self { fact, ..self }
    }

    /// Forgets the place, which is one in a text that has no lines to show.
    pub(super) fn without_place(self) -> Self {
        Self { place: None, ..self }
    }

    /// Adds a fact about the value that was just read, unless more is known, or it is about something in the value.
    pub(super) fn or_fact(mut self, fact: Fact) -> Self {
        if self.is_here() && self.fact == Fact::Type {
            self.fact = fact;
        }
        self
    }

    /// Says of which struct the value is a field, if nothing is known of its type.
    pub(super) fn in_struct(mut self, name: &'static str) -> Self {
        if let (Fact::Type, [ValueStep::Field(field)]) = (self.fact, self.inward.as_slice()) {
            self.fact = Fact::FieldOf(name, field);
        }
        self
    }

    /// Returns true if it is about the value itself, and not about something in it.
    pub(super) fn is_here(&self) -> bool {
        self.inward.is_empty()
    }

    /// The steps from the leaf to the value.
    pub(crate) fn into_steps(self) -> Vec<ValueStep> {
        let mut steps = self.inward;
        steps.reverse();
        steps
    }
}

/// The path that `steps` make behind that of a leaf, such as `[2].port`.
pub(crate) fn path_of_steps(steps: &[ValueStep]) -> String {
    let mut path = String::new();
    for step in steps {
        match step {
            ValueStep::Index(index) => path.push_str(&format!("[{index}]")),
            ValueStep::Field(key) => path.extend([".", &*segment(key)]),
            ValueStep::Key(key) => path.extend([".", &*segment(key)]),
        }
    }
    path
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value does not fit its type")
    }
}

impl std::error::Error for Misfit {}

/// Of serde's constructors those count whose arguments are constants. The others end in `custom`, and nothing is
/// formatted there, so not even a `Display` that records what it is given gets to see a value.
impl de::Error for Misfit {
    fn custom<T: fmt::Display>(_: T) -> Self {
        #[cfg(feature = "units")]
        if let Some(form) = form_of(std::any::type_name::<T>()) {
            return Self::of(Fact::Form(form));
        }
        Self::default()
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::of(Fact::UnknownVariant(expected))
    }

    fn unknown_field(_: &str, expected: &'static [&'static str]) -> Self {
        Self::of(Fact::Claimed(Claim::NoSuchKey(expected)))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::of(Fact::Claimed(Claim::Missing(field)))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::of(Fact::Claimed(Claim::Twice(field)))
    }
}

/// The form that a function of this library expects, by the name of its error's type: no look at the value is needed.
#[cfg(feature = "units")]
fn form_of(error: &str) -> Option<&'static str> {
    let is = |name: &str| error == name;
    match () {
        () if is(std::any::type_name::<NotDuration>()) => Some(NotDuration::EXPECTED),
        () if is(std::any::type_name::<NotBytes>()) => Some(NotBytes::EXPECTED),
        () => None,
    }
}
