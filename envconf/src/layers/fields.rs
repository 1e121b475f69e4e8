//! The fields of one struct: where each value is found, and what is said when it is not.

use std::cell::OnceCell;

use serde::de::DeserializeOwned;

use super::env::{Environment, Setting, Unusable};
use super::report::{Provenance, Report};
use super::tree::{Entry, Lines, Node, Place, Table, Text, Value, segment};
use super::{Layer, de, suggest};
use crate::config::EncryptedConfig;
use crate::error::{Complaint, Origin, Problem};
use crate::format::ContentType;
use crate::meta::{self, Fallback, Field, Leaf, Literal, Meta, Shape};

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
    fn is_flat(&self) -> bool {
        self.layer.content_type == ContentType::Dotenv
    }

    pub(crate) fn is_sealed(&self) -> bool {
        self.layer.sealed
    }

    pub(crate) fn root(&self) -> &Table<'a> {
        &self.root
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
}

/// A document's table for one struct, and how many of its keys are known so far.
struct Scope<'a> {
    table: &'a Table<'a>,
    known: usize,
}

/// A value that some source gives for a leaf.
enum Found<'a> {
    /// A value of a tree.
    Node(&'a Node<'a>, &'a Document<'a>),
    /// A line of dotenv content.
    Line(&'a str, &'a Node<'a>, &'a Document<'a>),
    /// A variable or the file it names.
    Variable(Setting),
}

impl Found<'_> {
    fn read<T: DeserializeOwned>(&self) -> Result<T, de::Misfit> {
        match self {
            Self::Node(node, _) => de::from_node(node),
            Self::Line(text, ..) => de::from_text(text),
            Self::Variable(setting) => de::from_text(&setting.text),
        }
    }

    /// The origin of the value, or of what stands at `place` within it.
    fn origin(&self, place: Option<Place>) -> Origin {
        match self {
            Self::Node(node, document) | Self::Line(_, node, document) => {
                document.origin(place.unwrap_or(node.place))
            }
            Self::Variable(setting) => setting.origin.clone(),
        }
    }
}

/// Builds the outermost struct.
pub(crate) fn build_root<'a, T: EncryptedConfig>(
    documents: &'a [Document<'a>],
    environment: &'a Environment<'a>,
    report: &'a mut Report,
) -> Option<T> {
    let scope = |document: &'a Document<'a>| {
        (!document.is_flat()).then_some(Scope { table: &document.root, known: 0 })
    };
    let mut fields = Fields {
        meta: const { &T::META },
        parents: Vec::new(),
        documents,
        tables: documents.iter().map(scope).collect(),
        environment,
        report,
    };
    let value = T::build(&mut fields);
    fields.refuse_unknown_keys();
    fields.refuse_unknown_lines();
    value
}

impl<'a> Fields<'a> {
    /// The value of the leaf `index`; where no source gives one, that of `absent`.
    pub(crate) fn leaf<T: DeserializeOwned>(
        &mut self,
        index: usize,
        absent: impl FnOnce(&mut Self, &'static Field) -> Option<T>,
    ) -> Option<T> {
        let field = self.field(index);
        match self.find(field) {
            Ok(Some(found)) => self.read(field, &found),
            Ok(None) => absent(self, field),
            Err(Reported) => None,
        }
    }

    fn read<T: DeserializeOwned>(&mut self, field: &'static Field, found: &Found<'_>) -> Option<T> {
        match found.read() {
            Ok(value) => {
                self.trace(field, || found.origin(None));
                Some(value)
            }
            Err(misfit) => {
                if misfit.wants_inline {
                    self.report.advise(INLINE);
                }
                self.misfit(field, &misfit.path, found.origin(misfit.place));
                None
            }
        }
    }

    /// What a field without a value has by its attributes alone.
    pub(crate) fn literal_or_missing<T: DeserializeOwned>(&mut self, field: &'static Field) -> Option<T> {
        let Shape::Defaulted(Fallback::Literal(literal)) = field.shape else {
            self.missing(field);
            return None;
        };
        let value = de::from_node(&node_of(literal));
        match value {
            Ok(value) => {
                self.trace(field, || Origin::Default);
                Some(value)
            }
            Err(misfit) => {
                self.misfit(field, &misfit.path, Origin::Default);
                None
            }
        }
    }

    /// Says that `field` has the value that its type or function gives.
    pub(crate) fn defaulted(&mut self, field: &'static Field) {
        if matches!(field.shape, Shape::Defaulted(_)) {
            self.trace(field, || Origin::Default);
        }
    }

    /// The nested struct at `index`.
    pub(crate) fn nested<T: EncryptedConfig>(&mut self, index: usize) -> Option<T> {
        let field = self.field(index);
        let tables = self.tables_of(field).ok()?.0;
        self.build_nested(field, tables)
    }

    /// The same for a struct that is absent unless any of its values is given.
    pub(crate) fn optional_nested<T: EncryptedConfig>(&mut self, index: usize) -> Option<Option<T>> {
        let field = self.field(index);
        let (tables, given) = self.tables_of(field).ok()?;
        if given || self.is_named(field) { self.build_nested(field, tables).map(Some) } else { Some(None) }
    }

    fn build_nested<T: EncryptedConfig>(
        &mut self,
        field: &'static Field,
        tables: Vec<Option<Scope<'a>>>,
    ) -> Option<T> {
        let mut parents = std::mem::take(&mut self.parents);
        parents.push(field);
        let mut inner = Fields {
            meta: const { &T::META },
            parents,
            documents: self.documents,
            tables,
            environment: self.environment,
            report: &mut *self.report,
        };
        let value = T::build(&mut inner);
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
                    self.misfit(field, "", self.documents[index].origin(entry.node.place));
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

    /// The strongest source's value for the leaf `field`.
    ///
    /// Weaker ones are looked at too: their keys are known, and what is wrong with them is wrong.
    fn find(&mut self, field: &'static Field) -> Result<Option<Found<'a>>, Reported> {
        let mut found = None;
        for index in 0..self.documents.len() {
            let documents: &'a [Document<'a>] = self.documents;
            let document = &documents[index];
            if document.is_flat() {
                if let Some(entry) = self.line(document, field)? {
                    found = Some(self.unquoted(field, entry, document)?);
                }
            } else if let Some(entry) = self.entry(index, field)? {
                self.refuse_plain_secret(field, entry, document)?;
                found = Some(Found::Node(&entry.node, document));
            }
        }
        match self.variable(field)? {
            Some(setting) => Ok(Some(Found::Variable(setting))),
            None => Ok(found),
        }
    }

    /// A plain layer is a file that everybody reads.
    fn refuse_plain_secret(
        &mut self,
        field: &'static Field,
        entry: &Entry<'_>,
        document: &Document<'_>,
    ) -> Result<(), Reported> {
        if !field.secret || document.is_sealed() {
            return Ok(());
        }
        let rule = "a secret does not belong in a plain layer".to_owned();
        self.report.advise("take it out of there and seal it; if the file was committed, change the secret");
        self.complain(field, "", Some(document.origin(entry.node.place)), Complaint::Rule(rule));
        Err(Reported)
    }

    /// The application's variable for the leaf `field`.
    fn variable(&mut self, field: &'static Field) -> Result<Option<Setting>, Reported> {
        if !self.environment.may_have(field.variable) {
            return Ok(None);
        }
        let name = Leaf::new(&self.parents, field).variable(self.environment.prefix());
        match name.and_then(|name| self.environment.read(&name)).transpose() {
            Ok(setting) => Ok(setting),
            Err(Unusable { origin, complaint }) => {
                self.complain(field, "", Some(origin), complaint);
                Err(Reported)
            }
        }
    }

    /// The entry of `field` in the table of document `index`, by its key or an alias.
    fn entry(&mut self, index: usize, field: &'static Field) -> Result<Option<&'a Entry<'a>>, Reported> {
        let Some(scope) = self.tables.get_mut(index).and_then(Option::as_mut) else { return Ok(None) };
        let (table, documents) = (scope.table, self.documents);
        let entry = table.get(field.key);
        scope.known += usize::from(entry.is_some());
        if field.aliases.is_empty() {
            return Ok(entry);
        }
        let aliases: Vec<_> = field.aliases.iter().filter_map(|alias| table.get(alias)).collect();
        scope.known += aliases.len();
        let mut given = entry.into_iter().chain(aliases);
        let given = (given.next(), given.next());
        self.only(field, given, &documents[index])
    }

    /// The line of dotenv content for the leaf `field`, by its name with or without the prefix.
    fn line(
        &mut self,
        document: &'a Document<'a>,
        field: &'static Field,
    ) -> Result<Option<&'a Entry<'a>>, Reported> {
        let names = Leaf::new(&self.parents, field).content_names(self.environment.prefix());
        let mut lines = names.iter().filter_map(|name| document.root.get(name));
        self.only(field, (lines.next(), lines.next()), document)
    }

    /// The one entry that is given for `field`; two are one too many.
    fn only(
        &mut self,
        field: &'static Field,
        given: (Option<&'a Entry<'a>>, Option<&'a Entry<'a>>),
        document: &Document<'_>,
    ) -> Result<Option<&'a Entry<'a>>, Reported> {
        let (Some(first), Some(second)) = given else { return Ok(given.0) };
        let rule = format!("given twice, as {} and as {}", segment(&first.key), segment(&second.key));
        let later = if first.key_place.0 > second.key_place.0 { first } else { second };
        self.complain(field, "", Some(document.origin(later.key_place)), Complaint::Rule(rule));
        Err(Reported)
    }

    /// A line of dotenv content, unless its value is in quotes: other readers would take those off.
    fn unquoted(
        &mut self,
        field: &'static Field,
        entry: &'a Entry<'a>,
        document: &'a Document<'a>,
    ) -> Result<Found<'a>, Reported> {
        match &entry.node.value {
            Value::String(text) if !text.starts_with(['"', '\'', '`']) => {
                Ok(Found::Line(text, &entry.node, document))
            }
            _ => {
                let rule = "the value begins with a quote, and dotenv content knows none".to_owned();
                self.report.advise("write the value without quotes: it is the rest of the line, as it is");
                self.complain(field, "", Some(document.origin(entry.node.place)), Complaint::Rule(rule));
                Err(Reported)
            }
        }
    }

    /// Reports the keys of this struct's tables that no field has.
    fn refuse_unknown_keys(&mut self) {
        if self.meta.allow_unknown_fields {
            return;
        }
        let known: Vec<&str> = self.meta.fields.iter().flat_map(keys).collect();
        for (document, scope) in self.documents.iter().zip(&self.tables) {
            let Some(scope) = scope.as_ref().filter(|scope| scope.known < scope.table.entries().len()) else {
                continue;
            };
            for entry in unknown(scope.table, &known) {
                let path = || meta::path_of_key(&self.parents, &entry.key);
                self.report.problem(|| no_such_key(path(), document, entry, &known));
            }
        }
    }

    /// Reports the lines of dotenv content that no field reads.
    fn refuse_unknown_lines(&mut self) {
        if self.meta.allow_unknown_fields || !self.documents.iter().any(Document::is_flat) {
            return;
        }
        let prefix = self.environment.prefix();
        let leaves = self.meta.leaves();
        let names: Vec<String> = leaves.iter().flat_map(|leaf| leaf.content_names(prefix)).collect();
        let known: Vec<&str> = names.iter().map(String::as_str).collect();
        for document in self.documents.iter().filter(|document| document.is_flat()) {
            for entry in unknown(&document.root, &known) {
                self.report.problem(|| no_such_key(entry.key.to_string(), document, entry, &known));
            }
        }
    }

    fn field(&self, index: usize) -> &'static Field {
        &self.meta.fields[index]
    }

    fn missing(&mut self, field: &'static Field) {
        let variable = Leaf::new(&self.parents, field).variable(self.environment.prefix());
        self.complain(field, "", None, Complaint::Missing { expected: field.ty.to_owned(), variable });
    }

    fn misfit(&mut self, field: &'static Field, within: &str, origin: Origin) {
        self.complain(field, within, Some(origin), Complaint::WrongType { expected: field.ty.to_owned() });
    }

    fn complain(&mut self, field: &Field, within: &str, origin: Option<Origin>, complaint: Complaint) {
        let parents = &self.parents;
        self.report
            .problem(|| Problem::new(meta::path_of_key(parents, field.key) + within, origin, complaint));
    }

    fn trace(&mut self, field: &'static Field, origin: impl FnOnce() -> Origin) {
        let parents = &self.parents;
        self.report.trace(|| Provenance::new(meta::path_of_key(parents, field.key), origin(), field.secret));
    }
}

const INLINE: &str =
    "lists and maps in variables and in dotenv content are inline TOML or JSON, such as [1, 2] or {\"a\": 1}";

/// The problem is in the report already.
struct Reported;

/// The keys of a field.
fn keys(field: &'static Field) -> impl Iterator<Item = &'static str> {
    std::iter::once(field.key).chain(field.aliases.iter().copied())
}

/// The entries of `table` whose keys are none of `known`, as they stand in the text.
fn unknown<'t, 'a>(table: &'t Table<'a>, known: &[&str]) -> Vec<&'t Entry<'a>> {
    let mut unknown: Vec<_> = table.entries().iter().filter(|entry| !known.contains(&&*entry.key)).collect();
    unknown.sort_by_key(|entry| entry.key_place.0);
    unknown
}

fn no_such_key(path: String, document: &Document<'_>, entry: &Entry<'_>, known: &[&str]) -> Problem {
    let suggestion = suggest::nearest(&entry.key, known.iter().copied()).map(str::to_owned);
    Problem::new(path, Some(document.origin(entry.key_place)), Complaint::Unknown { suggestion })
}

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
