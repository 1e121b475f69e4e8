//! Changes of JSON. A new value gets the layout of its neighbours.
//!
//! The text was parsed before, so it is valid JSON. Invalid text is still an error here, not a panic.

use std::ops::Range;

use super::path::{KeyPath, PathStep};
use super::{Edit, unexpected};
use crate::base::{Error, json_string};
use crate::syntax::json::unescape;

/// Replaces the value at `path`, or adds `value` to the last object on the path.
pub(super) fn set(text: &str, path: &KeyPath, value: &str) -> Result<Vec<Edit>, Error> {
    set_at(text, path, value).ok_or_else(unexpected)
}

/// Deletes the value with its key and one comma.
pub(super) fn unset(text: &str, path: &KeyPath) -> Result<Vec<Edit>, Error> {
    unset_at(text, path).map(|edit| vec![edit]).ok_or_else(unexpected)
}

fn set_at(text: &str, path: &KeyPath, value: &str) -> Option<Vec<Edit>> {
    let mut range = whole(text)?;
    let mut steps = path.steps().iter();
    while let Some(step) = steps.next() {
        let key = match step {
            PathStep::Index(index) => {
                range = items(text, range.start)?.get(*index)?.value.clone();
                continue;
            }
            PathStep::Key(key) => key,
        };
        let entries = items(text, range.start)?;
        if let Some(entry) = entries.iter().find(|entry| entry.has_key(text, key)) {
            range = entry.value.clone();
            continue;
        }
        let mut missing = vec![key.as_str()];
        for step in steps.by_ref() {
            missing.push(step.key()?);
        }
        return Some(vec![insert(text, range.start, &entries, &missing, value)?]);
    }
    Some(vec![Edit::replace(range, value)])
}

/// Adds an entry at the end of the object at `open`, in the layout of the last entry.
fn insert(text: &str, open: usize, entries: &[Item], missing: &[&str], value: &str) -> Option<Edit> {
    let (colon, before, at) = match entries {
        [] => (": ", "", open + 1),
        [.., last] => {
            let after = entries.len().checked_sub(2).map_or(open + 1, |before| entries[before].value.end);
            let gap = text.get(after..last.key.start)?;
            let blank = gap.trim_start_matches(|c: char| c != ',').trim_start_matches(',');
            let blank = if entries.len() == 1 { gap } else { blank };
            (text.get(last.key.end..last.value.start)?, blank, last.value.end)
        }
    };
    let quoted: Vec<_> = missing.iter().map(|key| json_string(key)).collect();
    let mut parts: Vec<&str> = Vec::new();
    if !entries.is_empty() {
        parts.push(",");
        // A single entry on the line of its brace shows no blank after a comma: use a space.
        parts.push(if entries.len() == 1 && before.is_empty() && colon.len() > 1 { " " } else { before });
    }
    for (index, key) in quoted.iter().enumerate() {
        if index > 0 {
            parts.push("{");
        }
        parts.extend([key.as_str(), colon]);
    }
    parts.push(value);
    parts.extend(std::iter::repeat_n("}", missing.len() - 1));
    Some(Edit::insert(at, &parts))
}

fn unset_at(text: &str, path: &KeyPath) -> Option<Edit> {
    let mut object = whole(text)?;
    let (last, way) = path.steps().split_last()?;
    for step in way {
        let entries = items(text, object.start)?;
        object = match step {
            PathStep::Index(index) => entries.get(*index)?.value.clone(),
            PathStep::Key(key) => entries.iter().find(|entry| entry.has_key(text, key))?.value.clone(),
        };
    }
    let PathStep::Key(key) = last else { return None };
    let entries = items(text, object.start)?;
    let at = entries.iter().position(|entry| entry.has_key(text, key))?;
    Some(Edit::delete(match (at.checked_sub(1), entries.get(at + 1)) {
        (_, Some(next)) => entries[at].key.start..next.key.start,
        (Some(before), None) => entries[before].value.end..entries[at].value.end,
        (None, None) => object.start + 1..object.end - 1,
    }))
}

/// An entry of an object, or an item of a list, which has an empty key.
struct Item {
    key: Range<usize>,
    value: Range<usize>,
}

impl Item {
    fn has_key(&self, text: &str, key: &str) -> bool {
        let raw = text.get(self.key.start + 1..self.key.end.saturating_sub(1));
        raw.and_then(unescape).is_some_and(|own| *own == key)
    }
}

/// Returns the range of the root's value.
fn whole(text: &str) -> Option<Range<usize>> {
    let start = blanks(text, 0);
    Some(start..value_end(text, start)?)
}

/// Returns the items of the object or list that opens at `open`.
fn items(text: &str, open: usize) -> Option<Vec<Item>> {
    let bytes = text.as_bytes();
    let is_object = match bytes.get(open)? {
        b'{' => true,
        b'[' => false,
        _ => return None,
    };
    let mut items = Vec::new();
    let mut at = blanks(text, open + 1);
    while !matches!(bytes.get(at)?, b'}' | b']') {
        let key = if is_object { at..value_end(text, at)? } else { at..at };
        let start = if is_object { blanks(text, blanks(text, key.end) + 1) } else { at };
        let value = start..value_end(text, start)?;
        at = blanks(text, value.end);
        if bytes.get(at) == Some(&b',') {
            at = blanks(text, at + 1);
        }
        items.push(Item { key, value });
    }
    Some(items)
}

/// Returns the end of the value that begins at `at`.
fn value_end(text: &str, at: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut open = 0usize;
    let mut at = at;
    loop {
        match bytes.get(at)? {
            b'"' => at = string_end(bytes, at)?,
            b'{' | b'[' => {
                open += 1;
                at += 1;
            }
            b'}' | b']' => {
                open = open.checked_sub(1)?;
                at += 1;
            }
            b',' | b':' | b' ' | b'\t' | b'\n' | b'\r' if open > 0 => at += 1,
            _ => {
                let word = bytes[at..]
                    .iter()
                    .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
                    .count();
                if word == 0 {
                    return None;
                }
                at += word;
            }
        }
        if open == 0 {
            return Some(at);
        }
    }
}

fn string_end(bytes: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

fn blanks(text: &str, at: usize) -> usize {
    let rest = text.as_bytes().get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count()
}
