use std::io::{IsTerminal as _, stderr, stdin};
use std::path::PathBuf;

use envconf::pair::check_content;
use envconf::{ContentType, Error, Kind, Seal};
use serde_json::json;
use zeroize::Zeroizing;

use crate::editor::early_return::EditedFile;
use crate::editor::program::{Editor, EditorSignals};
use crate::editor::scratch::Scratch;
use crate::options::global::Global;
use crate::options::pair_change::Change;
use crate::options::plain_file;
use crate::options::signing_args::SigningArgs;
use crate::output::{Output, hints};

/// Edit a pair in your editor
///
/// envconf decrypts the pair into a file in memory and opens it in your editor. The file
/// is in a private directory. envconf removes this directory at the end, even after
/// SIGKILL.
///
/// ENVCONF_EDITOR, VISUAL or EDITOR selects the editor. If none is set, envconf uses vim,
/// nano or vi. It starts known editors without swap, undo, backup and history files.
///
/// If you change nothing, envconf writes nothing. If you empty the file, envconf asks
/// before it seals. If envconf cannot seal the file, it opens the editor again and shows
/// the errors as comments at the top.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  envconf edit app
  ENVCONF_EDITOR='code --wait' envconf edit app --environment prod")]
pub(crate) struct Args {
    /// Path of an .enc or .key file, or a bare name such as app
    #[arg(value_name = "PAIR")]
    pair: PathBuf,

    /// Allow a plain file on disk if memory is not available
    ///
    /// envconf uses the disk only if it finds no file system in memory.
    #[arg(long)]
    allow_disk: bool,

    /// Accept new dotenv lines that other tools read differently
    #[arg(long)]
    as_is: bool,

    /// Seal an emptied file without asking
    #[arg(short, long)]
    yes: bool,

    #[command(flatten)]
    signing: SigningArgs,
}

pub(crate) fn run(args: &Args, global: &Global, output: &Output) -> Result<(), Error> {
    let has_terminal = stdin().is_terminal() && stderr().is_terminal();
    let editor = Editor::find(has_terminal)?;
    let change = Change::begin(&args.pair, &args.signing, global, output)?;
    let scratch = Scratch::new(args.allow_disk, output)?;
    let watch = EditorSignals::begin(scratch.directory())?;
    let file = scratch.directory().join(format!("{}.{}", change.label(), extension(change.content_type())));
    let mut notes = Notes::none();
    let mut before = Zeroizing::new(change.content().to_vec());
    loop {
        plain_file::write(&file, &notes.above(&before), true)?;
        let edited = EditedFile::begin(&file);
        editor.edit(&file, &watch)?;
        let was_not_edited = edited.was_not_edited();
        let mut text = notes.strip(&plain_file::read(&file)?);
        if change.content_type() != ContentType::Raw {
            plain_file::remove_byte_order_mark(&mut text, &file, output);
        }
        if *text == *change.content() {
            change.leave(json!({ "changed": false }), output)?;
            if let Some(advice) = editor.advice_to_wait().filter(|_| was_not_edited) {
                output.hint(format_args!("{advice}"));
            }
            return Ok(());
        }
        confirm_emptied(&change, &text, args.yes, output)?;
        let adjust = |seal| if args.as_is { Seal::as_is(seal) } else { seal };
        let wrong = match change.seal(adjust, &text, json!({ "changed": true }), output) {
            Err(error) if error.kind() == Kind::DoesNotFit => hints::with_options(error),
            Err(error) => return Err(error),
            Ok(()) => {
                plain_file::note_quotes(change.content_type(), &text, output);
                return Ok(());
            }
        };
        let is_same_again = !notes.is_empty() && *text == *before;
        if !has_terminal || is_same_again {
            return Err(change.name(wrong).advise("nothing was written"));
        }
        notes = match comment(change.content_type()) {
            Some(mark) => Notes::of(&wrong, mark),
            None if output.ask(&format!("{wrong}\nEdit it again?"))? => Notes::none(),
            None => return Err(Error::new(Kind::Interrupted, "not edited again; nothing was written")),
        };
        before = text;
    }
}

/// Asks before an empty file replaces content: an editor that failed may have left an empty file.
///
/// # Errors
/// [`Kind::NeedsTerminal`] without a terminal and without `yes`; [`Kind::Interrupted`] if the user declines.
fn confirm_emptied(change: &Change, text: &[u8], yes: bool, output: &Output) -> Result<(), Error> {
    let is_blank = |text: &[u8]| text.iter().all(u8::is_ascii_whitespace);
    // Do not ask about content that is rejected anyway, such as JSON without a value.
    let is_refused = check_content(text, change.content_type()).is_err();
    if yes || is_refused || !is_blank(text) || is_blank(change.content()) {
        return Ok(());
    }
    let answer = output.ask("The file is empty now: every value in it would be removed\nSeal it empty?");
    match answer {
        Ok(true) => Ok(()),
        Ok(false) => {
            Err(change.name(Error::new(Kind::Interrupted, "the file was emptied; nothing was written")))
        }
        Err(error) if error.kind() == Kind::NeedsTerminal => {
            let error = Error::new(Kind::NeedsTerminal, "the file was emptied; nothing was written");
            Err(change.name(error).advise("to remove every value, run the command again with --yes"))
        }
        Err(error) => Err(error),
    }
}

/// Returns the file extension by which editors recognize the syntax of the content.
fn extension(content_type: ContentType) -> &'static str {
    match content_type {
        ContentType::Toml => "toml",
        ContentType::Json => "json",
        ContentType::Yaml => "yaml",
        ContentType::Dotenv => "env",
        _ => "txt",
    }
}

/// Returns the beginning of a comment, if the syntax has comments.
fn comment(content_type: ContentType) -> Option<&'static str> {
    match content_type {
        ContentType::Toml | ContentType::Yaml | ContentType::Dotenv => Some("#"),
        _ => None,
    }
}

/// Comment lines above the text with the errors in it. They are not sealed.
struct Notes(Vec<String>);

impl Notes {
    fn none() -> Self {
        Self(Vec::new())
    }

    fn of(error: &Error, mark: &str) -> Self {
        let head =
            "this content cannot be sealed; close it unchanged to cancel (envconf ignores these lines)";
        let error = error.to_string();
        let lines = std::iter::once(head).chain(error.lines());
        Self(lines.map(|line| format!("{mark} envconf: {line}")).collect())
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the lines with `text` below them.
    fn above(&self, text: &[u8]) -> Zeroizing<Vec<u8>> {
        let len: usize = self.0.iter().map(|line| line.len() + 1).sum();
        let mut all = Zeroizing::new(Vec::with_capacity(len + text.len()));
        for line in &self.0 {
            all.extend_from_slice(line.as_bytes());
            all.push(b'\n');
        }
        all.extend_from_slice(text);
        all
    }

    /// Returns `text` without such lines at its beginning.
    fn strip(&self, text: &[u8]) -> Zeroizing<Vec<u8>> {
        let mut rest = text;
        while let Some(line) = rest.split_inclusive(|byte| *byte == b'\n').next() {
            let bare = line.strip_suffix(b"\n").unwrap_or(line);
            let bare = bare.strip_suffix(b"\r").unwrap_or(bare);
            if !self.0.iter().any(|note| note.as_bytes() == bare) {
                break;
            }
            rest = &rest[line.len()..];
        }
        Zeroizing::new(rest.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_removed_and_nothing_else_is() {
        let notes = Notes::of(&Error::new(Kind::DoesNotFit, "bad").advise("mend it"), "#");
        let text = b"# envconf: mine\na = 1";
        let above = notes.above(text);
        assert_eq!(above.split(|b| *b == b'\n').count(), 5);
        assert_eq!(*notes.strip(&above), text);
        let cut = &above[above.iter().position(|b| *b == b'\n').unwrap() + 1..];
        assert_eq!(*notes.strip(cut), text, "one of them deleted");
        assert_eq!(*Notes::none().strip(&above), *above);
    }
}
