//! The age identities of the key store. Each has a separate file with the recipient as its name.

use std::path::PathBuf;

use super::AgeIdentity;
use crate::base::{Error, KeyRef, Kind};
use crate::kms::local::KeyStore;

impl KeyStore {
    /// Writes an identity into the store, with mode 0600, and returns the path. Keeps an existing file.
    ///
    /// # Errors
    /// [`Kind::Io`]; [`Kind::InsecureKeyFile`] for a store that others can change.
    pub fn add_age(&self, identity: &AgeIdentity) -> Result<PathBuf, Error> {
        let path = self.path_of(identity.key_ref())?;
        self.add_file(&path, |path| identity.create(path), |path| AgeIdentity::read_file(path).map(drop))?;
        Ok(path)
    }

    /// Reads the identity of this recipient.
    ///
    /// # Errors
    /// As for [`AgeIdentity::read_file`]; [`Kind::BadLocalKey`] also if the store does not have the identity, and for a
    /// file that contains another identity.
    pub fn read_age(&self, recipient: &KeyRef) -> Result<AgeIdentity, Error> {
        let path = self.path_of(recipient)?;
        if path.symlink_metadata().is_err() {
            return Err(self.has_no(recipient).advise(format!(
                "restore it from your backup, or set ENVCONF_AGE_KEY_FILE; if it is gone, run `envconf key disable {}`",
                recipient.key_id()
            )));
        }
        self.check()?;
        let identities = AgeIdentity::read_file(&path)?;
        identities.into_iter().find(|identity| identity.key_ref() == recipient).ok_or_else(|| {
            Error::new(Kind::BadLocalKey, "the file contains another identity")
                .at(&path)
                .advise("restore the identity from your backup, or delete the file")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LocalKey;

    #[test]
    fn identities_and_local_keys_are_kept_apart() {
        let directory = tempfile::tempdir().unwrap();
        let store = KeyStore::at(directory.path().join("home"));
        let (identity, local) = (AgeIdentity::generate().unwrap(), LocalKey::generate().unwrap());
        assert!(store.enable(identity.key_ref(), directory.path()).is_err(), "it is not there yet");
        store.add(&local).unwrap();
        let path = store.add_age(&identity).unwrap();
        assert_eq!(store.add_age(&identity).unwrap(), path);
        for key in [local.key_ref(), identity.key_ref()] {
            store.enable(key, directory.path()).unwrap();
        }
        assert_eq!(store.enabled_for(directory.path()).unwrap(), [local.key_ref().clone()]);
        assert_eq!(store.age_enabled_for(directory.path()).unwrap(), [identity.key_ref().clone()]);
        assert_eq!(store.keys().unwrap().len(), 2);
        assert_eq!(store.read_age(identity.key_ref()).unwrap().key_ref(), identity.key_ref());
        assert_eq!(store.read(identity.key_ref()).unwrap_err().kind(), Kind::BadLocalKey);
        assert!(store.disable(identity.key_ref(), directory.path()).unwrap());
        assert!(store.age_enabled_for(directory.path()).unwrap().is_empty());
        std::fs::remove_file(&path).unwrap();
        AgeIdentity::generate().unwrap().create(&path).unwrap();
        assert_eq!(store.read_age(identity.key_ref()).unwrap_err().kind(), Kind::BadLocalKey);
    }
}
