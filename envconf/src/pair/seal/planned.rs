//! A new pair before it is in its place.

use super::Sealed;
use crate::base::Error;
use crate::pair::files::Pair;

/// A new pair that opens, not yet in its place.
pub(super) struct Planned {
    pub(super) files: NewFiles,
    pub(super) sealed: Sealed,
}

pub(super) enum NewFiles {
    /// The data key stays; so does the `.key`, unless something in it is left over.
    SameKey { enc: Vec<u8>, trimmed: Option<Vec<u8>> },
    /// A new data key; `both` is a `.key` that has the old one too.
    NewKey { both: Option<Vec<u8>>, enc: Vec<u8>, key: Vec<u8> },
}

impl Planned {
    /// Replaces what is there.
    pub(super) fn put(self, pair: &Pair) -> Result<Sealed, Error> {
        match self.files {
            NewFiles::SameKey { enc, trimmed } => pair.replace_enc(&enc, trimmed.as_deref())?,
            NewFiles::NewKey { both, enc, key } => pair.replace_both(both.as_deref(), &enc, &key)?,
        }
        Ok(self.sealed)
    }
}
