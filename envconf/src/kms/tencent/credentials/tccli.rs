//! The credentials file of the cloud's command-line tool, written by `tccli configure` or a login: JSON in
//! `~/.tccli/<profile>.credential`.

use std::path::Path;

use zeroize::Zeroizing;

use super::{Credential, file};
use crate::base::Variables;
use crate::format::ContentType;
use crate::kms::credential_source::{MISFIT, broken, fits, read};
use crate::kms::json::{field, integer, secret, string};
use crate::kms::{KmsError, clock};
use crate::syntax;
use crate::syntax::{Table, Value};

pub(super) const PROFILE: &str = "TCCLI_PROFILE";
const PLACE: &str = "tccli's file ~/.tccli/<profile>.credential";

pub(super) fn find(variables: &Variables, home: Option<&Path>) -> Result<Option<Credential>, KmsError> {
    let profile = file::profile(variables, PROFILE)?;
    let Some(home) = home else { return Ok(None) };
    let Some(text) = read(&home.join(".tccli").join(format!("{profile}.credential")), PLACE)? else {
        return Ok(None);
    };
    parse(text.expose()).map(Some)
}

fn parse(text: &[u8]) -> Result<Credential, KmsError> {
    let no_object = || broken(PLACE, "is not a JSON object");
    let text = std::str::from_utf8(text).map_err(|_| no_object())?;
    let root = syntax::parse(ContentType::Json, text).map_err(|_| no_object())?;
    let Value::Table(root) = &root.value else { return Err(no_object()) };
    let expires = integer(root, "expiresAt");
    if let Some(until) = expires
        && until <= i128::from(clock::local()?)
    {
        return Err(broken(PLACE, "contains an expired login").advise("log in again with tccli"));
    }
    let missing = |name: &str| broken(PLACE, &format!("contains no {name}"));
    let secret_id = text_of(root, "secretId")?.ok_or_else(|| missing("secretId"))?;
    let secret_key = text_of(root, "secretKey")?.ok_or_else(|| missing("secretKey"))?;
    // tccli writes an empty or absent token for a key that never expires.
    let has_token =
        !matches!(field(root, "token"), None | Some(Value::Null)) && string(root, "token") != Some("");
    let token = if has_token { text_of(root, "token")? } else { None };
    let expires = expires.and_then(|until| u64::try_from(until).ok());
    Ok(Credential { secret_id, secret_key, token, generation: None, expires, source: PLACE })
}

fn text_of(root: &Table<'_>, name: &str) -> Result<Option<Zeroizing<String>>, KmsError> {
    if field(root, name).is_none() {
        return Ok(None);
    }
    let value = string(root, name).filter(|value| fits(value));
    value
        .map(|value| Some(secret(value)))
        .ok_or_else(|| broken(PLACE, &format!("contains a {name} that {MISFIT}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_optional() {
        let token = |text: &str| parse(text.as_bytes()).unwrap().token.map(|token| token.to_string());
        assert_eq!(token(r#"{"secretId":"i","secretKey":"k"}"#), None);
        assert_eq!(token(r#"{"secretId":"i","secretKey":"k","token":""}"#), None);
        assert_eq!(token(r#"{"secretId":"i","secretKey":"k","token":null,"type":"oauth"}"#), None);
        let login = r#"{"secretId":"i","secretKey":"k","token":"t","expiresAt":99999999999}"#;
        assert_eq!(token(login), Some("t".into()));
    }

    #[test]
    fn errors_name_the_file_and_do_not_quote_it() {
        for (text, says) in [
            ("canary", "not a JSON object"),
            (r#"{"secretId":"canary"}"#, "no secretKey"),
            (r#"{"secretKey":"canary"}"#, "no secretId"),
            (r#"{"secretId":"canary ","secretKey":"k"}"#, "secretId that"),
            (r#"{"secretId":"i","secretKey":"k","token":7}"#, "token that"),
            (r#"{"secretId":"i","secretKey":"canary","token":"t","expiresAt":1}"#, "expired"),
        ] {
            let message = parse(text.as_bytes()).unwrap_err().message;
            assert!(
                message.contains(says) && message.contains(".tccli") && !message.contains("canary"),
                "{message}"
            );
        }
    }
}
