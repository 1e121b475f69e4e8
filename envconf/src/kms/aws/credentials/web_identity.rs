//! The exchange of an identity token in a file for the credentials of a role (`AssumeRoleWithWebIdentity`, which is not
//! signed). Service accounts of EKS and CI jobs use it.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use super::super::sts::{self, StsAction};
use super::{AwsCredential, Places, environment};
use crate::base::Variables;
use crate::kms::KmsError;
use crate::kms::credential_cache::Fetched;
use crate::kms::credential_source::{MISFIT, broken, fits, read_up_to};
use crate::kms::json::secret;

pub(super) const TOKEN_FILE: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";
pub(super) const ROLE_ARN: &str = "AWS_ROLE_ARN";
/// Limit of a token in bytes. AWS accepts up to 20,000 characters.
const LARGEST_TOKEN: usize = 32 * 1024;

/// A role that envconf assumes with the token in a file.
#[derive(Clone)]
pub(super) struct WebIdentityRole {
    pub(super) role: String,
    pub(super) session_name: Option<String>,
    pub(super) file: PathBuf,
    /// The name of the file, for reports.
    pub(super) place: String,
    pub(super) source: Cow<'static, str>,
}

/// Returns the role that the variables name.
pub(super) fn find(
    variables: &Variables,
    session_name: Option<&str>,
) -> Result<Option<WebIdentityRole>, KmsError> {
    let Some(file) = variables.get(TOKEN_FILE).filter(|file| !file.is_empty()) else { return Ok(None) };
    let role = environment::text(variables, ROLE_ARN)?;
    let role = role.ok_or_else(|| broken(TOKEN_FILE, "is set and AWS_ROLE_ARN is not"))?;
    Ok(Some(WebIdentityRole {
        role: role.to_string(),
        session_name: session_name.map(str::to_owned),
        file: file.into(),
        place: "the file of AWS_WEB_IDENTITY_TOKEN_FILE".to_owned(),
        source: "the role AWS_ROLE_ARN".into(),
    }))
}

impl WebIdentityRole {
    /// Exchanges the token, which is read again each time, because the cluster rotates it.
    pub(super) async fn exchange(&self, places: &Places<'_>) -> Result<Fetched<AwsCredential>, KmsError> {
        let content = read_up_to(LARGEST_TOKEN, Path::new(&self.file), &self.place)?;
        let content = content.ok_or_else(|| broken(&self.place, "does not exist"))?;
        let token = std::str::from_utf8(content.expose()).ok().map(str::trim).filter(|token| fits(token));
        let token = secret(token.ok_or_else(|| broken(&self.place, MISFIT))?);
        let session_name = match &self.session_name {
            Some(name) => name.clone(),
            None => sts::default_session_name()?,
        };
        let endpoint = places.sts()?;
        let action = StsAction {
            endpoint: &endpoint,
            region: places.region,
            name: "AssumeRoleWithWebIdentity",
            parameters: &[
                ("RoleArn", &self.role),
                ("RoleSessionName", &session_name),
                ("WebIdentityToken", &token),
            ],
        };
        action.fetch(None, places.route, self.source.clone()).await
    }
}
