//! AWS KMS as a [`Kms`] (format.md §6, row `aws`).
//!
//! The blob is the service's `CiphertextBlob` in base64, verbatim; envconf does not decode its content. The encryption
//! context of AWS is the context of the format with its three pairs.

mod client;
mod credentials;
#[cfg(feature = "tools")]
mod diagnose;
mod endpoint;
mod error_codes;
#[cfg(feature = "tools")]
mod keys;
mod retries;
pub(crate) mod sign;
mod sts;

use sha2::{Digest, Sha256};

use self::client::{AwsPost, AwsReply, KeyReply, blob};
use self::credentials::AwsCredentials;
use self::endpoint::{AwsService, Endpoints};
use super::http::Route;
use super::json::Argument::{Json, Text};
use super::json::{Parameter, encoded};
#[cfg(feature = "tools")]
use super::keys::Keys;
use super::retry::Again;
#[cfg(feature = "tools")]
use super::step::Step;
use super::tries::Tries;
use super::{BoxFuture, Context, Kms, KmsError, WrappedKey, credential_cache};
use crate::base::{Error, KeyRef, Variables};
use crate::envelope::DataKey;
use crate::format::Suite;

/// Actions whose reply has no content.
const EMPTY_REPLY: [&str; 3] = ["CreateAlias", "EnableKeyRotation", "DisableKeyRotation"];

/// The deployment's settings for AWS KMS. envconf searches for credentials at the first request.
#[derive(Debug)]
pub(crate) struct Aws {
    endpoints: Endpoints,
    credentials: AwsCredentials,
    route: Route,
    /// `AWS_CA_BUNDLE` does not name a file; the error is reported at the first request.
    has_bad_bundle: bool,
}

impl Aws {
    /// Reads the settings for AWS KMS.
    ///
    /// # Errors
    /// [`Kind::Usage`](crate::Kind::Usage) for a setting of envconf that is empty or malformed.
    pub(crate) fn from_variables(variables: &Variables) -> Result<Self, Error> {
        let mut route = Route::from_variables(variables)?;
        let bundle = variables.get("AWS_CA_BUNDLE").filter(|file| !file.is_empty());
        let bundle = bundle.filter(|_| variables.get("ENVCONF_CA_FILE").is_none());
        let has_bad_bundle = bundle.as_ref().is_some_and(|file| !std::path::Path::new(file).is_file());
        if let Some(file) = bundle {
            route.ca_file = Some(file.into());
        }
        Ok(Self {
            endpoints: Endpoints::from_variables(variables)?,
            credentials: AwsCredentials::from_variables(variables)?,
            route,
            has_bad_bundle,
        })
    }

    /// Calls an action about `key`; see [`Aws::ask`].
    async fn call(
        &self,
        action: &'static str,
        key: &KeyRef,
        parameters: &[Parameter<'_>],
    ) -> Result<KeyReply, KmsError> {
        self.ask(action, key.region(), parameters, KeyReply::read).await
    }

    /// Calls `action` until it succeeds, fails for good, or time is up. Each try is signed again, with the credential
    /// of that moment.
    async fn ask<T>(
        &self,
        action: &'static str,
        region: &str,
        parameters: &[Parameter<'_>],
        read: impl Fn(&AwsReply<'_>) -> Result<T, KmsError>,
    ) -> Result<T, KmsError> {
        self.try_until(action, region, parameters, read, |_, again| again).await
    }

    /// Like [`Aws::ask`], for an action that must not happen twice. It does not retry a failure after which the action
    /// may have happened, and no used-up quota of keys.
    #[cfg(feature = "tools")]
    async fn ask_once<T>(
        &self,
        action: &'static str,
        region: &str,
        parameters: &[Parameter<'_>],
        read: impl Fn(&AwsReply<'_>) -> Result<T, KmsError>,
    ) -> Result<T, KmsError> {
        let unless_open = |error: &KmsError, again| match again {
            Again::Few | Again::Faulty => Again::Never,
            _ if error.code.as_deref() == Some("LimitExceededException") => Again::Never,
            again => again,
        };
        self.try_until(action, region, parameters, read, unless_open).await
    }

    async fn try_until<T>(
        &self,
        action: &'static str,
        region: &str,
        parameters: &[Parameter<'_>],
        read: impl Fn(&AwsReply<'_>) -> Result<T, KmsError>,
        patience: impl Fn(&KmsError, Again) -> Again,
    ) -> Result<T, KmsError> {
        self.check_settings(region)?;
        let (endpoint, _) = self.endpoints.of(AwsService::Kms, region)?;
        let post = AwsPost::to_kms(action, region, &endpoint, parameters);
        let mut tries = Tries::begin();
        loop {
            let (error, generation) = match self.attempt(&post, tries.refused(), &read).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            let again = patience(&error, retries::again(&error));
            tries.wait_after(error, generation, again).await?;
        }
    }

    /// Sends the request once. An error comes with the generation of the credentials that may have caused it.
    async fn attempt<T>(
        &self,
        post: &AwsPost<'_>,
        refused: Option<u64>,
        read: impl Fn(&AwsReply<'_>) -> Result<T, KmsError>,
    ) -> Result<T, (KmsError, Option<u64>)> {
        let newest = credential_cache::generation();
        // Boxed, because in a build without optimisation the futures of all sources overflow the thread's stack.
        let snapshot = self.credentials.snapshot(&self.endpoints, post.region, &self.route, refused);
        let credential = Box::pin(snapshot).await;
        let credential = credential.map_err(|error| (error, Some(newest).filter(|newest| *newest > 0)))?;
        let is_empty = EMPTY_REPLY.contains(&post.action);
        let read = |reply: &super::http::Reply| AwsReply::read(reply, is_empty, &read);
        let answer = Box::pin(post.send(Some(&credential), &self.route, read)).await;
        answer.map_err(|error| (credential.blame(error), credential.generation))
    }

    /// Checks the settings before a request is sent.
    fn check_settings(&self, region: &str) -> Result<(), KmsError> {
        if region == "-" {
            return Err(KmsError::other("invalid key reference: a key of AWS KMS needs a region")
                .advise("write the reference as aws:REGION:arn:aws:kms:REGION:ACCOUNT:key/ID")
                .tries(0));
        }
        if self.has_bad_bundle {
            return Err(KmsError::refused("AWS_CA_BUNDLE does not name a file")
                .advise("point it at a PEM file with root certificates, or unset it")
                .tries(0));
        }
        Ok(())
    }
}

impl Kms for Aws {
    fn provider(&self) -> &str {
        "aws"
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
            let plaintext = encoded(dek.expose());
            let parameters = [
                ("KeyId", Text(key.key_id())),
                ("Plaintext", Text(plaintext.as_str())),
                ("EncryptionContext", Json(context.as_json())),
            ];
            let answer = self.call("Encrypt", key, &parameters).await?;
            answer.check_key(key)?;
            answer.wrapped_key()
        })
    }

    fn unwrap<'a>(
        &'a self,
        key: &'a KeyRef,
        wrapped: &'a WrappedKey,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<DataKey, KmsError>> {
        Box::pin(async move {
            // With `KeyId`, the service refuses the blob of another key. Without it, the service would accept any key.
            let parameters = [
                ("KeyId", Text(key.key_id())),
                ("CiphertextBlob", Text(blob(wrapped)?)),
                ("EncryptionContext", Json(context.as_json())),
            ];
            let answer = self.call("Decrypt", key, &parameters).await?;
            answer.check_key(key)?;
            answer.data_key()
        })
    }

    fn generate<'a>(
        &'a self,
        key: &'a KeyRef,
        suite: Suite,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<Option<(DataKey, WrappedKey)>, KmsError>> {
        Box::pin(async move {
            let spec = match suite {
                Suite::Aes256Gcm => "AES_256",
                Suite::Aes128Gcm => "AES_128",
            };
            let parameters = [
                ("KeyId", Text(key.key_id())),
                ("KeySpec", Text(spec)),
                ("EncryptionContext", Json(context.as_json())),
            ];
            let answer = self.call("GenerateDataKey", key, &parameters).await?;
            answer.check_key(key)?;
            Ok(Some((answer.data_key()?, answer.wrapped_key()?)))
        })
    }

    /// Re-wraps within one region. Returns `None` for keys in two regions.
    fn rewrap<'a>(
        &'a self,
        from: &'a KeyRef,
        wrapped: &'a WrappedKey,
        to: &'a KeyRef,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<Option<WrappedKey>, KmsError>> {
        Box::pin(async move {
            if from.region() != to.region() {
                return Ok(None);
            }
            let parameters = [
                ("CiphertextBlob", Text(blob(wrapped)?)),
                ("SourceKeyId", Text(from.key_id())),
                ("SourceEncryptionContext", Json(context.as_json())),
                ("DestinationKeyId", Text(to.key_id())),
                ("DestinationEncryptionContext", Json(context.as_json())),
            ];
            let answer = self.call("ReEncrypt", to, &parameters).await?;
            answer.check_key(to)?;
            answer.check_source(from)?;
            answer.wrapped_key().map(Some)
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
        let mut digest = Sha256::new_with_prefix(b"aws");
        digest.update(self.credentials.settings());
        digest.update(self.route.settings());
        Some(digest.finalize().into())
    }
}
