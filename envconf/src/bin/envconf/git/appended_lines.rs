//! Adds lines to a text file of the user: `.gitattributes`, `.gitignore`.

use std::fs::OpenOptions;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use envconf::files::open_regular;
use envconf::{Error, Kind};

/// Attributes of sealed files, which are compared and opened byte for byte (format.md §4).
pub(crate) const ATTRIBUTES: &[&str] = &["*.enc -text", "*.key -text"];

/// The lines that a file lacks.
pub(crate) struct AppendedLines {
    file: PathBuf,
    /// The length of the file without them; `None` if there is no file.
    len: Option<u64>,
    /// The text to append.
    text: String,
}

fn read(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open_regular(file)?.read_to_end(&mut bytes).map(|_| bytes)
}

impl AppendedLines {
    /// Returns the lines of `wanted` that `file` does not have.
    ///
    /// # Errors
    /// [`Kind::Io`] if it exists and cannot be read; [`Kind::Usage`] for a link: git would not follow it, and in a
    /// hostile repository it could lead anywhere.
    pub(crate) fn missing_in(file: &Path, wanted: &[&str]) -> Result<Self, Error> {
        if file.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink()) {
            return Err(Error::new(Kind::Usage, "it is a link, and git does not follow links").at(file));
        }
        let there = match read(file) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(Error::read(file, error)),
        };
        let len = there.as_ref().map(|there| there.len() as u64);
        let there = there.unwrap_or_default();
        let has =
            |line: &str| there.split(|b| *b == b'\n').any(|there| there.trim_ascii() == line.as_bytes());
        let missing: String =
            wanted.iter().filter(|line| !has(line)).map(|line| format!("{line}\n")).collect();
        let unended = !missing.is_empty() && there.last().is_some_and(|last| *last != b'\n');
        let text = if unended { format!("\n{missing}") } else { missing };
        Ok(Self { file: file.to_owned(), len, text })
    }

    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    pub(crate) fn exists(&self) -> bool {
        self.len.is_some()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Appends the lines to the file, or creates it: all of the lines, or none.
    pub(crate) fn append(&self) -> Result<(), Error> {
        if self.text.is_empty() {
            return Ok(());
        }
        let opened = OpenOptions::new().append(true).create(true).open(&self.file);
        let written = opened.and_then(|mut file| file.write_all(self.text.as_bytes()));
        written.map_err(|error| {
            self.remove();
            Error::write(&self.file, error)
        })
    }

    /// Removes the lines again, and deletes the file if it was created for them. If that fails, nothing else helps.
    pub(crate) fn remove(&self) {
        let _ = match self.len {
            _ if self.text.is_empty() => Ok(()),
            Some(len) => OpenOptions::new().write(true).open(&self.file).and_then(|file| file.set_len(len)),
            None => std::fs::remove_file(&self.file),
        };
    }
}
