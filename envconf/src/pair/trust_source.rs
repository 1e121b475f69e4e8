//! The settings that name trusted keys, and how an error lists them.

use super::policy::{Policy, Trusted};
use crate::base::{KeyRef, escape, key_ref};
use crate::kms::KeyServices;

/// The setting that named the trusted keys of a policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum TrustSource {
    /// No setting: available local keys are trusted.
    #[default]
    Nothing,
    /// `Policy::trust`.
    Caller,
    /// `Loader::trust`.
    Loader,
    /// `ENVCONF_TRUST`.
    Variable,
    /// The attribute `trust`, for this environment or for all environments.
    Attribute { for_all: bool },
    /// The attribute `trust`, which names only these other environments.
    OtherEnvironments(Vec<&'static str>),
}

/// Returns the trusted keys and the settings that name them, as lines for an error.
pub(super) fn trusted_key_lines(policy: &Policy, services: &KeyServices) -> Vec<String> {
    let environment = &policy.environment;
    let by = match &policy.trusted_by {
        TrustSource::Nothing => None,
        TrustSource::Caller => Some("the caller".to_owned()),
        TrustSource::Loader => Some("Loader::trust".to_owned()),
        TrustSource::Variable => Some("ENVCONF_TRUST".to_owned()),
        TrustSource::Attribute { for_all: true } => Some("the attribute trust".to_owned()),
        TrustSource::Attribute { for_all: false } => Some(format!("the attribute trust for {environment}")),
        TrustSource::OtherEnvironments(others) => {
            let others = others.join(", ");
            let silent = format!("the attribute trust has no entry for {environment}, only for {others}");
            return std::iter::once(silent).chain(available_key_lines(policy, services)).collect();
        }
    };
    let mut lines = Vec::new();
    if let (Some(by), Some(list)) = (by, &policy.trust) {
        let keys: Vec<String> = list.iter().map(ToString::to_string).collect();
        lines.push(format!("trusted by {by}: {}", keys.join(", ")));
    }
    lines.extend(available_key_lines(policy, services));
    lines
}

/// Returns the local keys and age recipients that are trusted because their keys are available, as lines.
fn available_key_lines(policy: &Policy, services: &KeyServices) -> Vec<String> {
    let mut lines: Vec<String> = services
        .given_by()
        .map(|(key, by)| format!("trusted local key, given by {by}: {}", key.key_ref()))
        .collect();
    #[cfg(feature = "age")]
    if let Some(age) = services.age() {
        let recipients = age.identities().recipients().unwrap_or_default();
        lines.extend(
            recipients.iter().map(|key| format!("trusted age recipient with an available identity: {key}")),
        );
    }
    if services.has_command() {
        lines.push("trusted local keys: those that ENVCONF_KEY_CMD prints".to_owned());
    }
    let names = |key: &KeyRef| match &policy.trust {
        None => true,
        Some(list) => list.iter().any(|trusted| match trusted {
            Trusted::Local => true,
            Trusted::Key(trusted) => trusted == key && key.provider() == key_ref::LOCAL_PROVIDER,
        }),
    };
    if !services.are_given() {
        let enabled = services.enabled().unwrap_or_default();
        lines.extend(enabled.iter().filter(|key| names(key)).map(|key| match services.directory() {
            Some(directory) => {
                let directory = directory.to_string_lossy().into_owned();
                format!("trusted local key, enabled for {}: {key}", escape(&directory))
            }
            None => format!("trusted local key of the key store: {key}"),
        }));
    }
    lines
}
