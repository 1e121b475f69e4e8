//! Writers of numbers, dates and times with the digits of their text: `1.10` is not `1.1`, and `0042` is not `42`.

use std::fmt::{self, Write};

use toml::value::Datetime;
use zeroize::Zeroizing;

use super::tree::{Node, Value};

/// Writes the number, date or time `node`, which was read from `text`, with the digits of the text.
///
/// Leaves out underscores. Writes a number with a radix prefix (`0x1F`) in decimal, and YAML's `.inf` and `.nan` as
/// `inf` and `nan`. Rust's `parse` (or the parser of TOML for dates and times) reads the output as the value of `node`.
/// Writes nothing for a value of another kind.
pub(crate) fn write_scalar(node: &Node<'_>, text: &str, out: &mut dyn Write) -> fmt::Result {
    match token(node, text) {
        Some(token) => without_underscores(token, out),
        None => write_value(&node.value, out),
    }
}

/// Writes the finite number `node` as a number of JSON, with the digits of `text`.
///
/// JSON allows no `+` before a number and no leading zeros, and requires a digit on each side of the point.
pub(crate) fn write_json_number(node: &Node<'_>, text: &str, out: &mut dyn Write) -> fmt::Result {
    let Some(token) = token(node, text) else { return write_value(&node.value, out) };
    let unsigned = token.trim_start_matches(['-', '+']);
    let (whole, rest) = unsigned.split_at(unsigned.find(['.', 'e', 'E']).unwrap_or(unsigned.len()));
    let whole = whole.trim_start_matches(['0', '_']);
    // In JSON, `-0` is a float.
    let is_negative = token.starts_with('-') && !matches!(node.value, Value::Integer(0));
    out.write_str(if is_negative { "-" } else { "" })?;
    without_underscores(if whole.is_empty() { "0" } else { whole }, out)?;
    let Some(fraction) = rest.strip_prefix('.') else { return without_underscores(rest, out) };
    out.write_str(if fraction.starts_with(|c: char| c.is_ascii_digit()) { "." } else { ".0" })?;
    without_underscores(fraction, out)
}

fn write_value(value: &Value<'_>, out: &mut dyn Write) -> fmt::Result {
    match value {
        Value::Integer(value) => write!(out, "{value}"),
        Value::Float(value) if value.is_nan() => out.write_str("nan"),
        Value::Float(value) => write!(out, "{value:?}"),
        Value::Datetime(value) => write!(out, "{value}"),
        _ => Ok(()),
    }
}

fn without_underscores(text: &str, out: &mut dyn Write) -> fmt::Result {
    text.split('_').try_for_each(|part| out.write_str(part))
}

/// Returns the text at the position of `node`, if it is a number, date or time with the value of `node`.
fn token<'t>(node: &Node<'_>, text: &'t str) -> Option<&'t str> {
    let rest = text.get(node.place.0..)?;
    // YAML allows `!!int "42"`.
    let rest = rest.strip_prefix(['"', '\'']).unwrap_or(rest);
    let end = end_of_word(rest);
    let word = &rest[..end];
    match &node.value {
        Value::Integer(value) => parsed::<i128>(word).is_some_and(|read| read == *value).then_some(word),
        Value::Float(value) => {
            parsed::<f64>(word).is_some_and(|read| same_float(read, *value)).then_some(word)
        }
        Value::Datetime(value) => {
            // TOML allows a space between date and time.
            let longer = rest[end..].strip_prefix(' ').map(|time| &rest[..end + 1 + end_of_word(time)]);
            let reads = |word: &&str| word.parse::<Datetime>().is_ok_and(|read| read == *value);
            [Some(word), longer].into_iter().flatten().find(reads)
        }
        _ => None,
    }
}

/// Returns the length of the number, date or time at the beginning of `text`.
fn end_of_word(text: &str) -> usize {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "+-._:".contains(c);
    text.find(|c| !is_part(c)).unwrap_or(text.len())
}

fn same_float(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan()
}

/// Parses a number without its underscores.
fn parsed<T: std::str::FromStr>(word: &str) -> Option<T> {
    if !word.contains('_') {
        return word.parse().ok();
    }
    let mut digits = Zeroizing::new(String::with_capacity(word.len()));
    word.split('_').for_each(|part| digits.push_str(part));
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::ContentType;
    use crate::syntax::parse;

    fn written(
        content_type: ContentType,
        text: &str,
        write: fn(&Node<'_>, &str, &mut dyn Write) -> fmt::Result,
    ) -> String {
        let Value::Table(root) = parse(content_type, text).ok().unwrap().value else { panic!() };
        let mut out = String::new();
        write(&root.get("a").unwrap().node, text, &mut out).unwrap();
        out
    }

    #[test]
    fn toml_numbers_and_dates_keep_their_digits() {
        for number in [
            "1.10",
            "0.0",
            "-0.0",
            "-0",
            "+1",
            "+1.50",
            "0",
            "9223372036854775807",
            "-9223372036854775808",
            "1e3",
            "1E+03",
            "6.626e-34",
            "inf",
            "+inf",
            "-inf",
            "nan",
            "0.1000000000000000055511151231257827",
            "1.7976931348623157e308",
            "1979-05-27",
            "07:32:00",
            "00:32:00.50",
            "1979-05-27T07:32:00Z",
            "1979-05-27 07:32:00z",
            "1979-05-27t00:32:00-07:00",
            "1979-05-27T00:32:00.120",
            "07:32",
        ] {
            for text in
                [format!("a = {number}"), format!("a={number}# x"), format!("b = 0\n  a =\t{number}\r\n")]
            {
                assert_eq!(written(ContentType::Toml, &text, write_scalar), number, "{text}");
            }
        }
        for (number, plain) in [
            ("1_000", "1000"),
            ("-1_0.5_0e1_0", "-10.50e10"),
            ("0x1F", "31"),
            ("0xdead_beef", "3735928559"),
            ("0o17", "15"),
            ("0b1_0", "2"),
            ("+nan", "+nan"),
            ("-nan", "-nan"),
        ] {
            assert_eq!(written(ContentType::Toml, &format!("a = {number}"), write_scalar), plain);
        }
        // A comment after the date is not a time.
        assert_eq!(written(ContentType::Toml, "a = 1979-05-27 # 07:32:00", write_scalar), "1979-05-27");
    }

    #[test]
    fn json_numbers_keep_their_digits() {
        for number in [
            "1.10",
            "-0",
            "-0.0",
            "0",
            "1e3",
            "1E+03",
            "12345678901234567890123",
            "-12345678901234567890123",
            "18446744073709551615",
            "0.10",
            "3.14159265358979323846264338327950288",
        ] {
            for text in [format!("{{\"a\":{number}}}"), format!("{{\"b\": 1, \"a\" :\n {number} , \"c\":2}}")]
            {
                assert_eq!(written(ContentType::Json, &text, write_scalar), number, "{text}");
                assert_eq!(written(ContentType::Json, &text, write_json_number), number, "{text}");
            }
        }
    }

    #[test]
    #[cfg(feature = "yaml")]
    fn yaml_numbers_keep_their_digits() {
        for number in [
            "0042",
            "+1",
            "-007",
            "1.10",
            ".5",
            "5.",
            "-.5",
            "1e3",
            "1.0E+3",
            "12345678901234567890123",
            "00.10",
            "-0",
            "0",
        ] {
            for text in [
                format!("a: {number}"),
                format!("a: {number} # x\n"),
                format!("{{b: 1, a: {number}, c: 2}}"),
                format!("b: &x {number}\na: *x\n"),
                format!("a: &x {number}\nb: *x\n"),
            ] {
                assert_eq!(written(ContentType::Yaml, &text, write_scalar), number, "{text}");
            }
        }
        for (number, plain) in [
            ("0x1F", "31"),
            ("0o17", "15"),
            (".inf", "inf"),
            ("-.INF", "-inf"),
            (".NaN", "nan"),
            ("!!int 0042", "0042"),
            ("!!int '0042'", "0042"),
            ("!!float 1", "1"),
            ("!!float \"1.10\"", "1.10"),
        ] {
            assert_eq!(written(ContentType::Yaml, &format!("a: {number}"), write_scalar), plain, "{number}");
        }
        for (number, json) in [
            ("0042", "42"),
            ("+1", "1"),
            ("-007", "-7"),
            ("1.10", "1.10"),
            (".5", "0.5"),
            ("5.", "5.0"),
            ("-.50", "-0.50"),
            ("5.e3", "5.0e3"),
            ("00.10", "0.10"),
            ("-0", "0"),
            ("0x1F", "31"),
            ("1.0E+3", "1.0E+3"),
        ] {
            assert_eq!(
                written(ContentType::Yaml, &format!("a: {number}"), write_json_number),
                json,
                "{number}"
            );
            serde_json::from_str::<serde_json::Value>(json).unwrap();
        }
    }

    #[test]
    fn the_value_is_written_if_the_text_does_not_match() {
        let text = "a = 1.5";
        let Value::Table(root) = parse(ContentType::Toml, text).ok().unwrap().value else { panic!() };
        for other in ["", "a = 2.5", "a = 1.5x", "a = é", "     é"] {
            let mut out = String::new();
            write_scalar(&root.get("a").unwrap().node, other, &mut out).unwrap();
            assert_eq!(out, "1.5", "{other}");
        }
    }
}
