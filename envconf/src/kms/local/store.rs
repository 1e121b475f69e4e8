//! The key store: keys in the user's data directory, each enabled for some directories (api.md §1).
//!
//! `keys/<kid>` contains one local key, `age/<recipient>` one age identity, `signers/<id>` one signing key.
//! `enabled.json` maps each kid, recipient and `signer:<id>` to the canonical directories that the key is enabled for.
//! A key is used for pairs at or below these directories only. So the users of a key in one project cannot make pairs
//! that are trusted in another project. A key store is never inside a project.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::LocalKey;
use crate::base::key_ref::LOCAL_PROVIDER;
use crate::base::{Error, KeyRef, Kind, Variables, data_directory, escape, private_file, upward_search};
use crate::format::Id;

const KEYS: &str = "keys";
const AGE: &str = "age";
pub(super) const SIGNERS: &str = "signers";
/// The prefix of a signing key's id in the record.
pub(super) const SIGNER_NAME: &str = "signer:";
const ENABLED: &str = "enabled.json";
const KEY_IN_PROJECT: &str = ".envconf/local-key";
/// Longest wait for another process that writes to the store.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(20);
/// Limit of `enabled.json` in bytes.
const LIMIT: u64 = 1 << 20;

/// The record: for each kid, recipient and signer the directories that the key is enabled for.
type Enabled = BTreeMap<String, Vec<String>>;

/// The local keys, age identities and signing keys of this user.
///
/// ```no_run
/// use envconf::LocalKey;
/// use envconf::key_store::KeyStore;
///
/// # fn main() -> Result<(), envconf::Error> {
/// let store = KeyStore::of_user()?.expect("a home directory");
/// let key = LocalKey::generate()?;
/// store.add(&key)?;
/// store.enable(key.key_ref(), "/home/me/project".as_ref())?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct KeyStore {
    directory: PathBuf,
}

/// The public data of a key in the store. The key itself stays in its file.
#[derive(Clone, Debug)]
pub struct StoredKey {
    key: KeyRef,
    path: PathBuf,
    directories: Vec<PathBuf>,
}

impl StoredKey {
    /// Returns the key's reference, `local:-:<kid>` or `age:-:<recipient>`.
    pub fn key_ref(&self) -> &KeyRef {
        &self.key
    }

    /// Returns the file that contains the key.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the canonical directories that the key is enabled for, sorted.
    pub fn directories(&self) -> &[PathBuf] {
        &self.directories
    }
}

impl KeyStore {
    /// Returns the store of the user that runs this process: `ENVCONF_HOME`, else `envconf` in the user's data
    /// directory. Returns `None` if no variable names a home directory.
    ///
    /// # Errors
    /// [`Kind::Usage`] for an `ENVCONF_HOME` that is empty or not absolute.
    pub fn of_user() -> Result<Option<Self>, Error> {
        Self::from_variables(&Variables::Process)
    }

    pub(crate) fn from_variables(variables: &Variables) -> Result<Option<Self>, Error> {
        Ok(data_directory::of(variables)?.map(Self::at))
    }

    /// Returns the store in `directory`, which may not exist yet.
    pub fn at(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }

    /// Returns the directory of the store.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Returns the path of `key`. The file may not exist.
    ///
    /// # Errors
    /// [`Kind::Usage`] unless `key` is a reference of a local key or of an age recipient.
    pub fn path_of(&self, key: &KeyRef) -> Result<PathBuf, Error> {
        let kid = key.key_id();
        if key.provider() == AGE && is_recipient(kid) {
            return Ok(self.directory.join(AGE).join(kid));
        }
        if key.provider() != LOCAL_PROVIDER || kid.parse::<Id>().is_err() {
            return Err(Error::new(Kind::Usage, format!("{key} is not a local key")).advise(
                "write a local key as local:-:<16 hex digits>; `envconf key list` shows the keys of the store",
            ));
        }
        Ok(self.directory.join(KEYS).join(kid))
    }

    /// Writes `key` into the store, with mode 0600, and returns the path. Keeps an existing file.
    ///
    /// # Errors
    /// [`Kind::Io`]; [`Kind::InsecureKeyFile`] for a store that others can change.
    pub fn add(&self, key: &LocalKey) -> Result<PathBuf, Error> {
        let path = self.path_of(key.key_ref())?;
        self.add_file(&path, |path| key.create(path), |path| LocalKey::read(path).map(drop))?;
        Ok(path)
    }

    /// Creates the file of a key with `create`. If the file exists, reads it with `check` instead.
    pub(crate) fn add_file(
        &self,
        path: &Path,
        create: impl FnOnce(&Path) -> Result<(), Error>,
        check: impl FnOnce(&Path) -> Result<(), Error>,
    ) -> Result<(), Error> {
        data_directory::create(path.parent().unwrap_or(&self.directory))?;
        self.check()?;
        let _lock = self.lock()?;
        if path.symlink_metadata().is_ok() { check(path) } else { create(path) }
    }

    /// Reads a key of the store.
    ///
    /// # Errors
    /// As for [`LocalKey::read`]; [`Kind::BadLocalKey`] also for a file that contains another key.
    pub fn read(&self, key: &KeyRef) -> Result<LocalKey, Error> {
        // Check the store only if the key exists: otherwise report a missing key, even if there is no store.
        if self.path_of(key)?.symlink_metadata().is_ok() {
            self.check()?;
        }
        self.read_enabled(key)
    }

    /// Reads a key that [`enabled_for`](Self::enabled_for) has returned. Does not check the store again.
    ///
    /// # Errors
    /// As for [`KeyStore::read`].
    pub(crate) fn read_enabled(&self, key: &KeyRef) -> Result<LocalKey, Error> {
        let path = self.path_of(key)?;
        let missing = || {
            self.has_no(key).advise(format!(
                "restore it from your backup, or install it with `envconf init --local-key FILE`; if it is gone, run `envconf key disable {}`",
                key.key_id()
            ))
        };
        if key.provider() != LOCAL_PROVIDER {
            return Err(missing());
        }
        let read = LocalKey::read(&path).map_err(|error| match path.symlink_metadata() {
            Ok(_) => error,
            Err(_) => missing(),
        })?;
        if read.key_ref() != key {
            return Err(Error::new(
                Kind::BadLocalKey,
                format!("the file contains another key, {}", read.key_ref()),
            )
            .at(&path)
            .advise("restore the key from your backup, or delete the file"));
        }
        Ok(read)
    }

    pub(crate) fn has_no(&self, key: &KeyRef) -> Error {
        Error::new(Kind::BadLocalKey, format!("the key store has no key {key}")).at(&self.directory)
    }

    /// Checks that the store has this key, and that the key can be used.
    ///
    /// # Errors
    /// [`Kind::BadLocalKey`] and [`Kind::InsecureKeyFile`] for a key that cannot be used.
    pub fn check_key(&self, key: &KeyRef) -> Result<(), Error> {
        #[cfg(feature = "age")]
        if key.provider() == AGE {
            return self.read_age(key).map(drop);
        }
        self.read(key).map(drop)
    }

    /// Lists the local keys and age identities that have a file in the store or are enabled, sorted by kid and
    /// recipient.
    ///
    /// # Errors
    /// [`Kind::Io`], [`Kind::InsecureKeyFile`] and [`Kind::BadLocalKey`] for a store that cannot be used.
    pub fn keys(&self) -> Result<Vec<StoredKey>, Error> {
        let mut enabled = self.enabled()?;
        enabled.retain(|name, _| !name.starts_with(SIGNER_NAME));
        let ids = self.files(KEYS)?.into_iter().filter(|name| name.parse::<Id>().is_ok());
        let recipients = self.files(AGE)?.into_iter().filter(|name| is_recipient(name));
        ids.chain(recipients).for_each(|name| {
            enabled.entry(name).or_default();
        });
        let stored = |(kid, directories): (String, Vec<String>)| {
            let key = reference(&kid)?;
            let path = self.path_of(&key)?;
            let directories = directories.into_iter().map(PathBuf::from).collect();
            Ok(StoredKey { key, path, directories })
        };
        enabled.into_iter().map(stored).collect()
    }

    /// Returns the names of the files in a directory of the store.
    pub(super) fn files(&self, directory: &str) -> Result<Vec<String>, Error> {
        let directory = self.directory.join(directory);
        let failed = |error| Error::read(&directory, error);
        let entries = match std::fs::read_dir(&directory) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed)?,
        };
        let name =
            |entry: std::io::Result<std::fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
        entries.map(name).collect::<std::io::Result<_>>().map_err(failed)
    }

    /// Enables a key of the store for `directory` and everything below it; returns the canonical directory.
    ///
    /// # Errors
    /// [`Kind::BadLocalKey`] for a key that the store does not have; [`Kind::Usage`] for a path that is not UTF-8;
    /// [`Kind::Io`] for a directory that does not exist, and for a record that cannot be written.
    pub fn enable(&self, key: &KeyRef, directory: &Path) -> Result<PathBuf, Error> {
        self.check_key(key)?;
        self.enable_name(key.key_id(), directory)
    }

    /// Enables the key with this name in the record.
    pub(super) fn enable_name(&self, name: &str, directory: &Path) -> Result<PathBuf, Error> {
        let (canonical, text) = canonical(directory)?;
        self.refuse_inside_repository(&canonical)?;
        self.change(|enabled| {
            let directories = enabled.entry(name.to_owned()).or_default();
            let is_new = !directories.contains(&text);
            if is_new {
                directories.push(text);
                directories.sort();
            }
            is_new
        })?;
        Ok(canonical)
    }

    /// Disables a key for `directory`, which may not exist any more. Returns true if the key was enabled for this
    /// directory. The key stays enabled there if it is enabled for a directory above.
    ///
    /// # Errors
    /// [`Kind::Io`] and [`Kind::InsecureKeyFile`] for a record that cannot be used or written.
    pub fn disable(&self, key: &KeyRef, directory: &Path) -> Result<bool, Error> {
        self.disable_name(key.key_id(), directory)
    }

    /// Disables the key with this name in the record.
    pub(super) fn disable_name(&self, name: &str, directory: &Path) -> Result<bool, Error> {
        let absolute = std::path::absolute(directory).map_err(|error| Error::read(directory, error))?;
        let directory = directory.canonicalize().unwrap_or(absolute);
        if self.enabled()?.is_empty() {
            return Ok(false);
        }
        let mut was = false;
        self.change(|enabled| {
            if let Some(directories) = enabled.get_mut(name) {
                let before = directories.len();
                directories.retain(|enabled| Path::new(enabled) != directory);
                was = directories.len() < before;
            }
            enabled.retain(|_, directories| !directories.is_empty());
            was
        })?;
        Ok(was)
    }

    /// Returns the local keys that are enabled for `directory`. Keys of the nearest directory come first. Reads no key.
    ///
    /// # Errors
    /// [`Kind::InsecureKeyFile`] for a store that others can change, and for one inside the repository of `directory`,
    /// where a commit could add keys; [`Kind::BadLocalKey`] for a damaged record; [`Kind::Io`].
    pub fn enabled_for(&self, directory: &Path) -> Result<Vec<KeyRef>, Error> {
        let names = self.names_enabled_for(directory, KEYS, |name| name.parse::<Id>().is_ok())?;
        names.iter().map(|kid| reference(kid)).collect()
    }

    /// Returns the recipients of the age identities that are enabled for `directory`. Identities of the nearest
    /// directory come first. Reads no identity.
    ///
    /// # Errors
    /// As for [`KeyStore::enabled_for`].
    #[cfg(feature = "age")]
    pub fn age_enabled_for(&self, directory: &Path) -> Result<Vec<KeyRef>, Error> {
        let names = self.names_enabled_for(directory, AGE, is_recipient)?;
        names.iter().map(|recipient| reference(recipient)).collect()
    }

    /// Returns the names in the record that are `wanted` and enabled for `directory`, the nearest first. `files` is the
    /// directory in the store with their files.
    pub(super) fn names_enabled_for(
        &self,
        directory: &Path,
        files: &str,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Vec<String>, Error> {
        let Ok(directory) = directory.canonicalize() else { return Ok(Vec::new()) };
        let Some(mut enabled) = self.read_enabled_record()? else { return Ok(Vec::new()) };
        self.check_files(files)?;
        enabled.retain(|name, _| wanted(name));
        let mut names: Vec<String> = Vec::new();
        for above in directory.ancestors() {
            for (name, directories) in &enabled {
                if directories.iter().any(|enabled| Path::new(enabled) == above) && !names.contains(name) {
                    names.push(name.clone());
                }
            }
        }
        if !names.is_empty() {
            self.refuse_inside_repository(&directory)?;
        }
        Ok(names)
    }

    /// Checks that keys of this store can be enabled for `directory`.
    ///
    /// # Errors
    /// [`Kind::InsecureKeyFile`] for a store inside the repository of `directory`; [`Kind::Usage`] for a path that is
    /// not UTF-8; [`Kind::Io`] for a directory that does not exist.
    pub fn check_directory(&self, directory: &Path) -> Result<(), Error> {
        self.refuse_inside_repository(&canonical(directory)?.0)
    }

    /// Rejects a store inside the repository of `directory`, because a commit could add keys and change the record.
    fn refuse_inside_repository(&self, directory: &Path) -> Result<(), Error> {
        let Some(top) = upward_search::repository_top(directory) else { return Ok(()) };
        // The store may not exist yet. Then check its nearest existing ancestor.
        let existing = self.directory.ancestors().find_map(|above| above.canonicalize().ok());
        let Some(store) = existing else { return Ok(()) };
        if !store.starts_with(&top) {
            return Ok(());
        }
        let message = format!(
            "the key store is inside the repository {}, where a commit could add keys",
            escape(&top.to_string_lossy())
        );
        Err(Error::new(Kind::InsecureKeyFile, message)
            .at(&self.directory)
            .advise(format!("move the key store, and set {} to its new directory", data_directory::VARIABLE)))
    }

    /// Checks the whole store, and reads the record.
    pub(super) fn enabled(&self) -> Result<Enabled, Error> {
        let Some(enabled) = self.read_enabled_record()? else { return Ok(Enabled::new()) };
        [KEYS, AGE, SIGNERS].iter().try_for_each(|files| self.check_files(files))?;
        Ok(enabled)
    }

    /// Checks the directory of the record, and reads the record. Returns `None` if there is no record.
    fn read_enabled_record(&self) -> Result<Option<Enabled>, Error> {
        let path = self.directory.join(ENABLED);
        let file = match private_file::open_without_waiting(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::read(&path, error)),
        };
        data_directory::check(&self.directory)?;
        private_file::check(&file, &path, "key store's record")?;
        let text = private_file::read_text(file, LIMIT).map_err(|error| Error::read(&path, error))?;
        let enabled: Enabled = serde_json::from_str(&text).map_err(|_| damaged(&path))?;
        if !enabled.keys().all(|name| is_name(name)) {
            return Err(damaged(&path));
        }
        Ok(Some(enabled))
    }

    /// Writes the record again if `change` returns true.
    fn change(&self, change: impl FnOnce(&mut Enabled) -> bool) -> Result<(), Error> {
        let _lock = self.lock()?;
        let mut enabled = self.enabled()?;
        if !change(&mut enabled) {
            return Ok(());
        }
        let path = self.directory.join(ENABLED);
        let mut text = serde_json::to_string_pretty(&enabled)
            .map_err(|_| Error::new(Kind::Unexpected, "the record of enabled keys cannot be written"))?;
        text.push('\n');
        private_file::replace(&path, text.as_bytes())
    }

    /// Locks the store against other writers. On a file system without locks, the last writer wins.
    ///
    /// # Errors
    /// [`Kind::Io`] if another writer keeps its lock for too long.
    fn lock(&self) -> Result<Option<File>, Error> {
        let directory = File::open(&self.directory).map_err(|error| Error::read(&self.directory, error))?;
        let started = Instant::now();
        loop {
            match directory.try_lock() {
                Ok(()) => return Ok(Some(directory)),
                Err(TryLockError::Error(_)) => return Ok(None),
                Err(TryLockError::WouldBlock) if started.elapsed() < PATIENCE => std::thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => {
                    return Err(Error::write(&self.directory, std::io::ErrorKind::ResourceBusy.into())
                        .advise("wait for the other command that is writing to the key store, and try again; nothing was written"));
                }
            }
        }
    }

    /// Checks who can write to the store.
    pub(crate) fn check(&self) -> Result<(), Error> {
        data_directory::check(&self.directory)?;
        [KEYS, AGE, SIGNERS].iter().try_for_each(|files| self.check_files(files))
    }

    /// Checks who can write to a directory of the store. A directory that does not exist passes.
    fn check_files(&self, files: &str) -> Result<(), Error> {
        data_directory::check_if_there(&self.directory.join(files))
    }
}

/// Returns true for a name in the record: the id of a local key, a recipient, or `signer:` and the id of a signing key.
fn is_name(name: &str) -> bool {
    let id = name.strip_prefix(SIGNER_NAME).unwrap_or(name);
    id.parse::<Id>().is_ok() || is_recipient(name)
}

/// Returns true if the text has the form of an age recipient.
fn is_recipient(name: &str) -> bool {
    name.len() == 62
        && name.starts_with("age1")
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

/// Returns the nearest `.envconf/local-key` in `directory` or above.
///
/// envconf never uses such a file, because everybody who can write to the repository could have put it there. A hint
/// names the file, because users may expect that envconf reads it.
pub fn key_in_project(directory: &Path) -> Option<PathBuf> {
    upward_search::upwards(directory, KEY_IN_PROJECT)
}

fn reference(name: &str) -> Result<KeyRef, Error> {
    let provider = if is_recipient(name) { AGE } else { LOCAL_PROVIDER };
    KeyRef::new(provider, "-", name).ok_or_else(|| Error::new(Kind::BadLocalKey, "invalid id of a local key"))
}

fn canonical(directory: &Path) -> Result<(PathBuf, String), Error> {
    let canonical = directory.canonicalize().map_err(|error| Error::read(directory, error))?;
    if !canonical.is_dir() {
        return Err(Error::read(directory, std::io::ErrorKind::NotADirectory.into()));
    }
    let text = canonical
        .to_str()
        .map(str::to_owned)
        .ok_or_else(|| Error::new(Kind::Usage, "the path of this directory is not UTF-8").at(directory))?;
    Ok((canonical, text))
}

fn damaged(path: &Path) -> Error {
    Error::new(Kind::BadLocalKey, "the key store's record is damaged")
        .at(path)
        .advise("delete the file, then enable each key again with `envconf key enable` in its project")
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    struct Fixture {
        directory: tempfile::TempDir,
        store: KeyStore,
        key: LocalKey,
    }

    fn fixture() -> Fixture {
        let directory = tempfile::tempdir().unwrap();
        let store = KeyStore::at(directory.path().join("home/envconf"));
        for below in ["a/config", "a/b/config", "ab", "other"] {
            std::fs::create_dir_all(directory.path().join(below)).unwrap();
        }
        let key = LocalKey::generate().unwrap();
        store.add(&key).unwrap();
        Fixture { directory, store, key }
    }

    impl Fixture {
        fn path(&self, below: &str) -> PathBuf {
            self.directory.path().join(below)
        }

        fn enabled_for(&self, below: &str) -> Vec<KeyRef> {
            self.store.enabled_for(&self.path(below)).unwrap()
        }
    }

    #[test]
    fn a_key_is_enabled_at_and_below_its_directories_only() {
        let it = fixture();
        let key = it.key.key_ref();
        assert!(it.enabled_for("a").is_empty());
        it.store.enable(key, &it.path("a")).unwrap();
        it.store.enable(key, &it.path("a/../a")).unwrap();
        for below in ["a", "a/config", "a/b/config"] {
            assert_eq!(it.enabled_for(below), std::slice::from_ref(key), "{below}");
        }
        for beside in ["", "ab", "other", "a/missing"] {
            assert!(it.enabled_for(beside).is_empty(), "{beside}");
        }
        assert_eq!(it.store.keys().unwrap()[0].directories().len(), 1);
        assert!(it.store.disable(key, &it.path("a")).unwrap());
        assert!(it.enabled_for("a").is_empty());
        assert!(it.store.read(key).is_ok(), "the key itself stays");
    }

    #[test]
    fn the_nearest_directory_comes_first() {
        let it = fixture();
        let nearer = LocalKey::generate().unwrap();
        it.store.add(&nearer).unwrap();
        it.store.enable(it.key.key_ref(), &it.path("a")).unwrap();
        it.store.enable(nearer.key_ref(), &it.path("a/b")).unwrap();
        let both = [nearer.key_ref().clone(), it.key.key_ref().clone()];
        assert_eq!(it.enabled_for("a/b/config"), both);
        assert_eq!(it.enabled_for("a/config"), both[1..]);
    }

    #[test]
    fn symbolic_links_are_resolved_before_the_lookup() {
        let it = fixture();
        it.store.enable(it.key.key_ref(), &it.path("a")).unwrap();
        std::os::unix::fs::symlink(it.path("a/config"), it.path("other/link")).unwrap();
        std::os::unix::fs::symlink(it.path("other"), it.path("a/out")).unwrap();
        assert_eq!(it.enabled_for("other/link").len(), 1);
        assert!(it.enabled_for("a/out").is_empty());
    }

    #[test]
    fn only_the_owner_can_access_files_and_directories() {
        let it = fixture();
        it.store.enable(it.key.key_ref(), &it.path("a")).unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        let path = it.store.path_of(it.key.key_ref()).unwrap();
        let modes = [mode(&path), mode(path.parent().unwrap()), mode(it.store.directory())];
        assert_eq!(modes, [0o600, 0o700, 0o700]);
        assert_eq!(mode(&it.store.directory().join(ENABLED)), 0o600);
    }

    #[test]
    fn a_store_that_others_can_change_is_rejected() {
        let it = fixture();
        let key = it.key.key_ref();
        it.store.enable(key, &it.path("a")).unwrap();
        let chmod = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        let (home, keys) = (it.store.directory().to_owned(), it.store.directory().join(KEYS));
        for (path, open, closed) in
            [(home.clone(), 0o770, 0o700), (keys, 0o707, 0o700), (home.join(ENABLED), 0o660, 0o600)]
        {
            chmod(&path, open);
            let error = it.store.enabled_for(&it.path("a")).unwrap_err();
            assert_eq!(error.kind(), Kind::InsecureKeyFile, "{}", path.display());
            chmod(&path, closed);
        }
        assert_eq!(it.enabled_for("a").len(), 1);
    }

    #[test]
    fn a_store_inside_the_repository_is_rejected() {
        let it = fixture();
        it.store.enable(it.key.key_ref(), &it.path("a")).unwrap();
        std::fs::create_dir(it.path(".git")).unwrap();
        assert_eq!(it.store.enabled_for(&it.path("a")).unwrap_err().kind(), Kind::InsecureKeyFile);
        std::fs::create_dir(it.path("a/.git")).unwrap();
        assert_eq!(it.enabled_for("a").len(), 1, "the pair is in another repository");
    }

    #[test]
    fn a_damaged_record_is_an_error() {
        let it = fixture();
        for text in ["", "{", "[]", r#"{"x": []}"#, r#"{"0000000000000000": "/"}"#] {
            private_file::replace(&it.store.directory().join(ENABLED), text.as_bytes()).unwrap();
            let error = it.store.enabled_for(&it.path("a")).unwrap_err();
            assert_eq!(error.kind(), Kind::BadLocalKey, "{text}");
            assert!(it.store.keys().is_err() && it.store.enable(it.key.key_ref(), &it.path("a")).is_err());
        }
    }

    #[test]
    fn a_file_with_another_key_is_rejected() {
        let it = fixture();
        let other = LocalKey::generate().unwrap();
        let path = it.store.path_of(other.key_ref()).unwrap();
        it.key.create(&path).unwrap();
        assert_eq!(it.store.read(other.key_ref()).unwrap_err().kind(), Kind::BadLocalKey);
        assert_eq!(it.store.enable(other.key_ref(), &it.path("a")).unwrap_err().kind(), Kind::BadLocalKey);
    }

    #[test]
    fn only_ids_of_local_keys_name_files() {
        let it = fixture();
        for wrong in [
            "tencent:ap-guangzhou:0000000000000000",
            "local:-:../../x",
            "local:-:alias/x",
            "local:-:ABCDEF0123456789",
        ] {
            if let Ok(key) = wrong.parse::<KeyRef>() {
                assert_eq!(it.store.path_of(&key).unwrap_err().kind(), Kind::Usage, "{wrong}");
            }
        }
    }

    #[test]
    fn several_threads_can_add_and_enable_keys_at_once() {
        let it = fixture();
        std::thread::scope(|scope| {
            for at in 0..8 {
                let (store, path) = (&it.store, it.path(&format!("many/{at}")));
                scope.spawn(move || {
                    std::fs::create_dir_all(&path).unwrap();
                    let key = LocalKey::generate().unwrap();
                    store.add(&key).unwrap();
                    store.enable(key.key_ref(), &path).unwrap();
                });
            }
        });
        assert_eq!(it.store.keys().unwrap().iter().filter(|key| key.directories().len() == 1).count(), 8);
    }
}
