//! The origins of the values of a configuration.

use std::fmt;
use std::ops::Range;
use std::sync::OnceLock;

use crate::base::Origin;
use crate::meta::{self, Field, TypeStep};
use crate::syntax::segment;

/// The origin of one value of a configuration. It never contains the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    path: String,
    origin: Origin,
    secret: bool,
    deprecated: Option<&'static str>,
}

impl Provenance {
    /// Returns the origin of the value at `path`, for a value whose field is unknown.
    #[cfg(feature = "tools")]
    pub(crate) fn new(path: String, origin: Origin, secret: bool) -> Self {
        Self { path, origin, secret, deprecated: None }
    }

    /// Returns the dotted path, such as `database.pool_size`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the origin of the value.
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

/// The origins that a build recorded, in the order of the struct.
///
/// Most programs never ask for them, so the path of each value is written when the list is read for the first time.
#[derive(Default)]
pub(crate) struct Origins {
    /// The paths that [`RecordedOrigin::path`] refers to, one after another.
    paths: String,
    recorded: Vec<RecordedOrigin>,
    list: OnceLock<Vec<Provenance>>,
}

struct RecordedOrigin {
    /// The range in [`Origins::paths`]: the path of the struct that has `field`, or the whole path if `field` is
    /// `None`.
    path: Range<usize>,
    field: Option<&'static Field>,
    origin: Origin,
}

impl Origins {
    /// Returns an empty list with room for the origins of a usual configuration.
    pub(super) fn with_room() -> Self {
        let (paths, recorded) = (String::with_capacity(256), Vec::with_capacity(64));
        Self { paths, recorded, list: OnceLock::new() }
    }

    /// Records the origin of `field` below `parents`.
    ///
    /// `parents_path` is the range of the parents' path in the text of all paths, once a field of the same struct has
    /// been recorded.
    pub(super) fn record_field(
        &mut self,
        parents: &[TypeStep],
        parents_path: &mut Option<Range<usize>>,
        field: &'static Field,
        origin: Origin,
    ) {
        let path =
            parents_path.get_or_insert_with(|| self.add_path(|text| meta::push_path_of(text, parents)));
        self.recorded.push(RecordedOrigin { path: path.clone(), field: Some(field), origin });
    }

    /// Records the origin of a value that is not secret. `push_path` appends its path.
    pub(super) fn record_place(&mut self, push_path: impl FnOnce(&mut String), origin: Origin) {
        let path = self.add_path(push_path);
        self.recorded.push(RecordedOrigin { path, field: None, origin });
    }

    fn add_path(&mut self, push: impl FnOnce(&mut String)) -> Range<usize> {
        let start = self.paths.len();
        push(&mut self.paths);
        start..self.paths.len()
    }

    /// Returns the path and origin of each value.
    pub(crate) fn list(&self) -> &[Provenance] {
        self.list.get_or_init(|| self.recorded.iter().map(|value| self.provenance(value)).collect())
    }

    /// Like [`list`](Self::list), but returns the list itself.
    #[cfg(feature = "tools")]
    pub(crate) fn into_list(self) -> Vec<Provenance> {
        self.list();
        self.list.into_inner().unwrap_or_default()
    }

    fn provenance(&self, value: &RecordedOrigin) -> Provenance {
        let mut path = self.paths[value.path.clone()].to_owned();
        let origin = value.origin.clone();
        let Some(field) = value.field else {
            return Provenance { path, origin, secret: false, deprecated: None };
        };
        meta::push_key(&mut path, 0, &segment(field.key));
        let deprecated = field.deprecated.filter(|_| origin != Origin::Default);
        Provenance { path, origin, secret: field.secret, deprecated }
    }
}

impl fmt::Debug for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.list().fmt(f)
    }
}
