//! The fields of one struct: where each value is found, and what is said when it is not.

mod leaf_lookup;
mod misfit_report;
mod unknown;

use std::cell::OnceCell;

use self::leaf_lookup::Lookup;
use super::env::Environment;
use super::report::{Provenance, Report};
use super::{Layer, LayerKind};
use crate::base::{Complaint, Origin, Problem};
use crate::format::ContentType;
use crate::meta::{self, Fallback, Field, Leaf, Literal, Meta, Shape};
use crate::syntax::{Given, Lines, Misfit, Node, Place, Reading, Table, Text, Value, de, path_of_steps};

/// A layer's text as a tree.
pub(crate) struct Document<'a> {
    layer: &'a Layer<'a>,
    root: Table<'a>,
    /// Found only when the first place is told.
    lines: OnceCell<Lines>,
}

impl<'a> Document<'a> {
    pub(crate) fn new(layer: &'a Layer<'a>, root: Table<'a>) -> Self {
        Self { layer, root, lines: OnceCell::new() }
    }

    /// dotenv content is no tree: its names are those of variables.
    pub(crate) fn is_flat(&self) -> bool {
        self.layer.content_type == ContentType::Dotenv
    }

    pub(crate) fn is_plain(&self) -> bool {
        self.layer.kind == LayerKind::Plain
    }

    #[cfg(feature = "tools")]
    pub(crate) fn root(&self) -> &Table<'a> {
        &self.root
    }

    #[cfg(feature = "tools")]
    /// The text that the places are in.
    pub(crate) fn text(&self) -> &'a str {
        self.layer.text
    }

    pub(crate) fn origin(&self, place: Place) -> Origin {
        self.layer.origin(place, self.lines.get_or_init(|| Lines::of(self.layer.text)))
    }
}

/// What generated code is given to build one struct from.
///
/// It names a field by its index in [`Meta::fields`]; everything else is found there.
pub struct Fields<'a> {
    meta: &'static Meta,
    parents: Vec<&'static Field>,
    documents: &'a [Document<'a>],
    /// For each document, in their order, its table for this struct.
    tables: Vec<Option<Scope<'a>>>,
    environment: &'a Environment<'a>,
    report: &'a mut Report,
    /// Whether only what the type itself says is looked at: nothing is given, and nothing is missing.
    checking: bool,
    /// Where the last value came from, if its field has `validate`.
    origin: Option<Origin>,
}

/// A document's table for one struct, and how many of its keys are known so far.
struct Scope<'a> {
    table: &'a Table<'a>,
    known: usize,
}

/// What `build` makes of the outermost struct, of which `meta` tells.
pub(crate) fn build_root<'a, T>(
    meta: &'static Meta,
    documents: &'a [Document<'a>],
    environment: &'a Environment<'a>,
    report: &'a mut Report,
    build: impl FnOnce(&mut Fields<'_>) -> Option<T>,
) -> Option<T> {
    let scope = |document: &'a Document<'a>| {
        (!document.is_flat()).then_some(Scope { table: &document.root, known: 0 })
    };
    let mut fields = Fields {
        meta,
        parents: Vec::new(),
        documents,
        tables: documents.iter().map(scope).collect(),
        environment,
        report,
        checking: false,
        origin: None,
    };
    let value = build(&mut fields);
    fields.refuse_unknown_keys();
    fields.refuse_unknown_lines();
    value
}

/// Builds the struct from its defaults alone, to report what is wrong with them and with the examples.
pub(crate) fn check_root<'a, T>(
    meta: &'static Meta,
    environment: &'a Environment<'a>,
    report: &'a mut Report,
    build: impl FnOnce(&mut Fields<'_>) -> Option<T>,
) {
    build(&mut Fields {
        meta,
        parents: Vec::new(),
        documents: &[],
        tables: Vec::new(),
        environment,
        report,
        checking: true,
        origin: None,
    });
}

impl<'a> Fields<'a> {
    /// The value of the leaf `index`; where no source gives one, that of `absent`.
    pub(crate) fn leaf<T>(
        &mut self,
        index: usize,
        read: &impl Fn(Given<'_, '_>) -> Result<T, Misfit>,
        absent: impl FnOnce(&mut Self, &'static Field) -> Option<T>,
    ) -> Option<T> {
        let field = self.field(index);
        if self.checking {
            self.check_example(field, read);
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
        found: &Lookup<'_>,
        read: impl Fn(Given<'_, '_>) -> Result<T, Misfit>,
    ) -> Option<T> {
        let Reading { value, ignored } = found.read(read);
        self.refuse_ignored(field, ignored, |place| found.origin(place));
        match value {
            Ok(value) => {
                self.trace(field, || found.origin(None));
                Some(value)
            }
            Err(misfit) => {
                let origin = found.origin(misfit.place);
                self.misfit(field, misfit, origin);
                None
            }
        }
    }

    /// What a field without a value has by its attributes alone.
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

    fn check_example<T>(
        &mut self,
        field: &'static Field,
        read: impl FnOnce(Given<'_, '_>) -> Result<T, Misfit>,
    ) {
        let Some(example) = field.example else { return };
        if let Err(misfit) = de::from_node(&node_of(example), read).value {
            let rule = format!("the example is no {}", field.ty);
            self.complain(field, &path_of_steps(&misfit.into_steps()), None, Complaint::Rule(rule));
        }
    }

    /// Reports what `validate` says of the field's value; whether it lets it pass.
    pub(crate) fn judged(&mut self, index: usize, verdict: Result<(), &'static str>) -> bool {
        let Err(why) = verdict else { return true };
        let field = self.field(index);
        // A struct has as many origins as fields.
        let origin = self.origin.take().filter(|_| field.shape.nested().is_none());
        self.complain(field, "", origin, Complaint::Rule(why.to_owned()));
        false
    }

    /// The same for the struct as a whole.
    pub(crate) fn whole_judged(&mut self, verdict: Result<(), &'static str>) -> bool {
        let Err(why) = verdict else { return true };
        let parents = &self.parents;
        let rule = Complaint::Rule(why.to_owned());
        self.report.problem(|| Problem::new(meta::path_of(parents), None, rule));
        false
    }

    /// The leaf `index` where its variable is to be taken for set, to whatever fits: `None` where it is not.
    pub(crate) fn assumed(&mut self, index: usize) -> Option<Option<()>> {
        let field = self.field(index);
        let name = Leaf::new(&self.parents, field).variable(self.environment.prefix())?;
        if !self.environment.assumes(&name) {
            return None;
        }
        // What the texts give is shadowed; what is wrong with their keys is still wrong.
        let found = self.find(field).is_ok();
        Some(found.then(|| self.trace(field, || Origin::Variable(name))))
    }

    /// Says that `field` has the value that its type or function gives.
    pub(crate) fn defaulted(&mut self, field: &'static Field) {
        if matches!(field.shape, Shape::Defaulted(_)) {
            self.trace(field, || Origin::Default);
        }
    }

    /// What `build` makes of the nested struct at `index`, of which `meta` tells.
    pub(crate) fn nested<T>(
        &mut self,
        index: usize,
        meta: &'static Meta,
        build: impl FnOnce(&mut Fields<'_>) -> Option<T>,
    ) -> Option<T> {
        let field = self.field(index);
        let tables = self.tables_of(field).ok()?.0;
        self.build_nested(field, tables, meta, build)
    }

    /// The same for a struct that is absent unless any of its values is given.
    pub(crate) fn optional_nested<T>(
        &mut self,
        index: usize,
        meta: &'static Meta,
        build: impl FnOnce(&mut Fields<'_>) -> Option<T>,
    ) -> Option<Option<T>> {
        let field = self.field(index);
        let (tables, given) = self.tables_of(field).ok()?;
        if self.checking {
            // Its own defaults are looked at; none of them would bring it about.
            let _: Option<T> = self.build_nested(field, tables, meta, build);
            return Some(None);
        }
        if given || self.is_named(field) {
            self.build_nested(field, tables, meta, build).map(Some)
        } else {
            Some(None)
        }
    }

    /// A struct whose fields are read as if they were this one's: the same tables, the same path.
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

    fn build_nested<T>(
        &mut self,
        field: &'static Field,
        tables: Vec<Option<Scope<'a>>>,
        meta: &'static Meta,
        build: impl FnOnce(&mut Fields<'_>) -> Option<T>,
    ) -> Option<T> {
        let mut parents = std::mem::take(&mut self.parents);
        parents.push(field);
        let mut inner = Fields {
            meta,
            parents,
            documents: self.documents,
            tables,
            environment: self.environment,
            report: &mut *self.report,
            checking: self.checking,
            origin: None,
        };
        let value = build(&mut inner);
        inner.refuse_unknown_keys();
        self.parents = inner.parents;
        self.parents.pop();
        value
    }

    /// Each document's table for the nested struct `field`, and whether any document gives one.
    ///
    /// A null takes back what weaker layers give.
    fn tables_of(&mut self, field: &'static Field) -> Result<(Vec<Option<Scope<'a>>>, bool), Reported> {
        let mut tables: Vec<Option<Scope<'a>>> = Vec::with_capacity(self.documents.len());
        for index in 0..self.documents.len() {
            let Some(entry) = self.entry(index, field)? else {
                tables.push(None);
                continue;
            };
            match &entry.node.value {
                Value::Table(table) => tables.push(Some(Scope { table, known: 0 })),
                Value::Null => {
                    tables.clear();
                    tables.resize_with(index + 1, || None);
                }
                _ => {
                    let origin = self.documents[index].origin(entry.node.place);
                    self.misfit(field, Misfit::default(), origin);
                    return Err(Reported);
                }
            }
        }
        let given = tables.iter().any(Option::is_some);
        Ok((tables, given))
    }

    /// Whether a variable or a line of dotenv content gives any value below the nested struct `field`.
    fn is_named(&self, field: &'static Field) -> bool {
        let Some(meta) = field.shape.nested() else { return false };
        let prefix = self.environment.prefix();
        meta.leaves().into_iter().any(|leaf| {
            let leaf = leaf.below(&self.parents, field);
            let in_content = |name: &String| {
                self.documents.iter().any(|document| document.is_flat() && document.root.get(name).is_some())
            };
            leaf.variable(prefix).is_some_and(|name| self.environment.has(&name))
                || leaf.content_names(prefix).iter().any(in_content)
        })
    }

    pub(crate) fn field(&self, index: usize) -> &'static Field {
        &self.meta.fields[index]
    }

    fn missing(&mut self, field: &'static Field) {
        if self.checking {
            return;
        }
        let variable = Leaf::new(&self.parents, field).variable(self.environment.prefix());
        self.complain(field, "", None, Complaint::Missing { expected: field.ty.to_owned(), variable });
    }

    fn complain(&mut self, field: &Field, within: &str, origin: Option<Origin>, complaint: Complaint) {
        let parents = &self.parents;
        self.report
            .problem(|| Problem::new(meta::path_of_key(parents, field.key) + within, origin, complaint));
    }

    fn trace(&mut self, field: &'static Field, origin: impl FnOnce() -> Origin) {
        let parents = &self.parents;
        if field.validate.is_none() {
            return self.report.trace(|| Provenance::of(parents, field, origin()));
        }
        let origin = self.origin.insert(origin());
        self.report.trace(|| Provenance::of(parents, field, origin.clone()));
    }
}

const INLINE: &str =
    "lists and maps in variables and in dotenv content are inline TOML or JSON, such as [1, 2] or {\"a\": 1}";

/// The problem is in the report already.
struct Reported;

/// A default's literal, as if it stood in a text.
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
