//! Decoders of TOML's keys, strings, numbers and dates.

use toml::value::Datetime;
use toml_parser::decoder::{Encoding, ScalarKind, StringBuilder};
use toml_parser::{ParseError, Raw, Span};
use zeroize::Zeroizing;

use crate::syntax::SyntaxFault;
use crate::syntax::tree::{Text, Value};

/// Decodes the key at `span`, or the part of a dotted key.
pub(super) fn key(text: &str, span: Span, encoding: Option<Encoding>) -> Result<Text<'_>, SyntaxFault> {
    let raw = text.get(span.start()..span.end()).ok_or(SyntaxFault::Grammar)?;
    if let Some(plain) = plain(raw, encoding).or(bare(raw, encoding)) {
        return Ok(Text::Borrowed(plain));
    }
    let decoded = decode(raw, span, encoding, |raw, text, error| raw.decode_key(text, error));
    let (text, ()) = decoded
        .ok_or_else(|| if encoding.is_some() { fault(raw, encoding) } else { SyntaxFault::Grammar })?;
    Ok(text)
}

/// Decodes the string, number, boolean or date at `span`.
pub(super) fn value(text: &str, span: Span, encoding: Option<Encoding>) -> Result<Value<'_>, SyntaxFault> {
    let raw = text.get(span.start()..span.end()).ok_or(SyntaxFault::Grammar)?;
    if let Some(plain) = plain(raw, encoding) {
        return Ok(Value::String(Text::Borrowed(plain)));
    }
    let decoded = decode(raw, span, encoding, |raw, text, error| raw.decode_scalar(text, error));
    let (decoded, kind) = decoded.ok_or_else(|| fault(raw, encoding))?;
    Ok(match kind {
        ScalarKind::String => Value::String(decoded),
        ScalarKind::Boolean(value) => Value::Bool(value),
        ScalarKind::Integer(radix) => {
            let number = i64::from_str_radix(&decoded, radix.value());
            Value::Integer(number.map_err(|_| SyntaxFault::Rule(INTEGER_RANGE))?.into())
        }
        ScalarKind::Float => {
            Value::Float(float(&decoded).ok_or(SyntaxFault::Rule(super::super::FLOAT_RANGE))?)
        }
        ScalarKind::DateTime => {
            let datetime = decoded.parse::<Datetime>();
            Value::Datetime(datetime.map_err(|_| SyntaxFault::Rule("invalid date or time"))?)
        }
    })
}

const INTEGER_RANGE: &str =
    "the integer does not fit into 64 bits: write it as a string, or as a float with `.0`";

/// Returns the text between the quotes of a string on one line and without escapes. Most strings are like this.
fn plain(raw: &str, encoding: Option<Encoding>) -> Option<&str> {
    let quote = match encoding? {
        Encoding::BasicString => '"',
        Encoding::LiteralString => '\'',
        Encoding::MlBasicString | Encoding::MlLiteralString => return None,
    };
    let inner = raw.strip_prefix(quote)?.strip_suffix(quote)?;
    let is_plain = |byte: u8| {
        (byte >= b' ' || byte == b'\t') && byte != 0x7f && byte != b'\\' && char::from(byte) != quote
    };
    // `fold` has no early exit, so the compiler can check many bytes at once.
    inner.bytes().fold(true, |plain, byte| plain & is_plain(byte)).then_some(inner)
}

/// Returns the text of a key without quotes.
fn bare(raw: &str, encoding: Option<Encoding>) -> Option<&str> {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (encoding.is_none() && !raw.is_empty() && raw.bytes().all(is_bare)).then_some(raw)
}

/// Decodes a text; `None` if it is invalid.
fn decode<'a, T>(
    raw: &'a str,
    span: Span,
    encoding: Option<Encoding>,
    decode: impl FnOnce(Raw<'a>, &mut Decoded<'a>, &mut Option<ParseError>) -> T,
) -> Option<(Text<'a>, T)> {
    let mut decoded = Decoded { first: "", owned: None, most: raw.len() };
    let mut error = None;
    let kind = decode(Raw::new_unchecked(raw, encoding, span), &mut decoded, &mut error);
    error.is_none().then(|| (decoded.text(), kind))
}

/// Returns why `raw` cannot be decoded.
fn fault(raw: &str, encoding: Option<Encoding>) -> SyntaxFault {
    let quote = match encoding {
        Some(Encoding::BasicString) => "\"",
        Some(Encoding::LiteralString) => "'",
        Some(Encoding::MlBasicString) => "\"\"\"",
        Some(Encoding::MlLiteralString) => "'''",
        None if raw.starts_with(char::is_alphabetic) => {
            return SyntaxFault::Rule("expected a value; a string needs quotes");
        }
        None => return SyntaxFault::Grammar,
    };
    let inner = raw.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    // A quote after a backslash is part of the string.
    let is_escaped = |inner: &str| {
        quote.starts_with('"') && inner.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
    };
    match inner {
        Some(inner) if !is_escaped(inner) => SyntaxFault::Grammar,
        _ => SyntaxFault::Unclosed("string"),
    }
}

/// Parses a float; `None` if it is out of range, which `parse` would turn into infinity.
fn float(text: &str) -> Option<f64> {
    let number: f64 = text.parse().ok()?;
    (number.is_finite() || text.ends_with("inf") || text.ends_with("nan")).then_some(number)
}

/// A text that is being decoded. It is borrowed while it has one piece, and then copied into a wiped buffer. The buffer
/// never grows, because no escape is shorter than its character.
struct Decoded<'a> {
    first: &'a str,
    owned: Option<Zeroizing<String>>,
    /// Length of the undecoded text in bytes.
    most: usize,
}

impl<'a> Decoded<'a> {
    fn owned(&mut self) -> &mut String {
        self.owned.get_or_insert_with(|| {
            let mut owned = Zeroizing::new(String::with_capacity(self.most));
            owned.push_str(self.first);
            owned
        })
    }

    fn text(self) -> Text<'a> {
        self.owned.map_or(Text::Borrowed(self.first), Text::Owned)
    }
}

impl<'a> StringBuilder<'a> for Decoded<'a> {
    fn clear(&mut self) {
        (self.first, self.owned) = ("", None);
    }

    fn push_str(&mut self, append: &'a str) -> bool {
        match &self.owned {
            None if self.first.is_empty() => self.first = append,
            None if append.is_empty() => {}
            _ => self.owned().push_str(append),
        }
        true
    }

    fn push_char(&mut self, append: char) -> bool {
        self.owned().push(append);
        true
    }
}
