//! The keywords of one object of a schema. The reader takes each keyword that it understands; none may be left.

use super::SchemaReader;
use crate::base::{Error, escape};
use crate::syntax::{Node, Place, Table, Value};

/// Keywords that reject no value.
const ANNOTATIONS: [&str; 16] = [
    "$schema",
    "$id",
    "$anchor",
    "$comment",
    "$defs",
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
    "contentEncoding",
    "contentMediaType",
    "contentSchema",
    "format",
];

/// Keywords of envconf that reject no value.
const OWN_ANNOTATIONS: [&str; 3] = ["x-envconf-variable", "x-envconf-validate", "x-envconf-deserialize-with"];

pub(super) struct Keywords<'t> {
    table: &'t Table<'t>,
    place: Place,
    reader: &'t SchemaReader<'t>,
    taken: Vec<&'static str>,
}

impl<'t> Keywords<'t> {
    pub(super) fn of(table: &'t Table<'t>, place: Place, reader: &'t SchemaReader<'t>) -> Self {
        Self { table, place, reader, taken: Vec::new() }
    }

    /// Returns an error at the position of the whole object.
    pub(super) fn refuse(&self, what: &str) -> Error {
        self.reader.refuse(self.place, what)
    }

    pub(super) fn has(&self, keyword: &str) -> bool {
        self.table.get(keyword).is_some()
    }

    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// Returns the value of `keyword`, and marks the keyword as understood.
    pub(super) fn take(&mut self, keyword: &'static str) -> Option<&'t Node<'t>> {
        self.taken.push(keyword);
        self.table.get(keyword).map(|entry| &entry.node)
    }

    fn wrong(&self, keyword: &str, place: Place, expected: &str) -> Error {
        self.reader.refuse(place, &format!("invalid `{keyword}`: expected {expected}"))
    }

    pub(super) fn text(&mut self, keyword: &'static str) -> Result<Option<(&'t str, Place)>, Error> {
        match self.take(keyword) {
            None => Ok(None),
            Some(Node { value: Value::String(text), place }) => Ok(Some((text, *place))),
            Some(node) => Err(self.wrong(keyword, node.place, "a text")),
        }
    }

    /// Takes the name of a variable, or a part of one.
    pub(super) fn name(&mut self, keyword: &'static str) -> Result<Option<&'static str>, Error> {
        match self.text(keyword)? {
            None => Ok(None),
            Some((text, _)) if is_name(text) => Ok(Some(super::keep_text(text))),
            Some((_, place)) => Err(self.wrong(keyword, place, "the name of a variable")),
        }
    }

    pub(super) fn flag(&mut self, keyword: &'static str) -> Result<Option<bool>, Error> {
        match self.take(keyword) {
            None => Ok(None),
            Some(Node { value: Value::Bool(value), .. }) => Ok(Some(*value)),
            Some(node) => Err(self.wrong(keyword, node.place, "true or false")),
        }
    }

    pub(super) fn integer(&mut self, keyword: &'static str) -> Result<Option<i128>, Error> {
        match self.take(keyword) {
            None => Ok(None),
            Some(Node { value: Value::Integer(number), .. }) => Ok(Some(*number)),
            Some(node) => Err(self.wrong(keyword, node.place, "an integer")),
        }
    }

    pub(super) fn length(&mut self, keyword: &'static str) -> Result<Option<usize>, Error> {
        let place = self.table.get(keyword).map_or(self.place, |entry| entry.node.place);
        match self.integer(keyword)? {
            None => Ok(None),
            Some(length) => {
                usize::try_from(length).map(Some).map_err(|_| self.wrong(keyword, place, "a length"))
            }
        }
    }

    /// Takes a list of texts, with their positions.
    pub(super) fn names(&mut self, keyword: &'static str) -> Result<Vec<(&'t str, Place)>, Error> {
        let Some(node) = self.take(keyword) else { return Ok(Vec::new()) };
        let names = match &node.value {
            Value::Array(items) => items.iter().map(|item| match &item.value {
                Value::String(text) => Some((&**text, item.place)),
                _ => None,
            }),
            _ => return Err(self.wrong(keyword, node.place, "a list of names")),
        };
        names.collect::<Option<_>>().ok_or_else(|| self.wrong(keyword, node.place, "a list of names"))
    }

    /// Takes the type. The flag is true if the value may also be null.
    pub(super) fn ty(&mut self) -> Result<Option<(&'t str, bool)>, Error> {
        const FORMS: &str = "one type, or a list of one type and null";
        let Some(node) = self.take("type") else { return Ok(None) };
        let text = |node: &'t Node<'t>| match &node.value {
            Value::String(text) => Some(&**text),
            _ => None,
        };
        let ty = match &node.value {
            Value::String(ty) => Some((&**ty, false)),
            Value::Array(items) => match items.iter().map(text).collect::<Vec<_>>()[..] {
                [Some(ty), Some("null")] | [Some("null"), Some(ty)] => Some((ty, true)),
                _ => None,
            },
            _ => None,
        };
        ty.map(Some).ok_or_else(|| self.wrong("type", node.place, FORMS))
    }

    /// Rejects the first keyword that was not taken and that is not an annotation.
    pub(super) fn finish(self) -> Result<(), Error> {
        let understood = |key: &str| {
            let own = key.starts_with("x-envconf-");
            self.taken.contains(&key)
                || ANNOTATIONS.contains(&key)
                || if own { OWN_ANNOTATIONS.contains(&key) } else { key.starts_with("x-") }
        };
        let mut unknown: Vec<_> =
            self.table.entries().iter().filter(|entry| !understood(&entry.key)).collect();
        unknown.sort_by_key(|entry| entry.key_place.0);
        match unknown.first() {
            None => Ok(()),
            Some(entry) => {
                let what = format!("unknown keyword `{}`: envconf cannot check it", escape(&entry.key));
                Err(self.reader.refuse(entry.key_place, &what).advise(
                    "use the schema that json_schema() writes; the program checks everything else when it loads",
                ))
            }
        }
    }
}

/// Returns true if a variable or a line of dotenv content can have this name.
fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c == '=' || c.is_whitespace() || c.is_control())
}
