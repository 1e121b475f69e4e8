//! The worker thread, which sends all requests to key services, and the sharing of equal requests (api.md §3,
//! "Threads").
//!
//! The thread starts at the first request and ends when it is idle. It has its own current-thread runtime and the only
//! HTTP clients. So envconf needs no runtime of the caller, and does not block one: a caller awaits a channel or parks.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::task::{Context as TaskContext, Poll, Wake, Waker};
use std::time::Duration;

use futures_channel::oneshot;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::KmsError;
use super::deadline::{Deadline, Patience};
use crate::base::stack_wipe;
use crate::envelope::DataKey;

/// Time from the last job to the end of the thread.
const IDLE: Duration = Duration::from_secs(10);

/// The error of a job without a result: the thread could not be started, or the job panicked.
#[derive(Debug)]
pub(crate) struct Gone;

struct Worker {
    handle: Handle,
    jobs: watch::Sender<usize>,
    number: u64,
    /// The id of the process that started the thread. A forked child has the parent's memory without its threads.
    process: u32,
}

static WORKER: Mutex<Option<Worker>> = Mutex::new(None);
static STARTED: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static ON_WORKER: Cell<bool> = const { Cell::new(false) };
}

/// Runs `job` on the worker thread. Dropping the returned future drops the job.
pub(crate) async fn run<T: Send + 'static>(job: impl Future<Output = T> + Send + 'static) -> Result<T, Gone> {
    let (mut done, result) = oneshot::channel();
    let started = start(async move {
        let abandoned = std::future::poll_fn(|cx| done.poll_canceled(cx));
        // Wipe the stack before the result is sent: when the caller continues, no secret may be left there.
        let job = std::pin::pin!(stack_wipe::wiped(job));
        let abandoned = std::pin::pin!(abandoned);
        if let Some(result) = first_of(job, abandoned).await {
            // Sending fails if the caller has just dropped its future. Then nobody needs the result.
            let _ = done.send(result);
        }
    });
    if !started {
        return Err(Gone);
    }
    result.await.map_err(|_| Gone)
}

/// Returns the job's result; `None` if `abandoned` is ready first.
pub(crate) async fn first_of<T>(
    mut job: std::pin::Pin<&mut impl Future<Output = T>>,
    mut abandoned: std::pin::Pin<&mut impl Future<Output = ()>>,
) -> Option<T> {
    std::future::poll_fn(|cx| {
        if let Poll::Ready(result) = job.as_mut().poll(cx) {
            return Poll::Ready(Some(result));
        }
        abandoned.as_mut().poll(cx).map(|()| None)
    })
    .await
}

/// Passes `job` to the worker thread, and starts the thread if necessary.
///
/// A job may itself load a configuration and block for it. It would then wait for its own thread, so a job that comes
/// from the worker runs on a separate thread.
fn start(job: impl Future<Output = ()> + Send + 'static) -> bool {
    if ON_WORKER.get() {
        return spawn_thread().is_some_and(|worker| worker.spawn(job));
    }
    let mut worker = WORKER.lock().unwrap_or_else(PoisonError::into_inner);
    let alive = worker.take().filter(|worker| worker.process == std::process::id());
    match alive.or_else(spawn_thread) {
        Some(alive) => worker.insert(alive).spawn(job),
        None => false,
    }
}

impl Worker {
    fn spawn(&self, job: impl Future<Output = ()> + Send + 'static) -> bool {
        struct Running(watch::Sender<usize>);
        impl Drop for Running {
            fn drop(&mut self) {
                self.0.send_modify(|jobs| *jobs -= 1);
            }
        }
        self.jobs.send_modify(|jobs| *jobs += 1);
        let running = Running(self.jobs.clone());
        self.handle.spawn(async move {
            let _running = running;
            job.await;
        });
        true
    }
}

/// The worker's runtime. If its thread cannot be started, the caller drops the runtime, perhaps within another runtime.
/// There, the normal drop would panic, because it waits for the runtime's threads.
struct Runtime(Option<tokio::runtime::Runtime>);

impl Drop for Runtime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

fn spawn_thread() -> Option<Worker> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    let (jobs, mut count) = watch::channel(0);
    let number = STARTED.fetch_add(1, Ordering::Relaxed);
    let worker = Worker { handle: runtime.handle().clone(), jobs, number, process: std::process::id() };
    let runtime = Runtime(Some(runtime));
    let serve = move || {
        ON_WORKER.set(true);
        let Some(runtime) = &runtime.0 else { return };
        runtime.block_on(async {
            loop {
                // WORKER and every job hold a sender. Without senders there will be no more jobs.
                let Ok(_) = count.wait_for(|jobs| *jobs == 0).await else { return };
                let waited = tokio::time::timeout(IDLE, count.wait_for(|jobs| *jobs > 0)).await;
                let (is_over, is_idle) = (matches!(waited, Ok(Err(_))), waited.is_err());
                drop(waited);
                if is_over || is_idle && retire(number, &count) {
                    return;
                }
            }
        });
    };
    std::thread::Builder::new().name("envconf".into()).spawn(serve).ok()?;
    Some(worker)
}

/// Removes the idle worker; returns false if a job has arrived.
fn retire(number: u64, count: &watch::Receiver<usize>) -> bool {
    let mut worker = WORKER.lock().unwrap_or_else(PoisonError::into_inner);
    let idle = *count.borrow() == 0;
    if idle && worker.as_ref().is_some_and(|worker| worker.number == number) {
        *worker = None;
    }
    idle
}

/// Blocks this thread until `future` is ready, and wipes the stack. It only parks the thread, so it works with and
/// without a runtime.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    struct Signal(Mutex<bool>, Condvar);
    impl Wake for Signal {
        fn wake(self: Arc<Self>) {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
            self.1.notify_one();
        }
    }
    let signal = Arc::new(Signal(Mutex::new(false), Condvar::new()));
    let waker = Waker::from(signal.clone());
    let mut future = std::pin::pin!(stack_wipe::wiped(future));
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut TaskContext::from_waker(&waker)) {
            return output;
        }
        let woken = signal.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut woken = signal.1.wait_while(woken, |woken| !*woken).unwrap_or_else(PoisonError::into_inner);
        *woken = false;
    }
}

/// Waits on the worker thread, so that the caller needs no timer.
pub(crate) async fn sleep(duration: Duration) {
    // If the worker cannot be started, the caller continues at once.
    let _ = run(async move { tokio::time::sleep(duration).await }).await;
}

type UnwrapOutcome = Option<Result<DataKey, KmsError>>;

/// The id of an unwrap request: a hash of service, key, wrapped key and context.
pub(crate) type FlightId = [u8; 32];

/// An unwrap request that is running, and that its callers share.
struct Flight {
    id: FlightId,
    deadline: Arc<Deadline>,
    outcome: watch::Receiver<UnwrapOutcome>,
    task: tokio::task::AbortHandle,
}

impl Drop for Flight {
    /// Cancels the request and removes it, because its last caller is gone.
    fn drop(&mut self) {
        self.task.abort();
        let mut flights = FLIGHTS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flights) = flights.as_mut()
            && flights.get(&self.id).is_some_and(|flight| flight.strong_count() == 0)
        {
            flights.remove(&self.id);
        }
    }
}

static FLIGHTS: Mutex<Option<HashMap<FlightId, Weak<Flight>>>> = Mutex::new(None);

/// Joins the running unwrap request `id`, or starts it with `unwrap`, and waits until the deadline of `patience`. Call
/// this on the worker thread only.
///
/// All callers share the request. It continues if one of them is dropped, is cancelled with the last one, and has the
/// longest of their deadlines.
pub(crate) async fn share<F>(
    id: FlightId,
    patience: Patience,
    unwrap: impl Fn() -> F,
) -> Result<DataKey, KmsError>
where
    F: Future<Output = Result<DataKey, KmsError>> + Send + 'static,
{
    loop {
        let (flight, is_mine) = join(id, patience, &unwrap);
        let mut outcome = flight.outcome.clone();
        let outcome = tokio::time::timeout_at(patience.until.into(), outcome.wait_for(Option::is_some)).await;
        match outcome.map(|outcome| outcome.map(|outcome| outcome.clone())) {
            Err(_) => return Err(flight.deadline.late()),
            Ok(Ok(Some(outcome))) => return outcome,
            // The request panicked, or the thread that started it has ended. If another caller started the request,
            // start it again from here.
            _ if is_mine => return Err(KmsError::other("the key service's code panicked")),
            _ => drop(flight),
        }
    }
}

fn join<F>(id: FlightId, patience: Patience, unwrap: impl Fn() -> F) -> (Arc<Flight>, bool)
where
    F: Future<Output = Result<DataKey, KmsError>> + Send + 'static,
{
    let mut guard = FLIGHTS.lock().unwrap_or_else(PoisonError::into_inner);
    let flights = guard.get_or_insert_default();
    let under_way = flights.get(&id).and_then(Weak::upgrade);
    if let Some(flight) = under_way {
        if flight.outcome.has_changed().is_ok() || flight.outcome.borrow().is_some() {
            flight.deadline.extend(patience);
            return (flight, false);
        }
        // The task has ended without an outcome. Unlock before dropping the flight, because its `Drop` locks too.
        flights.remove(&id);
        drop(guard);
        drop(flight);
        return join(id, patience, unwrap);
    }
    let (sender, outcome) = watch::channel(None);
    let deadline = Deadline::at(patience);
    let request = deadline.clone().scope(unwrap());
    let task = tokio::spawn(async move {
        let result = stack_wipe::wiped(request).await;
        sender.send_replace(Some(result));
    });
    let flight = Arc::new(Flight { id, deadline, outcome, task: task.abort_handle() });
    flights.insert(id, Arc::downgrade(&flight));
    (flight, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_can_be_dropped_within_another_runtime() {
        let build = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        build().block_on(async { drop(Runtime(Some(build()))) });
    }
}
