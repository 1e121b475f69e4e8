//! The tables of docs/fleets.md, docs/vault-errors.md and docs/aws-errors.md.

use std::fmt::Write as _;
use std::time::Duration;

use crate::limiter::Limiter;
use crate::policy::Policy;
use crate::simulation::{Fleet, Outcome};

const SEED: u64 = 1;

const SIZES: [u32; 4] = [100, 1_000, 10_000, 100_000];

impl Fleet {
    /// Returns a fleet of this size with a quota of 300 calls per second and a suitable deadline.
    pub fn suited(processes: u32, policy: Policy) -> Self {
        Self::against(300, processes, policy)
    }

    /// Returns a fleet with a suitable deadline: three times the time that the quota needs after the first second.
    pub fn against(quota: u32, processes: u32, policy: Policy) -> Self {
        let beyond = f64::from(processes.saturating_sub(quota)) / f64::from(quota);
        Self {
            processes,
            quota,
            limiter: Limiter::Window,
            deadline: Duration::from_secs_f64((3.0 * beyond).max(1.0)),
            away: Duration::ZERO,
            restarts: false,
            policy,
            seed: SEED,
        }
    }

    /// Returns the fleet with another deadline.
    pub fn within(self, seconds: u64) -> Self {
        Self { deadline: Duration::from_secs(seconds), ..self }
    }
}

/// Returns the table of docs/vault-errors.md: fleets with the quota of an operator, here 100 calls per second.
pub fn vault_table() -> String {
    table([100, 1_000, 2_000, 10_000].map(|size| Fleet::against(100, size, Policy::Envconf)))
}

/// Returns the table of docs/aws-errors.md: fleets with the smallest quota of an AWS region, mostly with the default
/// deadline.
pub fn aws_table() -> String {
    let ours = |processes| Fleet::against(5_500, processes, Policy::Envconf);
    let default = [1_000, 10_000, 20_000, 30_000].map(|processes| ours(processes).within(10));
    table(default.into_iter().chain([ours(100_000)]))
}

/// Returns all tables, as Markdown.
pub fn tables() -> String {
    let ours = |processes| Fleet::suited(processes, Policy::Envconf);
    let mut text = String::new();
    text += "Fleets of several sizes, each with the deadline that suits it:\n\n";
    text += &table(SIZES.iter().flat_map(|size| Policy::ALL.map(|policy| Fleet::suited(*size, policy))));
    text += "\nThe default deadline:\n\n";
    text += &table([400, 600, 1_000, 1_300, 2_000, 2_400, 3_000].map(|size| ours(size).within(10)));
    text += "\n10,000 processes with other deadlines:\n\n";
    let deadlines = [10, 30, 40, 50, 60, 75, 100, 120, 200, 300];
    text += &table(deadlines.map(|seconds| ours(10_000).within(seconds)));
    text += "\nA service that counts in another way, and half the quota:\n\n";
    let limiters = [Limiter::Bucket, Limiter::ChargedBucket, Limiter::LastSecond];
    let counted = |limiter| SIZES[1..].iter().map(move |size| Fleet { limiter, ..ours(*size) });
    let short = limiters[1..].iter().map(|limiter| Fleet { limiter: *limiter, ..ours(10_000).within(60) });
    let halved = [Fleet::against(150, 10_000, Policy::Envconf)];
    text += &table(limiters.into_iter().flat_map(counted).chain(short).chain(halved));
    text += "\nThe service does not answer when the first process starts:\n\n";
    let away = |seconds| Fleet { away: Duration::from_secs(seconds), ..ours(10_000) };
    let policies = Policy::ALL.map(|policy| Fleet { policy, ..away(5) });
    text += &table(policies.into_iter().chain([away(30), Fleet { processes: 1_000, ..away(5).within(10) }]));
    text += "\nA supervisor restarts those that gave up: after 10 s, then twice as long each time, at most 5 min:\n\n";
    let restarted = |fleet| Fleet { restarts: true, ..fleet };
    let deadlines = [10, 20, 30].map(|seconds| restarted(ours(10_000).within(seconds)));
    let policies = Policy::ALL[1..].iter().map(|policy| restarted(Fleet::suited(10_000, *policy)));
    text += &table(deadlines.into_iter().chain(policies));
    text += "\nA rejected policy: waits that grow with the time that a process has waited:\n\n";
    let growing = Fleet { policy: Policy::Growing, ..ours(10_000) };
    let deadlines = [42, 60, 100, 300].map(|seconds| growing.within(seconds));
    let default = [400, 1_000, 2_400].map(|processes| Fleet { processes, ..growing.within(10) });
    let counted =
        [80, 100].map(|seconds| Fleet { limiter: Limiter::ChargedBucket, ..growing.within(seconds) });
    text + &table(default.into_iter().chain(deadlines).chain(counted))
}

fn table(fleets: impl IntoIterator<Item = Fleet>) -> String {
    let mut text = "| processes | quota | deadline | policy | up | gave up | all up after | of the bound | refused per success | worst start |\n\
                    |--:|--:|--:|---|--:|--:|--:|--:|--:|--:|\n"
        .to_owned();
    text.extend(fleets.into_iter().map(|fleet| row(&fleet)));
    text
}

fn row(fleet: &Fleet) -> String {
    let outcome = fleet.run();
    let mut row = String::new();
    let (processes, quota, up) = (fleet.processes, fleet.quota, outcome.up.len());
    let _ = write!(row, "| {processes} | {quota}/s | {:.0} s ", fleet.deadline.as_secs_f64());
    let conditions = conditions(fleet, &outcome);
    let _ = write!(row, "| {}{conditions} | {up} | {} ", fleet.policy.name(), outcome.gave_up);
    // If a process did not start, "all up" has no time.
    let _ = match up == processes as usize {
        true => write!(row, "| {:.1} s | {:.2} ", outcome.all_up(), outcome.all_up() / fleet.bound()),
        false => write!(row, "| – | – "),
    };
    let _ = writeln!(row, "| {:.1} | {:.1} s |", outcome.refused_per_success(), outcome.worst_start);
    row
}

/// Describes the parameters that differ from the usual ones.
fn conditions(fleet: &Fleet, outcome: &Outcome) -> String {
    let mut text = String::new();
    if fleet.limiter != Limiter::Window {
        let _ = write!(text, "; counts: {}", fleet.limiter.name());
    }
    if !fleet.away.is_zero() {
        let calls = f64::from(outcome.faults) / f64::from(fleet.processes);
        let _ = write!(text, "; no answer for {} s, {calls:.1} failed calls each", fleet.away.as_secs());
    }
    text
}
