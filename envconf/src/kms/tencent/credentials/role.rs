//! A role that envconf assumes with the available credentials (`AssumeRole`).

use super::super::client::Call;
use super::super::sts;
use super::Credential;
use crate::base::{Error, Kind, Variables};
use crate::kms::KmsError;
use crate::kms::credential_cache::Fetched;
use crate::kms::credential_source::fits;
use crate::kms::endpoint::Endpoint;
use crate::kms::http::{Method, Route};
use crate::kms::json::Argument::Text;

pub(super) const ARN: &str = "TENCENTCLOUD_ROLE_ARN";
pub(super) const SESSION_NAME: &str = "TENCENTCLOUD_ROLE_SESSION_NAME";
/// The region of the request, which every SDK sends. The reply does not depend on it.
const REGION: &str = "ap-guangzhou";

/// The role that the deployment's settings name.
#[derive(Debug)]
pub(super) struct Role {
    arn: String,
    session_name: Option<String>,
}

impl Role {
    /// Reads the role; `None` if no role is set.
    ///
    /// # Errors
    /// [`Kind::Usage`] for a setting that is empty or malformed.
    pub(super) fn from_variables(variables: &Variables) -> Result<Option<Self>, Error> {
        let session_name = variables.setting(SESSION_NAME)?;
        if session_name.as_deref().is_some_and(|name| !is_session_name(name)) {
            return Err(Error::new(Kind::Usage, format!("{SESSION_NAME} is not a session name"))
                .advise("use 2 to 128 letters, digits and characters of _+=,.@-"));
        }
        let Some(arn) = variables.setting(ARN)? else { return Ok(None) };
        if !fits(&arn) {
            return Err(Error::new(Kind::Usage, format!("{ARN} is not the ARN of a role"))
                .advise("write it as qcs::cam::uin/UIN:roleName/NAME"));
        }
        Ok(Some(Self { arn, session_name }))
    }

    /// Assumes the role with the credentials `base`.
    pub(super) async fn assume(
        &self,
        base: &Credential,
        endpoint: &Endpoint,
        route: &Route,
    ) -> Result<Fetched<Credential>, KmsError> {
        let session_name = match &self.session_name {
            Some(name) => name.clone(),
            None => sts::session_name()?,
        };
        let call = Call {
            service: sts::SERVICE,
            version: sts::VERSION,
            action: "AssumeRole",
            region: REGION,
            endpoint,
            method: Method::POST,
            parameters: &[("RoleArn", Text(&self.arn)), ("RoleSessionName", Text(&session_name))],
        };
        sts::fetch(&call, Some(base), route, "the role TENCENTCLOUD_ROLE_ARN").await
    }
}

/// Returns true for 2 to 128 characters of `[\w+=,.@_-]`.
fn is_session_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte);
    (2..=128).contains(&name.len()) && name.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_settings_are_rejected() {
        let role = |pairs: &[(&str, &str)]| Role::from_variables(&Variables::given(pairs.iter().copied()));
        assert!(role(&[]).unwrap().is_none());
        assert!(role(&[(ARN, "qcs::cam::uin/1:roleName/r"), (SESSION_NAME, "a.b@c")]).unwrap().is_some());
        for bad in [
            &[(ARN, "")][..],
            &[(ARN, "a b")],
            &[(ARN, "a"), (SESSION_NAME, "x")],
            &[(ARN, "a"), (SESSION_NAME, "x/y")],
        ] {
            assert_eq!(role(bad).unwrap_err().kind(), Kind::Usage);
        }
    }
}
