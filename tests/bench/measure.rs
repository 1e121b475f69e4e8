//! Races and their table. Contestants run alternately in rounds, so that changes in the speed of the machine affect
//! all of them.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// Keeps the allocator from returning memory to the system and requesting it again between runs, which can double the
/// time of a load. After glibc has freed one large block, it keeps blocks of that size.
pub(crate) fn steady_heap() {
    drop(black_box(vec![1u8; 16 << 20]));
}

/// A function that runs once, and returns the measured time.
pub(crate) type Contestant<'a> = Box<dyn FnMut() -> Duration + 'a>;

/// Time for which a contestant runs in one round, if a single run is shorter.
const TURN: Duration = Duration::from_millis(2);
/// Minimum number of rounds.
const MIN_ROUNDS: usize = 5;

/// Returns a contestant that is measured completely, including the drop of its result, because wiping takes time.
pub(crate) fn whole<'a, T>(mut run: impl FnMut() -> T + 'a) -> Contestant<'a> {
    Box::new(move || {
        let started = Instant::now();
        drop(black_box(run()));
        started.elapsed()
    })
}

/// Returns a contestant that consumes an input. `prepare` creates the input again and is not measured.
pub(crate) fn prepared<'a, S, T>(
    mut state: S,
    mut prepare: impl FnMut(&mut S) + 'a,
    mut run: impl FnMut(&mut S) -> T + 'a,
) -> Contestant<'a>
where
    S: 'a,
{
    Box::new(move || {
        prepare(&mut state);
        let started = Instant::now();
        drop(black_box(run(black_box(&mut state))));
        started.elapsed()
    })
}

/// The seconds per run of each contestant, by round.
pub(crate) struct Race<const N: usize>(Vec<[f64; N]>);

/// Runs the contestants alternately for about `time`. Each round begins with another contestant.
pub(crate) fn race<const N: usize>(time: Duration, mut contestants: [Contestant<'_>; N]) -> Race<N> {
    let runs = contestants.each_mut().map(|contestant| {
        contestant();
        let once = contestant().as_nanos().max(1);
        (TURN.as_nanos() / once).clamp(1, 10_000) as u32
    });
    let mut rounds: Vec<[f64; N]> = Vec::new();
    let started = Instant::now();
    while started.elapsed() < time || rounds.len() < MIN_ROUNDS {
        let mut round = [0.0; N];
        for turn in 0..N {
            let at = (turn + rounds.len()) % N;
            let took: Duration = (0..runs[at]).map(|_| contestants[at]()).sum();
            round[at] = took.as_secs_f64() / f64::from(runs[at]);
        }
        rounds.push(round);
    }
    Race(rounds)
}

impl<const N: usize> Race<N> {
    /// Returns the median of `of` over the rounds.
    fn median(&self, of: impl Fn(&[f64; N]) -> f64) -> f64 {
        let mut values: Vec<f64> = self.0.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    }

    /// Prints the line that compares `ours` with `theirs`. The ratio is the median of all rounds.
    pub(crate) fn compare(
        &self,
        name: &str,
        ours: impl Fn(&[f64; N]) -> f64,
        beside: &str,
        theirs: impl Fn(&[f64; N]) -> f64,
        aim: Aim,
    ) {
        let ratio = self.median(|round| ours(round) / theirs(round));
        let (verdict, aim) = match aim {
            Aim::None => ("", String::new()),
            Aim::Within(most) if ratio <= most => ("met", format!("<= {most:.2}")),
            Aim::Within(most) => ("NOT MET", format!("<= {most:.2}")),
            Aim::Faster if ratio < 1.0 => ("met", "< 1".into()),
            Aim::Faster => ("NOT MET", "< 1".into()),
            Aim::Longer(most) => {
                let longer = self.median(|round| ours(round) - theirs(round));
                (if longer <= most { "met" } else { "NOT MET" }, format!("<= +{:.0} ms", most * 1e3))
            }
        };
        let (ours, theirs) = (time(self.median(&ours)), time(self.median(&theirs)));
        println!("{name:38} {ours:>10}   {beside:38} {theirs:>10}   {ratio:6.2}  {aim:>8}  {verdict}");
    }
}

/// The aim for a ratio.
pub(crate) enum Aim {
    /// The ratio must be at most this.
    Within(f64),
    /// The ratio must be below 1.
    Faster,
    /// `ours` may take at most this many seconds longer. The ratio does not matter.
    Longer(f64),
    /// There is no aim: the line is only a comparison.
    None,
}

pub(crate) fn print_head() {
    println!("{:38} {:>10}   {:38} {:>10}   {:>6}  {:>8}", "envconf", "", "beside", "", "ratio", "aim");
}

fn time(seconds: f64) -> String {
    match seconds {
        s if s < 1e-3 => format!("{:.1} us", s * 1e6),
        s if s < 1.0 => format!("{:.2} ms", s * 1e3),
        s => format!("{s:.2} s"),
    }
}
