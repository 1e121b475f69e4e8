//! The user's editor: how envconf selects it, prevents copies in other places, and waits for it.

use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::Duration;

use envconf::process::setting;
use envconf::{Error, Kind};
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;

use super::{early_return, leftovers};

/// The variables that name an editor, in their order.
const VARIABLES: [&str; 3] = ["ENVCONF_EDITOR", "VISUAL", "EDITOR"];
/// The editors that are tried if none is configured.
const USUAL: [&str; 3] = ["vim", "nano", "vi"];
/// The placeholder for the directory that is removed afterwards.
const DIRECTORY: &str = "{directory}";

/// Arguments that make editors write swap, undo, backup and history files only beside the file, whose directory is
/// removed. Editors without such files (helix, kakoune, ed) need none.
const PRESETS: [(&[&str], &[&str]); 7] = [
    (
        &["gvim", "mvim"],
        &[
            "--nofork",
            "-n",
            "-i",
            "NONE",
            "-c",
            "silent! set nobackup nowritebackup noundofile noswapfile viminfo=",
        ],
    ),
    (
        &["vim", "view"],
        &["-n", "-i", "NONE", "-c", "silent! set nobackup nowritebackup noundofile noswapfile viminfo="],
    ),
    (
        &["nvim"],
        &["-n", "-i", "NONE", "-c", "silent! set nobackup nowritebackup noundofile noswapfile shada="],
    ),
    // Only the rc files of nano enable backups, positions and search history.
    (&["nano", "rnano"], &["--ignorercfiles"]),
    (
        &["emacs"],
        &[
            "--eval",
            "(setq make-backup-files nil auto-save-default nil auto-save-list-file-prefix nil create-lockfiles nil)",
        ],
    ),
    (
        &["micro"],
        &[
            "-backup",
            "false",
            "-permbackup",
            "false",
            "-savehistory",
            "false",
            "-saveundo",
            "false",
            "-savecursor",
            "false",
        ],
    ),
    // A separate profile keeps unsaved text, local history and recent files out of the user's profile.
    (
        &["code", "code-insiders", "codium", "vscodium"],
        &["--wait", "--disable-extensions", "--user-data-dir", DIRECTORY],
    ),
];

/// The user's editor.
pub(crate) struct Editor {
    /// The command as a shell parses it.
    command: String,
    /// The name of the program in the command.
    program: String,
    preset: &'static [&'static str],
}

impl Editor {
    /// Returns the editor that the environment names, else one of the usual ones.
    ///
    /// # Errors
    /// [`Kind::NeedsTerminal`] if no variable names an editor and there is no terminal; [`Kind::Usage`] if no usual
    /// editor is installed.
    pub(crate) fn find(has_terminal: bool) -> Result<Self, Error> {
        let [own, others @ ..] = VARIABLES;
        let other = |name: &&str| std::env::var(name).ok().filter(|command| !command.trim().is_empty());
        let named = setting(own)?.or_else(|| others.iter().find_map(other));
        let command = match named {
            Some(command) => command,
            None if !has_terminal => {
                return Err(Error::new(
                    Kind::NeedsTerminal,
                    "the editor needs a terminal, and there is none",
                )
                .advise("name an editor that needs none with ENVCONF_EDITOR, or use `envconf set`"));
            }
            None => {
                let usual = USUAL.iter().find(|program| in_path(program).is_some());
                (*usual.ok_or_else(not_found)?).to_owned()
            }
        };
        let program = program_of(&command);
        let preset = PRESETS.iter().find(|(programs, _)| programs.contains(&program.as_str()));
        Ok(Self { command, program, preset: preset.map_or(&[], |(_, arguments)| arguments) })
    }

    /// Returns the hint for an editor that exited before anybody could edit; `None` for an editor that is known to
    /// wait.
    pub(crate) fn advice_to_wait(&self) -> Option<String> {
        self.preset.is_empty().then(|| early_return::advice(&self.program, &self.command))
    }

    /// Opens `file` in the editor. Its directory is the only one for temporary files.
    ///
    /// # Errors
    /// [`Kind::Interrupted`] if the editor ends with another status than 0; [`Kind::Usage`] if it cannot be started.
    pub(crate) fn edit(&self, file: &Path, watch: &EditorSignals) -> Result<(), Error> {
        let directory = file.parent().unwrap_or(Path::new("/"));
        let plain = |c: char| c.is_ascii_alphanumeric() || " /._-+,:".contains(c);
        // Use `exec`, so that a signal for the editor does not reach a shell in between.
        let exec = if self.command.chars().all(plain) { "exec " } else { "" };
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("{exec}{} \"$@\"", self.command)).arg("envconf-editor");
        for argument in self.preset {
            if *argument == DIRECTORY {
                command.arg(directory)
            } else {
                command.arg(argument)
            };
        }
        command.arg(file).env("TMPDIR", directory);
        for secret in ["ENVCONF_KEY", "ENVCONF_AGE_KEY"] {
            for end in ["", "_FILE", "_CMD"] {
                command.env_remove(format!("{secret}{end}"));
            }
        }
        let status = watch.run(&mut command).map_err(|_| not_found())?;
        match status.code() {
            Some(0) => Ok(()),
            Some(126 | 127) => Err(not_found()),
            _ => Err(ended(status)),
        }
    }
}

fn not_found() -> Error {
    Error::new(Kind::Usage, "the editor cannot be started; nothing was written")
        .advise("name one with ENVCONF_EDITOR, VISUAL or EDITOR")
}

fn ended(status: ExitStatus) -> Error {
    let how = match (status.code(), status.signal()) {
        (Some(code), _) => format!("with status {code}"),
        (None, signal) => format!("by signal {}", signal.unwrap_or_default()),
    };
    Error::new(Kind::Interrupted, format!("the editor ended {how}; nothing was written"))
}

/// Returns the name of the program that `command` runs. It follows links such as `vi` and `editor`.
fn program_of(command: &str) -> String {
    // If shlex cannot split a command, sh cannot run it either.
    let words = shlex::split(command).unwrap_or_default();
    let word = words.iter().find(|word| !word.contains('=')).map_or(Path::new(""), Path::new);
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let known = |name: &str| PRESETS.iter().any(|(programs, _)| programs.contains(&name));
    if known(&name(word)) {
        return name(word);
    }
    let program = if word.components().count() > 1 { Some(word.to_owned()) } else { in_path(&name(word)) };
    let real = program.and_then(|program| program.canonicalize().ok()).unwrap_or_else(|| word.to_owned());
    // Names such as vim.basic, vim.tiny and emacs-gtk.
    name(&real).split(['.', '-']).next().unwrap_or_default().to_owned()
}

fn in_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(program)).find(|file| file.is_file())
}

/// Time after the end of an editor in which a keyboard signal may still be for this editor.
const LATE_KEY: Duration = Duration::from_millis(150);

/// The handling of signals during an edit. Keyboard signals are for the editor. A signal to end the process, and an
/// interrupt while no editor runs, remove the directory and end the process with 130.
pub(crate) struct EditorSignals {
    /// True if an editor runs or is being started.
    editing: Arc<AtomicBool>,
    /// The process of the editor; 0 if it is unknown.
    editor: Arc<AtomicI32>,
    stopped: Arc<AtomicBool>,
}

impl EditorSignals {
    /// Begins to handle signals. `directory` is the directory to remove.
    ///
    /// # Errors
    /// [`Kind::Unexpected`] if signals cannot be handled.
    pub(crate) fn begin(directory: &Path) -> Result<Self, Error> {
        let failed = |_| Error::new(Kind::Unexpected, "signals cannot be handled");
        let mut signals = Signals::new([SIGINT, SIGQUIT, SIGTERM, SIGHUP]).map_err(failed)?;
        let this = Self { editing: Arc::default(), editor: Arc::default(), stopped: Arc::default() };
        let (editing, editor) = (Arc::clone(&this.editing), Arc::clone(&this.editor));
        let (stopped, directory) = (Arc::clone(&this.stopped), directory.to_owned());
        std::thread::spawn(move || {
            for signal in signals.forever() {
                if editing.load(Ordering::SeqCst) && matches!(signal, SIGINT | SIGQUIT) {
                    continue;
                }
                stopped.store(true, Ordering::SeqCst);
                if let Some(editor) = Pid::from_raw(editor.load(Ordering::SeqCst)) {
                    let _ = kill_process(editor, Signal::TERM); // it may have ended on its own
                }
                leftovers::remove(&directory);
                std::process::exit(Error::new(Kind::Interrupted, "").exit_code().into());
            }
        });
        Ok(this)
    }

    fn run(&self, command: &mut Command) -> std::io::Result<ExitStatus> {
        // Set this before the editor starts: it may receive keys before its number is known here.
        self.editing.store(true, Ordering::SeqCst);
        let status = command.spawn().and_then(|mut child| {
            self.editor.store(i32::try_from(child.id()).unwrap_or_default(), Ordering::SeqCst);
            child.wait()
        });
        self.editor.store(0, Ordering::SeqCst);
        // A key for the editor is also a signal to this process, perhaps at this moment.
        std::thread::sleep(LATE_KEY);
        self.editing.store(false, Ordering::SeqCst);
        if self.stopped.load(Ordering::SeqCst) {
            // Block here: the signal thread is about to exit the process, and a write would race with it.
            loop {
                std::thread::park();
            }
        }
        status
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_of_a_command_is_found() {
        for (command, program) in [
            ("vim", "vim"),
            ("/opt/bin/nvim -u NONE", "nvim"),
            ("A=1 B=2 code --wait", "code"),
            ("A='1 2' '/my tools/nvim' -u NONE", "nvim"),
            ("/my\\ tools/vim.basic", "vim"),
            ("'vim", ""),
            ("/no/such/emacs-gtk", "emacs"),
            ("hx", "hx"),
            ("", ""),
        ] {
            assert_eq!(program_of(command), program, "{command}");
        }
    }
}
