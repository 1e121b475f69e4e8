//! The dotenv format of other tools: quotes, `export`, comments, escapes.
//!
//! The format has no standard. A line that tools read differently is an error with its line number.
//!
//! Accepted lines: blank lines and lines that begin with `#`; `NAME=value` and `export NAME=value`, with blanks around
//! the `=`. A value is
//!
//! * without quotes: the rest of the line without the blanks around it, up to a `#` after a blank;
//! * in single quotes: all text up to the next single quote, which may be on a later line;
//! * in double quotes: the same, with the escapes `\n`, `\r`, `\t`, `\"` and `\\` (not at the end).
//!
//! A comment may follow a closing quote.

mod content;

use std::collections::HashMap;

use zeroize::Zeroizing;

use crate::base::{Complaint, Error, Origin, Problem};
use crate::pair::check_text;
use crate::syntax::dotenv::is_name;

/// A dotenv file of another tool. The values are wiped on drop.
#[derive(Debug)]
pub struct Dotenv {
    variables: Vec<DotenvVariable>,
}

/// One assignment. `Debug` does not show the value.
struct DotenvVariable {
    name: String,
    value: Zeroizing<String>,
    line: usize,
}

impl std::fmt::Debug for DotenvVariable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}=[REDACTED]", self.name)
    }
}

impl Dotenv {
    /// Parses the bytes of the file: UTF-8, with or without a byte order mark, and lines that end with LF or CR LF.
    ///
    /// # Errors
    /// [`Kind::DoesNotFit`](crate::Kind::DoesNotFit) with every line that is invalid, or that tools read differently;
    /// [`Kind::AlreadySealed`](crate::Kind::AlreadySealed) for a file of a sealed pair.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        super::refuse_sealed(bytes)?;
        let text = check_text(bytes, "the file")?;
        let text = with_line_feeds(text.strip_prefix('\u{feff}').unwrap_or(text));
        let mut reader =
            DotenvReader { text: &text, at: 0, line: 1, problems: Vec::new(), variables: Vec::new() };
        reader.read();
        let DotenvReader { mut problems, variables, .. } = reader;
        let mut lines = HashMap::new();
        for variable in &variables {
            if let Some(first) = lines.insert(variable.name.as_str(), variable.line) {
                let what = format!("line {first} already sets this name");
                problems.push(problem(&variable.name, variable.line, what));
            }
            if variable.value.contains('\0') {
                problems.push(problem(
                    &variable.name,
                    variable.line,
                    "the value contains a zero byte".into(),
                ));
            }
        }
        match problems.is_empty() {
            true => Ok(Self { variables }),
            false => Err(Error::does_not_fit("dotenv", problems)
                .advise("change these lines so that all tools read them alike, then import the file again")),
        }
    }

    /// Returns the names, in the order of the file.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.variables.iter().map(|variable| variable.name.as_str())
    }

    /// Returns the names of values that contain a `$`. Some tools expand a variable there; the import keeps the text.
    pub fn with_dollars(&self) -> impl Iterator<Item = &str> {
        self.variables.iter().filter(|variable| variable.value.contains('$')).map(|variable| &*variable.name)
    }
}

fn problem(name: &str, line: usize, what: String) -> Problem {
    let origin = Origin::Text { file: None, sealed: false, line, column: 1 };
    Problem::new(name, Some(origin), Complaint::Rule(what))
}

/// Returns the text with LF instead of CR LF, in a buffer that never grows.
fn with_line_feeds(text: &str) -> Zeroizing<String> {
    let mut out = Zeroizing::new(String::with_capacity(text.len()));
    for (at, part) in text.split("\r\n").enumerate() {
        out.push_str(if at == 0 { "" } else { "\n" });
        out.push_str(part);
    }
    out
}

struct DotenvReader<'t> {
    text: &'t str,
    at: usize,
    /// The number of the next line.
    line: usize,
    problems: Vec<Problem>,
    variables: Vec<DotenvVariable>,
}

const BLANKS: [char; 2] = [' ', '\t'];

impl<'t> DotenvReader<'t> {
    fn read(&mut self) {
        while self.at < self.text.len() {
            let (line, start) = (self.line, self.at);
            let whole = self.rest_of_line();
            let trimmed = whole.trim_matches(BLANKS);
            if trimmed.is_empty() || trimmed.starts_with('#') {
                continue;
            }
            let Some((name, before_value)) = name_of(whole) else {
                self.complain("", line, "expected NAME=value, with a name of letters, digits and `_`");
                continue;
            };
            let value = &whole[before_value..];
            let read = match value.chars().next() {
                Some(quote @ ('"' | '\'')) => {
                    self.at = start + before_value + 1;
                    self.quoted(quote)
                }
                _ => unquoted(value),
            };
            match read {
                Ok(value) => self.variables.push(DotenvVariable { name: name.to_owned(), value, line }),
                Err(what) => self.complain(name, line, what),
            }
        }
    }

    fn complain(&mut self, name: &str, line: usize, what: &str) {
        self.problems.push(problem(name, line, what.to_owned()));
    }

    /// Reads the rest of the line, without its line end.
    fn rest_of_line(&mut self) -> &'t str {
        let rest = &self.text[self.at..];
        let line = rest.split('\n').next().unwrap_or(rest);
        self.at += line.len() + 1;
        self.line += 1;
        line
    }

    /// Reads a value after its opening quote, and the rest of the line that closes it.
    fn quoted(&mut self, quote: char) -> Result<Zeroizing<String>, &'static str> {
        let rest = &self.text[self.at..];
        let end = match quote {
            '\'' => rest.find('\''),
            _ => end_of_double(rest),
        };
        let Some(end) = end else {
            self.at = self.text.len();
            return Err("the quote is not closed");
        };
        self.at += end + 1;
        // `read` has counted the first line of the value, and `rest_of_line` counts the last one.
        self.line += rest[..end].matches('\n').count();
        self.line -= 1;
        let behind = self.rest_of_line().trim_start_matches(BLANKS);
        if !behind.is_empty() && !behind.starts_with('#') {
            return Err("unexpected text after the closing quote");
        }
        let raw = &rest[..end];
        refuse_lone_cr(raw)?;
        if quote == '\'' {
            // Tools disagree whether a quote after a backslash closes the value.
            return match raw.ends_with('\\') || raw.contains("\\\\") {
                true => Err(
                    "tools read a backslash before `'` or another backslash differently; use double quotes",
                ),
                false => Ok(copy(raw)),
            };
        }
        unescaped(raw)
    }
}

/// Returns the name at the beginning of a line, and the offset of its value.
fn name_of(line: &str) -> Option<(&str, usize)> {
    let (before, after) = line.split_once('=')?;
    let name = before.trim_start_matches(BLANKS);
    let exported = name.strip_prefix("export").filter(|rest| rest.starts_with(BLANKS));
    let name = exported.unwrap_or(name).trim_matches(BLANKS);
    let blanks = after.len() - after.trim_start_matches(BLANKS).len();
    is_name(name).then_some((name, before.len() + 1 + blanks))
}

fn unquoted(text: &str) -> Result<Zeroizing<String>, &'static str> {
    let comment = text.match_indices('#').map(|(at, _)| at).find(|at| text[..*at].ends_with(BLANKS));
    let value = text[..comment.unwrap_or(text.len())].trim_end_matches(BLANKS);
    refuse_lone_cr(value)?;
    match value {
        value if value.starts_with('`') => Err("some tools read a backtick as a quote; use another quote"),
        value if value.contains('#') => {
            Err("some tools begin a comment at every `#`; put the value in quotes")
        }
        value if value.contains("${") || value.contains("$(") => Err(EXPANSION),
        value if value.trim() != value => {
            Err("the value begins or ends with a blank that is not a space; put it in quotes")
        }
        value => Ok(copy(value)),
    }
}

const EXPANSION: &str = "some tools expand `${…}` and `$(…)`; write the expanded text, or put the value in single quotes to keep it";

fn refuse_lone_cr(text: &str) -> Result<(), &'static str> {
    if text.contains('\r') {
        Err("a carriage return without a line feed; write it as \\r in double quotes")
    } else {
        Ok(())
    }
}

/// Returns the position of the first `"` that no backslash escapes.
fn end_of_double(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })
}

fn unescaped(raw: &str) -> Result<Zeroizing<String>, &'static str> {
    if raw.contains("${") || raw.contains("$(") {
        return Err(EXPANSION);
    }
    // The value ends with an escaped backslash: some tools read its second half and the quote as an escaped quote.
    if raw.ends_with('\\') {
        return Err("tools read a backslash before the closing quote differently");
    }
    // The buffer never grows: no escape is shorter than its character.
    let mut out = Zeroizing::new(String::with_capacity(raw.len()));
    let mut characters = raw.chars();
    while let Some(c) = characters.next() {
        out.push(match c {
            '\\' => match characters.next() {
                Some('n') => '\n',
                Some('r') => '\r',
                Some('t') => '\t',
                Some(plain @ ('"' | '\\')) => plain,
                _ => {
                    return Err("tools read this escape differently; use only \\n, \\r, \\t, \\\" and \\\\");
                }
            },
            c => c,
        });
    }
    Ok(out)
}

fn copy(text: &str) -> Zeroizing<String> {
    let mut out = Zeroizing::new(String::with_capacity(text.len()));
    out.push_str(text);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    fn read(text: &str) -> Vec<(String, String)> {
        let read = Dotenv::parse(text.as_bytes()).unwrap();
        read.variables.iter().map(|variable| (variable.name.clone(), variable.value.to_string())).collect()
    }

    #[test]
    fn lines_that_all_tools_read_alike_are_read() {
        let text = "\u{feff}# note\r\n\r\n  export A = b c  # comment\r\nB=\nC='x # \\n ${y}\nz' # note\nD=\"a\\n\\t\\\"\\\\\r\nb\"#\nE=pa$$w'or\"d\\n\nF=";
        let expected = [
            ("A", "b c"),
            ("B", ""),
            ("C", "x # \\n ${y}\nz"),
            ("D", "a\n\t\"\\\nb"),
            ("E", "pa$$w'or\"d\\n"),
            ("F", ""),
        ];
        assert_eq!(read(text), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let dollars = Dotenv::parse(text.as_bytes()).unwrap();
        assert_eq!(dollars.with_dollars().collect::<Vec<_>>(), ["C", "E"]);
    }

    #[test]
    fn an_ambiguous_line_is_rejected_with_its_number_and_no_value() {
        let lines = [
            "canary",
            "canary: x",
            "A-B=canary",
            "1A=canary",
            "A=canary#x",
            "A=#canary",
            "A=`canary`",
            "A=${canary}",
            "A=\"$(canary)\"",
            "A=\"canary\\q\"",
            "A=\"canary\\\\\"",
            "A='canary\\\\'",
            "A='canary' x",
            "A=canary\u{a0}",
            "A=a\rcanary",
            "export =canary",
            "A=\"canary\\u0000\"",
        ];
        for line in lines {
            let error = Dotenv::parse(format!("# x\n{line}\nZ=1\n").as_bytes()).unwrap_err();
            assert_eq!((error.kind(), error.problems().len()), (Kind::DoesNotFit, 1), "{line}");
            let told = error.to_string();
            assert!(told.contains(", at line 2, column 1"), "{line}: {told}");
            assert!(!told.contains("canary"), "{told}");
        }
        let error = Dotenv::parse(b"A=1\nA-=2\nA='canary\nmore\0'\nB=\"canary\nC=1").unwrap_err();
        let told: Vec<_> = error.problems().iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "expected NAME=value, with a name of letters, digits and `_`, at line 2, column 1",
                "B: the quote is not closed, at line 5, column 1",
                "A: line 1 already sets this name, at line 3, column 1",
                "A: the value contains a zero byte, at line 3, column 1",
            ]
        );
        assert_eq!(Dotenv::parse(b"\xff").unwrap_err().exit_code(), 20);
        assert_eq!(Dotenv::parse(b"envconf/v1 enc\n").unwrap_err().kind(), Kind::AlreadySealed);
    }
}
