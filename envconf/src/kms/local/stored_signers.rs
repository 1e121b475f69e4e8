//! The signing keys of the key store.
//!
//! A signing key is enabled for directories, like every other key. Otherwise, the policy file of a foreign repository
//! could name the user's signer, and programs that pin this signer would accept the signed pairs.

use std::path::{Path, PathBuf};

use super::store::{KeyStore, SIGNER_NAME, SIGNERS};
use crate::base::{Error, Kind};
use crate::envelope::SigningKey;
use crate::format::Id;

/// The public data of a signing key in the store. The key itself stays in its file.
#[derive(Clone, Debug)]
pub struct StoredSigner {
    id: Id,
    path: PathBuf,
    directories: Vec<PathBuf>,
}

impl StoredSigner {
    /// Returns the signer's id.
    pub fn id(&self) -> Id {
        self.id
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
    /// Returns the path of the signing key with this id. The file may not exist.
    pub fn path_of_signer(&self, id: Id) -> PathBuf {
        self.directory().join(SIGNERS).join(id.to_string())
    }

    /// Writes a signing key into the store, with mode 0600, and returns the path. Keeps an existing file.
    ///
    /// # Errors
    /// [`Kind::Io`]; [`Kind::InsecureKeyFile`] for a store that others can change.
    pub fn add_signer(&self, key: &SigningKey) -> Result<PathBuf, Error> {
        let path = self.path_of_signer(key.public().id());
        self.add_file(&path, |path| key.create(path), |path| SigningKey::read(path).map(drop))?;
        Ok(path)
    }

    /// Reads a signing key of the store.
    ///
    /// # Errors
    /// As for [`SigningKey::read`]; [`Kind::Usage`] also for a file that contains another key.
    pub fn read_signer(&self, id: Id) -> Result<SigningKey, Error> {
        let path = self.path_of_signer(id);
        self.check()?;
        let key = SigningKey::read(&path)?;
        if key.public().id() != id {
            return Err(Error::new(
                Kind::Usage,
                format!("the file contains another key, {}", key.public().id()),
            )
            .at(&path)
            .advise("restore the key from your backup, or delete the file"));
        }
        Ok(key)
    }

    /// Enables a signing key of the store for `directory` and everything below it; returns the canonical directory.
    ///
    /// # Errors
    /// As for [`KeyStore::read_signer`] and [`KeyStore::enable`].
    pub fn enable_signer(&self, id: Id, directory: &Path) -> Result<PathBuf, Error> {
        self.read_signer(id)?;
        self.enable_name(&format!("{SIGNER_NAME}{id}"), directory)
    }

    /// Disables a signing key for `directory`. Returns true if it was enabled for this directory.
    ///
    /// # Errors
    /// As for [`KeyStore::disable`].
    pub fn disable_signer(&self, id: Id, directory: &Path) -> Result<bool, Error> {
        self.disable_name(&format!("{SIGNER_NAME}{id}"), directory)
    }

    /// Returns the ids of the signing keys that are enabled for `directory`. Keys of the nearest directory come first.
    /// Reads no key.
    ///
    /// # Errors
    /// As for [`KeyStore::enabled_for`].
    pub fn signers_enabled_for(&self, directory: &Path) -> Result<Vec<Id>, Error> {
        let names = self.names_enabled_for(directory, SIGNERS, |name| name.starts_with(SIGNER_NAME))?;
        Ok(names.iter().filter_map(|name| id_of(name)).collect())
    }

    /// Lists the signing keys that have a file in the store or are enabled, sorted by id.
    ///
    /// # Errors
    /// As for [`KeyStore::keys`].
    pub fn signers(&self) -> Result<Vec<StoredSigner>, Error> {
        let enabled = self.enabled()?;
        let mut ids: Vec<Id> = self.files(SIGNERS)?.iter().filter_map(|name| name.parse().ok()).collect();
        ids.extend(enabled.keys().filter_map(|name| id_of(name)));
        ids.sort();
        ids.dedup();
        let stored = |id: Id| {
            let directories = enabled.get(&format!("{SIGNER_NAME}{id}")).cloned().unwrap_or_default();
            let directories = directories.into_iter().map(PathBuf::from).collect();
            StoredSigner { id, path: self.path_of_signer(id), directories }
        };
        Ok(ids.into_iter().map(stored).collect())
    }
}

fn id_of(name: &str) -> Option<Id> {
    name.strip_prefix(SIGNER_NAME)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signer_is_enabled_at_and_below_its_directories_only() {
        let directory = tempfile::tempdir().unwrap();
        let store = KeyStore::at(directory.path().join("home"));
        let (here, other) = (directory.path().join("here/config"), directory.path().join("other"));
        std::fs::create_dir_all(&here).unwrap();
        std::fs::create_dir_all(&other).unwrap();
        let key = SigningKey::generate().unwrap();
        let id = key.public().id();
        assert!(store.read_signer(id).is_err() && store.enable_signer(id, &here).is_err());
        let path = store.add_signer(&key).unwrap();
        assert_eq!(store.add_signer(&key).unwrap(), path);
        store.enable_signer(id, &directory.path().join("here")).unwrap();
        assert_eq!(store.signers_enabled_for(&here).unwrap(), [id]);
        assert!(store.signers_enabled_for(&other).unwrap().is_empty());
        assert!(store.enabled_for(&here).unwrap().is_empty() && store.keys().unwrap().is_empty());
        assert_eq!(store.read_signer(id).unwrap().public(), key.public());
        assert_eq!(store.signers().unwrap()[0].directories().len(), 1);
        assert!(store.disable_signer(id, &directory.path().join("here")).unwrap());
        assert!(store.signers_enabled_for(&here).unwrap().is_empty());
        std::fs::remove_file(&path).unwrap();
        SigningKey::generate().unwrap().create(&path).unwrap();
        assert_eq!(store.read_signer(id).unwrap_err().kind(), Kind::Usage);
    }
}
