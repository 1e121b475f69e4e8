//! A text of TOML without its strings and comments: the same structure, the same places, and nothing to keep secret but
//! numbers and dates.

use toml_parser::decoder::Encoding;
use toml_parser::parser::{self, EventReceiver, RecursionGuard, ValidateWhitespace};
use toml_parser::{ErrorSink, ParseError, Source, Span};
use zeroize::Zeroizing;

use crate::syntax::Broken;
use crate::syntax::tree::{MAX_DEPTH, Place};

/// Stands for every byte of a string or comment.
const BLANK: u8 = b'x';

/// The document `text`, masked.
pub(super) fn document(text: &str) -> Result<Zeroizing<String>, Broken> {
    masked(text, parser::parse_document)
}

/// The single value `text`, masked.
pub(super) fn value(text: &str) -> Result<Zeroizing<String>, Broken> {
    masked(text, parser::parse_value)
}

type Parse = fn(&[toml_parser::lexer::Token], &mut dyn EventReceiver, &mut dyn ErrorSink);

fn masked(text: &str, parse: Parse) -> Result<Zeroizing<String>, Broken> {
    let source = Source::new(text);
    let tokens = source.lex().into_vec();
    let mut mask = Mask { bytes: Zeroizing::new(text.as_bytes().to_vec()) };
    let mut error: Option<ParseError> = None;
    let mut validated = ValidateWhitespace::new(&mut mask, source);
    parse(&tokens, &mut RecursionGuard::new(&mut validated, MAX_DEPTH as u32), &mut error);
    if let Some(error) = error {
        return Err(broken(error.unexpected().or(error.context())));
    }
    let masked = String::from_utf8(std::mem::take(&mut *mask.bytes));
    masked.map(Zeroizing::new).map_err(|_| broken(None))
}

fn broken(span: Option<Span>) -> Broken {
    Broken { syntax: super::SYNTAX, place: Place(span.map_or(0, |span| span.start())) }
}

struct Mask {
    bytes: Zeroizing<Vec<u8>>,
}

impl Mask {
    /// Blanks `span` but for so many bytes at its beginning and its end.
    fn blank(&mut self, span: Span, before: usize, after: usize) {
        let inner = span.start() + before..span.end().saturating_sub(after);
        if let Some(inner) = self.bytes.get_mut(inner) {
            inner.fill(BLANK);
        }
    }
}

impl EventReceiver for Mask {
    fn scalar(&mut self, span: Span, kind: Option<Encoding>, _: &mut dyn ErrorSink) {
        match kind {
            Some(Encoding::BasicString | Encoding::LiteralString) => self.blank(span, 1, 1),
            Some(Encoding::MlBasicString | Encoding::MlLiteralString) => self.blank(span, 3, 3),
            None => {}
        }
    }

    fn comment(&mut self, span: Span, _: &mut dyn ErrorSink) {
        self.blank(span, 1, 0);
    }
}
