//! The one table of exit codes (documented in `docs/exit-codes.md`).

use super::{Fault, Kind};

/// Returns the exit code of a failure.
///
/// `fault` is the failure of the key services; `None` if none failed. `writing` is true for a file that cannot be
/// written, and false for one that cannot be read.
pub(crate) fn exit_code(kind: Kind, fault: Option<Fault>, writing: bool) -> u8 {
    match kind {
        Kind::Unexpected => 1,
        Kind::Usage => 2,
        Kind::Io if writing => 11,
        Kind::Io => 10,
        Kind::DoesNotFit => 20,
        Kind::NoRule => 21,
        Kind::TooLarge
        | Kind::NotEnvconf
        | Kind::BadEncoding
        | Kind::Truncated
        | Kind::WrongKind
        | Kind::UnsupportedVersion
        | Kind::BadHeader
        | Kind::BadValue
        | Kind::UnsupportedSuite
        | Kind::BadBody
        | Kind::TrailingData
        | Kind::BadDek
        | Kind::KeyMacMismatch
        | Kind::CommitMismatch
        | Kind::TagMismatch
        | Kind::BadPlaintext
        | Kind::OutlineMismatch => 30,
        Kind::DekNotFound => 31,
        Kind::IdentityMismatch | Kind::Rollback => 32,
        Kind::BadSignature | Kind::SignatureRequired => 33,
        Kind::NoTrustedRecipient => 34,
        Kind::UnwrapFailed => match fault {
            Some(Fault::Transient) => 41,
            Some(Fault::Refused) => 42,
            Some(Fault::Other) | None => 40,
        },
        Kind::BadLocalKey | Kind::InsecureKeyFile => 43,
        Kind::Differences => 50,
        Kind::AlreadySealed => 60,
        Kind::NeedsTerminal => 61,
        Kind::Interrupted => 130,
    }
}
