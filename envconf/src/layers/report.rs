//! The results of building a struct: the problems, and the origins of the values.

use crate::base::{Complaint, Error, Kind, Origin, Problem};
use crate::meta::{self, Field, TypeStep};

/// Largest number of listed problems. Further ones are only counted.
const LISTED: usize = 200;

/// The origin of one value of a configuration. It never contains the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    path: String,
    origin: Origin,
    secret: bool,
    deprecated: Option<&'static str>,
}

impl Provenance {
    /// Returns the value at `path`, without a known field.
    #[cfg(feature = "tools")]
    pub(crate) fn new(path: String, origin: Origin, secret: bool) -> Self {
        Self { path, origin, secret, deprecated: None }
    }

    /// Returns the value at `path`, which is not secret.
    pub(crate) fn of_place(path: String, origin: Origin) -> Self {
        Self { path, origin, secret: false, deprecated: None }
    }

    /// Returns the value of `field` below `parents`.
    pub(crate) fn of(parents: &[TypeStep], field: &'static Field, origin: Origin) -> Self {
        let deprecated = field.deprecated.filter(|_| origin != Origin::Default);
        Self { path: meta::path_of_key(parents, field.key), origin, secret: field.secret, deprecated }
    }

    /// Returns the dotted path, such as `database.pool_size`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns where the value came from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Returns true if the value is secret.
    pub fn secret(&self) -> bool {
        self.secret
    }

    /// Returns the text of the attribute `deprecated`, which may be empty, if some source still sets this field. A
    /// program can log it with path and origin.
    pub fn deprecated(&self) -> Option<&'static str> {
        self.deprecated
    }
}

/// Collects problems and, if requested, origins.
#[derive(Default)]
pub(crate) struct Report {
    problems: Vec<Problem>,
    unlisted: usize,
    origins: Option<Vec<Provenance>>,
    advice: Option<&'static str>,
}

impl Report {
    /// Returns a report that also collects origins.
    pub(crate) fn tracing() -> Self {
        Self { origins: Some(Vec::with_capacity(64)), ..Self::default() }
    }

    /// Builds the problem only while there is room for it: a text may contain a million unknown keys.
    pub(crate) fn problem(&mut self, problem: impl FnOnce() -> Problem) {
        if self.problems.len() < LISTED {
            self.problems.push(problem());
        } else {
            self.unlisted += 1;
        }
    }

    /// Sets the advice at the end of the report. The first one stays.
    pub(crate) fn advise(&mut self, advice: &'static str) {
        self.advice.get_or_insert(advice);
    }

    /// Builds the provenance only if origins are collected.
    pub(crate) fn trace(&mut self, provenance: impl FnOnce() -> Provenance) {
        if let Some(origins) = &mut self.origins {
            origins.push(provenance());
        }
    }

    /// Returns the value if there is one and no problem was reported.
    pub(crate) fn finish<T>(mut self, what: &str, value: Option<T>) -> Result<(T, Vec<Provenance>), Error> {
        if self.unlisted > 0 {
            let rule = format!("and {} more", self.unlisted);
            self.problems.push(Problem::new("", None, Complaint::Rule(rule)));
        }
        match value {
            Some(value) if self.problems.is_empty() => Ok((value, self.origins.unwrap_or_default())),
            // A `build` written by hand may return nothing and report nothing.
            None if self.problems.is_empty() => {
                Err(Error::new(Kind::Unexpected, format!("{what}: nothing was built")))
            }
            _ => {
                let error = Error::does_not_fit(what, self.problems);
                Err(match self.advice {
                    Some(advice) => error.advise(advice),
                    None => error,
                })
            }
        }
    }
}
