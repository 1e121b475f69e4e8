//! What wakes the thread of a watch: that something changed, that it shall look, that it shall end.
//!
//! Flags, not a queue: a thousand notices while it loads are one.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// Longer waits are cut to this, so that no clock overflows.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Default)]
pub(super) struct Bell {
    heard: Mutex<Heard>,
    rung: Condvar,
    stopped: Notify,
}

/// What was heard since the last time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Heard {
    /// A file may have changed.
    pub(super) changed: bool,
    /// Somebody wants the files to be looked at, and what was refused to be tried again.
    pub(super) asked: bool,
    /// The last handle has gone.
    pub(super) stop: bool,
}

impl Bell {
    pub(super) fn changed(&self) {
        self.ring(|heard| heard.changed = true);
    }

    #[cfg(any(unix, test))]
    pub(super) fn ask(&self) {
        self.ring(|heard| heard.asked = true);
    }

    pub(super) fn stop(&self) {
        self.ring(|heard| heard.stop = true);
        self.stopped.notify_waiters();
    }

    /// Waits for anything, at most so long, and takes it; that it shall stop stays.
    pub(super) fn wait(&self, at_most: Duration) -> Heard {
        let quiet = |heard: &mut Heard| *heard == Heard::default();
        let waited = self.rung.wait_timeout_while(self.lock(), at_most.min(LONGEST), quiet);
        let (mut heard, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let taken = *heard;
        *heard = Heard { stop: taken.stop, ..Heard::default() };
        taken
    }

    /// Lets time pass; what is heard meanwhile is kept. Whether it shall go on.
    pub(super) fn pass(&self, time: Duration) -> bool {
        let until = Instant::now() + time.min(LONGEST);
        let mut heard = self.lock();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if heard.stop || left.is_zero() {
                return !heard.stop;
            }
            (heard, _) = self.rung.wait_timeout(heard, left).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Ready once it shall stop.
    pub(super) async fn stopped(&self) {
        let stopped = self.stopped.notified();
        if !self.lock().stop {
            stopped.await;
        }
    }

    fn ring(&self, change: impl FnOnce(&mut Heard)) {
        change(&mut self.lock());
        self.rung.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn what_is_rung_is_heard_once_and_the_end_for_ever() {
        let bell = Bell::default();
        (0..9).for_each(|_| bell.changed());
        assert!(bell.pass(Duration::from_millis(1)));
        assert_eq!(bell.wait(LONG), Heard { changed: true, ..Heard::default() });
        assert_eq!(bell.wait(Duration::ZERO), Heard::default());
        bell.ask();
        bell.stop();
        assert_eq!(bell.wait(LONG), Heard { asked: true, stop: true, ..Heard::default() });
        assert!(bell.wait(LONG).stop && !bell.pass(LONG));
        crate::kms::worker::block_on(bell.stopped());
    }
}
