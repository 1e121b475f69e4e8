//! The only place that prints. Data goes to stdout, talk to stderr; no escape code is ever written.

pub(crate) mod pair_difference;
pub(crate) mod variable_formats;
pub(crate) mod layout;
pub(crate) mod error_report;
pub(crate) mod hints;
#[cfg(unix)]
pub(crate) mod terminal;

use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal as _, Write};
use std::path::Path;

use envconf::error::escape;
use envconf::{Error, Kind};
use serde_json::Value;

/// The note on a new pair that its sealer could not open from the wrapped key on.
pub(crate) const CHECKED_AFTER_UNWRAP: &str =
    "checked from the data key on only: none of the recipients unwraps it for this sealer";

/// Where the command's words go.
pub(crate) struct Output {
    json: bool,
    quiet: bool,
}

impl Output {
    pub(crate) fn new(json: bool, quiet: bool) -> Self {
        Self { json, quiet }
    }

    /// Whether results are to be JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Content or a key, byte for byte. Not through the standard library's buffer, which would keep a copy.
    pub(crate) fn data(&self, bytes: &[u8]) -> Result<(), Error> {
        unbuffered_stdout().and_then(|mut stdout| stdout.write_all(bytes)).or_else(tolerate)
    }

    /// A value as it is, and on a terminal on a line of its own.
    pub(crate) fn value(&self, value: &str) -> Result<(), Error> {
        self.data(value.as_bytes())?;
        if io::stdout().is_terminal() { self.data(b"\n") } else { Ok(()) }
    }

    /// A line of a result.
    pub(crate) fn line(&self, line: impl Display) -> Result<(), Error> {
        writeln!(io::stdout(), "{line}").or_else(tolerate)
    }

    /// Rows of a result under their heads.
    pub(crate) fn table<const N: usize>(
        &self,
        heads: [&str; N],
        rows: impl IntoIterator<Item = [String; N]>,
    ) -> Result<(), Error> {
        layout::table(heads, rows, columns()).iter().try_for_each(|line| self.line(line))
    }

    /// A text of a result after its lead; what does not fit the terminal goes on below the text's beginning.
    pub(crate) fn paragraph(&self, lead: &str, text: &str) -> Result<(), Error> {
        layout::paragraph(lead, text, columns()).iter().try_for_each(|line| self.line(line))
    }

    /// A result as one JSON document.
    pub(crate) fn json(&self, value: &Value) -> Result<(), Error> {
        self.line(value)
    }

    /// Talk for a person; none with `--quiet`, and none with `--json`, whose reader is a program.
    pub(crate) fn say(&self, line: impl Display) {
        if !self.quiet && !self.json {
            self.error(line);
        }
    }

    /// A line on stderr, whatever the options: errors, and what accompanies a question.
    pub(crate) fn error(&self, line: impl Display) {
        // When stderr is gone, there is nobody left to tell.
        let _ = writeln!(io::stderr(), "{line}");
    }

    /// Shows on a terminal how many of several are done, over what was shown before; whether it did.
    pub(crate) fn progress(&self, done: usize, of: usize) -> bool {
        const WIDTH: usize = 30;
        if self.quiet || self.json || !io::stderr().is_terminal() {
            return false;
        }
        let filled = WIDTH * done / of.max(1);
        // When stderr is gone, there is nobody left to tell.
        let _ =
            write!(io::stderr(), "\r[{}{}] {done} of {of}", "#".repeat(filled), " ".repeat(WIDTH - filled));
        true
    }

    /// Goes on below what was shown last.
    pub(crate) fn end_progress(&self) {
        let _ = writeln!(io::stderr());
    }

    /// Asks a yes-or-no question on the terminal.
    ///
    /// # Errors
    /// [`Kind::NeedsTerminal`] where stdin or stderr is none.
    pub(crate) fn ask(&self, question: &str) -> Result<bool, Error> {
        let stdin = io::stdin();
        if !stdin.is_terminal() || !io::stderr().is_terminal() {
            return Err(Error::new(Kind::NeedsTerminal, "there is no terminal to ask on"));
        }
        // The question shows without a line feed: stderr is not buffered.
        let _ = write!(io::stderr(), "{question} [y/N] ");
        let mut answer = String::new();
        stdin.read_line(&mut answer).map_err(|error| Error::read(Path::new("standard input"), error))?;
        Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
    }
}

/// The width of the terminal that shows results; `None` where none does, or it does not say.
#[cfg(unix)]
fn columns() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

#[cfg(not(unix))]
fn columns() -> Option<usize> {
    None
}

/// A path, safe to print.
pub(crate) fn shown(path: &Path) -> String {
    escape(&path.to_string_lossy()).to_string()
}

/// A reader that has seen enough and closed the pipe is no failure.
fn tolerate(error: io::Error) -> Result<(), Error> {
    match error.kind() {
        ErrorKind::BrokenPipe => Ok(()),
        _ => Err(Error::write(Path::new("standard output"), error)),
    }
}

#[cfg(unix)]
fn unbuffered_stdout() -> io::Result<impl Write> {
    use std::os::fd::AsFd as _;
    io::stdout().as_fd().try_clone_to_owned().map(std::fs::File::from)
}

#[cfg(not(unix))]
fn unbuffered_stdout() -> io::Result<impl Write> {
    Ok(io::stdout())
}
