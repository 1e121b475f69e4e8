//! Temporary credentials, kept for the process and fetched anew before they expire: once for all who wait for them.
//!
//! They are kept under a hash of the settings that they come from. New ones are due when less than a tenth of their
//! life or less than 5 minutes is left (of a short life, half of it). When fetching them fails while the old ones still
//! hold, the old ones serve on.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use zeroize::Zeroizing;

use super::super::clock;
use super::{Credential, fits};
use crate::kms::KmsError;

/// Left to a credential when it is due to be fetched anew, in seconds.
const EARLY: u64 = 300;
/// After a failure during which the old ones still hold, the next attempt comes so much later.
const PAUSE: u64 = 10;

/// What a source has given, and for how many seconds it holds.
pub(in super::super) struct Fetched {
    pub(in super::super) credential: Credential,
    pub(in super::super) lifetime: u64,
}

/// What is wrong with temporary credentials in a reply.
pub(in super::super) enum Unusable {
    Incomplete,
    Expired,
}

impl Fetched {
    /// Reads temporary credentials. STS and the metadata service name their fields alike: `value` copies one of them,
    /// `expired_time` is `ExpiredTime`, and `date` is the reply's `Date`.
    pub(in super::super) fn read(
        value: impl Fn(&str) -> Option<Zeroizing<String>>,
        expired_time: Option<i128>,
        date: Option<&str>,
        source: &'static str,
        unusable: impl Fn(Unusable) -> KmsError,
    ) -> Result<Self, KmsError> {
        let value = |name| value(name).filter(|value| fits(value));
        let (Some(secret_id), Some(secret_key), Some(token)) =
            (value("TmpSecretId"), value("TmpSecretKey"), value("Token"))
        else {
            return Err(unusable(Unusable::Incomplete));
        };
        // Both by the service's clock, so that this machine's does not matter.
        let now = date.and_then(clock::parse).map_or_else(clock::local, Ok)?;
        let expires = expired_time.and_then(|time| u64::try_from(time).ok());
        let lifetime = expires.and_then(|expires| expires.checked_sub(now)).filter(|left| *left > 0);
        let lifetime = lifetime.ok_or_else(|| unusable(Unusable::Expired))?;
        let token = Some(token);
        let credential = Credential { secret_id, secret_key, token, generation: None, expires: None, source };
        Ok(Self { credential, lifetime })
    }
}

#[derive(Default)]
struct CacheSlot {
    kept: tokio::sync::Mutex<Kept>,
    /// How many fetches have ended: who waited for one does not begin another.
    ended: AtomicU64,
}

#[derive(Default)]
struct Kept {
    credential: Option<Credential>,
    /// By this machine's clock, in Unix seconds.
    due: u64,
    expires: u64,
    failure: Option<KmsError>,
}

static SLOTS: Mutex<BTreeMap<[u8; 32], Arc<CacheSlot>>> = Mutex::new(BTreeMap::new());
static GENERATIONS: AtomicU64 = AtomicU64::new(0);

/// The newest generation of all.
pub(in super::super) fn generation() -> u64 {
    GENERATIONS.load(Ordering::SeqCst)
}

/// The credential kept under `key`, or what `fetch` gives; `None` where its source is not there. What was fetched in
/// the generation `refused` or before does not count.
pub(super) async fn get(
    key: [u8; 32],
    refused: Option<u64>,
    fetch: impl Future<Output = Result<Option<Fetched>, KmsError>>,
) -> Result<Option<Credential>, KmsError> {
    let now = clock::local()?;
    let slot = slot(key, now);
    let ended = slot.ended.load(Ordering::SeqCst);
    let mut kept = slot.kept.lock().await;
    if let Some(credential) = kept.valid(now, refused).filter(|_| now < kept.due) {
        return Ok(Some(credential));
    }
    if slot.ended.load(Ordering::SeqCst) != ended {
        return kept.failure.clone().map_or(Ok(None), Err);
    }
    let fetched = fetch.await;
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

/// The slot of `key`. Those of others are given up where nobody uses them and nothing in them holds any longer.
fn slot(key: [u8; 32], now: u64) -> Arc<CacheSlot> {
    let mut slots = SLOTS.lock().unwrap_or_else(PoisonError::into_inner);
    slots.retain(|_, slot| {
        Arc::strong_count(slot) > 1 || slot.kept.try_lock().is_ok_and(|kept| now < kept.expires)
    });
    slots.entry(key).or_default().clone()
}

impl Kept {
    /// The credential, unless it has expired or was refused.
    fn valid(&self, now: u64, refused: Option<u64>) -> Option<Credential> {
        let credential = self.credential.as_ref().filter(|_| now < self.expires)?;
        let is_refused =
            refused.is_some_and(|refused| credential.generation.is_none_or(|own| own <= refused));
        (!is_refused).then(|| credential.clone())
    }

    fn keep(&mut self, fetched: Fetched, now: u64) -> Credential {
        let Fetched { mut credential, lifetime } = fetched;
        credential.expires = Some(now.saturating_add(lifetime));
        credential.generation = Some(GENERATIONS.fetch_add(1, Ordering::SeqCst) + 1);
        let early = (lifetime / 10).max(EARLY).min(lifetime / 2);
        self.expires = now.saturating_add(lifetime);
        self.due = self.expires.saturating_sub(early);
        self.failure = None;
        self.credential = Some(credential.clone());
        credential
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::kms::tencent::credentials::secret;

    fn fetched(lifetime: u64) -> Result<Option<Fetched>, KmsError> {
        let credential = Credential {
            secret_id: secret("i"),
            secret_key: secret("k"),
            token: None,
            generation: None,
            expires: None,
            source: "",
        };
        Ok(Some(Fetched { credential, lifetime }))
    }

    #[test]
    fn temporary_credentials_are_whole_and_last_by_the_services_clock() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        let read = |missing: &str, expired_time| {
            let value = |name: &str| (name != missing).then(|| secret("x"));
            let unusable = |what| match what {
                Unusable::Incomplete => KmsError::other("incomplete"),
                Unusable::Expired => KmsError::other("expired"),
            };
            let fetched = Fetched::read(value, expired_time, Some(date), "here", unusable);
            fetched.map(|fetched| fetched.lifetime).map_err(|error| error.message.into_owned())
        };
        assert_eq!(read("", Some(784_111_777 + 60)), Ok(60));
        for missing in ["TmpSecretId", "TmpSecretKey", "Token"] {
            assert_eq!(read(missing, Some(784_111_777 + 60)), Err("incomplete".to_owned()), "{missing}");
        }
        for expired in [None, Some(-1), Some(0), Some(784_111_777)] {
            assert_eq!(read("", expired), Err("expired".to_owned()), "{expired:?}");
        }
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
    }

    #[test]
    fn new_ones_are_due_before_the_old_ones_expire() {
        for (lifetime, left) in [(43_200, 4_320), (7_200, 720), (1_800, 300), (400, 200), (1, 0)] {
            let mut kept = Kept::default();
            kept.keep(fetched(lifetime).unwrap().unwrap(), 1_000);
            assert_eq!(kept.expires - kept.due, left, "{lifetime}");
        }
    }

    #[test]
    fn many_who_ask_at_once_cause_one_fetch_and_share_its_end() {
        for (key, fails) in [([1; 32], false), ([2; 32], true)] {
            let fetches = Cell::new(0);
            let fetch = async || {
                fetches.set(fetches.get() + 1);
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                if fails { Err(KmsError::transient("t")) } else { fetched(7_200) }
            };
            let results = run(async {
                let ask = || get(key, None, fetch());
                tokio::join!(ask(), ask(), ask())
            });
            assert_eq!(fetches.get(), 1);
            assert_eq!([results.0.is_err(), results.1.is_err(), results.2.is_err()], [fails; 3]);
            let _ = run(get(key, None, fetch()));
            assert_eq!(fetches.get(), if fails { 2 } else { 1 });
        }
    }

    #[test]
    fn a_refused_one_is_fetched_anew_once() {
        let first = run(get([3; 32], None, async { fetched(7_200) })).unwrap().unwrap().generation;
        let second = run(get([3; 32], first, async { fetched(7_200) })).unwrap().unwrap().generation;
        assert!(second > first);
        let third = run(get([3; 32], first, async { fetched(7_200) })).unwrap().unwrap().generation;
        assert_eq!(third, second);
    }

    #[test]
    fn the_old_ones_serve_on_while_new_ones_cannot_be_had() {
        let now = clock::local().unwrap();
        let slot: Arc<CacheSlot> = Arc::default();
        run(async {
            let mut kept = slot.kept.lock().await;
            kept.keep(fetched(7_200).unwrap().unwrap(), now - 7_000);
        });
        SLOTS.lock().unwrap().insert([4; 32], slot);
        let fetches = Cell::new(0);
        let failing = |refused, result: Result<Option<Fetched>, KmsError>| {
            run(get([4; 32], refused, async {
                fetches.set(fetches.get() + 1);
                result
            }))
        };
        assert!(failing(None, Err(KmsError::transient("t"))).unwrap().is_some());
        // It has just failed: nobody asks again for a while, unless the old ones are refused.
        assert!(failing(None, Err(KmsError::transient("t"))).unwrap().is_some());
        assert_eq!(fetches.get(), 1);
        assert!(failing(Some(u64::MAX), Err(KmsError::refused("r"))).is_err());
        assert!(failing(Some(u64::MAX), Ok(None)).unwrap().is_none());
    }
}
