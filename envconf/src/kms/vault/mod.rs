//! HashiCorp Vault and OpenBao as a [`Kms`]: the transit secrets engine (format.md §6, row `vault`).
//!
//! A reference is `vault:-:MOUNT/KEY`; namespaces, if any, precede the mount. The whole reference is part of the
//! request path. The server does not allow a mount and a namespace with the same path, so a reference means exactly one
//! key. No variable changes this key.

mod ciphertext;
mod client;
mod credentials;
#[cfg(feature = "tools")]
mod diagnose;
mod errors;
#[cfg(feature = "tools")]
mod keys;
mod retries;
mod settings;

use sha2::{Digest as _, Sha256};

use self::client::{VaultCall, VaultResponse};
use self::errors::refusal;
use self::settings::{Connection, VaultSettings};
use super::json::Argument::Text;
use super::json::{Parameter, decoded, encoded};
#[cfg(feature = "tools")]
use super::keys::Keys;
use super::retry::Again;
#[cfg(feature = "tools")]
use super::step::Step;
use super::tries::Tries;
use super::{BoxFuture, Context, Kms, KmsError, WrappedKey, payload};
use crate::base::{Error, KeyRef, Variables, provider};
use crate::envelope::DataKey;

/// The deployment's settings for Vault and OpenBao. envconf searches for a token at the first request.
#[derive(Debug)]
pub(crate) struct Vault {
    settings: VaultSettings,
}

/// The mount and the name of a key, which are parts of a request path.
struct TransitKey<'a> {
    mount: &'a str,
    name: &'a str,
}

impl<'a> TransitKey<'a> {
    /// Splits a key reference.
    ///
    /// # Errors
    /// For a reference that a `.key` file may contain, but a path cannot.
    fn of(key: &'a KeyRef) -> Result<Self, KmsError> {
        provider::check(key).map_err(|bad| KmsError::other(bad.reason).advise(bad.advice).tries(0))?;
        let split = key.key_id().rsplit_once('/');
        let (mount, name) = split.ok_or_else(|| KmsError::other("its mount is missing").tries(0))?;
        Ok(Self { mount, name })
    }

    fn path(&self, operation: &str) -> String {
        format!("{}/{operation}/{}", self.mount, self.name)
    }
}

impl Vault {
    /// Reads the settings for Vault.
    ///
    /// # Errors
    /// [`Kind::Usage`](crate::Kind::Usage) for a setting of envconf that is empty or malformed.
    pub(crate) fn from_variables(variables: &Variables) -> Result<Self, Error> {
        Ok(Self { settings: VaultSettings::from_variables(variables)? })
    }

    fn connection(&self) -> Result<&Connection, KmsError> {
        self.settings.connection.as_ref().map_err(Clone::clone)
    }

    /// Sends a request until it succeeds, fails for good, or time is up. Each try uses the token of that moment.
    async fn ask<T>(
        &self,
        action: &'static str,
        path: &str,
        parameters: Option<&[Parameter<'_>]>,
        read: impl Fn(&VaultResponse<'_>) -> Result<T, KmsError>,
    ) -> Result<T, KmsError> {
        self.try_until(action, path, parameters, read, |again| again).await
    }

    async fn try_until<T>(
        &self,
        action: &'static str,
        path: &str,
        parameters: Option<&[Parameter<'_>]>,
        read: impl Fn(&VaultResponse<'_>) -> Result<T, KmsError>,
        patience: impl Fn(Again) -> Again,
    ) -> Result<T, KmsError> {
        let connection = self.connection()?;
        let call = VaultCall { path, parameters, namespace: None, action, refusal: &refusal };
        let mut tries = Tries::begin();
        loop {
            let (error, generation) = match self.attempt(&call, connection, tries.refused(), &read).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            let again = patience(retries::again(&error));
            tries.wait_after(error, generation, again).await?;
        }
    }

    /// Sends the request once. An error comes with the generation of the token that may have caused it.
    async fn attempt<T>(
        &self,
        call: &VaultCall<'_>,
        connection: &Connection,
        refused: Option<u64>,
        read: impl Fn(&VaultResponse<'_>) -> Result<T, KmsError>,
    ) -> Result<T, (KmsError, Option<u64>)> {
        // Do not repeat a refused login: another one would send the same proof.
        let credential = credentials::snapshot(&self.settings, connection, refused).await;
        let credential = credential.map_err(|error| (error, None))?;
        let answer = client::send(call, Some(&credential), connection, read).await;
        answer.map_err(|error| {
            let error = credential.blame(mention_namespace(error, call.path, connection));
            (error, credential.generation)
        })
    }
}

/// Adds the reference of a key in the login's namespace to a refusal, if the reference does not contain this namespace.
fn mention_namespace(error: KmsError, path: &str, connection: &Connection) -> KmsError {
    let Some(namespace) = &connection.namespace else { return error };
    let has_it = path.strip_prefix(namespace.as_str()).is_some_and(|rest| rest.starts_with('/'));
    if has_it || !matches!(error.status, Some(403 | 404)) {
        return error;
    }
    let reference = reference_of(path).map(|reference| format!("vault:-:{namespace}/{reference}"));
    let reference = reference.unwrap_or_else(|| format!("vault:-:{namespace}/MOUNT/KEY"));
    error.advise_with(format!(
        "VAULT_NAMESPACE is used for the login only: write a key in that namespace as {reference}; for another key, check that the token's policy allows this"
    ))
}

/// Returns mount and name of the key in a request path: `MOUNT/OPERATION/KEY`, or `MOUNT/keys/KEY/config`.
fn reference_of(path: &str) -> Option<String> {
    let parts: Vec<&str> = path.split('/').collect();
    match &parts[..] {
        [mount @ .., "keys", name, "config"] if !mount.is_empty() => {
            Some(format!("{}/{name}", mount.join("/")))
        }
        [mount @ .., "encrypt" | "decrypt" | "rewrap" | "keys", name] if !mount.is_empty() => {
            Some(format!("{}/{name}", mount.join("/")))
        }
        _ => None,
    }
}

/// Reads the ciphertext of a reply. Checks that an AEAD key made it, from `payload` bytes if the length is given.
fn ciphertext(response: &VaultResponse<'_>, payload: Option<usize>) -> Result<WrappedKey, KmsError> {
    let blob = response.text("ciphertext");
    let blob = blob.ok_or_else(|| response.wrong("the service returned no wrapped key"))?;
    match payload {
        Some(len) => ciphertext::check_made(blob, len)?,
        None => ciphertext::check_blob(blob)?,
    }
    WrappedKey::new(blob).ok_or_else(|| response.wrong("the service returned no valid wrapped key"))
}

impl Kms for Vault {
    fn provider(&self) -> &str {
        "vault"
    }

    fn authenticates(&self) -> bool {
        true
    }

    fn wrap<'a>(
        &'a self,
        key: &'a KeyRef,
        dek: &'a DataKey,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<WrappedKey, KmsError>> {
        Box::pin(async move {
            let path = TransitKey::of(key)?.path("encrypt");
            let payload = payload::payload(dek, context);
            let plaintext = encoded(payload.expose());
            let parameters = [("plaintext", Text(plaintext.as_str()))];
            let len = payload.expose().len();
            self.ask("encrypt", &path, Some(&parameters), |response| ciphertext(response, Some(len))).await
        })
    }

    fn unwrap<'a>(
        &'a self,
        key: &'a KeyRef,
        wrapped: &'a WrappedKey,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<DataKey, KmsError>> {
        Box::pin(async move {
            let path = TransitKey::of(key)?.path("decrypt");
            ciphertext::check_blob(wrapped.as_str()).map_err(|error| error.tries(0))?;
            let parameters = [("ciphertext", Text(wrapped.as_str()))];
            self.ask("decrypt", &path, Some(&parameters), |response| {
                let text = response.secret("plaintext");
                let bytes = text.as_ref().and_then(|text| decoded(text));
                let wrong = || response.wrong("the service returned no data key in strict base64");
                payload::data_key(&bytes.ok_or_else(wrong)?, context)
            })
            .await
        })
    }

    /// Re-wraps with the newest version of the same key. Returns `None` for two keys.
    fn rewrap<'a>(
        &'a self,
        from: &'a KeyRef,
        wrapped: &'a WrappedKey,
        to: &'a KeyRef,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<Option<WrappedKey>, KmsError>> {
        let _ = context;
        Box::pin(async move {
            if from != to {
                return Ok(None);
            }
            let path = TransitKey::of(to)?.path("rewrap");
            ciphertext::check_blob(wrapped.as_str()).map_err(|error| error.tries(0))?;
            let parameters = [("ciphertext", Text(wrapped.as_str()))];
            let moved =
                self.ask("rewrap", &path, Some(&parameters), |response| ciphertext(response, None)).await;
            // The server encrypts again even if the newest version made the ciphertext. Keep the old one then.
            let is_newer = |moved: &WrappedKey| ciphertext::version(moved) != ciphertext::version(wrapped);
            moved.map(|moved| Some(if is_newer(&moved) { moved } else { wrapped.clone() }))
        })
    }

    #[cfg(feature = "tools")]
    fn keys(&self) -> Option<&dyn Keys> {
        Some(self)
    }

    #[cfg(feature = "tools")]
    fn diagnose<'a>(&'a self, key: &'a KeyRef) -> BoxFuture<'a, Vec<Step>> {
        Box::pin(diagnose::steps(self, key))
    }

    /// Returns a hash of every setting that an answer can depend on. It is a hash, because some settings are secret.
    fn identity(&self) -> Option<[u8; 32]> {
        let mut digest = Sha256::new_with_prefix(b"vault");
        digest.update(self.settings.hash());
        if let Ok(connection) = &self.settings.connection {
            digest.update(connection.route.settings());
        }
        Some(digest.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_path_contains_the_key() {
        for (path, reference) in [
            ("transit/decrypt/app", Some("transit/app")),
            ("deep/transit/encrypt/app", Some("deep/transit/app")),
            ("transit/rewrap/app", Some("transit/app")),
            ("transit/keys/app", Some("transit/app")),
            ("transit/keys/app/config", Some("transit/app")),
            ("transit/decrypt/config", Some("transit/config")),
            ("transit/keys/config", Some("transit/config")),
            ("transit/keys?list=true", None),
            ("decrypt/app", None),
            ("auth/x/login", None),
        ] {
            assert_eq!(reference_of(path).as_deref(), reference, "{path}");
        }
    }
}
