//! The results of building a struct: the problems, and the origins of the values.

use std::ops::Range;

use super::origins::Origins;
use crate::base::{Complaint, Error, Kind, Origin, Problem};
use crate::meta::{Field, TypeStep};

/// Largest number of listed problems. Further ones are only counted.
const LISTED: usize = 200;

/// Collects problems and, if requested, origins.
#[derive(Default)]
pub(crate) struct Report {
    problems: Vec<Problem>,
    unlisted: usize,
    origins: Option<Origins>,
    advice: Option<&'static str>,
}

impl Report {
    /// Returns a report that also collects origins.
    pub(crate) fn tracing() -> Self {
        Self { origins: Some(Origins::with_room()), ..Self::default() }
    }

    /// Adds a problem. Calls `problem` only while the list has room, because a text may contain a million unknown keys.
    pub(crate) fn problem(&mut self, problem: impl FnOnce() -> Problem) {
        if self.problems.len() < LISTED {
            self.problems.push(problem());
        } else {
            self.unlisted += 1;
        }
    }

    /// Sets the hint at the end of the report, unless the report has one.
    pub(crate) fn advise(&mut self, advice: &'static str) {
        self.advice.get_or_insert(advice);
    }

    /// Records the origin of `field`, if origins are collected. See [`Origins::record_field`].
    pub(crate) fn trace_field(
        &mut self,
        parents: &[TypeStep],
        parents_path: &mut Option<Range<usize>>,
        field: &'static Field,
        origin: impl FnOnce() -> Origin,
    ) {
        if let Some(origins) = &mut self.origins {
            origins.record_field(parents, parents_path, field, origin());
        }
    }

    /// Records the origin of a value that is not secret, if origins are collected. `push_path` appends its path.
    pub(crate) fn trace_place(&mut self, push_path: impl FnOnce(&mut String), origin: Origin) {
        if let Some(origins) = &mut self.origins {
            origins.record_place(push_path, origin);
        }
    }

    /// Returns the value if there is one and no problem was reported.
    pub(crate) fn finish<T>(mut self, what: &str, value: Option<T>) -> Result<(T, Origins), Error> {
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
