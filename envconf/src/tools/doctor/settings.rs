//! The settings from environment variables and options: trust, key services and local keys.

use super::{Diagnose, DiagnosisSubject};
use crate::base::{Error, Variables, key_ref, own_variables};
use crate::format::Name;
use crate::kms::{KeyServices, State, Step};
use crate::pair::{Policy, PolicyVariables, Trusted};

/// The settings of a diagnosis.
pub(super) struct Settings {
    pub(super) policy: Policy,
    /// The source of the trusted keys, for messages.
    pub(super) trusted_by: &'static str,
    /// The key services; `None` if a setting is malformed.
    pub(super) services: Option<KeyServices>,
    /// The error of the configured local keys, if they cannot be used.
    pub(super) local: Result<(), Error>,
    pub(super) errors: Vec<Error>,
}

impl Settings {
    /// Reads the settings. Takes the options that replace environment variables out of `diagnose`.
    pub(super) fn of(diagnose: &mut Diagnose) -> Self {
        let variables = Variables::Process;
        let mut errors = Vec::new();
        let (name, environment) = match &diagnose.subject {
            DiagnosisSubject::Pair(_, name, environment) => (name.clone(), environment.clone()),
            // Nothing is opened, and a wrapped data key is discarded: any name will do.
            _ => (nobody(), nobody()),
        };
        let set = PolicyVariables::read(&variables).map(|set| set.trust.is_some());
        let policy = Policy::from_environment(name.clone(), environment.clone());
        let mut policy = policy.unwrap_or_else(|error| {
            errors.push(error);
            Policy::new(name, environment)
        });
        let mut trusted_by = if matches!(set, Ok(true)) { "ENVCONF_TRUST" } else { "the local-key rule" };
        if let Some(trust) = diagnose.trust.take() {
            (policy, trusted_by) = (policy.trust(trust), "the caller");
        }
        if let Some((signers, required)) = diagnose.signers.take() {
            match policy.clone().signers(signers, required) {
                Ok(signed) => policy = signed,
                Err(error) => errors.push(error),
            }
        }
        let (services, local) = match diagnose.services.take() {
            Some(services) => (Some(services), Ok(())),
            None => {
                let local = KeyServices::check_local_keys(&variables);
                let services = match local {
                    Ok(()) => KeyServices::from_variables(&variables, Some(diagnose.directory.clone())),
                    // The diagnosis of the other services is still useful.
                    Err(_) => KeyServices::without_local_keys(&variables),
                };
                (services.map_err(|error| errors.push(error)).ok(), local)
            }
        };
        Self { policy, trusted_by, services, local, errors }
    }

    pub(super) fn steps(&self) -> Vec<Step> {
        if !self.errors.is_empty() {
            return self.errors.iter().map(|error| Step::error("settings", error)).collect();
        }
        let mut names = Variables::Process.names("ENVCONF_");
        names.sort();
        let message =
            if names.is_empty() { "no ENVCONF_ variable is set".to_owned() } else { names.join(", ") };
        let mut steps = vec![Step::new("settings", State::Ok, message)];
        if let Err(error) = own_variables::refuse_misspelled(&Variables::Process, |_| false) {
            steps.push(Step::error("settings", &error));
        }
        let unknown = own_variables::unknown(&Variables::Process);
        if !unknown.is_empty() {
            let message = format!("unknown environment variables: {}", unknown.join(", "));
            steps.push(
                Step::new("settings", State::Note, message).advise("unset them, or check their spelling"),
            );
        }
        steps
    }

    /// Returns true if trust includes local keys.
    pub(super) fn asks_for_local(&self) -> bool {
        let is_local = |trusted: &Trusted| match trusted {
            Trusted::Local => true,
            Trusted::Key(key) => key.provider() == key_ref::LOCAL_PROVIDER,
        };
        self.policy.trust.as_ref().is_none_or(|list| list.iter().any(is_local))
    }
}

fn nobody() -> Name {
    "nobody".parse().expect("this word is a valid name")
}
