//! The pre-commit hook: the lines of envconf between marks, before all other commands of the hook.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use envconf::{Error, Kind};

const BEGIN: &str = "# >>> envconf: check the staged files >>>";
/// The beginning of [`BEGIN`], also in hooks of earlier versions.
const MARK: &str = "# >>> envconf: ";
const END: &str = "# <<< envconf <<<";
/// The first line of a new hook.
const HEAD: &str = "#!/bin/sh\n";
/// Largest hook in bytes. A larger one is not a script of a person.
const LIMIT: u64 = 1 << 20;

/// The program that runs a hook.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum HookRunner {
    /// Git: it needs an executable script with a `#!` line.
    Git,
    /// husky: it runs the text with `sh`.
    Husky,
}

/// The pre-commit hook of the repository, which may not exist.
pub(crate) struct Hook {
    path: PathBuf,
    runner: HookRunner,
    /// `None` if there is no hook.
    bytes: Option<Vec<u8>>,
}

impl Hook {
    /// Returns the hook in this directory.
    ///
    /// # Errors
    /// [`Kind::Io`] if it cannot be read; [`Kind::Usage`] if it is not a regular file, or too large.
    pub(crate) fn read(directory: &Path, runner: HookRunner) -> Result<Self, Error> {
        let path = directory.join("pre-commit");
        let metadata = match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Self { path, runner, bytes: None });
            }
            Err(error) => return Err(Error::read(&path, error)),
            Ok(metadata) => metadata,
        };
        if !metadata.is_file() || metadata.len() > LIMIT {
            return Err(not_ours(&path, "it is a link or not a script"));
        }
        let bytes = fs::read(&path).map_err(|error| Error::read(&path, error))?;
        Ok(Self { path, runner, bytes: Some(bytes) })
    }

    /// Returns the text of the hook; empty if there is no hook, lossy if it is not UTF-8.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(self.bytes.as_deref().unwrap_or_default()).into_owned()
    }

    /// Returns true if the hook exists, and is run.
    pub(crate) fn is_run(&self) -> bool {
        self.bytes.is_some() && (self.runner == HookRunner::Husky || is_executable(&self.path))
    }

    /// Returns true if the hook is run, and runs the check, between the marks or elsewhere.
    pub(crate) fn runs_check(&self) -> bool {
        self.is_run() && self.bytes.as_deref().is_some_and(checks)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the hook's text with the check added; `None` if it has the check already.
    ///
    /// The check comes first: a script may end with `exit` or `exec`, and later lines never run.
    ///
    /// # Errors
    /// [`Kind::Usage`] for a hook that is not a shell script, or that git does not run.
    pub(crate) fn with_check(&self, program: &str) -> Result<Option<Vec<u8>>, Error> {
        let check = format!("{BEGIN}\n{program} scan --staged || exit 1\n{END}\n");
        let Some(bytes) = &self.bytes else { return Ok(Some([HEAD, &check].concat().into_bytes())) };
        // The repository may contain the hook, with marks and nothing between them.
        let rest = match self.block() {
            Some(block) if checks(&bytes[block.clone()]) => return Ok(None),
            Some(block) => [&bytes[..block.start], &bytes[block.end..]].concat(),
            None => bytes.clone(),
        };
        let bytes = &rest;
        let first = bytes.iter().position(|b| *b == b'\n').map_or(bytes.as_slice(), |at| &bytes[..=at]);
        if self.runner == HookRunner::Husky && !first.starts_with(b"#!") {
            return Ok(Some([check.as_bytes(), bytes].concat()));
        }
        if !is_shell(first) || !first.ends_with(b"\n") {
            return Err(not_ours(&self.path, "it is not a shell script"));
        }
        if self.runner == HookRunner::Git && !is_executable(&self.path) {
            return Err(not_ours(&self.path, "it is not executable, so git does not run it"));
        }
        Ok(Some([first, check.as_bytes(), &bytes[first.len()..]].concat()))
    }

    /// Replaces the hook as a whole. An existing hook keeps its mode.
    pub(crate) fn write(&self, text: &[u8]) -> Result<(), Error> {
        let failed = |error| Error::write(&self.path, error);
        let directory = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(directory).map_err(failed)?;
        let staged = directory.join(format!(".pre-commit.{}.tmp", std::process::id()));
        // A killed process with the same process id may have left this file.
        let _ = fs::remove_file(&staged);
        let created = fs::OpenOptions::new().write(true).create_new(true).open(&staged);
        let written = created
            .and_then(|mut file| file.write_all(text))
            .and_then(|()| match self.bytes {
                Some(_) => fs::set_permissions(&staged, fs::metadata(&self.path)?.permissions()),
                None => make_executable(&staged),
            })
            .and_then(|()| fs::rename(&staged, &self.path));
        written.map_err(|error| {
            // The temporary file is ours. If it cannot be removed, the error below still comes first.
            let _ = fs::remove_file(&staged);
            failed(error)
        })
    }

    /// Restores the hook as it was read. If that fails, nothing else helps.
    pub(crate) fn restore(&self) {
        let _ = match &self.bytes {
            Some(bytes) => self.write(bytes),
            None => fs::remove_file(&self.path).map_err(|error| Error::write(&self.path, error)),
        };
    }

    /// Removes the check, and deletes the hook if nothing else is in it. Returns true if the check was there.
    pub(crate) fn remove_check(&self) -> Result<bool, Error> {
        let (Some(bytes), Some(block)) = (&self.bytes, self.block()) else { return Ok(false) };
        let rest = [&bytes[..block.start], &bytes[block.end..]].concat();
        if rest == HEAD.as_bytes() {
            fs::remove_file(&self.path).map_err(|error| Error::write(&self.path, error))?;
        } else {
            self.write(&rest)?;
        }
        Ok(true)
    }

    /// Returns the range of the lines of envconf.
    fn block(&self) -> Option<std::ops::Range<usize>> {
        let bytes = self.bytes.as_deref()?;
        let find = |what: &str, from: usize| {
            let at = bytes[from..].windows(what.len()).position(|window| window == what.as_bytes());
            at.map(|at| from + at)
        };
        let start = find(MARK, 0)?;
        let end = find(END, start)? + END.len();
        Some(start..end + usize::from(bytes.get(end) == Some(&b'\n')))
    }
}

/// Returns true if a line runs the check, with any options.
fn checks(block: &[u8]) -> bool {
    let block = String::from_utf8_lossy(block);
    block.lines().any(|line| !line.trim_start().starts_with('#') && line.contains(" scan --staged"))
}

/// Returns true for `#!/bin/sh`, `#!/usr/bin/env bash`, and the like.
fn is_shell(first_line: &[u8]) -> bool {
    let line = String::from_utf8_lossy(first_line);
    let Some(command) = line.strip_prefix("#!") else { return false };
    let mut words = command.split_whitespace().map(|word| word.rsplit('/').next().unwrap_or(word));
    let program = words.find(|word| *word != "env" && !word.starts_with('-'));
    matches!(program, Some("sh" | "bash" | "dash" | "ash" | "zsh" | "ksh"))
}

fn not_ours(path: &Path, why: &str) -> Error {
    Error::new(Kind::Usage, format!("the existing hook cannot be extended: {why}"))
        .at(path)
        .advise("add `envconf scan --staged || exit 1` to it; nothing was changed")
}

#[cfg(unix)]
fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(_: &Path) -> bool {
    true
}

#[cfg(unix)]
fn make_executable(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn make_executable(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shells_are_recognised_among_programs() {
        for line in
            ["#!/bin/sh\n", "#! /bin/bash -e\n", "#!/usr/bin/env bash\n", "#!/usr/bin/env -S zsh -f\n"]
        {
            assert!(is_shell(line.as_bytes()), "{line}");
        }
        for line in
            ["#!/usr/bin/env python3\n", "#!/usr/bin/env\n", "sh\n", "\u{7f}ELF\n", "#!/bin/fish\n", ""]
        {
            assert!(!is_shell(line.as_bytes()), "{line}");
        }
    }
}
