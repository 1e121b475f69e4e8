//! What sealing did.

use crate::base::KeyRef;
use crate::format::Id;

/// What sealing did.
#[derive(Debug)]
pub struct Sealed {
    pub(super) generation: u64,
    pub(super) recipients: Vec<KeyRef>,
    pub(super) data_key: DataKeyUse,
    pub(super) check: Check,
    pub(super) lost: Vec<Id>,
}

/// The data key of a seal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DataKeyUse {
    /// The first seal of this pair.
    First,
    /// The same data key as before: the recipients are the same, and the old pair opened.
    Kept,
    /// A new data key: the recipients changed.
    RecipientsChanged,
    /// A new data key: the recipients are the same, the suite changed.
    SuiteChanged,
    /// A new data key: it was asked for ([`Seal::new_data_key`](crate::Seal::new_data_key)).
    Asked,
    /// A new data key: the old pair could not be unwrapped with the keys that are trusted here.
    OldPairNotOpened,
}

/// How far a new pair was proved to open before it replaced anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Check {
    /// From the wrapped key on, as a reader does it.
    Whole,
    /// From the data key on: the sealer may wrap and not unwrap.
    AfterUnwrap,
}

impl Sealed {
    /// The pair's generation.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Who can unwrap its data key.
    pub fn recipients(&self) -> &[KeyRef] {
        &self.recipients
    }

    /// Returns true if it has a new data key.
    pub fn data_key(&self) -> DataKeyUse {
        self.data_key
    }

    /// How far it was proved to open.
    pub fn check(&self) -> Check {
        self.check
    }

    /// The ids of those who had signed the old pair and have not signed the new one.
    pub fn lost_signers(&self) -> &[Id] {
        &self.lost
    }
}
