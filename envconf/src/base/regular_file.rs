//! Functions that open and read regular files only. They reject a FIFO, device or terminal without waiting for it.
//!
//! A repository can contain links to a FIFO, device or terminal.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::Path;

/// The error for a path that is not a regular file.
#[derive(Debug)]
pub(crate) struct NotRegular;

impl std::fmt::Display for NotRegular {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("it is not a regular file")
    }
}

impl std::error::Error for NotRegular {}

/// Opens a regular file for reading. Links are followed.
///
/// # Errors
/// The errors of opening a file; [`NotRegular`] for a file that is not regular. Such a file is not read.
pub fn open_regular(path: &Path) -> io::Result<File> {
    open_with_metadata(path).map(|(file, _)| file)
}

/// Opens a regular file for reading, and returns it with its metadata. Links are followed.
///
/// # Errors
/// The errors of [`open_regular`].
fn open_with_metadata(path: &Path) -> io::Result<(File, Metadata)> {
    // Opening a device can have side effects, so check the path first. Check again afterwards: it may have changed.
    check(&path.metadata()?)?;
    let file = open_without_waiting(path)?;
    let metadata = file.metadata()?;
    check(&metadata)?;
    Ok((file, metadata))
}

/// Like [`open_with_metadata`], for a name that a device never has, such as `app.conf.enc`.
///
/// Only a link can lead from such a name to a device. So a path that is not a link needs no check before it is opened,
/// which saves a system call.
#[cfg(unix)]
pub(crate) fn open_without_precheck(path: &Path) -> io::Result<(File, Metadata)> {
    match open_with(path, rustix::fs::OFlags::NOFOLLOW) {
        Ok(file) => {
            let metadata = file.metadata()?;
            check(&metadata)?;
            Ok((file, metadata))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(error),
        // The path is a link, or cannot be opened at all.
        Err(_) => open_with_metadata(path),
    }
}

#[cfg(not(unix))]
pub(crate) fn open_without_precheck(path: &Path) -> io::Result<(File, Metadata)> {
    open_with_metadata(path)
}

/// Reads a regular file into one buffer; returns `None` for a file of more than `limit` bytes. Links are followed.
///
/// # Errors
/// The errors of [`open_regular`], and the errors of reading.
pub(crate) fn read_regular(path: &Path, limit: usize) -> io::Result<Option<Vec<u8>>> {
    let (file, metadata) = open_with_metadata(path)?;
    read_opened(file, &metadata, limit)
}

/// Reads an open file from its beginning into one buffer; returns `None` for a file of more than `limit` bytes.
///
/// # Errors
/// The errors of reading.
pub(crate) fn read_opened(mut file: File, metadata: &Metadata, limit: usize) -> io::Result<Option<Vec<u8>>> {
    let Some(len) = usize::try_from(metadata.len()).ok().filter(|len| *len <= limit) else { return Ok(None) };
    let mut bytes = vec![0; len];
    super::pages::prefer_huge(&mut bytes);
    let filled = fill(&mut file, &mut bytes)?;
    bytes.truncate(filled);
    if len == 0 {
        // Files in /proc have content, but their length is 0.
        file.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    }
    Ok(Some(bytes).filter(|bytes| bytes.len() <= limit))
}

/// Reads until `buffer` is full or the input ends. Returns the number of bytes that were read.
///
/// # Errors
/// The errors of reading. The function retries an interrupted call.
pub(crate) fn fill(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn check(metadata: &Metadata) -> io::Result<()> {
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if metadata.is_file() { Ok(()) } else { Err(io::Error::other(NotRegular)) }
}

/// Opens a file for reading, without waiting for the other end of a pipe.
#[cfg(unix)]
pub(crate) fn open_without_waiting(path: &Path) -> io::Result<File> {
    open_with(path, rustix::fs::OFlags::empty())
}

#[cfg(unix)]
fn open_with(path: &Path, flags: rustix::fs::OFlags) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let flags = flags | rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    std::fs::OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)
}

#[cfg(not(unix))]
pub(crate) fn open_without_waiting(path: &Path) -> io::Result<File> {
    File::open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_to_its_limit() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        for len in [0, 1, 4096, 70_000] {
            let bytes: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
            std::fs::write(&path, &bytes).unwrap();
            assert_eq!(read_regular(&path, len).unwrap().as_ref(), Some(&bytes), "{len}");
            if len > 0 {
                assert_eq!(read_regular(&path, len - 1).unwrap(), None, "{len}");
            }
        }
        assert_eq!(
            read_regular(&directory.path().join("none"), 1).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_without_a_length_is_read() {
        let path = Path::new("/proc/self/status");
        assert_eq!(path.metadata().unwrap().len(), 0);
        assert!(read_regular(path, 1 << 20).unwrap().unwrap().starts_with(b"Name:"));
        assert_eq!(read_regular(path, 4).unwrap(), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn only_regular_files_are_opened() {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("file"), "x").unwrap();
        std::os::unix::fs::symlink("file", path("link")).unwrap();
        std::os::unix::fs::symlink("nowhere", path("dangling")).unwrap();
        mknodat(CWD, path("fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
        assert!(open_regular(&path("file")).is_ok() && open_regular(&path("link")).is_ok());
        assert_eq!(open_regular(&path("dangling")).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(open_regular(directory.path()).unwrap_err().kind(), io::ErrorKind::IsADirectory);
        for other in
            [path("fifo"), path("socket"), "/dev/null".into(), "/dev/zero".into(), "/dev/ptmx".into()]
        {
            let error = open_regular(&other).unwrap_err();
            assert_eq!(error.to_string(), NotRegular.to_string(), "{}", other.display());
            assert_eq!(crate::base::error::reason(&error), NotRegular.to_string());
            std::os::unix::fs::symlink(&other, path("link to other")).unwrap();
            for own in [&other, &path("link to other")] {
                let error = open_without_precheck(own).unwrap_err();
                assert_eq!(error.to_string(), NotRegular.to_string(), "{}", own.display());
            }
            std::fs::remove_file(path("link to other")).unwrap();
        }
        for (own, kind) in [("dangling", io::ErrorKind::NotFound), ("", io::ErrorKind::IsADirectory)] {
            assert_eq!(open_without_precheck(&path(own)).unwrap_err().kind(), kind, "{own}");
        }
        assert!(open_without_precheck(&path("file")).is_ok() && open_without_precheck(&path("link")).is_ok());
    }
}
