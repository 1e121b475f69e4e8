//! Credentials in environment variables: id, secret, and an optional session token.

use zeroize::Zeroizing;

use super::AwsCredential;
use crate::base::Variables;
use crate::kms::KmsError;
use crate::kms::credential_source::{MISFIT, broken, fits};

pub(super) const ID: &str = "AWS_ACCESS_KEY_ID";
pub(super) const SECRET: &str = "AWS_SECRET_ACCESS_KEY";
pub(super) const TOKEN: &str = "AWS_SESSION_TOKEN";

const SOURCE: &str = "the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";

pub(super) fn find(variables: &Variables) -> Result<Option<AwsCredential>, KmsError> {
    match (text(variables, ID)?, text(variables, SECRET)?) {
        (Some(access_key_id), Some(secret_access_key)) => Ok(Some(AwsCredential {
            access_key_id,
            secret_access_key,
            session_token: text(variables, TOKEN)?,
            generation: None,
            expires: None,
            source: SOURCE.into(),
        })),
        (Some(_), None) => Err(broken(ID, "is set and AWS_SECRET_ACCESS_KEY is not")),
        (None, Some(_)) => Err(broken(SECRET, "is set and AWS_ACCESS_KEY_ID is not")),
        // A token alone is not a credential, and no other source uses it.
        (None, None) => Ok(None),
    }
}

/// Returns the value of a variable. An empty variable counts as not set, as in every AWS program.
pub(super) fn text(variables: &Variables, name: &'static str) -> Result<Option<Zeroizing<String>>, KmsError> {
    let Some(value) = variables.get(name).filter(|value| !value.is_empty()) else { return Ok(None) };
    let value = value.into_string().map(Zeroizing::new).ok().filter(|value| fits(value));
    value.map(Some).ok_or_else(|| broken(name, MISFIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find_in(pairs: &[(&str, &str)]) -> Result<Option<AwsCredential>, KmsError> {
        find(&Variables::given(pairs.iter().copied()))
    }

    #[test]
    fn id_and_secret_go_together() {
        let token = |pairs: &[(&str, &str)]| {
            find_in(pairs).unwrap().unwrap().session_token.map(|token| token.to_string())
        };
        assert_eq!(token(&[(ID, "id"), (SECRET, "secret")]), None);
        assert_eq!(token(&[(ID, "id"), (SECRET, "secret"), (TOKEN, "")]), None);
        assert_eq!(token(&[(ID, "id"), (SECRET, "secret"), (TOKEN, "t=")]).as_deref(), Some("t="));
        assert!(find_in(&[]).unwrap().is_none());
        assert!(find_in(&[(ID, ""), (SECRET, ""), (TOKEN, "t")]).unwrap().is_none());
    }

    #[test]
    fn errors_name_the_variable() {
        for (pairs, name) in [
            (&[(ID, "id")][..], SECRET),
            (&[(ID, "id"), (SECRET, "")], SECRET),
            (&[(SECRET, "canary")], ID),
            (&[(ID, " id"), (SECRET, "canary")], ID),
            (&[(ID, "id"), (SECRET, "canary\n")], SECRET),
            (&[(ID, "id"), (SECRET, "canary"), (TOKEN, "a canary")], TOKEN),
        ] {
            let error = find_in(pairs).unwrap_err();
            assert!(error.message.contains(name), "{}", error.message);
            assert!(!format!("{error:?}").contains("canary"));
            assert_eq!((error.fault, error.tries), (crate::base::Fault::Refused, 0));
        }
    }
}
