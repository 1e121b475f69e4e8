//! The parser of TOML 1.1: one pass over the events of `toml_parser`.
//!
//! That crate checks tokens and grammar. This module checks the meaning: the tables that a header or a dotted key may
//! extend ([`tables`]), repeated keys, and the range of numbers ([`scalar`]). Texts are borrowed from the document, or
//! decoded into wiped buffers.

mod scalar;
mod tables;

use toml_parser::decoder::Encoding;
use toml_parser::parser::{self, EventReceiver, RecursionGuard, ValidateWhitespace};
use toml_parser::{ErrorSink, ParseError, Source, Span};

use self::tables::{KeyPart, TableHeader, TableId, TomlTables};
use super::tree::{MAX_DEPTH, Node, Place, Value};
use super::{Broken, SyntaxFault};

const SYNTAX: &str = "TOML";

/// Parses the document `text`.
pub(crate) fn parse(text: &str) -> Result<Node<'_>, Broken> {
    let mut reader = TomlReader::new(text);
    reader.read(parser::parse_document)?;
    let root = reader.tables.finish(TableId::ROOT)?;
    Ok(Node { value: Value::Table(root), place: Place(0) })
}

/// Parses the single value `text`, such as an inline table.
pub(crate) fn parse_value(text: &str) -> Result<Node<'_>, Broken> {
    let mut reader = TomlReader::new(text);
    reader.read(parser::parse_value)?;
    reader.value.ok_or_else(|| broken(Place(0), SyntaxFault::Grammar))
}

type Parse = fn(&[toml_parser::lexer::Token], &mut dyn EventReceiver, &mut dyn ErrorSink);

/// Builds the tree while the parser reports its events.
///
/// After an error, the parser continues and may report events without text. The reader ignores them.
struct TomlReader<'a> {
    text: &'a str,
    tables: TomlTables<'a>,
    /// The table of the last header, or the root.
    current: TableId,
    header: Option<TableHeader>,
    /// The parts of the key that was read last, until its value is complete.
    key: Vec<KeyPart<'a>>,
    /// The open lists and inline tables, the innermost last.
    open: Vec<OpenContainer<'a>>,
    /// The value of a text that is a single value.
    value: Option<Node<'a>>,
    fault: Option<Broken>,
}

struct OpenContainer<'a> {
    place: Place,
    /// The key of the container's own value.
    key: Vec<KeyPart<'a>>,
    kind: ContainerKind<'a>,
}

enum ContainerKind<'a> {
    List { items: Vec<Node<'a>>, depth: usize },
    InlineTable(TableId),
}

impl ContainerKind<'_> {
    fn name(&self) -> &'static str {
        match self {
            Self::List { .. } => "list",
            Self::InlineTable(_) => "table",
        }
    }
}

impl<'a> TomlReader<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            tables: TomlTables::new(),
            current: TableId::ROOT,
            header: None,
            key: Vec::new(),
            open: Vec::new(),
            value: None,
            fault: None,
        }
    }

    /// Reads the text.
    ///
    /// # Errors
    /// The first fault in the text.
    fn read(&mut self, parse: Parse) -> Result<(), Broken> {
        let source = Source::new(self.text);
        // Lines such as `name = "value"` have a token for about five bytes.
        let mut tokens = Vec::with_capacity(self.text.len() / 4 + 16);
        tokens.extend(source.lex());
        let mut error: Option<ParseError> = None;
        let mut validated = ValidateWhitespace::new(self, source);
        parse(&tokens, &mut RecursionGuard::new(&mut validated, MAX_DEPTH as u32), &mut error);
        let grammar = error.map(|error| {
            let span = error.unexpected().or(error.context()).unwrap_or_default();
            broken(Place(span.start()), SyntaxFault::Grammar)
        });
        let fault = match (self.fault.take(), grammar) {
            (Some(ours), Some(grammar)) if grammar.place.0 < ours.place.0 => Some(grammar),
            (ours, grammar) => ours.or(grammar),
        };
        fault.map_or(Ok(()), Err)
    }

    fn is_on_an_earlier_line(&self, first: Place, second: Place) -> bool {
        self.text.get(first.0..second.0).is_some_and(|between| between.contains('\n'))
    }

    fn refuse(&mut self, broken: Broken) {
        self.fault.get_or_insert(broken);
    }

    fn refuse_at(&mut self, place: Place, fault: SyntaxFault) {
        self.refuse(broken(place, fault));
    }

    fn key(&self, span: Span, encoding: Option<Encoding>) -> Result<KeyPart<'a>, Broken> {
        let place = Place(span.start());
        let text = scalar::key(self.text, span, encoding).map_err(|fault| broken(place, fault))?;
        Ok(KeyPart { text, place })
    }

    /// Returns the number of containers from the root to the innermost open one, both included.
    fn depth(&self) -> usize {
        match self.open.last() {
            Some(OpenContainer { kind: ContainerKind::List { depth, .. }, .. }) => *depth,
            Some(OpenContainer { kind: ContainerKind::InlineTable(table), .. }) => self.tables.depth(*table),
            None => self.tables.depth(self.current),
        }
    }

    /// Opens a container as the next value. Returns false if it is nested too deeply.
    fn open(&mut self, span: Span, kind: impl FnOnce(&mut Self, usize) -> ContainerKind<'a>) -> bool {
        let place = Place(span.start());
        // A dotted key adds one table for each part before the last.
        let depth = self.depth() + self.key.len().max(1);
        if depth > MAX_DEPTH {
            self.refuse_at(place, SyntaxFault::TooDeep);
            return false;
        }
        let key = std::mem::take(&mut self.key);
        let kind = kind(self, depth);
        self.open.push(OpenContainer { place, key, kind });
        true
    }

    /// Closes the innermost container with the bracket at `span`, which is empty if the bracket is missing.
    fn close(&mut self, span: Span) {
        let Some(container) = self.open.pop() else { return };
        if span.is_empty() {
            let fault = SyntaxFault::Unclosed(container.kind.name());
            self.refuse_at(container.place, fault);
            return;
        }
        let value = match container.kind {
            ContainerKind::List { items, .. } => Value::Array(items),
            ContainerKind::InlineTable(table) => match self.tables.finish(table) {
                Ok(table) => Value::Table(table),
                Err(broken) => return self.refuse(self.outward(broken, &container.key)),
            },
        };
        self.key = container.key;
        self.complete(Node { value, place: container.place });
    }

    /// Adds a complete value to the open list, or to the table under the last key.
    fn complete(&mut self, node: Node<'a>) {
        let table = match self.open.last_mut() {
            Some(OpenContainer { kind: ContainerKind::List { items, .. }, .. }) => return items.push(node),
            Some(OpenContainer { kind: ContainerKind::InlineTable(table), .. }) => *table,
            None => self.current,
        };
        let Some(last) = self.key.pop() else {
            self.value = Some(node);
            return;
        };
        if let Err(broken) = self.tables.insert(table, &mut self.key, last, node) {
            // The path of the error begins at the root, or at the innermost inline table.
            let is_whole = self.open.is_empty();
            self.refuse(if is_whole { broken } else { self.outward(broken, &[]) });
        }
        self.key.clear();
    }

    /// Adds the path of the table that repeats a key.
    fn outward(&self, mut broken: Broken, key: &[KeyPart<'a>]) -> Broken {
        for part in key.iter().rev() {
            broken = broken.within(&part.text);
        }
        for container in self.open.iter().rev() {
            if let ContainerKind::List { items, .. } = &container.kind {
                broken = broken.within_item(items.len());
            }
            for part in container.key.iter().rev() {
                broken = broken.within(&part.text);
            }
        }
        self.tables.outward(self.current, broken)
    }

    fn open_header(&mut self, header: TableHeader) {
        self.key.clear();
        self.header = Some(header);
    }

    fn close_header(&mut self) {
        let Some(header) = self.header.take() else { return };
        match self.tables.open(&header, &mut self.key) {
            Ok(table) => self.current = table,
            Err(broken) => self.refuse(broken),
        }
        self.key.clear();
    }
}

impl EventReceiver for TomlReader<'_> {
    fn std_table_open(&mut self, span: Span, _: &mut dyn ErrorSink) {
        self.open_header(TableHeader { place: Place(span.start()), is_item: false });
    }

    fn std_table_close(&mut self, _: Span, _: &mut dyn ErrorSink) {
        self.close_header();
    }

    fn array_table_open(&mut self, span: Span, _: &mut dyn ErrorSink) {
        self.open_header(TableHeader { place: Place(span.start()), is_item: true });
    }

    fn array_table_close(&mut self, _: Span, _: &mut dyn ErrorSink) {
        self.close_header();
    }

    fn inline_table_open(&mut self, span: Span, _: &mut dyn ErrorSink) -> bool {
        self.open(span, |this, depth| ContainerKind::InlineTable(this.tables.inline(depth)))
    }

    fn inline_table_close(&mut self, span: Span, _: &mut dyn ErrorSink) {
        self.close(span);
    }

    fn array_open(&mut self, span: Span, _: &mut dyn ErrorSink) -> bool {
        self.open(span, |_, depth| ContainerKind::List { items: Vec::new(), depth })
    }

    fn array_close(&mut self, span: Span, _: &mut dyn ErrorSink) {
        self.close(span);
    }

    fn simple_key(&mut self, span: Span, encoding: Option<Encoding>, _: &mut dyn ErrorSink) {
        match self.key(span, encoding) {
            Ok(key) => self.key.push(key),
            Err(broken) => self.refuse(broken),
        }
    }

    fn scalar(&mut self, span: Span, encoding: Option<Encoding>, _: &mut dyn ErrorSink) {
        let place = Place(span.start());
        match scalar::value(self.text, span, encoding) {
            Ok(value) => self.complete(Node { value, place }),
            Err(fault) => {
                self.key.clear();
                // `y = 3` in a list or an inline table that begins on an earlier line: its bracket is missing.
                let after = self.text.get(span.end()..).unwrap_or_default().trim_start_matches([' ', '\t']);
                match self.open.last() {
                    Some(container)
                        if after.starts_with('=') && self.is_on_an_earlier_line(container.place, place) =>
                    {
                        let fault = SyntaxFault::Unclosed(container.kind.name());
                        self.refuse_at(container.place, fault);
                    }
                    _ => self.refuse_at(place, fault),
                }
            }
        }
    }
}

fn broken(place: Place, fault: SyntaxFault) -> Broken {
    Broken { syntax: SYNTAX, place, fault }
}

#[cfg(test)]
mod tests;
