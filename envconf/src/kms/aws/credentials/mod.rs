//! The sources of credentials, in the order of the search; one file for each source.
//!
//! A missing source returns `Ok(None)`, and the search continues. A broken source ends the search. If no source has
//! credentials, the error lists every place. envconf assumes a configured role with the credentials that it found. Each
//! request uses one snapshot, so id, secret and token always belong together.

mod config_file;
mod container;
mod environment;
mod metadata;
mod process;
mod profile;
mod role;
mod sso;
pub(super) mod temporary;
mod web_identity;

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use self::config_file::SharedFiles;
use self::profile::{Profiles, is_role_arn};
use self::role::AssumedRole;
use self::temporary::CACHE;
use super::endpoint::{self, AwsService, Endpoints};
use super::sts::is_session_name;
use crate::base::{Error, Fault, Kind, Variables};
use crate::kms::KmsError;
use crate::kms::credential_cache::Fetched;
use crate::kms::credential_source::{broken, cache_key};
use crate::kms::endpoint::Endpoint;
use crate::kms::http::Route;

/// Every variable that the credentials depend on.
const VARIABLES: [&str; 17] = [
    environment::ID,
    environment::SECRET,
    environment::TOKEN,
    profile::PROFILE,
    config_file::CREDENTIALS_FILE,
    config_file::CONFIG_FILE,
    web_identity::TOKEN_FILE,
    web_identity::ROLE_ARN,
    SESSION_NAME,
    container::RELATIVE,
    container::FULL,
    container::TOKEN,
    container::TOKEN_FILE,
    DISABLED,
    ROLE,
    HOME[0],
    HOME[1],
];

/// The role that envconf assumes with the credentials that it found.
const ROLE: &str = "ENVCONF_AWS_ROLE_ARN";
const SESSION_NAME: &str = "AWS_ROLE_SESSION_NAME";
const DISABLED: &str = "AWS_EC2_METADATA_DISABLED";
/// The home directory: the first variable on Unix, the second one on Windows.
const HOME: [&str; 2] = ["HOME", "USERPROFILE"];

/// A snapshot of a credential. `Debug` shows nothing of it.
#[derive(Clone)]
pub(super) struct AwsCredential {
    pub(super) access_key_id: Zeroizing<String>,
    pub(super) secret_access_key: Zeroizing<String>,
    /// The session token of temporary credentials.
    pub(super) session_token: Option<Zeroizing<String>>,
    /// The number of the fetch in this process; `None` for credentials that cannot be fetched again.
    pub(super) generation: Option<u64>,
    /// The expiry in Unix seconds of this machine's clock; `None` if it is unknown.
    #[cfg_attr(not(feature = "tools"), allow(dead_code, reason = "only a diagnosis shows it"))]
    pub(super) expires: Option<u64>,
    /// The origin of the credential, in a few words for a report.
    pub(super) source: Cow<'static, str>,
}

impl AwsCredential {
    /// Adds the origin of the credential to an error that it may have caused, because the user has to fix it there.
    pub(super) fn blame(&self, mut error: KmsError) -> KmsError {
        let code = error.code.as_deref().unwrap_or_default();
        if error.fault == Fault::Refused && BLAMED.contains(&code) && !error.clock_corrected {
            error.message = format!("{}; the credential is from {}", error.message, self.source).into();
        }
        error
    }
}

/// Codes that the credential may cause: it is refused, has no rights, or belongs to an account without that key.
const BLAMED: [&str; 11] = [
    "AccessDenied",
    "AccessDeniedException",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "NotFoundException",
    "OptInRequired",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
    "ValidationError",
];

impl fmt::Debug for AwsCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AwsCredential([REDACTED])")
    }
}

/// The settings that a source needs for requests to other services.
pub(super) struct Places<'a> {
    variables: &'a Variables,
    endpoints: &'a Endpoints,
    /// The region of the key.
    region: &'a str,
    route: &'a Route,
}

impl Places<'_> {
    /// Returns the endpoint of the service that issues credentials, in the region of the key.
    fn sts(&self) -> Result<Endpoint, KmsError> {
        self.endpoints.of(AwsService::Sts, self.region).map(|(endpoint, _)| endpoint)
    }
}

/// The settings for the search of credentials.
#[derive(Debug)]
pub(super) struct AwsCredentials {
    variables: Variables,
    role: Option<AssumedRole>,
}

impl AwsCredentials {
    /// Reads envconf's own settings, and keeps the other variables for the search.
    ///
    /// # Errors
    /// [`Kind::Usage`] for a setting of envconf that is empty or malformed.
    pub(super) fn from_variables(variables: &Variables) -> Result<Self, Error> {
        let arn = variables.setting(ROLE)?;
        if arn.as_deref().is_some_and(|arn| !is_role_arn(arn)) {
            return Err(Error::new(Kind::Usage, format!("{ROLE} is not the ARN of a role"))
                .advise("write it as arn:aws:iam::ACCOUNT:role/NAME"));
        }
        let role = arn.map(|arn| AssumedRole {
            arn,
            session_name: None,
            external_id: None,
            duration: None,
            source: format!("the role {ROLE}").into(),
        });
        Ok(Self { variables: variables.clone(), role })
    }

    /// Returns the credentials to sign one request to `region`. Credentials of the generation `refused` or earlier are
    /// fetched again.
    ///
    /// # Errors
    /// [`Fault::Refused`](crate::Fault::Refused) for a broken source, and if no source has credentials; the errors of
    /// the service that issues temporary credentials.
    pub(super) async fn snapshot(
        &self,
        endpoints: &Endpoints,
        region: &str,
        route: &Route,
        refused: Option<u64>,
    ) -> Result<AwsCredential, KmsError> {
        let places = Places { variables: &self.variables, endpoints, region, route };
        let Some(role) = &self.role else { return Box::pin(self.found(&places, refused)).await };
        let session_name = self.session_name()?;
        let role = AssumedRole { session_name, ..role.clone() };
        let fetch = async {
            let base = Box::pin(self.found(&places, refused)).await?;
            role.assume(&base, &places).await
        };
        self.kept("role", &places, &[], refused, fetch).await
    }

    /// Returns the credential of the first source that has one.
    async fn found(&self, places: &Places<'_>, refused: Option<u64>) -> Result<AwsCredential, KmsError> {
        if let Some(credential) = environment::find(&self.variables)? {
            return Ok(credential);
        }
        let home = HOME.iter().find_map(|name| self.variables.get(name)).filter(|home| !home.is_empty());
        let home = home.map(PathBuf::from);
        let session_name = self.session_name()?;
        let named = profile::named(&self.variables)?;
        let identity = web_identity::find(&self.variables, session_name.as_deref());
        // A named profile overrides the web identity, because a cluster sets the web identity's variables in every pod.
        if let (None, Some(identity)) = (&named, identity.as_ref().ok().and_then(Option::as_ref)) {
            return self.kept("web identity", places, &[], refused, identity.exchange(places)).await;
        }
        if named.is_none() {
            identity.as_ref().map_err(Clone::clone)?;
        }
        let files = SharedFiles::read(&self.variables, home.as_deref())?;
        let profiles =
            Profiles { files: &files, home: home.as_deref(), session_name: session_name.as_deref() };
        if let Some(plan) = profiles.plan(named.as_deref())? {
            return match plan.keys() {
                Some(keys) => Ok(keys.clone()),
                None => self.kept("profile", places, &files.hash(), refused, plan.fetch(places)).await,
            };
        }
        if let Some(identity) = identity? {
            return self.kept("web identity", places, &[], refused, identity.exchange(places)).await;
        }
        if let Some(agent) = container::find(&self.variables)? {
            return self.kept("container", places, &[], refused, agent.fetch(places.route)).await;
        }
        self.of_machine(places, named.as_deref(), refused).await
    }

    async fn of_machine(
        &self,
        places: &Places<'_>,
        profile: Option<&str>,
        refused: Option<u64>,
    ) -> Result<AwsCredential, KmsError> {
        if places.endpoints.is_on(DISABLED)? {
            return Err(nothing_found(" (AWS_EC2_METADATA_DISABLED is true)", profile));
        }
        let endpoint = places.endpoints.metadata()?;
        let fetch = async {
            let found = metadata::find(&endpoint, places.route).await?;
            found.map_err(|why| nothing_found(why, profile))
        };
        self.kept("metadata", places, &[], refused, fetch).await
    }

    /// Returns temporary credentials of a source: the cached ones, or the result of `fetch`.
    async fn kept(
        &self,
        source: &str,
        places: &Places<'_>,
        more: &[u8],
        refused: Option<u64>,
        fetch: impl Future<Output = Result<Fetched<AwsCredential>, KmsError>>,
    ) -> Result<AwsCredential, KmsError> {
        let mut digest = Sha256::new_with_prefix(self.settings());
        for part in [places.region.as_bytes(), more] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        let key = cache_key(source, digest.finalize().into(), places.route);
        let fetch = Box::pin(fetch);
        let found = CACHE.get(key, refused, async { fetch.await.map(Some) }).await?;
        found.ok_or_else(|| nothing_found("", None))
    }

    /// Returns the session name of the deployment's settings.
    fn session_name(&self) -> Result<Option<String>, KmsError> {
        let name = endpoint::text(&self.variables, SESSION_NAME)?;
        match name.as_deref().is_none_or(is_session_name) {
            true => Ok(name),
            false => Err(broken(
                SESSION_NAME,
                "is not a session name: expected 2 to 64 letters, digits and characters of _+=,.@-",
            )),
        }
    }

    /// Returns a hash of every setting that the credentials depend on.
    pub(super) fn settings(&self) -> [u8; 32] {
        let mut digest = Sha256::new_with_prefix(self.variables.hash_of(&VARIABLES));
        digest.update(self.variables.hash_of(&endpoint::VARIABLES));
        digest.finalize().into()
    }
}

/// Returns the error for a search without result; `why` is the reason of the last source.
fn nothing_found(why: &str, profile: Option<&str>) -> KmsError {
    let profile = match profile {
        Some(name) => format!("the profile {} (it contains none)", crate::base::escape(name)),
        None => "the profile default of ~/.aws/credentials and ~/.aws/config".to_owned(),
    };
    let places = [
        "the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        "AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN",
        &profile,
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and AWS_CONTAINER_CREDENTIALS_FULL_URI",
    ];
    const ADVICE: &str = "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN for temporary credentials); or give the machine, task or pod a role";
    let hop_limit =
        if why == metadata::SILENT { format!("; {}", metadata::HOP_LIMIT) } else { String::new() };
    let message = format!("no credentials; searched {}, the role of this machine{why}", places.join(", "));
    KmsError::new(Fault::Refused, message).advise_with(format!("{ADVICE}{hop_limit}")).tries(0)
}
