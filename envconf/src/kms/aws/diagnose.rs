//! The steps of a diagnosis: credentials, endpoint, name resolution, TLS.
//!
//! They send no request to the key service. Like every request, they may ask the service that issues temporary
//! credentials.

use std::time::Instant;

use super::Aws;
use super::credentials::AwsCredential;
use super::endpoint::AwsService;
use crate::base::KeyRef;
use crate::kms::service_steps::{self, source_and_life};
use crate::kms::step::{State, Step};

pub(super) async fn steps(aws: &Aws, key: &KeyRef) -> Vec<Step> {
    if let Err(error) = aws.check_settings(key.region()) {
        return vec![Step::fault("endpoint", &error)];
    }
    let started = Instant::now();
    let credential = aws.credentials.snapshot(&aws.endpoints, key.region(), &aws.route, None).await;
    let credentials = match credential {
        Ok(credential) => Step::new("credentials", State::Ok, from(&credential)),
        Err(error) => Step::fault("credentials", &error),
    };
    let mut steps = vec![credentials.took(started.elapsed())];
    match aws.endpoints.of(AwsService::Kms, key.region()) {
        Ok((endpoint, origin)) => {
            service_steps::connect_to(&endpoint, origin, &aws.route, &mut steps).await;
        }
        Err(error) => steps.push(Step::fault("endpoint", &error)),
    }
    steps
}

/// Returns the source and the remaining lifetime of a credential, and nothing else of it.
fn from(credential: &AwsCredential) -> String {
    source_and_life(&credential.source, credential.session_token.is_some(), credential.expires)
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    #[test]
    fn a_step_shows_only_source_and_lifetime_of_a_credential() {
        let secret = || Zeroizing::new("canary".to_owned());
        let credential = |session_token, expires| AwsCredential {
            access_key_id: secret(),
            secret_access_key: secret(),
            session_token,
            generation: None,
            expires,
            source: "a file".into(),
        };
        assert_eq!(from(&credential(None, None)), "from a file; long-term");
        assert_eq!(from(&credential(Some(secret()), None)), "from a file; temporary");
        assert_eq!(from(&credential(Some(secret()), Some(1))), "from a file; temporary, 0 s left");
    }
}
