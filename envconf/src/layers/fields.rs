//! The fields of one struct: the source of each value, and the error if there is none.

mod leaf_lookup;
mod misfit_report;
mod unknown;

use std::ops::Range;

use self::leaf_lookup::LeafSources;
use super::document::Document;
use super::env::Environment;
use super::position::{LayerSource, Position, Shared, TreeOwner, Walk};
use super::report::Report;
use super::set_values::SetValues;
use crate::base::{Complaint, Origin, Problem};
use crate::meta::{self, Fallback, Field, Leaf, Literal, Merge, Meta, Shape, TypeStep};
use crate::syntax::{Given, Misfit, Node, Place, Reading, Table, Text, Value, de, path_of_steps, segment};

pub(crate) use self::leaf_lookup::{PLAIN_SECRET, PLAIN_SECRET_ADVICE};
pub(crate) use self::unknown::no_such_key;

/// The input from which generated code builds one struct.
///
/// It names a field by its index in [`Meta::fields`]; everything else is found there.
pub struct Fields<'a> {
    meta: &'static Meta,
    shared: Shared<'a>,
    walk: &'a mut Walk,
    /// The sources of this struct, the weakest first.
    scopes: Vec<Scope<'a>>,
    /// The tag, if this struct has the fields of a variant: the key in the struct's tables that names the variant.
    tag: Option<&'static Field>,
    /// The origin of the last value, if its field has `validate`.
    origin: Option<Origin>,
    /// See [`Report::trace_field`].
    path: Option<Range<usize>>,
}

/// One source of a struct.
pub(crate) enum Scope<'a> {
    /// A table, and the number of its keys that fields have claimed.
    Table { table: &'a Table<'a>, owner: TreeOwner<'a>, known: usize },
    /// The lines of dotenv content.
    Lines(&'a Document<'a>),
    /// The environment variables.
    Variables,
    /// The values that the program set.
    Set(&'a SetValues),
}

/// Builds the root of the type that `meta` describes with `build`.
pub(crate) fn build_root<T>(
    meta: &'static Meta,
    documents: &[Document<'_>],
    environment: &Environment<'_>,
    report: &mut Report,
    build: impl FnOnce(Position<'_>) -> Option<T>,
) -> Option<T> {
    let mut walk = Walk { steps: Vec::new(), report: std::mem::take(report), checking: false };
    let mut sources: Vec<LayerSource<'_>> = Vec::with_capacity(documents.len() + 2);
    for document in documents {
        sources.push(match document.is_flat() {
            true => LayerSource::Lines(document),
            false => LayerSource::Node(document.root_node(), TreeOwner::Document(document)),
        });
    }
    sources.push(LayerSource::Variables);
    sources.extend(environment.set_values().map(LayerSource::Set));
    let shared = Shared { documents, environment, allow_unknown_variables: meta.allow_unknown_variables };
    let value = build(root(shared, &mut walk, sources, meta));
    unknown::refuse_unknown_lines(meta, documents, environment, &mut walk.report);
    *report = walk.report;
    value
}

/// Builds the struct from its defaults alone, to report invalid defaults and examples.
pub(crate) fn check_root<T>(
    meta: &'static Meta,
    environment: &Environment<'_>,
    report: &mut Report,
    build: impl FnOnce(Position<'_>) -> Option<T>,
) {
    let mut walk = Walk { steps: Vec::new(), report: std::mem::take(report), checking: true };
    let shared = Shared { documents: &[], environment, allow_unknown_variables: false };
    build(root(shared, &mut walk, Vec::new(), meta));
    *report = walk.report;
}

fn root<'a>(
    shared: Shared<'a>,
    walk: &'a mut Walk,
    sources: Vec<LayerSource<'a>>,
    meta: &'static Meta,
) -> Position<'a> {
    Position { shared, walk, sources, ty: meta.type_name, merge: Merge::Keys, takes_whole: false, tag: None }
}

impl<'a> Fields<'a> {
    pub(crate) fn new(
        meta: &'static Meta,
        shared: Shared<'a>,
        walk: &'a mut Walk,
        scopes: Vec<Scope<'a>>,
        tag: Option<&'static Field>,
    ) -> Self {
        Self { meta, shared, walk, scopes, tag, origin: None, path: None }
    }

    /// Returns the value of the leaf `index`, or the value of `absent` if no source has one.
    pub(crate) fn leaf<T>(
        &mut self,
        index: usize,
        read: &impl Fn(Given<'_, '_>) -> Result<T, Misfit>,
        absent: impl FnOnce(&mut Self, &'static Field) -> Option<T>,
    ) -> Option<T> {
        let field = self.field(index);
        if self.walk.checking {
            self.check_example(field, read);
            self.check_secret::<T>(field);
        }
        match self.find(field) {
            Ok(Some(found)) => self.read(field, &found, read),
            Ok(None) => absent(self, field),
            Err(Reported) => None,
        }
    }

    fn read<T>(
        &mut self,
        field: &'static Field,
        found: &LeafSources<'_>,
        read: impl Fn(Given<'_, '_>) -> Result<T, Misfit>,
    ) -> Option<T> {
        let Reading { value, ignored } = found.read(read);
        self.refuse_ignored(field, ignored, |key| found.origin_at(key.layer, Some(key.place)));
        match value {
            Ok(value) => {
                self.trace_found(field, found);
                Some(value)
            }
            Err(misfit) => {
                let origin = found.origin_at(misfit.layer, misfit.place);
                self.misfit(field, misfit, origin);
                None
            }
        }
    }

    /// Returns the default of the attribute `default`, for a field without a value. Without the attribute, it reports
    /// that the value is missing.
    pub(crate) fn literal_or_missing<T>(
        &mut self,
        field: &'static Field,
        read: impl FnOnce(Given<'_, '_>) -> Result<T, Misfit>,
    ) -> Option<T> {
        let Shape::Defaulted(Fallback::Literal(literal)) = field.shape else {
            self.missing(field);
            return None;
        };
        match de::from_node(&node_of(literal), read).value {
            Ok(value) => {
                self.trace(field, || Origin::Default);
                Some(value)
            }
            Err(misfit) => {
                self.misfit(field, misfit, Origin::Default);
                None
            }
        }
    }

    /// Reports a secret that the derive did not recognize. The derive recognizes a secret by the names in the written
    /// type, and a type alias hides them.
    fn check_secret<T>(&mut self, field: &'static Field) {
        if !field.secret && std::any::type_name::<T>().contains("secrecy::SecretBox<") {
            let rule = "the type holds a secret that its name does not show: mark the field with `secret`";
            self.complain(field, "", None, Complaint::Rule(rule.to_owned()));
        }
    }

    fn check_example<T>(
        &mut self,
        field: &'static Field,
        read: impl FnOnce(Given<'_, '_>) -> Result<T, Misfit>,
    ) {
        let Some(example) = field.example else { return };
        if let Err(misfit) = de::from_node(&node_of(example), read).value {
            let rule = format!("the example is not a valid {}", field.ty);
            self.complain(field, &path_of_steps(&misfit.into_steps()), None, Complaint::Rule(rule));
        }
    }

    /// Reports the message of `validate` about the value of the field `index`. Returns true if the value is valid.
    pub(crate) fn judged(&mut self, index: usize, verdict: Result<(), &'static str>) -> bool {
        let Err(why) = verdict else { return true };
        let field = self.field(index);

        let origin = self.origin.take().filter(|_| field.part.is_none() && field.shape.nested().is_none());
        self.complain(field, "", origin, Complaint::Rule(why.to_owned()));
        false
    }

    /// Like `judged`, for the struct as a whole.
    pub(crate) fn whole_judged(&mut self, verdict: Result<(), &'static str>) -> bool {
        let Err(why) = verdict else { return true };
        let steps = &self.walk.steps;
        let rule = Complaint::Rule(why.to_owned());
        self.walk.report.problem(|| Problem::new(meta::path_of(steps), None, rule));
        false
    }

    /// Checks the leaf `index` if its variable is treated as set to any valid value; returns `None` if it is not.
    pub(crate) fn assumed(&mut self, index: usize) -> Option<Option<()>> {
        let field = self.field(index);
        let name = Leaf::new(&self.walk.steps, field).variable(self.shared.environment.prefix())?;
        if !self.shared.environment.assumes(&name) {
            return None;
        }
        // The variable overrides the texts, but errors in their keys are still errors.
        let found = self.find(field).is_ok();
        Some(found.then(|| self.trace(field, || Origin::Variable(name))))
    }

    /// Records that the value of `field` comes from its type or its default function.
    pub(crate) fn defaulted(&mut self, field: &'static Field) {
        if matches!(field.shape, Shape::Defaulted(_)) {
            self.trace(field, || Origin::Default);
        }
    }

    /// Builds the nested field `index` with `build`, or with `default` if no source has a part of it.
    pub(crate) fn nested<T>(
        &mut self,
        index: usize,
        build: impl FnOnce(Position<'_>) -> Option<T>,
        default: Option<&dyn Fn() -> T>,
    ) -> Option<T> {
        let field = self.field(index);
        let sources = self.sources_of(field)?;
        self.walk.steps.push(TypeStep::Field(field));
        let at = Position {
            shared: self.shared,
            walk: &mut *self.walk,
            sources,
            ty: field.ty,
            merge: field.merge,
            takes_whole: !field.part.is_some_and(meta::NestedType::is_section),
            tag: None,
        };
        let default = default.filter(|_| !at.walk.checking && !at.is_given());
        let value = match default {
            Some(default) => {
                let steps = &at.walk.steps;
                at.walk.report.trace_place(|text| meta::push_path_of(text, steps), Origin::Default);
                Some(default())
            }
            None => build(at),
        };
        self.walk.steps.pop();
        value
    }

    /// Builds a struct whose fields are read like fields of this one: from the same tables, at the same path.
    pub(crate) fn flattened<T>(
        &mut self,
        meta: &'static Meta,
        build: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        let outer = std::mem::replace(&mut self.meta, meta);
        let value = build(self);
        self.meta = outer;
        value
    }

    /// Returns the sources of the nested field. Returns `None` after it reported that one source sets the field twice.
    fn sources_of(&mut self, field: &'static Field) -> Option<Vec<LayerSource<'a>>> {
        let mut sources = Vec::with_capacity(self.scopes.len());
        for index in 0..self.scopes.len() {
            match self.scopes[index] {
                Scope::Table { owner, .. } => {
                    let entry = self.entry(index, field).ok()?;
                    sources.extend(entry.map(|entry| LayerSource::Node(&entry.node, owner)));
                }
                Scope::Lines(document) => sources.push(LayerSource::Lines(document)),
                Scope::Variables => sources.push(LayerSource::Variables),
                Scope::Set(values) => sources.extend(self.set_value(field, values).map(LayerSource::Set)),
            }
        }
        Some(sources)
    }

    /// Returns the value that the program set for `field`, by its key or an alias.
    fn set_value(&self, field: &'static Field, values: &'a SetValues) -> Option<&'a SetValues> {
        field.keys().into_iter().find_map(|key| values.keys.get(key))
    }

    pub(crate) fn field(&self, index: usize) -> &'static Field {
        &self.meta.fields[index]
    }

    fn missing(&mut self, field: &'static Field) {
        if self.walk.checking {
            return;
        }
        let variable = Leaf::new(&self.walk.steps, field).variable(self.shared.environment.prefix());
        self.complain(field, "", None, Complaint::Missing { expected: field.ty.to_owned(), variable });
    }

    fn complain(&mut self, field: &Field, within: &str, origin: Option<Origin>, complaint: Complaint) {
        let steps = &self.walk.steps;
        self.walk
            .report
            .problem(|| Problem::new(meta::path_of_key(steps, field.key) + within, origin, complaint));
    }

    /// Records the origin of a value. If several sources are merged into the value, also records the origin of each
    /// entry.
    fn trace_found(&mut self, field: &'static Field, found: &LeafSources<'_>) {
        self.trace(field, || found.whole_origin());
        if field.secret {
            return;
        }
        for (key, origin) in found.entries() {
            let steps = &self.walk.steps;
            let push_path = |text: &mut String| {
                meta::push_path_of_key(text, steps, field.key);
                text.extend([".", &segment(key)]);
            };
            self.walk.report.trace_place(push_path, origin);
        }
    }

    fn trace(&mut self, field: &'static Field, origin: impl FnOnce() -> Origin) {
        let Walk { steps, report, .. } = &mut *self.walk;
        if field.validate.is_none() {
            return report.trace_field(steps, &mut self.path, field, origin);
        }
        let origin = self.origin.insert(origin());
        report.trace_field(steps, &mut self.path, field, || origin.clone());
    }
}

/// The error of a function that has already reported the problem.
pub(crate) struct Reported;

/// Converts the literal of a default or an example to a value, as if a text contained it.
fn node_of(literal: Literal) -> Node<'static> {
    let value = match literal {
        Literal::Bool(value) => Value::Bool(value),
        Literal::Integer(value) => Value::Integer(value),
        Literal::Float(value) => Value::Float(value),
        Literal::String(text) => Value::String(Text::Borrowed(text)),
        Literal::Array(items) => Value::Array(items.iter().copied().map(node_of).collect()),
    };
    Node { value, place: Place(0) }
}
