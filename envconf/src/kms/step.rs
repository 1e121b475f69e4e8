//! One step of a diagnosis: the checked part, the result, and a hint.

use std::fmt::Write as _;
use std::time::Duration;

#[cfg(feature = "tools")]
use crate::base::Error;
use crate::base::{Fault, KeyRef, Kind, Remedy, escape, exit_code};
use crate::kms::KmsError;

/// The result of a [`Step`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// The part works.
    Ok,
    /// The part works, but the message is worth reading.
    Note,
    /// The part was not checked; the message says why.
    Skipped,
    /// The part does not work.
    Failed,
}

impl State {
    /// Returns the state in one word, as it appears in reports and in `--json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
        }
    }
}

/// One step of a diagnosis: a message of one line, and a hint if there is something to do.
///
/// The text of a step is safe to print: control characters in names and paths are escaped. An implementation for
/// another key service must keep secrets out of it.
#[derive(Clone, Debug)]
pub struct Step {
    name: &'static str,
    recipient: Option<KeyRef>,
    state: State,
    message: String,
    advice: Option<String>,
    remedy: Option<Remedy>,
    took: Option<Duration>,
    exit: u8,
}

impl Step {
    /// Creates a step with `message`: one line, no full stop, no secret.
    ///
    /// A step that has [failed](State::Failed) has the exit code 40; [`Step::fault`] sets another one.
    pub fn new(name: &'static str, state: State, message: impl AsRef<str>) -> Self {
        let exit =
            if state == State::Failed { exit_code(Kind::UnwrapFailed, Some(Fault::Other), false) } else { 0 };
        let message = escape(message.as_ref()).to_string();
        Self { name, recipient: None, state, message, advice: None, remedy: None, took: None, exit }
    }

    /// Creates a failed step from the error of a request to a key service.
    pub fn fault(name: &'static str, error: &KmsError) -> Self {
        let mut message = error.message.to_string();
        if let Some(code) = &error.code {
            // Writing to a String cannot fail.
            let _ = write!(message, ": {code}");
        }
        let status = error.status.map(|status| format!("HTTP {status}"));
        let request = error.request_id.as_ref().map(|id| format!("request {id}"));
        let tries = (error.tries > 1).then(|| format!("{} tries", error.tries));
        let circumstances: Vec<_> = [status, request, tries].into_iter().flatten().collect();
        if !circumstances.is_empty() {
            let _ = write!(message, " ({})", circumstances.join(", "));
        }
        let step = Self {
            exit: exit_code(Kind::UnwrapFailed, Some(error.fault), false),
            ..Self::new(name, State::Failed, message)
        };
        Self { advice: error.advice.clone().map(Into::into), ..step }
    }

    /// Creates a failed step from `error`.
    #[cfg(feature = "tools")]
    pub(crate) fn error(name: &'static str, error: &Error) -> Self {
        let mut message = error.path().map_or_else(String::new, |path| format!("{}: ", path.display()));
        message.push_str(error.message());
        for note in error.notes() {
            let _ = write!(message, "; {note}");
        }
        for problem in error.problems() {
            let _ = write!(message, "; {problem}");
        }
        let (advice, remedy) = (error.advice().map(str::to_owned), error.remedy().cloned());
        Self { exit: error.exit_code(), advice, remedy, ..Self::new(name, State::Failed, message) }
    }

    /// Sets the hint.
    #[must_use]
    pub fn advise(mut self, advice: &'static str) -> Self {
        self.advice = Some(advice.to_owned());
        self
    }

    /// Like [`Step::advise`], for a hint that names paths and keys.
    #[must_use]
    #[cfg(feature = "tools")]
    pub(crate) fn advise_with(mut self, advice: String) -> Self {
        self.advice = Some(advice);
        self
    }

    /// Sets the duration of the step.
    #[must_use]
    pub fn took(mut self, took: Duration) -> Self {
        self.took = Some(took);
        self
    }

    /// Sets the key that the step belongs to.
    #[cfg(feature = "tools")]
    pub(crate) fn of(mut self, recipient: &KeyRef) -> Self {
        self.recipient = Some(recipient.clone());
        self
    }

    /// Sets the exit code to that of another failure.
    #[cfg(feature = "tools")]
    pub(crate) fn failed_as(mut self, kind: Kind, fault: Option<Fault>) -> Self {
        self.exit = exit_code(kind, fault, false);
        self
    }

    /// Returns the checked part, in one word: `policy`, `credentials`, `tls`, …
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the key that the step belongs to; `None` for a step that all keys share.
    pub fn recipient(&self) -> Option<&KeyRef> {
        self.recipient.as_ref()
    }

    /// Returns the result of the step.
    pub fn state(&self) -> State {
        self.state
    }

    /// Returns the message, in one line.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the hint, if there is one.
    pub fn advice(&self) -> Option<&str> {
        self.advice.as_deref()
    }

    /// Returns the setting of the caller that the hint is about; see [`Error::remedy`].
    pub fn remedy(&self) -> Option<&Remedy> {
        self.remedy.as_ref()
    }

    /// Returns the duration of the step, if it was measured.
    pub fn duration(&self) -> Option<Duration> {
        self.took
    }

    /// Returns the exit code for this failure, with the meaning of [`Error::exit_code`]; 0 for a step that has not
    /// failed.
    pub fn exit_code(&self) -> u8 {
        self.exit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "tools")]
    #[test]
    fn a_message_is_always_one_line() {
        let step = Step::new("pair", State::Ok, "a\nb\u{1b}[31m");
        assert_eq!((step.message(), step.exit_code()), (r"a\nb\u{1b}[31m", 0));
        let error = Error::new(Kind::Io, "cannot read it").at("x\ny".as_ref()).advise("look");
        let step = Step::error("pair", &error);
        assert_eq!((step.message(), step.advice()), (r"x\ny: cannot read it", Some("look")));
        assert_eq!((step.state(), step.exit_code()), (State::Failed, 10));
    }

    #[test]
    fn a_fault_shows_its_code_and_request_id() {
        let error = KmsError::refused("it is disabled").advise("enable it");
        let error = error.code("ResourceUnavailable.CmkDisabled").status(200).tries(3);
        let step = Step::fault("rights", &error.request_id("7c2bd1a4-5f0e-4c8e-9a2b-0123456789ab"));
        assert_eq!(
            step.message(),
            "it is disabled: ResourceUnavailable.CmkDisabled (HTTP 200, request 7c2bd1a4-5f0e-4c8e-9a2b-0123456789ab, 3 tries)"
        );
        assert_eq!((step.exit_code(), step.advice()), (42, Some("enable it")));
        assert_eq!(Step::fault("tls", &KmsError::transient("t")).exit_code(), 41);
        assert_eq!(Step::fault("tls", &KmsError::other("o")).exit_code(), 40);
    }
}
