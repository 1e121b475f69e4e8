//! That a changed text differs where it should, and nowhere else.

use super::path::{KeyPath, PathStep};
use super::value::Spelled;
use super::{parse, unexpected};
use crate::base::{Error, secret};
use crate::envelope::outline;
use crate::format::ContentType;
use crate::syntax::{Node, Text, Value};

/// Reads `new` and compares it with `old`: at `path` it has `value`, or nothing, and all else is the same. Tables on
/// the way may come into being, or end with their last value.
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
    match differs(Some(&old.value), Some(&new.value), path.steps(), value) {
        true => Ok(()),
        false => Err(unexpected()),
    }
}

/// Returns true if `new` differs from `old` anywhere except at `steps`, which lead to `value`.
fn differs(
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
        // A table that has ended with its last value: nothing else was in it.
        (Some(Value::Table(old)), None, PathStep::Key(key)) => {
            value.is_none()
                && old.iter().all(|(other, _)| **other == **key)
                && differs(old.get(key).map(|entry| &entry.node.value), None, rest, value)
        }
        // One that has come into being: nothing else is in it.
        (None, Some(Value::Table(new)), PathStep::Key(key)) => {
            new.iter().all(|(other, _)| **other == **key)
                && differs(None, new.get(key).map(|entry| &entry.node.value), rest, value)
        }
        (Some(Value::Table(old)), Some(Value::Table(new)), PathStep::Key(key)) => {
            let (was, is) = (old.get(key).is_some(), new.get(key).is_some());
            let kept = |(other, node): (&Text<'_>, &Node<'_>)| {
                **other == **key || new.get(other).is_some_and(|entry| same(&entry.node.value, &node.value))
            };
            old.entries().len() - usize::from(was) == new.entries().len() - usize::from(is)
                && old.iter().all(kept)
                && (was || is || value.is_none())
                && differs(
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
                && differs(Some(&old[*index].value), Some(&new[*index].value), rest, value)
        }
        _ => false,
    }
}

/// Returns true if two values are the same, type included; the order of keys does not count.
pub(super) fn same(a: &Value<'_>, b: &Value<'_>) -> bool {
    secret::same(&outline::encode(a), &outline::encode(b))
}
