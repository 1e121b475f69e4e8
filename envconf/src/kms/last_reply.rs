//! The metadata of the last reply of a key service, which only a diagnosis records.

use std::cell::RefCell;
use std::time::Duration;

/// The metadata of the last reply.
#[derive(Clone, Debug)]
#[cfg_attr(not(feature = "tools"), expect(dead_code, reason = "only a diagnosis reads it"))]
pub(crate) struct LastReply {
    /// The service's name for the request.
    pub(crate) action: &'static str,
    /// The id of a successful request; the error has the id of a failed one.
    pub(crate) request_id: Option<String>,
    /// Seconds that the service's clock is ahead of this machine's clock; `None` if the reply has no time.
    pub(crate) clock: Option<i64>,
    /// The time from the request to the end of its reply.
    pub(crate) took: Duration,
    /// The number of replies, this one included.
    pub(crate) answers: u32,
}

tokio::task_local! {
    static LAST: RefCell<Option<LastReply>>;
}

/// Runs `job`, and returns its result with the metadata of the last reply during the job.
#[cfg(feature = "tools")]
pub(crate) async fn listen<T>(job: impl Future<Output = T>) -> (T, Option<LastReply>) {
    let listening = async {
        let result = job.await;
        (result, LAST.with(RefCell::take))
    };
    LAST.scope(RefCell::default(), listening).await
}

/// Records the metadata of a reply.
#[cfg(feature = "__http")]
pub(crate) fn record(action: &'static str, request_id: Option<&str>, clock: Option<i64>, took: Duration) {
    let request_id = request_id.filter(|id| super::is_request_id(id)).map(str::to_owned);
    let replace = |last: &RefCell<Option<LastReply>>| {
        let answers = last.borrow().as_ref().map_or(0, |last| last.answers) + 1;
        last.replace(Some(LastReply { action, request_id, clock, took, answers }));
    };
    // Outside of `listen` there is nothing to record into.
    let _ = LAST.try_with(replace);
}
