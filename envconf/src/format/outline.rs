//! The outline: the keys of a sealed file, for reviewers without the data key (format.md §7).

use std::fmt;

use super::field_types::decode_hex;
use crate::base::{Error, Kind, escape};

pub(crate) const MAX_PATH: usize = 512;

/// One line of the outline: the path of a leaf, and a tag that shows whether its value changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutlineLine {
    /// The keys, joined by `.`. Keys that are not bare are quoted.
    pub path: String,
    /// `None` when hidden.
    pub tag: Option<[u8; 16]>,
}

impl OutlineLine {
    /// Returns true if this is the line of `path`, or of a value below it.
    pub fn is_at(&self, path: &str) -> bool {
        covers(path, &self.path)
    }
}

impl fmt::Display for OutlineLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.path)?;
        match &self.tag {
            None => f.write_str("-"),
            Some(tag) => tag.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
        }
    }
}

/// Parses the value of an `outline` line.
pub(super) fn parse_line(value: &[u8]) -> Option<OutlineLine> {
    let at = value.iter().rposition(|b| *b == b' ')?;
    let (path, tag) = (&value[..at], &value[at + 1..]);
    let path = std::str::from_utf8(path).ok().filter(|path| is_path(path))?;
    let mut bytes = [0; 16];
    let tag = if tag == b"-" { None } else { Some(decode_hex(tag, &mut bytes).then_some(bytes)?) };
    Some(OutlineLine { path: path.to_owned(), tag })
}

/// Returns true if `path` is written as [`push_key`] writes it, and is not too long.
fn is_path(path: &str) -> bool {
    let mut rest = path;
    let mut again = String::new();
    loop {
        let Some((key, after)) = split_key(rest) else { return false };
        push_key(&mut again, &key);
        match after.strip_prefix('.') {
            Some(after) => rest = after,
            None => return after.is_empty() && path.len() <= MAX_PATH && again == path,
        }
    }
}

/// Rejects a path that no outline can contain, because hiding it would have no effect.
///
/// # Errors
/// [`Kind::Usage`].
pub(crate) fn check_path(path: &str) -> Result<(), Error> {
    if is_path(path) {
        return Ok(());
    }
    Err(Error::new(Kind::Usage, format!("`{}` is not a path of an outline", escape(path)))
        .advise("join keys by dots, and quote those that are not letters, digits, _ and -: database.password, \"a b\".c"))
}

/// Returns the first key of a path, unquoted, and the rest of the path.
fn split_key(path: &str) -> Option<(String, &str)> {
    let Some(quoted) = path.strip_prefix('"') else {
        let end = path.find('.').unwrap_or(path.len());
        return (end > 0).then(|| (path[..end].to_owned(), &path[end..]));
    };
    let (inner, after) = quoted.split_once('"')?;
    let mut units: Vec<u16> = Vec::new();
    let mut rest = inner;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match (c, rest.strip_prefix('u')) {
            ('\\', Some(hex)) => {
                let mut unit = [0; 2];
                decode_hex(hex.as_bytes().get(..4)?, &mut unit).then_some(())?;
                units.push(u16::from_be_bytes(unit));
                rest = &hex[4..];
            }
            ('\\', None) => return None,
            (c, _) => units.push(c as u16), // lines are ASCII
        }
    }
    Some((String::from_utf16(&units).ok()?, after))
}

/// Appends a key to a path: bare if it can be, else quoted (format.md §7).
pub(crate) fn push_key(path: &mut String, key: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    if !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
        path.push_str(key);
        return;
    }
    path.push('"');
    for unit in key.encode_utf16() {
        match u8::try_from(unit) {
            Ok(byte @ 0x20..=0x7E) if byte != b'"' && byte != b'\\' => path.push(char::from(byte)),
            _ => *path += &format!("\\u{unit:04x}"),
        }
    }
    path.push('"');
}

/// The kind of an outline: which names and tags it shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Outline {
    /// No outline.
    #[default]
    None,
    /// Key names only. Every tag is hidden.
    Keys,
    /// A tag for each value. The tags of booleans, nulls and the given paths are hidden. The tag of a boolean or null
    /// could be guessed.
    Tags {
        /// The hidden paths, as the outline writes them. The tags of these paths and of all paths below are hidden.
        hide: Vec<String>,
    },
}

impl Outline {
    /// The names of the kinds in options and rules.
    pub const NAMES: [&str; 3] = ["keys", "tags", "none"];

    /// Returns the outline with this name: `keys`, `tags` (without hidden paths) or `none`.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "keys" => Some(Self::Keys),
            "tags" => Some(Self::Tags { hide: Vec::new() }),
            "none" => Some(Self::None),
            _ => None,
        }
    }

    /// Hides the tag of this path, too. An outline without tags stays as it is.
    ///
    /// # Errors
    /// [`Kind::Usage`] for a path that is not written as the outline writes paths (format.md §7): it would hide
    /// nothing.
    pub fn hide(&mut self, path: &str) -> Result<(), Error> {
        check_path(path)?;
        if let Self::Tags { hide } = self {
            hide.push(path.to_owned());
        }
        Ok(())
    }
}

/// Returns true if `path` is `hidden` or is below it.
pub(crate) fn covers(hidden: &str, path: &str) -> bool {
    path.strip_prefix(hidden).is_some_and(|below| below.is_empty() || below.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_one_spelling() {
        for (key, element) in [
            ("plain-Key_1", "plain-Key_1"),
            ("", "\"\""),
            ("a.b", "\"a.b\""),
            ("q\"uote\\", "\"q\\u0022uote\\u005c\""),
            ("naïve", "\"na\\u00efve\""),
            ("😀", "\"\\ud83d\\ude00\""),
            ("tab\t", "\"tab\\u0009\""),
        ] {
            let mut path = String::new();
            push_key(&mut path, key);
            assert_eq!(path, element);
            assert!(is_path(&path), "{path}");
            push_key(&mut path, key);
            assert!(is_path(&path), "{path}");
        }
        for bad in [
            "",
            ".",
            "a.",
            ".a",
            "a b",
            "\"bare\"",
            "\"\\u0041\"",
            "\"\\u00EF\"",
            "\"\\ud83d\"",
            "\"a",
            "a\"b\"",
            "\"\\n\"",
        ] {
            assert!(!is_path(bad), "{bad}");
        }
    }
}
