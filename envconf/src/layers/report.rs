//! The results of building a struct: the problems, and the origins of the values.

use crate::base::{Complaint, Error, Kind, Origin, Problem};
use crate::meta::{self, Field, TypeStep};

/// More problems than this are counted, not listed.
const LISTED: usize = 200;

/// Where one value of a configuration came from. Never the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    path: String,
    origin: Origin,
    secret: bool,
    deprecated: Option<&'static str>,
}

impl Provenance {
    /// The value at `path`, of whose field nothing is known.
    #[cfg(feature = "tools")]
    pub(crate) fn new(path: String, origin: Origin, secret: bool) -> Self {
        Self { path, origin, secret, deprecated: None }
    }

    /// The value at `path`, which is not secret.
    pub(crate) fn of_place(path: String, origin: Origin) -> Self {
        Self { path, origin, secret: false, deprecated: None }
    }

    /// The value of `field` below `parents`.
    pub(crate) fn of(parents: &[TypeStep], field: &'static Field, origin: Origin) -> Self {
        let deprecated = field.deprecated.filter(|_| origin != Origin::Default);
        Self { path: meta::path_of_key(parents, field.key), origin, secret: field.secret, deprecated }
    }

    /// The dotted path, such as `database.pool_size`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Where the value came from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Returns true if the value is secret.
    pub fn secret(&self) -> bool {
        self.secret
    }

    /// The text of the attribute `deprecated`, maybe an empty one, where something still gives such a field a value: a
    /// program may log it with path and origin.
    pub fn deprecated(&self) -> Option<&'static str> {
        self.deprecated
    }
}

/// Collects problems and, where asked, origins.
#[derive(Default)]
pub(crate) struct Report {
    problems: Vec<Problem>,
    unlisted: usize,
    origins: Option<Vec<Provenance>>,
    advice: Option<&'static str>,
}

impl Report {
    /// One that collects origins too.
    pub(crate) fn tracing() -> Self {
        Self { origins: Some(Vec::with_capacity(64)), ..Self::default() }
    }

    /// The problem is made up only while there is room for it: a text may hold a million unknown keys.
    pub(crate) fn problem(&mut self, problem: impl FnOnce() -> Problem) {
        if self.problems.len() < LISTED {
            self.problems.push(problem());
        } else {
            self.unlisted += 1;
        }
    }

    /// Advice for the end of the report; the first one given stays.
    pub(crate) fn advise(&mut self, advice: &'static str) {
        self.advice.get_or_insert(advice);
    }

    /// The provenance is made up only where someone wants it.
    pub(crate) fn trace(&mut self, provenance: impl FnOnce() -> Provenance) {
        if let Some(origins) = &mut self.origins {
            origins.push(provenance());
        }
    }

    /// The value, if there is one and nothing was wrong.
    pub(crate) fn finish<T>(mut self, what: &str, value: Option<T>) -> Result<(T, Vec<Provenance>), Error> {
        if self.unlisted > 0 {
            let rule = format!("and {} more", self.unlisted);
            self.problems.push(Problem::new("", None, Complaint::Rule(rule)));
        }
        match value {
            Some(value) if self.problems.is_empty() => Ok((value, self.origins.unwrap_or_default())),
            // A `build` written by hand may give nothing and say nothing.
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
