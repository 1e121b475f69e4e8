//! Warnings about files with secrets that git tracks: a pull replaces them, and a commit publishes changes in them.

use std::path::Path;

use envconf::key_store::key_in_project;
use envconf::{Error, Kind};

use crate::git::Repository;
use crate::output::{Output, shown};

/// The state of a path in git.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Tracked: a pull can replace it, and `git commit -a` commits it.
    Tracked,
    /// Untracked: `git add -A` would add it.
    NotIgnored,
    /// Ignored, or outside a work tree.
    Safe,
}

impl Standing {
    /// Returns the state of `file` in git. The file need not exist.
    ///
    /// # Errors
    /// [`Kind::Unexpected`] if git refuses the repository, and [`Kind::Io`] if it is not installed.
    pub(crate) fn of(file: &Path) -> Result<Self, Error> {
        let file = std::path::absolute(file).map_err(|error| Error::read(file, error))?;
        // The directory may not exist yet: use the nearest existing one.
        let existing = file.ancestors().skip(1).find_map(|above| Some((above, above.canonicalize().ok()?)));
        let Some((above, directory)) = existing else { return Ok(Self::Safe) };
        let Ok(below) = file.strip_prefix(above) else { return Ok(Self::Safe) };
        let Some(repository) = Repository::find(&directory)? else { return Ok(Self::Safe) };
        let file = directory.join(below);
        // The directory of git itself is not in its work tree.
        if !file.starts_with(repository.root()) || file.starts_with(repository.root().join(".git")) {
            return Ok(Self::Safe);
        }
        if repository.tracks(&file)? {
            return Ok(Self::Tracked);
        }
        Ok(if repository.ignores(&file)? { Self::Safe } else { Self::NotIgnored })
    }
}

/// Rejects a plain file that git tracks, unless `allowed`. Warns if git does not ignore it.
///
/// # Errors
/// [`Kind::Usage`].
pub(crate) fn refuse_plain(file: &Path, allowed: bool, output: &Output) -> Result<(), Error> {
    match standing_or_warn(file, output) {
        Standing::Tracked if !allowed => Err(Error::new(
            Kind::Usage,
            "git tracks this plain file: a pull can replace it, and a commit publishes it",
        )
        .at(file)
        .advise(format!(
            "run git rm --cached {}, and add it to .gitignore; change its secrets if it was ever committed; to seal it anyway, use --tracked",
            shown(file)
        ))),
        Standing::NotIgnored => {
            warn_not_ignored(file, output);
            Ok(())
        }
        Standing::Tracked | Standing::Safe => Ok(()),
    }
}

/// Warns if git tracks a written plain file, or does not ignore it.
pub(crate) fn warn_of_plain(file: &Path, output: &Output) {
    match standing_or_warn(file, output) {
        Standing::Tracked => {
            output.warn(format_args!("git tracks {}: the next commit publishes its content", shown(file)))
        }
        Standing::NotIgnored => warn_not_ignored(file, output),
        Standing::Safe => {}
    }
}

/// Rejects a path for a secret key that git tracks. Warns if git does not ignore it.
///
/// # Errors
/// [`Kind::Usage`].
pub(crate) fn refuse_key(file: &Path, output: &Output) -> Result<(), Error> {
    match standing_or_warn(file, output) {
        Standing::Tracked => {
            Err(Error::new(Kind::Usage, "git tracks this path: a commit would publish the key")
                .at(file)
                .advise("choose a path outside the repository"))
        }
        Standing::NotIgnored => {
            warn_not_ignored(file, output);
            Ok(())
        }
        Standing::Safe => Ok(()),
    }
}

/// Returns the warning about a local key in the project that git tracks.
pub(crate) fn tracked_key(path: &Path) -> String {
    format!(
        "git tracks the local key {}: either it leaked, or somebody planted it. envconf does not use it. Find out who committed it; if it was yours, seal everything for a new key",
        shown(path)
    )
}

/// Warns if the project of `directory` contains a local key, as earlier versions required.
pub(crate) fn warn_of_key_in_project(directory: &Path, output: &Output) {
    let Some(path) = key_in_project(directory) else { return };
    match Standing::of(&path) {
        Ok(Standing::Tracked) => output.warn(tracked_key(&path)),
        _ => {
            output.warn(format_args!(
                "envconf does not use {}, because it is inside the project",
                shown(&path)
            ));
            output.hint("move it into your key store with `envconf init`");
        }
    }
}

/// Returns the standing of a file in git. Only warns if git does not answer, because a tree without git must work.
fn standing_or_warn(file: &Path, output: &Output) -> Standing {
    Standing::of(file).unwrap_or_else(|error| {
        output.warn(format_args!("cannot ask git whether it tracks {}: {}", shown(file), error.message()));
        error.advice().into_iter().flat_map(str::lines).for_each(|hint| output.hint(hint));
        Standing::Safe
    })
}

fn warn_not_ignored(file: &Path, output: &Output) {
    output.warn(format_args!("git does not ignore {}", shown(file)));
    output.hint("add it to .gitignore before you commit");
}
