//! The pair that a seal replaces.

use crate::base::KeyRef;
use crate::envelope::DataKey;
use crate::format::{EncFile, KeyFile, Section, Suite};
use crate::pair::open::Opened;

/// The pair that a seal replaces, with the parts that the new pair needs.
pub(super) enum ReplacedPair {
    None,
    /// The pair opened: its recipients are authentic.
    Verified(Box<OpenedParts>),
    /// The pair is well formed and has the expected name and environment, but its data key was not unwrapped.
    Closed {
        generation: u64,
        section: Vec<u8>,
    },
}

/// The state of the pair that a seal replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OldPair {
    /// There is no pair yet.
    Missing,
    /// A trusted key opened the pair: its header and recipients are authentic.
    Opened,
    /// No trusted key opened the pair: everyone who can write the directory could have made it.
    NotOpened,
}

/// The parts of an opened pair that the next seal needs.
pub(super) struct OpenedParts {
    pub(super) suite: Suite,
    pub(super) generation: u64,
    pub(super) section: Section,
    pub(super) dek: DataKey,
    /// True if the `.key` has sections of other data keys: a sealer was killed before it removed them.
    pub(super) has_leftovers: bool,
}

impl OpenedParts {
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

/// Returns the section of a known pair, verbatim.
pub(super) fn section_of(known: &OpenedParts) -> Vec<u8> {
    let Section { dek, recipients, mac, .. } = &known.section;
    Section::emit(&Section::emit_recipients(*dek, recipients), mac)
}

impl ReplacedPair {
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

    /// Returns the section of the pair's data key, verbatim.
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

    /// Returns true if `key` is an authentic recipient of the pair.
    pub(super) fn has(&self, key: &KeyRef) -> bool {
        matches!(self, Self::Verified(known) if known.has(key))
    }
}
