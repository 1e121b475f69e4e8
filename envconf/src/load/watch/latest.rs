//! The newest valid configuration, which readers get without a lock, and the status of a watch.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use tokio::sync::Notify;

use crate::base::Error;
use crate::load::loader::Loaded;

/// Longest wait. Longer ones are shortened to this, so that no clock overflows.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

pub(super) struct Latest<T> {
    current: ArcSwap<Loaded<T>>,
    status: Mutex<Status>,
    replaced: Condvar,
    replaced_async: Notify,
}

/// The version that a [`Watch`](crate::Watch) uses, and the errors of newer versions.
#[derive(Clone, Debug)]
pub struct Status {
    generation: u64,
    loaded_at: SystemTime,
    reloads: u64,
    refusals: u64,
    last_refusal: Option<Arc<Error>>,
    is_current: bool,
    by_notices: bool,
}

impl Status {
    /// Returns the generation of the pair in use.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Returns the time when the configuration in use was loaded.
    pub fn loaded_at(&self) -> SystemTime {
        self.loaded_at
    }

    /// Returns how often a new configuration replaced an old one.
    pub fn reloads(&self) -> u64 {
        self.reloads
    }

    /// Returns how many versions of the files were refused. A version that is retried counts once.
    pub fn refusals(&self) -> u64 {
        self.refusals
    }

    /// Returns the error of the last refused version. It stays after a later version is used; see
    /// [`is_current`](Self::is_current).
    pub fn last_refusal(&self) -> Option<&Error> {
        self.last_refusal.as_deref()
    }

    /// Returns true if the files contain the configuration in use; false while their version is refused.
    pub fn is_current(&self) -> bool {
        self.is_current
    }

    /// Returns true if the operating system gives notice of changes; otherwise the files are only read periodically.
    pub fn by_notices(&self) -> bool {
        self.by_notices
    }
}

impl<T> Latest<T> {
    pub(super) fn new(config: Loaded<T>, generation: u64) -> Self {
        let status = Status {
            generation,
            loaded_at: SystemTime::now(),
            reloads: 0,
            refusals: 0,
            last_refusal: None,
            is_current: true,
            by_notices: false,
        };
        Self {
            current: ArcSwap::from_pointee(config),
            status: Mutex::new(status),
            replaced: Condvar::new(),
            replaced_async: Notify::new(),
        }
    }

    pub(super) fn current(&self) -> Arc<Loaded<T>> {
        self.current.load_full()
    }

    pub(super) fn status(&self) -> Status {
        self.lock().clone()
    }

    /// Waits for a version newer than `seen`, and returns it with its number. The first version has number 0, and each
    /// reload adds 1.
    pub(super) async fn after(&self, seen: u64) -> (u64, Arc<Loaded<T>>) {
        loop {
            // Create the listener before the check, so that no change is missed.
            let replacement = self.replaced_async.notified();
            if let Some(later) = self.later(&self.lock(), seen) {
                return later;
            }
            replacement.await;
        }
    }

    /// Like `after`, but blocks this thread. Returns `None` after `timeout`.
    pub(super) fn after_within(&self, seen: u64, timeout: Duration) -> Option<(u64, Arc<Loaded<T>>)> {
        let waiting = |status: &mut Status| status.reloads <= seen;
        let waited = self.replaced.wait_timeout_while(self.lock(), timeout.min(LONGEST), waiting);
        let (status, _) = waited.unwrap_or_else(PoisonError::into_inner);
        self.later(&status, seen)
    }

    fn later(&self, status: &Status, seen: u64) -> Option<(u64, Arc<Loaded<T>>)> {
        (status.reloads > seen).then(|| (status.reloads, self.current()))
    }

    /// Replaces the configuration, and returns the old one. The caller drops it, because dropping may run code of its
    /// values.
    pub(super) fn replace(&self, config: Loaded<T>, generation: u64) -> Arc<Loaded<T>> {
        let mut status = self.lock();
        let old = self.current.swap(Arc::new(config));
        status.generation = generation;
        status.loaded_at = SystemTime::now();
        status.reloads += 1;
        status.is_current = true;
        drop(status);
        self.replaced.notify_all();
        self.replaced_async.notify_waiters();
        old
    }

    /// Records that the files contain the configuration in use again.
    pub(super) fn confirm(&self) {
        self.lock().is_current = true;
    }

    /// Records that the files are not used. `refusal` is the reason, if it is new.
    pub(super) fn refuse(&self, refusal: Option<Arc<Error>>) {
        let mut status = self.lock();
        status.is_current = false;
        if refusal.is_some() {
            status.refusals += 1;
            status.last_refusal = refusal;
        }
    }

    pub(super) fn by_notices(&self, by_notices: bool) {
        self.lock().by_notices = by_notices;
    }

    fn lock(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
