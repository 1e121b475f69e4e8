//! Regular files: a FIFO, device or terminal in place of one is refused at once, and never waited for.
//!
//! A repository can bring any file as a link to one of those.

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::path::Path;

/// The reason of an error for a path that is not a regular file.
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
/// Those of opening a file; an error with its own text for anything but a regular file, which is not read from.
pub fn open_regular(path: &Path) -> io::Result<File> {
    open_with_metadata(path).map(|(file, _)| file)
}

fn open_with_metadata(path: &Path) -> io::Result<(File, Metadata)> {
    // Opening a device can have side effects, so check the path first. Check again afterwards: it may have changed.
    check(&path.metadata()?)?;
    let file = open_without_waiting(path)?;
    let metadata = file.metadata()?;
    check(&metadata)?;
    Ok((file, metadata))
}

/// Reads a regular file into one buffer; returns `None` for a file of more than `limit` bytes. Links are followed.
///
/// # Errors
/// As for [`open_regular`], and those of reading.
pub(crate) fn read_regular(path: &Path, limit: usize) -> io::Result<Option<Vec<u8>>> {
    let (mut file, metadata) = open_with_metadata(path)?;
    let Some(len) = usize::try_from(metadata.len()).ok().filter(|len| *len <= limit) else { return Ok(None) };
    let mut bytes = vec![0; len];
    super::pages::prefer_huge(&mut bytes);
    let mut filled = 0;
    while filled < len {
        match file.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    if len == 0 {
        // The files of /proc have content and no length.
        file.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    }
    Ok(Some(bytes).filter(|bytes| bytes.len() <= limit))
}

fn check(metadata: &Metadata) -> io::Result<()> {
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if metadata.is_file() { Ok(()) } else { Err(io::Error::other(NotRegular)) }
}

/// Opens for reading without waiting for the other end, should it be a pipe.
#[cfg(unix)]
pub(crate) fn open_without_waiting(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let flags = (rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY).bits().cast_signed();
    std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path)
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
        }
    }
}
