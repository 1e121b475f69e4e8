//! Reads sealed files from git's index, to find generations that are newer than those in the work tree: somebody may
//! have restored an older file.

use std::collections::HashMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use envconf::format::EncFile;

use crate::git::{Objects, Repository};

/// Largest size that is read. Sealed files are smaller.
const LIMIT: u64 = 100 << 20;

/// The index of the repository around a directory.
pub(crate) struct Indexed {
    root: PathBuf,
    objects: HashMap<PathBuf, String>,
    reader: Objects,
}

impl Indexed {
    /// Returns the index; `None` if there is no repository, or git does not answer. Then older generations are unknown.
    pub(crate) fn around(directory: &Path) -> Option<Self> {
        let repository = Repository::find(directory).ok()??;
        let entries = repository.index().ok()?.into_iter();
        let objects = entries.filter(|entry| entry.is_file && !entry.is_unmerged);
        Some(Self {
            root: repository.root().canonicalize().ok()?,
            objects: objects.map(|entry| (entry.path, entry.object)).collect(),
            reader: repository.objects().ok()?,
        })
    }

    /// Returns the generation of the `.enc` at this path in the index; `None` if the index has none.
    pub(crate) fn generation(&mut self, enc: &Path) -> Option<u64> {
        let path = enc.canonicalize().ok()?;
        let object = self.objects.get(path.strip_prefix(&self.root).ok()?)?;
        let read = self.reader.read(object, |content| {
            let mut bytes = Vec::new();
            content.take(LIMIT).read_to_end(&mut bytes).map(|_| bytes)
        });
        Some(EncFile::parse(&read.ok()?).ok()?.header.generation)
    }
}
