//! TOML 1.1 to tree, through the `toml` crate's tables and their spans.
//!
//! That crate keeps what it reads where nobody wipes it: texts with escapes in strings that grow, the whole text in an
//! error. So it is given the text with strings and comments blanked, and these are read here, where they stand.

mod mask;

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use toml_parser::decoder::{Encoding, StringBuilder};
use toml_parser::{ParseError, Raw, Span};
use zeroize::Zeroizing;

use super::Broken;
use super::tree::{Entry, MAX_DEPTH, Node, Place, Table, Text, Value};

const SYNTAX: &str = "TOML";

/// The document `text`.
pub(crate) fn parse(text: &str) -> Result<Node<'_>, Broken> {
    let masked = mask::document(text)?;
    let document = DeTable::parse(&masked).map_err(|error| broken(error.span()))?;
    let place = place(&document.span());
    Ok(Node { value: Value::Table(TomlReader { text }.table(document.into_inner(), MAX_DEPTH)?), place })
}

/// The single value `text`, such as an inline table.
pub(crate) fn parse_value(text: &str) -> Result<Node<'_>, Broken> {
    let masked = mask::value(text)?;
    let value = DeValue::parse(&masked).map_err(|error| broken(error.span()))?;
    TomlReader { text }.node(value, MAX_DEPTH)
}

/// Reads what was parsed of the masked text; keys and strings are read from the text itself.
#[derive(Clone, Copy)]
struct TomlReader<'a> {
    text: &'a str,
}

impl<'a> TomlReader<'a> {
    /// `depth` is how many containers may still follow, this one included.
    fn table(self, table: DeTable<'_>, depth: usize) -> Result<Table<'a>, Broken> {
        let mut entries = Vec::with_capacity(table.len());
        for (key, value) in table {
            let key_place = place(&key.span());
            let key = self.key(key.span()).ok_or(broken(Some(key.span())))?;
            entries.push(Entry { key, key_place, node: self.node(value, depth - 1)? });
        }
        Table::new(entries).map_err(|place| Broken { syntax: SYNTAX, place })
    }

    fn node(self, spanned: Spanned<DeValue<'_>>, depth: usize) -> Result<Node<'a>, Broken> {
        let span = spanned.span();
        let place = place(&span);
        let broken = Broken { syntax: SYNTAX, place };
        let value = match spanned.into_inner() {
            DeValue::Boolean(value) => Value::Bool(value),
            DeValue::Integer(number) => {
                let number = i64::from_str_radix(number.as_str(), number.radix()).map_err(|_| broken)?;
                Value::Integer(number.into())
            }
            DeValue::Float(number) => Value::Float(float(number.as_str()).ok_or(broken)?),
            DeValue::String(_) => Value::String(self.string(span).ok_or(broken)?),
            DeValue::Datetime(datetime) => Value::Datetime(datetime),
            DeValue::Array(_) | DeValue::Table(_) if depth == 0 => return Err(broken),
            DeValue::Array(items) => {
                let items = items.into_iter().map(|item| self.node(item, depth - 1));
                Value::Array(items.collect::<Result<_, _>>()?)
            }
            DeValue::Table(inner) => Value::Table(self.table(inner, depth)?),
        };
        Ok(Node { value, place })
    }

    /// The string that stands at `span`, its quotes included.
    fn string(self, span: Range<usize>) -> Option<Text<'a>> {
        if let Some(plain) = self.text.get(span.clone()).and_then(plain) {
            return Some(Text::Borrowed(plain));
        }
        self.decoded(span, |raw, text, error| {
            let _is_a_string = raw.decode_scalar(text, error);
        })
    }

    /// The key, or part of a dotted one, that stands at `span`.
    fn key(self, span: Range<usize>) -> Option<Text<'a>> {
        let raw = self.text.get(span.clone())?;
        if !raw.starts_with(['"', '\'']) {
            return Some(Text::Borrowed(raw));
        }
        self.decoded(span, |raw, text, error| raw.decode_key(text, error))
    }

    fn decoded(
        self,
        span: Range<usize>,
        decode: impl FnOnce(Raw<'a>, &mut Decoded<'a>, &mut Option<ParseError>),
    ) -> Option<Text<'a>> {
        let raw = self.text.get(span.clone())?;
        let encoding = match raw {
            _ if raw.starts_with("\"\"\"") => Some(Encoding::MlBasicString),
            _ if raw.starts_with("'''") => Some(Encoding::MlLiteralString),
            _ if raw.starts_with('"') => Some(Encoding::BasicString),
            _ if raw.starts_with('\'') => Some(Encoding::LiteralString),
            _ => None,
        };
        let raw = Raw::new_unchecked(raw, encoding, Span::new_unchecked(span.start, span.end));
        let mut decoded = Decoded { first: "", owned: None, most: raw.len() };
        let mut error = None;
        decode(raw, &mut decoded, &mut error);
        error.is_none().then(|| decoded.text())
    }
}

/// What stands between the quotes of a string of one line in which nothing has a meaning of its own: most strings.
fn plain(raw: &str) -> Option<&str> {
    let quote = raw.chars().next().filter(|quote| ['"', '\''].contains(quote))?;
    let inner = raw.strip_prefix(quote)?.strip_suffix(quote)?;
    let is_plain = |byte: u8| {
        (byte >= b' ' || byte == b'\t') && byte != 0x7f && byte != b'\\' && char::from(byte) != quote
    };
    inner.bytes().all(is_plain).then_some(inner)
}

/// A text as it is put together: borrowed as long as it is in one piece, then in a wiped buffer that never grows, for
/// no escape is shorter than what it stands for.
struct Decoded<'a> {
    first: &'a str,
    owned: Option<Zeroizing<String>>,
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

/// A float; `None` for one too large for its type, which `parse` takes for infinity.
fn float(text: &str) -> Option<f64> {
    let number: f64 = text.parse().ok()?;
    (number.is_finite() || text.ends_with("inf") || text.ends_with("nan")).then_some(number)
}

fn broken(span: Option<Range<usize>>) -> Broken {
    Broken { syntax: SYNTAX, place: place(&span.unwrap_or_default()) }
}

fn place(span: &Range<usize>) -> Place {
    Place(span.start)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn place_of_error(text: &str) -> Option<Place> {
        parse(text).err().map(|broken| broken.place)
    }

    #[test]
    fn plain_text_is_borrowed_and_knows_its_place() {
        let text = "[a]\nb = 'x'\nc = \"\\u0041\"\n";
        let root = parse(text).ok().unwrap();
        let Value::Table(root) = root.value else { panic!() };
        let Value::Table(a) = &root.get("a").unwrap().node.value else { panic!() };
        let b = a.get("b").unwrap();
        assert_eq!((b.key_place, b.node.place), (Place(4), Place(8)));
        assert!(matches!(b.node.value, Value::String(Text::Borrowed("x"))));
        assert!(matches!(&a.get("c").unwrap().node.value, Value::String(text) if &**text == "A"));
    }

    #[test]
    fn strings_of_every_kind_are_read_where_they_stand() {
        let text = r#"
a = """
1\
  2
\"\"\""""""
'b\' . "\u0063" = '''\
"'''
d = ['\', "\\", ""] # "\
"#;
        let expected = ["a", "12\n\"\"\"\"\"", "b\\", "c", "\\\n\"", "d", "\\", "\\", ""];
        assert_eq!(strings(text).unwrap(), expected);
        let with_crlf: Vec<_> = expected.iter().map(|text| text.replace('\n', "\r\n")).collect();
        assert_eq!(strings(&text.replace('\n', "\r\n")).unwrap(), with_crlf);
        assert_eq!(place_of_error(r#"a = "\z""#), Some(Place(4)), "no such escape");
        assert_eq!(place_of_error("a = '\u{1}'"), Some(Place(4)));
        assert!(place_of_error("a = 1 # \u{1}").is_some());
    }

    /// All keys and strings of a document, in the order of the keys.
    fn strings(text: &str) -> Option<Vec<String>> {
        fn collect(value: &Value<'_>, found: &mut Vec<String>) {
            match value {
                Value::String(text) => found.push((**text).to_owned()),
                Value::Array(items) => items.iter().for_each(|item| collect(&item.value, found)),
                Value::Table(table) => table.iter().for_each(|(key, node)| {
                    found.push((**key).to_owned());
                    collect(&node.value, found);
                }),
                _ => {}
            }
        }
        let mut found = Vec::new();
        collect(&parse(text).ok()?.value, &mut found);
        Some(found)
    }

    /// The same, as the toml crate reads the text itself.
    fn strings_by_toml(text: &str) -> Option<Vec<String>> {
        fn collect(value: &DeValue<'_>, found: &mut Vec<String>) {
            match value {
                DeValue::String(text) => found.push(text.to_string()),
                DeValue::Array(items) => items.iter().for_each(|item| collect(item.get_ref(), found)),
                DeValue::Table(table) => table.iter().for_each(|(key, value)| {
                    found.push(key.get_ref().to_string());
                    collect(value.get_ref(), found);
                }),
                _ => {}
            }
        }
        let mut found = Vec::new();
        collect(&DeValue::Table(DeTable::parse(text).ok()?.into_inner()), &mut found);
        Some(found)
    }

    proptest! {
        #[test]
        fn the_mask_changes_nothing(
            pieces in prop::collection::vec(r#"[a-z]|'''|"""|["'\\ntu#=,. \r\n{}\[\]é-]|\\u0041|\\"|\r\n|\\\n"#, 0..12),
            quote in prop::sample::select(vec!["'", "\"", "'''", "\"\"\"", ""]),
        ) {
            let text = format!("k = {quote}{}{quote}\n[t]\nx = [{quote}y{quote}]", pieces.concat());
            prop_assert_eq!(strings(&text), strings_by_toml(&text), "{}", text);
        }
    }

    #[test]
    fn numbers_beyond_their_type_are_refused_and_infinity_is_not() {
        assert_eq!(place_of_error("a = 9223372036854775808"), Some(Place(4)));
        assert_eq!(place_of_error("a = 9223372036854775807\nb = -0x8"), Some(Place(28)), "no sign before 0x");
        assert_eq!(place_of_error("a = 0xFFFF_FFFF_FFFF_FFFF"), Some(Place(4)));
        assert_eq!(place_of_error("a = 1e400"), Some(Place(4)));
        assert_eq!(place_of_error("a = -inf\nb = nan\nc = 1_0.5e-400"), None);
    }

    #[test]
    fn repeated_keys_are_refused() {
        assert!(place_of_error("a = 1\na = 2").is_some());
        assert!(place_of_error("[a]\n[a]").is_some());
    }

    #[test]
    fn deep_nesting_is_an_error() {
        let nested = |levels: usize| format!("a = {}{}", "[".repeat(levels), "]".repeat(levels));
        assert_eq!(place_of_error(&nested(60)), None);
        assert!(place_of_error(&nested(100_000)).is_some());
        assert!(place_of_error(&format!("{}a = 1", "a.".repeat(100_000))).is_some());
        // Dotted keys within inline tables multiply; each alone is below the parser's own limits.
        let dotted = format!("{}1", format!("{{ {}a = ", "a.".repeat(70)).repeat(3));
        assert!(place_of_error(&format!("a = {dotted} }} }} }}")).is_some());
    }
}
