//! The files to scan: those on disk, or those in git's index.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use envconf::Error;
use envconf::files::open_regular;

use crate::git::{Objects, Repository};

/// Files, by their paths relative to a root.
pub(crate) struct FilesToScan {
    root: PathBuf,
    contents: Contents,
    /// Files in conflict.
    pub(crate) unmerged: BTreeSet<PathBuf>,
}

enum Contents {
    Disk(BTreeSet<PathBuf>),
    Index(BTreeMap<PathBuf, String>, Objects),
}

impl FilesToScan {
    /// Returns the work tree's files that git knows.
    pub(crate) fn tracked(repository: &Repository) -> Result<Self, Error> {
        let (mut paths, mut unmerged) = (BTreeSet::new(), BTreeSet::new());
        for entry in repository.index()? {
            let is_file = repository
                .root()
                .join(&entry.path)
                .symlink_metadata()
                .is_ok_and(|metadata| metadata.is_file());
            if is_file {
                paths.insert(entry.path.clone());
            }
            if entry.is_unmerged {
                unmerged.insert(entry.path);
            }
        }
        Ok(Self { root: repository.root().to_owned(), contents: Contents::Disk(paths), unmerged })
    }

    /// Returns the files of the index, which would be committed.
    pub(crate) fn indexed(repository: &Repository) -> Result<Self, Error> {
        let (mut objects, mut unmerged) = (BTreeMap::new(), BTreeSet::new());
        for entry in repository.index()? {
            if entry.is_unmerged {
                unmerged.insert(entry.path);
            } else if entry.is_file {
                objects.insert(entry.path, entry.object);
            }
        }
        let contents = Contents::Index(objects, repository.objects()?);
        Ok(Self { root: repository.root().to_owned(), contents, unmerged })
    }

    /// Returns every file below `root`, which is not in a repository. It does not follow links, and skips files in
    /// `.envconf`, which are private.
    pub(crate) fn below(root: &Path) -> Result<Self, Error> {
        let mut paths = BTreeSet::new();
        let mut directories = vec![PathBuf::new()];
        while let Some(directory) = directories.pop() {
            let absolute = root.join(&directory);
            let entries = fs::read_dir(&absolute).map_err(|error| Error::read(&absolute, error))?;
            for entry in entries {
                let entry = entry.map_err(|error| Error::read(&absolute, error))?;
                let path = directory.join(entry.file_name());
                let kind = entry.file_type().map_err(|error| Error::read(&root.join(&path), error))?;
                if kind.is_file() {
                    paths.insert(path);
                } else if kind.is_dir() && entry.file_name() != ".envconf" {
                    directories.push(path);
                }
            }
        }
        Ok(Self { root: root.to_owned(), contents: Contents::Disk(paths), unmerged: BTreeSet::new() })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Returns true if they are files of the index.
    pub(crate) fn are_staged(&self) -> bool {
        matches!(self.contents, Contents::Index(..))
    }

    pub(crate) fn paths(&self) -> BTreeSet<PathBuf> {
        match &self.contents {
            Contents::Disk(paths) => paths.clone(),
            Contents::Index(objects, _) => objects.keys().cloned().collect(),
        }
    }

    pub(crate) fn has(&self, path: &Path) -> bool {
        match &self.contents {
            Contents::Disk(paths) => paths.contains(path),
            Contents::Index(objects, _) => objects.contains_key(path),
        }
    }

    /// Passes the content of a file to `read`.
    pub(crate) fn with<T>(
        &mut self,
        path: &Path,
        read: impl FnOnce(&mut dyn Read) -> io::Result<T>,
    ) -> Result<T, Error> {
        let result = match &mut self.contents {
            Contents::Disk(_) => open_regular(&self.root.join(path)).and_then(|mut file| read(&mut file)),
            Contents::Index(objects, reader) => match objects.get(path) {
                Some(object) => reader.read(object, read),
                None => Err(io::ErrorKind::NotFound.into()),
            },
        };
        result.map_err(|error| Error::read(path, error))
    }

    /// Returns the content of a file, up to one byte beyond `limit`.
    pub(crate) fn read(&mut self, path: &Path, limit: usize) -> Result<Vec<u8>, Error> {
        self.with(path, |reader| {
            let mut bytes = Vec::new();
            reader.take(limit as u64 + 1).read_to_end(&mut bytes)?;
            Ok(bytes)
        })
    }
}
