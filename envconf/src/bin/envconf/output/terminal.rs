//! Reads a line from a terminal without showing it.

use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::path::Path;

use envconf::{Error, Kind};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};
use zeroize::Zeroizing;

/// Longest line in bytes that a terminal passes to a program.
const LONGEST: usize = 4095;

/// Prompts for a line on the terminal, without showing the typed text.
///
/// # Errors
/// [`Kind::NeedsTerminal`] if stdin or stderr is not a terminal; [`Kind::Interrupted`] at the end of input;
/// [`Kind::DoesNotFit`] for a text that is too long to type, or not UTF-8. Ctrl-C ends the process with 130.
pub(crate) fn secret(prompt: &str) -> Result<Zeroizing<Vec<u8>>, Error> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(Error::new(Kind::NeedsTerminal, "the prompt for the value needs a terminal")
            .advise("pass the value on standard input or with --value-file"));
    }
    let _silence = Silence::begin().map_err(failed)?;
    let _ = write!(io::stderr(), "{prompt}: ");
    let line = read_line().map_err(failed);
    // The terminal does not show the typed line feed either.
    let _ = writeln!(io::stderr());
    let line =
        line?.ok_or_else(|| Error::new(Kind::Interrupted, "no value was given; nothing was written"))?;
    if line.len() >= LONGEST {
        return Err(Error::new(
            Kind::DoesNotFit,
            "the value is too long for a prompt: the terminal cut it off",
        )
        .advise("pass it on standard input or with --value-file"));
    }
    match std::str::from_utf8(&line) {
        Ok(_) => Ok(line),
        Err(_) => Err(Error::new(Kind::DoesNotFit, "the value is not valid UTF-8")),
    }
}

fn failed(error: io::Error) -> Error {
    Error::read(Path::new("the terminal"), error)
}

/// Returns a line without its line feed; `None` if the input ends before one.
fn read_line() -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    use std::os::fd::AsFd as _;
    // Do not use the buffer of the standard library: it would keep a copy.
    let mut stdin = std::fs::File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut line = Zeroizing::new(vec![0; LONGEST + 1]);
    let mut filled = 0;
    while filled < line.len() {
        match stdin.read(&mut line[filled..]) {
            Ok(0) => return Ok(None),
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
        if line[..filled].ends_with(b"\n") {
            filled -= 1;
            break;
        }
    }
    line.truncate(filled);
    Ok(Some(line))
}

/// Hides the typed text until it is dropped. A signal that ends the process also restores the terminal.
struct Silence {
    before: Termios,
    signals: Handle,
}

impl Silence {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        let handle = signals.handle();
        let at_signal = before.clone();
        std::thread::spawn(move || {
            if signals.forever().next().is_some() {
                set(&at_signal);
                let _ = writeln!(io::stderr());
                std::process::exit(Error::new(Kind::Interrupted, "").exit_code().into());
            }
        });
        let mut silent = before.clone();
        silent.local_modes -= LocalModes::ECHO;
        tcsetattr(io::stdin(), OptionalActions::Flush, &silent)?;
        Ok(Self { before, signals: handle })
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        set(&self.before);
        self.signals.close();
    }
}

fn set(modes: &Termios) {
    // A closed terminal needs no restoring.
    let _ = tcsetattr(io::stdin(), OptionalActions::Now, modes);
}
