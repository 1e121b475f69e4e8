//! The line grammar that both files share (format.md §1, "Line files").
//!
//! The specification checks the encoding of all bytes before the first line. [`checked`] does this only after another
//! error, so that it does not read a body of 64 MiB twice. An accepted file needs no such check, because the grammar of
//! every line allows only printable ASCII.

use super::{conflict_markers, tencent_guide};
use crate::base::{Error, Kind};

/// Longest line, its LF included.
const MAX_LINE: usize = 8192;
const MAGIC: &[u8] = b"envconf/";

/// The two kinds of files.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum FileKind {
    Enc,
    Key,
}

impl FileKind {
    pub(super) fn first_line(self) -> &'static str {
        match self {
            Self::Enc => "envconf/v1 enc",
            Self::Key => "envconf/v1 key",
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Enc => Self::Key,
            Self::Key => Self::Enc,
        }
    }
}

/// Runs `parse` on the lines of `bytes`, with the checks of format.md §1 in their order.
pub(super) fn checked<'a, T>(
    bytes: &'a [u8],
    limit: usize,
    kind: FileKind,
    parse: impl FnOnce(LineReader<'a>) -> Result<T, Error>,
) -> Result<T, Error> {
    if bytes.len() > limit {
        return Err(Error::new(Kind::TooLarge, format!("larger than {limit} bytes")));
    }
    if !bytes.starts_with(MAGIC) {
        return Err(not_envconf(bytes, kind));
    }
    LineReader::new(bytes).first(kind).and_then(parse).map_err(|error| {
        let error = match bytes.iter().position(|b| !is_allowed(*b)) {
            None => error,
            Some(at) => bad_encoding(bytes, at),
        };
        name_conflict(error, bytes)
    })
}

/// Replaces the error by an error of the same kind about a conflict marker, if the file contains one.
fn name_conflict(error: Error, bytes: &[u8]) -> Error {
    match conflict_markers::first(bytes) {
        None => error,
        Some(line) => Error::new(error.kind(), format!("line {line}: a conflict marker of git"))
            .advise(conflict_markers::ADVICE),
    }
}

fn is_allowed(byte: u8) -> bool {
    byte == b'\n' || (0x20..=0x7E).contains(&byte)
}

fn not_envconf(bytes: &[u8], kind: FileKind) -> Error {
    if conflict_markers::first(bytes) == Some(1) {
        return name_conflict(Error::new(Kind::NotEnvconf, ""), bytes);
    }
    let error = Error::new(Kind::NotEnvconf, "not a sealed file: it does not begin with `envconf/`");
    match bytes {
        [] => error.advise("the file is empty; restore it from git, or delete both files of the pair and seal the configuration again"),
        _ if tencent_guide::blob(bytes).is_some() => error.advise(match kind {
            FileKind::Key => "it has the form of a key file of Tencent's envelope guide: import both files with `envconf import --key FILE --data FILE`",
            FileKind::Enc => "it has the form of a file of Tencent's guide for small files: import it with `envconf import --data FILE`",
        }),
        _ if tencent_guide::is_guide_data(bytes) => error.advise(
            "it has the form of a file of Tencent's envelope guide: import it with `envconf import --key FILE --data FILE`",
        ),
        [0xEF, 0xBB, 0xBF, ..] | [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => {
            error.advise("it begins with a byte order mark, which an editor has added; restore it from git")
        }
        _ => error.advise(
            "seal the plain configuration with `envconf seal FILE`; envconf does not read files of other tools",
        ),
    }
}

fn bad_encoding(bytes: &[u8], at: usize) -> Error {
    let line = 1 + bytes[..at].iter().filter(|b| **b == b'\n').count();
    let error = Error::new(Kind::BadEncoding, format!("line {line}: a byte outside printable ASCII"));
    if bytes[at] == b'\r' {
        return error.advise("the line ends were changed to CRLF: add the lines `*.enc -text` and `*.key -text` to .gitattributes, then delete the file and restore it with `git checkout`; without these lines, git changes it again");
    }
    error.advise("restore it with `git checkout`, or seal the plain file again")
}

/// A cursor over lines that end with one LF.
#[derive(Clone)]
pub(super) struct LineReader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Number of the line that was read last, from 1.
    number: usize,
}

impl<'a> LineReader<'a> {
    /// Returns a cursor at the beginning of `bytes`.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, number: 0 }
    }

    /// Reads the first line, which names the kind of file and the version of the format.
    pub(super) fn first(mut self, kind: FileKind) -> Result<Self, Error> {
        let line = self.next()?;
        if line == kind.first_line().as_bytes() {
            return Ok(self);
        }
        if line == kind.other().first_line().as_bytes() {
            return Err(Error::new(
                Kind::WrongKind,
                format!("line 1: expected `{}`, this is the other file of a pair", kind.first_line()),
            )
            .advise("check that the .enc and the .key were not swapped"));
        }
        Err(Error::new(Kind::UnsupportedVersion, format!("line 1: expected `{}`", kind.first_line()))
            .advise("if a newer envconf wrote this file, update this one"))
    }

    /// Returns the next line without its LF.
    pub(super) fn next(&mut self) -> Result<&'a [u8], Error> {
        let rest = &self.bytes[self.at..];
        let window = &rest[..rest.len().min(MAX_LINE)];
        let Some(len) = window.iter().position(|b| *b == b'\n') else {
            let number = self.number + 1;
            if window.len() == MAX_LINE {
                return Err(Error::new(
                    Kind::TooLarge,
                    format!("line {number}: longer than {MAX_LINE} bytes"),
                ));
            }
            return Err(Error::new(Kind::Truncated, format!("line {number}: the file ends too early"))
                .advise("the file was cut; restore it from git"));
        };
        self.skip(len + 1);
        Ok(&rest[..len])
    }

    /// Returns the value of the next line, which must be `field: value`.
    pub(super) fn field(&mut self, field: &str) -> Result<&'a [u8], Error> {
        let line = self.next()?;
        value_of(line, field).ok_or_else(|| self.unexpected(&format!("expected `{field}: …`")))
    }

    /// Returns the value of the next line if that is `field: value`; otherwise the line stays unread.
    pub(super) fn optional(&mut self, field: &str) -> Result<Option<&'a [u8]>, Error> {
        let mut ahead = self.clone();
        let value = value_of(ahead.next()?, field);
        if value.is_some() {
            *self = ahead;
        }
        Ok(value)
    }

    /// Requires the next line to be `line`.
    pub(super) fn exactly(&mut self, line: &str) -> Result<(), Error> {
        let found = self.next()?;
        if found == line.as_bytes() { Ok(()) } else { Err(self.unexpected(&format!("expected `{line}`"))) }
    }

    /// Requires the end of the file.
    pub(super) fn finish(&self) -> Result<(), Error> {
        if self.at == self.bytes.len() {
            return Ok(());
        }
        Err(Error::new(
            Kind::TrailingData,
            format!("line {}: data after the end of the file", self.number + 1),
        )
        .advise("restore it with `git checkout`, or seal the plain file again"))
    }

    /// Returns the number of bytes that were read.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// Returns the bytes that were read.
    pub(super) fn consumed(&self) -> &'a [u8] {
        &self.bytes[..self.at]
    }

    /// Returns the bytes not yet read.
    pub(super) fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// Skips one line of `len` bytes, its LF included, that the caller has checked.
    pub(super) fn skip(&mut self, len: usize) {
        self.at += len;
        self.number += 1;
    }

    /// Returns the error for a line that is not allowed at its place.
    pub(super) fn unexpected(&self, expected: &str) -> Error {
        self.fault(Kind::BadHeader, expected)
            .advise("restore it with `git checkout`, or seal the plain file again")
    }

    /// Returns the error for a value of the last line that is outside its grammar.
    pub(super) fn bad_value(&self, expected: &str) -> Error {
        self.fault(Kind::BadValue, &format!("expected {expected}"))
    }

    /// Returns an error at the line that was read last.
    pub(super) fn fault(&self, kind: Kind, what: &str) -> Error {
        Error::new(kind, format!("line {}: {what}", self.number))
    }
}

fn value_of<'a>(line: &'a [u8], field: &str) -> Option<&'a [u8]> {
    line.strip_prefix(field.as_bytes())?.strip_prefix(b": ")
}
