//! The service that issues temporary credentials (STS).

use super::client::{self, Call, Response};
use super::credentials::{Credential, Unusable, read_temporary};
use crate::kms::credential_cache::Fetched;
use crate::kms::http::Route;
use crate::kms::{KmsError, clock};

pub(super) const SERVICE: &str = "sts";
pub(super) const VERSION: &str = "2018-08-13";

/// Sends the request once; `source` describes the origin of the new credential. An error names the action, so that the
/// key service is not blamed.
pub(super) async fn fetch(
    call: &Call<'_>,
    credential: Option<&Credential>,
    route: &Route,
    source: &'static str,
) -> Result<Fetched<Credential>, KmsError> {
    client::send(call, credential, route, |response| read(response, source)).await.map_err(|error| {
        let mut error = match credential {
            Some(base) => base.blame(error),
            None => error,
        };
        error.message = format!("{} (STS): {}", call.action, error.message).into();
        error
    })
}

/// Returns a session name with the current time, which tells sessions apart in the account's audit log.
pub(super) fn session_name() -> Result<String, KmsError> {
    Ok(format!("envconf-{}", clock::local()?))
}

fn read(response: &Response<'_>, source: &'static str) -> Result<Fetched<Credential>, KmsError> {
    let value = |name: &str| response.secret_within("Credentials", name);
    read_temporary(value, response.integer("ExpiredTime"), response.date, source, |what| {
        response.wrong(match what {
            Unusable::Incomplete => "the reply contains incomplete credentials",
            Unusable::Expired => "the reply contains expired credentials",
        })
    })
}
