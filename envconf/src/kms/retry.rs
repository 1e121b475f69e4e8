//! The retry policy: exponential backoff with full jitter, within a deadline. It is pure: the caller passes the time
//! that is left and the random number, so that a simulation can run the policy of the services.
//!
//! * A fault of the network or the service ([`Again::Faulty`]) is retried until the deadline. The waits are between 0
//!   and 100 ms · 2ⁿ, at most 5 s. If the caller can try another key instead, the fault is retried [`FEW`] times
//!   ([`Again::Few`]).
//! * Too many requests ([`Again::Throttled`]) are retried until the deadline, after a random wait of at most
//!   [`THROTTLED_PART`] of the time that is left. Exponential backoff would find the right length only after many
//!   refusals, and each refusal costs one more request. The deadline is known at once, and it says how long the whole
//!   fleet may take. The first [`EARLY_REFUSALS`] waits also end before [`EARLY_PART`] of the deadline: a process that
//!   is refused when the queue is almost empty must not sleep for another third of the deadline. Later waits have no
//!   such limit, because a process with many refusals is in a fleet whose deadline is too short. There, the service
//!   would refuse each early request again. The fleet simulation (tests/fleet) chose these numbers; the documentation
//!   shows its tables.
//! * A wait always leaves enough time for another try.
//!
//! "Full jitter" means that every wait up to the longest is equally likely, so that a fleet does not retry all at once.

#![allow(unreachable_pub, reason = "the fleet simulation uses it through the test feature")]

use std::time::Duration;

/// Number of retries after a fault if the caller can try another key.
pub const FEW: u32 = 4;
/// Longest wait after a refusal because of too many requests, as a part of the time that is left.
pub const THROTTLED_PART: f64 = 0.43;
/// Number of refusals after which a wait must also end early.
pub const EARLY_REFUSALS: u32 = 4;
/// Part of the deadline before which an early wait ends.
pub const EARLY_PART: f64 = 0.4;
/// Time that is added to [`EARLY_PART`]: half of the second in which a key service counts requests.
pub const EARLY_MARGIN: Duration = Duration::from_millis(500);
/// Longest early wait after [`EARLY_PART`] of the deadline, as a part of the time that is left.
pub const EARLY_MINIMUM: f64 = 0.02;
/// Shortest time for a try: no retry begins with less time left.
pub const LAST_TRY: Duration = Duration::from_millis(100);

/// Number of services with separate clocks that one request may need: the key service, and the service that issues
/// credentials for it.
pub const SERVICES: u32 = 2;

/// The decision about another try after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// No retry, because it would fail in the same way.
    Never,
    /// [`FEW`] retries, because the fault may end and the caller can also try another key.
    Few,
    /// Retries until the deadline, because the fault may end.
    Faulty,
    /// Retries until the deadline, because the service will accept the request later.
    Throttled,
    /// One retry for each of [`SERVICES`], signed with the time of the service.
    OnceByServiceClock,
    /// One retry, with newly fetched credentials.
    OnceWithNewCredentials,
}

/// The growth of waits: the longest wait is `base` before the first retry, and then doubles up to `cap`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The longest wait before the first retry.
    pub base: Duration,
    /// The longest wait before any retry.
    pub cap: Duration,
}

impl Backoff {
    /// The growth after faults of the network and the service.
    pub const FAULTS: Self = Self { base: Duration::from_millis(100), cap: Duration::from_secs(5) };

    /// Returns the longest wait after this number of failures.
    pub fn longest(&self, failures: u32) -> Duration {
        let doubled = 2u32.saturating_pow(failures.saturating_sub(1));
        self.base.saturating_mul(doubled).min(self.cap)
    }

    /// Returns the wait after this number of failures; `None` if the time `left` is too short for another try.
    /// `random` is a uniform random number between 0 and 1.
    pub fn wait(&self, failures: u32, left: Duration, random: f64) -> Option<Duration> {
        Some(jitter(self.longest(failures).min(spare(left)?), random))
    }
}

/// Returns the time left for a wait; `None` if it is too short for another try.
fn spare(left: Duration) -> Option<Duration> {
    left.checked_sub(LAST_TRY)
}

/// Returns a random part of `longest` (full jitter).
fn jitter(longest: Duration, random: f64) -> Duration {
    longest.mul_f64(random.clamp(0.0, 1.0))
}

/// The failed tries of one request, counted by kind.
#[derive(Clone, Debug)]
pub struct Retries {
    deadline: Duration,
    faults: u32,
    refusals: u32,
    clocks_corrected: u32,
    credentials_renewed: bool,
}

impl Retries {
    /// Starts counting for a request that has `deadline` for all its tries.
    pub fn within(deadline: Duration) -> Self {
        Self { deadline, faults: 0, refusals: 0, clocks_corrected: 0, credentials_renewed: false }
    }

    /// Counts a failure and returns the wait before the next try; `None` if there is no next try.
    pub fn after(&mut self, again: Again, left: Duration, random: f64) -> Option<Duration> {
        match again {
            Again::Never => None,
            Again::Few | Again::Faulty => {
                self.faults = self.faults.saturating_add(1);
                let is_enough = again == Again::Few && self.faults > FEW;
                (!is_enough).then(|| Backoff::FAULTS.wait(self.faults, left, random)).flatten()
            }
            Again::Throttled => {
                self.refusals = self.refusals.saturating_add(1);
                let longest = spare(left)?.mul_f64(THROTTLED_PART);
                let is_early = self.refusals <= EARLY_REFUSALS;
                Some(jitter(if is_early { longest.min(self.longest_early(left)) } else { longest }, random))
            }
            Again::OnceByServiceClock => {
                self.clocks_corrected = self.clocks_corrected.saturating_add(1);
                (self.clocks_corrected <= SERVICES).then_some(Duration::ZERO)
            }
            Again::OnceWithNewCredentials => {
                (!std::mem::replace(&mut self.credentials_renewed, true)).then_some(Duration::ZERO)
            }
        }
    }

    /// Returns the longest wait that ends before [`EARLY_PART`] of the deadline, and at least [`EARLY_MINIMUM`].
    fn longest_early(&self, left: Duration) -> Duration {
        let passed = self.deadline.saturating_sub(left);
        let until_early = (self.deadline.mul_f64(EARLY_PART) + EARLY_MARGIN).saturating_sub(passed);
        until_early.max(left.mul_f64(EARLY_MINIMUM))
    }
}

/// Returns a random number between 0 and 1; 1, which means the longest wait, if the operating system returns none.
pub(crate) fn random() -> f64 {
    let mut random = [0; 4];
    match getrandom::fill(&mut random) {
        Ok(()) => f64::from(u32::from_le_bytes(random)) / f64::from(u32::MAX),
        Err(_) => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    #[test]
    fn waits_double_up_to_their_cap() {
        let longest: Vec<_> = (1..9).map(|n| Backoff::FAULTS.longest(n).as_millis()).collect();
        assert_eq!(longest, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(Backoff::FAULTS.longest(u32::MAX), Duration::from_secs(5));
    }

    // Pitfall 12.
    #[test]
    fn jitter_is_full_and_stays_inside_the_deadline() {
        let wait = |left, random| Backoff::FAULTS.wait(3, left, random);
        assert_eq!(wait(LONG, 0.0), Some(Duration::ZERO));
        assert_eq!(wait(LONG, 0.5), Some(Duration::from_millis(200)));
        assert_eq!(wait(LONG, 1.0), Some(Duration::from_millis(400)));
        assert_eq!(wait(Duration::from_millis(150), 1.0), Some(Duration::from_millis(50)));
        assert_eq!(wait(Duration::from_millis(99), 0.0), None);
    }

    #[test]
    fn a_throttled_client_waits_up_to_a_part_of_the_time_left() {
        let wait = |left, random| Retries::within(LONG).after(Again::Throttled, left, random);
        let ten = Duration::from_secs(10) + LAST_TRY;
        let early = ten.mul_f64(EARLY_MINIMUM);
        assert_eq!(wait(LONG, 0.0), Some(Duration::ZERO));
        assert_eq!(
            wait(LONG, 1.0),
            Some((LONG - LAST_TRY).mul_f64(THROTTLED_PART).min(LONG.mul_f64(EARLY_PART) + EARLY_MARGIN))
        );
        assert_eq!(wait(ten, 1.0), Some(early));
        assert_eq!(wait(ten, 0.5), Some(early / 2));
        assert_eq!(wait(LAST_TRY, 1.0), Some(Duration::ZERO));
        assert_eq!(wait(LAST_TRY - Duration::from_nanos(1), 0.0), None);
    }

    #[test]
    fn early_waits_end_before_their_part_of_the_deadline() {
        let deadline = Duration::from_secs(100);
        for passed in [0, 5, 20, 35, 40] {
            let mut retries = Retries::within(deadline);
            let left = deadline - Duration::from_secs(passed);
            for _ in 0..EARLY_REFUSALS {
                let wait = retries.after(Again::Throttled, left, 1.0).unwrap();
                let until = Duration::from_millis(40_500) - Duration::from_secs(passed);
                assert!(wait <= until.max(left.mul_f64(EARLY_MINIMUM)), "{passed}: {wait:?}");
            }
            // A process with more refusals is in a fleet whose deadline is too short.
            assert_eq!(
                retries.after(Again::Throttled, left, 1.0),
                Some((left - LAST_TRY).mul_f64(THROTTLED_PART))
            );
        }
    }

    #[test]
    fn each_kind_of_failure_has_its_own_number_of_retries() {
        let tries = |again, most: usize| {
            let mut retries = Retries::within(LONG);
            (0..most).take_while(|_| retries.after(again, LONG, 0.5).is_some()).count()
        };
        assert_eq!(tries(Again::Never, 1000), 0);
        assert_eq!(tries(Again::Few, 1000), FEW as usize);
        assert_eq!(tries(Again::Faulty, 1000), 1000);
        assert_eq!(tries(Again::Throttled, 1000), 1000);
        assert_eq!(tries(Again::OnceByServiceClock, 1000), SERVICES as usize);
        assert_eq!(tries(Again::OnceWithNewCredentials, 1000), 1);
    }

    #[test]
    fn no_try_begins_right_before_the_deadline() {
        for again in [Again::Few, Again::Faulty, Again::Throttled] {
            assert_eq!(Retries::within(LONG).after(again, LAST_TRY - Duration::from_nanos(1), 0.0), None);
        }
    }

    #[test]
    fn refusals_do_not_count_as_faults() {
        let mut retries = Retries::within(LONG);
        for _ in 0..20 {
            assert!(retries.after(Again::Throttled, LONG, 0.1).is_some());
        }
        for _ in 0..FEW {
            assert!(retries.after(Again::Few, LONG, 0.1).is_some());
        }
        assert_eq!(retries.after(Again::Few, LONG, 0.1), None);
        // A caller without an alternative that waits for the same request still gets retries.
        assert!(retries.after(Again::Faulty, LONG, 0.1).is_some());
    }
}
