//! The local key: whether one is available, where it is from, and whether it unwraps.

use super::settings::Settings;
use crate::base::{KeyRef, Kind, Variables, key_ref};
use crate::envelope::DataKey;
use crate::kms::{Context, KeyServices, LocalKey, State, Step, WrappedKey};
use crate::pair::Trusted;

const NAME: &str = "local-key";

/// `rules`: for whom is sealed; `listed`: the pair's recipients. Either is `None` where that is not known.
pub(super) fn key(settings: &Settings, rules: Option<&[Trusted]>, listed: Option<&[KeyRef]>) -> Step {
    if let Err(error) = &settings.local {
        return Step::error(NAME, error);
    }
    let Some(services) = &settings.services else {
        return Step::new(NAME, State::Skipped, "the settings come first");
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
            "ENVCONF_KEY_CMD prints it; it is run where a pair lists a local key, and that is trusted";
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
        // With a pair it depends on its other recipients: the step `trust` reports it.
        Ok(_) => Step::new(NAME, State::Skipped, missing(services)),
    }
}

/// Says where no key was found.
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

/// Whether, without a pair to say more, sealing or opening asks for one.
fn is_wanted(settings: &Settings, rules: Option<&[Trusted]>) -> bool {
    match &settings.policy.trust {
        Some(trust) => trust.contains(&Trusted::Local),
        None => rules.is_some_and(|rules| rules.contains(&Trusted::Local)),
    }
}

/// Unwraps the data key with it.
pub(super) fn unwrap(
    key: &LocalKey,
    wrapped: &WrappedKey,
    context: &Context,
) -> (Vec<Step>, Option<DataKey>) {
    match key.unwrap(wrapped, context) {
        Ok(dek) => (vec![Step::new("rights", State::Ok, "it unwraps the data key")], Some(dek)),
        Err(error) => (vec![Step::fault("rights", &error)], None),
    }
}
