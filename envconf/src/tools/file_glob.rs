//! Globs of the policy file, matched in polynomial time.
//!
//! A policy file comes with a repository, which may be hostile. A matcher with backtracking takes exponential time for
//! a glob such as `*a*a*a*a*b`.

use std::ops::Range;
use std::path::{Path, is_separator};

/// A glob for paths relative to the policy file: `?` and `*` match within a component, `**` any number of components,
/// `[…]` one character.
#[derive(Clone, Debug)]
pub(super) struct FileGlob {
    text: String,
    /// Length in bytes of the beginning of the glob with which every matching path begins.
    prefix: usize,
    /// Length in bytes of the end of the glob with which every matching path ends.
    suffix: usize,
    /// The longest part of the glob that every matching path contains.
    literal: Range<usize>,
}

#[derive(Clone, Debug)]
enum Component {
    /// Any number of components: `**`.
    Any,
    One(Vec<Piece>),
}

/// A part of one component.
#[derive(Clone, Debug)]
enum Piece {
    Character(char),
    /// Any character: `?`.
    AnyCharacter,
    /// One character of a class: `[a-z]`, or negated `[!a-z]`.
    Class {
        is_negated: bool,
        ranges: Vec<(char, char)>,
    },
    /// Any number of characters: `*`.
    Any,
}

impl FileGlob {
    /// Parses a glob of the syntax of the crate `glob`.
    ///
    /// # Errors
    /// The reason why it is invalid.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        glob::Pattern::new(text).map_err(|error| error.msg)?;
        let is_special = |c| matches!(c, '*' | '?' | '[');
        // Some systems have more than one separator.
        let is_literal = |c: char| !is_special(c) && (c == '/' || !is_separator(c));
        let bytes =
            |characters: &mut dyn Iterator<Item = char>| characters.map(char::len_utf8).sum::<usize>();
        let prefix = bytes(&mut text.chars().take_while(|c| is_literal(*c)));
        // A `]` may end a class, whose characters are not literals.
        let suffix = bytes(&mut text.chars().rev().take_while(|c| is_literal(*c) && *c != ']'));
        // A path that matches `**/` need not have a separator there.
        let (before, rest) = text.split_at(text.len() - suffix);
        let suffix = suffix - usize::from(before.ends_with("**") && rest.starts_with('/'));
        Ok(Self { text: text.to_owned(), prefix, suffix, literal: longest_literal(text) })
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns true if a path matches. A path that is not UTF-8 never matches.
    pub(super) fn matches(&self, path: &Path) -> bool {
        let Some(path) = path.to_str() else { return false };
        let has_other_separator = cfg!(windows) && path.contains('\\');
        let (prefix, suffix) = (&self.text[..self.prefix], &self.text[self.text.len() - self.suffix..]);
        let may_match = path.starts_with(prefix)
            && path.ends_with(suffix)
            && (self.prefix == self.literal.len() || path.contains(&self.text[self.literal.clone()]));
        if !has_other_separator && !may_match {
            return false;
        }
        // Few paths get here, so the glob is parsed each time: a parsed glob is many times larger than its text.
        let parts: Vec<&str> = path.split(is_separator).collect();
        fits(
            &components(&self.text),
            &parts,
            |component| matches!(component, Component::Any),
            |component, part| match component {
                Component::Any => false,
                Component::One(pieces) => {
                    let characters: Vec<char> = part.chars().collect();
                    fits(pieces, &characters, |piece| matches!(piece, Piece::Any), Piece::is)
                }
            },
        )
    }
}

impl Piece {
    fn is(&self, c: &char) -> bool {
        match self {
            Self::Character(own) => own == c,
            Self::AnyCharacter => true,
            Self::Class { is_negated, ranges } => {
                ranges.iter().any(|(from, to)| (from..=to).contains(&c)) != *is_negated
            }
            Self::Any => false,
        }
    }
}

/// Returns the range of the longest part without special characters and separators before the first class.
fn longest_literal(text: &str) -> Range<usize> {
    let end = text.find('[').unwrap_or(text.len());
    let mut longest = 0..0;
    let mut start = 0;
    for (at, c) in text[..end].char_indices().chain([(end, '/')]) {
        if matches!(c, '*' | '?') || is_separator(c) || c == '/' {
            if at - start > longest.len() {
                longest = start..at;
            }
            start = at + c.len_utf8();
        }
    }
    longest
}

/// Returns true if `items` match `pattern`. Some elements of a pattern match any number of items, the others one item.
///
/// After a mismatch, only the last element of the first kind is tried with one more item. Earlier ones need no retry.
fn fits<P, T>(
    pattern: &[P],
    items: &[T],
    takes_any: impl Fn(&P) -> bool,
    is: impl Fn(&P, &T) -> bool,
) -> bool {
    let (mut at, mut item) = (0, 0);
    let mut last: Option<(usize, usize)> = None;
    while item < items.len() {
        match pattern.get(at) {
            Some(element) if takes_any(element) => {
                last = Some((at + 1, item));
                at += 1;
            }
            Some(element) if is(element, &items[item]) => {
                at += 1;
                item += 1;
            }
            _ => {
                let Some((after, taken)) = last else { return false };
                last = Some((after, taken + 1));
                (at, item) = (after, taken + 1);
            }
        }
    }
    pattern[at..].iter().all(takes_any)
}

/// Reads a valid glob.
fn components(text: &str) -> Vec<Component> {
    let mut components = Vec::new();
    let mut pieces = Vec::new();
    let mut rest = text;
    loop {
        if let Some(after) = rest.strip_prefix("**") {
            components.push(Component::Any);
            rest = after.strip_prefix(is_separator).unwrap_or(after);
            if rest.is_empty() {
                // `**` at the end matches one or more components.
                components.push(Component::One(vec![Piece::Any]));
                return components;
            }
            continue;
        }
        let Some(c) = rest.chars().next() else { break };
        rest = &rest[c.len_utf8()..];
        match c {
            '*' => pieces.push(Piece::Any),
            '?' => pieces.push(Piece::AnyCharacter),
            '[' => {
                let (class, after) = class(rest);
                pieces.push(class);
                rest = after;
            }
            c if is_separator(c) => components.push(Component::One(std::mem::take(&mut pieces))),
            c => pieces.push(Piece::Character(c)),
        }
    }
    components.push(Component::One(pieces));
    components
}

/// Reads a class after its `[`. Returns the class and the text after its `]`. A `]` at the begin is a character of it.
fn class(text: &str) -> (Piece, &str) {
    let (is_negated, text) = match text.strip_prefix('!') {
        Some(text) => (true, text),
        None => (false, text),
    };
    let first = text.chars().next().map_or(0, char::len_utf8);
    let end = text[first..].find(']').map_or(text.len(), |end| first + end);
    let characters: Vec<char> = text[..end].chars().collect();
    let mut ranges = Vec::new();
    let mut rest = &characters[..];
    while let Some((from, after)) = rest.split_first() {
        match after {
            ['-', to, after @ ..] => {
                ranges.push((*from, *to));
                rest = after;
            }
            _ => {
                ranges.push((*from, *from));
                rest = after;
            }
        }
    }
    (Piece::Class { is_negated, ranges }, text.get(end + 1..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn by_crate(glob: &str, path: &str) -> Option<bool> {
        let options = glob::MatchOptions {
            case_sensitive: true,
            require_literal_separator: true,
            require_literal_leading_dot: false,
        };
        Some(glob::Pattern::new(glob).ok()?.matches_with(path, options))
    }

    #[track_caller]
    fn agree(glob: &str, path: &str) {
        let ours = FileGlob::parse(glob).ok().map(|glob| glob.matches(Path::new(path)));
        assert_eq!(ours, by_crate(glob, path), "{glob:?} {path:?}");
    }

    #[test]
    fn globs_match_like_those_of_the_crate() {
        let globs = [
            "**",
            "*",
            "a",
            "a/**",
            "**/a",
            "a/**/b",
            "**/**",
            "**/*.toml",
            "a/**/",
            "*/",
            "**/*",
            "a*b?c",
            "[ab]",
            "[!ab]",
            "[]]",
            "[!]]",
            "[a-c]x",
            "[-a]",
            "[a/]b",
            "a/*/b",
            "é*",
            "config/*.prod.*",
            "a]",
            "**/a]",
        ];
        let paths = [
            "a",
            "b",
            "a/b",
            "a/x/b",
            "a/x/y/b",
            "x/a",
            "x.toml",
            "d/x.toml",
            "a/",
            "abxc",
            "axbyc",
            "]",
            "-",
            "bx",
            "cx",
            "dx",
            "ab",
            "/b",
            "éa",
            "config/app.prod.toml",
            "config/x/app.prod.toml",
            ".a",
            "a]",
            "x/a]",
        ];
        for glob in globs {
            paths.iter().for_each(|path| agree(glob, path));
        }
        assert!(FileGlob::parse("a[").is_err() && FileGlob::parse("a**").is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn any_glob_matches_like_in_the_crate(
            glob in "(\\*\\*/|[ab]|\\*|\\?|/|\\[ab\\]|\\[!a\\]|é|\\]|-){0,8}(\\*\\*)?",
            path in "[abé\\]-]{1,4}(/[ab]{1,3}){0,3}",
        ) {
            agree(&glob, &path);
        }
    }

    /// The matcher of the crate `glob` would need years for these globs.
    #[test]
    fn no_glob_takes_long() {
        let path = format!("{}/x", "a".repeat(2_000));
        let glob = |text: &str| FileGlob::parse(text).unwrap().matches(Path::new(&path));
        assert!(!glob(&format!("{}b/x", "*a".repeat(500))));
        assert!(glob(&format!("{}*/x", "*a".repeat(500))));
        assert!(!glob(&format!("{}/x", "?*".repeat(2_001))));
        let path = format!("{}y", "a/".repeat(1_000));
        let glob = |text: &str| FileGlob::parse(text).unwrap().matches(Path::new(&path));
        assert!(!glob(&format!("{}b", "**/a/".repeat(500))));
        assert!(glob(&format!("{}y", "**/a/".repeat(500))));
    }
}
