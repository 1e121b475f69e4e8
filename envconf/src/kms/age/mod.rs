//! age: a key pair for each person, without a service and without a network (format.md §6, row `age`).
//!
//! Anybody with the recipient can wrap, so a wrapped key proves nothing (class P): a reader pins a signer.

mod file;
mod identity;
mod sources;
mod stored;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

pub use self::identity::AgeIdentity;
pub(crate) use self::sources::AgeIdentities;

use super::{BoxFuture, Context, Kms, KmsError, WrappedKey};
#[cfg(feature = "tools")]
use super::{State, Step};
use crate::base::{KeyRef, SecretBytes, age_recipient, same};
use crate::envelope::DataKey;

pub(crate) const PROVIDER: &str = "age";
const HASH: usize = 32;
/// Lengths of a payload: a data key of 16 or 32 bytes, and the hash.
const PAYLOADS: [usize; 2] = [16 + HASH, 32 + HASH];

/// Wraps for recipients, and unwraps with the identities of the user.
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
    /// The failure of a recipient whose identity is not here.
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
            file::Unopened::Changed => KmsError::other("the wrapped key was changed").advise(RESTORE),
        })?;
        data_key(&payload, context)
    }
}

fn wrap(key: &KeyRef, dek: &DataKey, context: &Context) -> Result<WrappedKey, KmsError> {
    let bad = || KmsError::other("the key reference is not a recipient of age");
    let recipient =
        age_recipient::public_key(key.key_id()).filter(|_| key.region() == "-").ok_or_else(bad)?;
    let random = file::Randomness::fresh()
        .ok_or_else(|| KmsError::other("the operating system gives no randomness"))?;
    let file = file::seal(&recipient, payload(dek, context).expose(), &random).ok_or_else(bad)?;
    WrappedKey::new(STANDARD.encode(file)).ok_or_else(bad)
}

/// The payload form of format.md §6: the data key with the hash of its context.
fn payload(dek: &DataKey, context: &Context) -> SecretBytes {
    let dek = dek.expose();
    let mut payload = SecretBytes::zeroed(dek.len() + HASH);
    let (key, hash) = payload.expose_mut().split_at_mut(dek.len());
    key.copy_from_slice(dek);
    hash.copy_from_slice(&Sha256::digest(context.as_json()));
    payload
}

/// The data key of a payload whose context is this one.
fn data_key(payload: &SecretBytes, context: &Context) -> Result<DataKey, KmsError> {
    if !PAYLOADS.contains(&payload.expose().len()) {
        return Err(KmsError::other("the age file does not hold a data key of envconf")
            .advise("restore the .key from git"));
    }
    let (dek, hash) = payload.expose().split_at(payload.expose().len() - HASH);
    if !same(hash, &Sha256::digest(context.as_json())) {
        return Err(KmsError::other("the wrapped key belongs to another name or environment")
            .advise("restore the .key from git; check that the pair belongs to this environment"));
    }
    Ok(DataKey::from_bytes(dek))
}
