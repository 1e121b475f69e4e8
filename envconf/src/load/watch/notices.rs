//! The operating system's notices that something in a directory changed.
//!
//! They only make the watch look: what counts is what it then reads. A notice for too much is a look for nothing, and
//! one too few is made good by the next look that needs none.

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
    /// `None` where the system has none to give.
    pub(super) fn start(wakeup: Arc<Wakeup>) -> Option<Self> {
        let names: Arc<Mutex<BTreeSet<OsString>>> = Arc::default();
        let matter = names.clone();
        let ring = move |event: notify::Result<Event>| {
            let names = matter.lock().unwrap_or_else(PoisonError::into_inner);
            // An error may hide any change.
            if event.map_or(true, |event| concerns(&event, &names)) {
                wakeup.changed();
            }
        };
        let watcher = notify::recommended_watcher(ring).ok()?;
        Some(Self { watcher, directories: BTreeMap::new(), names })
    }

    /// Has notice given of all that leads to `files`; whether there is nothing of it without notice.
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
            // A directory that was deleted is not watched any more.
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

/// Returns true if it can be of a change of what bears one of these names. That a file is read is not a change: the watch itself
/// reads.
fn concerns(event: &Event, names: &BTreeSet<OsString>) -> bool {
    let changes = match event.kind {
        EventKind::Access(kind) => kind == AccessKind::Close(AccessMode::Write),
        _ => true,
    };
    let named = |path: &PathBuf| path.file_name().is_none_or(|name| names.contains(name));
    changes && (event.need_rescan() || event.paths.is_empty() || event.paths.iter().any(named))
}

/// Tells a directory from another one that has taken its name.
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
    fn a_change_of_a_name_that_matters_is_one() {
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
