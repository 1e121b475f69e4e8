//! The two files: names, bounded reads, and the order in which they are safely replaced (api.md §1; format.md §4).

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use crate::envelope::random_id;
use crate::error::{Error, Kind, escape};
use crate::format::{MAX_ENC, MAX_KEY, Name};

const ENC: &str = ".conf.enc";
const KEY: &str = ".conf.key";
/// Labels that the files' own names use up (api.md §1).
const RESERVED: [&str; 5] = ["conf", "defaults", "enc", "key", "local"];

/// Where the two files of one configuration in one environment lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    enc: PathBuf,
    key: PathBuf,
}

impl Pair {
    /// The pair of this name and environment in `dir`: `app.conf.enc`, or `app.prod.conf.enc` unless the
    /// environment is `default`, and the `.key` beside it.
    pub fn new(dir: impl AsRef<Path>, name: &Name, environment: &Name) -> Self {
        let stem = match environment.as_str() {
            "default" => name.to_string(),
            environment => format!("{name}.{environment}"),
        };
        let file = |suffix| dir.as_ref().join(format!("{stem}{suffix}"));
        Self { enc: file(ENC), key: file(KEY) }
    }

    /// The pair of which `path` is one file.
    ///
    /// # Errors
    /// [`Kind::Usage`] if it ends in neither `.enc` nor `.key`.
    pub fn of(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        match path.extension().and_then(OsStr::to_str) {
            Some("enc" | "key") => {
                Ok(Self { enc: path.with_extension("enc"), key: path.with_extension("key") })
            }
            _ => Err(Error::new(Kind::Usage, "a sealed pair ends in .enc and .key").at(path)),
        }
    }

    /// The sealed payload.
    pub fn enc(&self) -> &Path {
        &self.enc
    }

    /// The wrapped keys.
    pub fn key(&self) -> &Path {
        &self.key
    }

    /// The folder that the pair lies in.
    pub fn folder(&self) -> &Path {
        match self.enc.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        }
    }

    /// The bytes of the `.enc`.
    ///
    /// # Errors
    /// [`Kind::Io`], and [`Kind::TooLarge`] beyond the format's limit.
    pub fn read_enc(&self) -> Result<Vec<u8>, Error> {
        read(&self.enc, MAX_ENC)
    }

    /// The bytes of the `.key`.
    ///
    /// # Errors
    /// As for [`Pair::read_enc`].
    pub fn read_key(&self) -> Result<Vec<u8>, Error> {
        read(&self.key, MAX_KEY)
    }

    /// Replaces the `.enc`, its data key staying the same.
    pub(crate) fn replace_enc(&self, enc: &[u8]) -> Result<(), Error> {
        replace(&self.enc, enc)
    }

    /// Replaces both files by a pair with a new data key, so that whoever reads in between finds a pair that opens:
    /// first a `.key` that has the old section too, then the `.enc`, then the final `.key` (format.md §4, "Writing").
    pub(crate) fn replace_both(&self, both_keys: Option<&[u8]>, enc: &[u8], key: &[u8]) -> Result<(), Error> {
        replace(&self.key, both_keys.unwrap_or(key))?;
        replace(&self.enc, enc)?;
        match both_keys {
            Some(_) => replace(&self.key, key),
            None => Ok(()),
        }
    }
}

/// Name and environment that a file's name says (api.md §1): the name without `.conf.enc`, `.conf.key` or its last
/// extension is `name` or `name.environment`.
///
/// # Errors
/// [`Kind::Usage`] for more dots, an empty part or a reserved label.
pub fn identity_of(path: &Path) -> Result<(Name, Name), Error> {
    let unclear = || {
        Error::new(Kind::Usage, "the file's name does not say what it configures")
            .at(path)
            .advise("call it NAME.toml or NAME.ENVIRONMENT.toml, or give --name and --environment")
    };
    let file = path.file_name().and_then(OsStr::to_str).ok_or_else(unclear)?;
    let stem = [ENC, KEY].into_iter().find_map(|suffix| file.strip_suffix(suffix));
    let stem = stem.or_else(|| file.rsplit_once('.').map(|(stem, _)| stem)).unwrap_or(file);
    let (name, environment) = stem.split_once('.').unwrap_or((stem, "default"));
    let part = |part: &str| {
        let fits = !part.contains('.') && !RESERVED.contains(&part);
        part.parse::<Name>().ok().filter(|_| fits).ok_or_else(unclear)
    };
    Ok((part(name)?, part(environment)?))
}

/// Reads a whole file of at most `limit` bytes into a buffer of its size.
fn read(path: &Path, limit: usize) -> Result<Vec<u8>, Error> {
    let failed = |error: std::io::Error| {
        let missing = error.kind() == std::io::ErrorKind::NotFound;
        let error = Error::read(path, error);
        if missing {
            return error.advise(
                "seal the configuration with `envconf seal`, or point ENVCONF_DIR at the folder that has it",
            );
        }
        error
    };
    let file = File::open(path).map_err(failed)?;
    let len = file.metadata().map_err(failed)?.len();
    let too_large = || Error::new(Kind::TooLarge, format!("larger than {limit} bytes")).at(path);
    let capacity = usize::try_from(len).ok().filter(|len| *len <= limit).ok_or_else(too_large)?;
    let mut bytes = Vec::with_capacity(capacity + 1);
    file.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > limit { Err(too_large()) } else { Ok(bytes) }
}

/// Replaces `path` as a whole or not at all: a temporary file beside it, synchronised, renamed, the folder
/// synchronised too. Until the rename the old file is untouched; whatever fails, nothing is left behind.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let failed = |error| Error::write(path, error);
    let temporary = Temporary::beside(path)?;
    let mut file = OpenOptions::new().write(true).create_new(true).open(&temporary.0).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    if let Ok(old) = std::fs::metadata(path) {
        file.set_permissions(old.permissions()).map_err(failed)?;
    }
    file.sync_all().map_err(failed)?;
    std::fs::rename(&temporary.0, path).map_err(failed)?;
    std::mem::forget(temporary); // it has become the file
    sync_folder(path).map_err(failed)
}

/// A temporary file's path; the file is removed on drop.
struct Temporary(PathBuf);

impl Temporary {
    fn beside(path: &Path) -> Result<Self, Error> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Ok(Self(path.with_file_name(format!(".{name}.{}.tmp", random_id()?))))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // It may not have been created, or be gone with its folder: there is nothing else to do about it.
        let _ = std::fs::remove_file(&self.0);
    }
}

#[cfg(unix)]
fn sync_folder(path: &Path) -> std::io::Result<()> {
    let parent = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> std::io::Result<()> {
    Ok(())
}

/// The content type that a plain file's name says, or for `.conf` its first byte (api.md §1).
///
/// # Errors
/// [`Kind::Usage`] for any other extension.
pub fn content_type_of(path: &Path, content: &[u8]) -> Result<crate::format::ContentType, Error> {
    use crate::format::ContentType;
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    match extension {
        Some("toml") => Ok(ContentType::Toml),
        Some("json") => Ok(ContentType::Json),
        Some("yaml" | "yml") => Ok(ContentType::Yaml),
        Some("env") => Ok(ContentType::Dotenv),
        Some("conf") => match content.iter().find(|b| !b.is_ascii_whitespace()) {
            Some(b'{') => Ok(ContentType::Json),
            _ => Ok(ContentType::Toml),
        },
        _ => Err(Error::new(
            Kind::Usage,
            format!("the name {} does not say what the content is", escape(name)),
        )
        .advise("give --type toml, json, yaml, dotenv or raw")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_name_says_name_and_environment() {
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

    #[test]
    fn a_failed_replacement_leaves_the_folder_as_it_was() {
        let folder = std::env::temp_dir().join(format!("envconf-pair-{}", random_id().unwrap()));
        std::fs::create_dir_all(folder.join("app.conf.enc/in-the-way")).unwrap();
        let error = replace(&folder.join("app.conf.enc"), b"new").unwrap_err();
        assert_eq!((error.kind(), error.exit_code()), (Kind::Io, 11));
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
