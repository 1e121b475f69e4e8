//! The check of the local key: its source, and whether it can unwrap the data key.

use super::settings::Settings;
use crate::base::{KeyRef, Kind, Variables, key_ref};
use crate::envelope::DataKey;
use crate::kms::{Context, KeyServices, LocalKey, State, Step, WrappedKey};
use crate::pair::Trusted;

const NAME: &str = "local-key";

/// Looks for a local key. `rules` are the recipients of the policy file, and `listed` those of the pair; `None` if they
/// are unknown.
pub(super) fn key(settings: &Settings, rules: Option<&[Trusted]>, listed: Option<&[KeyRef]>) -> Step {
    if let Err(error) = &settings.local {
        return Step::error(NAME, error);
    }
    let Some(services) = &settings.services else {
        return Step::new(NAME, State::Skipped, "fix the settings first");
    };
    if !services.given().is_empty() {
        let ids: Vec<_> = services.given().iter().map(|key| key.key_ref().to_string()).collect();
        let names = ["ENVCONF_KEY", "ENVCONF_KEY_FILE"];
        let variable = names.into_iter().find(|name| Variables::Process.get(name).is_some());
        return Step::new(
            NAME,
            State::Ok,
            format!("{}, from {}", ids.join(", "), variable.unwrap_or("the program")),
        );
    }
    if services.are_given() {
        let message =
            "ENVCONF_KEY_CMD prints the key; envconf runs it for a pair that lists a trusted local key";
        return Step::new(NAME, State::Ok, message);
    }
    let is_listed =
        listed.is_none_or(|keys| keys.iter().any(|key| key.provider() == key_ref::LOCAL_PROVIDER));
    let would_be_used = is_listed && settings.asks_for_local();
    match services.enabled().and_then(|enabled| services.stored(&enabled)) {
        Ok(keys) if !keys.is_empty() => {
            let trusted =
                if settings.asks_for_local() { "" } else { "; not trusted, because trust does not name it" };
            let keys: Vec<_> = keys.iter().map(|key| key.key_ref().to_string()).collect();
            let store = services.store().map(|store| store.directory().display().to_string());
            let message =
                format!("{}, from the key store {}{trusted}", keys.join(", "), store.unwrap_or_default());
            Step::new(NAME, State::Ok, message)
        }
        Err(error) if would_be_used => Step::error(NAME, &error),
        Err(error) => Step::new(
            NAME,
            State::Note,
            format!("{}; it is not needed here", Step::error(NAME, &error).message()),
        ),
        Ok(_) if listed.is_none() && is_wanted(settings, rules) => {
            Step::new(NAME, State::Failed, missing(services))
                .failed_as(Kind::BadLocalKey, None)
                .advise_with(format!("create one with `envconf init`; {}", services.missing_key_advice([])))
        }
        // With a pair, its other recipients may be enough: the step `trust` reports a missing key.
        Ok(_) => Step::new(NAME, State::Skipped, missing(services)),
    }
}

/// Returns the message that names the place without a key.
fn missing(services: &KeyServices) -> String {
    match (services.store(), services.directory()) {
        (Some(store), Some(directory)) => format!(
            "the key store {} has no key that is enabled for {}",
            store.directory().display(),
            directory.display()
        ),
        _ => "there is no key store, because HOME and ENVCONF_HOME are not set".to_owned(),
    }
}

/// Returns true if sealing or opening needs a local key, as far as trust or the policy file tell without a pair.
fn is_wanted(settings: &Settings, rules: Option<&[Trusted]>) -> bool {
    match &settings.policy.trust {
        Some(trust) => trust.contains(&Trusted::Local),
        None => rules.is_some_and(|rules| rules.contains(&Trusted::Local)),
    }
}

/// Unwraps the data key with the local key.
pub(super) fn unwrap(
    key: &LocalKey,
    wrapped: &WrappedKey,
    context: &Context,
) -> (Vec<Step>, Option<DataKey>) {
    match key.unwrap(wrapped, context) {
        Ok(dek) => (vec![Step::new("rights", State::Ok, "the key unwraps the data key")], Some(dek)),
        Err(error) => (vec![Step::fault("rights", &error)], None),
    }
}
