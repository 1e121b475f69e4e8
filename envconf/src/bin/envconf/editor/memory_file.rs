//! A file in memory without a directory, for programs that need a path.

use std::ffi::OsString;
use std::path::Path;

use envconf::Error;

/// A file that this process, its replacement and its children can read, and nobody can change.
pub(crate) struct MemoryFile(#[cfg(target_os = "linux")] std::fs::File);

#[cfg(target_os = "linux")]
impl MemoryFile {
    /// Creates a file with this content.
    ///
    /// # Errors
    /// [`Kind::Io`](envconf::Kind::Io) if the system has no such files.
    pub(crate) fn of(content: &[u8]) -> Result<Self, Error> {
        Self::make(content).map_err(|error| Error::write(Path::new("a file in memory"), error))
    }

    fn make(content: &[u8]) -> std::io::Result<Self> {
        use rustix::fs::{MemfdFlags, Mode, SealFlags, fchmod, fcntl_add_seals, memfd_create};
        use std::io::Write as _;
        let memory = memfd_create("envconf", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        let mut file = std::fs::File::from(memory);
        file.write_all(content)?;
        fchmod(&file, Mode::from_raw_mode(0o400))?;
        fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
        Ok(Self(file))
    }

    /// Returns the path for the program that replaces this process. The file stays open for that program.
    ///
    /// # Errors
    /// [`Kind::Io`](envconf::Kind::Io) if the system refuses.
    pub(crate) fn hand_over(&self) -> Result<OsString, Error> {
        use std::os::fd::AsRawFd as _;
        rustix::io::fcntl_setfd(&self.0, rustix::io::FdFlags::empty())
            .map_err(|error| Error::write(Path::new("a file in memory"), error.into()))?;
        Ok(format!("/proc/self/fd/{}", self.0.as_raw_fd()).into())
    }
}

#[cfg(not(target_os = "linux"))]
impl MemoryFile {
    pub(crate) fn of(_: &[u8]) -> Result<Self, Error> {
        Err(Error::new(envconf::Kind::Usage, "this system has no files in memory")
            .advise("run the program without --file, which passes variables; or use Linux"))
    }

    pub(crate) fn hand_over(&self) -> Result<OsString, Error> {
        Self::of(b"").map(|_| OsString::new())
    }
}
