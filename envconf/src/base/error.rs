//! The error of this library, its kinds, and its text.
//!
//! An [`Error`] consists of the fact (what failed, on what), the details (every problem of a configuration, every key
//! that was tried), and the hints. No part of it can store a value, a key, or a text from a parser or a key service.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::age_recipient;
use super::exit_code::exit_code;
use super::key_ref::KeyRef;
use super::regular_file::NotRegular;
use super::remedy::Remedy;
use super::written_type;
use crate::base::key_ref;

/// The kind of an error: the closed list of format.md §8, and failures around the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A file cannot be read or written.
    Io,
    /// A file, line, header or body is above its limit.
    TooLarge,
    /// The file does not begin like a sealed file.
    NotEnvconf,
    /// A byte that a sealed file cannot contain: CR, tab, or a byte outside printable ASCII.
    BadEncoding,
    /// The file ends too early.
    Truncated,
    /// A `.key` file where an `.enc` file was expected, or the reverse.
    WrongKind,
    /// A version that this library does not read.
    UnsupportedVersion,
    /// A line that is unknown, missing, repeated or in the wrong place.
    BadHeader,
    /// A field whose value is outside its grammar.
    BadValue,
    /// A cipher suite that this library does not know.
    UnsupportedSuite,
    /// The encrypted body is malformed.
    BadBody,
    /// The file has data after its end.
    TrailingData,
    /// The file belongs to another name or environment than expected.
    IdentityMismatch,
    /// The file's generation is below the required one, or cannot be raised.
    Rollback,
    /// A signature by a trusted signer does not verify.
    BadSignature,
    /// A signature by a trusted signer is required, but missing.
    SignatureRequired,
    /// The data key that the `.enc` names is not in the `.key`.
    DekNotFound,
    /// None of the file's recipients is a trusted key.
    NoTrustedRecipient,
    /// No trusted key could unwrap the data key; see [`Error::attempts`].
    UnwrapFailed,
    /// The data key has the wrong length for the suite.
    BadDek,
    /// The recipients were changed by someone without the data key.
    KeyMacMismatch,
    /// The header and the data key do not belong together.
    CommitMismatch,
    /// The body was changed.
    TagMismatch,
    /// The decrypted content has an invalid length or padding, or is not UTF-8.
    BadPlaintext,
    /// The outline does not describe the content.
    OutlineMismatch,
    /// A local key is missing or malformed.
    BadLocalKey,
    /// The file of a local key or signing key can be read by others, is not a regular file, or belongs to another
    /// user.
    InsecureKeyFile,
    /// Wrong usage, or an invalid or forbidden setting.
    Usage,
    /// The content does not parse, or does not fit the type; see [`Error::problems`].
    DoesNotFit,
    /// No rule of the policy file matches the file.
    NoRule,
    /// A check found differences.
    Differences,
    /// The file to seal is sealed already.
    AlreadySealed,
    /// The command needs an answer, but there is no terminal.
    NeedsTerminal,
    /// Interrupted by a signal.
    Interrupted,
    /// An unexpected internal failure.
    Unexpected,
}

impl Kind {
    /// Returns the kind's name as it appears in documents and in `--json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Io => "Io",
            Self::TooLarge => "TooLarge",
            Self::NotEnvconf => "NotEnvconf",
            Self::BadEncoding => "BadEncoding",
            Self::Truncated => "Truncated",
            Self::WrongKind => "WrongKind",
            Self::UnsupportedVersion => "UnsupportedVersion",
            Self::BadHeader => "BadHeader",
            Self::BadValue => "BadValue",
            Self::UnsupportedSuite => "UnsupportedSuite",
            Self::BadBody => "BadBody",
            Self::TrailingData => "TrailingData",
            Self::IdentityMismatch => "IdentityMismatch",
            Self::Rollback => "Rollback",
            Self::BadSignature => "BadSignature",
            Self::SignatureRequired => "SignatureRequired",
            Self::DekNotFound => "DekNotFound",
            Self::NoTrustedRecipient => "NoTrustedRecipient",
            Self::UnwrapFailed => "UnwrapFailed",
            Self::BadDek => "BadDek",
            Self::KeyMacMismatch => "KeyMacMismatch",
            Self::CommitMismatch => "CommitMismatch",
            Self::TagMismatch => "TagMismatch",
            Self::BadPlaintext => "BadPlaintext",
            Self::OutlineMismatch => "OutlineMismatch",
            Self::BadLocalKey => "BadLocalKey",
            Self::InsecureKeyFile => "InsecureKeyFile",
            Self::Usage => "Usage",
            Self::DoesNotFit => "DoesNotFit",
            Self::NoRule => "NoRule",
            Self::Differences => "Differences",
            Self::AlreadySealed => "AlreadySealed",
            Self::NeedsTerminal => "NeedsTerminal",
            Self::Interrupted => "Interrupted",
            Self::Unexpected => "Unexpected",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The error of this library, with hints for the next step.
///
/// `Display` (and `{:#}`) prints the whole report: the fact, the details, then the hints. It never contains a secret,
/// or a text that quotes one.
pub struct Error(Box<Inner>);

struct Inner {
    kind: Kind,
    message: String,
    advice: Option<String>,
    remedy: Option<Remedy>,
    path: Option<PathBuf>,
    writing: bool,
    /// True if the content to seal is invalid, and not a sealed file.
    is_content: bool,
    problems: Vec<Problem>,
    notes: Vec<String>,
    attempts: Vec<Attempt>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// Returns an error of `kind` with `message`: one line without a full stop, and without secrets.
    ///
    /// For programs that use this library, such as the `envconf` command.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            advice: None,
            remedy: None,
            path: None,
            writing: false,
            is_content: false,
            problems: Vec::new(),
            notes: Vec::new(),
            attempts: Vec::new(),
            source: None,
        }))
    }

    /// Returns the error for a file that cannot be read.
    pub fn read(path: &Path, error: std::io::Error) -> Self {
        Self::new(Kind::Io, format!("cannot read it: {}", reason(&error))).at(path).caused_by(error)
    }

    /// Returns the error for a file that cannot be written.
    pub fn write(path: &Path, error: std::io::Error) -> Self {
        let mut this =
            Self::new(Kind::Io, format!("cannot write it: {}", reason(&error))).at(path).caused_by(error);
        this.0.writing = true;
        this
    }

    /// Returns the error for a file that must not be replaced, and the reason.
    pub(crate) fn not_replaced(path: &Path, reason: &str) -> Self {
        let mut this = Self::new(Kind::Io, format!("cannot write it: {reason}")).at(path);
        this.0.writing = true;
        this
    }

    /// Content that is too large to seal.
    pub(crate) fn content_too_large() -> Self {
        let mut this = Self::new(Kind::TooLarge, "the content is larger than 64 MiB");
        this.0.is_content = true;
        this
    }

    /// Returns an error with every problem of a configuration.
    pub(crate) fn does_not_fit(what: impl fmt::Display, problems: Vec<Problem>) -> Self {
        let noun = if problems.len() == 1 { "problem" } else { "problems" };
        let mut this = Self::new(Kind::DoesNotFit, format!("{what}: {} {noun}", problems.len()));
        this.0.problems = problems;
        this
    }

    /// Returns an error with the failed attempts of every key service.
    pub(crate) fn unwrap_failed(attempts: Vec<Attempt>) -> Self {
        let mut this = Self::new(Kind::UnwrapFailed, "no trusted key could unwrap the data key");
        this.0.attempts = attempts;
        this
    }

    /// Returns the error of a key service that failed at another task than unwrapping. It has the same kind, because
    /// the causes are the same.
    pub(crate) fn service_failed(message: &'static str, attempt: Attempt) -> Self {
        let mut this = Self::new(Kind::UnwrapFailed, message);
        this.0.attempts = vec![attempt];
        this
    }

    /// Adds a hint: the next step.
    #[must_use]
    pub fn advise(mut self, advice: impl Into<String>) -> Self {
        self.0.advice = Some(advice.into());
        self.0.remedy = None;
        self
    }

    /// Adds a hint, and the setting of the caller that it is about.
    pub(crate) fn advise_to_set(self, remedy: Remedy, advice: impl Into<String>) -> Self {
        let mut this = self.advise(advice);
        this.0.remedy = Some(remedy);
        this
    }

    /// Adds detail lines, each without a full stop.
    pub(crate) fn with_notes(mut self, notes: Vec<String>) -> Self {
        self.0.notes = notes;
        self
    }

    /// Names the setting that the error is about.
    pub(crate) fn of_setting(mut self, name: &str) -> Self {
        self.0.message = format!("{name}: {}", self.0.message);
        self
    }

    /// Adds the file that the error is about, unless the error has one.
    #[must_use]
    pub fn at(mut self, path: &Path) -> Self {
        self.0.path.get_or_insert_with(|| path.to_owned());
        self
    }

    /// Adds the error of a system or library call as the source. Do not use it for errors of parsers and key services,
    /// because they quote their input.
    pub(crate) fn caused_by(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.0.source = Some(Arc::new(source));
        self
    }

    /// Returns the kind of the error.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// Returns the file that the error is about.
    pub fn path(&self) -> Option<&Path> {
        self.0.path.as_deref()
    }

    /// Returns the message without file, details and hints.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Returns the hints: the next steps, one per line.
    pub fn advice(&self) -> Option<&str> {
        self.0.advice.as_deref()
    }

    /// Returns the setting of the caller that the hints are about, for a program that has an option for it.
    pub fn remedy(&self) -> Option<&Remedy> {
        self.0.remedy.as_ref()
    }

    /// Returns the detail lines, such as the trusted keys ([`Kind::NoTrustedRecipient`]).
    pub fn notes(&self) -> &[String] {
        &self.0.notes
    }

    /// Returns every problem of a configuration that does not fit its type ([`Kind::DoesNotFit`]).
    pub fn problems(&self) -> &[Problem] {
        &self.0.problems
    }

    /// Returns the keys that were tried without success ([`Kind::UnwrapFailed`]), in the order of the tries.
    pub fn attempts(&self) -> &[Attempt] {
        &self.0.attempts
    }

    /// Returns the kind of the failures of all key services together: [`Fault::Transient`] if any may pass, else
    /// [`Fault::Refused`] if any service refused, else [`Fault::Other`]. `None` if no key service failed.
    pub fn fault(&self) -> Option<Fault> {
        let faults = || self.0.attempts.iter().map(Attempt::fault);
        [Fault::Transient, Fault::Refused]
            .into_iter()
            .find(|fault| faults().any(|other| other == *fault))
            .or(faults().next())
    }

    /// Returns true if no key service failed for a transient reason, so that a retry does not help.
    pub fn is_permanent(&self) -> bool {
        self.fault() != Some(Fault::Transient)
    }

    /// Returns the exit code for a program, as the `envconf` command uses it (documented in `docs/exit-codes.md`).
    pub fn exit_code(&self) -> u8 {
        match self.0.is_content {
            true => exit_code(Kind::DoesNotFit, None, false),
            false => exit_code(self.0.kind, self.fault(), self.0.writing),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.0.path {
            write!(f, "{}: ", escape(&path.to_string_lossy()))?;
        }
        f.write_str(&self.0.message)?;
        for note in &self.0.notes {
            write!(f, "\n  {note}")?;
        }
        for problem in &self.0.problems {
            write!(f, "\n  {problem}")?;
        }
        for attempt in &self.0.attempts {
            write!(f, "\n  {attempt}")?;
        }
        if let Some(advice) = &self.0.advice {
            write!(f, "\n{advice}")?;
        }
        Ok(())
    }
}

/// Prints the same as `Display`, because `unwrap()` and `fn main() -> Result` print errors with `Debug`.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {self}", self.0.kind)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

impl From<std::convert::Infallible> for Error {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

/// One problem of a configuration: its path, its origin, and the expected value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    path: String,
    origin: Option<Origin>,
    complaint: Complaint,
}

/// The problem with one value of a configuration. No variant can hold a value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Complaint {
    /// A required value is missing.
    Missing {
        /// The field's type, as written; empty for a field within a value of serde's.
        expected: String,
        /// The variable that can set it, if it has one.
        variable: Option<String>,
    },
    /// A value does not have the field's type.
    WrongType {
        /// The type as written; a description if only the program knows the type.
        expected: String,
    },
    /// A list has the wrong length.
    WrongLength {
        /// The length that the type needs.
        expected: usize,
    },
    /// A value names a variant that its type does not have.
    UnknownVariant {
        /// The variants that the type has.
        expected: &'static [&'static str],
    },
    /// An unknown key within a value.
    UnknownKey {
        /// The most similar known key.
        suggestion: Option<String>,
        /// The known keys, as far as the type names them.
        known: &'static [&'static str],
    },
    /// A key or variable that belongs to no field.
    Unknown {
        /// The most similar name of a field.
        suggestion: Option<String>,
    },
    /// The text does not follow its syntax.
    Syntax {
        /// The syntax, such as `TOML`, `JSON`, `YAML`, `dotenv` or `UTF-8`.
        expected: &'static str,
    },
    /// A key that is in the text twice.
    Repeated {
        /// The line of the first one, from 1.
        first_line: usize,
    },
    /// Another rule, as a complete message.
    Rule(String),
}

impl Problem {
    /// Returns a problem with the value at `path` (dotted; empty for the whole), which came from `origin`.
    pub(crate) fn new(path: impl Into<String>, origin: Option<Origin>, complaint: Complaint) -> Self {
        Self { path: path.into(), origin, complaint }
    }

    /// Returns the dotted path of the value, such as `database.pool_size`; empty for the whole text.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Where the value came from; `None` for one that is missing.
    pub fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }

    /// Returns the kind of problem.
    pub fn complaint(&self) -> &Complaint {
        &self.complaint
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", escape(&self.path))?;
        }
        match &self.complaint {
            Complaint::Missing { expected, variable } => {
                f.write_str("missing")?;
                if !expected.is_empty() {
                    write!(f, ", expected {expected}")?;
                }
                if let Some(variable) = variable {
                    write!(f, " (variable {})", escape(variable))?;
                }
            }
            Complaint::WrongType { expected } => write!(f, "expected {}", written_type::in_words(expected))?,
            Complaint::WrongLength { expected: 1 } => f.write_str("expected a list of 1 value")?,
            Complaint::WrongLength { expected } => write!(f, "expected a list of {expected} values")?,
            Complaint::UnknownVariant { expected } => {
                f.write_str("unknown variant, ")?;
                write_one_of(f, expected)?;
            }
            Complaint::UnknownKey { suggestion, known } => {
                f.write_str("no such key")?;
                if let Some(suggestion) = suggestion {
                    write!(f, " (did you mean {}?)", escape(suggestion))?;
                }
                if !known.is_empty() && (suggestion.is_none() || known.len() <= MAX_KNOWN) {
                    f.write_str(", ")?;
                    write_one_of(f, known)?;
                }
            }
            Complaint::Unknown { suggestion } => {
                f.write_str(match self.origin {
                    Some(Origin::Variable(_)) if self.path.is_empty() => "no field has this name",
                    _ => "no such key",
                })?;
                if let Some(suggestion) = suggestion {
                    write!(f, " (did you mean {}?)", escape(suggestion))?;
                }
            }
            Complaint::Syntax { expected: "dotenv" } => {
                f.write_str("not valid dotenv, expected NAME=value")?
            }
            Complaint::Syntax { expected } => write!(f, "not valid {expected}")?,
            Complaint::Repeated { first_line } => write!(f, "set twice, first at line {first_line}")?,
            Complaint::Rule(rule) => f.write_str(rule)?,
        }
        match (&self.origin, &self.complaint) {
            (Some(origin), Complaint::Repeated { .. }) => write!(f, ", again at {origin}"),
            (Some(origin), _) => write!(f, ", at {origin}"),
            (None, _) => Ok(()),
        }
    }
}

/// Largest number of names that are listed after a suggestion.
const MAX_KNOWN: usize = 12;

fn write_one_of(f: &mut fmt::Formatter<'_>, names: &[&str]) -> fmt::Result {
    match names {
        [] => f.write_str("expected none: the type has no variants"),
        [one] => write!(f, "expected {}", escape(one)),
        several => write!(f, "expected one of {}", escape(&several.join(", "))),
    }
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// A text: sealed content, or a plain layer.
    Text {
        /// The file with the text; for sealed content, its `.enc`. `None` for text that is not in a file.
        file: Option<Arc<Path>>,
        /// True for sealed content: line and column then refer to the content that was sealed.
        sealed: bool,
        /// From 1.
        line: usize,
        /// In characters, from 1.
        column: usize,
    },
    /// An environment variable.
    Variable(String),
    /// A file that an environment variable ending in `_FILE` names.
    VariableFile {
        /// The variable.
        variable: String,
        /// The file it names.
        file: PathBuf,
    },
    /// The program, with [`Loader::set`](crate::Loader::set).
    Program,
    /// The default of the field's attribute.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text { file, sealed, line, column } => {
                if let Some(file) = file {
                    write!(f, "{} ", escape(&file.to_string_lossy()))?;
                }
                write!(f, "line {line}, column {column}{}", if *sealed { " of the sealed text" } else { "" })
            }
            Self::Variable(name) => write!(f, "variable {}", escape(name)),
            Self::VariableFile { variable, file } => {
                write!(f, "variable {}, file {}", escape(variable), escape(&file.to_string_lossy()))
            }
            Self::Program => f.write_str("given by the program"),
            Self::Default => f.write_str("the attribute's default"),
        }
    }
}

/// The kind of a key-service failure, which decides the next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// A transient failure, such as a network error, an overload or a deadline: a retry may help.
    Transient,
    /// The service refused: credentials, rights, or a key that is disabled, deleted or unknown.
    Refused,
    /// Any other failure: a damaged wrapped key, a wrong context, an invalid reply.
    Other,
}

/// One failed try to unwrap the data key.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub(crate) key: KeyRef,
    pub(crate) fault: Fault,
    pub(crate) message: String,
    pub(crate) code: Option<String>,
    pub(crate) request_id: Option<String>,
    pub(crate) status: Option<u16>,
    pub(crate) advice: Option<String>,
    pub(crate) tries: u32,
    pub(crate) took: Duration,
}

impl Attempt {
    /// Returns the key that was tried.
    pub fn key(&self) -> &KeyRef {
        &self.key
    }

    /// Returns the kind of failure, which decides the next step.
    pub fn fault(&self) -> Fault {
        self.fault
    }

    /// Returns the failure in the words of envconf, never in those of the service.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the service's error code, if its reply had one that has the form of one.
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// Returns the service's id of the request. Its support can find the request by this id.
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// Returns the hint: the next step.
    pub fn advice(&self) -> Option<&str> {
        self.advice.as_deref()
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.message)?;
        if let Some(code) = &self.code {
            write!(f, ": {code}")?;
        }
        if self.tries > 0 {
            self.write_circumstances(f)?;
        }
        match &self.advice {
            Some(advice) => write!(f, "\n    {advice}"),
            None => Ok(()),
        }
    }
}

impl Attempt {
    fn write_circumstances(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(" (")?;
        if let Some(status) = self.status {
            write!(f, "HTTP {status}, ")?;
        }
        if let Some(id) = &self.request_id {
            write!(f, "request {id}, ")?;
        }
        let plural = if self.tries == 1 { "try" } else { "tries" };
        write!(f, "{} {plural}, {:.2} s)", self.tries, self.took.as_secs_f64())
    }
}

/// Returns a readable reason for an I/O error. Frequent errors have their own words here.
pub(crate) fn reason(error: &std::io::Error) -> String {
    use std::io::ErrorKind;
    if let Some(NotRegular) = error.get_ref().and_then(|inner| inner.downcast_ref()) {
        return NotRegular.to_string();
    }
    match error.kind() {
        ErrorKind::NotFound => "file not found".into(),
        ErrorKind::AlreadyExists => "the file exists already".into(),
        ErrorKind::PermissionDenied => "permission denied".into(),
        ErrorKind::StorageFull => "the disk is full".into(),
        ErrorKind::IsADirectory => "it is a directory".into(),
        ErrorKind::NotADirectory => "a part of the path is not a directory".into(),
        ErrorKind::ReadOnlyFilesystem => "the file system is read-only".into(),
        other => other.to_string(),
    }
}

/// Returns a name or path from outside, safe to print. Control, bidirectional and other unprintable characters are
/// escaped. A local key, an age identity or a signing key, given by mistake in place of a name, is left out.
pub fn escape(text: &str) -> impl fmt::Display + '_ {
    struct Escaped<'a>(&'a str);
    impl fmt::Display for Escaped<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let mut rest = self.0;
            while let Some((at, prefix)) = rest.char_indices().find_map(|(at, _)| key_at(rest, at)) {
                let (before, key) = (&rest[..at], &rest[at + prefix.len()..]);
                let after =
                    key.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "+/=:-".contains(c));
                plainly(before, f)?;
                write!(f, "{prefix}[REDACTED]")?;
                // A text that was escaped before is not shortened again.
                rest = after.strip_prefix("[REDACTED]").unwrap_or(after);
            }
            plainly(rest, f)
        }
    }
    fn key_at(text: &str, at: usize) -> Option<(usize, &str)> {
        let prefix = [key_ref::LOCAL_PREFIX, key_ref::SIGNER_PREFIX]
            .into_iter()
            .find(|prefix| text[at..].starts_with(prefix));
        prefix.or_else(|| age_recipient::secret_prefix(&text[at..])).map(|prefix| (at, prefix))
    }
    fn plainly(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        for c in text.chars() {
            match c {
                '\'' | '"' | '\\' => f.write_char(c)?,
                c if is_deceptive(c) => write!(f, "{}", c.escape_unicode())?,
                c => write!(f, "{}", c.escape_debug())?,
            }
        }
        Ok(())
    }
    Escaped(text)
}

/// Returns true for characters that print as nothing or reorder their neighbours.
pub fn is_deceptive(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_in_a_text_is_left_out() {
        let key = format!("{}canary ", key_ref::LOCAL_PREFIX);
        let all = escape(&key.repeat(100_000)).to_string();
        assert!(!all.contains("canary") && all.matches("[REDACTED]").count() == 100_000);
        assert_eq!(escape(&all).to_string(), all, "nothing changes when it is escaped again");
    }

    fn attempt(fault: Fault) -> Attempt {
        Attempt {
            key: "local:-:0123456789abcdef".parse().unwrap(),
            fault,
            message: "said no".into(),
            code: None,
            request_id: None,
            status: None,
            advice: None,
            tries: 1,
            took: Duration::ZERO,
        }
    }

    #[test]
    fn a_transient_cause_outweighs_a_refusal_and_a_refusal_the_rest() {
        let code = |faults: &[Fault]| {
            Error::unwrap_failed(faults.iter().map(|fault| attempt(*fault)).collect()).exit_code()
        };
        assert_eq!(code(&[Fault::Other]), 40);
        assert_eq!(code(&[Fault::Other, Fault::Refused]), 42);
        assert_eq!(code(&[Fault::Refused, Fault::Transient, Fault::Other]), 41);
    }

    #[test]
    fn names_from_outside_cannot_move_the_cursor_or_the_text() {
        assert_eq!(escape("a\u{1b}[2J\n\u{202e}b\"c").to_string(), "a\\u{1b}[2J\\n\\u{202e}b\"c");
        let error = Error::new(Kind::Io, "cannot read it").at(Path::new("x\ny"));
        assert_eq!(error.to_string(), "x\\ny: cannot read it");
    }

    #[test]
    fn a_local_key_in_the_wrong_place_is_not_repeated() {
        assert_eq!(
            escape("a envconf-local-v1:f7e8:q50O/+=' b envconf-local-v1:x\n").to_string(),
            "a envconf-local-v1:[REDACTED]' b envconf-local-v1:[REDACTED]\\n"
        );
        assert_eq!(
            escape("envconf-signer-v1:f7e8:q50O/+= envconf-local-v1:x").to_string(),
            "envconf-signer-v1:[REDACTED] envconf-local-v1:[REDACTED]"
        );
        let identities = "age:-:AGE-SECRET-KEY-1CANARYCANARY age-secret-key-pq-1canary2 'AGE-PLUGIN-CANARY-1QQ' AGE-SECRET-KEY-1…";
        let shown = escape(identities).to_string();
        assert_eq!(
            shown,
            "age:-:AGE-SECRET-KEY-[REDACTED] age-secret-key-[REDACTED] 'AGE-PLUGIN-[REDACTED]' AGE-SECRET-KEY-1…"
        );
        assert_eq!(escape(&shown).to_string(), shown);
    }

    #[test]
    fn the_first_path_stays() {
        let error = Error::new(Kind::BadValue, "bad").at(Path::new("a.key")).at(Path::new("a.enc"));
        assert_eq!(error.path(), Some(Path::new("a.key")));
    }
}
