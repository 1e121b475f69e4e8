//! Where a leaf's value is found: variables before texts, the stronger text before the weaker.

use super::{Document, Fields, Reported};
use crate::base::{Complaint, Origin};
use crate::layers::env::{Setting, Unusable};
use crate::meta::{Field, Leaf};
use crate::syntax::{Entry, Given, Misfit, Node, Place, Reading, Value, de, segment};

/// A value that some source gives for a leaf.
pub(super) enum Lookup<'a> {
    /// A value of a tree.
    Node(&'a Node<'a>, &'a Document<'a>),
    /// A line of dotenv content.
    Line(&'a str, &'a Node<'a>, &'a Document<'a>),
    /// A variable or the file it names.
    Variable(Setting),
}

impl Lookup<'_> {
    pub(super) fn read<T>(&self, read: impl Fn(Given<'_, '_>) -> Result<T, Misfit>) -> Reading<T> {
        match self {
            Self::Node(node, _) => de::from_node(node, read),
            Self::Line(text, ..) => de::from_text(text, read),
            Self::Variable(setting) => de::from_text(&setting.text, read),
        }
    }

    /// The origin of the value, or of what stands at `place` within it.
    pub(super) fn origin(&self, place: Option<Place>) -> Origin {
        match self {
            Self::Node(node, document) | Self::Line(_, node, document) => {
                document.origin(place.unwrap_or(node.place))
            }
            Self::Variable(setting) => setting.origin.clone(),
        }
    }
}

impl<'a> Fields<'a> {
    /// The strongest source's value for the leaf `field`.
    ///
    /// Weaker ones are looked at too: their keys are known, and what is wrong with them is wrong.
    pub(super) fn find(&mut self, field: &'static Field) -> Result<Option<Lookup<'a>>, Reported> {
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
                found = Some(Lookup::Node(&entry.node, document));
            }
        }
        match self.variable(field)? {
            Some(setting) => Ok(Some(Lookup::Variable(setting))),
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
        if !field.secret || !document.is_plain() {
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
    pub(super) fn entry(
        &mut self,
        index: usize,
        field: &'static Field,
    ) -> Result<Option<&'a Entry<'a>>, Reported> {
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
    ) -> Result<Lookup<'a>, Reported> {
        match &entry.node.value {
            Value::String(text) if !text.starts_with(['"', '\'', '`']) => {
                Ok(Lookup::Line(text, &entry.node, document))
            }
            _ => {
                let rule = "the value begins with a quote, and dotenv content knows none".to_owned();
                self.report.advise("write the value without quotes: it is the rest of the line, as it is");
                self.complain(field, "", Some(document.origin(entry.node.place)), Complaint::Rule(rule));
                Err(Reported)
            }
        }
    }
}
