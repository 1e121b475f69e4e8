//! Lines that belong into a text file of the user's: `.gitattributes`, `.gitignore`.

use std::fs::OpenOptions;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use envconf::files::open_regular;
use envconf::{Error, Kind};

/// Sealed files are compared and opened byte for byte (format.md §4).
pub(crate) const ATTRIBUTES: &[&str] = &["*.enc -text", "*.key -text"];

/// The lines that a file lacks.
pub(crate) struct AppendedLines {
    file: PathBuf,
    /// How long the file is without them; `None` where there is none.
    len: Option<u64>,
    /// The text to append.
    text: String,
}

fn read(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open_regular(file)?.read_to_end(&mut bytes).map(|_| bytes)
}

impl AppendedLines {
    /// Those of `wanted` that `file` does not have.
    ///
    /// # Errors
    /// [`Kind::Io`] if it is there and cannot be read; [`Kind::Usage`] for a link: git would not follow it, and a
    /// hostile repository could have it lead anywhere.
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

    /// Adds them at the end of the file, which is made if there is none: all of them, or none.
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

    /// Takes them out again, and the file away if it was made for them. If that fails, nothing else helps.
    pub(crate) fn remove(&self) {
        let _ = match self.len {
            _ if self.text.is_empty() => Ok(()),
            Some(len) => OpenOptions::new().write(true).open(&self.file).and_then(|file| file.set_len(len)),
            None => std::fs::remove_file(&self.file),
        };
    }
}
