//! Changes of TOML. `toml_edit` returns the kind and the position of every table. This module changes only the text at
//! that position, so comments, order, layout and line ends stay.
//!
//! The parsed document contains copies of strings that are not wiped (format.md §12). Only commands that end soon use
//! it.

mod position;
mod removal;

use std::ops::Range;

use toml_edit::{Document, InlineTable, Table};

use self::position::{Block, Part, Spot};
use super::path::KeyPath;
use super::{Edit, by_hand, unexpected};
use crate::base::Error;
use crate::format::outline::push_key;

/// Replaces the value at `path`, or adds a new key to the last table on the path.
///
/// A new key becomes a line after the last value of the table, an entry at the end of an inline table, or a line under
/// a new header at the end of the text.
pub(super) fn set(text: &str, path: &KeyPath, value: &str) -> Result<Vec<Edit>, Error> {
    let document = parse(text)?;
    let place = Spot::of(document.as_table(), path).ok_or_else(unexpected)?;
    let Spot { block, dotted, group, found, missing } = place;
    match found {
        Some(Part::Value(old)) => {
            let span = old.span().ok_or_else(unexpected)?;
            return Ok(vec![Edit::replace(span, value)]);
        }
        Some(_) => return Err(by_hand(path, "this is a table: set the values in it")),
        None => {}
    }
    let key = spell(dotted.iter().chain(&missing).copied());
    let header_would_do = path.keys().is_some();
    match block {
        Block::Inline(table) => inline(text, table, &key, value).ok_or_else(unexpected),
        Block::Own(_) if dotted.is_empty() && missing.len() > 1 && header_would_do => {
            section(text, path, value)
        }
        // Add the line after the dotted keys of the same table, if there are any.
        Block::Own(table) => {
            let header = if std::ptr::eq(table, document.as_table()) { None } else { table.span() };
            line(text, table, header, group.unwrap_or(table), &key, value).ok_or_else(unexpected)
        }
        Block::Implicit if header_would_do => section(text, path, value),
        Block::Implicit => Err(by_hand(path, "its table has no separate header")),
    }
}

/// Deletes the lines of the value or table at `path` (including headers), or an entry of an inline table.
pub(super) fn unset(text: &str, path: &KeyPath) -> Result<Vec<Edit>, Error> {
    let document = parse(text)?;
    removal::remove(text, document.as_table(), path)
}

fn parse(text: &str) -> Result<Document<&str>, Error> {
    Document::parse(text).map_err(|_| unexpected())
}

/// Adds an entry to an inline table.
fn inline(text: &str, table: &InlineTable, key: &str, value: &str) -> Option<Vec<Edit>> {
    if let Some(last) = position::entries(table).last() {
        return Some(vec![Edit::insert(last.end, &[", ", key, " = ", value])]);
    }
    let span = table.span()?;
    let is_tight = text.get(span.start + 1..span.end - 1)?.is_empty();
    Some(vec![Edit::insert(span.start + 1, &[" ", key, " = ", value, if is_tight { " " } else { "" }])])
}

/// Adds a line to `table` after the last line of `group`: the table itself, or dotted keys in it. `header` is `None`
/// for the root.
fn line(
    text: &str,
    table: &Table,
    header: Option<Range<usize>>,
    group: &Table,
    key: &str,
    value: &str,
) -> Option<Vec<Edit>> {
    let feed = line_feed(text);
    let last = position::lines(group).into_iter().max_by_key(|line| line.end);
    let (indent, at) = match (last, header) {
        (Some(last), _) => {
            // The span begins at the last part of a dotted key, so the line has other parts before it.
            let lead = text.get(position::line_start(text, last.start)..last.start)?;
            let indent = &lead[..lead.len() - lead.trim_start_matches([' ', '\t']).len()];
            (indent, position::line_end(text, last.end))
        }
        (None, Some(header)) => ("", position::line_end(text, header.end)),
        // The root has no values: insert the line before the first header, or after the comments.
        (None, None) => ("", if table.is_empty() { text.len() } else { 0 }),
    };
    let before = if at == 0 || text[..at].ends_with('\n') { "" } else { feed };
    Some(vec![Edit::insert(at, &[before, indent, key, " = ", value, feed])])
}

/// Adds a header at the end of the text, with one value below it.
fn section(text: &str, path: &KeyPath, value: &str) -> Result<Vec<Edit>, Error> {
    let keys = path.keys().ok_or_else(unexpected)?;
    let (last, header) = keys.split_last().ok_or_else(unexpected)?;
    let feed = line_feed(text);
    let end = if text.is_empty() || text.ends_with('\n') { "" } else { feed };
    let blank = if text.is_empty() { "" } else { feed };
    let (header, key) = (spell(header.iter().copied()), spell([*last]));
    Ok(vec![Edit::insert(text.len(), &[end, blank, "[", &header, "]", feed, &key, " = ", value, feed])])
}

/// Writes keys as TOML: like an outline, except for characters outside the basic plane, which have another escape.
fn spell<'k>(keys: impl IntoIterator<Item = &'k str>) -> String {
    let mut path = String::new();
    for key in keys {
        if key.chars().all(|c| u32::from(c) <= 0xffff) {
            push_key(&mut path, key);
        } else {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(&crate::base::json_string(key));
        }
    }
    path
}

/// Returns the line end of this text: CR LF if the first line ends with it, and otherwise LF.
fn line_feed(text: &str) -> &'static str {
    if text.split_inclusive('\n').next().is_some_and(|line| line.ends_with("\r\n")) { "\r\n" } else { "\n" }
}
