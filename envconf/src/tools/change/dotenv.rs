//! Changes of dotenv content, line by line (format.md §7).

use super::path::{KeyPath, PathStep};
use super::{Edit, by_hand, unexpected};
use crate::base::Error;
use crate::syntax::dotenv::is_name;

/// Replaces the value in the line of the name, or adds a line at the end.
pub(super) fn set(text: &str, path: &KeyPath, value: &str) -> Result<Vec<Edit>, Error> {
    let Some(name) = name(path).filter(|name| is_name(name)) else {
        return Err(by_hand(
            path,
            "a name in dotenv content has only letters, digits and _, such as DATABASE__PASSWORD",
        ));
    };
    if let Some(line) = line_of(text, name) {
        let start = line.start + name.len() + 1;
        let end = start + text[start..line.end].trim_end_matches('\n').len();
        return Ok(vec![Edit::replace(start..end, value)]);
    }
    let before = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    Ok(vec![Edit::insert(text.len(), &[before, name, "=", value, "\n"])])
}

/// Deletes the line.
pub(super) fn unset(text: &str, path: &KeyPath) -> Result<Vec<Edit>, Error> {
    name(path)
        .and_then(|name| line_of(text, name))
        .map(|line| vec![Edit::delete(line)])
        .ok_or_else(unexpected)
}

fn name(path: &KeyPath) -> Option<&str> {
    match path.steps() {
        [PathStep::Key(name)] => Some(name),
        _ => None,
    }
}

/// Returns the line of `name`, including its line feed.
fn line_of(text: &str, name: &str) -> Option<std::ops::Range<usize>> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if line.strip_prefix(name).is_some_and(|rest| rest.starts_with('=')) {
            return Some(start..start + line.len());
        }
        start += line.len();
    }
    None
}
