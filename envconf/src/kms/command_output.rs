//! Commands that print a secret. They run without a shell and without standard input, for at most 10 s. Their output
//! is bounded and wiped.

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

/// Time limit of a command (environment-variables.md).
const LIMIT: Duration = Duration::from_secs(10);

/// The reason why a command returned no text.
pub(crate) enum CommandFailure {
    NotStarted(std::io::Error),
    TooSlow,
    /// The command ended with a status other than 0.
    Failed,
    /// The command printed too much, printed bytes that are not UTF-8, or left its output open.
    BadOutput,
}

impl CommandFailure {
    /// Returns the reason, for an error message.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::NotStarted(_) => "could not be started",
            Self::TooSlow => "did not end within 10 s",
            Self::Failed => "ended with an error",
            Self::BadOutput => "printed too much, or bytes that are not UTF-8 text",
        }
    }
}

/// Splits a command line at blanks. Single and double quotes keep blanks in a word, and nothing is expanded. Returns
/// `None` if a quote is not closed.
///
/// shlex does not fit: it reads a backslash as an escape, which breaks Windows paths, and drops the text after a `#`.
pub(crate) fn split_words(line: &str) -> Option<Vec<String>> {
    let mut words: Vec<String> = Vec::new();
    let mut quote = None;
    let mut in_word = false;
    for c in line.chars() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('\'' | '"', None) => {
                quote = Some(c);
                if !std::mem::replace(&mut in_word, true) {
                    words.push(String::new());
                }
            }
            (c, None) if c.is_whitespace() => in_word = false,
            (c, _) => {
                if !std::mem::replace(&mut in_word, true) {
                    words.push(String::new());
                }
                words.last_mut()?.push(c);
            }
        }
    }
    quote.is_none().then_some(words)
}

/// Runs the command of these words and returns its output, at most `most` bytes. Blocks the thread.
pub(crate) fn output_of(words: &[String], most: u64) -> Result<Zeroizing<String>, CommandFailure> {
    let (program, arguments) = words.split_first().ok_or(CommandFailure::Failed)?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .map_err(CommandFailure::NotStarted)?;
    let output = child.stdout.take().map(|output| read_in_background(output, most));
    let started = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Some(status),
            Ok(None) if started.elapsed() < LIMIT => std::thread::sleep(Duration::from_millis(5)),
            _ => break None,
        }
    };
    let Some(status) = status else {
        // `kill` and `wait` fail only if the command has just ended by itself.
        let _ = child.kill();
        let _ = child.wait();
        return Err(CommandFailure::TooSlow);
    };
    let left = LIMIT.saturating_sub(started.elapsed());
    match output {
        Some(output) if status.success() => {
            output.recv_timeout(left).ok().flatten().ok_or(CommandFailure::BadOutput)
        }
        // After the limit nobody reads the pipe, so a command that prints more can fail because of that.
        Some(output) if matches!(output.try_recv(), Ok(None)) => Err(CommandFailure::BadOutput),
        _ => Err(CommandFailure::Failed),
    }
}

/// Reads at most `most` bytes on a thread, because a grandchild process may keep the pipe open. Sends `None` for more
/// bytes, and for bytes that are not UTF-8.
fn read_in_background(
    mut output: std::process::ChildStdout,
    most: u64,
) -> mpsc::Receiver<Option<Zeroizing<String>>> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        // Room for one byte above the limit, and for one that `read_to_string` needs to find the end. The buffer then
        // never grows, so it leaves no unwiped copy.
        let mut text = Zeroizing::new(String::with_capacity(most as usize + 2));
        let read = output.by_ref().take(most + 1).read_to_string(&mut text);
        let fits = read.is_ok() && text.len() as u64 <= most;
        // Sending fails if nobody waits any more. Send before closing the pipe: closing it can end the command, and
        // then the result must be there.
        let _ = sender.send(fits.then_some(text));
        drop(output);
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_without_a_shell() {
        let words = |line: &str| split_words(line).map(|words| words.join("|"));
        assert_eq!(words("  pass show  'my key' ").as_deref(), Some("pass|show|my key"));
        assert_eq!(words(r#"a"b c"d '' $HOME *"#).as_deref(), Some("ab cd||$HOME|*"));
        assert_eq!(words(r"C:\tools\pass.exe show #1").as_deref(), Some(r"C:\tools\pass.exe|show|#1"));
        assert_eq!(words("a 'b"), None);
    }

    #[test]
    fn a_command_prints_text_or_fails_with_a_reason() {
        let run = |line: &str, most| {
            output_of(&split_words(line).unwrap(), most).map(|text| text.to_string()).map_err(|f| f.reason())
        };
        assert_eq!(run("printf abc", 3), Ok("abc".to_owned()));
        assert_eq!(run("printf abcd", 3), Err("printed too much, or bytes that are not UTF-8 text"));
        assert_eq!(run("printf \\377", 3), Err("printed too much, or bytes that are not UTF-8 text"));
        for _ in 0..20 {
            assert_eq!(
                run("head -c 500000 /dev/zero", 3),
                Err("printed too much, or bytes that are not UTF-8 text")
            );
        }
        assert_eq!(run("false", 3), Err("ended with an error"));
        assert_eq!(run("/does/not/exist", 3), Err("could not be started"));
        assert_eq!(run("", 3), Err("ended with an error"));
    }
}
