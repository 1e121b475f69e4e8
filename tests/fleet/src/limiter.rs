//! The ways in which a service may count calls for its quota. Services do not document it, so a policy must work with
//! all.

use std::collections::VecDeque;

/// A limiter with a quota of calls per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limiter {
    /// Counts from 0 in every full second. Rejected calls do not count.
    Window,
    /// A bucket for the calls of one second, which fills evenly. Rejected calls do not count.
    Bucket,
    /// Like `Bucket`, and a rejected call empties the bucket.
    ChargedBucket,
    /// Counts all calls of the last second, including rejected ones.
    LastSecond,
}

impl Limiter {
    /// Returns the name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Window => "each full second",
            Self::Bucket => "a bucket",
            Self::ChargedBucket => "a bucket, refused calls too",
            Self::LastSecond => "the last second, refused calls too",
        }
    }
}

pub(crate) struct Quota {
    limiter: Limiter,
    per_second: f64,
    /// Number of calls that are still allowed.
    room: f64,
    /// Time of `room`, in seconds.
    at: f64,
    /// Times of the calls in the last second, for `LastSecond`.
    calls: VecDeque<f64>,
}

impl Quota {
    pub(crate) fn new(limiter: Limiter, per_second: f64) -> Self {
        Self { limiter, per_second, room: per_second, at: 0.0, calls: VecDeque::new() }
    }

    /// Returns true if a call at this time is allowed. The time is in seconds, and must not be before the last call.
    pub(crate) fn admits(&mut self, now: f64) -> bool {
        let filled = (self.room + (now - self.at) * self.per_second).min(self.per_second);
        self.room = match self.limiter {
            Limiter::Window if now.floor() > self.at.floor() => self.per_second,
            Limiter::Window => self.room,
            Limiter::Bucket | Limiter::ChargedBucket => filled,
            Limiter::LastSecond => {
                while self.calls.front().is_some_and(|call| *call <= now - 1.0) {
                    self.calls.pop_front();
                }
                self.calls.push_back(now);
                self.per_second + 1.0 - self.calls.len() as f64
            }
        };
        self.at = now;
        let admits = self.room >= 1.0;
        let costs = admits || self.limiter == Limiter::ChargedBucket;
        self.room = (self.room - f64::from(u8::from(costs))).max(0.0);
        admits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted<const N: usize>(limiter: Limiter, times: [f64; N]) -> [bool; N] {
        let mut quota = Quota::new(limiter, 2.0);
        times.map(|now| quota.admits(now))
    }

    #[test]
    fn a_window_begins_in_every_second() {
        let times = [0.1, 0.2, 0.9, 1.0, 1.1, 1.9];
        assert_eq!(admitted(Limiter::Window, times), [true, true, false, true, true, false]);
    }

    #[test]
    fn a_bucket_fills_evenly_and_never_above_a_second() {
        let times = [5.0, 5.0, 5.0, 5.4, 5.5, 5.6];
        assert_eq!(admitted(Limiter::Bucket, times), [true, true, false, false, true, false]);
    }

    #[test]
    fn early_calls_keep_a_charged_bucket_empty() {
        let times = [0.0, 0.0, 0.4, 0.8, 1.2, 1.7];
        assert_eq!(admitted(Limiter::ChargedBucket, times), [true, true, false, false, false, true]);
        let times = [0.0, 0.0, 0.6, 1.2, 1.5, 2.8];
        assert_eq!(admitted(Limiter::LastSecond, times), [true, true, false, true, false, true]);
    }
}
