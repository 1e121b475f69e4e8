//! What a client does after it was refused because of too many requests.

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
}

impl Policy {
    /// All of them, ours first.
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
        }
    }

    /// The wait after a refusal with `left` until the deadline; `None`: give up. `refusals` counts this one too.
    pub(crate) fn wait(
        self,
        retries: &mut Retries,
        refusals: u32,
        left: Duration,
        random: f64,
    ) -> Option<Duration> {
        let doubled = |first: Duration| first.saturating_mul(2u32.saturating_pow(refusals - 1));
        match self {
            Self::Envconf => retries.after(Again::UntilDeadline, left, random),
            Self::NoJitter => retries.after(Again::UntilDeadline, left, 1.0),
            Self::Guide => Some(doubled(Duration::from_millis(100))).filter(|wait| *wait + LAST_TRY <= left),
            Self::SdkRetryer => (refusals <= 3).then(|| doubled(Duration::from_secs(1))),
            Self::SdkDefault => None,
        }
    }
}
