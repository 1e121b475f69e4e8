//! Whether and when to try again: exponential growth, full jitter, inside a deadline. Pure: the time that is left
//! and the randomness are given, so that a simulation can drive the very policy that services run with.
//!
//! * A fault that passes or does not ([`Again::Faulty`]): for as long as the deadline allows, after waits between 0 and
//!   100 ms · 2ⁿ, at most 5 s. Where another key can be tried in place of the one that is not
//!   there, [`FEW`] times ([`Again::Few`]).
//! * Too many requests ([`Again::Throttled`]): the service is there, and some of a fleet get through with every
//!   second; so for as long as the deadline allows too, and after waits between 0 and [`THROTTLED_PART`] of the time
//!   that is left. Waits that double find the right length only after many refusals, each of which is one more request;
//!   the deadline says at once how long the whole fleet may take. docs/tencent.md has the simulation that this rests on.
//! * A wait never reaches beyond the last moment at which a try makes sense.
//!
//! "Full jitter": every wait up to the longest is equally likely, so that a fleet does not come back at once.

#![allow(unreachable_pub, reason = "the simulation of a fleet reaches it through the door for tests")]

use std::time::Duration;

/// How often a fault is met with another try where another key waits for its turn.
pub const FEW: u32 = 4;
/// Waits after a refusal because of too many requests are at most this part of the time that is left.
pub const THROTTLED_PART: f64 = 0.41;
/// What a try takes at least: with less time left none is begun after a wait.
pub const LAST_TRY: Duration = Duration::from_millis(100);

/// How many services with a clock of their own a request may need: the key service, and the one that gives out
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
    /// Once, with credentials that are fetched anew.
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

/// What is left for waiting; `None` when it is too little for another try.
fn spare(left: Duration) -> Option<Duration> {
    left.checked_sub(LAST_TRY)
}

/// Full jitter: anything up to `longest`.
fn jitter(longest: Duration, random: f64) -> Duration {
    longest.mul_f64(random.clamp(0.0, 1.0))
}

/// The failures of one request so far, counted by what they were.
#[derive(Clone, Debug, Default)]
pub struct Retries {
    faults: u32,
    clocks_mended: u32,
    credentials_renewed: bool,
}

impl Retries {
    /// Counts a failure and says how long to wait before the next try; `None`: give up.
    pub fn after(&mut self, again: Again, left: Duration, random: f64) -> Option<Duration> {
        match again {
            Again::Never => None,
            Again::Few | Again::Faulty => {
                self.faults = self.faults.saturating_add(1);
                let is_enough = again == Again::Few && self.faults > FEW;
                (!is_enough).then(|| Backoff::FAULTS.wait(self.faults, left, random)).flatten()
            }
            Again::Throttled => Some(jitter(spare(left)?.mul_f64(THROTTLED_PART), random)),
            Again::OnceByServiceClock => {
                self.clocks_mended = self.clocks_mended.saturating_add(1);
                (self.clocks_mended <= SERVICES).then_some(Duration::ZERO)
            }
            Again::OnceWithNewCredentials => {
                (!std::mem::replace(&mut self.credentials_renewed, true)).then_some(Duration::ZERO)
            }
        }
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
        let wait = |left, random| Retries::default().after(Again::Throttled, left, random);
        let ten = Duration::from_secs(10) + LAST_TRY;
        assert_eq!(wait(ten, 0.0), Some(Duration::ZERO));
        assert_eq!(wait(ten, 0.5), Some(Duration::from_millis(2_050)));
        assert_eq!(wait(ten, 1.0), Some(Duration::from_millis(4_100)));
        assert_eq!(wait(LAST_TRY, 1.0), Some(Duration::ZERO));
        assert_eq!(wait(LAST_TRY - Duration::from_nanos(1), 0.0), None);
    }

    #[test]
    fn each_kind_of_failure_has_its_own_patience() {
        let tries = |again, most: usize| {
            let mut retries = Retries::default();
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
            assert_eq!(Retries::default().after(again, LAST_TRY - Duration::from_nanos(1), 0.0), None);
        }
    }

    #[test]
    fn being_throttled_uses_up_none_of_the_tries_for_faults() {
        let mut retries = Retries::default();
        for _ in 0..20 {
            assert!(retries.after(Again::Throttled, LONG, 0.1).is_some());
        }
        for _ in 0..FEW {
            assert!(retries.after(Again::Few, LONG, 0.1).is_some());
        }
        assert_eq!(retries.after(Again::Few, LONG, 0.1), None);
        // Whoever comes to wait for the same and has nothing else to try is not given up.
        assert!(retries.after(Again::Faulty, LONG, 0.1).is_some());
    }
}
