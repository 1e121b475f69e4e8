//! Helpers for tests of programs: a key service in memory that fails on demand, and functions that seal a pair in one
//! line.
//!
//! ```
//! use envconf::error::Fault;
//! use envconf::kms::KmsError;
//! use envconf::{EncryptedConfig, ExposeSecret, SecretString, testing};
//!
//! #[derive(EncryptedConfig)]
//! #[envconf(name = "app", env_prefix = "APP")]
//! struct AppConfig {
//!     #[envconf(default = 8080)]
//!     port: u16,
//!     api_token: SecretString,
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let dir = tempfile::tempdir()?;
//!
//! // Returns a loader of a pair with this content. It reads no environment variable of the process and needs no key.
//! let config = testing::loader::<AppConfig>(dir.path(), "api_token = 'x'")?.load()?;
//! assert_eq!((config.port, config.api_token.expose_secret()), (8080, "x"));
//!
//! let config = testing::loader::<AppConfig>(dir.path(), "api_token = 'x'")?;
//! assert_eq!(config.variables([("APP__PORT", "9000")]).load()?.port, 9000);
//!
//! // Test how the program behaves when the key service refuses the key.
//! let kms = testing::MemoryKms::new();
//! let loader = testing::loader_with::<AppConfig>(dir.path(), "api_token = 'x'", &kms)?;
//! kms.fail(KmsError::refused("the key is disabled"));
//! let error = loader.load().map(drop).unwrap_err();
//! assert_eq!((error.exit_code(), error.attempts()[0].fault()), (42, Fault::Refused));
//! # Ok(())
//! # }
//! ```
//!
//! [`Deployment`] has more options: another environment, plain layers, content of another type.
//!
//! Nothing in this module protects secrets: keys exist only in the memory of the process.

mod contract;
mod deployment;

pub use self::contract::{BrokenContract, contract};

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::base::{Error, KeyRef};
use crate::envelope::{DataKey, SigningKey};
use crate::format::{ContentType, Name};
use crate::kms::{BoxFuture, Context, KeyServices, Kms, KmsError, LocalKey, WrappedKey};
use crate::load::EncryptedConfig;
use crate::load::Loader;
use crate::pair::{Pair, Seal};

pub use self::deployment::Deployment;

/// A key service in memory, with one key. Clones share the service.
#[derive(Clone)]
pub struct MemoryKms(Arc<Service>);

struct Service {
    reference: KeyRef,
    key: LocalKey,
    state: Mutex<ServiceState>,
}

#[derive(Default)]
struct ServiceState {
    /// The replies to the next requests.
    script: VecDeque<KmsError>,
    /// The error for all other requests.
    failure: Option<KmsError>,
    delay: Duration,
    requests: usize,
}

impl MemoryKms {
    /// Creates a service with a new key, `memory:-:<id>`.
    ///
    /// # Panics
    /// Panics if the operating system returns no randomness.
    #[expect(clippy::new_without_default, reason = "nothing else could reach a default service")]
    pub fn new() -> Self {
        let key = LocalKey::generate().expect("the operating system returns randomness");
        let reference = KeyRef::new("memory", "-", key.key_ref().key_id());
        let reference = reference.expect("the id of a local key is a valid key id");
        Self(Arc::new(Service { reference, key, state: Mutex::default() }))
    }

    /// Returns the service's key, to trust it and to seal for it.
    pub fn key(&self) -> &KeyRef {
        &self.0.reference
    }

    /// Returns key services with only this service.
    pub fn services(&self) -> KeyServices {
        KeyServices::none().kms(Arc::new(self.clone()))
    }

    /// Fails the next request with this error. Each further call fails one more request, in the order of the calls.
    pub fn fail_next(&self, error: KmsError) {
        self.state().script.push_back(error);
    }

    /// Fails every request with this error, until [`MemoryKms::recover`].
    pub fn fail(&self, error: KmsError) {
        self.state().failure = Some(error);
    }

    /// Removes all errors: the next requests succeed.
    pub fn recover(&self) {
        let mut state = self.state();
        state.script.clear();
        state.failure = None;
    }

    /// Delays the answer to each request by this time.
    pub fn delay(&self, delay: Duration) {
        self.state().delay = delay;
    }

    /// Returns the number of requests, including failed ones.
    pub fn requests(&self) -> usize {
        self.state().requests
    }

    fn state(&self) -> MutexGuard<'_, ServiceState> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request, waits for the delay, and returns the next error.
    async fn answer(&self, key: &KeyRef) -> Result<(), KmsError> {
        let (delay, error) = {
            let mut state = self.state();
            state.requests += 1;
            let error = state.script.pop_front().or_else(|| state.failure.clone());
            (state.delay, error)
        };
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        match error {
            Some(error) => Err(error),
            None if *key == self.0.reference => Ok(()),
            None => Err(KmsError::refused("this key service in memory has another key")),
        }
    }
}

impl std::fmt::Debug for MemoryKms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MemoryKms({})", self.0.reference)
    }
}

impl Kms for MemoryKms {
    fn provider(&self) -> &str {
        self.0.reference.provider()
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
            self.answer(key).await?;
            self.0.key.wrap(dek, context).map_err(|_| KmsError::other("the data key cannot be wrapped"))
        })
    }

    fn unwrap<'a>(
        &'a self,
        key: &'a KeyRef,
        wrapped: &'a WrappedKey,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<DataKey, KmsError>> {
        Box::pin(async move {
            self.answer(key).await?;
            self.0.key.unwrap(wrapped, context).map_err(|_| {
                KmsError::other(
                    "the wrapped key is damaged, or belongs to another name, environment or service",
                )
            })
        })
    }

    /// Clones have the same identity.
    fn identity(&self) -> Option<[u8; 32]> {
        let mut identity = [0; 32];
        identity[..8].copy_from_slice(&(Arc::as_ptr(&self.0) as usize as u64).to_be_bytes());
        Some(identity)
    }
}

/// Seals TOML as the pair of `T` in `dir`, and returns a loader of the pair.
///
/// The environment is `default`, and the loader reads no environment variables of the process. The attributes of `T`
/// still apply: if `T` pins signers, test signers sign the pair, and the loader pins them instead. Sealing does not
/// check that the content fits `T`; the loader does.
///
/// # Errors
/// The errors of [`Seal::seal`], such as for invalid TOML and for a directory that cannot be written.
pub fn loader<T: EncryptedConfig>(dir: impl AsRef<Path>, toml: &str) -> Result<Loader<T>, Error> {
    loader_with(dir, toml, &MemoryKms::new())
}

/// Like [`loader`], with a key service of the test, which can count requests and fail them.
///
/// # Errors
/// The errors of [`loader`].
pub fn loader_with<T: EncryptedConfig>(
    dir: impl AsRef<Path>,
    toml: &str,
    kms: &MemoryKms,
) -> Result<Loader<T>, Error> {
    Deployment::new(dir.as_ref()).content(toml).kms(kms).loader()
}

/// Seals content as the pair of `T` in this environment and directory, for the key of `kms`.
///
/// If the pair exists, it gets the next generation, like a new deployment while the program runs.
///
/// # Errors
/// The errors of [`Seal::seal`].
pub fn seal<T: EncryptedConfig>(
    dir: impl AsRef<Path>,
    environment: &str,
    content_type: ContentType,
    content: &[u8],
    kms: &MemoryKms,
) -> Result<Pair, Error> {
    seal_signed::<T>(dir.as_ref(), environment.parse()?, content_type, content, kms, &[])
}

fn seal_signed<T: EncryptedConfig>(
    dir: &Path,
    environment: Name,
    content_type: ContentType,
    content: &[u8],
    kms: &MemoryKms,
    signers: &[SigningKey],
) -> Result<Pair, Error> {
    let name: Name = T::META.name.parse()?;
    let pair = Pair::new(dir, &name, &environment);
    let seal = Seal::new(name, environment, content_type).recipient(kms.key().clone()).as_is();
    // A test may replace a signed pair by an unsigned one, to see how the program behaves.
    let seal = if signers.is_empty() { seal.unsigned() } else { seal };
    let seal = signers.iter().cloned().fold(seal, Seal::sign);
    seal.seal(&pair, content, &kms.services())?;
    Ok(pair)
}

/// Creates one signer for each signature that `T` requires.
fn signers<T: EncryptedConfig>() -> Result<Vec<SigningKey>, Error> {
    let wanted = match T::META.signers {
        [] => 0,
        _ => T::META.required_signatures.unwrap_or(1),
    };
    (0..wanted).map(|_| Ok(SigningKey::from_seed(&crate::envelope::random_32()?))).collect()
}
