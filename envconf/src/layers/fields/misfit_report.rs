//! Reports a leaf's value that does not fit, and unknown keys in it.
//!
//! Below a secret, messages do not name keys that only the content contains, because keys of maps can be tokens.

use super::Fields;
use crate::base::{Complaint, Origin, suggest, written_type};
use crate::layers::position::INLINE;
use crate::meta::Field;
use crate::syntax::{Fact, IgnoredKey, Misfit, ValueStep, path_of_steps};

/// The message for an unknown key in a secret, which must not name the key.
const IGNORED_IN_SECRET: &str = "it contains a key that its type does not know";

const DURATION: &str = "read durations such as 5s or 1m 30s with #[envconf(deserialize_with = envconf::de::duration)], and byte \
                        sizes such as 64 MiB with envconf::de::byte_size (feature units): serde reads a bare Duration as a \
                        table of secs and nanos";

impl Fields<'_> {
    /// Reports a value of `field` that does not fit.
    pub(super) fn misfit(&mut self, field: &'static Field, misfit: Misfit, origin: Origin) {
        let fact = misfit.fact;
        if fact == Fact::Inline {
            self.walk.report.advise(INLINE);
        }
        let steps = misfit.into_steps();
        if field.deserialize_with.is_none()
            && type_at(field.ty, &steps).is_some_and(written_type::is_duration)
        {
            self.walk.report.advise(DURATION);
        }
        let shown = shown(field, &steps);
        let complaint = complaint(field, &steps, shown.len() < steps.len(), fact);
        self.complain(field, &path_of_steps(shown), Some(origin), complaint);
    }

    /// Reports the keys that the type of `field` ignored. `origin` returns where a key is from.
    pub(super) fn refuse_ignored(
        &mut self,
        field: &'static Field,
        ignored: Vec<IgnoredKey>,
        origin: impl Fn(&IgnoredKey) -> Origin,
    ) {
        if field.allow_unknown_fields || self.meta.allow_unknown_fields {
            return;
        }
        for key in ignored {
            let origin = origin(&key);
            let shown = shown(field, &key.steps);
            let complaint = if shown.len() < key.steps.len() {
                Complaint::Rule(IGNORED_IN_SECRET.to_owned())
            } else {
                unknown_key(key.steps.last(), key.known)
            };
            self.complain(field, &path_of_steps(shown), Some(origin), complaint);
        }
    }
}

/// Returns the steps that may be shown: below a secret, those before the first key that only the content contains.
fn shown<'s>(field: &Field, steps: &'s [ValueStep]) -> &'s [ValueStep] {
    let first_key = steps.iter().position(|step| matches!(step, ValueStep::Key(_)));
    match first_key {
        Some(first) if field.secret => &steps[..first],
        _ => steps,
    }
}

fn complaint(field: &Field, steps: &[ValueStep], is_hidden: bool, fact: Fact) -> Complaint {
    let rule = |text: String| Complaint::Rule(text);
    match fact {
        Fact::Form(form) => Complaint::WrongType { expected: form.to_owned() },
        Fact::Length(expected) => Complaint::WrongLength { expected },
        Fact::Missing => Complaint::Missing { expected: String::new(), variable: None },
        Fact::MissingBelow(name) => rule(format!("{name} is missing, here or further down")),
        Fact::Twice(name) => rule(format!("{name} is given twice")),
        Fact::UnknownVariant(variants) => Complaint::UnknownVariant { expected: variants },
        Fact::NoSuchKey(_) if is_hidden => rule(IGNORED_IN_SECRET.to_owned()),
        Fact::NoSuchKey(known) => unknown_key(steps.last(), known),
        Fact::NoSuchKeyBelow(known) => {
            rule(format!("it contains an unknown key, expected one of {}", known.join(", ")))
        }
        Fact::WrongKey => {
            let map = steps.split_last().and_then(|(_, map)| type_at(field.ty, map));
            let key = map.and_then(written_type::key).filter(|_| field.deserialize_with.is_none());
            let expected = format!("{} as the key", key.map_or("something else", written_type::in_words));
            Complaint::WrongType { expected }
        }
        Fact::Type | Fact::Claimed(_) | Fact::Expected(_) | Fact::FieldOf(..) | Fact::Inline => {
            Complaint::WrongType { expected: wrong_type(field, steps, fact) }
        }
    }
}

/// Returns the expected type of the invalid item: as written in the source code, or as its deserializer names it.
fn wrong_type(field: &Field, steps: &[ValueStep], fact: Fact) -> String {
    if steps.is_empty() && field.deserialize_with.is_some() {
        // The function may read a type that differs from the type of the field.
        return field.ty.to_owned();
    }
    let written = type_at(field.ty, steps).filter(|_| field.deserialize_with.is_none());
    match (written, fact) {
        (Some(ty), _) => ty.to_owned(),
        (None, Fact::Expected(asked)) => asked.to_owned(),
        (None, Fact::FieldOf(name, field)) => format!("the type of {name}::{field}"),
        (None, Fact::Inline) => "a list or table".to_owned(),
        (None, _) => format!("the type of this part of {}", field.ty),
    }
}

/// Returns the written type of the part that `steps` lead to within the type `written`; `None` if only the program
/// knows it.
fn type_at<'t>(written: &'t str, steps: &[ValueStep]) -> Option<&'t str> {
    steps.iter().try_fold(written, |ty, step| match step {
        ValueStep::Index(index) => written_type::item(ty, *index),
        ValueStep::Key(_) => written_type::value(ty),
        ValueStep::Field(_) => None,
    })
}

fn unknown_key(key: Option<&ValueStep>, known: &'static [&'static str]) -> Complaint {
    let suggestion = match key {
        Some(ValueStep::Key(key)) => suggest::nearest(key, known.iter().copied()).map(str::to_owned),
        _ => None,
    };
    Complaint::UnknownKey { suggestion, known }
}
