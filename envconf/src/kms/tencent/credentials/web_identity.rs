//! The role of a pod in Tencent's Kubernetes service (TKE). envconf exchanges an identity token in a file for temporary
//! credentials (`AssumeRoleWithWebIdentity`, which is not signed).

use std::path::Path;

use super::super::client::Call;
use super::super::sts;
use super::Credential;
use crate::base::Variables;
use crate::kms::KmsError;
use crate::kms::credential_cache::Fetched;
use crate::kms::credential_source::{MISFIT, broken, fits, read};
use crate::kms::endpoint::Endpoint;
use crate::kms::http::{Method, Route};
use crate::kms::json::Argument::Text;
use crate::kms::json::secret;

/// The four variables, all of which are needed. Pods without a role have some of them.
pub(super) const VARIABLES: [&str; 4] =
    ["TKE_REGION", "TKE_PROVIDER_ID", "TKE_ROLE_ARN", "TKE_WEB_IDENTITY_TOKEN_FILE"];
const PLACE: &str = "the file of TKE_WEB_IDENTITY_TOKEN_FILE";

pub(super) struct WebIdentity {
    region: String,
    provider: String,
    role: String,
    file: std::ffi::OsString,
}

pub(super) fn find(variables: &Variables) -> Result<Option<WebIdentity>, KmsError> {
    if VARIABLES.iter().any(|name| variables.get(name).is_none()) {
        return Ok(None);
    }
    let text = |name: &'static str| {
        let value = variables.get(name).and_then(|value| value.into_string().ok());
        value.filter(|value| fits(value)).ok_or_else(|| broken(name, MISFIT))
    };
    let [region, provider, role] = [text(VARIABLES[0])?, text(VARIABLES[1])?, text(VARIABLES[2])?];
    let file = variables.get(VARIABLES[3]).filter(|file| !file.is_empty());
    let file = file.ok_or_else(|| broken(VARIABLES[3], "is empty"))?;
    Ok(Some(WebIdentity { region, provider, role, file }))
}

impl WebIdentity {
    /// Exchanges the token, which is read again each time, because the cluster rotates it.
    pub(super) async fn exchange(
        &self,
        endpoint: &Endpoint,
        route: &Route,
    ) -> Result<Fetched<Credential>, KmsError> {
        let content = read(Path::new(&self.file), PLACE)?.ok_or_else(|| broken(PLACE, "does not exist"))?;
        let token = std::str::from_utf8(content.expose()).ok().map(str::trim).filter(|token| fits(token));
        let token = secret(token.ok_or_else(|| broken(PLACE, MISFIT))?);
        let session_name = sts::session_name()?;
        let call = Call {
            service: sts::SERVICE,
            version: sts::VERSION,
            action: "AssumeRoleWithWebIdentity",
            region: &self.region,
            endpoint,
            method: Method::POST,
            parameters: &[
                ("ProviderId", Text(&self.provider)),
                ("WebIdentityToken", Text(&token)),
                ("RoleArn", Text(&self.role)),
                ("RoleSessionName", Text(&session_name)),
            ],
        };
        sts::fetch(&call, None, route, "the role TKE_ROLE_ARN").await
    }
}
