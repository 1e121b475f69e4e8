//! The cache of temporary credentials. The process fetches new ones before the old ones expire, once for all waiting
//! requests.
//!
//! The key of an entry is a hash of the settings that the credential depends on. A credential is renewed when less than
//! a tenth of its lifetime or less than 5 minutes is left. If its lifetime is short, it is renewed after half of it. If
//! the renewal fails while the old credential is still valid, the old one stays in use.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::{KmsError, clock};

/// Seconds before its expiry at which a credential is renewed.
const EARLY: u64 = 300;
/// Seconds between a failed renewal and the next one, while the old credential is still valid.
const PAUSE: u64 = 10;

/// A credential that a source returned, and its lifetime in seconds.
pub(crate) struct Fetched<C> {
    pub(crate) credential: C,
    pub(crate) lifetime: u64,
}

/// Credentials that can be renewed.
pub(crate) trait Renewable: Clone {
    /// Sets the generation and the expiry, in Unix seconds of this machine's clock.
    fn dated(self, generation: u64, expires: u64) -> Self;

    /// Returns the number of this fetch, counted over the whole process.
    fn generation(&self) -> Option<u64>;
}

/// The temporary credentials of one service.
pub(crate) struct CredentialCache<C>(Mutex<BTreeMap<[u8; 32], Arc<CacheSlot<C>>>>);

struct CacheSlot<C> {
    kept: tokio::sync::Mutex<Kept<C>>,
    /// The number of fetches that have ended. A request that waited for a fetch does not start another one.
    ended: AtomicU64,
}

impl<C> Default for CacheSlot<C> {
    fn default() -> Self {
        Self { kept: tokio::sync::Mutex::default(), ended: AtomicU64::new(0) }
    }
}

struct Kept<C> {
    credential: Option<C>,
    /// The time of the next renewal, in Unix seconds of this machine's clock.
    due: u64,
    expires: u64,
    failure: Option<KmsError>,
}

impl<C> Default for Kept<C> {
    fn default() -> Self {
        Self { credential: None, due: 0, expires: 0, failure: None }
    }
}

static GENERATIONS: AtomicU64 = AtomicU64::new(0);

/// Returns the newest generation of the process.
pub(crate) fn generation() -> u64 {
    GENERATIONS.load(Ordering::SeqCst)
}

impl<C: Renewable> CredentialCache<C> {
    /// Returns an empty cache.
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    /// Returns the credential that is cached under `key`, or else the result of `fetch`; `None` if the source does not
    /// exist. Never returns a credential of the generation `refused` or an earlier one.
    pub(crate) async fn get(
        &self,
        key: [u8; 32],
        refused: Option<u64>,
        fetch: impl Future<Output = Result<Option<Fetched<C>>, KmsError>>,
    ) -> Result<Option<C>, KmsError> {
        self.get_or_renew(key, refused, |_| fetch).await
    }

    /// Like [`CredentialCache::get`]; `fetch` receives the old credential if it is still valid.
    pub(crate) async fn get_or_renew<F>(
        &self,
        key: [u8; 32],
        refused: Option<u64>,
        fetch: impl FnOnce(Option<C>) -> F,
    ) -> Result<Option<C>, KmsError>
    where
        F: Future<Output = Result<Option<Fetched<C>>, KmsError>>,
    {
        let now = clock::local()?;
        let slot = self.slot(key, now);
        let ended = slot.ended.load(Ordering::SeqCst);
        let mut kept = slot.kept.lock().await;
        if let Some(credential) = kept.valid(now, refused).filter(|_| now < kept.due) {
            return Ok(Some(credential));
        }
        if slot.ended.load(Ordering::SeqCst) != ended {
            return kept.failure.clone().map_or(Ok(None), Err);
        }
        let fetched = fetch(kept.valid(now, refused)).await;
        slot.ended.fetch_add(1, Ordering::SeqCst);
        match fetched {
            Ok(Some(fetched)) => Ok(Some(kept.keep(fetched, now))),
            failed => {
                kept.failure = failed.as_ref().err().cloned();
                kept.due = now.saturating_add(PAUSE).min(kept.expires);
                kept.valid(now, refused).map_or_else(|| failed.map(|_| None), |old| Ok(Some(old)))
            }
        }
    }

    /// Returns the slot of `key`. Removes unused slots with an expired credential.
    fn slot(&self, key: [u8; 32], now: u64) -> Arc<CacheSlot<C>> {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        slots.retain(|_, slot| {
            Arc::strong_count(slot) > 1 || slot.kept.try_lock().is_ok_and(|kept| now < kept.expires)
        });
        slots.entry(key).or_default().clone()
    }
}

impl<C: Renewable> Kept<C> {
    /// Returns the credential, unless it has expired or was refused.
    fn valid(&self, now: u64, refused: Option<u64>) -> Option<C> {
        let credential = self.credential.as_ref().filter(|_| now < self.expires)?;
        let is_refused =
            refused.is_some_and(|refused| credential.generation().is_none_or(|own| own <= refused));
        (!is_refused).then(|| credential.clone())
    }

    fn keep(&mut self, fetched: Fetched<C>, now: u64) -> C {
        let Fetched { credential, lifetime } = fetched;
        let generation = GENERATIONS.fetch_add(1, Ordering::SeqCst) + 1;
        let early = (lifetime / 10).max(EARLY).min(lifetime / 2);
        self.expires = now.saturating_add(lifetime);
        self.due = self.expires.saturating_sub(early);
        self.failure = None;
        let credential = credential.dated(generation, self.expires);
        self.credential = Some(credential.clone());
        credential
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// A credential that consists of its generation.
    #[derive(Clone, Default)]
    struct Token(Option<u64>);

    impl Renewable for Token {
        fn dated(self, generation: u64, _: u64) -> Self {
            Self(Some(generation))
        }

        fn generation(&self) -> Option<u64> {
            self.0
        }
    }

    static CACHE: CredentialCache<Token> = CredentialCache::new();

    fn fetched(lifetime: u64) -> Result<Option<Fetched<Token>>, KmsError> {
        Ok(Some(Fetched { credential: Token::default(), lifetime }))
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
    }

    #[test]
    fn a_renewal_precedes_the_expiry() {
        for (lifetime, left) in [(43_200, 4_320), (7_200, 720), (1_800, 300), (400, 200), (1, 0)] {
            let mut kept = Kept::default();
            kept.keep(fetched(lifetime).unwrap().unwrap(), 1_000);
            assert_eq!(kept.expires - kept.due, left, "{lifetime}");
        }
    }

    #[test]
    fn concurrent_requests_share_one_fetch_and_its_result() {
        for (key, fails) in [([1; 32], false), ([2; 32], true)] {
            let fetches = Cell::new(0);
            let fetch = async || {
                fetches.set(fetches.get() + 1);
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                if fails { Err(KmsError::transient("t")) } else { fetched(7_200) }
            };
            let results = run(async {
                let ask = || CACHE.get(key, None, fetch());
                tokio::join!(ask(), ask(), ask())
            });
            assert_eq!(fetches.get(), 1);
            assert_eq!([results.0.is_err(), results.1.is_err(), results.2.is_err()], [fails; 3]);
            let _ = run(CACHE.get(key, None, fetch()));
            assert_eq!(fetches.get(), if fails { 2 } else { 1 });
        }
    }

    #[test]
    fn a_refused_credential_is_fetched_again_once() {
        let first = run(CACHE.get([3; 32], None, async { fetched(7_200) })).unwrap().unwrap().generation();
        let second = run(CACHE.get([3; 32], first, async { fetched(7_200) })).unwrap().unwrap().generation();
        assert!(second > first);
        let third = run(CACHE.get([3; 32], first, async { fetched(7_200) })).unwrap().unwrap().generation();
        assert_eq!(third, second);
    }

    #[test]
    fn the_old_credential_stays_in_use_while_the_renewal_fails() {
        let now = clock::local().unwrap();
        let slot: Arc<CacheSlot<Token>> = Arc::default();
        run(async {
            let mut kept = slot.kept.lock().await;
            kept.keep(fetched(7_200).unwrap().unwrap(), now - 7_000);
        });
        CACHE.0.lock().unwrap().insert([4; 32], slot);
        let fetches = Cell::new(0);
        let failing = |refused, result: Result<Option<Fetched<Token>>, KmsError>| {
            run(CACHE.get([4; 32], refused, async {
                fetches.set(fetches.get() + 1);
                result
            }))
        };
        assert!(failing(None, Err(KmsError::transient("t"))).unwrap().is_some());
        // After a failed renewal there is a pause, unless the service has refused the old credential.
        assert!(failing(None, Err(KmsError::transient("t"))).unwrap().is_some());
        assert_eq!(fetches.get(), 1);
        assert!(failing(Some(u64::MAX), Err(KmsError::refused("r"))).is_err());
        assert!(failing(Some(u64::MAX), Ok(None)).unwrap().is_none());
    }

    #[test]
    fn a_renewal_receives_the_old_credential_while_it_is_valid() {
        let now = clock::local().unwrap();
        let slot: Arc<CacheSlot<Token>> = Arc::default();
        run(async {
            let mut kept = slot.kept.lock().await;
            kept.keep(fetched(100).unwrap().unwrap(), now - 60);
        });
        CACHE.0.lock().unwrap().insert([5; 32], slot);
        let seen = Cell::new(None);
        let renew = |refused| {
            run(CACHE.get_or_renew([5; 32], refused, |old| {
                seen.set(Some(old.is_some()));
                async { fetched(7_200) }
            }))
        };
        let renewed = renew(None).unwrap().unwrap();
        assert_eq!(seen.take(), Some(true));
        assert!(renew(None).unwrap().is_some());
        assert_eq!(seen.take(), None);
        // A renewal does not receive a refused credential.
        assert!(renew(renewed.generation()).unwrap().is_some());
        assert_eq!(seen.take(), Some(false));
    }
}
