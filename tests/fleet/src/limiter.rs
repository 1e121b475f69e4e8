//! How a service may count calls against its quota. The service does not say which; a policy has to do with each.

/// Lets through so many calls a second. Refused calls count for nothing.
#[derive(Clone, Copy, Debug)]
pub enum Limiter {
    /// Counts anew with every full second.
    Window,
    /// A bucket that holds one second's worth of calls and fills evenly.
    Bucket,
}

pub(crate) struct Quota {
    limiter: Limiter,
    per_second: f64,
    /// Calls that there is room for.
    room: f64,
    /// When that was so, in seconds.
    at: f64,
}

impl Quota {
    pub(crate) fn new(limiter: Limiter, per_second: f64) -> Self {
        Self { limiter, per_second, room: per_second, at: 0.0 }
    }

    /// Whether a call at this time, in seconds and not before the last one, is let through.
    pub(crate) fn admits(&mut self, now: f64) -> bool {
        self.room = match self.limiter {
            Limiter::Window if now.floor() > self.at.floor() => self.per_second,
            Limiter::Window => self.room,
            Limiter::Bucket => (self.room + (now - self.at) * self.per_second).min(self.per_second),
        };
        self.at = now;
        let admits = self.room >= 1.0;
        self.room -= f64::from(u8::from(admits));
        admits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_opens_with_every_second() {
        let mut quota = Quota::new(Limiter::Window, 2.0);
        let admitted = [0.1, 0.2, 0.9, 1.0, 1.1, 1.9].map(|now| quota.admits(now));
        assert_eq!(admitted, [true, true, false, true, true, false]);
    }

    #[test]
    fn a_bucket_fills_evenly_and_never_above_a_second() {
        let mut quota = Quota::new(Limiter::Bucket, 2.0);
        let admitted = [5.0, 5.0, 5.0, 5.4, 5.5, 5.6].map(|now| quota.admits(now));
        assert_eq!(admitted, [true, true, false, false, true, false]);
    }
}
