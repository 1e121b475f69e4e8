//! A login with a browser (IAM Identity Center). `aws sso login` stores a token in `~/.aws/sso/cache`, and envconf
//! exchanges the token for the credentials of a role. envconf does not renew the token; `aws sso login` does.

use std::borrow::Cow;
use std::path::PathBuf;

use percent_encoding::utf8_percent_encode;
use reqwest::header::HeaderMap;
use sha1::{Digest as _, Sha1};
use zeroize::Zeroizing;

use super::super::client::{PER_TRY, request_id};
use super::super::endpoint::AwsService;
use super::super::sign::RESERVED;
use super::temporary::moment;
use super::{AwsCredential, Places};
use crate::base::Fault;
use crate::format::ContentType;
use crate::kms::credential_cache::Fetched;
use crate::kms::credential_source::{broken, fits, read};
use crate::kms::http::{self, Method, Reply, Request};
use crate::kms::json::{field, integer, secret, string};
use crate::kms::{KmsError, clock};
use crate::syntax;
use crate::syntax::Value;

/// A login, and the role for which envconf uses it.
#[derive(Clone)]
pub(super) struct SsoLogin {
    /// The text that names the file of the token: the name of the session, or else the start URL.
    pub(super) cache_name: String,
    pub(super) region: String,
    pub(super) account: String,
    pub(super) role: String,
    /// The command that gets a new token, in backquotes.
    pub(super) command: String,
    pub(super) home: PathBuf,
    pub(super) source: Cow<'static, str>,
}

impl SsoLogin {
    /// Exchanges the token, which is read again each time.
    pub(super) async fn exchange(&self, places: &Places<'_>) -> Result<Fetched<AwsCredential>, KmsError> {
        let token = self.token()?;
        let (endpoint, _) = places.endpoints.of(AwsService::SsoPortal, &self.region)?;
        let mut headers = HeaderMap::with_capacity(1);
        headers.insert(http::name("x-amz-sso_bearer_token"), http::sensitive(&token)?);
        let encoded = |text| utf8_percent_encode(text, RESERVED);
        let request = Request {
            method: Method::GET,
            url: format!(
                "{}federation/credentials?role_name={}&account_id={}",
                endpoint.url(),
                encoded(&self.role),
                encoded(&self.account)
            ),
            headers,
            body: Zeroizing::default(),
            limit: PER_TRY,
            largest_reply: http::LARGEST_REPLY,
        };
        let reply = http::send(request, places.route).await;
        reply.and_then(|reply| self.parse(&reply)).map_err(|mut error| {
            error.message = format!("GetRoleCredentials (SSO): {}", error.message).into();
            error
        })
    }

    /// Returns the name of the file with the token.
    fn file(&self) -> String {
        let name = Sha1::digest(self.cache_name.as_bytes());
        name.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + ".json"
    }

    fn token(&self) -> Result<Zeroizing<String>, KmsError> {
        let place = format!("~/.aws/sso/cache/{}", self.file());
        let path = self.home.join(".aws/sso/cache").join(self.file());
        let login = |error: KmsError| error.advise_with(format!("log in with {}", self.command));
        let missing = || login(broken(&place, "does not exist: there was no login for this profile"));
        let content = read(&path, &place)?.ok_or_else(missing)?;
        let no_object = || login(broken(&place, "is not a JSON object"));
        let text = std::str::from_utf8(content.expose()).map_err(|_| no_object())?;
        let root = syntax::parse(ContentType::Json, text).map_err(|_| no_object())?;
        let Value::Table(root) = &root.value else { return Err(no_object()) };
        let expires = string(root, "expiresAt").and_then(moment);
        let expires = expires.ok_or_else(|| login(broken(&place, "does not say when its token expires")))?;
        if expires <= clock::local()? {
            return Err(login(broken(&place, "contains an expired login")));
        }
        let token = string(root, "accessToken").filter(|token| fits(token));
        token.map(secret).ok_or_else(|| login(broken(&place, "contains no access token")))
    }

    fn parse(&self, reply: &Reply) -> Result<Fetched<AwsCredential>, KmsError> {
        let id = request_id(reply).unwrap_or_default();
        let refused = |message: &'static str| KmsError::refused(message).status(reply.status).request_id(id);
        match reply.status {
            200 => {}
            401 => {
                return Err(refused("the login is no longer valid")
                    .advise_with(format!("log in with {}", self.command)));
            }
            403 | 404 => {
                return Err(refused("the login has no right to this role in this account").advise(
                    "check sso_account_id and sso_role_name, and the assignment in IAM Identity Center",
                ));
            }
            429 => {
                return Err(KmsError::transient("too many requests").advise("try again").status(429));
            }
            300..=399 => {
                return Err(KmsError::other("the service sent a redirect, which envconf does not follow")
                    .advise("check the endpoint")
                    .status(reply.status));
            }
            400..=499 => return Err(refused("the request was refused").advise("check sso_region")),
            status => return Err(KmsError::transient("the service failed").status(status)),
        }
        let garbled =
            || KmsError::transient("the reply is incomplete, or is not a JSON object").status(reply.status);
        let text = std::str::from_utf8(reply.body.expose()).map_err(|_| garbled())?;
        let root = syntax::parse(ContentType::Json, text).map_err(|_| garbled())?;
        let Value::Table(root) = &root.value else { return Err(garbled()) };
        let Some(Value::Table(keys)) = field(root, "roleCredentials") else { return Err(garbled()) };
        let value = |name: &str| string(keys, name).filter(|value| fits(value)).map(secret);
        let incomplete =
            || KmsError::new(Fault::Other, "the reply contains incomplete credentials").status(reply.status);
        let (Some(access_key_id), Some(secret_access_key), Some(token)) =
            (value("accessKeyId"), value("secretAccessKey"), value("sessionToken"))
        else {
            return Err(incomplete());
        };
        let now = reply.date.as_deref().and_then(clock::parse).map_or_else(clock::local, Ok)?;
        // This time is in milliseconds, unlike all other times of AWS.
        let expires = integer(keys, "expiration").and_then(|time| u64::try_from(time / 1000).ok());
        let lifetime = expires.and_then(|expires| expires.checked_sub(now)).filter(|left| *left > 0);
        let expired =
            || KmsError::new(Fault::Other, "the reply contains expired credentials").status(reply.status);
        let credential = AwsCredential {
            access_key_id,
            secret_access_key,
            session_token: Some(token),
            generation: None,
            expires: None,
            source: self.source.clone(),
        };
        Ok(Fetched { credential, lifetime: lifetime.ok_or_else(expired)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_file_has_the_name_that_the_aws_command_uses() {
        let login = |cache_name: &str| SsoLogin {
            cache_name: cache_name.to_owned(),
            region: "r".to_owned(),
            account: "1".to_owned(),
            role: "r".to_owned(),
            command: "c".to_owned(),
            home: PathBuf::new(),
            source: "s".into(),
        };
        // printf my-sso | sha1sum
        assert_eq!(login("my-sso").file(), "0ad374308c5a4e22f723adf10145eafad7c4031c.json");
        assert_eq!(login("").file(), "da39a3ee5e6b4b0d3255bfef95601890afd80709.json");
    }
}
