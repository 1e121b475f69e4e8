//! The facts about a value that does not fit its type: its path, its position and constants of the type, but never the
//! value.

use std::fmt;

use serde::de;
use zeroize::Zeroizing;

#[cfg(feature = "units")]
use super::units::{NotBytes, NotDuration};
use crate::syntax::tree::{Place, segment};

/// The error for a value that does not fit its type: its position, and a fact that contains no value.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Misfit {
    /// The steps from the value outwards to the leaf.
    inward: Vec<ValueStep>,
    /// The position of the value in its text, if the value is from a tree.
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
    /// A key that only the content has. Below a secret, the key may be secret itself.
    Key(Zeroizing<String>),
}

/// The reason why a value does not fit. Contains only constants of the type, nothing from the content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fact {
    /// The value does not have its type.
    #[default]
    Type,
    /// The type asked for this: a name of serde's data model, or the type's own name.
    Expected(&'static str),
    /// The value does not have the type of this field in this struct.
    FieldOf(&'static str, &'static str),
    /// A function of this library reads only values of this form.
    #[cfg_attr(not(feature = "units"), expect(dead_code, reason = "only the module of units makes it"))]
    Form(&'static str),
    /// The type asked for a list or a map, and the text of the variable is neither.
    Inline,
    /// The last key of the path does not have the type that keys of its map have.
    WrongKey,
    /// The last field of the path is missing.
    Missing,
    /// This field is missing in this table, or in a table inside it.
    MissingBelow(&'static str),
    /// The last key of the path is unknown; these keys are known.
    NoSuchKey(&'static [&'static str]),
    /// A key of this table, or of a table inside it, is unknown; these keys are known.
    NoSuchKeyBelow(&'static [&'static str]),
    /// A claim of the type about a table. It is checked against the value before it becomes another fact.
    Claimed(Claim),
    /// The value names an unknown variant; these variants are known.
    UnknownVariant(&'static [&'static str]),
    /// The value is not a list of this length.
    Length(usize),
    /// This field is set twice in this table, or in a table inside it.
    Twice(&'static str),
}

/// A statement of a type about a table.
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

    /// Creates a misfit of the whole value of a layer.
    pub(crate) fn of_layer(fact: Fact, layer: usize) -> Self {
        Self { fact, layer: Some(layer), ..Self::default() }
    }

    /// Sets the layer of the value, unless the misfit has one already.
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

    /// Replaces the fact.
    pub(super) fn with_fact(self, fact: Fact) -> Self {
        Self { fact, ..self }
    }

    /// Removes the position. A position in the text of a variable is not useful.
    pub(super) fn without_place(self) -> Self {
        Self { place: None, ..self }
    }

    /// Sets a fact about the value, unless the misfit has a more exact one or is about a value inside this one.
    pub(super) fn or_fact(mut self, fact: Fact) -> Self {
        if self.is_here() && self.fact == Fact::Type {
            self.fact = fact;
        }
        self
    }

    /// Adds the struct that has the value as a field, if the misfit has no more exact fact.
    pub(super) fn in_struct(mut self, name: &'static str) -> Self {
        if let (Fact::Type, [ValueStep::Field(field)]) = (self.fact, self.inward.as_slice()) {
            self.fact = Fact::FieldOf(name, field);
        }
        self
    }

    /// Returns true if the misfit is about this value, and not about a value inside it.
    pub(super) fn is_here(&self) -> bool {
        self.inward.is_empty()
    }

    /// Returns the steps from the leaf to the value.
    pub(crate) fn into_steps(self) -> Vec<ValueStep> {
        let mut steps = self.inward;
        steps.reverse();
        steps
    }
}

/// Returns the path of `steps` below a leaf, such as `[2].port`.
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

/// Implements only those constructors of serde that have constants as arguments. The others call `custom`, which
/// formats nothing: so not even the `Display` implementation of a user can record a value.
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

/// Returns the form that a function of this library expects, found by the name of its error type.
#[cfg(feature = "units")]
fn form_of(error: &str) -> Option<&'static str> {
    let is = |name: &str| error == name;
    match () {
        () if is(std::any::type_name::<NotDuration>()) => Some(NotDuration::EXPECTED),
        () if is(std::any::type_name::<NotBytes>()) => Some(NotBytes::EXPECTED),
        () => None,
    }
}
