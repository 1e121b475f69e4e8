//! Code that all credential sources share.
//!
//! A missing source returns `Ok(None)`, and the caller asks the next one. A broken source ends the search with an error
//! that names it ([`broken`]).

use sha2::{Digest, Sha256};

use super::KmsError;
use super::http::Route;
use crate::base::{Fault, SecretBytes};

/// Limit of a credentials file and of an identity token, in bytes.
const LARGEST_FILE: usize = 16 * 1024;

/// Returns the error for a source that exists, but cannot be used: `place` names it, `what` says why.
pub(crate) fn broken(place: &str, what: &str) -> KmsError {
    KmsError::new(Fault::Refused, format!("{place} {what}")).advise("correct it, or delete it").tries(0)
}

/// Returns true for text that fits into a header and a signature: printable ASCII without blanks. For any other text,
/// the service would report an unknown id, which is misleading.
pub(crate) fn fits(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic())
}

pub(crate) const MISFIT: &str = "is empty, or has blanks or characters outside ASCII";

/// Returns the content of a small regular file; `None` if there is no file.
pub(crate) fn read(path: &std::path::Path, place: &str) -> Result<Option<SecretBytes>, KmsError> {
    read_up_to(LARGEST_FILE, path, place)
}

/// Like [`read`], with another limit in bytes, which is a multiple of 1024.
pub(crate) fn read_up_to(
    largest: usize,
    path: &std::path::Path,
    place: &str,
) -> Result<Option<SecretBytes>, KmsError> {
    use std::io::{ErrorKind, Read as _};
    let unreadable = |_| broken(place, "cannot be read");
    let mut file = match crate::base::private_file::open_without_waiting(path) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        opened => opened.map_err(unreadable)?,
    };
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(broken(place, "is not a regular file"));
    }
    // Room for the size of the file and one byte more. The buffer never grows, so it leaves no unwiped copy.
    let size = usize::try_from(metadata.len()).unwrap_or(largest);
    let mut buffer = SecretBytes::zeroed(size.max(LARGEST_FILE).min(largest) + 1);
    let mut len = 0;
    loop {
        match file.read(&mut buffer.expose_mut()[len..]).map_err(unreadable)? {
            0 => break,
            read => len += read,
        }
    }
    if len < buffer.expose().len() {
        return Ok(Some(SecretBytes::copy_of(&buffer.expose()[..len])));
    }
    Err(broken(place, &format!("is larger than {} KiB", largest / 1024)))
}

/// Returns the cache key for credentials of `source` with these settings.
pub(crate) fn cache_key(source: &str, settings: [u8; 32], route: &Route) -> [u8; 32] {
    let mut digest = Sha256::new_with_prefix(source);
    // A forked child inherits its parent's slots. One of them may be locked by a thread that the child does not have,
    // so the child must not use them.
    digest.update(std::process::id().to_be_bytes());
    digest.update(settings);
    digest.update(route.settings());
    digest.finalize().into()
}
