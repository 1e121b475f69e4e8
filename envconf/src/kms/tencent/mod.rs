//! Tencent Cloud KMS as a [`Kms`] (format.md §6, row `tencent`).
//!
//! The blob is the service's `CiphertextBlob`, verbatim: it is not one base64 text, and nothing here looks into it.

mod client;
mod clock;
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

use std::path::PathBuf;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use self::client::Argument::Text;
use self::client::{Answer, Parameter, Response};
use self::credentials::Credentials;
use self::endpoint::Endpoint;
use super::deadline::{Deadline, Patience};
use super::http::{Method, Route};
#[cfg(feature = "tools")]
use super::keys::Keys;
use super::proxy::{self, Proxies};
use super::retry::{self, Again, Retries};
#[cfg(feature = "tools")]
use super::step::Step;
use super::{BoxFuture, Context, Decrypted, Kms, KmsError, WrappedKey};
use crate::base::{Error, KeyRef, Kind, Variables};
use crate::envelope::DataKey;
use crate::format::Suite;

const SERVICE: &str = "kms";
const VERSION: &str = "2019-01-18";
const METHOD: &str = "ENVCONF_TENCENT_METHOD";
/// Where nobody has set a deadline, which no caller within this library leaves out.
const NO_DEADLINE: Duration = Duration::from_secs(10);

/// The deployment's settings for Tencent Cloud KMS. Credentials are looked up when a request is due.
#[derive(Debug)]
pub(crate) struct Tencent {
    variables: Variables,
    /// `None`: the regional endpoint of the key.
    endpoint: Option<Endpoint>,
    method: Method,
    credentials: Credentials,
    route: Route,
}

impl Tencent {
    /// # Errors
    /// [`Kind::Usage`] for a setting that is empty or malformed.
    pub(crate) fn from_variables(variables: &Variables) -> Result<Self, Error> {
        let endpoint = variables.setting("ENVCONF_TENCENT_ENDPOINT")?;
        let endpoint = endpoint.map(|text| Endpoint::parse(&text, "ENVCONF_TENCENT_ENDPOINT")).transpose()?;
        let method = match variables.setting(METHOD)?.as_deref().map(str::trim) {
            None | Some("POST") => Method::POST,
            Some("GET") => Method::GET,
            Some(_) => {
                return Err(Error::new(Kind::Usage, format!("{METHOD} is neither POST nor GET"))
                    .advise(format!("give {METHOD} one of the two, or unset it")));
            }
        };
        let ca_file = match variables.setting("ENVCONF_CA_FILE")? {
            // What is in it is looked at when a request is due: whoever needs none pays for none.
            Some(file) if std::fs::metadata(&file).is_ok_and(|metadata| metadata.is_file()) => Some(file),
            Some(file) => {
                return Err(Error::new(Kind::Usage, "ENVCONF_CA_FILE names no file")
                    .at(file.as_ref())
                    .advise("point it at a PEM file with root certificates, or unset it"));
            }
            // Not ours: set and empty means unset there, as other programs have it.
            None => variables
                .get("SSL_CERT_FILE")
                .and_then(|file| file.into_string().ok())
                .filter(|file| !file.is_empty()),
        };
        let route =
            Route { ca_file: ca_file.map(PathBuf::from), proxies: Proxies::from_variables(variables) };
        let credentials = Credentials::from_variables(variables)?;
        Ok(Self { variables: variables.clone(), endpoint, method, credentials, route })
    }

    /// What the service answers about `key`; as [`Tencent::ask`].
    async fn call(
        &self,
        action: &'static str,
        key: &KeyRef,
        parameters: &[Parameter<'_>],
    ) -> Result<Answer, KmsError> {
        self.ask(action, key.region(), parameters, Answer::read).await
    }

    /// Calls `action` until it succeeds, fails for good, or time is up; each try is signed afresh, with a credential of
    /// that moment.
    async fn ask<T>(
        &self,
        action: &'static str,
        region: &str,
        parameters: &[Parameter<'_>],
        read: impl Fn(&Response<'_>) -> Result<T, KmsError>,
    ) -> Result<T, KmsError> {
        self.try_until(action, region, parameters, read, |again| again).await
    }

    /// As [`Tencent::ask`], for an action that must not be done twice: a failure that leaves open whether it was done
    /// is final.
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
            return Err(KmsError::other("a key of Tencent Cloud has a region")
                .advise("write the reference as tencent:REGION:KEY-ID, such as tencent:ap-guangzhou:…")
                .tries(0));
        }
        let regional = Endpoint::regional(region);
        // `Encrypt` holds a data key, which must not stand in a URL: those are written to logs.
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
        let deadline = Deadline::current()
            .unwrap_or_else(|| Deadline::at(Patience::until(Instant::now() + NO_DEADLINE)));
        let mut retries = Retries::default();
        let mut refused = None;
        for tries in 1.. {
            let attempt = self.attempt(&call, refused, &read).await;
            let (error, generation) = match attempt {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            let error = if error.tries == 0 { error } else { error.tries(tries) };
            deadline.note(&error);
            let again = match patience(retries::again(&error)) {
                Again::OnceByServiceClock if !error.clock_corrected => Again::Never,
                // What the other key is like is known sooner than whether this one comes back.
                Again::Faulty if deadline.has_alternative() => Again::Few,
                // A credential that was given as it is cannot be had otherwise.
                Again::OnceWithNewCredentials if generation.is_none() => Again::Never,
                again => again,
            };
            let Some(wait) = retries.after(again, deadline.left(), retry::random()) else {
                return Err(error);
            };
            if again == Again::OnceWithNewCredentials {
                refused = generation;
            }
            tokio::time::sleep(wait).await;
        }
        Err(KmsError::other("more tries than can be counted"))
    }

    /// One try. With a failure: the generation of the credentials that it may be due to.
    async fn attempt<T>(
        &self,
        call: &client::Call<'_>,
        refused: Option<u64>,
        read: impl Fn(&Response<'_>) -> Result<T, KmsError>,
    ) -> Result<T, (KmsError, Option<u64>)> {
        let newest = credentials::generation();
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
            let mut plaintext = Zeroizing::new(String::with_capacity(dek.expose().len().div_ceil(3) * 4));
            STANDARD.encode_string(dek.expose(), &mut plaintext);
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
            // Decrypt takes no key id, the blob names its key: only this comparison holds it to the trusted one.
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

    /// Within one region; elsewhere the data key has to be unwrapped and wrapped.
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
            let key = key.ok_or_else(|| KmsError::other("the region is none of a key reference"))?;
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

    /// A hash of every setting that an answer could depend on: some are secret.
    fn identity(&self) -> Option<[u8; 32]> {
        let mut digest = Sha256::new_with_prefix(b"tencent");
        digest.update(self.credentials.settings());
        let endpoint = self.endpoint.as_ref().map_or_else(String::new, Endpoint::url);
        let ca_file = self.route.ca_file.as_ref().map_or(&[][..], |file| file.as_os_str().as_encoded_bytes());
        for part in [endpoint.as_bytes(), ca_file, self.method.as_str().as_bytes()] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        for name in proxy::VARIABLES {
            let value = self.variables.get(name).map(|value| Zeroizing::new(value.into_encoded_bytes()));
            digest.update((value.as_ref().map_or(0, |value| value.len()) as u64).to_be_bytes());
            digest.update(value.as_ref().map_or(&[][..], |value| value.as_slice()));
        }
        Some(digest.finalize().into())
    }
}
