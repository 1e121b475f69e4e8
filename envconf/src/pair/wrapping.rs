//! Unwraps a data key with a trusted recipient (format.md §4, steps 8 and 9), and wraps a data key for all recipients.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::policy::{Policy, Trusted};
use super::trust_source;
use crate::base::{Attempt, Error, Fault, KeyRef, Kind, Remedy, key_ref, provider};
use crate::envelope::DataKey;
use crate::format::{Recipient, Section, Suite};
#[cfg(feature = "age")]
use crate::kms::{AgeIdentity, age};
use crate::kms::{Context, Deadline, KeyServices, Kms, KmsError, LocalKey, Patience, WrappedKey, worker};

/// A trusted recipient of a section, and how to unwrap with it.
pub(crate) struct Candidate {
    pub(crate) key: KeyRef,
    pub(crate) wrapped: WrappedKey,
    pub(crate) unwrapper: Unwrapper,
}

/// The means to unwrap with a candidate.
pub(crate) enum Unwrapper {
    Local(LocalKey),
    #[cfg(feature = "age")]
    Age(AgeIdentity),
    Service(Arc<dyn Kms>),
    /// A trusted local key or age identity that is not available, or a key service that this build does not have.
    Unavailable(KmsError),
}

/// Runs steps 8 and 9: returns the data key of `section`, and the first trusted recipient that could unwrap it.
///
/// # Errors
/// [`Kind::NoTrustedRecipient`] and [`Kind::SignatureRequired`] before any key service is asked;
/// [`Kind::UnwrapFailed`] with all failures; [`Kind::BadLocalKey`] and [`Kind::InsecureKeyFile`] for a local key that
/// cannot be used.
pub(crate) async fn unwrap(
    section: &Section,
    context: &Context,
    policy: &Policy,
    services: &KeyServices,
) -> Result<(DataKey, KeyRef), Error> {
    let candidates = candidates(section, policy, services).await?;
    let deadline = Instant::now() + services.time_limit();
    let mut attempts = Vec::new();
    let mut remote_left =
        candidates.iter().filter(|candidate| matches!(candidate.unwrapper, Unwrapper::Service(_))).count()
            as u32;
    let mut candidates = candidates.into_iter();
    while let Some(candidate) = candidates.next() {
        let started = Instant::now();
        let result = match candidate.unwrapper {
            Unwrapper::Local(key) => key.unwrap(&candidate.wrapped, context),
            #[cfg(feature = "age")]
            Unwrapper::Age(identity) => identity.unwrap(&candidate.wrapped, context),
            Unwrapper::Unavailable(error) => Err(error),
            Unwrapper::Service(kms) => {
                // The remaining keys share the remaining time, so that a key service that does not answer leaves time
                // for the next one.
                let limit = deadline.saturating_duration_since(started) / remote_left.max(1);
                remote_left = remote_left.saturating_sub(1);
                let has_alternative = candidates
                    .as_slice()
                    .iter()
                    .any(|other| !matches!(other.unwrapper, Unwrapper::Unavailable(_)));
                let patience = Patience { until: started + limit, has_alternative };
                ask(kms, candidate.key.clone(), candidate.wrapped, context.clone(), patience).await
            }
        };
        match result {
            Ok(dek) => return Ok((dek, candidate.key)),
            Err(error) => attempts.push(attempt(candidate.key, error, started.elapsed())),
        }
    }
    let error = Error::unwrap_failed(attempts);
    Err(match error.fault() {
        Some(Fault::Transient) => error
            .advise("try again; if it fails again, check the network and the status page of the key service"),
        Some(Fault::Refused) => {
            error.advise("correct the cause of each error, then start again: a retry alone will not help")
        }
        _ => error,
    })
}

/// Runs step 8: returns the trusted keys that the section has, in the order of the policy. Public-key recipients count
/// only if the policy has signers.
///
/// # Errors
/// The errors of [`unwrap`] that come before any key service is asked.
pub(crate) async fn candidates(
    section: &Section,
    policy: &Policy,
    services: &KeyServices,
) -> Result<Vec<Candidate>, Error> {
    let lists_local =
        section.recipients.iter().any(|recipient| recipient.key.provider() == key_ref::LOCAL_PROVIDER);
    let (pins, keys, missing) = pins(section, policy, services, lists_local).await?;
    #[cfg(feature = "age")]
    let (pins, identities) = with_age(pins, section, policy, services).await?;
    let mut candidates: Vec<Candidate> = Vec::new();
    for pin in pins {
        let recipient = section.recipients.iter().find(|recipient| recipient.key == pin);
        let Some(recipient) = recipient.filter(|_| candidates.iter().all(|candidate| candidate.key != pin))
        else {
            continue;
        };
        let Some(wrapped) = WrappedKey::new(recipient.blob.clone()) else { continue };
        #[cfg(feature = "age")]
        if let Some(age) = services.age().filter(|age| age.provider() == pin.provider()) {
            let held = identities.iter().find(|identity| *identity.key_ref() == pin);
            let unwrapper = held.map_or_else(
                || Unwrapper::Unavailable(age.missing_identity(&pin)),
                |held| Unwrapper::Age(held.clone()),
            );
            candidates.push(Candidate { key: pin, wrapped, unwrapper });
            continue;
        }
        let unwrapper = match pin.provider() {
            key_ref::LOCAL_PROVIDER => match keys.iter().find(|key| *key.key_ref() == pin) {
                Some(key) => Unwrapper::Local(key.clone()),
                None => Unwrapper::Unavailable(
                    KmsError::refused("this local key is trusted, but was not found")
                        .advise_with(services.missing_key_advice([&pin])),
                ),
            },
            provider => match services.provider(provider) {
                Some(kms) => Unwrapper::Service(kms),
                None => {
                    Unwrapper::Unavailable(KmsError::other("this build has no such key service").advise(
                        "enable the crate feature of that provider, or pass a Kms for it to the Loader",
                    ))
                }
            },
        };
        candidates.push(Candidate { key: pin, wrapped, unwrapper });
    }
    if candidates.is_empty() {
        return Err(if missing && lists_local {
            local_key_missing(section, services)
        } else if lists_local && policy.trust.is_none() {
            let trust = "if you know one of these recipients, trust it: set ENVCONF_TRUST, or the attribute trust = \"…\"";
            untrusted(section, policy, services)
                .advise(format!("{}\n{trust}", services.missing_key_advice(keys_of(section))))
        } else {
            untrusted_with_age_advice(section, policy, services)
        });
    }
    let is_missing = |candidate: &Candidate| {
        candidate.key.provider() == key_ref::LOCAL_PROVIDER
            && matches!(candidate.unwrapper, Unwrapper::Unavailable(_))
    };
    if candidates.iter().all(is_missing) {
        return Err(local_key_missing(section, services));
    }
    if policy.signers.is_empty() {
        candidates.retain(|candidate| services.authenticates(candidate.key.provider()));
        if candidates.is_empty() {
            return Err(Error::new(
                Kind::SignatureRequired,
                "no signer is trusted: anyone can seal a pair for the trusted public keys",
            )
            .advise_to_set(
                Remedy::Signers,
                "trust a signer with ENVCONF_SIGNERS or the attribute signers = \"…\"",
            ));
        }
    }
    Ok(candidates)
}

/// Returns the trusted keys in the order of tries, the available local keys, and true if `local` is trusted but no
/// local key is available.
///
/// Local keys that were given are trusted. They come first, unless the list names them. envconf searches the key store
/// only if the section has a local key as recipient, and either no local key was given or the list does not contain
/// `local` (api.md §2).
async fn pins(
    section: &Section,
    policy: &Policy,
    services: &KeyServices,
    lists_local: bool,
) -> Result<(Vec<KeyRef>, Vec<LocalKey>, bool), Error> {
    let mut keys = services.given().to_vec();
    let given = services.are_given();
    let names_local = |trusted: &Trusted| match trusted {
        Trusted::Local => true,
        Trusted::Key(key) => key.provider() == key_ref::LOCAL_PROVIDER,
    };
    let asks_for_local = policy.trust.as_ref().is_none_or(|list| list.iter().any(names_local));
    if lists_local && asks_for_local {
        keys.extend(services.of_command().await?);
    }
    let given_pins: Vec<KeyRef> = keys.iter().map(|key| key.key_ref().clone()).collect();
    let by_id_only = policy.trust.as_ref().is_some_and(|list| !list.contains(&Trusted::Local));
    let mut any_found = false;
    if lists_local && asks_for_local && (!given || by_id_only) {
        let enabled = services.enabled()?;
        any_found = !enabled.is_empty();
        let is_listed = |key: &&KeyRef| section.recipients.iter().any(|recipient| recipient.key == **key);
        keys.extend(services.stored(enabled.iter().filter(is_listed))?);
    }
    let all: Vec<KeyRef> = keys.iter().map(|key| key.key_ref().clone()).collect();
    let Some(list) = &policy.trust else {
        return Ok((all, keys, false));
    };
    let is_placed = |key: &KeyRef| {
        list.iter().any(|trusted| *trusted == Trusted::Local || *trusted == Trusted::Key(key.clone()))
    };
    let mut pins: Vec<KeyRef> = given_pins.into_iter().filter(|key| !is_placed(key)).collect();
    for trusted in list {
        match trusted {
            Trusted::Local => pins.extend(all.iter().cloned()),
            Trusted::Key(key) => pins.push(key.clone()),
        }
    }
    Ok((pins, keys, list.contains(&Trusted::Local) && all.is_empty() && !any_found))
}

/// Adds the available age identities to the trusted keys, and returns the identities. The rules are those of local
/// keys: given identities are trusted, and come first unless the list names them. An identity of the key store is used
/// if none was given or the list names it, and only if the section has its recipient.
#[cfg(feature = "age")]
async fn with_age(
    pins: Vec<KeyRef>,
    section: &Section,
    policy: &Policy,
    services: &KeyServices,
) -> Result<(Vec<KeyRef>, Vec<AgeIdentity>), Error> {
    let is_named =
        |key: &KeyRef| policy.trust.iter().flatten().any(|trusted| *trusted == Trusted::Key(key.clone()));
    let names_age =
        |trusted: &Trusted| matches!(trusted, Trusted::Key(key) if key.provider() == age::PROVIDER);
    let is_asked_for = policy.trust.as_ref().is_none_or(|list| list.iter().any(names_age));
    let listed: Vec<&KeyRef> = keys_of(section).filter(|key| key.provider() == age::PROVIDER).collect();
    let Some(age) = services.age().filter(|_| !listed.is_empty()) else {
        return Ok((pins, Vec::new()));
    };
    let mut identities = match is_asked_for {
        true => age.identities().all_given().await?,
        false => age.identities().given().to_vec(),
    };
    let mut all: Vec<KeyRef> = identities.iter().map(|identity| identity.key_ref().clone()).collect();
    all.retain(|key| !is_named(key));
    for key in age.identities().enabled(policy.trust.is_some())? {
        let is_used = policy.trust.is_none() || is_named(&key);
        if is_used && listed.contains(&&key) && identities.iter().all(|held| *held.key_ref() != key) {
            identities.extend(age.identities().stored(&key)?);
            if policy.trust.is_none() {
                all.push(key);
            }
        }
    }
    // Without a list, local keys come before age identities, because only local keys can be used without a signer.
    let pins = match policy.trust {
        None => pins.into_iter().chain(all).collect(),
        Some(_) => all.into_iter().chain(pins).collect(),
    };
    Ok((pins, identities))
}

/// Like [`untrusted`], with advice for an age identity if the pair has age recipients and no setting trusts a key.
fn untrusted_with_age_advice(section: &Section, policy: &Policy, services: &KeyServices) -> Error {
    let error = untrusted(section, policy, services);
    #[cfg(feature = "age")]
    if policy.trust.is_none()
        && let Some(age) = services.age()
        && let Some(key) = keys_of(section).find(|key| key.provider() == age::PROVIDER)
    {
        return error.advise(age.identities().missing_advice(key));
    }
    error
}

/// Returns the error for a pair without a trusted recipient. It lists the recipients and the trusted keys, and the hint
/// names the setting to change.
fn untrusted(section: &Section, policy: &Policy, services: &KeyServices) -> Error {
    const TRUST: &str =
        "if you know one of these recipients, trust it: set ENVCONF_TRUST, or the attribute trust = \"…\"";
    let note = |recipient: &KeyRef| match replica_of(recipient, policy) {
        Some(trusted) => format!(
            "recipient {recipient}: not trusted; the trusted key {trusted} is another replica of this multi-Region key, in {}",
            trusted.region()
        ),
        None => format!("recipient {recipient}: not trusted"),
    };
    let mut notes: Vec<String> = keys_of(section).map(note).collect();
    notes.extend(trust_source::trusted_key_lines(policy, services));
    let advice = match keys_of(section).find_map(|recipient| replica_of(recipient, policy)) {
        Some(trusted) => {
            format!(
                "seal for {trusted} too: each replica of a multi-Region key is a separate recipient\n{TRUST}"
            )
        }
        None => TRUST.to_owned(),
    };
    Error::new(Kind::NoTrustedRecipient, "no trusted key can unwrap this data key")
        .with_notes(notes)
        .advise_to_set(Remedy::Trust, advice)
}

/// Returns the trusted key that is a replica of `recipient` in another region.
fn replica_of<'a>(recipient: &KeyRef, policy: &'a Policy) -> Option<&'a KeyRef> {
    policy.trust.iter().flatten().find_map(|trusted| match trusted {
        Trusted::Key(key) if provider::are_replicas(key, recipient) => Some(key),
        _ => None,
    })
}

fn local_key_missing(section: &Section, services: &KeyServices) -> Error {
    let note = |key: &KeyRef| match key.provider() {
        key_ref::LOCAL_PROVIDER => format!("recipient {key}: this local key was not found"),
        _ => format!("recipient {key}: not trusted"),
    };
    Error::new(Kind::BadLocalKey, "no local key was found that can unwrap this data key")
        .with_notes(keys_of(section).map(note).collect())
        .advise(format!(
            "{}\nif you know another of these recipients, trust it: set ENVCONF_TRUST",
            services.missing_key_advice(keys_of(section))
        ))
}

fn keys_of(section: &Section) -> impl Iterator<Item = &KeyRef> {
    section.recipients.iter().map(|recipient| &recipient.key)
}

/// Asks a key service on the worker thread. Concurrent loads share one request.
async fn ask(
    kms: Arc<dyn Kms>,
    key: KeyRef,
    wrapped: WrappedKey,
    context: Context,
    patience: Patience,
) -> Result<DataKey, KmsError> {
    let id = kms.identity().map(|identity| flight_id(&identity, &key, &wrapped, &context));
    let request = move || {
        let (kms, key, wrapped, context) = (kms.clone(), key.clone(), wrapped.clone(), context.clone());
        async move { kms.unwrap(&key, &wrapped, &context).await }
    };
    match id {
        Some(id) => on_worker(async move { worker::share(id, patience, request).await }).await,
        None => on_worker(async move { Deadline::at(patience).run(request()).await }).await,
    }
}

pub(crate) async fn on_worker<T: Send + 'static>(
    job: impl Future<Output = Result<T, KmsError>> + Send + 'static,
) -> Result<T, KmsError> {
    match worker::run(job).await {
        Ok(result) => result,
        Err(worker::Gone) => Err(KmsError::other("the thread for key services failed")),
    }
}

fn flight_id(identity: &[u8; 32], key: &KeyRef, wrapped: &WrappedKey, context: &Context) -> worker::FlightId {
    let mut digest = Sha256::new_with_prefix(identity);
    // A forked child has the parent's requests in its memory, but not the thread that runs them.
    digest.update(std::process::id().to_be_bytes());
    for part in [&key.to_string(), wrapped.as_str(), context.as_json(), &context.dek().to_string()] {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}

fn attempt(key: KeyRef, error: KmsError, took: Duration) -> Attempt {
    Attempt {
        key,
        fault: error.fault,
        message: error.message.into_owned(),
        code: error.code,
        request_id: error.request_id,
        status: error.status,
        advice: error.advice.map(Into::into),
        tries: error.tries,
        took,
    }
}

/// Returns a new data key, wrapped for each of `keys`. The first key service that can generate data keys generates it.
/// If none can, this process does.
///
/// # Errors
/// [`Kind::UnwrapFailed`] names the key that did not wrap. [`Kind::BadLocalKey`] for a local key that is not
/// available. [`Kind::Usage`] for a service that this build does not have.
pub(crate) async fn wrap_for_all(
    keys: &[KeyRef],
    local_keys: &[LocalKey],
    suite: Suite,
    context: &Context,
    services: &KeyServices,
) -> Result<(DataKey, Vec<Recipient>), Error> {
    let deadline = Instant::now() + services.time_limit();
    let mut wrapped: Vec<Option<WrappedKey>> = vec![None; keys.len()];
    let mut dek = None;
    for (key, slot) in keys.iter().zip(&mut wrapped) {
        if let Some(kms) = service_of(key, services)? {
            let (owned, ctx) = (key.clone(), context.clone());
            let made = timed(key, deadline, async move { kms.generate(&owned, suite, &ctx).await }).await;
            let made = made.map_err(not_wrapped)?;
            if let Some((made, text)) = made {
                (dek, *slot) = (Some(made), Some(text));
                break;
            }
        }
    }
    let dek = match dek {
        Some(dek) => dek,
        None => DataKey::generate(suite)?,
    };
    crate::envelope::check_length(&dek, suite)?;
    let mut recipients = Vec::with_capacity(keys.len());
    for (key, slot) in keys.iter().zip(wrapped) {
        let wrapped = match slot {
            Some(wrapped) => wrapped,
            None => wrap(key, local_keys, &dek, context, services, deadline).await?,
        };
        recipients.push(Recipient { key: key.clone(), blob: wrapped.as_str().to_owned() });
    }
    Ok((dek, recipients))
}

pub(crate) async fn wrap(
    key: &KeyRef,
    local_keys: &[LocalKey],
    dek: &DataKey,
    context: &Context,
    services: &KeyServices,
    deadline: Instant,
) -> Result<WrappedKey, Error> {
    let Some(kms) = service_of(key, services)? else {
        let local = local_keys.iter().find(|local| local.key_ref() == key);
        let missing = || {
            Error::new(Kind::BadLocalKey, format!("the local key {key} was not found"))
                .advise(services.missing_key_advice([key]))
        };
        return local.ok_or_else(missing)?.wrap(dek, context);
    };
    let (owned, dek, ctx) = (key.clone(), dek.clone(), context.clone());
    timed(key, deadline, async move { kms.wrap(&owned, &dek, &ctx).await }).await.map_err(not_wrapped)
}

fn not_wrapped(attempt: Attempt) -> Error {
    Error::service_failed("a recipient did not wrap the data key; nothing was written", attempt)
}

/// Returns the service of a key; `None` for a local key.
pub(crate) fn service_of(key: &KeyRef, services: &KeyServices) -> Result<Option<Arc<dyn Kms>>, Error> {
    if key.provider() == key_ref::LOCAL_PROVIDER {
        return Ok(None);
    }
    services.provider(key.provider()).map(Some).ok_or_else(|| {
        Error::new(Kind::Usage, format!("this build has no key service `{}`", key.provider())).advise(
            "check the spelling of the key reference, or build with the crate feature of this provider",
        )
    })
}

/// Sends a request to a key service on the worker thread. An error contains the duration of the request.
pub(crate) async fn timed<T: Send + 'static>(
    key: &KeyRef,
    deadline: Instant,
    job: impl Future<Output = Result<T, KmsError>> + Send + 'static,
) -> Result<T, Attempt> {
    let started = Instant::now();
    let result = on_worker(async move { Deadline::at(Patience::until(deadline)).run(job).await }).await;
    result.map_err(|error| attempt(key.clone(), error, started.elapsed()))
}
