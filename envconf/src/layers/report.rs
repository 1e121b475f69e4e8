//! The results of building a struct: the problems, and the origins of the values.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::base::{Complaint, Error, Kind, Origin, Problem};
use crate::meta::{self, Field, TypeStep};
use crate::syntax::segment;

/// Largest number of listed problems. Further ones are only counted.
const LISTED: usize = 200;

/// The origin of one value of a configuration. It never contains the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    path: SharedPath,
    origin: Origin,
    secret: bool,
    deprecated: Option<&'static str>,
}

impl Provenance {
    /// Returns the value at `path`, without a known field.
    #[cfg(feature = "tools")]
    pub(crate) fn new(path: String, origin: Origin, secret: bool) -> Self {
        let path = SharedPath { range: 0..path.len(), text: path.into() };
        Self { path, origin, secret, deprecated: None }
    }

    /// Returns the dotted path, such as `database.pool_size`.
    pub fn path(&self) -> &str {
        self.path.as_str()
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

/// A path in a text that all values of one load share, because an allocation for each path would be slow.
#[derive(Clone)]
struct SharedPath {
    text: Arc<str>,
    range: Range<usize>,
}

impl SharedPath {
    fn as_str(&self) -> &str {
        &self.text[self.range.clone()]
    }
}

impl fmt::Debug for SharedPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl PartialEq for SharedPath {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for SharedPath {}

/// The origins of the values that a build has read until now.
struct Origins {
    /// The paths of all values, one after another.
    paths: String,
    values: Vec<TracedValue>,
}

struct TracedValue {
    /// The range of the value's path in [`Origins::paths`].
    path: Range<usize>,
    origin: Origin,
    secret: bool,
    deprecated: Option<&'static str>,
}

impl Origins {
    /// Appends a path with `push`, and returns its range.
    fn path(&mut self, push: impl FnOnce(&mut String)) -> Range<usize> {
        let start = self.paths.len();
        push(&mut self.paths);
        start..self.paths.len()
    }

    fn finish(self) -> Vec<Provenance> {
        let text: Arc<str> = self.paths.into();
        let shared = |range| SharedPath { text: Arc::clone(&text), range };
        let values = self.values.into_iter().map(|value| {
            let TracedValue { path, origin, secret, deprecated } = value;
            Provenance { path: shared(path), origin, secret, deprecated }
        });
        values.collect()
    }
}

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
        let origins = Origins { paths: String::with_capacity(2048), values: Vec::with_capacity(64) };
        Self { origins: Some(origins), ..Self::default() }
    }

    /// Adds a problem. Calls `problem` only while the list has room, because a text may contain a million unknown keys.
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

    /// Records the origin of `field` below `parents`, if origins are collected.
    ///
    /// `parents_path` is the range of the parents' path in the text of all paths, once a field of the same struct has
    /// been recorded.
    pub(crate) fn trace_field(
        &mut self,
        parents: &[TypeStep],
        parents_path: &mut Option<Range<usize>>,
        field: &'static Field,
        origin: impl FnOnce() -> Origin,
    ) {
        let Some(origins) = &mut self.origins else { return };
        let origin = origin();
        let deprecated = field.deprecated.filter(|_| origin != Origin::Default);
        let path = origins.path(|text| {
            let start = text.len();
            match parents_path {
                Some(written) => text.extend_from_within(written.clone()),
                None => {
                    meta::push_path_of(text, parents);
                    *parents_path = Some(start..text.len());
                }
            }
            meta::push_key(text, start, &segment(field.key));
        });
        origins.values.push(TracedValue { path, origin, secret: field.secret, deprecated });
    }

    /// Records the origin of a value that is not secret, if origins are collected. `push_path` appends its path.
    pub(crate) fn trace_place(&mut self, push_path: impl FnOnce(&mut String), origin: Origin) {
        let Some(origins) = &mut self.origins else { return };
        let path = origins.path(push_path);
        origins.values.push(TracedValue { path, origin, secret: false, deprecated: None });
    }

    /// Returns the value if there is one and no problem was reported.
    pub(crate) fn finish<T>(mut self, what: &str, value: Option<T>) -> Result<(T, Vec<Provenance>), Error> {
        if self.unlisted > 0 {
            let rule = format!("and {} more", self.unlisted);
            self.problems.push(Problem::new("", None, Complaint::Rule(rule)));
        }
        match value {
            Some(value) if self.problems.is_empty() => {
                Ok((value, self.origins.map(Origins::finish).unwrap_or_default()))
            }
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
