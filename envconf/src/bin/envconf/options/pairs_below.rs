//! Lists the pairs of a directory and of those below it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use envconf::{Error, Pair};

/// Returns the pairs in `directory` and below it that have at least one file. It skips directories below that this
/// user may not read: the user cannot use a pair in them.
///
/// # Errors
/// [`Kind::Io`](envconf::Kind::Io) for a directory that cannot be read.
pub(crate) fn collect(directory: &Path, pairs: &mut Vec<Pair>) -> Result<(), Error> {
    let failed = |error| Error::read(directory, error);
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (file_name, kind) = (entry.file_name(), entry.file_type().map_err(failed)?);
        let name = file_name.to_string_lossy();
        // The path as a user would type it.
        let path = if directory == Path::new(".") { PathBuf::from(&file_name) } else { entry.path() };
        if kind.is_dir() {
            if !name.starts_with('.') && !["target", "node_modules"].contains(&&*name) && is_readable(&path) {
                collect(&path, pairs)?;
            }
        } else if !name.starts_with('.') && (name.ends_with(".conf.enc") || name.ends_with(".conf.key")) {
            pairs.push(Pair::of(path)?);
        }
    }
    Ok(())
}

fn is_readable(directory: &Path) -> bool {
    !std::fs::read_dir(directory).is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
}
