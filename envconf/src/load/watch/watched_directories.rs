//! The directories to watch: for each path, those that contain the file, its directory, or a link on the path.
//!
//! Kubernetes replaces a link beside the opened link (`..data`). Deployments replace a link above the directory
//! (`current`), or the whole directory.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Component, Path, PathBuf};

/// Largest number of links that Linux follows.
const MAX_LINKS: usize = 40;

/// Directories, and the names in them to watch.
#[derive(Debug, Default)]
pub(super) struct WatchedDirectories {
    directories: BTreeMap<PathBuf, BTreeSet<OsString>>,
}

impl WatchedDirectories {
    pub(super) fn to<'a>(files: impl Iterator<Item = &'a Path>) -> Self {
        let mut watched = Self::default();
        files.for_each(|file| watched.follow(file, MAX_LINKS));
        watched
    }

    pub(super) fn directories(&self) -> impl Iterator<Item = &Path> {
        self.directories.keys().map(PathBuf::as_path)
    }

    pub(super) fn names(&self) -> BTreeSet<OsString> {
        self.directories.values().flatten().cloned().collect()
    }

    /// Adds the directories of all links in the path, the directory of the file, and its parent.
    fn follow(&mut self, path: &Path, links: usize) {
        let mut way: Vec<(PathBuf, &OsStr)> = Vec::new();
        let mut at = PathBuf::new();
        let mut rest = path.components();
        while let Some(component) = rest.next() {
            let next = at.join(component);
            if let Component::Normal(name) = component {
                if let Ok(target) = fs::read_link(&next) {
                    self.add(at.clone(), name);
                    let left = rest.as_path();
                    let target = at.join(target);
                    let target = if left == Path::new("") { target } else { target.join(left) };
                    if links > 0 {
                        self.follow(&target, links - 1);
                    }
                    return;
                }
                way.push((at, name));
            }
            at = next;
        }
        way.into_iter().rev().take(2).for_each(|(directory, name)| self.add(directory, name));
    }

    fn add(&mut self, directory: PathBuf, name: &OsStr) {
        let directory = if directory == Path::new("") { PathBuf::from(".") } else { directory };
        self.directories.entry(directory).or_default().insert(name.to_owned());
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// Returns the directory and name of each step, below the root.
    fn watched(root: &Path, file: &str) -> Vec<String> {
        let watched = WatchedDirectories::to([root.join(file).as_path()].into_iter());
        let steps = watched
            .directories
            .iter()
            .flat_map(|(directory, names)| names.iter().map(|name| directory.join(name)));
        let below = steps.filter_map(|step| Some(step.strip_prefix(root).ok()?.display().to_string()));
        below.collect()
    }

    #[test]
    fn a_file_is_reached_through_its_directory() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(watched(root.path(), "config/app.conf.enc"), ["config", "config/app.conf.enc"]);
        let relative = WatchedDirectories::to([Path::new("app.conf.enc")].into_iter());
        assert_eq!(relative.directories().collect::<Vec<_>>(), [Path::new(".")]);
    }

    #[test]
    fn every_link_on_the_path_is_watched() {
        let root = tempfile::tempdir().unwrap();
        let path = |relative: &str| root.path().join(relative);
        fs::create_dir_all(path("mount/..2026_1")).unwrap();
        fs::write(path("mount/..2026_1/app.conf.enc"), "x").unwrap();
        symlink("..2026_1", path("mount/..data")).unwrap();
        symlink("..data/app.conf.enc", path("mount/app.conf.enc")).unwrap();
        symlink("mount", path("config")).unwrap();
        assert_eq!(
            watched(root.path(), "config/app.conf.enc"),
            ["config", "mount/..2026_1", "mount/..data", "mount/app.conf.enc", "mount/..2026_1/app.conf.enc"]
        );
        symlink("round", path("round")).unwrap();
        assert_eq!(watched(root.path(), "round/app.conf.enc"), ["round"]);
    }
}
