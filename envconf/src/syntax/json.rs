//! The parser of JSON (RFC 8259). It borrows texts and records the position of every value.
//!
//! The values of serde_json have no positions, are unescaped into a buffer that is not wiped, and depend on features
//! that another crate may enable. Tests check that both parsers accept the same documents.

use zeroize::Zeroizing;

use super::tree::{Entry, MAX_DEPTH, Node, Place, Table, Text, Value};
use super::{Broken, FLOAT_RANGE, SyntaxFault};

const SYNTAX: &str = "JSON";

/// Parses the document `text`, whose root may be any value.
pub(crate) fn parse(text: &str) -> Result<Node<'_>, Broken> {
    let mut reader = JsonReader { text, at: 0 };
    let root = reader.node(MAX_DEPTH)?;
    match reader.peek() {
        None => Ok(root),
        Some(next) => Err(reader.broken(unexpected(next))),
    }
}

/// Unescapes `raw`, the text between the quotes of a JSON string. Returns `None` for an escape that is not a character,
/// such as half of a surrogate pair.
///
/// The buffer never grows, because no escape is shorter than its character.
pub(crate) fn unescape(raw: &str) -> Option<Zeroizing<String>> {
    let mut out = Zeroizing::new(String::with_capacity(raw.len()));
    let mut rest = raw;
    while let Some(backslash) = rest.find('\\') {
        out.push_str(&rest[..backslash]);
        let (character, after) = escape(&rest[backslash + 1..])?;
        out.push(character);
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}

/// Returns the character of an escape and the text after it. `text` begins after the backslash.
fn escape(text: &str) -> Option<(char, &str)> {
    let mut rest = text.chars();
    let character = match rest.next()? {
        plain @ ('"' | '\\' | '/') => plain,
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'u' => return unicode_escape(rest.as_str()),
        _ => return None,
    };
    Some((character, rest.as_str()))
}

/// Parses the text after `\u`: four digits, or two times four for a surrogate pair.
fn unicode_escape(text: &str) -> Option<(char, &str)> {
    let (high, rest) = four_digits(text)?;
    if !(0xd800..0xdc00).contains(&high) {
        return Some((char::from_u32(high)?, rest));
    }
    let (low, rest) = four_digits(rest.strip_prefix("\\u")?)?;
    let low = low.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
    Some((char::from_u32(0x10000 + ((high - 0xd800) << 10) + low)?, rest))
}

fn four_digits(text: &str) -> Option<(u32, &str)> {
    let (digits, rest) = text.split_at_checked(4)?;
    let hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    Some((hex.then(|| u32::from_str_radix(digits, 16).ok())??, rest))
}

struct JsonReader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> JsonReader<'a> {
    /// Reads a value. `depth` is the number of containers that may still be opened.
    fn node(&mut self, depth: usize) -> Result<Node<'a>, Broken> {
        let first = self.peek();
        let place = Place(self.at);
        let value = match first {
            Some(b'{' | b'[') if depth == 0 => return Err(self.broken(SyntaxFault::TooDeep)),
            Some(b'{') => Value::Table(self.table(depth - 1)?),
            Some(b'[') => Value::Array(self.array(depth - 1)?),
            Some(b'"') => Value::String(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b'a'..=b'z') => self.name()?,
            Some(other) => return Err(self.broken(unexpected(other))),
            None => return Err(self.broken(SyntaxFault::Grammar)),
        };
        Ok(Node { value, place })
    }

    fn table(&mut self, depth: usize) -> Result<Table<'a>, Broken> {
        let mut entries = Vec::new();
        self.items(b'}', |this| {
            match this.peek() {
                Some(b'"') => {}
                Some(other) if other.is_ascii_alphanumeric() || other == b'_' => {
                    return Err(this.broken(SyntaxFault::Rule("a key needs double quotes")));
                }
                Some(other) => return Err(this.broken(unexpected(other))),
                None => return Err(this.broken(SyntaxFault::Grammar)),
            }
            let key_place = Place(this.at);
            let key = this.string()?;
            this.expect(b':')?;
            let node = this.node(depth).map_err(|broken| broken.within(&key))?;
            entries.push(Entry { key, key_place, node });
            Ok(())
        })?;
        Table::new(entries).map_err(|repeated| repeated.broken(SYNTAX))
    }

    fn array(&mut self, depth: usize) -> Result<Vec<Node<'a>>, Broken> {
        let mut items = Vec::new();
        self.items(b']', |this| {
            let item = this.node(depth).map_err(|broken| broken.within_item(items.len()))?;
            items.push(item);
            Ok(())
        })?;
        Ok(items)
    }

    /// Reads from the opening bracket to `close`.
    fn items(
        &mut self,
        close: u8,
        mut item: impl FnMut(&mut Self) -> Result<(), Broken>,
    ) -> Result<(), Broken> {
        let open = Place(self.at);
        let unclosed = || broken(open, SyntaxFault::Unclosed(if close == b'}' { "object" } else { "list" }));
        self.at += 1;
        if self.peek() == Some(close) {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.peek().ok_or_else(unclosed)?;
            item(self)?;
            match self.peek().ok_or_else(unclosed)? {
                b',' => self.at += 1,
                next if next == close => break,
                b'"' => return Err(self.broken(SyntaxFault::Rule("a comma is missing before this"))),
                next => return Err(self.broken(unexpected(next))),
            }
            if self.peek() == Some(close) {
                return Err(self.broken(SyntaxFault::Rule("a comma is not allowed before this bracket")));
            }
        }
        self.at += 1;
        Ok(())
    }

    /// Reads a string, from its opening quote.
    fn string(&mut self) -> Result<Text<'a>, Broken> {
        let start = self.at + 1;
        let bytes = self.text.as_bytes();
        let mut is_escaped = false;
        let mut end = start;
        loop {
            match bytes.get(end) {
                Some(b'"') => break,
                Some(b'\\') => {
                    is_escaped = true;
                    end += 2;
                }
                // A string cannot contain the end of a line, so its closing quote is missing.
                Some(b'\n' | b'\r') | None => return Err(self.broken(SyntaxFault::Unclosed("string"))),
                Some(0..0x20) => {
                    let rule = "a control character within a string needs an escape such as \\t";
                    return Err(broken(Place(end), SyntaxFault::Rule(rule)));
                }
                Some(_) => end += 1,
            }
        }
        let raw = self.text.get(start..end).ok_or_else(|| self.broken(SyntaxFault::Grammar))?;
        let text = match is_escaped {
            false => Text::Borrowed(raw),
            true => {
                Text::Owned(unescape(raw).ok_or_else(|| self.broken(SyntaxFault::Rule("invalid escape")))?)
            }
        };
        self.at = end + 1;
        Ok(text)
    }

    fn name(&mut self) -> Result<Value<'a>, Broken> {
        let rest = &self.text[self.at..];
        let word = &rest[..rest.bytes().take_while(u8::is_ascii_alphanumeric).count()];
        let value = match word {
            "null" => Value::Null,
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ => return Err(self.broken(SyntaxFault::Rule("expected a value; a string needs double quotes"))),
        };
        self.at += word.len();
        Ok(value)
    }

    /// Reads a number (RFC 8259 §6).
    fn number(&mut self) -> Result<Value<'a>, Broken> {
        let rest = &self.text[self.at..];
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        let word = &rest[..rest.bytes().take_while(is_part).count()];
        if !is_number(word.as_bytes()) {
            return Err(self.broken(SyntaxFault::Grammar));
        }
        let value = number(word).ok_or_else(|| self.broken(SyntaxFault::Rule(FLOAT_RANGE)))?;
        self.at += word.len();
        Ok(value)
    }

    /// Skips white space and returns the next byte.
    fn peek(&mut self) -> Option<u8> {
        let rest = &self.text.as_bytes()[self.at.min(self.text.len())..];
        self.at += rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
        self.text.as_bytes().get(self.at).copied()
    }

    fn expect(&mut self, expected: u8) -> Result<(), Broken> {
        match self.peek() {
            Some(next) if next == expected => {
                self.at += 1;
                Ok(())
            }
            next => Err(self.broken(next.map_or(SyntaxFault::Grammar, unexpected))),
        }
    }

    fn broken(&self, fault: SyntaxFault) -> Broken {
        broken(Place(self.at), fault)
    }
}

/// Returns the fault of a text with the byte `next` in a position where JSON does not allow it.
fn unexpected(next: u8) -> SyntaxFault {
    match next {
        b'/' | b'#' => SyntaxFault::Rule("JSON has no comments"),
        b'\'' => SyntaxFault::Rule("a string needs double quotes"),
        _ => SyntaxFault::Grammar,
    }
}

/// Returns true for `[ minus ] int [ frac ] [ exp ]` (RFC 8259 §6).
fn is_number(word: &[u8]) -> bool {
    fn digits(text: &[u8]) -> Option<&[u8]> {
        let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        (count > 0).then(|| &text[count..])
    }
    let rest = word.strip_prefix(b"-").unwrap_or(word);
    let after_integer = match rest {
        [b'0', rest @ ..] => Some(rest),
        _ => digits(rest),
    };
    let after_fraction = after_integer.and_then(|rest| match rest {
        [b'.', rest @ ..] => digits(rest),
        _ => Some(rest),
    });
    let after_exponent = after_fraction.and_then(|rest| match rest {
        [b'e' | b'E', b'+' | b'-', rest @ ..] | [b'e' | b'E', rest @ ..] => digits(rest),
        _ => Some(rest),
    });
    after_exponent.is_some_and(<[u8]>::is_empty)
}

/// Parses an integer or a float, which format.md §7 distinguishes; `None` for a float out of range.
fn number(word: &str) -> Option<Value<'static>> {
    const INTEGERS: std::ops::RangeInclusive<i128> = i64::MIN as i128..=u64::MAX as i128;
    let integer = (word != "-0").then(|| word.parse::<i128>().ok()).flatten();
    if let Some(integer) = integer.filter(|integer| INTEGERS.contains(integer)) {
        return Some(Value::Integer(integer));
    }
    word.parse::<f64>().ok().filter(|float| float.is_finite()).map(Value::Float)
}

fn broken(place: Place, fault: SyntaxFault) -> Broken {
    Broken { syntax: SYNTAX, place, fault }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(text: &str) -> Value<'_> {
        parse(text).ok().unwrap().value
    }

    fn place_of_error(text: &str) -> Option<(usize, usize)> {
        parse(text).err().map(|broken| broken.place.in_text(text))
    }

    #[test]
    fn strings_are_borrowed_unless_escaped() {
        assert!(matches!(value(r#" "a\u00e9" "#), Value::String(Text::Owned(_))));
        assert!(matches!(value("\"a\u{e9}\""), Value::String(Text::Borrowed("a\u{e9}"))));
    }

    #[test]
    fn every_escape_is_read_and_half_a_pair_is_rejected() {
        let unescaped = unescape(r#"\"\\\/\b\f\n\r\t\u0041\uD83D\ude00-"#).unwrap();
        assert_eq!(&*unescaped, "\"\\/\u{8}\u{c}\n\r\tA\u{1f600}-");
        for bad in
            [r"\ud83d", r"\ud83dx", r"\ud83d\n", r"\ude00", r"\ud83d\ud83d", r"\u+041", r"\u00", r"\x", "\\"]
        {
            assert!(unescape(bad).is_none(), "{bad}");
        }
        assert!(parse(r#"{"a":"\ud83d"}"#).is_err());
    }

    #[test]
    fn the_buffer_of_an_unescaped_text_never_grows() {
        let raw = r"\uffff\ud83d\ude00\n".repeat(50);
        assert!(unescape(&raw).unwrap().capacity() >= raw.len());
    }

    #[test]
    fn integers_and_floats_are_distinguished() {
        assert!(matches!(value("18446744073709551615"), Value::Integer(18446744073709551615)));
        assert!(matches!(value("-9223372036854775808"), Value::Integer(-9223372036854775808)));
        assert!(matches!(value("18446744073709551616"), Value::Float(_)));
        assert!(matches!(value("-0"), Value::Float(zero) if zero.is_sign_negative()));
        assert!(matches!(value("1e2"), Value::Float(100.0)));
        assert!(parse("1e400").is_err() && parse("-1e400").is_err());
    }

    #[test]
    fn errors_have_line_and_column() {
        assert_eq!(place_of_error("{\n  \"a\": x}"), Some((2, 8)));
        assert_eq!(place_of_error("{\"a\":1,\n \"a\":2}"), Some((2, 2)), "repeated key");
        assert_eq!(place_of_error("{\"a\":1,\"\\u0061\":2}"), Some((1, 8)), "repeated in disguise");
        for bad in ["", "{", "[1,]", "{\"a\"}", "nul", "01", "+1", "\"\u{1}\"", "[] []", "\u{feff}{}", "NaN"]
        {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_fault_has_the_position_where_it_begins() {
        let fault = |text: &str| {
            let broken = parse(text).err().unwrap();
            (broken.place.in_text(text), broken.fault)
        };
        for (text, at, what) in [
            ("{\n\"a\": \"x\n}", (2, 6), "string"),
            ("{\n\"a\": \"x", (2, 6), "string"),
            ("{\n\"a\": \"x\\\"}", (2, 6), "string"),
            ("{\"a: 1}", (1, 2), "string"),
            ("{\"a\": [1,\n{\"b\": 2}", (1, 7), "list"),
            ("{\"a\": [1,\n", (1, 7), "list"),
            ("{\n\"a\": {\n", (2, 6), "object"),
            ("{", (1, 1), "object"),
        ] {
            assert_eq!(fault(text), (at, SyntaxFault::Unclosed(what)), "{text}");
        }
        for (text, at, words) in [
            ("// note\n{}", (1, 1), "comments"),
            ("{ # note\n}", (1, 3), "comments"),
            ("{\"a\": 1, // note\n \"b\": 2}", (1, 10), "comments"),
            ("{\"a\": 1 /* note */}", (1, 9), "comments"),
            ("{\"a\": /* note */ 1}", (1, 7), "comments"),
            ("[1, 2 // note\n]", (1, 7), "comments"),
            ("{} // note", (1, 4), "comments"),
            ("{\"a\": 1,}", (1, 9), "comma"),
            ("[1,]", (1, 4), "comma"),
            ("{\"a\": 1 \"b\": 2}", (1, 9), "comma"),
            ("{'a': 1}", (1, 2), "double quotes"),
            ("{a: 1}", (1, 2), "double quotes"),
            ("{\"a\": 'x'}", (1, 7), "double quotes"),
            ("{\"a\": hello}", (1, 7), "double quotes"),
            ("{\"a\": 1e999}", (1, 7), "64-bit float"),
            ("{\"a\": \"\\x\"}", (1, 7), "escape"),
            ("{\"a\": \"\t\"}", (1, 8), "control"),
        ] {
            let (place, SyntaxFault::Rule(rule)) = fault(text) else { panic!("{text}") };
            assert!(place == at && rule.contains(words), "{text}: {place:?} {rule}");
        }
        for (text, path, first) in [
            ("{\"a\":1,\n\"a\":2}", ".a", 1),
            ("{\"a\":[{},\n{\"b\":1,\n\"b\":2}]}", ".a[1].b", 2),
            ("{\"a\":{\"b\":1,\"c\":1,\"b\":2}}", ".a.b", 1),
        ] {
            let broken = parse(text).err().unwrap();
            let SyntaxFault::Repeated { path: steps, first: place } = broken.fault else { panic!("{text}") };
            let written = steps.iter().map(|step| match step {
                super::super::PathPart::Key(key) => format!(".{key}"),
                super::super::PathPart::Item(index) => format!("[{index}]"),
            });
            assert_eq!(
                (written.collect::<String>(), place.in_text(text).0),
                (path.to_owned(), first),
                "{text}"
            );
        }
    }

    #[test]
    fn deep_nesting_is_an_error_and_costs_linear_time() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(parse(&nested(MAX_DEPTH)).is_ok());
        assert!(parse(&nested(MAX_DEPTH + 1)).is_err());
        assert!(parse(&nested(1_000_000)).is_err());
    }

    proptest! {
        #[test]
        fn it_agrees_with_serde_json(text in r#"[\[\]{}",:0-9eE.+\-a-d \\unrt]{0,24}"#) {
            let theirs = serde_json::from_str::<serde_json::Value>(&text);
            match (parse(&text), theirs) {
                (Ok(node), Ok(theirs)) => {
                    prop_assert!(same(&node, &theirs), "{text}");
                }
                (Err(broken), Ok(_)) => {
                    prop_assert!(matches!(broken.fault, SyntaxFault::Repeated { .. }), "{text}: {broken:?}");
                }
                (Ok(_), Err(_)) => prop_assert!(false, "{text}: valid here only"),
                (Err(_), Err(_)) => {}
            }
        }

        #[test]
        fn unescaping_undoes_serde_jsons_escaping(text in any::<String>()) {
            let escaped = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(&*unescape(&escaped[1..escaped.len() - 1]).unwrap(), &text);
        }
    }

    fn same(ours: &Node<'_>, theirs: &serde_json::Value) -> bool {
        use serde_json::Value as Theirs;
        match (&ours.value, theirs) {
            (Value::Null, Theirs::Null) => true,
            (Value::Bool(a), Theirs::Bool(b)) => a == b,
            (Value::Integer(a), Theirs::Number(b)) => b.to_string() == a.to_string(),
            (Value::Float(a), Theirs::Number(b)) => {
                b.as_f64().is_some_and(|b| (a - b).abs() <= b.abs() * 1e-15)
            }
            (Value::String(a), Theirs::String(b)) => **a == **b,
            (Value::Array(a), Theirs::Array(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
            }
            (Value::Table(a), Theirs::Object(b)) => {
                a.entries().len() == b.len() && a.iter().all(|(key, node)| same(node, &b[&**key]))
            }
            _ => false,
        }
    }
}
