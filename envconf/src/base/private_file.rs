//! Files with one key each, closed to other users: local keys and signing keys (format.md §6).

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

pub(crate) use super::regular_file::open_without_waiting;
use super::secret::SecretBytes;
use super::{Error, Kind};

/// Writes a new file that only its owner can read.
///
/// # Errors
/// [`Kind::Io`], also if the file exists: a key is never overwritten.
pub(crate) fn create(path: &Path, text: &[u8]) -> Result<(), Error> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let failed = |error| Error::write(path, error);
    let mut file = options.open(path).map_err(failed)?;
    let written = file.write_all(text).and_then(|()| file.sync_all());
    if written.is_err() {
        // Half a key would block the next try. If the file cannot be removed, nothing else helps.
        let _ = std::fs::remove_file(path);
    }
    written.map_err(failed)
}

/// Creates or replaces `path` atomically, with mode 0600.
///
/// # Errors
/// [`Kind::Io`]; then the file is unchanged.
pub(crate) fn replace(path: &Path, text: &[u8]) -> Result<(), Error> {
    let failed = |error| Error::write(path, error);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.{}.tmp", random_suffix()?));
    let written = create(&temporary, text).and_then(|()| std::fs::rename(&temporary, path).map_err(failed));
    if written.is_err() {
        // If the temporary file cannot be removed, nothing else helps.
        let _ = std::fs::remove_file(&temporary);
    }
    written.map_err(|error| error.at(path))
}

fn random_suffix() -> Result<String, Error> {
    let random = SecretBytes::random(8)
        .map_err(|_| Error::new(Kind::Unexpected, "the operating system returned no random bytes"))?;
    Ok(random.expose().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Reads text of at most `limit` bytes.
pub(crate) fn read_text(file: File, limit: u64) -> io::Result<String> {
    // Room for the usual file: a small buffer that grows takes a system call for each step.
    let mut text = String::with_capacity(4096);
    file.take(limit + 1).read_to_string(&mut text)?;
    if text.len() as u64 > limit {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the file is too large"));
    }
    Ok(text)
}

/// Returns true if the user or root owns the file.
#[cfg(unix)]
pub(crate) fn is_ours(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    [0, rustix::process::geteuid().as_raw()].contains(&metadata.uid())
}

/// Reads to the end, or until `buffer` is full. Returns the number of bytes that were read.
///
/// Pass a buffer with room for one byte more than is allowed, to detect a text that is too long. The buffer never
/// grows, so no copies are left behind.
pub(crate) fn fill(mut file: File, buffer: &mut SecretBytes) -> io::Result<usize> {
    super::fill(&mut file, buffer.expose_mut())
}

/// Checks the open file, not its path: it must be regular, belong to the user or root, and have none of the mode bits
/// 0037.
///
/// # Errors
/// [`Kind::InsecureKeyFile`]; `what` names the key.
#[cfg(unix)]
pub(crate) fn check(file: &File, path: &Path, what: &str) -> Result<(), Error> {
    use std::os::unix::fs::MetadataExt as _;
    let insecure = |message: String| Error::new(Kind::InsecureKeyFile, message).at(path);
    let metadata = file.metadata().map_err(|error| Error::read(path, error))?;
    if !metadata.is_file() {
        return Err(insecure(format!("the {what} is not a regular file"))
            .advise("put the key into a regular file of mode 0600"));
    }
    let user = rustix::process::geteuid().as_raw();
    if ![0, user].contains(&metadata.uid()) {
        return Err(insecure(format!(
            "the {what} belongs to user {}, neither root nor user {user}",
            metadata.uid()
        ))
        .advise("change the owner of the file with chown, or use another key"));
    }
    let mode = metadata.mode() & 0o777;
    if mode & 0o037 != 0 {
        return Err(insecure(format!("the {what} has mode {mode:04o}: others can read or change it"))
            .advise("run chmod 600 on it; if others may have read it, create a new key and seal again"));
    }
    Ok(())
}

#[cfg(not(unix))]
pub(crate) fn check(file: &File, path: &Path, what: &str) -> Result<(), Error> {
    let metadata = file.metadata().map_err(|error| Error::read(path, error))?;
    if metadata.is_file() {
        Ok(())
    } else {
        Err(Error::new(Kind::InsecureKeyFile, format!("the {what} is not a regular file")).at(path))
    }
}
