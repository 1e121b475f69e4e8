//! Temporary credentials in replies. STS and the metadata service use the same field names.

use zeroize::Zeroizing;

use super::Credential;
use crate::kms::credential_cache::{CredentialCache, Fetched, Renewable};
use crate::kms::credential_source::fits;
use crate::kms::{KmsError, clock};

pub(super) static CACHE: CredentialCache<Credential> = CredentialCache::new();

impl Renewable for Credential {
    fn dated(self, generation: u64, expires: u64) -> Self {
        Self { generation: Some(generation), expires: Some(expires), ..self }
    }

    fn generation(&self) -> Option<u64> {
        self.generation
    }
}

/// The defect of temporary credentials in a reply.
pub(in super::super) enum Unusable {
    Incomplete,
    Expired,
}

/// Reads temporary credentials: `value` copies a field, `expired_time` is `ExpiredTime`, and `date` is the reply's
/// `Date`.
pub(in super::super) fn read_temporary(
    value: impl Fn(&str) -> Option<Zeroizing<String>>,
    expired_time: Option<i128>,
    date: Option<&str>,
    source: &'static str,
    unusable: impl Fn(Unusable) -> KmsError,
) -> Result<Fetched<Credential>, KmsError> {
    let value = |name| value(name).filter(|value| fits(value));
    let (Some(secret_id), Some(secret_key), Some(token)) =
        (value("TmpSecretId"), value("TmpSecretKey"), value("Token"))
    else {
        return Err(unusable(Unusable::Incomplete));
    };
    // Both times come from the service's clock, so this machine's clock does not matter.
    let now = date.and_then(clock::parse).map_or_else(clock::local, Ok)?;
    let expires = expired_time.and_then(|time| u64::try_from(time).ok());
    let lifetime = expires.and_then(|expires| expires.checked_sub(now)).filter(|left| *left > 0);
    let lifetime = lifetime.ok_or_else(|| unusable(Unusable::Expired))?;
    let token = Some(token);
    let credential = Credential { secret_id, secret_key, token, generation: None, expires: None, source };
    Ok(Fetched { credential, lifetime })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kms::json::secret;

    #[test]
    fn incomplete_and_expired_credentials_are_rejected() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        let read = |missing: &str, expired_time| {
            let value = |name: &str| (name != missing).then(|| secret("x"));
            let unusable = |what| match what {
                Unusable::Incomplete => KmsError::other("incomplete"),
                Unusable::Expired => KmsError::other("expired"),
            };
            let fetched = read_temporary(value, expired_time, Some(date), "here", unusable);
            fetched.map(|fetched| fetched.lifetime).map_err(|error| error.message.into_owned())
        };
        assert_eq!(read("", Some(784_111_777 + 60)), Ok(60));
        for missing in ["TmpSecretId", "TmpSecretKey", "Token"] {
            assert_eq!(read(missing, Some(784_111_777 + 60)), Err("incomplete".to_owned()), "{missing}");
        }
        for expired in [None, Some(-1), Some(0), Some(784_111_777)] {
            assert_eq!(read("", expired), Err("expired".to_owned()), "{expired:?}");
        }
    }
}
