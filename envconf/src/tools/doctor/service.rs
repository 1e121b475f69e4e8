//! The checks of a key service: the connection, the requests of a load or a seal, its clock and its latency.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::base::{Fault, KeyRef, Kind, key_ref};
use crate::envelope::DataKey;
use crate::format::{Id, Suite};
use crate::kms::{
    Context, Deadline, KeyServices, Kms, KmsError, LastReply, Patience, State, Step, WrappedKey, last_reply,
};
use crate::pair::Policy;
use crate::pair::wrapping::on_worker;

const RIGHTS: &str = "rights";
/// Time limit for all connection steps of a service; every step has a shorter limit.
const CONNECTION_LIMIT: Duration = Duration::from_secs(30);
/// Clock difference in seconds beyond which services reject requests.
const CLOCK_REJECTED: u64 = 300;
/// Clock difference in seconds beyond which the step is a note.
const CLOCK_NOTED: u64 = 30;
const SLOW: Duration = Duration::from_secs(1);

/// Checks the connection to the service of `key`. Sends no request about the key.
pub(super) async fn connect(kms: Option<Arc<dyn Kms>>, key: &KeyRef) -> Vec<Step> {
    let Some(kms) = kms else {
        let error = KmsError::other("this build has no such key service").advise(
            "check the spelling of the key reference, or build with the crate feature of this provider",
        );
        return vec![Step::fault("endpoint", &error).of(key)];
    };
    let owned = key.clone();
    let looked = on_worker(async move {
        Deadline::at(Patience::until(Instant::now() + CONNECTION_LIMIT))
            .run(async { Ok(kms.diagnose(&owned).await) })
            .await
    });
    let steps = looked.await.unwrap_or_else(|error| vec![Step::fault("endpoint", &error)]);
    steps.into_iter().map(|step| step.of(key)).collect()
}

/// Checks the connection, and sends the request for the data key, as a load does.
pub(super) async fn unwrap(
    kms: Arc<dyn Kms>,
    key: &KeyRef,
    wrapped: WrappedKey,
    context: &Context,
    limit: Duration,
) -> (Vec<Step>, Option<DataKey>) {
    let mut steps = connect(Some(kms.clone()), key).await;
    if let Some(step) = skipped(&steps) {
        steps.push(step);
        return (steps, None);
    }
    let started = Instant::now();
    let (key, context) = (key.clone(), context.clone());
    let (result, heard) = ask(limit, async move { kms.unwrap(&key, &wrapped, &context).await }).await;
    let took = started.elapsed();
    match (&heard, &result) {
        (Some(heard), _) => steps.push(clock(heard.clock)),
        (None, Err(_)) => steps.push(Step::new("clock", State::Skipped, "no reply with a time")),
        (None, Ok(_)) => {}
    }
    steps.push(rights(result.as_ref().err(), heard.as_ref(), "the key unwraps the data key").took(took));
    if let (Ok(_), Some(heard)) = (&result, &heard) {
        let latency = latency(&steps, heard);
        steps.push(latency);
    }
    (steps, result.ok())
}

/// Asks the services of `keys` to wrap a data key, which is discarded. The first service generates it, as for a seal.
/// Does not check the connection again for the keys that were `asked` before.
pub(super) async fn wrap(
    keys: &[KeyRef],
    asked: &[KeyRef],
    policy: &Policy,
    services: &KeyServices,
) -> Vec<Step> {
    let context = Context::new(&policy.name, &policy.environment, Id::new([0; 8]));
    let mut steps = Vec::new();
    let remote = keys.iter().filter(|key| key.provider() != key_ref::LOCAL_PROVIDER);
    for (number, key) in remote.enumerate() {
        let kms = services.provider(key.provider());
        let known = asked.contains(key);
        let on_the_way = if known && kms.is_some() { Vec::new() } else { connect(kms.clone(), key).await };
        let blocked = skipped(&on_the_way);
        steps.extend(on_the_way);
        let Some(kms) = kms else { continue };
        if let Some(step) = blocked {
            steps.push(step.of(key));
            continue;
        }
        let started = Instant::now();
        let (owned, context) = (key.clone(), context.clone());
        let job = async move { wrap_once(&*kms, &owned, &context, number == 0).await };
        let (result, heard) = ask(services.time_limit(), job).await;
        let step = rights(result.err().as_ref(), heard.as_ref(), "the key wraps a data key");
        steps.push(step.took(started.elapsed()).of(key));
    }
    steps
}

async fn wrap_once(kms: &dyn Kms, key: &KeyRef, context: &Context, makes: bool) -> Result<(), KmsError> {
    let suite = Suite::Aes256Gcm;
    if makes && kms.generate(key, suite, context).await?.is_some() {
        return Ok(());
    }
    let dek = DataKey::generate(suite).map_err(|_| KmsError::other("no randomness"))?;
    kms.wrap(key, &dek, context).await.map(drop)
}

/// Runs a request on the worker within `limit`, and returns the result and the last reply.
async fn ask<T: Send + 'static>(
    limit: Duration,
    job: impl Future<Output = Result<T, KmsError>> + Send + 'static,
) -> (Result<T, KmsError>, Option<LastReply>) {
    let until = Instant::now() + limit;
    let listened =
        on_worker(async move { Ok(last_reply::listen(Deadline::at(Patience::until(until)).run(job)).await) });
    listened.await.unwrap_or_else(|error| (Err(error), None))
}

/// Returns a skipped step if a connection step failed.
fn skipped(way: &[Step]) -> Option<Step> {
    let failed = way.iter().find(|step| step.state() == State::Failed)?;
    Some(Step::new(RIGHTS, State::Skipped, format!("no request was sent, because {} failed", failed.name())))
}

fn rights(error: Option<&KmsError>, heard: Option<&LastReply>, else_say: &str) -> Step {
    match (error, heard) {
        (Some(error), _) => Step::fault(RIGHTS, error),
        (None, Some(LastReply { action, request_id: Some(id), .. })) => {
            Step::new(RIGHTS, State::Ok, format!("{action} is granted (request {id})"))
        }
        (None, Some(heard)) => Step::new(RIGHTS, State::Ok, format!("{} is granted", heard.action)),
        (None, None) => Step::new(RIGHTS, State::Ok, else_say),
    }
}

/// Compares the clocks. The clock of the service is `ahead` seconds ahead of this machine's.
fn clock(ahead: Option<i64>) -> Step {
    let step = |state, message: &str| Step::new("clock", state, message);
    let Some(ahead) = ahead else { return step(State::Skipped, "the reply has no time") };
    let off = ahead.unsigned_abs();
    let way = if ahead > 0 { "behind" } else { "ahead of" };
    let message = format!("{off} s {way} the clock of the service");
    if off <= 1 {
        step(State::Ok, "agrees with the clock of the service")
    } else if off <= CLOCK_NOTED {
        step(State::Ok, &message)
    } else if off <= CLOCK_REJECTED {
        step(State::Note, &message)
            .advise("synchronise the clock (NTP): services reject requests beyond 300 s")
    } else {
        step(State::Failed, &(message + ", so envconf signs requests with the time of the service"))
            .failed_as(Kind::UnwrapFailed, Some(Fault::Refused))
            .advise("synchronise the clock (NTP): each start causes one rejected request")
    }
}

fn latency(way: &[Step], heard: &LastReply) -> Step {
    let took = |name| way.iter().find(|step| step.name() == name).and_then(Step::duration);
    let millis = |duration: Duration| duration.as_millis();
    let mut message = format!("{} ms for the whole request", millis(heard.took));
    if let (Some(resolution), Some(tls)) = (took("resolution"), took("tls")) {
        let before = millis(resolution + tls);
        message += &format!("; name resolution, connection and TLS alone took {before} ms just before");
    }
    if heard.answers > 1 {
        message += &format!("; the last of {} replies", heard.answers);
    }
    match heard.took > SLOW {
        true => Step::new("latency", State::Note, message)
            .advise("every start waits for this request: use a nearer endpoint, and check proxies"),
        false => Step::new("latency", State::Ok, message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_of_the_clock_depends_on_its_difference() {
        for (ahead, state, says) in [
            (Some(0), State::Ok, "agrees"),
            (Some(-30), State::Ok, "30 s ahead of"),
            (Some(31), State::Note, "31 s behind"),
            (Some(-300), State::Note, "300 s ahead of"),
            (Some(301), State::Failed, "301 s behind"),
            (Some(i64::MIN), State::Failed, "ahead of"),
            (None, State::Skipped, "has no time"),
        ] {
            let step = clock(ahead);
            assert_eq!(step.state(), state, "{ahead:?}");
            assert!(step.message().contains(says), "{}", step.message());
            let exit = if state == State::Failed { 42 } else { 0 };
            assert_eq!(
                (step.exit_code(), step.advice().is_some()),
                (exit, ahead.is_some_and(|s| s.unsigned_abs() > 30))
            );
        }
    }

    #[test]
    fn a_step_names_the_request_and_its_duration() {
        let id = "7c2bd1a4-5f0e-4c8e-9a2b-0123456789ab";
        let took = Duration::from_millis(40);
        let mut heard =
            LastReply { action: "Decrypt", request_id: Some(id.into()), clock: None, took, answers: 1 };
        assert_eq!(rights(None, Some(&heard), "").message(), format!("Decrypt is granted (request {id})"));
        let way =
            [Step::new("resolution", State::Ok, "x").took(took), Step::new("tls", State::Ok, "x").took(took)];
        let step = latency(&way, &heard);
        assert_eq!(
            step.message(),
            "40 ms for the whole request; name resolution, connection and TLS alone took 80 ms just before"
        );
        (heard.took, heard.answers) = (Duration::from_secs(2), 3);
        let step = latency(&[], &heard);
        assert_eq!(
            (step.state(), step.message()),
            (State::Note, "2000 ms for the whole request; the last of 3 replies")
        );
    }
}
