//! The check that a changed text differs from the old one only at the given path.

use super::path::{KeyPath, PathStep};
use super::value::Spelled;
use super::{parse, unexpected};
use crate::base::{Error, secret};
use crate::envelope::outline;
use crate::format::ContentType;
use crate::syntax::{Node, Text, Value};

/// Parses `new` and compares it with `old`: it must have `value` (or nothing) at `path`, and otherwise the same values.
/// Tables on the path may be created, or removed with their last value.
///
/// # Errors
/// [`Kind::Unexpected`](crate::Kind::Unexpected) otherwise.
pub(super) fn differs_only_at(
    content_type: ContentType,
    old: &str,
    new: &[u8],
    path: &KeyPath,
    value: Option<&Spelled>,
) -> Result<(), Error> {
    let text = std::str::from_utf8(new).map_err(|_| unexpected())?;
    let new = parse(content_type, text).map_err(|_| unexpected())?;
    let old = parse(content_type, old)?;
    let value = match value {
        Some(value) => Some(value.parse(content_type).ok_or_else(unexpected)?),
        None => None,
    };
    let value = value.as_ref().map(|node| &node.value);
    match is_changed_only_at(Some(&old.value), Some(&new.value), path.steps(), value) {
        true => Ok(()),
        false => Err(unexpected()),
    }
}

/// Returns true if `new` equals `old` everywhere except at `steps`, where it has `value`.
fn is_changed_only_at(
    old: Option<&Value<'_>>,
    new: Option<&Value<'_>>,
    steps: &[PathStep],
    value: Option<&Value<'_>>,
) -> bool {
    let Some((step, rest)) = steps.split_first() else {
        return match (new, value) {
            (None, None) => true,
            (Some(new), Some(value)) => same(new, value),
            _ => false,
        };
    };
    match (old, new, step) {
        // The table was removed with its last value: it must have had no other key.
        (Some(Value::Table(old)), None, PathStep::Key(key)) => {
            value.is_none()
                && old.iter().all(|(other, _)| **other == **key)
                && is_changed_only_at(old.get(key).map(|entry| &entry.node.value), None, rest, value)
        }
        // The table was created: it must have no other key.
        (None, Some(Value::Table(new)), PathStep::Key(key)) => {
            new.iter().all(|(other, _)| **other == **key)
                && is_changed_only_at(None, new.get(key).map(|entry| &entry.node.value), rest, value)
        }
        (Some(Value::Table(old)), Some(Value::Table(new)), PathStep::Key(key)) => {
            let (was, is) = (old.get(key).is_some(), new.get(key).is_some());
            let kept = |(other, node): (&Text<'_>, &Node<'_>)| {
                **other == **key || new.get(other).is_some_and(|entry| same(&entry.node.value, &node.value))
            };
            old.entries().len() - usize::from(was) == new.entries().len() - usize::from(is)
                && old.iter().all(kept)
                && (was || is || value.is_none())
                && is_changed_only_at(
                    old.get(key).map(|entry| &entry.node.value),
                    new.get(key).map(|entry| &entry.node.value),
                    rest,
                    value,
                )
        }
        (Some(Value::Array(old)), Some(Value::Array(new)), PathStep::Index(index)) => {
            let kept = |(at, (old, new)): (usize, (&Node<'_>, &Node<'_>))| {
                at == *index || same(&old.value, &new.value)
            };
            let item = |items: &[Node<'_>]| items.get(*index).is_some();
            old.len() == new.len()
                && item(old)
                && old.iter().zip(new).enumerate().all(kept)
                && is_changed_only_at(Some(&old[*index].value), Some(&new[*index].value), rest, value)
        }
        _ => false,
    }
}

/// Returns true if two values have the same type and value. The order of keys does not matter.
pub(super) fn same(a: &Value<'_>, b: &Value<'_>) -> bool {
    secret::same(&outline::encode(a), &outline::encode(b))
}
