//! The pair that is to be replaced, as far as it is known.

use crate::base::KeyRef;
use crate::envelope::DataKey;
use crate::format::{EncFile, KeyFile, Section, Suite};
use crate::pair::open::Opened;

/// The pair that is to be replaced.
pub(super) enum Old {
    None,
    /// It opened: its recipients are authentic.
    Verified(Box<Known>),
    /// It is well formed and ours, and was not unwrapped.
    Closed {
        generation: u64,
        section: Vec<u8>,
    },
}

/// The state of the pair that a seal replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OldPair {
    /// There is none.
    Missing,
    /// A trusted key opened it: its header and recipients are authentic.
    Opened,
    /// No trusted key opened it: everybody who can write the directory could have made it.
    NotOpened,
}

/// What counts of a pair that opened.
pub(super) struct Known {
    pub(super) suite: Suite,
    pub(super) generation: u64,
    pub(super) section: Section,
    pub(super) dek: DataKey,
    /// The `.key` holds sections of other data keys: a sealer was cut off before it could remove them.
    pub(super) has_leftovers: bool,
}

impl Known {
    pub(super) fn of(opened: &Opened, key: &KeyFile) -> Self {
        Self {
            suite: opened.header.suite,
            generation: opened.header.generation,
            section: opened.section.clone(),
            dek: opened.dek.clone(),
            has_leftovers: key.sections.len() > 1,
        }
    }

    pub(super) fn has(&self, key: &KeyRef) -> bool {
        self.section.recipients.iter().any(|recipient| recipient.key == *key)
    }
}

/// The section of a known pair, verbatim.
pub(super) fn section_of(known: &Known) -> Vec<u8> {
    let Section { dek, recipients, mac, .. } = &known.section;
    Section::emit(&Section::emit_recipients(*dek, recipients), mac)
}

impl Old {
    pub(super) fn closed(file: &EncFile, key: &KeyFile, section: &Section) -> Self {
        Self::Closed { generation: file.header.generation, section: key.verbatim(section).to_vec() }
    }

    pub(super) fn generation(&self) -> Option<u64> {
        match self {
            Self::None => None,
            Self::Verified(known) => Some(known.generation),
            Self::Closed { generation, .. } => Some(*generation),
        }
    }

    /// The section of its data key, verbatim.
    pub(super) fn section(&self) -> Option<Vec<u8>> {
        match self {
            Self::None => None,
            Self::Verified(known) => Some(section_of(known)),
            Self::Closed { section, .. } => Some(section.clone()),
        }
    }

    pub(super) fn state(&self) -> OldPair {
        match self {
            Self::None => OldPair::Missing,
            Self::Verified(_) => OldPair::Opened,
            Self::Closed { .. } => OldPair::NotOpened,
        }
    }

    /// Returns true if `key` is an authentic recipient of it.
    pub(super) fn has(&self, key: &KeyRef) -> bool {
        matches!(self, Self::Verified(known) if known.has(key))
    }
}
