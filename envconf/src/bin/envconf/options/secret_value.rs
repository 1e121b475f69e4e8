//! Where a secret value comes from: standard input, a file, or a prompt; never an argument.

use std::ffi::OsString;
use std::io::{IsTerminal as _, stdin};
use std::path::{Path, PathBuf};

use envconf::pair::check_text;
use envconf::{Error, Kind};
use zeroize::Zeroizing;

use super::plain_file;
use crate::output::Output;

/// Options of a verb that takes a value.
#[derive(clap::Args)]
pub(crate) struct ValueSource {
    /// Read the value from this file; - is standard input
    #[arg(long, value_name = "FILE")]
    value_file: Option<PathBuf>,

    /// Read the value from standard input, a terminal too
    #[arg(long, conflicts_with = "value_file")]
    value_stdin: bool,

    /// Keep the line feed at the value's end
    ///
    /// Else one is left out, or CR LF.
    #[arg(long, verbatim_doc_comment)]
    exact: bool,

    /// What an argument too many is; it must not be a value.
    #[arg(hide = true, allow_hyphen_values = true)]
    surplus: Vec<OsString>,
}

impl ValueSource {
    /// Refuses a value among the arguments.
    ///
    /// # Errors
    /// [`Kind::Usage`], without the argument.
    pub(crate) fn refuse_surplus(&self) -> Result<(), Error> {
        if self.surplus.is_empty() {
            return Ok(());
        }
        Err(Error::new(Kind::Usage, "an argument too many; a value is never one: others on this machine and the shell's history would see it")
            .advise("give it on standard input, with --value-file, or at the prompt; if this was a real one, make another"))
    }

    /// Reads the value, which is text, without a byte order mark.
    ///
    /// # Errors
    /// [`Kind::Io`]; [`Kind::DoesNotFit`] for what is not UTF-8 or has a zero byte; [`Kind::Usage`] for an empty input;
    /// [`Kind::NeedsTerminal`] where there is nowhere to ask.
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
                .advise("for an empty value give a line feed alone, or --exact"));
        }
        if !self.exact {
            let line_feed = usize::from(value.ends_with(b"\n"));
            let end = value.len() - line_feed - usize::from(value.ends_with(b"\r\n"));
            value.truncate(end);
        }
        let text = check_text(&value, "the value").map_err(|error| error.at(name))?;
        if text.contains('\0') {
            return Err(Error::new(Kind::DoesNotFit, "the value has a zero byte")
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
        .advise("give the value on standard input or with --value-file"))
}
