//! Tencent Cloud KMS as a [`Kms`] (format.md §6, row `tencent`).
//!
//! The blob is the service's `CiphertextBlob`, verbatim: it is not one base64 text, and nothing here looks into it.

mod client;
mod credentials;
mod endpoint;
pub(crate) mod sign;

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use self::client::{Answer, Parameter};
use self::endpoint::Endpoint;
use super::{BoxFuture, Context, KeyRef, Kms, KmsError, WrappedKey};
use crate::envelope::DataKey;
use crate::error::{Error, Kind};
use crate::format::Suite;
use crate::variables::Variables;

/// The deployment's settings for Tencent Cloud KMS. Credentials are looked up when a request is due.
#[derive(Debug)]
pub(crate) struct Tencent {
    variables: Variables,
    /// `None`: the regional endpoint of the key.
    endpoint: Option<Endpoint>,
    ca_file: Option<PathBuf>,
}

impl Tencent {
    /// # Errors
    /// [`Kind::Usage`](crate::Kind::Usage) for a setting that is empty or malformed.
    pub(crate) fn from_variables(variables: &Variables) -> Result<Self, Error> {
        let endpoint = variables.setting("ENVCONF_TENCENT_ENDPOINT")?;
        let endpoint = endpoint.map(|text| Endpoint::parse(&text, "ENVCONF_TENCENT_ENDPOINT")).transpose()?;
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
        Ok(Self { variables: variables.clone(), endpoint, ca_file: ca_file.map(PathBuf::from) })
    }

    async fn call(
        &self,
        action: &'static str,
        key: &KeyRef,
        parameters: &[Parameter<'_>],
    ) -> Result<Answer, KmsError> {
        let regional = Endpoint::regional(key.region());
        let endpoint = self.endpoint.as_ref().unwrap_or(&regional);
        let call = client::Call {
            action,
            region: key.region(),
            endpoint,
            parameters,
            ca_file: self.ca_file.as_ref(),
        };
        crate::http::with_retries(|| async {
            let credential = credentials::find(&self.variables)?;
            client::send(&call, &credential).await
        })
        .await
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
                ("KeyId", key.key_id()),
                ("Plaintext", plaintext.as_str()),
                ("EncryptionContext", context.as_json()),
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
            let parameters = [("CiphertextBlob", wrapped.as_str()), ("EncryptionContext", context.as_json())];
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
            let parameters =
                [("KeyId", key.key_id()), ("KeySpec", spec), ("EncryptionContext", context.as_json())];
            let answer = self.call("GenerateDataKey", key, &parameters).await?;
            answer.check_key(key)?;
            Ok(Some((answer.data_key()?, answer.wrapped_key()?)))
        })
    }

    /// Endpoint, root certificates and credential; a hash, because the credential is secret.
    fn identity(&self) -> Option<[u8; 32]> {
        let credential = credentials::find(&self.variables).ok()?;
        let mut digest = Sha256::new_with_prefix(b"tencent");
        let token = credential.token.as_deref().map_or("", String::as_str);
        let endpoint = self.endpoint.as_ref().map_or_else(String::new, Endpoint::url);
        let ca_file =
            self.ca_file.as_ref().map_or_else(String::new, |file| file.to_string_lossy().into_owned());
        for part in
            [&endpoint, &ca_file, credential.secret_id.as_str(), credential.secret_key.as_str(), token]
        {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        Some(digest.finalize().into())
    }
}
