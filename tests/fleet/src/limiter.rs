//! How a service may count calls against its quota. The service does not say which; a policy has to do with each.

use std::collections::VecDeque;

/// Lets through so many calls a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limiter {
    /// Starts counting again with every full second. Refused calls do not count.
    Window,
    /// A bucket that holds one second's worth of calls and fills evenly. Refused calls count for nothing.
    Bucket,
    /// The same bucket, and a refused call takes from it what is there.
    ChargedBucket,
    /// Refuses while the last second has seen as many calls, refused ones too.
    LastSecond,
}

impl Limiter {
    /// As it stands in tables.
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
    /// Calls that there is room for.
    room: f64,
    /// When that was so, in seconds.
    at: f64,
    /// When calls came within the last second, where that counts.
    calls: VecDeque<f64>,
}

impl Quota {
    pub(crate) fn new(limiter: Limiter, per_second: f64) -> Self {
        Self { limiter, per_second, room: per_second, at: 0.0, calls: VecDeque::new() }
    }

    /// Returns true if a call at this time, in seconds and not before the last one, is let through.
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
    fn a_window_opens_with_every_second() {
        let times = [0.1, 0.2, 0.9, 1.0, 1.1, 1.9];
        assert_eq!(admitted(Limiter::Window, times), [true, true, false, true, true, false]);
    }

    #[test]
    fn a_bucket_fills_evenly_and_never_above_a_second() {
        let times = [5.0, 5.0, 5.0, 5.4, 5.5, 5.6];
        assert_eq!(admitted(Limiter::Bucket, times), [true, true, false, false, true, false]);
    }

    #[test]
    fn where_refused_calls_count_who_asks_too_soon_keeps_it_empty() {
        let times = [0.0, 0.0, 0.4, 0.8, 1.2, 1.7];
        assert_eq!(admitted(Limiter::ChargedBucket, times), [true, true, false, false, false, true]);
        let times = [0.0, 0.0, 0.6, 1.2, 1.5, 2.8];
        assert_eq!(admitted(Limiter::LastSecond, times), [true, true, false, true, false, true]);
    }
}
