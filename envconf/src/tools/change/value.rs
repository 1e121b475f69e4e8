//! A value to set, and its text in each syntax.

use zeroize::Zeroizing;

use super::kind_of;
use super::path::KeyPath;
use crate::base::{Complaint, Error, Problem, Remedy, json_string};
use crate::format::ContentType;
use crate::syntax::{Broken, Node, SyntaxFault, Value, json, toml};

/// A value to set. `Debug` does not show it.
pub enum NewValue<'a> {
    /// Text. It becomes a string if the old value is a string or missing. If the old value has another type, such as a
    /// number or a list, the text must be a value of that type in the content's syntax.
    Text(&'a str),
    /// A value of any type in the content's syntax, such as `8080`, `["a"]` or `{ a = 1 }`.
    Literal(&'a str),
}

impl std::fmt::Debug for NewValue<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NewValue([REDACTED])")
    }
}

/// A value in the content's syntax.
pub(super) struct Spelled(Zeroizing<String>);

impl Spelled {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Parses the text of the value.
    pub(super) fn parse(&self, content_type: ContentType) -> Option<Node<'_>> {
        parse(content_type, &self.0)
    }
}

impl NewValue<'_> {
    /// Returns the text that replaces the value `old`.
    pub(super) fn spelled(
        &self,
        content_type: ContentType,
        old: Option<&Value<'_>>,
    ) -> Result<Spelled, Complaint> {
        let is_dotenv = content_type == ContentType::Dotenv;
        match (self, old) {
            (Self::Text(text) | Self::Literal(text), _) if is_dotenv => match text.contains('\n') {
                true => Err(rule("a value in dotenv content cannot have several lines")),
                false => Ok(own(text)),
            },
            (Self::Text(text), None | Some(Value::String(_) | Value::Null)) => Ok(Spelled(json_string(text))),
            (Self::Text(text), Some(old)) => of_kind(content_type, text.trim(), old),
            (Self::Literal(text), _) => match read(content_type, text.trim()) {
                Ok(node) if has_zero_byte(&node.value) => Err(rule("a value cannot contain a zero byte")),
                Ok(_) => Ok(own(text.trim())),
                Err(broken) => {
                    let syntax = if content_type == ContentType::Json { "JSON" } else { "TOML" };
                    let why = match broken.fault {
                        SyntaxFault::Rule(rule) => format!(": {rule}"),
                        SyntaxFault::Repeated { .. } => ": a key is set twice".to_owned(),
                        SyntaxFault::Unclosed(what) => format!(": a {what} is not closed"),
                        SyntaxFault::TooDeep => ": it is nested too deeply".to_owned(),
                        SyntaxFault::Grammar => String::new(),
                    };
                    Err(Complaint::Rule(format!("expected a {syntax} value{why}")))
                }
            },
        }
    }
}

/// Checks that `text` is a value of the same type as `old`. An integer is accepted for a float.
fn of_kind(content_type: ContentType, text: &str, old: &Value<'_>) -> Result<Spelled, Complaint> {
    let is_kind =
        |text: &str| parse(content_type, text).is_some_and(|new| kind_of(&new.value) == kind_of(old));
    if is_kind(text) {
        return Ok(own(text));
    }
    if let Value::Float(_) = old {
        let float = Spelled(Zeroizing::new([text, ".0"].concat()));
        if is_kind(float.as_str()) {
            return Ok(float);
        }
    }
    Err(Complaint::WrongType { expected: kind_of(old).to_owned() })
}

fn own(text: &str) -> Spelled {
    Spelled(Zeroizing::new(text.to_owned()))
}

fn rule(rule: &str) -> Complaint {
    Complaint::Rule(rule.to_owned())
}

/// Returns the error for a value that `path` cannot have. The error does not contain the value.
pub(super) fn refused(path: &KeyPath, complaint: Complaint) -> Error {
    let is_type = matches!(complaint, Complaint::WrongType { .. });
    let error = Error::does_not_fit("the value", vec![Problem::new(path.to_string(), None, complaint)]);
    match is_type {
        true => error.advise_to_set(
            Remedy::Literal,
            "set a value of this type, or a literal, which may have any type",
        ),
        false => error,
    }
}

fn parse(content_type: ContentType, text: &str) -> Option<Node<'_>> {
    read(content_type, text).ok()
}

fn read(content_type: ContentType, text: &str) -> Result<Node<'_>, Broken> {
    match content_type {
        ContentType::Toml => toml::parse_value(text),
        ContentType::Json => json::parse(text),
        _ => {
            let text = crate::syntax::tree::Text::Borrowed(text);
            Ok(Node { value: Value::String(text), place: crate::syntax::tree::Place(0) })
        }
    }
}

/// Returns true if a text in `value` has a zero byte, which an environment variable cannot contain.
fn has_zero_byte(value: &Value<'_>) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(|item| has_zero_byte(&item.value)),
        Value::Table(table) => table.iter().any(|(_, node)| has_zero_byte(&node.value)),
        _ => false,
    }
}
