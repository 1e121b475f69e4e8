//! The path of a value: keys joined by `.`, with quotes unless they are bare (format.md §7), and `[n]` for list items.

use std::fmt;
use std::str::FromStr;

use crate::base::{Error, Kind, escape};
use crate::format::outline::push_key;
use crate::syntax::json::unescape;

/// Maximum number of steps. Content with an outline is not nested more deeply.
const MAX_STEPS: usize = 64;

/// A path such as `database.password`, `hosts[0].name` or `"a.b".c`.
///
/// A bare key consists of ASCII letters, digits, `-` and `_`. Any other key is in double quotes, with the escapes of
/// JSON. `[0]` is the first item of a list. `Display` writes the path as an outline does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPath(Vec<PathStep>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PathStep {
    Key(String),
    Index(usize),
}

impl KeyPath {
    /// Returns the steps from the root. The first step is a key.
    pub(super) fn steps(&self) -> &[PathStep] {
        &self.0
    }

    /// Returns the path of the first `len` steps.
    pub(super) fn prefix(&self, len: usize) -> Self {
        Self(self.0[..len.min(self.0.len())].to_vec())
    }

    /// Returns the keys, if the path has no list items.
    pub(super) fn keys(&self) -> Option<Vec<&str>> {
        self.0.iter().map(PathStep::key).collect()
    }
}

impl PathStep {
    /// Returns the key, if the step is one.
    pub(super) fn key(&self) -> Option<&str> {
        match self {
            Self::Key(key) => Some(key),
            Self::Index(_) => None,
        }
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut path = String::new();
        for step in &self.0 {
            match step {
                PathStep::Key(key) => push_key(&mut path, key),
                PathStep::Index(index) => path += &format!("[{index}]"),
            }
        }
        // A user may paste a local key by mistake: `escape` hides it.
        write!(f, "{}", escape(&path))
    }
}

impl FromStr for KeyPath {
    type Err = Error;

    /// Parses a path.
    ///
    /// # Errors
    /// [`Kind::Usage`] for an invalid path. The error does not repeat the text, which may be a value in the wrong
    /// argument.
    fn from_str(text: &str) -> Result<Self, Error> {
        parse(text).ok_or_else(|| {
            Error::new(Kind::Usage, "PATH is not the path of a value")
                .advise("join keys by dots, such as database.password; quote keys with other characters than A-Za-z0-9_-; write a list item as hosts[0]")
        })
    }
}

fn parse(text: &str) -> Option<KeyPath> {
    let (first, mut text) = key(text)?;
    let mut steps = vec![PathStep::Key(first)];
    while !text.is_empty() {
        let (step, after) = match text.strip_prefix('.') {
            Some(text) => key(text).map(|(key, after)| (PathStep::Key(key), after))?,
            None => index(text)?,
        };
        steps.push(step);
        text = after;
    }
    (steps.len() <= MAX_STEPS).then_some(KeyPath(steps))
}

/// Returns the key at the beginning of `text`, and the rest.
fn key(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let is_bare = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        let end = text.bytes().position(|b| !is_bare(b)).unwrap_or(text.len());
        return (end > 0).then(|| (text[..end].to_owned(), &text[end..]));
    };
    let mut escaped = false;
    let end = quoted.find(|c| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    })?;
    Some((unescape(&quoted[..end])?.to_string(), &quoted[end + 1..]))
}

fn index(text: &str) -> Option<(PathStep, &str)> {
    let (digits, after) = text.strip_prefix('[')?.split_once(']')?;
    let plain = digits.bytes().all(|b| b.is_ascii_digit());
    Some((PathStep::Index(plain.then(|| digits.parse().ok())??), after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_printed_as_it_is_read() {
        for (text, printed) in [
            ("a", "a"),
            ("a.b-1._c", "a.b-1._c"),
            ("a[0][12].b", "a[0][12].b"),
            (r#""a.b".c"#, r#""a.b".c"#),
            (r#""q\"\\".x"#, r#""q\u0022\u005c".x"#),
            ("\"na\u{ef}ve\u{1f600}\"", r#""na\u00efve\ud83d\ude00""#),
            (r#""""#, r#""""#),
        ] {
            let path: KeyPath = text.parse().unwrap();
            assert_eq!(path.to_string(), printed);
            assert_eq!(printed.parse::<KeyPath>().unwrap(), path);
        }
    }

    #[test]
    fn the_error_does_not_repeat_an_invalid_path() {
        let deep = "a.".repeat(MAX_STEPS) + "a";
        for bad in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "a b",
            "password=canary",
            "\"a",
            "a[",
            "a[x]",
            "a[-1]",
            "[0]",
            &deep,
        ] {
            let error = bad.parse::<KeyPath>().unwrap_err();
            assert_eq!(error.exit_code(), 2, "{bad}");
            assert!(!error.to_string().contains("canary"));
        }
    }
}
