//! JSON of requests, and fields of JSON replies.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::base::{SecretBytes, exact_text, write_json_string};
use crate::syntax::{Table, Value};

/// Name and value of a request's parameter.
pub(crate) type Parameter<'a> = (&'static str, Argument<'a>);

/// The value of a parameter.
#[derive(Clone, Copy)]
pub(crate) enum Argument<'a> {
    Text(&'a str),
    #[cfg_attr(not(feature = "tools"), allow(dead_code, reason = "only key management sends numbers"))]
    Number(u64),
    /// A value that is already JSON text.
    #[cfg_attr(
        not(feature = "aws"),
        allow(dead_code, reason = "only AWS KMS expects the context as an object")
    )]
    Json(&'a str),
}

/// Returns the parameters as a JSON object.
pub(crate) fn json_object(parameters: &[Parameter<'_>]) -> Zeroizing<Vec<u8>> {
    let mut text = exact_text(|out| {
        out.write_char('{')?;
        for (at, (name, value)) in parameters.iter().enumerate() {
            write!(out, "{}\"{name}\":", if at > 0 { "," } else { "" })?;
            match value {
                Argument::Number(number) => write!(out, "{number}")?,
                Argument::Text(text) => write_json_string(text, out)?,
                Argument::Json(json) => out.write_str(json)?,
            }
        }
        out.write_char('}')
    });
    Zeroizing::new(std::mem::take(&mut *text).into_bytes())
}

/// Decodes strict base64; `None` for anything else.
pub(crate) fn decoded(text: &str) -> Option<SecretBytes> {
    let mut bytes = SecretBytes::zeroed(decoded_len(text));
    let written = STANDARD.decode_slice(text.as_bytes(), bytes.expose_mut()).ok()?;
    (written == bytes.expose().len()).then_some(bytes)
}

/// Encodes bytes as base64.
pub(crate) fn encoded(bytes: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(bytes.len().div_ceil(3) * 4));
    STANDARD.encode_string(bytes, &mut text);
    text
}

/// Returns the number of bytes that this text decodes to, if it is well-formed base64.
pub(crate) fn decoded_len(text: &str) -> usize {
    let padding = text.bytes().rev().take_while(|b| *b == b'=').count();
    (text.len() / 4 * 3).saturating_sub(padding)
}

/// Copies a text into a buffer that is wiped on drop.
pub(crate) fn secret(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.to_owned())
}

pub(crate) fn field<'t, 'a>(table: &'t Table<'a>, name: &str) -> Option<&'t Value<'a>> {
    table.get(name).map(|entry| &entry.node.value)
}

pub(crate) fn string<'t>(table: &'t Table<'_>, name: &str) -> Option<&'t str> {
    match field(table, name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

#[cfg(any(feature = "tools", feature = "vault"))]
pub(crate) fn boolean(table: &Table<'_>, name: &str) -> Option<bool> {
    match field(table, name) {
        Some(Value::Bool(value)) => Some(*value),
        _ => None,
    }
}

pub(crate) fn integer(table: &Table<'_>, name: &str) -> Option<i128> {
    match field(table, name) {
        Some(Value::Integer(number)) => Some(*number),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_become_json_without_growing() {
        let json = json_object(&[
            ("A", Argument::Text("x\"y\\z\n\u{1f}ü")),
            ("B", Argument::Text("")),
            ("C", Argument::Number(u64::MAX)),
            ("D", Argument::Json(r#"{"a":1}"#)),
        ]);
        let text = std::str::from_utf8(&json).unwrap();
        assert_eq!(text, r#"{"A":"x\"y\\z\n\u001fü","B":"","C":18446744073709551615,"D":{"a":1}}"#);
        let long = "\u{1}".repeat(1000);
        let json = json_object(&[("Name", Argument::Text(&long))]);
        assert_eq!(json.len(), "{\"Name\":\"\"}".len() + 6000);
        assert_eq!(json.capacity(), json.len());
    }
}
