//! Reads and changes one value of a content by its path.
//!
//! For each syntax, a module finds the range of the text to replace, insert or delete. All other bytes stay the same.
//! The result is parsed again and compared: it may differ from the old content only at the path.
//!
//! | content | `get` | `set`, `unset` |
//! |---|---|---|
//! | `toml`, `json`, `dotenv` | yes | yes |
//! | `yaml` | with the feature `yaml` | no |
//! | `raw` | no | no |

mod dotenv;
mod json;
mod path;
mod proof;
mod toml;
mod value;

use std::ops::Range;

use zeroize::Zeroizing;

use self::path::PathStep;
use crate::base::{Error, Kind};
use crate::format::ContentType;
use crate::layers::{Layer, LayerKind};
use crate::syntax;
use crate::syntax::{Node, Value};

pub use lookup::{Found, ValueKind};
pub use path::KeyPath;
pub use value::NewValue;

/// Returns the value at `path` of `content`.
///
/// # Errors
/// [`Kind::DoesNotFit`] for a missing value, with the nearest existing key, and for content that does not parse;
/// [`Kind::Usage`] for content of a type that has no values.
pub fn get(content_type: ContentType, content: &[u8], path: &KeyPath) -> Result<Found, Error> {
    let text = text(content_type, content)?;
    let root = parse(content_type, text)?;
    match lookup::at(&root, path) {
        Ok(node) => Ok(Found::of(node, text)),
        Err(missing) => Err(missing.error(path)),
    }
}

/// Returns `content` with `value` at `path`, in a wiped buffer; `None` if `content` already has this value.
///
/// A TOML table with its own header, or with dotted keys, cannot be replaced as a whole; its values can.
///
/// # Errors
/// [`Kind::DoesNotFit`] for a value that has another type than the old one, or that the syntax cannot express, and for
/// a path through a value that is not a table; [`Kind::Usage`] for content of another type than TOML, JSON and dotenv.
pub fn set(
    content_type: ContentType,
    content: &[u8],
    path: &KeyPath,
    value: &NewValue<'_>,
) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
    let text = changeable(content_type, content)?;
    let root = parse(content_type, text)?;
    let old = match lookup::at(&root, path) {
        Ok(node) => Some(node),
        Err(missing) if missing.can_be_made() => None,
        Err(missing) => return Err(missing.error(path)),
    };
    let spelled = value
        .spelled(content_type, old.map(|old| &old.value))
        .map_err(|complaint| value::refused(path, complaint))?;
    if let (Some(old), Some(new)) = (old, spelled.parse(content_type))
        && proof::same(&old.value, &new.value)
        // `1.10` replaces `1.1`: programs that read the number as text see another value.
        && Found::of(old, text).text() == Found::of(&new, spelled.as_str()).text()
    {
        return Ok(None);
    }
    // Free the tree: finding the position needs as much memory again. The proof parses the text once more.
    drop(root);
    let edits = match content_type {
        ContentType::Toml => toml::set(text, path, spelled.as_str())?,
        ContentType::Json => json::set(text, path, spelled.as_str())?,
        _ => dotenv::set(text, path, spelled.as_str())?,
    };
    let new = splice(text, edits)?;
    proof::differs_only_at(content_type, text, &new, path, Some(&spelled))?;
    Ok(Some(new))
}

/// Returns `content` without the value at `path`, in a wiped buffer; `None` if there is no such value.
///
/// In TOML, a comment at the end of the value's line is deleted with it. A comment above it stays.
///
/// # Errors
/// [`Kind::DoesNotFit`] for a path through a value that is not a table, and for an item of a list; [`Kind::Usage`] as
/// for [`set`].
pub fn unset(
    content_type: ContentType,
    content: &[u8],
    path: &KeyPath,
) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
    let text = changeable(content_type, content)?;
    let root = parse(content_type, text)?;
    match lookup::at(&root, path) {
        Ok(_) if matches!(path.steps(), [.., PathStep::Index(_)]) => {
            return Err(by_hand(path, "an item of a list cannot be deleted"));
        }
        Ok(_) => {}
        Err(missing) if missing.can_be_made() => return Ok(None),
        Err(missing) => return Err(missing.error(path)),
    }
    drop(root);
    let edits = match content_type {
        ContentType::Toml => toml::unset(text, path)?,
        ContentType::Json => json::unset(text, path)?,
        _ => dotenv::unset(text, path)?,
    };
    let new = splice(text, edits)?;
    proof::differs_only_at(content_type, text, &new, path, None)?;
    Ok(Some(new))
}

/// A range of the text, and its replacement.
struct Edit {
    range: Range<usize>,
    text: Zeroizing<String>,
}

impl Edit {
    fn replace(range: Range<usize>, text: &str) -> Self {
        Self { range, text: Zeroizing::new(text.to_owned()) }
    }

    /// Inserts `parts`, joined in one buffer of exact size.
    fn insert(at: usize, parts: &[&str]) -> Self {
        let mut text = Zeroizing::new(String::with_capacity(parts.iter().map(|part| part.len()).sum()));
        parts.iter().for_each(|part| text.push_str(part));
        Self { range: at..at, text }
    }

    fn delete(range: Range<usize>) -> Self {
        Self { range, text: Zeroizing::new(String::new()) }
    }
}

/// Returns `text` after `edits`, in a buffer of exact size.
fn splice(text: &str, mut edits: Vec<Edit>) -> Result<Zeroizing<Vec<u8>>, Error> {
    edits.sort_by_key(|edit| edit.range.start);
    let added: usize = edits.iter().map(|edit| edit.text.len()).sum();
    let mut out = Zeroizing::new(Vec::with_capacity(text.len() + added));
    let mut at = 0;
    for edit in &edits {
        let before = text.get(at..edit.range.start).ok_or_else(unexpected)?;
        out.extend_from_slice(before.as_bytes());
        out.extend_from_slice(edit.text.as_bytes());
        at = edit.range.end;
    }
    out.extend_from_slice(text.get(at..).ok_or_else(unexpected)?.as_bytes());
    Ok(out)
}

/// Returns the text of content, if its type allows changes by path.
fn changeable(content_type: ContentType, content: &[u8]) -> Result<&str, Error> {
    match content_type {
        ContentType::Toml | ContentType::Json | ContentType::Dotenv => text(content_type, content),
        other => Err(Error::new(
            Kind::Usage,
            format!("content of type {} cannot be changed by a path", other.name()),
        )
        .advise("change it with `envconf edit`")),
    }
}

fn text(content_type: ContentType, content: &[u8]) -> Result<&str, Error> {
    if content_type == ContentType::Raw {
        return Err(Error::new(Kind::Usage, "content of type raw has no values")
            .advise("`envconf open` prints the whole content, `envconf edit` changes it"));
    }
    crate::pair::content::check_content(content, content_type)?;
    std::str::from_utf8(content).map_err(|_| unexpected())
}

fn parse(content_type: ContentType, text: &str) -> Result<Node<'_>, Error> {
    let layer = Layer { file: None, kind: LayerKind::Sealed, content_type, text };
    syntax::parse(content_type, text)
        .map_err(|broken| Error::does_not_fit("the content", vec![broken.problem(&layer, None)]))
}

/// Returns the error for a change that only an editor can make.
fn by_hand(path: &KeyPath, message: &str) -> Error {
    Error::new(Kind::DoesNotFit, format!("{path}: {message}")).advise("change it with `envconf edit`")
}

fn unexpected() -> Error {
    Error::new(Kind::Unexpected, "the change could not be made; nothing was written")
        .advise("make it with `envconf edit`")
}

/// Returns the type of `value` in the words of messages.
fn kind_of(value: &Value<'_>) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Integer(_) => "an integer",
        Value::Float(_) => "a number",
        Value::String(_) => "a string",
        Value::Datetime(_) => "a date or time",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    }
}

#[cfg(test)]
mod tests;
pub(crate) mod lookup;
