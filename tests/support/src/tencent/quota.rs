//! The quota: a number of requests in each second. The service counts by account and action, and does not document the
//! details. The stand-in has one count for all, from zero in every second. This is stricter.

use std::time::{Duration, Instant};

use super::Reply;

const SECOND: Duration = Duration::from_secs(1);

pub(super) struct Quota {
    per_second: u32,
    /// The start of the current second. The first request starts the first second.
    since: Option<Instant>,
    used: u32,
}

impl Quota {
    pub(super) fn new(per_second: u32) -> Self {
        Self { per_second, since: None, used: 0 }
    }

    /// Counts a request at this time. Returns the error if the quota is exceeded.
    pub(super) fn refusal(&mut self, now: Instant) -> Option<Reply> {
        if self.since.is_none_or(|since| now.duration_since(since) >= SECOND) {
            (self.since, self.used) = (Some(now), 0);
        }
        if self.used == self.per_second {
            return Some(Reply::error("RequestLimitExceeded", "The request frequency exceeds the limit."));
        }
        self.used += 1;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_second_has_the_same_quota() {
        let (mut quota, start) = (Quota::new(2), Instant::now());
        let refused = [0, 0, 999, 1000, 1500, 1999, 2000]
            .map(|at| quota.refusal(start + Duration::from_millis(at)).is_some());
        assert_eq!(refused, [false, false, true, false, false, true, false]);
    }
}
