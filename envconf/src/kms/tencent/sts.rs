//! The service that gives out temporary credentials (STS).

use super::client::{self, Call, Response};
use super::clock;
use super::credentials::{Credential, Fetched, fits};
use crate::kms::KmsError;
use crate::kms::http::Route;

pub(super) const SERVICE: &str = "sts";
pub(super) const VERSION: &str = "2018-08-13";

/// Asks once; `source` says where the credential will be from. The report of a failure names the action: it was not the key service that failed.
pub(super) async fn fetch(
    call: &Call<'_>,
    credential: Option<&Credential>,
    route: &Route,
    source: &'static str,
) -> Result<Fetched, KmsError> {
    client::send(call, credential, route, |response| read(response, source)).await.map_err(|error| {
        let mut error = match credential {
            Some(base) => base.blame(error),
            None => error,
        };
        error.message = format!("{} (STS): {}", call.action, error.message).into();
        error
    })
}

/// A session's name, where none is set: it tells the sessions apart in the account's audit log.
pub(super) fn session_name() -> Result<String, KmsError> {
    Ok(format!("envconf-{}", clock::local()?))
}

fn read(response: &Response<'_>, source: &'static str) -> Result<Fetched, KmsError> {
    let value = |name| response.secret_within("Credentials", name).filter(|value| fits(value));
    let (Some(secret_id), Some(secret_key), Some(token)) =
        (value("TmpSecretId"), value("TmpSecretKey"), value("Token"))
    else {
        return Err(response.wrong("the reply holds incomplete credentials"));
    };
    // Both by the service's clock, so that this machine's does not matter.
    let now = response.date.and_then(clock::parse).map_or_else(clock::local, Ok)?;
    let expires = response.integer("ExpiredTime").and_then(|time| u64::try_from(time).ok());
    let lifetime = expires.and_then(|expires| expires.checked_sub(now)).filter(|left| *left > 0);
    let lifetime = lifetime.ok_or_else(|| response.wrong("the reply holds credentials that have expired"))?;
    Ok(Fetched {
        credential: Credential {
            secret_id,
            secret_key,
            token: Some(token),
            generation: None,
            expires: None,
            source,
        },
        lifetime,
    })
}
