//! Tencent Cloud KMS as a [`Kms`] (format.md §6, row `tencent`).
//!
//! The blob is the service's `CiphertextBlob`, verbatim. It is not a single base64 text, and envconf does not decode
//! it.

mod client;
mod error_codes;
mod credentials;
#[cfg(feature = "tools")]
mod diagnose;
mod endpoint;
#[cfg(feature = "tools")]
mod keys;
mod retries;
pub(crate) mod sign;
mod sts;

use sha2::{Digest, Sha256};

use self::client::{Answer, Response};
use self::credentials::Credentials;
use super::endpoint::Endpoint;
use super::http::{Method, Route};
use super::json::Argument::Text;
use super::json::{Parameter, encoded};
#[cfg(feature = "tools")]
use super::keys::Keys;
use super::retry::Again;
#[cfg(feature = "tools")]
use super::step::Step;
use super::tries::Tries;
use super::{BoxFuture, Context, Decrypted, Kms, KmsError, WrappedKey, credential_cache};
use crate::base::{Error, KeyRef, Kind, Variables};
use crate::envelope::DataKey;
use crate::format::Suite;

const SERVICE: &str = "kms";
const VERSION: &str = "2019-01-18";
const METHOD: &str = "ENVCONF_TENCENT_METHOD";

/// The deployment's settings for Tencent Cloud KMS. envconf searches for credentials at the first request.
#[derive(Debug)]
pub(crate) struct Tencent {
    /// The endpoint of the deployment; `None` for the endpoint of the key's region.
    endpoint: Option<Endpoint>,
    method: Method,
    credentials: Credentials,
    route: Route,
}

impl Tencent {
    /// Reads the settings for Tencent Cloud KMS.
    ///
    /// # Errors
    /// [`Kind::Usage`] for a setting that is empty or malformed.
    pub(crate) fn from_variables(variables: &Variables) -> Result<Self, Error> {
        let endpoint = variables.setting("ENVCONF_TENCENT_ENDPOINT")?;
        let endpoint = endpoint.map(|text| endpoint::parse(&text, "ENVCONF_TENCENT_ENDPOINT")).transpose()?;
        let method = match variables.setting(METHOD)?.as_deref().map(str::trim) {
            None | Some("POST") => Method::POST,
            Some("GET") => Method::GET,
            Some(_) => {
                return Err(Error::new(Kind::Usage, format!("{METHOD} is not POST or GET"))
                    .advise(format!("set {METHOD} to POST or GET, or unset it")));
            }
        };
        let route = Route::from_variables(variables)?;
        let credentials = Credentials::from_variables(variables)?;
        Ok(Self { endpoint, method, credentials, route })
    }

    /// Calls an action about `key`; see [`Tencent::ask`].
    async fn call(
        &self,
        action: &'static str,
        key: &KeyRef,
        parameters: &[Parameter<'_>],
    ) -> Result<Answer, KmsError> {
        self.ask(action, key.region(), parameters, Answer::read).await
    }

    /// Calls `action` until it succeeds, fails for good, or time is up. Each try is signed again, with the credential
    /// of that moment.
    async fn ask<T>(
        &self,
        action: &'static str,
        region: &str,
        parameters: &[Parameter<'_>],
        read: impl Fn(&Response<'_>) -> Result<T, KmsError>,
    ) -> Result<T, KmsError> {
        self.try_until(action, region, parameters, read, |again| again).await
    }

    /// Like [`Tencent::ask`], for an action that must not happen twice. It does not retry a failure after which the
    /// action may have happened.
    #[cfg(feature = "tools")]
    async fn ask_once<T>(
        &self,
        action: &'static str,
        region: &str,
        parameters: &[Parameter<'_>],
        read: impl Fn(&Response<'_>) -> Result<T, KmsError>,
    ) -> Result<T, KmsError> {
        let unless_open = |again| match again {
            Again::Few | Again::Faulty => Again::Never,
            again => again,
        };
        self.try_until(action, region, parameters, read, unless_open).await
    }

    async fn try_until<T>(
        &self,
        action: &'static str,
        region: &str,
        parameters: &[Parameter<'_>],
        read: impl Fn(&Response<'_>) -> Result<T, KmsError>,
        patience: impl Fn(Again) -> Again,
    ) -> Result<T, KmsError> {
        if region == "-" {
            return Err(KmsError::other("invalid key reference: a key of Tencent Cloud needs a region")
                .advise("write the reference as tencent:REGION:KEY-ID, such as tencent:ap-guangzhou:…")
                .tries(0));
        }
        let regional = endpoint::regional(region);
        // `Encrypt` sends a data key, which must not be in a URL, because servers and proxies log URLs.
        let method = if action == "Encrypt" { Method::POST } else { self.method.clone() };
        let call = client::Call {
            service: SERVICE,
            version: VERSION,
            action,
            region,
            endpoint: self.endpoint.as_ref().unwrap_or(&regional),
            method,
            parameters,
        };
        let mut tries = Tries::begin();
        loop {
            let (error, generation) = match self.attempt(&call, tries.refused(), &read).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            let again = patience(retries::again(&error));
            tries.wait_after(error, generation, again).await?;
        }
    }

    /// Sends the request once. An error comes with the generation of the credentials that may have caused it.
    async fn attempt<T>(
        &self,
        call: &client::Call<'_>,
        refused: Option<u64>,
        read: impl Fn(&Response<'_>) -> Result<T, KmsError>,
    ) -> Result<T, (KmsError, Option<u64>)> {
        let newest = credential_cache::generation();
        let credential = self.credentials.snapshot(&self.route, refused).await;
        let credential = credential.map_err(|error| (error, Some(newest).filter(|newest| *newest > 0)))?;
        let answer = client::send(call, Some(&credential), &self.route, read).await;
        answer.map_err(|error| (credential.blame(error), credential.generation))
    }
}

impl Kms for Tencent {
    fn provider(&self) -> &str {
        "tencent"
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
                ("EncryptionContext", Text(context.as_json())),
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
            let parameters =
                [("CiphertextBlob", Text(wrapped.as_str())), ("EncryptionContext", Text(context.as_json()))];
            let answer = self.call("Decrypt", key, &parameters).await?;
            // `Decrypt` has no parameter for the key, because the blob names it. So only this check makes sure that the
            // service used the trusted key.
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
                ("EncryptionContext", Text(context.as_json())),
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
                ("CiphertextBlob", Text(wrapped.as_str())),
                ("DestinationKeyId", Text(to.key_id())),
                ("SourceEncryptionContext", Text(context.as_json())),
                ("DestinationEncryptionContext", Text(context.as_json())),
            ];
            let answer = self.call("ReEncrypt", to, &parameters).await?;
            answer.check_key(to)?;
            answer.check_source(from)?;
            answer.wrapped_key().map(Some)
        })
    }

    fn decrypt_bare<'a>(
        &'a self,
        region: &'a str,
        blob: &'a WrappedKey,
    ) -> BoxFuture<'a, Result<Decrypted, KmsError>> {
        Box::pin(async move {
            let parameters = [("CiphertextBlob", Text(blob.as_str()))];
            let answer = self.ask("Decrypt", region, &parameters, Answer::read).await;
            let answer = answer.map_err(error_codes::about_bare_blob)?;
            let key_id = answer.key_id()?;
            let key = KeyRef::new(self.provider(), region, key_id);
            let key = key.ok_or_else(|| {
                KmsError::other(
                    "invalid region in the key reference: expected lower-case letters, digits and -",
                )
            })?;
            Ok(Decrypted::new(key, answer.plaintext()?.expose()))
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
        let mut digest = Sha256::new_with_prefix(b"tencent");
        digest.update(self.credentials.settings());
        let endpoint = self.endpoint.as_ref().map_or_else(String::new, Endpoint::url);
        for part in [endpoint.as_bytes(), self.method.as_str().as_bytes()] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        digest.update(self.route.settings());
        Some(digest.finalize().into())
    }
}
