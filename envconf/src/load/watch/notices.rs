//! Notices of the operating system that something in a directory changed.
//!
//! A notice only makes the watch read the files again. A superfluous notice costs one read. A missing notice is
//! covered by the next periodic read.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

use super::wakeup::Wakeup;
use super::watched_directories::WatchedDirectories;

pub(super) struct Notices {
    watcher: RecommendedWatcher,
    directories: BTreeMap<PathBuf, DirectoryId>,
    names: Arc<Mutex<BTreeSet<OsString>>>,
}

impl Notices {
    /// Starts the notices. Returns `None` if the operating system cannot give notices.
    pub(super) fn start(wakeup: Arc<Wakeup>) -> Option<Self> {
        let names: Arc<Mutex<BTreeSet<OsString>>> = Arc::default();
        let watched_names = names.clone();
        let on_event = move |event: notify::Result<Event>| {
            let names = watched_names.lock().unwrap_or_else(PoisonError::into_inner);
            // An error may hide any change.
            if event.map_or(true, |event| concerns(&event, &names)) {
                wakeup.changed();
            }
        };
        let watcher = notify::recommended_watcher(on_event).ok()?;
        Some(Self { watcher, directories: BTreeMap::new(), names })
    }

    /// Subscribes to the changes of all directories that lead to `files`. Returns true if all of them are watched.
    pub(super) fn follow<'a>(&mut self, files: impl Iterator<Item = &'a Path>) -> bool {
        let watched = WatchedDirectories::to(files);
        *self.names.lock().unwrap_or_else(PoisonError::into_inner) = watched.names();
        let wanted: BTreeMap<&Path, DirectoryId> =
            watched.directories().map(|directory| (directory, directory_id(directory))).collect();
        let gone = |(directory, id): (&PathBuf, &DirectoryId)| wanted.get(directory.as_path()) != Some(id);
        let gone: Vec<PathBuf> = self
            .directories
            .iter()
            .filter(|entry| gone(*entry))
            .map(|(directory, _)| directory.clone())
            .collect();
        for directory in gone {
            self.directories.remove(&directory);
            // Ignore the error: a deleted directory is not watched any more.
            let _ = self.watcher.unwatch(&directory);
        }
        let mut all = true;
        for (directory, id) in wanted {
            if self.directories.contains_key(directory) {
                continue;
            }
            match self.watcher.watch(directory, RecursiveMode::NonRecursive) {
                Ok(()) => drop(self.directories.insert(directory.to_owned(), id)),
                Err(_) => all = false,
            }
        }
        all
    }
}

/// Returns true if the event may be a change of one of these names. Reading a file is not a change: the watch itself
/// reads.
fn concerns(event: &Event, names: &BTreeSet<OsString>) -> bool {
    let changes = match event.kind {
        EventKind::Access(kind) => kind == AccessKind::Close(AccessMode::Write),
        _ => true,
    };
    let named = |path: &PathBuf| path.file_name().is_none_or(|name| names.contains(name));
    changes && (event.need_rescan() || event.paths.is_empty() || event.paths.iter().any(named))
}

/// The identity of a directory. It changes if another directory takes the same path.
#[cfg(unix)]
type DirectoryId = Option<(u64, u64)>;

#[cfg(unix)]
fn directory_id(directory: &Path) -> DirectoryId {
    use std::os::unix::fs::MetadataExt as _;
    directory.metadata().ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
type DirectoryId = bool;

#[cfg(not(unix))]
fn directory_id(directory: &Path) -> DirectoryId {
    directory.exists()
}

#[cfg(test)]
mod tests {
    use notify::event::{CreateKind, Flag, ModifyKind, RenameMode};

    use super::*;

    #[test]
    fn only_changes_of_watched_names_count() {
        let names = BTreeSet::from(["app.conf.enc".into(), "..data".into()]);
        let concerns = |kind, path: &str| concerns(&Event::new(kind).add_path(path.into()), &names);
        let renamed = EventKind::Modify(ModifyKind::Name(RenameMode::To));
        assert!(concerns(renamed, "/mount/..data"));
        assert!(!concerns(renamed, "/mount/..data_tmp"));
        assert!(concerns(EventKind::Access(AccessKind::Close(AccessMode::Write)), "config/app.conf.enc"));
        assert!(!concerns(EventKind::Access(AccessKind::Open(AccessMode::Any)), "config/app.conf.enc"));
        assert!(!concerns(EventKind::Create(CreateKind::File), "config/.app.conf.enc.swp"));
        let lost = Event::new(EventKind::Other).set_flag(Flag::Rescan);
        assert!(super::concerns(&lost, &names), "any change may be among those lost");
    }
}
