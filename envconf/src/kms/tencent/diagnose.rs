//! The steps of a diagnosis: credentials, endpoint, name resolution, TLS.
//!
//! They send no request to the key service. Like every request, they may ask the service that issues temporary
//! credentials.

use std::time::Instant;

use super::credentials::Credential;
use super::{Tencent, endpoint};
use crate::base::KeyRef;
use crate::kms::service_steps::{self, source_and_life};
use crate::kms::step::{State, Step};

pub(super) async fn steps(tencent: &Tencent, key: &KeyRef) -> Vec<Step> {
    let started = Instant::now();
    let credentials = match tencent.credentials.snapshot(&tencent.route, None).await {
        Ok(credential) => Step::new("credentials", State::Ok, from(&credential)),
        Err(error) => Step::fault("credentials", &error),
    };
    let mut steps = vec![credentials.took(started.elapsed())];
    let regional = endpoint::regional(key.region());
    let (endpoint, origin) = match &tencent.endpoint {
        Some(endpoint) => (endpoint, "of ENVCONF_TENCENT_ENDPOINT"),
        None => (&regional, "of the key's region"),
    };
    service_steps::connect_to(endpoint, origin, &tencent.route, &mut steps).await;
    steps
}

/// Returns the source and the remaining lifetime of a credential, and nothing else of it.
fn from(credential: &Credential) -> String {
    source_and_life(credential.source, credential.token.is_some(), credential.expires)
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    #[test]
    fn a_step_shows_only_source_and_lifetime_of_a_credential() {
        let secret = || Zeroizing::new("canary".to_owned());
        let credential = |token, expires| Credential {
            secret_id: secret(),
            secret_key: secret(),
            token,
            generation: None,
            expires,
            source: "a file",
        };
        assert_eq!(from(&credential(None, None)), "from a file; long-term");
        assert_eq!(from(&credential(Some(secret()), None)), "from a file; temporary");
        assert_eq!(from(&credential(Some(secret()), Some(1))), "from a file; temporary, 0 s left");
    }
}
