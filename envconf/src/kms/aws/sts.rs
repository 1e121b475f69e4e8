//! The service that issues temporary credentials (STS). Requests are forms, replies are XML.

use std::borrow::Cow;

use percent_encoding::utf8_percent_encode;
use zeroize::Zeroizing;

use super::client::{AwsPost, tag};
use super::credentials::AwsCredential;
use super::credentials::temporary::{ExpiringKeys, TemporaryProblem};
use super::sign::RESERVED;
use crate::base::exact_text;
use crate::kms::credential_cache::Fetched;
use crate::kms::endpoint::Endpoint;
use crate::kms::http::{self, Reply, Route};
use crate::kms::json::secret;
use crate::kms::{KmsError, clock};

pub(super) const SERVICE: &str = "sts";
const VERSION: &str = "2011-06-15";

/// One action of STS.
pub(super) struct StsAction<'a> {
    pub(super) endpoint: &'a Endpoint,
    pub(super) region: &'a str,
    pub(super) name: &'static str,
    pub(super) parameters: &'a [(&'static str, &'a str)],
}

impl StsAction<'_> {
    /// Sends the request once; `source` describes the origin of the new credential. An error names the action, so that
    /// the key service is not blamed.
    pub(super) async fn fetch(
        &self,
        credential: Option<&AwsCredential>,
        route: &Route,
        source: Cow<'static, str>,
    ) -> Result<Fetched<AwsCredential>, KmsError> {
        let post = AwsPost {
            service: SERVICE,
            region: self.region,
            endpoint: self.endpoint,
            action: self.name,
            content_type: "application/x-www-form-urlencoded; charset=utf-8",
            target: None,
            body: form(self.name, self.parameters),
            largest_reply: http::LARGEST_REPLY,
        };
        post.send(credential, route, |reply| read(reply, source)).await.map_err(|error| {
            let mut error = match credential {
                Some(base) => base.blame(error),
                None => error,
            };
            error.message = format!("{} (STS): {}", self.name, error.message).into();
            error
        })
    }
}

fn form(action: &str, parameters: &[(&str, &str)]) -> Zeroizing<Vec<u8>> {
    let mut text = exact_text(|out| {
        write!(out, "Action={action}&Version={VERSION}")?;
        parameters
            .iter()
            .try_for_each(|(name, value)| write!(out, "&{name}={}", utf8_percent_encode(value, RESERVED)))
    });
    Zeroizing::new(std::mem::take(&mut *text).into_bytes())
}

fn read(reply: &Reply, source: Cow<'static, str>) -> Result<Fetched<AwsCredential>, KmsError> {
    let garbled = || KmsError::transient("the reply is incomplete, or is not XML").status(reply.status);
    let text = std::str::from_utf8(reply.body.expose()).map_err(|_| garbled())?;
    // An incomplete reply does not have this end.
    let is_whole = text.trim_end().ends_with("Response>");
    let credentials = tag(text, "Credentials").filter(|_| is_whole).ok_or_else(garbled)?;
    let value = |name| tag(credentials, name).map(secret);
    let keys = ExpiringKeys {
        access_key_id: value("AccessKeyId"),
        secret_access_key: value("SecretAccessKey"),
        session_token: value("SessionToken"),
        expiration: tag(credentials, "Expiration"),
        date: reply.date.as_deref(),
    };
    keys.into_fetched(source, |what| {
        KmsError::other(match what {
            TemporaryProblem::Incomplete => "the reply contains incomplete credentials",
            TemporaryProblem::Expired => "the reply contains expired credentials",
        })
        .status(reply.status)
    })
}

/// Returns a session name with the current time, which tells sessions apart in CloudTrail.
pub(super) fn default_session_name() -> Result<String, KmsError> {
    Ok(format!("envconf-{}", clock::local()?))
}

/// Returns true for 2 to 64 characters of `[\w+=,.@-]`.
pub(super) fn is_session_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte);
    (2..=64).contains(&name.len()) && name.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(body: &str) -> Reply {
        let mut reply = Reply::of(200, body.as_bytes());
        reply.date = Some("Sun, 06 Nov 1994 08:49:37 GMT".to_owned());
        reply
    }

    #[test]
    fn credentials_are_read_from_xml() {
        let body = "<AssumeRoleResponse xmlns=\"x\"><AssumeRoleResult><Credentials><AccessKeyId>ASIA</AccessKeyId>\
            <SecretAccessKey>a/b+c=</SecretAccessKey><SessionToken>t==</SessionToken>\
            <Expiration>1994-11-06T09:49:37Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>\n";
        let fetched = read(&reply(body), "here".into()).unwrap();
        assert_eq!(fetched.lifetime, 3600);
        assert_eq!(*fetched.credential.secret_access_key, "a/b+c=");
        for (from, to) in [
            ("<SessionToken>t==</SessionToken>", ""),
            ("<AccessKeyId>ASIA</AccessKeyId>", "<AccessKeyId></AccessKeyId>"),
            ("1994-11-06T09:49:37Z", "1994-11-06T08:49:37Z"),
            ("1994-11-06T09:49:37Z", "soon"),
        ] {
            let error = read(&reply(&body.replace(from, to)), "here".into()).err().unwrap();
            assert_eq!(error.fault, crate::base::Fault::Other, "{from}");
        }
        for cut in ["", "<html>", &body[..200], &body[..body.len() - 4]] {
            let error = read(&reply(cut), "here".into()).err().unwrap();
            assert_eq!(error.fault, crate::base::Fault::Transient, "{cut}");
        }
    }

    #[test]
    fn a_form_escapes_all_reserved_characters() {
        let body = form("A", &[("RoleArn", "arn:aws:iam::1:role/a b"), ("X", "a-_.~Z9+=")]);
        assert_eq!(
            &**body,
            b"Action=A&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fa%20b&X=a-_.~Z9%2B%3D"
        );
    }

    #[test]
    fn session_names_are_checked() {
        for good in ["ab", "a.b@c-d_e+f=g,h", &"a".repeat(64)] {
            assert!(is_session_name(good), "{good}");
        }
        for bad in ["", "a", "a b", "a/b", &"a".repeat(65), "ä1"] {
            assert!(!is_session_name(bad), "{bad}");
        }
    }
}
