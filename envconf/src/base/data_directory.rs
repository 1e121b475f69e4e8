//! The user's data directory: the key store, and the records of pairs (api.md §1).

use std::path::{Path, PathBuf};

use super::private_file;
use super::variables::Variables;
use super::{Error, Kind};

/// The environment variable with the path of the data directory.
pub(crate) const VARIABLE: &str = "ENVCONF_HOME";
const NAME: &str = "envconf";

/// Returns the data directory that `variables` name, whether it exists or not; `None` without a home directory.
///
/// It is `ENVCONF_HOME`, else `$XDG_DATA_HOME/envconf`, else `~/.local/share/envconf`. On macOS and Windows the
/// platform's directory replaces the last two. A relative `XDG_DATA_HOME` is ignored, as the XDG Base Directory
/// Specification requires.
///
/// # Errors
/// [`Kind::Usage`] for an `ENVCONF_HOME` that is empty or relative: a relative one could lead into the project.
pub(crate) fn of(variables: &Variables) -> Result<Option<PathBuf>, Error> {
    if let Some(home) = variables.setting(VARIABLE)? {
        let home = PathBuf::from(home);
        if !home.is_absolute() {
            return Err(Error::new(Kind::Usage, format!("{VARIABLE} is not an absolute path"))
                .advise(format!("set {VARIABLE} to a directory outside the project, or unset it")));
        }
        return Ok(Some(home));
    }
    Ok(of_platform(variables).map(|directory| directory.join(NAME)))
}

#[cfg(not(any(target_os = "macos", windows)))]
fn of_platform(variables: &Variables) -> Option<PathBuf> {
    let absolute = |name: &str| variables.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_DATA_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/share")))
}

/// Returns the platform's data directory; `None` for variables that a program provides, because the directory belongs
/// to the process.
#[cfg(any(target_os = "macos", windows))]
fn of_platform(variables: &Variables) -> Option<PathBuf> {
    use etcetera::base_strategy::{BaseStrategy as _, choose_native_strategy};
    !matches!(variables, Variables::Given(_))
        .then(|| choose_native_strategy().ok().map(|strategy| strategy.data_dir()))
        .flatten()
}

/// Creates `directory` and the missing directories above it, each with mode 0700.
///
/// # Errors
/// [`Kind::Io`].
pub(crate) fn create(directory: &Path) -> Result<(), Error> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory).map_err(|error| Error::write(directory, error))
}

/// Checks that only the user or root can change the contents of `directory`.
///
/// # Errors
/// [`Kind::InsecureKeyFile`] for a directory that belongs to another user or that others can write to; [`Kind::Io`].
pub(crate) fn check(directory: &Path) -> Result<(), Error> {
    let metadata = directory.metadata().map_err(|error| Error::read(directory, error))?;
    check_metadata(directory, &metadata)
}

/// Like [`check`], but accepts a directory that does not exist.
pub(crate) fn check_if_there(directory: &Path) -> Result<(), Error> {
    match directory.metadata() {
        Ok(metadata) => check_metadata(directory, &metadata),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::read(directory, error)),
    }
}

#[cfg(unix)]
fn check_metadata(directory: &Path, metadata: &std::fs::Metadata) -> Result<(), Error> {
    use std::os::unix::fs::MetadataExt as _;
    let insecure = |message: String| Error::new(Kind::InsecureKeyFile, message).at(directory);
    if !private_file::is_ours(metadata) {
        return Err(insecure(format!("this directory of the key store belongs to user {}", metadata.uid()))
            .advise(format!("set {VARIABLE} to a directory that belongs to you")));
    }
    let mode = metadata.mode() & 0o777;
    if mode & 0o022 != 0 {
        return Err(insecure(format!(
            "this directory of the key store has mode {mode:04o}: others can write to it"
        ))
        .advise("run chmod 700 on it, and check that the keys in it are yours"));
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_metadata(_: &Path, _: &std::fs::Metadata) -> Result<(), Error> {
    Ok(())
}

#[cfg(test)]
#[cfg(all(unix, not(target_os = "macos")))]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_variable_names_the_directory() {
        let of = |pairs: &[(&str, &str)]| of(&Variables::given(pairs.iter().copied()));
        let path = |pairs: &[(&str, &str)]| of(pairs).unwrap().map(|path| path.display().to_string());
        assert_eq!(path(&[("HOME", "/h")]).as_deref(), Some("/h/.local/share/envconf"));
        assert_eq!(path(&[("HOME", "/h"), ("XDG_DATA_HOME", "/x")]).as_deref(), Some("/x/envconf"));
        assert_eq!(
            path(&[("HOME", "/h"), ("XDG_DATA_HOME", "x")]).as_deref(),
            Some("/h/.local/share/envconf")
        );
        assert_eq!(
            path(&[("HOME", "/h"), ("XDG_DATA_HOME", "")]).as_deref(),
            Some("/h/.local/share/envconf")
        );
        assert_eq!(path(&[("XDG_DATA_HOME", "/x"), ("ENVCONF_HOME", "/e")]).as_deref(), Some("/e"));
        assert_eq!(path(&[]), None);
        assert_eq!(path(&[("HOME", "")]), None);
        assert_eq!(path(&[("HOME", "relative")]), None);
        for wrong in ["", " ", ".", "store", "./store"] {
            assert_eq!(
                of(&[("ENVCONF_HOME", wrong), ("HOME", "/h")]).unwrap_err().kind(),
                Kind::Usage,
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_directory_that_others_can_write_to_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path().join("a/b");
        create(&directory).unwrap();
        check(&directory).unwrap();
        for mode in [0o720, 0o702, 0o777] {
            std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(check(&directory).unwrap_err().kind(), Kind::InsecureKeyFile, "{mode:o}");
        }
    }
}
