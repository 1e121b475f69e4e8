//! The ranges to delete when a value is removed from a TOML text.

use std::ops::Range;

use toml_edit::{InlineTable, Item, Table};

use super::position::{self, Block, Part, Spot};
use crate::base::Error;
use crate::tools::change::path::KeyPath;
use crate::tools::change::{Edit, by_hand, unexpected};

/// Deletes the lines of the value or table at `path`, or the entry of an inline table.
pub(super) fn remove(text: &str, root: &Table, path: &KeyPath) -> Result<Vec<Edit>, Error> {
    let place = Spot::of(root, path).ok_or_else(unexpected)?;
    let parent = path.prefix(path.steps().len() - 1);
    let parent = Spot::of(root, &parent).ok_or_else(unexpected)?;
    let ranges = match place.found.ok_or_else(unexpected)? {
        Part::Value(value) => {
            let end = value.span().ok_or_else(unexpected)?.end;
            let range = match parent.block {
                Block::Inline(table) => entry(text, table, end),
                Block::Own(table) => position::lines(table)
                    .into_iter()
                    .find(|line| line.end == end)
                    .map(|own| line(text, &own)),
                Block::Implicit => None,
            };
            vec![range.ok_or_else(unexpected)?]
        }
        Part::Table(table) => of_table(text, table),
        Part::Tables(tables) => tables.iter().flat_map(|table| of_table(text, table)).collect(),
        Part::Dotted(_) => return Err(by_hand(path, "its values are in several places of an inline table")),
    };
    Ok(ranges.into_iter().map(Edit::delete).collect())
}

/// Returns the whole lines of a value or header, including a comment at their end.
fn line(text: &str, own: &Range<usize>) -> Range<usize> {
    position::line_start(text, own.start)..position::line_end(text, own.end)
}

/// Returns the header of `table` (if it has one), its lines, and the lines of the tables in it.
fn of_table(text: &str, table: &Table) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    if let (false, Some(header)) = (table.is_implicit(), table.span()) {
        ranges.push(line(text, &header));
    }
    ranges.extend(position::lines(table).iter().map(|own| line(text, own)));
    for (_, item) in table {
        match item {
            // `position::lines` already returned the lines of dotted keys.
            Item::Table(inner) if inner.is_dotted() => ranges.extend(headed_in(text, inner)),
            Item::Table(inner) => ranges.extend(of_table(text, inner)),
            Item::ArrayOfTables(tables) => {
                ranges.extend(tables.iter().flat_map(|inner| of_table(text, inner)))
            }
            _ => {}
        }
    }
    ranges
}

/// Returns the lines of tables with headers below dotted keys.
fn headed_in(text: &str, dotted: &Table) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    for (_, item) in dotted {
        match item {
            Item::Table(inner) if inner.is_dotted() => ranges.extend(headed_in(text, inner)),
            Item::Table(inner) => ranges.extend(of_table(text, inner)),
            Item::ArrayOfTables(tables) => {
                ranges.extend(tables.iter().flat_map(|inner| of_table(text, inner)))
            }
            _ => {}
        }
    }
    ranges
}

/// Returns the entry of an inline table with a value that ends at `end`, and one comma. Comments next to it stay.
fn entry(text: &str, table: &InlineTable, end: usize) -> Option<Range<usize>> {
    let entries = position::entries(table);
    let at = entries.iter().position(|entry| entry.end == end)?;
    let before = at.checked_sub(1).map(|before| entries[before].end);
    let after_before = before.unwrap_or(table.span()?.start + 1);
    // The entry begins with the first part of a dotted key.
    let start = skip(text, after_before, &[',']);
    let comma = skip(text, end, &[]);
    let after = text[comma..].starts_with(',').then_some(comma + 1);
    let is_last = at + 1 == entries.len();
    let alone = |gap: &str| !gap.contains('#');
    Some(match (before, after) {
        (Some(before), _) if is_last && alone(text.get(before..start)?) => before..end,
        (_, Some(after)) if alone(text.get(end..after)?) => {
            let blanks = text[after..].len() - text[after..].trim_start_matches([' ', '\t']).len();
            start..after + if is_last { 0 } else { blanks }
        }
        _ => start..end,
    })
}

/// Returns the first position from `at` that is not in white space or a comment, and is not one of `others`.
fn skip(text: &str, at: usize, others: &[char]) -> usize {
    let mut rest = &text[at..];
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || others.contains(&c));
        match rest.strip_prefix('#') {
            Some(comment) => rest = comment.find('\n').map_or("", |feed| &comment[feed..]),
            None => return text.len() - rest.len(),
        }
    }
}
