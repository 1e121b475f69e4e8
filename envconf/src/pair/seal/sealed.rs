//! The result of sealing.

use crate::base::KeyRef;
use crate::format::Id;

/// The result of sealing.
#[derive(Debug)]
pub struct Sealed {
    pub(super) generation: u64,
    pub(super) recipients: Vec<KeyRef>,
    pub(super) data_key: DataKeyUse,
    pub(super) check: Check,
    pub(super) lost: Vec<Id>,
}

/// The data key of a seal: kept or new, and the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DataKeyUse {
    /// A new data key: this is the first seal of the pair.
    First,
    /// The same data key as before: the recipients and the suite are the same, and the old pair opened.
    Kept,
    /// A new data key: the recipients changed.
    RecipientsChanged,
    /// A new data key: the suite changed.
    SuiteChanged,
    /// A new data key, as requested ([`Seal::new_data_key`](crate::Seal::new_data_key)).
    Asked,
    /// A new data key: no trusted key unwrapped the old pair.
    OldPairNotOpened,
}

/// The test that the new pair passed before it replaced the old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Check {
    /// All steps of a reader, from the wrapped key on.
    Whole,
    /// All steps after the unwrap: the sealer may wrap but not unwrap.
    AfterUnwrap,
}

impl Sealed {
    /// Returns the pair's generation.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Returns the recipients of the pair's data key.
    pub fn recipients(&self) -> &[KeyRef] {
        &self.recipients
    }

    /// Returns which data key the pair has, and why.
    pub fn data_key(&self) -> DataKeyUse {
        self.data_key
    }

    /// Returns the test that the pair passed.
    pub fn check(&self) -> Check {
        self.check
    }

    /// Returns the ids of the signers of the old pair that have not signed the new one.
    pub fn lost_signers(&self) -> &[Id] {
        &self.lost
    }
}
