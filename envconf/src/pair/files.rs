//! The two files of a pair: names, bounded reads, and the order in which they are safely replaced (api.md §1;
//! format.md §4).

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{Seek as _, Write as _};
use std::path::{Path, PathBuf};

use crate::base::{Error, Kind, Remedy, escape, open_without_precheck, read_opened};
use crate::envelope::random_id;
use crate::format::{EncFile, MAX_ENC, MAX_KEY, Name};

const ENC: &str = ".conf.enc";
const KEY: &str = ".conf.key";
/// Labels that cannot be a name or an environment, because the names of the files use them (api.md §1).
const RESERVED: [&str; 5] = ["conf", "defaults", "enc", "key", "local"];

/// The paths of the two files of one configuration in one environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    enc: PathBuf,
    key: PathBuf,
}

impl Pair {
    /// Returns the pair of this name and environment in `dir`: `app.conf.enc`, or `app.prod.conf.enc` unless the
    /// environment is `default`, and the `.key` beside it.
    pub fn new(dir: impl AsRef<Path>, name: &Name, environment: &Name) -> Self {
        let stem = match environment.as_str() {
            "default" => name.to_string(),
            environment => format!("{name}.{environment}"),
        };
        let file = |suffix| dir.as_ref().join(format!("{stem}{suffix}"));
        Self { enc: file(ENC), key: file(KEY) }
    }

    /// Returns the pair to which the file `path` belongs.
    ///
    /// # Errors
    /// [`Kind::Usage`] if `path` ends in neither `.enc` nor `.key`.
    pub fn of(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        match path.extension().and_then(OsStr::to_str) {
            Some("enc" | "key") => {
                Ok(Self { enc: path.with_extension("enc"), key: path.with_extension("key") })
            }
            _ => Err(Error::new(
                Kind::Usage,
                "not a file of a pair: expected a path that ends in .enc or .key",
            )
            .at(path)),
        }
    }

    /// Returns the path of the `.enc`.
    pub fn enc(&self) -> &Path {
        &self.enc
    }

    /// Returns the path of the `.key`.
    pub fn key(&self) -> &Path {
        &self.key
    }

    /// Returns the directory of the pair.
    pub fn directory(&self) -> &Path {
        match self.enc.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        }
    }

    /// Reads the bytes of the `.enc`.
    ///
    /// # Errors
    /// [`Kind::Io`], and [`Kind::TooLarge`] above the limit of the format.
    pub fn read_enc(&self) -> Result<Vec<u8>, Error> {
        read(&self.enc, MAX_ENC)
    }

    /// Parses the `.enc`. Large files are decoded while they are read: their text is never in memory as a whole.
    ///
    /// # Errors
    /// The errors of [`Pair::read_enc`] and [`EncFile::parse`]; they name the file.
    pub(crate) fn parse_enc(&self) -> Result<EncFile, Error> {
        let failed = |error| not_read(&self.enc, error);
        let (mut file, metadata) = open_without_precheck(&self.enc).map_err(failed)?;
        if metadata.len() >= EncFile::LARGE {
            // If this fails, the whole file is read below, which reports the error.
            if let Ok(Some(enc)) = EncFile::from_reader(&mut file, metadata.len()) {
                return Ok(enc);
            }
            file.rewind().map_err(failed)?;
        }
        let bytes = read_opened(file, &metadata, MAX_ENC).map_err(failed)?;
        let bytes = bytes.ok_or_else(|| too_large(&self.enc, MAX_ENC))?;
        EncFile::parse(&bytes).map_err(|error| error.at(&self.enc))
    }

    /// Reads the bytes of the `.key`.
    ///
    /// # Errors
    /// The errors of [`Pair::read_enc`].
    pub fn read_key(&self) -> Result<Vec<u8>, Error> {
        read(&self.key, MAX_KEY).map_err(|error| {
            // `seal` would refuse a pair that it cannot read, so do not advise to seal.
            let is_half = self.key.symlink_metadata().is_err() && self.enc.exists();
            if is_half {
                error.advise("the .enc exists without its .key: restore the .key from git")
            } else {
                error
            }
        })
    }

    /// Refuses to replace a link: the file that it points to would stay as it is, and readers of that file would miss
    /// the change.
    ///
    /// # Errors
    /// [`Kind::Io`] if one of the files is a link, also a broken one.
    pub(crate) fn refuse_links(&self) -> Result<(), Error> {
        let is_link =
            |file: &&PathBuf| file.symlink_metadata().is_ok_and(|metadata| metadata.file_type().is_symlink());
        let Some(link) = [&self.enc, &self.key].into_iter().find(is_link) else { return Ok(()) };
        Err(Error::not_replaced(link, "it is a link")
            .advise("name the pair in the directory of its real files, or replace the links with the files"))
    }

    /// Removes the temporary files that a killed sealer left beside the two files. The caller holds the lock.
    pub(crate) fn remove_temporary_files(&self) {
        let Ok(entries) = std::fs::read_dir(self.directory()) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            if [&self.enc, &self.key].into_iter().any(|file| is_temporary(&name.to_string_lossy(), file)) {
                // A file that cannot be removed does no harm.
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }

    /// Replaces the `.enc`. Its data key stays the same. Then replaces the `.key` by `trimmed`, which contains only
    /// this data key. Both are written to temporary files before anything is replaced.
    pub(crate) fn replace_enc(&self, enc: &[u8], trimmed: Option<&[u8]>) -> Result<(), Error> {
        let enc = Staged::write(&self.enc, enc)?;
        let trimmed = trimmed.map(|key| Staged::write(&self.key, key)).transpose()?;
        if enc.replace()? == Durability::Synchronised {
            trim(trimmed);
        }
        Ok(())
    }

    /// Replaces the `.key`. The new one still has the data key of the `.enc`.
    pub(crate) fn replace_key(&self, key: &[u8]) -> Result<(), Error> {
        Staged::write(&self.key, key)?.replace().map(drop)
    }

    /// Replaces both files by a pair with a new data key. A reader at any moment finds a pair that opens: the first
    /// write is a `.key` with the old and the new section, the second the `.enc`, the third the final `.key`
    /// (format.md §4, "Writing").
    ///
    /// All three are written to temporary files first, so that a full disk is detected before anything is replaced. If
    /// the `.enc` cannot be replaced, the old `.key` is restored. After the `.enc` is replaced, the pair is sealed.
    /// The old section stays until the next seal if the final `.key` cannot be written, or if a power failure could
    /// restore the old `.enc`.
    pub(crate) fn replace_both(&self, both_keys: Option<&[u8]>, enc: &[u8], key: &[u8]) -> Result<(), Error> {
        let before = if self.key.exists() { Some(self.read_key()?) } else { None };
        let first = Staged::write(&self.key, both_keys.unwrap_or(key))?;
        let enc = Staged::write(&self.enc, enc)?;
        let last = both_keys.map(|_| Staged::write(&self.key, key)).transpose()?;
        let is_first_synchronised = first.replace()?;
        // Restore the `.key` only while the old `.enc` is in its place: the new `.enc` needs the new `.key`,
        // synchronised or not.
        if let Err(error) = enc.rename() {
            // The pair opens in both cases. If the old `.key` cannot be restored, nothing else helps.
            let _ = match before {
                Some(before) => Staged::write(&self.key, &before).and_then(Staged::replace).map(drop),
                None => std::fs::remove_file(&self.key).map_err(|error| Error::write(&self.key, error)),
            };
            return Err(error);
        }
        if (is_first_synchronised, enc.sync_directory())
            == (Durability::Synchronised, Durability::Synchronised)
        {
            trim(last);
        }
        Ok(())
    }
}

/// Replaces a `.key` by one without the sections that its `.enc` does not use. If this fails, the pair still opens.
fn trim(trimmed: Option<Staged<'_>>) {
    let _ = trimmed.map(Staged::replace);
}

/// Returns the name and environment in a file's name (api.md §1): the name without `.conf.enc`, `.conf.key` or its
/// last extension is `name` or `name.environment`.
///
/// # Errors
/// [`Kind::Usage`] for more dots, an empty or invalid part, or a reserved label.
pub fn identity_of(path: &Path) -> Result<(Name, Name), Error> {
    let unclear = |why: String| {
        Error::new(Kind::Usage, format!("cannot read name and environment from the file name: {why}"))
            .at(path)
            .advise_to_set(
                Remedy::Identity,
                "rename the file, such as to app.toml or app.prod.toml, or set name and environment",
            )
    };
    let file = path.file_name().and_then(OsStr::to_str);
    let file = file.ok_or_else(|| unclear("it is not valid UTF-8".to_owned()))?;
    let stem = [ENC, KEY].into_iter().find_map(|suffix| file.strip_suffix(suffix));
    let stem = stem.or_else(|| file.rsplit_once('.').map(|(stem, _)| stem)).unwrap_or(file);
    let (name, environment) = stem.split_once('.').unwrap_or((stem, "default"));
    if name.is_empty() {
        return Err(unclear("there is no name before the first dot".to_owned()));
    }
    if environment.contains('.') {
        return Err(unclear("it has too many dots".to_owned()));
    }
    let part = |part: &str| {
        if RESERVED.contains(&part) {
            return Err(unclear(format!("`{part}` cannot be a name or an environment")));
        }
        part.parse::<Name>().map_err(|_| {
            let rule = "expected 1 to 64 letters, digits, `_` and `-`, the first a letter or digit";
            unclear(format!("`{}` is not a valid name: {rule}", escape(part)))
        })
    };
    Ok((part(name)?, part(environment)?))
}

/// Reads a regular file of at most `limit` bytes.
fn read(path: &Path, limit: usize) -> Result<Vec<u8>, Error> {
    let failed = |error| not_read(path, error);
    let (file, metadata) = open_without_precheck(path).map_err(failed)?;
    let bytes = read_opened(file, &metadata, limit).map_err(failed)?;
    bytes.ok_or_else(|| too_large(path, limit))
}

fn too_large(path: &Path, limit: usize) -> Error {
    Error::new(Kind::TooLarge, format!("larger than {limit} bytes")).at(path)
}

fn not_read(path: &Path, error: std::io::Error) -> Error {
    let is_missing = error.kind() == std::io::ErrorKind::NotFound;
    let error = Error::read(path, error);
    if !is_missing {
        return error;
    }
    error.advise(format!(
        "the path was resolved in {}: check ENVCONF_DIR (the directory) and ENVCONF_ENV (the environment)\nif there is no pair yet, create it with `envconf seal`",
        resolved_in(path),
    ))
}

/// Returns the parent of an absolute path, or else the working directory, escaped for printing.
fn resolved_in(path: &Path) -> String {
    let directory = match path.is_absolute() {
        true => path.parent().map(Path::to_owned),
        false => std::env::current_dir().ok(),
    };
    let directory = directory.unwrap_or_else(|| ".".into());
    escape(&directory.to_string_lossy()).to_string()
}

/// Returns the name of a new temporary file beside `path`.
fn temporary_name(path: &Path, random: &str) -> String {
    format!(".{}.{random}.tmp", path.file_name().unwrap_or_default().to_string_lossy())
}

/// Returns true if `name` is the name of a temporary file beside `path`.
fn is_temporary(name: &str, path: &Path) -> bool {
    let random = name.len().checked_sub(".tmp".len() + 16).and_then(|at| name.get(at..at + 16));
    let random = random.filter(|random| random.parse::<crate::format::Id>().is_ok());
    random.is_some_and(|random| temporary_name(path, random) == name)
}

/// The durability of a replaced file: it survives a power failure, or this is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Durability {
    Synchronised,
    /// The directory could not be synchronised.
    Unknown,
}

/// New content of a file: written and synchronised beside it, but not renamed yet. Removed on drop.
struct Staged<'a> {
    path: &'a Path,
    temporary: PathBuf,
}

impl<'a> Staged<'a> {
    fn write(path: &'a Path, bytes: &[u8]) -> Result<Self, Error> {
        let failed = |error| Error::write(path, error);
        let temporary = path.with_file_name(temporary_name(path, &random_id()?.to_string()));
        let mut file = OpenOptions::new().write(true).create_new(true).open(&temporary).map_err(failed)?;
        let staged = Self { path, temporary };
        file.write_all(bytes).map_err(failed)?;
        if let Ok(old) = std::fs::metadata(path) {
            file.set_permissions(old.permissions()).map_err(failed)?;
        }
        file.sync_all().map_err(failed)?;
        Ok(staged)
    }

    /// Replaces the file, and synchronises the directory if the system can. A failure after the replacement is not an
    /// error.
    fn replace(self) -> Result<Durability, Error> {
        self.rename()?;
        Ok(self.sync_directory())
    }

    /// Replaces the file as a whole, or not at all.
    fn rename(&self) -> Result<(), Error> {
        std::fs::rename(&self.temporary, self.path).map_err(|error| Error::write(self.path, error))
    }

    fn sync_directory(&self) -> Durability {
        match sync_directory(self.path) {
            Ok(()) => Durability::Synchronised,
            Err(_) => Durability::Unknown,
        }
    }
}

impl Drop for Staged<'_> {
    fn drop(&mut self) {
        // Ignore the error: after the rename the file is gone, and otherwise nothing else can be done.
        let _ = std::fs::remove_file(&self.temporary);
    }
}

#[cfg(unix)]
fn sync_directory(path: &Path) -> std::io::Result<()> {
    #[cfg(test)]
    if tests::NO_SYNC.get() {
        return Err(std::io::ErrorKind::Other.into());
    }
    let parent = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

#[cfg(not(unix))]
fn sync_directory(_: &Path) -> std::io::Result<()> {
    Ok(())
}

/// Returns the content type for the name of a plain file. A `.conf` file is JSON if its first byte that is not
/// white space is `{`, else TOML (api.md §1).
///
/// # Errors
/// [`Kind::Usage`] for any other extension.
pub fn content_type_of(path: &Path, content: &[u8]) -> Result<crate::format::ContentType, Error> {
    use crate::format::ContentType;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    match extension {
        Some("toml") => Ok(ContentType::Toml),
        Some("json") => Ok(ContentType::Json),
        Some("yaml" | "yml") => Ok(ContentType::Yaml),
        Some("env") => Ok(ContentType::Dotenv),
        _ if name.starts_with(".env.") => Ok(ContentType::Dotenv),
        Some("conf") => match content.iter().find(|b| !b.is_ascii_whitespace()) {
            Some(b'{') => Ok(ContentType::Json),
            _ => Ok(ContentType::Toml),
        },
        _ => Err(Error::new(Kind::Usage, format!("unknown content type of {}", escape(&name)))
            .advise_to_set(Remedy::ContentType, "set the content type: toml, json, yaml, dotenv or raw")),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        /// Simulates, in this thread, a directory that cannot be synchronised.
        pub(super) static NO_SYNC: Cell<bool> = const { Cell::new(false) };
    }

    #[cfg(unix)]
    #[test]
    fn a_directory_that_cannot_be_synchronised_is_not_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let pair = Pair::new(directory.path(), &"app".parse().unwrap(), &"default".parse().unwrap());
        let content = || (std::fs::read(pair.enc()).unwrap(), std::fs::read(pair.key()).unwrap());
        NO_SYNC.set(true);
        pair.replace_both(None, b"1", b"1").unwrap();
        assert_eq!(content(), (b"1".to_vec(), b"1".to_vec()));
        // After a power failure the old `.enc` may be back, so its section stays.
        pair.replace_both(Some(b"1 and 2"), b"2", b"2").unwrap();
        assert_eq!(content(), (b"2".to_vec(), b"1 and 2".to_vec()));
        pair.replace_enc(b"3", Some(b"2")).unwrap();
        assert_eq!(content(), (b"3".to_vec(), b"1 and 2".to_vec()));
        pair.replace_key(b"3").unwrap();
        NO_SYNC.set(false);
        pair.replace_both(Some(b"3 and 4"), b"4", b"4").unwrap();
        assert_eq!(content(), (b"4".to_vec(), b"4".to_vec()));
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 2);
    }

    #[test]
    fn the_file_name_contains_name_and_environment() {
        let identity = |path: &str| {
            identity_of(Path::new(path)).map(|(name, environment)| format!("{name} {environment}"))
        };
        for (path, expected) in [
            ("config/app.toml", "app default"),
            ("app.prod.toml", "app prod"),
            ("app.env", "app default"),
            ("app", "app default"),
            ("x/app.conf.enc", "app default"),
            ("app.prod.conf.key", "app prod"),
            ("app.conf", "app default"),
        ] {
            assert_eq!(identity(path).unwrap(), expected, "{path}");
        }
        for path in [
            "a.b.c.toml",
            ".env",
            "app..toml",
            "app.local.toml",
            "conf.toml",
            "app.defaults.toml",
            "app.enc",
            "-a.toml",
            "key.enc",
        ] {
            match identity(path) {
                Err(error) => assert_eq!(error.kind(), Kind::Usage, "{path}"),
                Ok(identity) => assert_eq!((path, identity.as_str()), ("app.enc", "app default")),
            }
        }
    }

    #[test]
    fn the_default_environment_is_not_in_the_files_name() {
        let (name, default, prod) =
            ("app".parse().unwrap(), "default".parse().unwrap(), "prod".parse().unwrap());
        assert_eq!(Pair::new("c", &name, &default).enc(), Path::new("c/app.conf.enc"));
        assert_eq!(Pair::new("c", &name, &prod).key(), Path::new("c/app.prod.conf.key"));
        assert_eq!(Pair::of("c/app.conf.key").unwrap(), Pair::new("c", &name, &default));
        assert!(Pair::of("c/app.toml").is_err());
    }

    /// Returns the path and content of every file in a directory.
    fn files(directory: &Path) -> Vec<(String, Option<Vec<u8>>)> {
        let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> =
            entries.map(|path| (path.display().to_string(), std::fs::read(&path).ok())).collect();
        files.sort();
        files
    }

    /// If any of its steps fails, a replacement leaves the directory unchanged.
    // Pitfall 1.
    #[test]
    fn a_failed_replacement_leaves_the_directory_as_it_was() {
        let (name, environment) = ("app".parse().unwrap(), "default".parse().unwrap());
        for in_the_way in ["app.conf.key", "app.conf.enc"] {
            let directory = tempfile::tempdir().unwrap();
            let pair = Pair::new(directory.path(), &name, &environment);
            for file in [pair.enc(), pair.key()] {
                std::fs::write(file, "old").unwrap();
            }
            // A directory that is not empty cannot be replaced by a file.
            std::fs::remove_file(directory.path().join(in_the_way)).unwrap();
            std::fs::create_dir_all(directory.path().join(in_the_way).join("in the way")).unwrap();
            let before = files(directory.path());
            let error = pair.replace_both(Some(b"both"), b"new", b"new").unwrap_err();
            assert_eq!(error.kind(), Kind::Io);
            assert_eq!(files(directory.path()), before, "{in_the_way}");
            if in_the_way == "app.conf.enc" {
                assert_eq!(pair.replace_enc(b"new", None).unwrap_err().exit_code(), 11);
                assert_eq!(files(directory.path()), before);
            }
        }
    }

    #[test]
    fn a_missing_directory_is_a_write_error() {
        let directory = tempfile::tempdir().unwrap();
        let pair =
            Pair::new(directory.path().join("gone"), &"app".parse().unwrap(), &"default".parse().unwrap());
        assert_eq!(pair.replace_both(None, b"new", b"new").unwrap_err().exit_code(), 11);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_pipe_is_refused_without_waiting() {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        let directory = tempfile::tempdir().unwrap();
        let pair = Pair::new(directory.path(), &"app".parse().unwrap(), &"default".parse().unwrap());
        mknodat(CWD, pair.enc(), FileType::Fifo, Mode::RUSR, 0).unwrap();
        let error = pair.read_enc().unwrap_err();
        assert_eq!((error.kind(), error.exit_code()), (Kind::Io, 10));
    }

    #[cfg(unix)]
    #[test]
    fn a_replaced_file_keeps_its_mode() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let pair = Pair::new(directory.path(), &"app".parse().unwrap(), &"default".parse().unwrap());
        std::fs::write(pair.enc(), "old").unwrap();
        std::fs::set_permissions(pair.enc(), std::fs::Permissions::from_mode(0o640)).unwrap();
        pair.replace_enc(b"new", None).unwrap();
        assert_eq!(std::fs::metadata(pair.enc()).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(files(directory.path()).len(), 1);
    }
}
