//! Searches a directory and its parents for the policy file or the top of a repository (api.md §1).

use std::path::{Path, PathBuf};

/// Returns the nearest file with the path `relative` in `start` or one of its parents.
///
/// The search ends at the directory with `.git`, at a directory that belongs to neither the user nor root, and at the
/// root of the file system. The caller checks the owner of the file, and of its directory.
pub(crate) fn upwards(start: &Path, relative: &str) -> Option<PathBuf> {
    let start = std::fs::canonicalize(start).ok()?;
    for directory in start.ancestors() {
        let file = directory.join(relative);
        if file.symlink_metadata().is_ok() {
            return Some(file);
        }
        if directory.join(".git").symlink_metadata().is_ok() || !is_ours(directory) {
            return None;
        }
    }
    None
}

/// Returns the nearest directory with `.git`: `start` or one above it. `start` is canonical.
pub(crate) fn repository_top(start: &Path) -> Option<PathBuf> {
    start.ancestors().find(|directory| directory.join(".git").symlink_metadata().is_ok()).map(Path::to_owned)
}

#[cfg(unix)]
fn is_ours(directory: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    directory
        .metadata()
        .is_ok_and(|metadata| [0, rustix::process::geteuid().as_raw()].contains(&metadata.uid()))
}

#[cfg(not(unix))]
fn is_ours(directory: &Path) -> bool {
    directory.metadata().is_ok()
}
