//! The reactions of clients to a failed call.

use std::time::Duration;

use envconf::__vectors::retry::{Again, LAST_TRY, Retries};

/// The policies that the simulation compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// The policy of envconf.
    Envconf,
    /// The policy of envconf without randomness: every process waits for the maximum time.
    NoJitter,
    /// The guide of Tencent for KMS: 100 ms, then twice as long each time, without randomness.
    Guide,
    /// The retryer of Tencent's Python SDK, if it is enabled: 3 more tries, after 1, 2 and 4 s.
    SdkRetryer,
    /// The default of every SDK of Tencent: no retry.
    SdkDefault,
    /// A policy that envconf does not use. After a rejected call, it waits for a random time. The maximum is an eighth
    /// of the deadline plus the time waited until now, and at most half of the remaining time.
    Growing,
}

/// The state of a process after a failed call.
pub(crate) struct Failure {
    /// True if the service was away; false if it rejected the call because of too many requests.
    pub(crate) is_fault: bool,
    /// The number of this failure of the process, from 1.
    pub(crate) number: u32,
    pub(crate) deadline: Duration,
    /// The time until the deadline.
    pub(crate) left: Duration,
    /// A random number between 0 and 1.
    pub(crate) random: f64,
}

impl Policy {
    /// The policies in the tables, with that of envconf first.
    pub const ALL: [Self; 5] =
        [Self::Envconf, Self::NoJitter, Self::Guide, Self::SdkRetryer, Self::SdkDefault];

    /// Returns the name in tables and plots.
    pub fn name(self) -> &'static str {
        match self {
            Self::Envconf => "envconf",
            Self::NoJitter => "envconf without jitter",
            Self::Guide => "100 ms · 2ⁿ, no jitter",
            Self::SdkRetryer => "SDK's retryer, 3 tries more",
            Self::SdkDefault => "SDK's default, no retry",
            Self::Growing => "growing with the time waited",
        }
    }

    /// Returns the wait after a failure; `None` to stop.
    pub(crate) fn wait(self, retries: &mut Retries, failure: &Failure) -> Option<Duration> {
        let Failure { left, random, .. } = *failure;
        let again = if failure.is_fault { Again::Faulty } else { Again::Throttled };
        let doubled = |first: Duration| first.saturating_mul(2u32.saturating_pow(failure.number - 1));
        match self {
            Self::Envconf => retries.after(again, left, random),
            Self::NoJitter => retries.after(again, left, 1.0),
            Self::Guide => Some(doubled(Duration::from_millis(100))).filter(|wait| *wait + LAST_TRY <= left),
            Self::SdkRetryer => (failure.number <= 3).then(|| doubled(Duration::from_secs(1))),
            Self::SdkDefault => None,
            Self::Growing if failure.is_fault => retries.after(again, left, random),
            Self::Growing => {
                let longest = failure.deadline / 8 + failure.deadline.saturating_sub(left);
                Some(longest.min(left.checked_sub(LAST_TRY)? / 2).mul_f64(random))
            }
        }
    }
}
