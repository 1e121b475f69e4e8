//! Checks of content before it is sealed: it must be valid for its type (format.md §3).

use std::collections::HashSet;

use crate::base::{Complaint, Error, Kind, Origin, Problem, Remedy};
use crate::format::{ContentType, conflict_markers};
use crate::layers::{self, Layer, LayerKind};
use crate::syntax::dotenv::{AmbiguousLine, ambiguous_lines};

/// Largest number of lines that an error lists one by one.
const MOST_LINES: usize = 200;

/// Rejects content that is invalid for its type: not UTF-8, with a byte order mark, or with text that a load cannot
/// parse.
///
/// Raw content is never parsed. YAML content is parsed with the feature `yaml`. Without this feature it is only
/// checked to be text, and a load rejects it.
///
/// Dotenv lines that other tools read differently are accepted; see [`check_dotenv`].
///
/// # Errors
/// [`Kind::DoesNotFit`] with line and column; [`Kind::TooLarge`] above 64 MiB, with exit code 20.
pub fn check_content(content: &[u8], content_type: ContentType) -> Result<(), Error> {
    if content.len() > crate::format::MAX_CONTENT {
        return Err(Error::content_too_large());
    }
    let broken = |problem: Problem| Error::does_not_fit("the content", vec![problem]);
    if content_type == ContentType::Raw {
        return Ok(());
    }
    refuse_utf16(content, "the content")?;
    let text =
        std::str::from_utf8(content).map_err(|error| broken(not_utf8(content, error.valid_up_to())))?;
    if text.starts_with('\u{feff}') {
        return Err(Error::new(Kind::DoesNotFit, "the content begins with a byte order mark")
            .advise("save it without one"));
    }
    if content_type == ContentType::Yaml && cfg!(not(feature = "yaml")) {
        return Ok(());
    }
    let layer = Layer { file: None, kind: LayerKind::ToSeal, content_type, text };
    layers::check(&layer).map_err(broken)
}

/// Like [`check_content`], and also rejects dotenv values that begin with a quote. `seal --as-is` keeps such values,
/// but no load accepts them.
///
/// # Errors
/// The errors of [`check_content`].
pub(crate) fn check_loadable(content: &[u8], content_type: ContentType) -> Result<(), Error> {
    check_content(content, content_type)?;
    let (ContentType::Dotenv, Ok(text)) = (content_type, std::str::from_utf8(content)) else {
        return Ok(());
    };
    let layer = Layer { file: None, kind: LayerKind::ToSeal, content_type, text };
    let problems = layers::quoted_dotenv_values(&layer);
    if problems.is_empty() { Ok(()) } else { Err(Error::does_not_fit("the content", problems)) }
}

/// Rejects dotenv content with lines that other dotenv readers (python-dotenv, Node's dotenv, Docker Compose) read
/// differently: quotes, comments after a value, `export`, `$`, backslashes, blanks around a value, CR LF. In envconf a
/// value is the raw rest of its line (format.md §7), so quotes and comments would become part of it.
///
/// Accepts the lines of `known`, which is content that was sealed before, or empty.
///
/// # Errors
/// [`Kind::DoesNotFit`] with each such line and the name in it, without values.
pub fn check_dotenv(content: &[u8], known: &[u8]) -> Result<(), Error> {
    let text = check_text(content, "the content")?;
    if conflict_markers::first_whole(content).is_some() {
        // A conflict marker is not a dotenv line: `check_content` reports it.
        return Ok(());
    }
    let known: HashSet<&[u8]> = known.split(|byte| *byte == b'\n').collect();
    let lines = ambiguous_lines(text).into_iter().filter(|line| !known.contains(line.text.as_bytes()));
    let problem = |line: AmbiguousLine<'_>| {
        let origin = Origin::Text { file: None, sealed: false, line: line.number, column: line.column };
        Problem::new(line.name, Some(origin), Complaint::Rule(line.why.to_owned()))
    };
    let mut problems: Vec<Problem> = lines.map(problem).collect();
    if problems.len() > MOST_LINES {
        let more = problems.len() - MOST_LINES;
        problems.truncate(MOST_LINES);
        problems.push(Problem::new("", None, Complaint::Rule(format!("and {more} more"))));
    }
    if problems.is_empty() {
        return Ok(());
    }
    Err(Error::does_not_fit("the content", problems).advise_to_set(
        Remedy::AsIs,
        "run `envconf import` to read the file like other tools, or call Seal::as_is to keep every line unchanged",
    ))
}

/// Returns bytes as text. `what` names them in the error.
///
/// # Errors
/// [`Kind::DoesNotFit`] for bytes that are not UTF-8, with advice if they are UTF-16.
pub fn check_text<'a>(bytes: &'a [u8], what: &str) -> Result<&'a str, Error> {
    refuse_utf16(bytes, what)?;
    std::str::from_utf8(bytes)
        .map_err(|error| Error::does_not_fit(what, vec![not_utf8(bytes, error.valid_up_to())]))
}

/// Rejects bytes that look like UTF-16.
///
/// # Errors
/// [`Kind::DoesNotFit`] for bytes that begin with a byte order mark of UTF-16, or whose first characters are ASCII in
/// UTF-16.
fn refuse_utf16(bytes: &[u8], what: &str) -> Result<(), Error> {
    let has_mark = bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff");
    let is_ascii = matches!(bytes, [a, 0, b, 0, ..] | [0, a, 0, b, ..] if *a != 0 && *b != 0);
    if !has_mark && !is_ascii {
        return Ok(());
    }
    Err(Error::new(Kind::DoesNotFit, format!("{what} is UTF-16: expected UTF-8"))
        .advise("save it as UTF-8, or convert it with `iconv -f UTF-16 -t UTF-8`"))
}

pub(crate) fn not_utf8(content: &[u8], at: usize) -> Problem {
    let before = &content[..at];
    let line_start = before.iter().rposition(|b| *b == b'\n').map_or(0, |newline| newline + 1);
    let line = before.iter().filter(|b| **b == b'\n').count() + 1;
    let column = String::from_utf8_lossy(&before[line_start..]).chars().count() + 1;
    let origin = Origin::Text { file: None, sealed: false, line, column };
    Problem::new("", Some(origin), Complaint::Syntax { expected: "UTF-8" })
}
