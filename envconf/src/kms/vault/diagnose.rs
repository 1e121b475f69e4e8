//! The steps of a diagnosis: token, endpoint, name resolution, TLS, and the settings of the key.
//!
//! They decrypt nothing. envconf logs in as for every request. If the token has the right to read the key, the last
//! step names settings that weaken the key.

use std::time::Instant;

use super::credentials::{self, Proof};
use super::{TransitKey, Vault};
use crate::base::KeyRef;
use crate::kms::service_steps::{self, source_and_life};
use crate::kms::step::{State, Step};

pub(super) async fn steps(vault: &Vault, key: &KeyRef) -> Vec<Step> {
    let mut steps = Vec::new();
    if let Err(error) = TransitKey::of(key) {
        return vec![Step::fault("endpoint", &error)];
    }
    let connection = match vault.connection() {
        Ok(connection) => connection,
        Err(error) => return vec![Step::fault("endpoint", &error)],
    };
    let started = Instant::now();
    steps.push(match credentials::snapshot(&vault.settings, connection, None).await {
        Ok(credential) => {
            let message = match credential.proof {
                Proof::Token(_) => {
                    source_and_life(credential.source, credential.generation.is_some(), credential.expires)
                }
                Proof::Inline(_) => format!("from {}; in each request", credential.source),
                Proof::Agent => format!("from {}", credential.source),
            };
            Step::new("credentials", State::Ok, message).took(started.elapsed())
        }
        Err(error) => Step::fault("credentials", &error).took(started.elapsed()),
    });
    let origin = format!("of {}", connection.origin);
    service_steps::connect_to(&connection.endpoint, &origin, &connection.route, &mut steps).await;
    if steps.iter().all(|step| step.state() != State::Failed) {
        steps.extend(vault.key_step(key).await);
    }
    steps
}
