//! Where a credential may come from, in order.
//!
//! "Not here" is `Ok(None)` and the next source is asked; "here but broken" ends the search. When nothing is there,
//! the error lists every place that was looked at. One snapshot serves one request.

use std::fmt;

use zeroize::Zeroizing;

use crate::kms::KmsError;
use crate::variables::Variables;

/// Names under which tools look for a session token, all of them in use (docs/tencent.md).
const TOKEN: [&str; 3] = ["TENCENTCLOUD_TOKEN", "TENCENTCLOUD_SESSION_TOKEN", "TENCENTCLOUD_SECURITY_TOKEN"];
const ID: &str = "TENCENTCLOUD_SECRET_ID";
const KEY: &str = "TENCENTCLOUD_SECRET_KEY";

/// One credential, as it is at one moment. `Debug` shows nothing of it.
#[derive(Clone)]
pub(crate) struct Credential {
    pub(crate) secret_id: Zeroizing<String>,
    pub(crate) secret_key: Zeroizing<String>,
    /// Only with temporary credentials.
    pub(crate) token: Option<Zeroizing<String>>,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential([REDACTED])")
    }
}

/// The credential that the first source gives which is there.
///
/// # Errors
/// A refusal: of a source that is there but broken, or of none being there.
pub(crate) fn find(variables: &Variables) -> Result<Credential, KmsError> {
    if let Some(credential) = from_variables(variables)? {
        return Ok(credential);
    }
    Err(KmsError::refused("no credentials; looked at TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY")
        .advise("set TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY, with temporary credentials TENCENTCLOUD_TOKEN too")
        .tries(0))
}

/// Id and key from the environment, and a token if there is one.
fn from_variables(variables: &Variables) -> Result<Option<Credential>, KmsError> {
    let (id, key) =
        (text(variables, ID, "TENCENTCLOUD_SECRET_ID")?, text(variables, KEY, "TENCENTCLOUD_SECRET_KEY")?);
    let (secret_id, secret_key) = match (id, key) {
        (None, None) => return Ok(None),
        (Some(id), Some(key)) => (id, key),
        (Some(_), None) => {
            return Err(broken("TENCENTCLOUD_SECRET_ID is set and TENCENTCLOUD_SECRET_KEY is not"));
        }
        (None, Some(_)) => {
            return Err(broken("TENCENTCLOUD_SECRET_KEY is set and TENCENTCLOUD_SECRET_ID is not"));
        }
    };
    let mut token = None;
    for name in TOKEN {
        if let Some(found) = text(variables, name, "the session token")? {
            if token.as_ref().is_some_and(|token| *token != found) {
                return Err(broken(
                    "TENCENTCLOUD_TOKEN, _SESSION_TOKEN and _SECURITY_TOKEN are set and differ",
                ));
            }
            token = Some(found);
        }
    }
    Ok(Some(Credential { secret_id, secret_key, token }))
}

/// A variable that can stand in a header: printable ASCII without blanks, which the service answers with
/// "id not found" only.
fn text(
    variables: &Variables,
    name: &str,
    what: &'static str,
) -> Result<Option<Zeroizing<String>>, KmsError> {
    let Some(value) = variables.get(name) else { return Ok(None) };
    let value = value.into_string().map(Zeroizing::new).ok();
    let fits = |value: &Zeroizing<String>| !value.is_empty() && value.bytes().all(|b| b.is_ascii_graphic());
    match value.filter(fits) {
        Some(value) => Ok(Some(value)),
        None => Err(broken(match what {
            "TENCENTCLOUD_SECRET_ID" => {
                "TENCENTCLOUD_SECRET_ID is empty, or has blanks or characters outside ASCII"
            }
            "TENCENTCLOUD_SECRET_KEY" => {
                "TENCENTCLOUD_SECRET_KEY is empty, or has blanks or characters outside ASCII"
            }
            _ => "a variable with the session token is empty, or has blanks or characters outside ASCII",
        })),
    }
}

fn broken(what: &'static str) -> KmsError {
    KmsError::refused(what).advise("mend the variable, or unset it").tries(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find_in(pairs: &[(&str, &str)]) -> Result<Credential, KmsError> {
        find(&Variables::Given(pairs.iter().map(|(name, value)| (name.into(), value.into())).collect()))
    }

    #[test]
    fn the_token_has_three_names() {
        let base = [(ID, "id"), (KEY, "key")];
        assert!(find_in(&base).unwrap().token.is_none());
        for name in TOKEN {
            let found = find_in(&[base[0], base[1], (name, "tok")]).unwrap();
            assert_eq!(found.token.as_deref().map(String::as_str), Some("tok"));
        }
        assert!(find_in(&[base[0], base[1], (TOKEN[0], "a"), (TOKEN[1], "a")]).is_ok());
        assert!(find_in(&[base[0], base[1], (TOKEN[0], "a"), (TOKEN[1], "b")]).is_err());
    }

    #[test]
    fn what_is_broken_is_refused_by_its_name() {
        assert!(
            find_in(&[]).unwrap_err().message.contains("TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY")
        );
        for (pairs, name) in [
            (&[(ID, "id")][..], "TENCENTCLOUD_SECRET_KEY"),
            (&[(KEY, "key")], "TENCENTCLOUD_SECRET_ID"),
            (&[(ID, " id"), (KEY, "key")], "TENCENTCLOUD_SECRET_ID"),
            (&[(ID, "id"), (KEY, "")], "TENCENTCLOUD_SECRET_KEY"),
            (&[(ID, "id"), (KEY, "key"), (TOKEN[2], "a b")], "session token"),
        ] {
            let error = find_in(pairs).unwrap_err();
            assert!(error.message.contains(name), "{}", error.message);
            assert_eq!(error.fault, crate::error::Fault::Refused);
        }
    }
}
