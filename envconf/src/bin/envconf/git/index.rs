//! What git's index has of sealed files: newer generations than the work tree's, which somebody put back to an older one.

use std::collections::HashMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use envconf::format::EncFile;

use crate::git::{Objects, Repository};

/// More than any sealed file has.
const LIMIT: u64 = 100 << 20;

/// The index of the repository around a directory.
pub(crate) struct Indexed {
    root: PathBuf,
    objects: HashMap<PathBuf, String>,
    reader: Objects,
}

impl Indexed {
    /// `None` where there is no repository, or git cannot be asked: then nothing is known of older generations.
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

    /// The generation of the `.enc` at this path, as the index has it; `None` if it has none.
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
