//! All output of the command. Data and results go to stdout, messages to stderr. Each message is one write.

pub(crate) mod pair_difference;
pub(crate) mod variable_formats;
pub(crate) mod layout;
pub(crate) mod error_report;
pub(crate) mod hints;
pub(crate) mod message;
pub(crate) mod style;
#[cfg(unix)]
pub(crate) mod terminal;

use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal as _, Write};
use std::path::Path;

use envconf::error::{escape, is_deceptive};
use envconf::kms::State;
use envconf::{Error, Kind};
use serde_json::Value;

use self::message::Message;
use self::style::{ColorOption, Label, Paint};

/// The warning about a new pair that its sealer could not open from the wrapped key on.
pub(crate) const CHECKED_AFTER_UNWRAP: &str =
    "the wrapped key was not tested: none of the recipients can unwrap it here";

/// Prints results and messages according to the options and the terminal.
pub(crate) struct Output {
    json: bool,
    quiet: bool,
    stdout: Paint,
    stderr: Paint,
}

impl Output {
    pub(crate) fn new(json: bool, quiet: bool, color: ColorOption) -> Self {
        // A program reads the JSON.
        let color = if json { ColorOption::Never } else { color };
        Self { json, quiet, stdout: Paint::stdout(color), stderr: Paint::stderr(color) }
    }

    /// Returns the colours of results.
    pub(crate) fn paint(&self) -> Paint {
        self.stdout
    }

    /// Returns true if results are to be JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Writes content or a key, byte for byte. It avoids the buffer of the standard library, which would keep a copy.
    pub(crate) fn data(&self, bytes: &[u8]) -> Result<(), Error> {
        unbuffered_stdout().and_then(|mut stdout| stdout.write_all(bytes)).or_else(tolerate)
    }

    /// Writes a value unchanged, and ends the line on a terminal.
    pub(crate) fn value(&self, value: &str) -> Result<(), Error> {
        self.data(value.as_bytes())?;
        if io::stdout().is_terminal() { self.data(b"\n") } else { Ok(()) }
    }

    /// Writes lines of a result, broken to fit the terminal.
    pub(crate) fn line(&self, line: impl Display) -> Result<(), Error> {
        let width = columns(io::stdout());
        line.to_string().split('\n').try_for_each(|line| {
            let own = line.len() - line.trim_start().len();
            let parts = layout::wrapped(line.trim_start(), width, own, own + 2);
            parts.iter().enumerate().try_for_each(|(at, part)| {
                let indent = if at == 0 { own } else { own + 2 };
                self.whole_line(format_args!("{}{part}", " ".repeat(indent)))
            })
        })
    }

    /// Writes a line that fits or must not be broken.
    fn whole_line(&self, line: impl Display) -> Result<(), Error> {
        io::stdout().write_all(format!("{line}\n").as_bytes()).or_else(tolerate)
    }

    /// Writes an emphasised line of a result.
    pub(crate) fn heading(&self, line: impl Display) -> Result<(), Error> {
        self.line(self.stdout.strong(&line.to_string()))
    }

    /// Writes rows of a result below their heads.
    pub(crate) fn table<const N: usize>(
        &self,
        heads: [&str; N],
        rows: impl IntoIterator<Item = [String; N]>,
    ) -> Result<(), Error> {
        let lines = layout::table(heads, rows, columns(io::stdout()));
        let is_table = lines.first().is_some_and(|first| first.starts_with(heads[0]));
        lines.iter().enumerate().try_for_each(|(at, line)| match at {
            0 if is_table => self.whole_line(self.stdout.strong(line)),
            _ => self.whole_line(line),
        })
    }

    /// Writes a text of a result after its lead. Further lines begin below the beginning of the text.
    pub(crate) fn paragraph(&self, lead: &str, text: &str) -> Result<(), Error> {
        self.paragraph_after(lead, lead.chars().count(), text)
    }

    /// Like [`Output::paragraph`], for a lead that is `columns` wide on the terminal: colour codes have no width.
    pub(crate) fn paragraph_after(&self, lead: &str, columns: usize, text: &str) -> Result<(), Error> {
        let lines = layout::paragraph(columns, text, self::columns(io::stdout()));
        let indent = " ".repeat(columns);
        lines.iter().enumerate().try_for_each(|(at, line)| {
            let lead = if at == 0 { lead } else { &indent };
            self.whole_line(format_args!("{lead}{}", self.stdout.emphasized(line)))
        })
    }

    /// Returns the mark of a step of a diagnosis: ASCII where the locale is not UTF-8.
    pub(crate) fn mark(&self, state: State) -> String {
        let paint = self.stdout;
        let pick = |mark, ascii| if style::is_utf8() { mark } else { ascii };
        match state {
            State::Ok => paint.good(pick("\u{2713}", "+")),
            State::Failed => paint.bad(pick("\u{2717}", "x")),
            State::Note => paint.doubtful("!"),
            _ => paint.faint("-"),
        }
        .into_owned()
    }

    /// Writes a result as one JSON document.
    pub(crate) fn json(&self, value: &Value) -> Result<(), Error> {
        self.whole_line(json_text(value))
    }

    /// Writes an error as one JSON document.
    pub(crate) fn json_error(&self, value: &Value) {
        write_stderr(&format!("{}\n", json_text(value)));
    }

    /// Prints what was done, for people: not with `--quiet`, and not with `--json`.
    pub(crate) fn say(&self, text: impl Display) {
        if self.talks() {
            self.message(&Message::of_text(None, &text.to_string()));
        }
    }

    /// Prints a warning, under the same conditions as [`Output::say`].
    pub(crate) fn warn(&self, text: impl Display) {
        if self.talks() {
            self.message(&Message::of_text(Some(Label::Warning), &text.to_string()));
        }
    }

    /// Prints a warning about a failure that does not end the command.
    pub(crate) fn warn_of(&self, error: &Error) {
        if self.talks() {
            self.message(&Message::of_error(Label::Warning, error));
        }
    }

    /// Prints a hint.
    pub(crate) fn hint(&self, text: impl Display) {
        if self.talks() {
            self.message(&Message::of_hints(&text.to_string()));
        }
    }

    fn talks(&self) -> bool {
        !self.quiet && !self.json
    }

    /// Reports an error as text, also with `--json` or `--quiet`.
    pub(crate) fn failure(&self, error: &Error) {
        self.message(&Message::of_error(Label::Error, error));
    }

    /// Reports invalid arguments, also with `--json` or `--quiet`.
    pub(crate) fn usage(&self, text: &str) {
        self.message(&Message::of_usage(text));
    }

    /// Prints a help text.
    pub(crate) fn help(&self, text: &clap::builder::StyledStr) -> Result<(), Error> {
        let text = if self.stdout.is_on() { text.ansi().to_string() } else { text.to_string() };
        self.data(text.replace(UNBROKEN_BLANK, " ").as_bytes())
    }

    fn message(&self, message: &Message) {
        write_stderr(&message.written(self.stderr, columns(io::stderr())));
    }

    /// Writes a line to stderr, also with `--json` or `--quiet`: JSON errors, and the text of a question.
    pub(crate) fn error(&self, line: impl Display) {
        write_stderr(&format!("{line}\n"));
    }

    /// Shows the progress on a terminal, over the previous one. Returns true if it was shown.
    pub(crate) fn progress(&self, done: usize, of: usize) -> bool {
        const WIDTH: usize = 30;
        if self.quiet || self.json || !io::stderr().is_terminal() {
            return false;
        }
        let filled = WIDTH * done / of.max(1);
        write_stderr(&format!("\r[{}{}] {done} of {of}", "#".repeat(filled), " ".repeat(WIDTH - filled)));
        true
    }

    /// Continues below the progress.
    pub(crate) fn end_progress(&self) {
        write_stderr("\n");
    }

    /// Asks a yes-or-no question on the terminal.
    ///
    /// # Errors
    /// [`Kind::NeedsTerminal`] if stdin or stderr is not a terminal.
    pub(crate) fn ask(&self, question: &str) -> Result<bool, Error> {
        let stdin = io::stdin();
        if !stdin.is_terminal() || !io::stderr().is_terminal() {
            return Err(Error::new(
                Kind::NeedsTerminal,
                "this question needs an answer, and there is no terminal",
            ));
        }
        write_stderr(&format!("{} [y/N] ", self.stderr.emphasized(question)));
        let mut answer = String::new();
        stdin.read_line(&mut answer).map_err(|error| Error::read(Path::new("standard input"), error))?;
        Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
    }
}

/// Returns the width of help texts by clap's rule: that of the terminal, else `COLUMNS`, and at most 100.
pub(crate) fn help_width() -> usize {
    let set = || std::env::var("COLUMNS").ok()?.parse().ok();
    columns(io::stdout()).or_else(set).unwrap_or(HELP_WIDTH).min(HELP_WIDTH)
}

/// A blank of a help text at which a line is never broken.
pub(crate) const UNBROKEN_BLANK: &str = "\u{a0}";

/// Longest line. Longer ones are hard to read.
pub(crate) const HELP_WIDTH: usize = 100;

/// Returns the width of the terminal of `stream`; `None` if it is not a terminal, or its width is unknown.
#[cfg(unix)]
fn columns(stream: impl std::os::fd::AsFd) -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(stream).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

#[cfg(not(unix))]
fn columns<T>(_: T) -> Option<usize> {
    None
}

/// Writes a text with one write, so that the lines of processes that share a terminal or a log do not mix.
fn write_stderr(text: &str) {
    // If stderr is closed, nobody reads the message.
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Formats a value as JSON. Characters that control a terminal are written as escapes, which mean the same to a
/// program.
fn json_text(value: &Value) -> String {
    let mut text = String::new();
    for c in value.to_string().chars() {
        let is_plain = c.is_ascii() && c != '\u{7f}' || !c.is_control() && !is_deceptive(c);
        match is_plain {
            true => text.push(c),
            // None of these characters needs two UTF-16 units.
            false => text += &format!("\\u{:04x}", u32::from(c)),
        }
    }
    text
}

/// Returns a path, safe to print.
pub(crate) fn shown(path: &Path) -> String {
    escape(&path.to_string_lossy()).to_string()
}

/// Ignores a closed pipe: a reader that has read enough is not a failure.
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
