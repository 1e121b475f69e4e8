//! Runs one verb for several pairs: all are handled and reported, and the exit code is that of the first failure.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use envconf::{Error, KeyServices, Kind};
use serde_json::{Value, json};

use super::global::Global;
use super::plain_file::same_file;
use super::target::Target;
use crate::output::{Output, error_report, hints};

/// Number of pairs at the same time. The threads mostly wait for key services.
const AT_ONCE: usize = 8;
/// Time after which the progress is shown.
const PATIENCE: Duration = Duration::from_secs(1);

/// A pair, the access to its keys, and the values that the verb has prepared for it.
pub(crate) struct BatchPair<P = ()> {
    pub(crate) target: Target,
    pub(crate) services: KeyServices,
    pub(crate) prepared: P,
}

/// The work of a verb on one pair, and its report.
pub(crate) trait Work: Sync {
    type Prepared: Send + Sync;
    type Done: Send;

    /// Reads the settings for one pair, before any pair is changed.
    ///
    /// # Errors
    /// [`Kind::Usage`] ends the command; any other error is the result of this pair.
    fn prepare(&self, target: &Target) -> Result<Self::Prepared, Error>;
    fn run(&self, subject: &BatchPair<Self::Prepared>) -> Result<Self::Done, Error>;
    fn as_text(&self, subject: &BatchPair<Self::Prepared>, done: &Self::Done) -> Vec<String>;
    /// Returns the fields of the pair's JSON object, which docs/json-output.md describes.
    fn as_json(&self, subject: &BatchPair<Self::Prepared>, done: &Self::Done) -> Value;

    /// Returns true if the text is the requested result, which goes to standard output.
    fn is_result(&self) -> bool {
        false
    }

    /// Returns the last line of the report, if there is one: the numbers of successes and failures.
    fn summary(&self, _succeeded: usize, _failed: usize) -> Option<String> {
        None
    }

    /// Returns true if it may ask on the terminal, so that pairs must be handled one after the other.
    fn asks(&self) -> bool {
        false
    }
}

/// Runs `work` for every one of `pairs`.
///
/// # Errors
/// [`Kind::Usage`] for settings and names, before any pair is handled. Errors of pairs are reported one by one.
pub(crate) fn run<W: Work>(
    work: &W,
    pairs: &[PathBuf],
    global: &Global,
    output: &Output,
) -> Result<ExitCode, Error> {
    let subjects = subjects(work, pairs, global, output)?;
    let results = all(work, &subjects, output);
    let mut code = ExitCode::SUCCESS;
    let mut reports = Vec::new();
    for ((text, subject), result) in subjects.into_iter().zip(results) {
        let result = match (subject, result) {
            (Err(error), _) => Err(error),
            (Ok(subject), Some(result)) => result.map(|done| (subject, done)),
            // Every subject was handled.
            (Ok(_), None) => continue,
        }
        .map_err(hints::with_options);
        match &result {
            Ok(_) if output.is_json() => {}
            Ok((subject, done)) => {
                for line in work.as_text(subject, done) {
                    if work.is_result() {
                        output.line(line)?;
                    } else {
                        output.say(line);
                    }
                }
            }
            Err(error) => {
                error_report::print(error, output);
                if code == ExitCode::SUCCESS {
                    code = ExitCode::from(error.exit_code());
                }
            }
        }
        let mut report = match &result {
            Ok((subject, done)) => work.as_json(subject, done),
            Err(error) => json!({ "error": error_report::as_json(error) }),
        };
        report["pair"] = text.to_string_lossy().into();
        report["ok"] = result.is_ok().into();
        reports.push(report);
    }
    let succeeded = reports.iter().filter(|report| report["ok"] == true).count();
    if output.is_json() {
        output.json(&json!({ "pairs": reports }))?;
    } else if let Some(summary) = work.summary(succeeded, reports.len() - succeeded) {
        output.say(summary);
    }
    Ok(code)
}

/// A pair as the user named it, with the result of resolving it.
type NamedPair<'a, P> = (&'a Path, Result<BatchPair<P>, Error>);

/// Returns the named pairs, each once. Pairs of one directory share the access to keys, so that a key command runs
/// once.
fn subjects<'a, W: Work>(
    work: &W,
    pairs: &'a [PathBuf],
    global: &Global,
    output: &Output,
) -> Result<Vec<NamedPair<'a, W::Prepared>>, Error> {
    let mut services: HashMap<PathBuf, KeyServices> = HashMap::new();
    let mut subjects: Vec<NamedPair<'a, W::Prepared>> = Vec::new();
    for text in pairs {
        let mut subject = || -> Result<_, Error> {
            let target = Target::resolve(text, global)?;
            let prepared = work.prepare(&target)?;
            let directory = target.pair.directory().to_owned();
            let services = match services.get(&directory) {
                Some(services) => services.clone(),
                None => services.entry(directory).or_insert(target.services(output)?).clone(),
            };
            Ok(BatchPair { target, services, prepared })
        };
        let subject = match subject() {
            Err(error) if error.kind() == Kind::Usage => return Err(error),
            subject => subject,
        };
        let is_same = |(_, known): &NamedPair<'_, _>| match (known, &subject) {
            (Ok(known), Ok(subject)) => {
                let (known, pair) = (&known.target.pair, &subject.target.pair);
                known == pair || same_file(known.enc(), pair.enc())
            }
            _ => false,
        };
        if !subjects.iter().any(is_same) {
            subjects.push((text, subject));
        }
    }
    Ok(subjects)
}

/// The place of a result.
type ResultCell<T> = Mutex<Option<Result<T, Error>>>;

/// Returns the results in the order of the subjects.
fn all<W: Work>(
    work: &W,
    subjects: &[NamedPair<'_, W::Prepared>],
    output: &Output,
) -> Vec<Option<Result<W::Done, Error>>> {
    let results: Vec<ResultCell<W::Done>> = subjects.iter().map(|_| Mutex::new(None)).collect();
    let at_once = if work.asks() { 1 } else { AT_ONCE.min(subjects.len()) };
    let next = AtomicUsize::new(0);
    let (done, finished) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            let (done, results, next) = (done.clone(), &results, &next);
            scope.spawn(move || {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some((_, subject)) = subjects.get(at) else { return };
                    if let Ok(subject) = subject {
                        let result = work.run(subject);
                        *results[at].lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
                    }
                    // The receiver waits until all senders are dropped.
                    let _ = done.send(());
                }
            });
        }
        drop(done);
        follow(&finished, subjects.len(), output);
    });
    results.into_iter().map(|result| result.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()
}

/// Shows the progress after some time.
fn follow(finished: &mpsc::Receiver<()>, of: usize, output: &Output) {
    let started = Instant::now();
    let mut done = 0;
    let mut shown = false;
    loop {
        match finished.recv_timeout(PATIENCE / 4) {
            Ok(()) => done += 1,
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
        }
        if of > 1 && started.elapsed() > PATIENCE {
            shown |= output.progress(done, of);
        }
    }
    if shown {
        output.end_progress();
    }
}
