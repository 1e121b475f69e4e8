//! A failed try to unwrap a data key, with its text.

use std::fmt;
use std::time::Duration;

use super::KeyRef;

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

    /// Returns the service's error code, if the reply has a well-formed one.
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
