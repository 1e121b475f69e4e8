//! The format: converts the two files of a pair from bytes and to bytes (format.md §§1–8). It uses no disk, network,
//! clock or random numbers.
//!
//! [`EncFile::parse`] and [`KeyFile::parse`] are the inverse of `emit`: every value has exactly one spelling.

mod enc;
mod enc_stream;
pub(crate) mod tencent_guide;
mod key;
pub(crate) mod outline;
mod field_types;
mod line_reader;
pub(crate) mod conflict_markers;

pub use enc::{EncFile, Header, Signature};
pub(crate) use enc::{MAX_SIGNATURES, reserve_rest, write_body, write_signatures};
#[cfg(any(feature = "tencent", feature = "aws"))]
pub(crate) use field_types::civil_date;
pub use field_types::{Id, Name, Timestamp};
pub(crate) use key::MAX_RECIPIENTS;
pub use key::{KeyFile, Recipient, Section};
pub use outline::{Outline, OutlineLine};

/// Largest `.enc` (format.md §8).
pub const MAX_ENC: usize = 100_663_296;
/// Largest `.key` (format.md §8).
pub const MAX_KEY: usize = 1_048_576;
/// Largest content that can be sealed (format.md §8).
pub const MAX_CONTENT: usize = 67_108_864;
/// Largest generation (format.md §3).
pub(crate) const MAX_GENERATION: u64 = i64::MAX as u64;
/// The content is padded to a multiple of this number of bytes (format.md §3).
pub const PADDING: usize = 1024;
/// Size of the AEAD tag after the ciphertext (format.md §2).
pub(crate) const TAG: usize = 16;

/// The type of sealed content (format.md §3, field `type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ContentType {
    /// TOML 1.1.
    Toml,
    /// JSON, RFC 8259.
    Json,
    /// YAML; sealed and opened as it is.
    Yaml,
    /// Lines of `NAME=value` (format.md §7).
    Dotenv,
    /// Any bytes.
    Raw,
}

impl ContentType {
    /// Every type, in the order of format.md §3.
    pub const ALL: [Self; 5] = [Self::Toml, Self::Json, Self::Yaml, Self::Dotenv, Self::Raw];

    /// Returns the type's name in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Toml => "toml",
            Self::Json => "json",
            Self::Yaml => "yaml",
            Self::Dotenv => "dotenv",
            Self::Raw => "raw",
        }
    }

    /// Returns the type with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|ty| ty.name() == name)
    }

    /// Returns true if a file of this type can carry an outline (format.md §7).
    pub fn has_outline(self) -> bool {
        matches!(self, Self::Toml | Self::Json | Self::Dotenv)
    }
}

/// The cipher of body and wrapped keys (format.md §2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Suite {
    /// AES-256-GCM, the default.
    #[default]
    Aes256Gcm,
    /// AES-128-GCM, for key services that return 16-byte keys.
    Aes128Gcm,
}

impl Suite {
    /// Returns the suite's name in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aes256Gcm => "AES-256-GCM",
            Self::Aes128Gcm => "AES-128-GCM",
        }
    }

    /// Returns the suite with this name; `None` for an unknown or reserved one.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Aes256Gcm, Self::Aes128Gcm].into_iter().find(|suite| suite.name() == name)
    }

    /// Returns the length of data key and content key, in bytes.
    pub fn key_len(self) -> usize {
        match self {
            Self::Aes256Gcm => 32,
            Self::Aes128Gcm => 16,
        }
    }
}
