//! Regular files: a FIFO, device or terminal in place of one is refused at once, and never waited for.
//!
//! A repository can bring any file as a link to one of those.

use std::fs::File;
use std::io;
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
    // Opening a device can have side effects, so check the path first. Check again afterwards: it may have changed.
    check(&path.metadata()?)?;
    let file = open_without_waiting(path)?;
    check(&file.metadata()?)?;
    Ok(file)
}

fn check(metadata: &std::fs::Metadata) -> io::Result<()> {
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
