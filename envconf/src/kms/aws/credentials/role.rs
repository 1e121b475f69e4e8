//! A role that envconf assumes with the available credentials (`AssumeRole`).

use std::borrow::Cow;

use super::super::sts::{self, StsAction};
use super::{AwsCredential, Places};
use crate::kms::KmsError;
use crate::kms::credential_cache::Fetched;

/// A role, and the parameters for assuming it.
#[derive(Clone, Debug)]
pub(super) struct AssumedRole {
    pub(super) arn: String,
    pub(super) session_name: Option<String>,
    pub(super) external_id: Option<String>,
    /// The duration of the session in seconds.
    pub(super) duration: Option<String>,
    pub(super) source: Cow<'static, str>,
}

impl AssumedRole {
    /// Assumes the role with the credentials `base`.
    pub(super) async fn assume(
        &self,
        base: &AwsCredential,
        places: &Places<'_>,
    ) -> Result<Fetched<AwsCredential>, KmsError> {
        let session_name = match &self.session_name {
            Some(name) => name.clone(),
            None => sts::default_session_name()?,
        };
        let mut parameters = vec![("RoleArn", self.arn.as_str()), ("RoleSessionName", &session_name)];
        parameters.extend(self.external_id.as_deref().map(|id| ("ExternalId", id)));
        parameters.extend(self.duration.as_deref().map(|seconds| ("DurationSeconds", seconds)));
        let endpoint = places.sts()?;
        let action = StsAction {
            endpoint: &endpoint,
            region: places.region,
            name: "AssumeRole",
            parameters: &parameters,
        };
        action.fetch(Some(base), places.route, self.source.clone()).await
    }
}
