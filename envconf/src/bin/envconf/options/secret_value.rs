//! The sources of a secret value: standard input, a file, or a prompt; never an argument.

use std::ffi::OsString;
use std::io::{IsTerminal as _, stdin};
use std::path::{Path, PathBuf};

use envconf::pair::check_text;
use envconf::tools::change::KeyPath;
use envconf::{Error, Kind};
use zeroize::Zeroizing;

use super::plain_file;
use crate::output::Output;

/// Options of a verb that reads a value.
#[derive(clap::Args)]
pub(crate) struct ValueSource {
    /// Read the value from this file; - is standard input
    #[arg(long, value_name = "FILE")]
    value_file: Option<PathBuf>,

    /// Read the value from standard input, even on a terminal
    #[arg(long, conflicts_with = "value_file")]
    value_stdin: bool,

    /// Keep the line feed at the end of the value
    ///
    /// Without this option, envconf removes one LF or CR LF.
    #[arg(long)]
    exact: bool,

    /// Surplus arguments, which envconf rejects
    #[arg(hide = true, allow_hyphen_values = true)]
    surplus: Vec<OsString>,
}

/// Rejects `path=value` in place of a path. The value may be a secret, so the error does not repeat it.
///
/// # Errors
/// [`Kind::Usage`], with the path before the `=`.
pub(crate) fn refuse_assignment(path: &str) -> Result<(), Error> {
    let mut is_quoted = false;
    let at = path.find(|c| {
        is_quoted ^= c == '"';
        c == '=' && !is_quoted
    });
    let Some(name) = at.map(|at| path[..at].trim()) else { return Ok(()) };
    let name: Option<KeyPath> = name.parse().ok();
    let path = name.map_or_else(|| "PATH".to_owned(), |path| path.to_string());
    Err(Error::new(Kind::Usage, format!("{path}: a value cannot be an argument: {VISIBLE}")).advise(format!(
        "run the command again with the path alone ({path}) and {GIVE_IT}; if the value was a real secret, replace it"
    )))
}

/// The reason why a value is never an argument.
const VISIBLE: &str = "the shell keeps it in its history, and other users of this machine can read it";
const GIVE_IT: &str = "enter the value at the prompt, or pass it on standard input or with --value-file";

impl ValueSource {
    /// Rejects a value among the arguments.
    ///
    /// # Errors
    /// [`Kind::Usage`], without the argument.
    pub(crate) fn refuse_surplus(&self) -> Result<(), Error> {
        if self.surplus.is_empty() {
            return Ok(());
        }
        Err(Error::new(Kind::Usage, format!("a value cannot be an argument: {VISIBLE}"))
            .advise(format!("{GIVE_IT}; if it was a real secret, replace it")))
    }

    /// Reads the value, which must be text without a byte order mark.
    ///
    /// # Errors
    /// [`Kind::Io`]; [`Kind::DoesNotFit`] for a value that is not UTF-8 or has a zero byte; [`Kind::Usage`] for an
    /// empty input; [`Kind::NeedsTerminal`] if there is no terminal for the prompt.
    pub(crate) fn read(&self, prompt: &str, output: &Output) -> Result<Zeroizing<Vec<u8>>, Error> {
        let stdin_name = Path::new("standard input");
        let (mut value, name) = match &self.value_file {
            Some(file) if file != Path::new("-") => (plain_file::read(file)?, file.as_path()),
            None if !self.value_stdin && stdin().is_terminal() => return ask(prompt),
            _ => (plain_file::read_stdin()?, stdin_name),
        };
        plain_file::remove_byte_order_mark(&mut value, name, output);
        if value.is_empty() && !self.exact && name == stdin_name {
            return Err(Error::new(Kind::Usage, "it is empty")
                .at(name)
                .advise("for an empty value, pass a single line feed, or use --exact"));
        }
        if !self.exact {
            let line_feed = usize::from(value.ends_with(b"\n"));
            let end = value.len() - line_feed - usize::from(value.ends_with(b"\r\n"));
            value.truncate(end);
        }
        let text = check_text(&value, "the value").map_err(|error| error.at(name))?;
        if text.contains('\0') {
            return Err(Error::new(Kind::DoesNotFit, "the value contains a zero byte")
                .at(name)
                .advise("a value is text: encode binary data, such as with base64"));
        }
        Ok(value)
    }
}

#[cfg(unix)]
fn ask(prompt: &str) -> Result<Zeroizing<Vec<u8>>, Error> {
    crate::output::terminal::secret(prompt)
}

#[cfg(not(unix))]
fn ask(_: &str) -> Result<Zeroizing<Vec<u8>>, Error> {
    Err(Error::new(Kind::NeedsTerminal, "there is no prompt on this system")
        .advise("pass the value on standard input or with --value-file"))
}
