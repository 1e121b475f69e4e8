//! Detects an editor that returned before the user could edit: it opened a window, and did not wait for it.

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

/// Shortest time in which a person can open, read and close a file.
const AT_ONCE: Duration = Duration::from_secs(2);
/// The age of the file when the editor begins, so that any write changes its time.
const EARLIER: Duration = Duration::from_secs(3600);

/// The options that make well-known editors wait.
const WAITING: [(&[&str], &str); 11] = [
    (&["code", "code-insiders", "codium", "vscodium", "cursor", "windsurf", "zed", "atom"], "--wait"),
    (&["subl", "sublime_text", "smerge"], "--wait"),
    (&["gvim", "mvim"], "--nofork"),
    (&["mate", "bbedit", "coteditor"], "--wait"),
    (&["gedit", "gnome-text-editor", "pluma", "xed"], "--wait"),
    (&["kate", "kwrite"], "--block"),
    (&["idea", "pycharm", "goland", "clion", "webstorm", "rustrover", "phpstorm", "rubymine"], "--wait"),
    (&["geany"], "--new-instance"),
    (&["open"], "-W -n -t"),
    (&["xdg-open", "gio"], ""),
    (&["emacsclient"], ""),
];

/// A file in an editor: when the editing began, and the state of the file at that time.
pub(crate) struct EditedFile<'a> {
    path: &'a Path,
    began: Instant,
    before: Option<(SystemTime, u64)>,
}

impl<'a> EditedFile<'a> {
    /// Records the state of the file before the editor is started.
    pub(crate) fn begin(path: &'a Path) -> Self {
        // Set the time back, so that any write from now on changes it. If that fails, nothing else depends on it.
        let _ = SystemTime::now().checked_sub(EARLIER).map(|earlier| {
            File::options().write(true).open(path).and_then(|file| file.set_modified(earlier))
        });
        Self { path, began: Instant::now(), before: written(path) }
    }

    /// Returns true if the editor returned at once, and has not written the file.
    pub(crate) fn was_not_edited(&self) -> bool {
        self.began.elapsed() < AT_ONCE && written(self.path) == self.before
    }
}

/// Returns the time of the last write, and the identity of the file: some editors replace it.
fn written(path: &Path) -> Option<(SystemTime, u64)> {
    let metadata = path.metadata().ok()?;
    Some((metadata.modified().ok()?, metadata.ino()))
}

/// Returns the hint for an editor that does not wait. `program` is its name, `command` is the configured command.
pub(crate) fn advice(program: &str, command: &str) -> String {
    let option = WAITING.iter().find(|(programs, _)| programs.contains(&program)).map(|(_, option)| *option);
    let example = match option {
        Some("") => return "this program does not wait: name an editor that does, such as ENVCONF_EDITOR='code --wait' or ENVCONF_EDITOR=vim".to_owned(),
        Some(option) if command.split_whitespace().count() == 1 => format!("{command} {option}"),
        Some(option) => format!("{program} {option}"),
        None => "code --wait".to_owned(),
    };
    format!(
        "the editor returned at once: if it opened a window, name it with its option to wait until that is closed, such as ENVCONF_EDITOR='{example}'"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_written_was_edited() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, "a").unwrap();
        assert!(EditedFile::begin(&path).was_not_edited());
        let edited = EditedFile::begin(&path);
        std::fs::write(&path, "a").unwrap();
        assert!(!edited.was_not_edited(), "written, if with the same text");
        let edited = EditedFile::begin(&path);
        std::fs::write(directory.path().join("new"), "a").unwrap();
        std::fs::rename(directory.path().join("new"), &path).unwrap();
        assert!(!edited.was_not_edited(), "replaced");
        let mut edited = EditedFile::begin(&path);
        edited.began = Instant::now().checked_sub(AT_ONCE).unwrap();
        assert!(!edited.was_not_edited(), "looked at");
    }

    #[test]
    fn the_option_of_a_known_editor_is_named() {
        for (program, command, part) in [
            ("subl", "subl", "ENVCONF_EDITOR='subl --wait'"),
            ("subl", "/opt/bin/subl", "ENVCONF_EDITOR='/opt/bin/subl --wait'"),
            ("kate", "kate", "'kate --block'"),
            ("gvim", "gvim", "'gvim --nofork'"),
            ("idea", "A=1 idea -x", "'idea --wait'"),
            ("xdg-open", "xdg-open", "does not wait"),
            ("true", "true", "'code --wait'"),
            ("", "'", "'code --wait'"),
        ] {
            let advice = advice(program, command);
            assert!(advice.contains(part), "{command}: {advice}");
        }
    }
}
