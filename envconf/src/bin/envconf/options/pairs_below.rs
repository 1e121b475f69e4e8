//! The pairs of a directory and of those below it.

use std::path::{Path, PathBuf};

use envconf::{Error, Pair};

/// The pairs in `folder` and below it, each by one of its files or both.
pub(crate) fn collect(folder: &Path, pairs: &mut Vec<Pair>) -> Result<(), Error> {
    let failed = |error| Error::read(folder, error);
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (name, kind) = (entry.file_name(), entry.file_type().map_err(failed)?);
        let name = name.to_string_lossy();
        // The path as somebody would type it.
        let path = if folder == Path::new(".") { PathBuf::from(&*name) } else { entry.path() };
        if kind.is_dir() {
            if !name.starts_with('.') && !["target", "node_modules"].contains(&&*name) {
                collect(&path, pairs)?;
            }
        } else if !name.starts_with('.') && (name.ends_with(".conf.enc") || name.ends_with(".conf.key")) {
            pairs.push(Pair::of(path)?);
        }
    }
    Ok(())
}
