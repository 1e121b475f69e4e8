//! The simulation of one fleet that starts within one second: the start times and the numbers of rejected calls.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use envconf::__vectors::retry::Retries;

use crate::limiter::{Limiter, Quota};
use crate::policy::{Failure, Policy};
use crate::random::Random;

/// Minimum and maximum latency of a request in one direction, in seconds.
const LATENCY: (f64, f64) = (0.0025, 0.025);
/// Time within which all processes start, in seconds.
const STARTS_WITHIN: f64 = 1.0;
/// First and maximum delay of a supervisor before it restarts a failed process, in seconds. The delay doubles each
/// time. These are the numbers of Kubernetes.
const RESTARTS_AFTER: (f64, f64) = (10.0, 300.0);

/// The parameters of a simulation.
#[derive(Clone, Copy, Debug)]
pub struct Fleet {
    /// Number of processes. Each makes one call that must succeed.
    pub processes: u32,
    /// Number of calls per second that the service allows.
    pub quota: u32,
    /// The way in which the service counts calls.
    pub limiter: Limiter,
    /// The deadline of each process for its call, including retries.
    pub deadline: Duration,
    /// Time from the first start in which the service is away and every call fails.
    pub away: Duration,
    /// True if a supervisor restarts failed processes.
    pub restarts: bool,
    /// The reaction of each process to a failed call.
    pub policy: Policy,
    /// The seed of the random numbers.
    pub seed: u64,
}

/// The result of a simulation.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The start times of all processes, in seconds from the first start, ascending.
    pub up: Vec<f64>,
    /// Number of times that a process failed.
    pub gave_up: u32,
    /// Number of rejected calls of all processes.
    pub refused: u32,
    /// Number of calls of all processes while the service was away.
    pub faults: u32,
    /// The longest start of a process, in seconds.
    pub worst_start: f64,
}

impl Outcome {
    /// Returns the time at which the last process had started, in seconds.
    pub fn all_up(&self) -> f64 {
        self.up.last().copied().unwrap_or_default()
    }

    /// Returns the number of rejected calls per successful call.
    pub fn refused_per_success(&self) -> f64 {
        f64::from(self.refused) / self.up.len().max(1) as f64
    }
}

struct Process {
    /// Times of the first start and of the last restart.
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

    /// Restarts the process, as a supervisor does.
    fn restart(&mut self, gave_up: f64, deadline: Duration) {
        let pause = (RESTARTS_AFTER.0 * 2f64.powi(self.restarts)).min(RESTARTS_AFTER.1);
        let (first_started, restarts) = (self.first_started, self.restarts + 1);
        *self = Self { first_started, restarts, ..Self::new(gave_up + pause, deadline) };
    }
}

impl Fleet {
    /// Returns the minimum time until the quota has allowed all calls, in seconds from the first start. It includes the
    /// time in which the service is away. It is at least the second in which the processes start.
    pub fn bound(&self) -> f64 {
        let quota = f64::from(self.processes) / f64::from(self.quota);
        (self.away.as_secs_f64() + quota).max(STARTS_WITHIN)
    }

    /// Runs the simulation to its end.
    pub fn run(&self) -> Outcome {
        let mut random = Random::new(self.seed);
        let mut quota = Quota::new(self.limiter, self.quota.into());
        let start = |_| Process::new(random.between(0.0, STARTS_WITHIN), self.deadline);
        let mut processes: Vec<_> = (0..self.processes).map(start).collect();
        // The requests are sorted by the time at which they reach the service.
        let mut requests: BinaryHeap<_> = processes
            .iter()
            .enumerate()
            .map(|(at, process)| {
                Reverse((nanoseconds(process.started + random.between(LATENCY.0, LATENCY.1)), at))
            })
            .collect();
        let mut outcome = Outcome { up: Vec::new(), gave_up: 0, refused: 0, faults: 0, worst_start: 0.0 };
        while let Some(Reverse((time, at))) = requests.pop() {
            let arrives = time as f64 / 1e9;
            let answered = arrives + random.between(LATENCY.0, LATENCY.1);
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
            requests.push(Reverse((nanoseconds(sent + random.between(LATENCY.0, LATENCY.1)), at)));
        }
        outcome.up.sort_by(f64::total_cmp);
        outcome
    }
}

fn nanoseconds(seconds: f64) -> u64 {
    (seconds * 1e9) as u64
}
