//! Whether and when to try again: exponential growth, full jitter, inside a deadline. Pure: the time that is left
//! and the randomness are given, so that a simulation can drive the very policy that services run with.
//!
//! * A fault that passes or does not ([`Again::Faulty`]): for as long as the deadline allows, after waits between 0 and
//!   100 ms · 2ⁿ, at most 5 s. Where another key can be tried in place of the one that is not
//!   there, [`FEW`] times ([`Again::Few`]).
//! * Too many requests ([`Again::Throttled`]): until the deadline, after a random wait of at most [`THROTTLED_PART`] of
//!   the time that is left. Exponential backoff finds the right length only after many refusals, and each refusal is one
//!   more request. The deadline is known at once, and it says how long the whole fleet may take. The first
//!   [`EARLY_REFUSALS`] waits also end before [`EARLY_PART`] of the deadline: a process that is refused when the queue
//!   is almost empty must not sleep for another third of the deadline. Later waits have no such limit, because a process
//!   with many refusals is in a fleet whose deadline is too short, where each early request is refused again. The fleet
//!   simulation (tests/fleet) chose these numbers; the documentation shows its tables.
//! * A wait never reaches beyond the last moment at which a try makes sense.
//!
//! "Full jitter": every wait up to the longest is equally likely, so that a fleet does not come back at once.

#![allow(unreachable_pub, reason = "the simulation of a fleet reaches it through the door for tests")]

use std::time::Duration;

/// How often a fault is met with another try where another key waits for its turn.
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

/// What another try is worth after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// It would end the same.
    Never,
    /// It may end otherwise, and something else can be tried as well: [`FEW`] times.
    Few,
    /// It may end otherwise once a fault has passed: until the deadline.
    Faulty,
    /// It will succeed once there is room: until the deadline.
    Throttled,
    /// Once for each of [`SERVICES`], by its clock.
    OnceByServiceClock,
    /// Once, with newly fetched credentials.
    OnceWithNewCredentials,
}

/// How waits grow: the longest is `base` before the first repetition, then doubles, up to `cap`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The longest first wait.
    pub base: Duration,
    /// The longest wait of all.
    pub cap: Duration,
}

impl Backoff {
    /// For faults of the network and the service.
    pub const FAULTS: Self = Self { base: Duration::from_millis(100), cap: Duration::from_secs(5) };

    /// The longest wait after so many failures, of which this is the last.
    pub fn longest(&self, failures: u32) -> Duration {
        let doubled = 2u32.saturating_pow(failures.saturating_sub(1));
        self.base.saturating_mul(doubled).min(self.cap)
    }

    /// The wait after so many failures when `left` is left; `None` when that is too little for another try.
    /// `random` is a number between 0 and 1, all equally likely.
    pub fn wait(&self, failures: u32, left: Duration, random: f64) -> Option<Duration> {
        Some(jitter(self.longest(failures).min(spare(left)?), random))
    }
}

/// Returns the time left for a wait; `None` if it is too short for another try.
fn spare(left: Duration) -> Option<Duration> {
    left.checked_sub(LAST_TRY)
}

/// Full jitter: anything up to `longest`.
fn jitter(longest: Duration, random: f64) -> Duration {
    longest.mul_f64(random.clamp(0.0, 1.0))
}

/// The failed tries of one request, counted by kind.
#[derive(Clone, Debug)]
pub struct Retries {
    deadline: Duration,
    faults: u32,
    refusals: u32,
    clocks_mended: u32,
    credentials_renewed: bool,
}

impl Retries {
    /// Starts counting for a request that has `deadline` for all its tries.
    pub fn within(deadline: Duration) -> Self {
        Self { deadline, faults: 0, refusals: 0, clocks_mended: 0, credentials_renewed: false }
    }

    /// Counts a failure and says how long to wait before the next try; `None`: give up.
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
                self.clocks_mended = self.clocks_mended.saturating_add(1);
                (self.clocks_mended <= SERVICES).then_some(Duration::ZERO)
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

/// A number between 0 and 1 from the operating system; 1, the longest wait, where it has none to give.
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
    fn a_throttled_client_waits_up_to_a_part_of_what_is_left() {
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
    fn each_kind_of_failure_has_its_own_patience() {
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
    fn nobody_begins_a_try_that_the_deadline_would_cut() {
        for again in [Again::Few, Again::Faulty, Again::Throttled] {
            assert_eq!(Retries::within(LONG).after(again, LAST_TRY - Duration::from_nanos(1), 0.0), None);
        }
    }

    #[test]
    fn being_throttled_uses_up_none_of_the_tries_for_faults() {
        let mut retries = Retries::within(LONG);
        for _ in 0..20 {
            assert!(retries.after(Again::Throttled, LONG, 0.1).is_some());
        }
        for _ in 0..FEW {
            assert!(retries.after(Again::Few, LONG, 0.1).is_some());
        }
        assert_eq!(retries.after(Again::Few, LONG, 0.1), None);
        // A request that then waits for the same fault and has no alternative is not given up.
        assert!(retries.after(Again::Faulty, LONG, 0.1).is_some());
    }
}
