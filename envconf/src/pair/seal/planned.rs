//! A new pair before its files are written.

use super::Sealed;
use crate::base::Error;
use crate::pair::files::Pair;

/// A new pair that opens, but is not written yet.
pub(super) struct Planned {
    pub(super) files: NewFiles,
    pub(super) sealed: Sealed,
}

pub(super) enum NewFiles {
    /// The data key stays. The `.key` stays too, unless it has sections of other data keys.
    SameKey { enc: Vec<u8>, trimmed: Option<Vec<u8>> },
    /// A new data key. `both` is a `.key` that also has the old section.
    NewKey { both: Option<Vec<u8>>, enc: Vec<u8>, key: Vec<u8> },
}

impl Planned {
    /// Replaces the old pair.
    pub(super) fn write(self, pair: &Pair) -> Result<Sealed, Error> {
        match self.files {
            NewFiles::SameKey { enc, trimmed } => pair.replace_enc(&enc, trimmed.as_deref())?,
            NewFiles::NewKey { both, enc, key } => pair.replace_both(both.as_deref(), &enc, &key)?,
        }
        Ok(self.sealed)
    }
}
