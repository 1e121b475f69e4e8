//! Bytes ⇄ the two files of a pair (format.md §§1–8). Pure: no disk, no network, no clock.

/// What a sealed content is (format.md §3, field `type`).
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

    /// The type's name as it stands in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Toml => "toml",
            Self::Json => "json",
            Self::Yaml => "yaml",
            Self::Dotenv => "dotenv",
            Self::Raw => "raw",
        }
    }

    /// The type of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|ty| ty.name() == name)
    }
}
