//! The error of this library, and its text.
//!
//! An [`Error`] consists of the fact (what failed, on what), the details (every problem of a configuration, every key
//! that was tried), and the hints. No part of it can store a value, a key, or a text from a parser or a key service.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::regular_file::NotRegular;
use super::{Attempt, Fault, Kind, Problem, Remedy, escape, exit_code};

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
    /// True if the error is about the content to seal, not about a sealed file.
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

    /// Returns the error for content that is too large to seal.
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

    /// Returns the error of a key service that failed at a task other than unwrapping. The kind is the same, because
    /// the causes are the same.
    pub(crate) fn service_failed(message: &'static str, attempt: Attempt) -> Self {
        let mut this = Self::new(Kind::UnwrapFailed, message);
        this.0.attempts = vec![attempt];
        this
    }

    /// Sets the hints: the next steps, one per line. Replaces earlier hints.
    #[must_use]
    pub fn advise(mut self, advice: impl Into<String>) -> Self {
        self.0.advice = Some(advice.into());
        self.0.remedy = None;
        self
    }

    /// Sets the hints, and the setting of the caller that the hints are about.
    pub(crate) fn advise_to_set(self, remedy: Remedy, advice: impl Into<String>) -> Self {
        let mut this = self.advise(advice);
        this.0.remedy = Some(remedy);
        this
    }

    /// Sets the detail lines, each without a full stop.
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

/// Prints the kind, then the same report as `Display`, because `unwrap()` and `fn main() -> Result` print errors with
/// `Debug`.
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

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
    fn transient_faults_come_before_refusals_and_refusals_before_others() {
        let code = |faults: &[Fault]| {
            Error::unwrap_failed(faults.iter().map(|fault| attempt(*fault)).collect()).exit_code()
        };
        assert_eq!(code(&[Fault::Other]), 40);
        assert_eq!(code(&[Fault::Other, Fault::Refused]), 42);
        assert_eq!(code(&[Fault::Refused, Fault::Transient, Fault::Other]), 41);
    }

    #[test]
    fn a_path_from_outside_is_escaped() {
        let error = Error::new(Kind::Io, "cannot read it").at(Path::new("x\ny"));
        assert_eq!(error.to_string(), "x\\ny: cannot read it");
    }

    #[test]
    fn the_first_path_stays() {
        let error = Error::new(Kind::BadValue, "bad").at(Path::new("a.key")).at(Path::new("a.enc"));
        assert_eq!(error.path(), Some(Path::new("a.key")));
    }
}
