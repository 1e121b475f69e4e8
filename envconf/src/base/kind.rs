//! The kinds of an error.

use std::fmt;

/// The kind of an error: the kinds of format.md §8, and those of failures outside the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A file cannot be read or written.
    Io,
    /// A file, line, header or body is above its limit.
    TooLarge,
    /// The file does not begin like a sealed file.
    NotEnvconf,
    /// A byte that a sealed file cannot contain: CR, tab, or a byte outside printable ASCII.
    BadEncoding,
    /// The file ends too early.
    Truncated,
    /// A `.key` file where an `.enc` file was expected, or the reverse.
    WrongKind,
    /// A version that this library does not read.
    UnsupportedVersion,
    /// A line that is unknown, missing, repeated or in the wrong place.
    BadHeader,
    /// A field whose value is outside its grammar.
    BadValue,
    /// A cipher suite that this library does not know.
    UnsupportedSuite,
    /// The encrypted body is malformed.
    BadBody,
    /// The file has data after its end.
    TrailingData,
    /// The file belongs to a name or environment other than the expected one.
    IdentityMismatch,
    /// The file's generation is below the required one, or cannot be raised.
    Rollback,
    /// A signature by a trusted signer does not verify.
    BadSignature,
    /// A signature by a trusted signer is required, but missing.
    SignatureRequired,
    /// The data key that the `.enc` names is not in the `.key`.
    DekNotFound,
    /// None of the file's recipients is a trusted key.
    NoTrustedRecipient,
    /// No trusted key could unwrap the data key; see [`Error::attempts`](crate::Error::attempts).
    UnwrapFailed,
    /// The data key has the wrong length for the suite.
    BadDek,
    /// The recipients were changed by someone without the data key.
    KeyMacMismatch,
    /// The header and the data key do not belong together.
    CommitMismatch,
    /// The body was changed.
    TagMismatch,
    /// The decrypted content has an invalid length or padding, or is not UTF-8.
    BadPlaintext,
    /// The outline does not describe the content.
    OutlineMismatch,
    /// A local key is missing or malformed.
    BadLocalKey,
    /// Others can read or change a key file, or change a directory of the key store. Also for a key file that is not
    /// regular or belongs to another user.
    InsecureKeyFile,
    /// Wrong usage, or an invalid or forbidden setting.
    Usage,
    /// The content does not parse, or does not fit the type; see [`Error::problems`](crate::Error::problems).
    DoesNotFit,
    /// No rule of the policy file matches the file.
    NoRule,
    /// A check found differences.
    Differences,
    /// The file to seal is sealed already.
    AlreadySealed,
    /// The command needs an answer, but there is no terminal.
    NeedsTerminal,
    /// Interrupted by a signal.
    Interrupted,
    /// An unexpected internal failure.
    Unexpected,
}

impl Kind {
    /// Returns the kind's name as it appears in documents and in `--json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Io => "Io",
            Self::TooLarge => "TooLarge",
            Self::NotEnvconf => "NotEnvconf",
            Self::BadEncoding => "BadEncoding",
            Self::Truncated => "Truncated",
            Self::WrongKind => "WrongKind",
            Self::UnsupportedVersion => "UnsupportedVersion",
            Self::BadHeader => "BadHeader",
            Self::BadValue => "BadValue",
            Self::UnsupportedSuite => "UnsupportedSuite",
            Self::BadBody => "BadBody",
            Self::TrailingData => "TrailingData",
            Self::IdentityMismatch => "IdentityMismatch",
            Self::Rollback => "Rollback",
            Self::BadSignature => "BadSignature",
            Self::SignatureRequired => "SignatureRequired",
            Self::DekNotFound => "DekNotFound",
            Self::NoTrustedRecipient => "NoTrustedRecipient",
            Self::UnwrapFailed => "UnwrapFailed",
            Self::BadDek => "BadDek",
            Self::KeyMacMismatch => "KeyMacMismatch",
            Self::CommitMismatch => "CommitMismatch",
            Self::TagMismatch => "TagMismatch",
            Self::BadPlaintext => "BadPlaintext",
            Self::OutlineMismatch => "OutlineMismatch",
            Self::BadLocalKey => "BadLocalKey",
            Self::InsecureKeyFile => "InsecureKeyFile",
            Self::Usage => "Usage",
            Self::DoesNotFit => "DoesNotFit",
            Self::NoRule => "NoRule",
            Self::Differences => "Differences",
            Self::AlreadySealed => "AlreadySealed",
            Self::NeedsTerminal => "NeedsTerminal",
            Self::Interrupted => "Interrupted",
            Self::Unexpected => "Unexpected",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
