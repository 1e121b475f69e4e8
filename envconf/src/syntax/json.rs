//! JSON to tree. serde_json judges the grammar; this only finds where things stand, and keeps them borrowed.
//!
//! Two passes, both linear: serde_json's own values would lose the places, unescape into a buffer that nobody
//! wipes, and change with features that another crate may switch on.

use serde::de::IgnoredAny;
use zeroize::Zeroizing;

use super::Broken;
use super::tree::{Entry, MAX_DEPTH, Node, Place, Table, Text, Value};

const SYNTAX: &str = "JSON";

/// The document `text`, whatever its root is.
pub(crate) fn parse(text: &str) -> Result<Node<'_>, Broken> {
    serde_json::from_str::<IgnoredAny>(text)
        .map_err(|error| broken(offset(text, error.line(), error.column())))?;
    Walker { text, at: 0 }.node(MAX_DEPTH)
}

/// The content of a JSON string, `raw` being what stands between the quotes; `None` where an escape is no
/// character (half of a surrogate pair).
///
/// The buffer never grows: no escape is shorter than what it stands for.
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

/// The character of the escape that `text` begins with, after its backslash, and what follows.
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

/// The same for what follows `\u`: four digits, or two times four for a surrogate pair.
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

/// Walks over text that serde_json has found valid; what it could not be is still an error, never a panic.
struct Walker<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Walker<'a> {
    /// `depth` is how many containers may still be opened.
    fn node(&mut self, depth: usize) -> Result<Node<'a>, Broken> {
        let first = self.peek();
        let place = Place(self.at);
        let value = match first {
            Some(b'{' | b'[') if depth == 0 => return Err(self.broken()),
            Some(b'{') => Value::Table(self.table(depth - 1)?),
            Some(b'[') => Value::Array(self.array(depth - 1)?),
            Some(b'"') => Value::String(self.string()?),
            _ => self.word()?,
        };
        Ok(Node { value, place })
    }

    fn table(&mut self, depth: usize) -> Result<Table<'a>, Broken> {
        let mut entries = Vec::new();
        self.items(b'}', |this| {
            let key_place = Place(this.at);
            let key = this.string()?;
            this.skip(b':')?;
            entries.push(Entry { key, key_place, node: this.node(depth)? });
            Ok(())
        })?;
        Table::new(entries).map_err(|place| broken(place.0))
    }

    fn array(&mut self, depth: usize) -> Result<Vec<Node<'a>>, Broken> {
        let mut items = Vec::new();
        self.items(b']', |this| {
            items.push(this.node(depth)?);
            Ok(())
        })?;
        Ok(items)
    }

    /// What stands between the opening bracket, which is next, and `close`.
    fn items(
        &mut self,
        close: u8,
        mut item: impl FnMut(&mut Self) -> Result<(), Broken>,
    ) -> Result<(), Broken> {
        self.at += 1;
        while self.peek() != Some(close) {
            item(self)?;
            if self.peek() != Some(close) {
                self.skip(b',')?;
                self.peek();
            }
        }
        self.at += 1;
        Ok(())
    }

    /// The string whose opening quote is next.
    fn string(&mut self) -> Result<Text<'a>, Broken> {
        let start = self.at + 1;
        let mut escaped = false;
        let mut end = start;
        loop {
            match self.text.as_bytes().get(end) {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    end += 2;
                }
                Some(_) => end += 1,
                None => return Err(self.broken()),
            }
        }
        let raw = self.text.get(start..end).ok_or(broken(self.at))?;
        let text = match escaped {
            false => Text::Borrowed(raw),
            true => Text::Owned(unescape(raw).ok_or(broken(self.at))?),
        };
        self.at = end + 1;
        Ok(text)
    }

    /// A literal name or a number.
    fn word(&mut self) -> Result<Value<'a>, Broken> {
        let rest = &self.text[self.at..];
        let in_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        let word = &rest[..rest.bytes().position(|byte| !in_word(byte)).unwrap_or(rest.len())];
        let value = match word {
            "null" => Value::Null,
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ => number(word).ok_or(broken(self.at))?,
        };
        self.at += word.len();
        Ok(value)
    }

    /// The next byte that is no white space; the walker then stands on it.
    fn peek(&mut self) -> Option<u8> {
        let rest = &self.text.as_bytes()[self.at.min(self.text.len())..];
        self.at += rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip(&mut self, expected: u8) -> Result<(), Broken> {
        if self.peek() != Some(expected) {
            return Err(self.broken());
        }
        self.at += 1;
        Ok(())
    }

    fn broken(&self) -> Broken {
        broken(self.at)
    }
}

/// Integer or float as format.md §7 tells them apart; `None` for a float beyond its type.
fn number(word: &str) -> Option<Value<'static>> {
    const INTEGERS: std::ops::RangeInclusive<i128> = i64::MIN as i128..=u64::MAX as i128;
    let integer = (word != "-0").then(|| word.parse::<i128>().ok()).flatten();
    if let Some(integer) = integer.filter(|integer| INTEGERS.contains(integer)) {
        return Some(Value::Integer(integer));
    }
    word.parse::<f64>().ok().filter(|float| float.is_finite()).map(Value::Float)
}

/// The byte at serde_json's line and column (in bytes, from 1; 0 for the end of the line before).
fn offset(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    before + column.saturating_sub(1)
}

fn broken(offset: usize) -> Broken {
    Broken { syntax: SYNTAX, place: Place(offset) }
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
    fn every_escape_is_known_and_half_a_pair_is_none() {
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
    fn integers_and_floats_are_told_apart() {
        assert!(matches!(value("18446744073709551615"), Value::Integer(18446744073709551615)));
        assert!(matches!(value("-9223372036854775808"), Value::Integer(-9223372036854775808)));
        assert!(matches!(value("18446744073709551616"), Value::Float(_)));
        assert!(matches!(value("-0"), Value::Float(zero) if zero.is_sign_negative()));
        assert!(matches!(value("1e2"), Value::Float(100.0)));
        assert!(parse("1e400").is_err() && parse("-1e400").is_err());
    }

    #[test]
    fn errors_tell_line_and_column() {
        assert_eq!(place_of_error("{\n  \"a\": x}"), Some((2, 8)));
        assert_eq!(place_of_error("{\"a\":1,\n \"a\":2}"), Some((2, 2)), "repeated key");
        assert_eq!(place_of_error("{\"a\":1,\"\\u0061\":2}"), Some((1, 8)), "repeated in disguise");
        for bad in ["", "{", "[1,]", "{\"a\"}", "nul", "01", "+1", "\"\u{1}\"", "[] []", "\u{feff}{}", "NaN"]
        {
            assert!(parse(bad).is_err(), "{bad:?}");
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
            if let Ok(node) = parse(&text) {
                prop_assert!(same(&node, &theirs.unwrap()), "{text}");
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
