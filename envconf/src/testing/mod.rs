//! Helpers for tests of programs: a key service in memory that fails on demand, and pairs that are sealed in one line.
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
//! // A loader of a pair with this content: it reads no variable of the process and needs no key.
//! let config = testing::loader::<AppConfig>(dir.path(), "api_token = 'x'")?.load()?;
//! assert_eq!((config.port, config.api_token.expose_secret()), (8080, "x"));
//!
//! let config = testing::loader::<AppConfig>(dir.path(), "api_token = 'x'")?;
//! assert_eq!(config.variables([("APP__PORT", "9000")]).load()?.port, 9000);
//!
//! // How does the program take it when the key service says no?
//! let kms = testing::MemoryKms::new();
//! let loader = testing::loader_with::<AppConfig>(dir.path(), "api_token = 'x'", &kms)?;
//! kms.fail(KmsError::refused("the key is disabled"));
//! let error = loader.load().map(drop).unwrap_err();
//! assert_eq!((error.exit_code(), error.attempts()[0].fault()), (42, Fault::Refused));
//! # Ok(())
//! # }
//! ```
//!
//! [`Deployment`] has more: another environment, plain layers, content of another type.
//!
//! Nothing here protects anything: keys live and die with the process that made them.

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

/// A key service in memory, with one key. Clones are the same service.
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
    /// What all others meet.
    failure: Option<KmsError>,
    delay: Duration,
    requests: usize,
}

impl MemoryKms {
    /// A service with a fresh key, `memory:-:<id>`.
    ///
    /// # Panics
    /// When the operating system has no randomness to give.
    #[expect(clippy::new_without_default, reason = "a default would be a service that nobody else can reach")]
    pub fn new() -> Self {
        let key = LocalKey::generate().expect("the operating system gives randomness");
        let reference = KeyRef::new("memory", "-", key.key_ref().key_id());
        let reference = reference.expect("the id of a local key is the id of a key");
        Self(Arc::new(Service { reference, key, state: Mutex::default() }))
    }

    /// Its key, to be trusted and sealed for.
    pub fn key(&self) -> &KeyRef {
        &self.0.reference
    }

    /// It, and no other service or key.
    pub fn services(&self) -> KeyServices {
        KeyServices::none().kms(Arc::new(self.clone()))
    }

    /// Fails the next request so, or the one after those that are to fail already.
    pub fn fail_next(&self, error: KmsError) {
        self.state().script.push_back(error);
    }

    /// Fails every request so, until [`MemoryKms::recover`].
    pub fn fail(&self, error: KmsError) {
        self.state().failure = Some(error);
    }

    /// Fails no request any more.
    pub fn recover(&self) {
        let mut state = self.state();
        state.script.clear();
        state.failure = None;
    }

    /// Lets each request wait so long for its answer.
    pub fn delay(&self, delay: Duration) {
        self.state().delay = delay;
    }

    /// Returns the number of requests until now, failed ones included.
    pub fn requests(&self) -> usize {
        self.state().requests
    }

    fn state(&self) -> MutexGuard<'_, ServiceState> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request, waits as long as it is to take, and fails if it is to fail.
    async fn meet(&self, key: &KeyRef) -> Result<(), KmsError> {
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
            self.meet(key).await?;
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
            self.meet(key).await?;
            self.0.key.unwrap(wrapped, context).map_err(|_| {
                KmsError::other("the wrapped key is of another name, environment or service, or damaged")
            })
        })
    }

    /// Its key is in the reference; clones are one service.
    fn identity(&self) -> Option<[u8; 32]> {
        let mut identity = [0; 32];
        identity[..8].copy_from_slice(&(Arc::as_ptr(&self.0) as usize as u64).to_be_bytes());
        Some(identity)
    }
}

/// Seals TOML as the pair of `T` in the environment `default` in `dir`, and returns a loader of it that reads no
/// variables. The attributes of `T` still apply: if it pins signers, test signers sign, and are pinned instead.
///
/// The content is not looked at: whether it fits `T` is what the loader tells.
///
/// # Errors
/// As for [`Seal::seal`], for content that is not TOML and a directory that cannot be written.
pub fn loader<T: EncryptedConfig>(dir: impl AsRef<Path>, toml: &str) -> Result<Loader<T>, Error> {
    loader_with(dir, toml, &MemoryKms::new())
}

/// As [`loader`], by a key service that the test holds in its hands: it can count requests, and fail them.
///
/// # Errors
/// As for [`loader`].
pub fn loader_with<T: EncryptedConfig>(
    dir: impl AsRef<Path>,
    toml: &str,
    kms: &MemoryKms,
) -> Result<Loader<T>, Error> {
    Deployment::new(dir.as_ref()).content(toml).kms(kms).loader()
}

/// Seals content as the pair of `T` in this environment and directory, for the key of `kms`. An old pair there is
/// sealed again with the next generation, as a deployment beside the running program does it.
///
/// # Errors
/// As for [`Seal::seal`].
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
    // Over a signed pair too: what an unsigned one leads to is for the test to see.
    let seal = if signers.is_empty() { seal.unsigned() } else { seal };
    let seal = signers.iter().cloned().fold(seal, Seal::sign);
    seal.seal(&pair, content, &kms.services())?;
    Ok(pair)
}

/// As many signers as `T` wants to have signed.
fn signers<T: EncryptedConfig>() -> Result<Vec<SigningKey>, Error> {
    let wanted = match T::META.signers {
        [] => 0,
        _ => T::META.required_signatures.unwrap_or(1),
    };
    (0..wanted).map(|_| Ok(SigningKey::from_seed(&crate::envelope::random_32()?))).collect()
}
