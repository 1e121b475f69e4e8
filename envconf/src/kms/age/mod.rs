//! age: a key pair for each person, without a service and without a network (format.md §6, row `age`).
//!
//! Anybody who knows the recipient can wrap a key for it. So a wrapped key proves nothing (class P), and a reader also
//! pins a signer.

mod file;
mod identity;
mod sources;
mod stored;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

pub use self::identity::AgeIdentity;
pub(crate) use self::sources::AgeIdentities;

use super::{BoxFuture, Context, Kms, KmsError, WrappedKey, payload};
#[cfg(feature = "tools")]
use super::{State, Step};
use crate::base::{KeyRef, age_recipient};
use crate::envelope::DataKey;

pub(crate) const PROVIDER: &str = "age";

/// The key service for age: it wraps for recipients, and unwraps with the user's identities.
pub(crate) struct Age {
    identities: AgeIdentities,
}

impl Age {
    pub(crate) fn new(identities: AgeIdentities) -> Self {
        Self { identities }
    }

    pub(crate) fn identities(&self) -> &AgeIdentities {
        &self.identities
    }
}

impl Kms for Age {
    fn provider(&self) -> &str {
        PROVIDER
    }

    fn authenticates(&self) -> bool {
        false
    }

    fn wrap<'a>(
        &'a self,
        key: &'a KeyRef,
        dek: &'a DataKey,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<WrappedKey, KmsError>> {
        Box::pin(async { wrap(key, dek, context) })
    }

    fn unwrap<'a>(
        &'a self,
        key: &'a KeyRef,
        wrapped: &'a WrappedKey,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<DataKey, KmsError>> {
        Box::pin(async {
            match self.identities.of(key).await {
                Ok(Some(identity)) => identity.unwrap(wrapped, context),
                Ok(None) => Err(self.missing_identity(key)),
                Err(error) => Err(KmsError::refused("the age identity cannot be used")
                    .advise_with(error.to_string().replace('\n', "; "))),
            }
        })
    }

    #[cfg(feature = "tools")]
    fn diagnose<'a>(&'a self, key: &'a KeyRef) -> BoxFuture<'a, Vec<Step>> {
        Box::pin(async {
            vec![match self.identities.of(key).await {
                Ok(Some(_)) => Step::new("identity", State::Ok, "the identity of this recipient was found"),
                Ok(None) => {
                    Step::new("identity", State::Note, "the identity of this recipient was not found")
                        .advise_with(self.identities.missing_advice(key))
                }
                Err(error) => Step::error("identity", &error),
            }]
        })
    }
}

impl Age {
    /// Returns the error for a recipient whose identity was not found.
    pub(crate) fn missing_identity(&self, key: &KeyRef) -> KmsError {
        KmsError::refused("the age identity of this recipient was not found")
            .advise_with(self.identities.missing_advice(key))
    }
}

impl AgeIdentity {
    /// Unwraps a data key that was wrapped for this identity's recipient.
    pub(crate) fn unwrap(&self, wrapped: &WrappedKey, context: &Context) -> Result<DataKey, KmsError> {
        const RESTORE: &str = "restore the .key from git";
        let damaged = || {
            KmsError::other("the wrapped key is not an age file with one X25519 recipient").advise(RESTORE)
        };
        let blob = STANDARD.decode(wrapped.as_str()).map_err(|_| damaged())?;
        let payload = self.open_file(&blob).map_err(|why| match why {
            file::Unopened::Malformed => damaged(),
            file::Unopened::NoMatch => {
                KmsError::other("the wrapped key is for another age recipient").advise(RESTORE)
            }
            file::Unopened::Changed => KmsError::other("the wrapped key was modified").advise(RESTORE),
        })?;
        payload::data_key(&payload, context)
    }
}

fn wrap(key: &KeyRef, dek: &DataKey, context: &Context) -> Result<WrappedKey, KmsError> {
    let bad = || KmsError::other("the key reference is not an age recipient");
    let recipient =
        age_recipient::public_key(key.key_id()).filter(|_| key.region() == "-").ok_or_else(bad)?;
    let random = file::Randomness::fresh()
        .ok_or_else(|| KmsError::other("the operating system returned no random bytes"))?;
    let file = file::seal(&recipient, payload::payload(dek, context).expose(), &random).ok_or_else(bad)?;
    WrappedKey::new(STANDARD.encode(file)).ok_or_else(bad)
}
