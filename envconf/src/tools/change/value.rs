//! A value to be set, and how each syntax spells it.

use zeroize::Zeroizing;

use super::kind_of;
use super::path::KeyPath;
use crate::base::{Complaint, Error, Problem, Remedy, json_string};
use crate::format::ContentType;
use crate::syntax::{Broken, Node, SyntaxFault, Value, json, toml};

/// A value to be set. `Debug` shows none of it.
pub enum NewValue<'a> {
    /// Text. Where a string is, or nothing yet, it becomes a string; where a number, a list or anything else is, it
    /// has to be one too, as the content's syntax spells it.
    Text(&'a str),
    /// A value of any type, as the content's syntax spells it, such as `8080`, `["a"]` or `{ a = 1 }`.
    Literal(&'a str),
}

impl std::fmt::Debug for NewValue<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NewValue([REDACTED])")
    }
}

/// A value as it will stand in the text.
pub(super) struct Spelled(Zeroizing<String>);

impl Spelled {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The value that it spells.
    pub(super) fn parse(&self, content_type: ContentType) -> Option<Node<'_>> {
        parse(content_type, &self.0)
    }
}

impl NewValue<'_> {
    /// How it will stand in the text, `old` being what is there.
    pub(super) fn spelled(
        &self,
        content_type: ContentType,
        old: Option<&Value<'_>>,
    ) -> Result<Spelled, Complaint> {
        let is_dotenv = content_type == ContentType::Dotenv;
        match (self, old) {
            (Self::Text(text) | Self::Literal(text), _) if is_dotenv => match text.contains('\n') {
                true => Err(rule("a value of dotenv is one line")),
                false => Ok(own(text)),
            },
            (Self::Text(text), None | Some(Value::String(_) | Value::Null)) => Ok(Spelled(json_string(text))),
            (Self::Text(text), Some(old)) => of_kind(content_type, text.trim(), old),
            (Self::Literal(text), _) => match read(content_type, text.trim()) {
                Ok(node) if has_zero_byte(&node.value) => Err(rule("a value cannot hold a zero byte")),
                Ok(_) => Ok(own(text.trim())),
                Err(broken) => {
                    let syntax = if content_type == ContentType::Json { "JSON" } else { "TOML" };
                    let why = match broken.fault {
                        SyntaxFault::Rule(rule) => format!(": {rule}"),
                        SyntaxFault::Repeated { .. } => ": a key is set twice".to_owned(),
                        SyntaxFault::Unclosed(what) => format!(": a {what} has no end"),
                        SyntaxFault::TooDeep => ": it is nested too deeply".to_owned(),
                        SyntaxFault::Grammar => String::new(),
                    };
                    Err(Complaint::Rule(format!("expected a value as {syntax} spells it{why}")))
                }
            },
        }
    }
}

/// The text of a value of the same kind as `old`; an integer will do for a float.
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

/// The report of a value that cannot be at `path`; nothing of the value is in it.
pub(super) fn refused(path: &KeyPath, complaint: Complaint) -> Error {
    let is_type = matches!(complaint, Complaint::WrongType { .. });
    let error = Error::does_not_fit("the value", vec![Problem::new(path.to_string(), None, complaint)]);
    match is_type {
        true => error
            .advise_to_set(Remedy::Literal, "give one of this type, or a literal, which may be of any type"),
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

/// Returns true where a text in `value` has a zero byte, which no environment variable can hold.
fn has_zero_byte(value: &Value<'_>) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(|item| has_zero_byte(&item.value)),
        Value::Table(table) => table.iter().any(|(_, node)| has_zero_byte(&node.value)),
        _ => false,
    }
}
