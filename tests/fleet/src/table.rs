//! The tables of docs/tencent.md.

use std::fmt::Write as _;
use std::time::Duration;

use crate::limiter::Limiter;
use crate::policy::Policy;
use crate::simulation::Fleet;

const SEED: u64 = 1;

impl Fleet {
    /// So many processes against 300 calls a second, with the deadline that suits them: the bound and a quarter.
    pub fn suited(processes: u32, policy: Policy) -> Self {
        let fleet = Self {
            processes,
            quota: 300,
            limiter: Limiter::Window,
            deadline: Duration::ZERO,
            policy,
            seed: SEED,
        };
        Self { deadline: Duration::from_secs_f64(fleet.bound() * 1.25), ..fleet }
    }
}

/// All tables, as Markdown.
pub fn tables() -> String {
    let mut text = String::new();
    text += "Fleets of several sizes, each with the deadline that suits it:\n\n";
    let sizes = [100, 1_000, 10_000, 100_000];
    let fleets = sizes.iter().flat_map(|size| Policy::ALL.map(|policy| Fleet::suited(*size, policy)));
    text += &table(fleets);
    text += "\n10,000 processes with other deadlines:\n\n";
    let fleet = Fleet::suited(10_000, Policy::Envconf);
    let deadlines = [10, 20, 30, 40, 50, 60, 120, 300];
    text += &table(deadlines.map(|seconds| Fleet { deadline: Duration::from_secs(seconds), ..fleet }));
    text += "\nA service that counts otherwise (a bucket that fills evenly), and half the quota:\n\n";
    text +=
        &table(sizes.map(|size| Fleet { limiter: Limiter::Bucket, ..Fleet::suited(size, Policy::Envconf) }));
    let halved = Fleet { quota: 150, ..fleet };
    text += &row(&Fleet { deadline: Duration::from_secs_f64(halved.bound() * 1.25), ..halved });
    text
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
    let _ = write!(row, "| {} | {up} | {} ", fleet.policy.name(), outcome.gave_up);
    // Where somebody gave up, "all up" has no time.
    let _ = match outcome.gave_up {
        0 => write!(row, "| {:.1} s | {:.2} ", outcome.all_up(), outcome.all_up() / fleet.bound()),
        _ => write!(row, "| – | – "),
    };
    let _ = writeln!(row, "| {:.1} | {:.1} s |", outcome.refused_per_success(), outcome.worst_start);
    row
}
