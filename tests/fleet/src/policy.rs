//! The reaction of a client to a failed call.

use std::time::Duration;

use envconf::__vectors::retry::{Again, LAST_TRY, Retries};

/// The policies that are held against one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// This library's.
    Envconf,
    /// The same without randomness: everybody waits the longest.
    NoJitter,
    /// Tencent's guide to KMS: 100 ms, then twice as long each time, without randomness.
    Guide,
    /// The retryer of Tencent's Python SDK, where it is turned on: 3 more tries, after 1, 2 and 4 s.
    SdkRetryer,
    /// Every SDK of Tencent as it comes: no other try.
    SdkDefault,
    /// Not chosen: after a refusal a random time of at most an eighth of the deadline plus the time waited until now,
    /// but at most half of the time that is left.
    Growing,
}

/// The facts that a process knows after a failed call.
pub(crate) struct Failure {
    /// The service was away; else the call was refused because of too many requests.
    pub(crate) is_fault: bool,
    /// Which failure it is of this process, from 1 on.
    pub(crate) number: u32,
    pub(crate) deadline: Duration,
    /// Until the deadline.
    pub(crate) left: Duration,
    /// Between 0 and 1.
    pub(crate) random: f64,
}

impl Policy {
    /// Those that are shown beside one another, ours first.
    pub const ALL: [Self; 5] =
        [Self::Envconf, Self::NoJitter, Self::Guide, Self::SdkRetryer, Self::SdkDefault];

    /// As it stands in tables and plots.
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

    /// The wait after a failure; `None`: give up.
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
