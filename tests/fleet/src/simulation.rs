//! One fleet that starts within one second: who gets through, when, and after how many refusals.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use envconf::__vectors::retry::Retries;

use crate::limiter::{Limiter, Quota};
use crate::policy::{Failure, Policy};
use crate::random::Random;

/// How long a request is on its way, there or back, in seconds.
const WAY: (f64, f64) = (0.0025, 0.025);
/// Within how many seconds all processes start.
const STARTS_WITHIN: f64 = 1.0;
/// When a supervisor starts a process again that gave up, in seconds: so long after, then twice as long each time, up to
/// the most. These are the numbers of Kubernetes.
const RESTARTS_AFTER: (f64, f64) = (10.0, 300.0);

/// The parameters of a simulation.
#[derive(Clone, Copy, Debug)]
pub struct Fleet {
    /// Processes, each of which makes one call that must succeed.
    pub processes: u32,
    /// Calls a second that the service lets through.
    pub quota: u32,
    /// How the service counts them.
    pub limiter: Limiter,
    /// The deadline of each process for its call, all tries together.
    pub deadline: Duration,
    /// For so long, from the first start on, the service is away: every call fails.
    pub away: Duration,
    /// True if a supervisor starts those again that give up.
    pub restarts: bool,
    /// The reaction of each process to a failed call.
    pub policy: Policy,
    /// Seed of the random numbers.
    pub seed: u64,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// When each process was up, in seconds from the first start on, ascending.
    pub up: Vec<f64>,
    /// How often a process gave up.
    pub gave_up: u32,
    /// Refused calls of all processes.
    pub refused: u32,
    /// Calls of all processes while the service was away.
    pub faults: u32,
    /// The longest start, in seconds, of those that are up.
    pub worst_start: f64,
}

impl Outcome {
    /// When the last was up, in seconds.
    pub fn all_up(&self) -> f64 {
        self.up.last().copied().unwrap_or_default()
    }

    /// Refused calls for each that succeeded.
    pub fn refused_per_success(&self) -> f64 {
        f64::from(self.refused) / self.up.len().max(1) as f64
    }
}

struct Process {
    /// At first, and by the supervisor the last time.
    first_started: f64,
    started: f64,
    retries: Retries,
    failures: u32,
    restarts: i32,
}

impl Process {
    fn new(started: f64, deadline: Duration) -> Self {
        Self { first_started: started, started, retries: Retries::within(deadline), failures: 0, restarts: 0 }
    }

    /// Started again by the supervisor.
    fn restart(&mut self, gave_up: f64, deadline: Duration) {
        let pause = (RESTARTS_AFTER.0 * 2f64.powi(self.restarts)).min(RESTARTS_AFTER.1);
        let (first_started, restarts) = (self.first_started, self.restarts + 1);
        *self = Self { first_started, restarts, ..Self::new(gave_up + pause, deadline) };
    }
}

impl Fleet {
    /// The time, in seconds, within which the quota lets all of them through at best, from when the service is there;
    /// they need a second to start.
    pub fn bound(&self) -> f64 {
        let quota = f64::from(self.processes) / f64::from(self.quota);
        (self.away.as_secs_f64() + quota).max(STARTS_WITHIN)
    }

    /// Runs it to its end.
    pub fn run(&self) -> Outcome {
        let mut random = Random::new(self.seed);
        let mut quota = Quota::new(self.limiter, self.quota.into());
        let start = |_| Process::new(random.between(0.0, STARTS_WITHIN), self.deadline);
        let mut processes: Vec<_> = (0..self.processes).map(start).collect();
        // Requests by the time at which they reach the service.
        let mut requests: BinaryHeap<_> = processes
            .iter()
            .enumerate()
            .map(|(at, process)| Reverse((nanoseconds(process.started + random.between(WAY.0, WAY.1)), at)))
            .collect();
        let mut outcome = Outcome { up: Vec::new(), gave_up: 0, refused: 0, faults: 0, worst_start: 0.0 };
        while let Some(Reverse((time, at))) = requests.pop() {
            let arrives = time as f64 / 1e9;
            let answered = arrives + random.between(WAY.0, WAY.1);
            let process = &mut processes[at];
            let is_fault = arrives < self.away.as_secs_f64();
            if !is_fault && quota.admits(arrives) {
                outcome.up.push(answered);
                outcome.worst_start = outcome.worst_start.max(answered - process.first_started);
                continue;
            }
            *(if is_fault { &mut outcome.faults } else { &mut outcome.refused }) += 1;
            process.failures += 1;
            let failure = Failure {
                is_fault,
                number: process.failures,
                deadline: self.deadline,
                left: self.deadline.saturating_sub(Duration::from_secs_f64(answered - process.started)),
                random: random.fraction(),
            };
            let sent = match self.policy.wait(&mut process.retries, &failure) {
                Some(wait) => answered + wait.as_secs_f64(),
                None => {
                    outcome.gave_up += 1;
                    if !self.restarts {
                        continue;
                    }
                    process.restart(answered, self.deadline);
                    process.started
                }
            };
            requests.push(Reverse((nanoseconds(sent + random.between(WAY.0, WAY.1)), at)));
        }
        outcome.up.sort_by(f64::total_cmp);
        outcome
    }
}

fn nanoseconds(seconds: f64) -> u64 {
    (seconds * 1e9) as u64
}
