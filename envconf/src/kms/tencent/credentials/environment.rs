//! Credentials in environment variables: id, key, and an optional token.

use zeroize::Zeroizing;

use super::Credential;
use crate::base::Variables;
use crate::kms::KmsError;
use crate::kms::credential_source::{MISFIT, broken, fits};

pub(super) const ID: &str = "TENCENTCLOUD_SECRET_ID";
pub(super) const KEY: &str = "TENCENTCLOUD_SECRET_KEY";
/// The variables for a session token. Each of them is used by some tool (docs/tencent.md).
pub(super) const TOKEN: [&str; 3] =
    ["TENCENTCLOUD_TOKEN", "TENCENTCLOUD_SESSION_TOKEN", "TENCENTCLOUD_SECURITY_TOKEN"];

const SOURCE: &str = "the variables TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY";

pub(super) fn find(variables: &Variables) -> Result<Option<Credential>, KmsError> {
    let (id, key, token) = (text(variables, ID)?, text(variables, KEY)?, token(variables)?);
    match (id, key, token) {
        (Some(secret_id), Some(secret_key), token) => Ok(Some(Credential {
            secret_id,
            secret_key,
            token,
            generation: None,
            expires: None,
            source: SOURCE,
        })),
        (Some(_), None, _) => Err(broken(ID, "is set and TENCENTCLOUD_SECRET_KEY is not")),
        (None, Some(_), _) => Err(broken(KEY, "is set and TENCENTCLOUD_SECRET_ID is not")),
        // A token alone is not a credential, and no other source uses it.
        (None, None, _) => Ok(None),
    }
}

fn token(variables: &Variables) -> Result<Option<Zeroizing<String>>, KmsError> {
    let mut token: Option<Zeroizing<String>> = None;
    for name in TOKEN {
        let Some(found) = text(variables, name)? else { continue };
        if token.is_some_and(|token| *token != *found) {
            return Err(broken(
                "TENCENTCLOUD_TOKEN, _SESSION_TOKEN and _SECURITY_TOKEN",
                "are set and differ",
            ));
        }
        token = Some(found);
    }
    Ok(token)
}

fn text(variables: &Variables, name: &'static str) -> Result<Option<Zeroizing<String>>, KmsError> {
    let Some(value) = variables.get(name) else { return Ok(None) };
    let value = value.into_string().map(Zeroizing::new).ok().filter(|value| fits(value));
    value.map(Some).ok_or_else(|| broken(name, MISFIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find_in(pairs: &[(&str, &str)]) -> Result<Option<Credential>, KmsError> {
        find(&Variables::given(pairs.iter().copied()))
    }

    #[test]
    fn the_token_has_three_names() {
        let base = [(ID, "id"), (KEY, "key")];
        let token = |pairs: &[(&str, &str)]| find_in(pairs).unwrap().unwrap().token;
        assert!(token(&base).is_none());
        for name in TOKEN {
            assert_eq!(token(&[base[0], base[1], (name, "tok")]).as_deref().map(String::as_str), Some("tok"));
        }
        assert!(find_in(&[base[0], base[1], (TOKEN[0], "a"), (TOKEN[1], "a")]).is_ok());
        assert!(find_in(&[base[0], base[1], (TOKEN[0], "a"), (TOKEN[1], "b")]).is_err());
        assert!(find_in(&[(TOKEN[0], "a")]).unwrap().is_none());
    }

    #[test]
    fn errors_name_the_variable() {
        for (pairs, name) in [
            (&[(ID, "id")][..], KEY),
            (&[(KEY, "key")], ID),
            (&[(ID, " id"), (KEY, "key")], ID),
            (&[(ID, "id"), (KEY, "")], KEY),
            (&[(ID, "id"), (KEY, "key\n")], KEY),
            (&[(ID, "id"), (KEY, "key"), (TOKEN[0], "")], TOKEN[0]),
            (&[(ID, "id"), (KEY, "key"), (TOKEN[2], "a b")], TOKEN[2]),
        ] {
            let error = find_in(pairs).unwrap_err();
            assert!(error.message.contains(name), "{}", error.message);
            assert_eq!((error.fault, error.tries), (crate::base::Fault::Refused, 0));
        }
    }
}
