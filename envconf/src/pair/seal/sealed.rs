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

/// Why a seal has the data key that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DataKeyUse {
    /// A new data key: this is the first seal of the pair.
    First,
    /// The same data key as before: the recipients are the same, and the old pair opened.
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

/// How the new pair was tested before it replaced the old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Check {
    /// From the wrapped key on, like a reader.
    Whole,
    /// From the data key on: the sealer may wrap but not unwrap.
    AfterUnwrap,
}

impl Sealed {
    /// Returns the pair's generation.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Returns the recipients of its data key.
    pub fn recipients(&self) -> &[KeyRef] {
        &self.recipients
    }

    /// Returns which data key the pair has, and why.
    pub fn data_key(&self) -> DataKeyUse {
        self.data_key
    }

    /// Returns how the pair was tested.
    pub fn check(&self) -> Check {
        self.check
    }

    /// Returns the ids of the signers of the old pair that have not signed the new one.
    pub fn lost_signers(&self) -> &[Id] {
        &self.lost
    }
}
