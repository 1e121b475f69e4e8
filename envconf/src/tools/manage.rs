//! Management of the keys of a key service, for tools: create, list, describe and rotate keys, and resolve aliases.

use std::sync::Arc;
use std::time::Instant;

use crate::base::{Error, KeyRef, Kind};
use crate::kms::{BoxFuture, KeyInfo, KeyPlace, KeyServices, Keys, Kms, KmsError, NewKey, Rotation, worker};
use crate::pair::wrapping::{service_of, timed};

/// Management of keys, for tools. These functions block the thread. They work inside and outside an async runtime.
impl KeyServices {
    /// Creates a key.
    ///
    /// # Errors
    /// [`Kind::UnwrapFailed`] with the answer of the service; [`Kind::Usage`] for a service that this build does not
    /// have, or that has no keys to manage.
    pub fn create_key(&self, place: &KeyPlace, wanted: &NewKey) -> Result<KeyInfo, Error> {
        let wanted = wanted.clone();
        self.manage(&place.0, "the key was not created", move |keys, key| {
            Box::pin(async move { keys.get()?.create(&KeyPlace(key), &wanted).await })
        })
    }

    /// Returns the keys at this place that can wrap data keys. With `all`, also returns keys for other uses.
    ///
    /// # Errors
    /// As for [`KeyServices::create_key`].
    pub fn list_keys(&self, place: &KeyPlace, all: bool) -> Result<Vec<KeyInfo>, Error> {
        self.manage(&place.0, "the keys were not listed", move |keys, key| {
            Box::pin(async move { keys.get()?.list(&KeyPlace(key), all).await })
        })
    }

    /// Returns the properties of a key, named by id or alias.
    ///
    /// # Errors
    /// As for [`KeyServices::create_key`].
    pub fn describe_key(&self, key: &KeyRef) -> Result<KeyInfo, Error> {
        let key = self.resolve(key)?;
        self.manage(&key, "the key was not described", |keys, key| {
            Box::pin(async move { keys.get()?.describe(&key).await })
        })
    }

    /// Returns true if the service rotates a key, named by id or alias.
    ///
    /// # Errors
    /// As for [`KeyServices::create_key`].
    pub fn key_rotates(&self, key: &KeyRef) -> Result<bool, Error> {
        let key = self.resolve(key)?;
        self.manage(&key, "the key's rotation is not known", |keys, key| {
            Box::pin(async move { keys.get()?.rotates(&key).await })
        })
    }

    /// Starts or stops the rotation of a key, named by id or alias.
    ///
    /// # Errors
    /// As for [`KeyServices::create_key`].
    pub fn set_key_rotation(&self, key: &KeyRef, rotation: Rotation) -> Result<(), Error> {
        let key = self.resolve(key)?;
        self.manage(&key, "the key's rotation was not changed", move |keys, key| {
            Box::pin(async move { keys.get()?.set_rotation(&key, rotation).await })
        })
    }

    /// Returns the key with its immutable id. Asks the service if `key` is an alias
    /// (`tencent:ap-guangzhou:alias/NAME`), and returns every other key unchanged.
    ///
    /// # Errors
    /// As for [`KeyServices::create_key`].
    pub fn resolve(&self, key: &KeyRef) -> Result<KeyRef, Error> {
        let Some(alias) = key.alias() else { return Ok(key.clone()) };
        // The ARN of an alias contains the account, which its name alone does not.
        let is_arn = key.key_id().starts_with("arn:");
        let alias = if is_arn { key.key_id().to_owned() } else { alias.to_owned() };
        self.manage(key, "the alias was not resolved", move |keys, key| {
            Box::pin(async move { keys.get()?.resolve(&KeyPlace::of(&key), &alias).await })
        })
    }

    /// Runs `job` with the service of `key` on the worker, within the deadline.
    fn manage<T: Send + 'static>(
        &self,
        key: &KeyRef,
        failed: &'static str,
        job: impl FnOnce(Manager, KeyRef) -> BoxFuture<'static, Result<T, KmsError>>,
    ) -> Result<T, Error> {
        let unmanaged = || {
            Error::new(Kind::Usage, format!("{} has no keys that envconf can manage", key.provider()))
                .advise("create a local key with `envconf keygen`")
        };
        let kms = service_of(key, self)?.filter(|kms| kms.keys().is_some()).ok_or_else(unmanaged)?;
        let until = Instant::now() + self.time_limit();
        worker::block_on(timed(key, until, job(Manager(kms), key.clone())))
            .map_err(|attempt| Error::service_failed(failed, attempt))
    }
}

/// A service that manages its keys, shared with a job on the worker.
struct Manager(Arc<dyn Kms>);

impl Manager {
    fn get(&self) -> Result<&dyn Keys, KmsError> {
        self.0.keys().ok_or_else(|| KmsError::other("the service no longer manages keys"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_without_keys_to_manage_is_an_error() {
        let error = KeyServices::none().list_keys(&"local:-".parse().unwrap(), false).unwrap_err();
        assert_eq!(error.kind(), Kind::Usage);
        assert!(error.advice().unwrap().contains("keygen"));
    }
}
