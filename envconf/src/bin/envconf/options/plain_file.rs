//! The plain file: reads it into buffers that are wiped, and writes it so that only its owner can read it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};

use envconf::files::open_regular;
use envconf::format::MAX_CONTENT;
use envconf::pair::check_content;
use envconf::{ContentType, Error, Kind, Pair};
use zeroize::Zeroizing;

use crate::output::{Output, shown};

/// Size of the first buffer in bytes, if the length is unknown.
const FIRST: usize = 64 * 1024;

/// Reads a whole file. For a file that is too large to seal, it reads only enough to detect this.
///
/// # Errors
/// [`Kind::Io`](envconf::Kind::Io) if it cannot be read.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    let failed = |error| Error::read(path, error);
    let file = open_regular(path).map_err(failed)?;
    let len = file.metadata().map_err(failed)?.len();
    // Reserve one more byte, so that the end is detected before the buffer has to grow. A pipe has no length.
    let first = usize::try_from(len).map_or(FIRST, |len| if len == 0 { FIRST } else { len + 1 });
    read_all(file, first).map_err(failed)
}

/// Rejects content that may be incomplete: only the first 64 MiB are read.
///
/// # Errors
/// [`Kind::TooLarge`], with the exit code of content that does not fit.
pub(crate) fn refuse_too_large(content: &[u8]) -> Result<(), Error> {
    if content.len() > MAX_CONTENT { check_content(content, ContentType::Raw) } else { Ok(()) }
}

/// Reads the whole standard input.
///
/// # Errors
/// [`Kind::Io`](envconf::Kind::Io) if it cannot be read.
pub(crate) fn read_stdin() -> Result<Zeroizing<Vec<u8>>, Error> {
    unbuffered_stdin()
        .and_then(|stdin| read_all(stdin, FIRST))
        .map_err(|error| Error::read(Path::new("standard input"), error))
}

/// Removes the byte order mark at the beginning of UTF-8 text, and reports it. `name` is the name of the file.
pub(crate) fn remove_byte_order_mark(text: &mut Zeroizing<Vec<u8>>, name: &Path, output: &Output) {
    if without_byte_order_mark(text).len() < text.len() {
        text.drain(..BYTE_ORDER_MARK.len());
        output.say(format_args!("Removed the UTF-8 byte order mark from {}", shown(name)));
    }
}

/// Returns `text` without the byte order mark at its beginning.
pub(crate) fn without_byte_order_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text)
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Writes a file that only its owner can read. An existing file is replaced as a whole, and only if `replace` is true.
/// After a failure, the old file is unchanged.
///
/// # Errors
/// [`Kind::Io`](envconf::Kind::Io) if it cannot be written, or exists.
pub(crate) fn write(path: &Path, content: &[u8], replace: bool) -> Result<(), Error> {
    let failed = |error: io::Error| {
        let exists = error.kind() == io::ErrorKind::AlreadyExists;
        let error = Error::write(path, error);
        if exists { error.advise("choose another name, or replace it with --force") } else { error }
    };
    let staged = beside(path).map_err(failed)?;
    let mut file = create(&staged).map_err(failed)?;
    let written = file.write_all(content).and_then(|()| file.sync_all());
    let placed = written.and_then(|()| match replace {
        true => std::fs::rename(&staged, path),
        false => place(&staged, path, content),
    });
    // After the rename there is no temporary file. If it cannot be removed, it does no harm.
    let _ = std::fs::remove_file(&staged);
    placed.map_err(failed)
}

/// Renames `staged` to `path`, unless that file exists.
fn place(staged: &Path, path: &Path, content: &[u8]) -> io::Result<()> {
    match std::fs::hard_link(staged, path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {}
        done => return done,
    }
    // The file system has no hard links.
    let mut file = create(path)?;
    let written = file.write_all(content).and_then(|()| file.sync_all());
    written.inspect_err(|_| {
        // `create` made this file. If it cannot be removed, the error still comes first.
        let _ = std::fs::remove_file(path);
    })
}

/// Returns true if both paths lead to the same file; false if one of them does not exist.
pub(crate) fn same_file(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// Rejects a plaintext output that is one of the two files of `pair`.
///
/// # Errors
/// [`Kind::Usage`] if `file` is one of them.
pub(crate) fn refuse_pair(file: &Path, pair: &Pair) -> Result<(), Error> {
    if [pair.enc(), pair.key()].into_iter().any(|sealed| same_file(file, sealed)) {
        return Err(Error::new(Kind::Usage, "that would write over the pair itself")
            .at(file)
            .advise("choose another file for -o"));
    }
    Ok(())
}

/// Prints a note if a value of dotenv content begins with a quote.
pub(crate) fn note_quotes(content_type: ContentType, content: &[u8], output: &Output) {
    if content_type == ContentType::Dotenv
        && let Some(line) = first_quoted_value(content)
    {
        output.warn(format_args!(
            "the value on line {line} begins with a quote, which would be part of it: programs refuse to load it"
        ));
    }
}

/// Returns the line of the first dotenv value that begins with a quote. Such a text can be sealed and opened, but not
/// loaded.
fn first_quoted_value(content: &[u8]) -> Option<usize> {
    let quoted = |line: &[u8]| {
        let value = line.iter().position(|b| *b == b'=').map(|at| &line[at + 1..]);
        !line.starts_with(b"#")
            && value.is_some_and(|value| matches!(value.first(), Some(b'"' | b'\'' | b'`')))
    };
    content.split(|b| *b == b'\n').position(quoted).map(|at| at + 1)
}

/// Returns the path of a new file in the directory of `path`.
fn beside(path: &Path) -> io::Result<PathBuf> {
    let mut random = [0; 8];
    getrandom::fill(&mut random)
        .map_err(|_| io::Error::other("the operating system returned no random bytes"))?;
    Ok(path.with_file_name(format!(".envconf-{:016x}.tmp", u64::from_ne_bytes(random))))
}

/// Creates a file of mode 0600. It never opens an existing file, or the target of a link.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Reads to the end, or one byte beyond the largest content. It grows the buffer itself: a `Vec` that grows leaves
/// copies behind.
fn read_all(mut source: impl Read, first: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    let limit = MAX_CONTENT + 1;
    let mut buffer = Zeroizing::new(vec![0; first.min(limit)]);
    let mut filled = 0;
    while filled < limit {
        if filled == buffer.len() {
            let mut larger = Zeroizing::new(vec![0; (2 * filled).min(limit)]);
            larger[..filled].copy_from_slice(&buffer);
            buffer = larger;
        }
        match source.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    buffer.truncate(filled);
    Ok(buffer)
}

/// Returns standard input without the buffer of the standard library, which would keep a copy.
#[cfg(unix)]
fn unbuffered_stdin() -> io::Result<impl Read> {
    use std::os::fd::AsFd as _;
    io::stdin().as_fd().try_clone_to_owned().map(File::from)
}

#[cfg(not(unix))]
fn unbuffered_stdin() -> io::Result<impl Read> {
    Ok(io::stdin())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader that returns a few bytes at a time, like a pipe.
    struct Trickle<'a>(&'a [u8]);

    impl Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let give = self.0.len().min(buffer.len()).min(3);
            buffer[..give].copy_from_slice(&self.0[..give]);
            self.0 = &self.0[give..];
            Ok(give)
        }
    }

    #[test]
    fn everything_is_read_whatever_the_first_buffer_was() {
        let text = b"0123456789abcdefghij";
        for first in [1, 2, 7, text.len(), text.len() + 1, 100] {
            assert_eq!(*read_all(Trickle(text), first).unwrap(), text, "{first}");
        }
    }

    #[test]
    fn reading_stops_where_it_is_too_much_to_seal() {
        assert_eq!(read_all(io::repeat(b'x'), FIRST).unwrap().len(), MAX_CONTENT + 1);
    }
}
