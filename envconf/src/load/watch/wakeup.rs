//! Wakes the thread of a watch: after a change, at a request to read, or to stop.
//!
//! It uses flags, not a queue: a thousand notices during a load wake the thread once.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// Longest wait; longer ones are shortened to this, so that no clock overflows.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Default)]
pub(super) struct Wakeup {
    reasons: Mutex<WakeReasons>,
    woken: Condvar,
    stopped: Notify,
}

/// The reasons for waking since the last wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct WakeReasons {
    /// A file may have changed.
    pub(super) changed: bool,
    /// SIGHUP arrived: read the files, and retry a refused version.
    pub(super) asked: bool,
    /// The last handle was dropped.
    pub(super) stop: bool,
}

impl Wakeup {
    pub(super) fn changed(&self) {
        self.wake(|reasons| reasons.changed = true);
    }

    #[cfg(any(unix, test))]
    pub(super) fn ask(&self) {
        self.wake(|reasons| reasons.asked = true);
    }

    pub(super) fn stop(&self) {
        self.wake(|reasons| reasons.stop = true);
        self.stopped.notify_waiters();
    }

    /// Waits for any reason, at most this time. Returns the reasons and clears them, except the reason to stop.
    pub(super) fn wait(&self, at_most: Duration) -> WakeReasons {
        let quiet = |reasons: &mut WakeReasons| *reasons == WakeReasons::default();
        let waited = self.woken.wait_timeout_while(self.lock(), at_most.min(LONGEST), quiet);
        let (mut reasons, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let taken = *reasons;
        *reasons = WakeReasons { stop: taken.stop, ..WakeReasons::default() };
        taken
    }

    /// Waits for this time, and keeps the reasons that arrive. Returns false if the thread must stop.
    pub(super) fn pass(&self, time: Duration) -> bool {
        let until = Instant::now() + time.min(LONGEST);
        let mut reasons = self.lock();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if reasons.stop || left.is_zero() {
                return !reasons.stop;
            }
            (reasons, _) = self.woken.wait_timeout(reasons, left).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Completes when the thread must stop.
    pub(super) async fn stopped(&self) {
        let stopped = self.stopped.notified();
        if !self.lock().stop {
            stopped.await;
        }
    }

    fn wake(&self, change: impl FnOnce(&mut WakeReasons)) {
        change(&mut self.lock());
        self.woken.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, WakeReasons> {
        self.reasons.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_reason_is_returned_once_and_the_stop_every_time() {
        let wakeup = Wakeup::default();
        (0..9).for_each(|_| wakeup.changed());
        assert!(wakeup.pass(Duration::from_millis(1)));
        assert_eq!(wakeup.wait(LONG), WakeReasons { changed: true, ..WakeReasons::default() });
        assert_eq!(wakeup.wait(Duration::ZERO), WakeReasons::default());
        wakeup.ask();
        wakeup.stop();
        assert_eq!(wakeup.wait(LONG), WakeReasons { asked: true, stop: true, ..WakeReasons::default() });
        assert!(wakeup.wait(LONG).stop && !wakeup.pass(LONG));
        crate::kms::worker::block_on(wakeup.stopped());
    }
}
