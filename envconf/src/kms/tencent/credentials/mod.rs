//! The sources of credentials, in the order of the search; one file for each source.
//!
//! A missing source returns `Ok(None)`, and the search continues. A broken source ends the search. If no source has
//! credentials, the error lists every place. envconf assumes a configured role with the credentials that it found. Each
//! request uses one snapshot, so id, key and token always belong together.

mod environment;
mod file;
mod metadata;
mod role;
mod tccli;
mod temporary;
mod web_identity;

use std::fmt;
use std::path::PathBuf;

use zeroize::Zeroizing;

use self::role::Role;
use self::temporary::CACHE;
pub(super) use self::temporary::{Unusable, read_temporary};
use super::endpoint;
use super::error_codes::SIGNATURE_EXPIRED;
use crate::base::{Error, Fault, Variables};
use crate::kms::KmsError;
use crate::kms::credential_source::cache_key;
use crate::kms::endpoint::Endpoint;
use crate::kms::http::Route;
use crate::kms::retry_table::is_code_or_prefix;

/// Every variable that the credentials depend on.
pub(super) const VARIABLES: [&str; 18] = [
    environment::ID,
    environment::KEY,
    environment::TOKEN[0],
    environment::TOKEN[1],
    environment::TOKEN[2],
    file::FILE,
    file::PROFILE,
    tccli::PROFILE,
    web_identity::VARIABLES[0],
    web_identity::VARIABLES[1],
    web_identity::VARIABLES[2],
    web_identity::VARIABLES[3],
    role::ARN,
    role::SESSION_NAME,
    STS_ENDPOINT,
    METADATA_ENDPOINT,
    HOME[0],
    HOME[1],
];

const STS_ENDPOINT: &str = "ENVCONF_TENCENT_STS_ENDPOINT";
const METADATA_ENDPOINT: &str = "ENVCONF_TENCENT_METADATA_ENDPOINT";
/// The home directory: the first variable on Unix, the second one on Windows.
const HOME: [&str; 2] = ["HOME", "USERPROFILE"];

/// A snapshot of a credential. `Debug` shows nothing of it.
#[derive(Clone)]
pub(super) struct Credential {
    pub(super) secret_id: Zeroizing<String>,
    pub(super) secret_key: Zeroizing<String>,
    /// The session token of temporary credentials.
    pub(super) token: Option<Zeroizing<String>>,
    /// The number of the fetch in this process; `None` for credentials that cannot be fetched again.
    pub(super) generation: Option<u64>,
    /// The expiry in Unix seconds of this machine's clock; `None` if it is unknown.
    #[cfg_attr(not(feature = "tools"), allow(dead_code, reason = "only a diagnosis shows it"))]
    pub(super) expires: Option<u64>,
    /// The origin of the credential, in a few words for a report.
    pub(super) source: &'static str,
}

impl Credential {
    /// Adds the origin of the credential to an error that it may have caused, because the user has to fix it there.
    pub(super) fn blame(&self, mut error: KmsError) -> KmsError {
        let code = error.code.as_deref().unwrap_or_default();
        let is_to_blame = BLAMED.iter().any(|blamed| is_code_or_prefix(blamed, code));
        if is_to_blame && !is_code_or_prefix(SIGNATURE_EXPIRED, code) {
            error.message = format!("{}; the credential is from {}", error.message, self.source).into();
        }
        error
    }
}

/// Codes that the credential may cause: it is refused, has no rights, or belongs to an account without that key.
const BLAMED: [&str; 3] = ["AuthFailure", "UnauthorizedOperation", "ResourceUnavailable.CmkNotFound"];

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential([REDACTED])")
    }
}

/// The settings for the search of credentials.
#[derive(Debug)]
pub(super) struct Credentials {
    variables: Variables,
    sts: Endpoint,
    metadata: Endpoint,
    role: Option<Role>,
}

impl Credentials {
    /// Reads the settings for the search.
    ///
    /// # Errors
    /// [`Kind::Usage`](crate::Kind::Usage) for a setting that is empty or malformed.
    pub(super) fn from_variables(variables: &Variables) -> Result<Self, Error> {
        let sts = variables.setting(STS_ENDPOINT)?;
        let metadata = variables.setting(METADATA_ENDPOINT)?;
        let metadata = metadata.map(|text| endpoint::parse_metadata(&text, METADATA_ENDPOINT)).transpose()?;
        Ok(Self {
            variables: variables.clone(),
            sts: sts.map_or_else(|| Ok(endpoint::sts()), |text| endpoint::parse(&text, STS_ENDPOINT))?,
            metadata: metadata.unwrap_or_else(endpoint::metadata),
            role: Role::from_variables(variables)?,
        })
    }

    /// Returns the credentials to sign one request. Credentials of the generation `refused` or earlier are fetched
    /// again.
    ///
    /// # Errors
    /// [`Fault::Refused`](crate::Fault::Refused) for a broken source, and if no source has credentials; the errors of
    /// the service that issues temporary credentials.
    pub(super) async fn snapshot(&self, route: &Route, refused: Option<u64>) -> Result<Credential, KmsError> {
        let Some(role) = &self.role else { return self.found(route, refused).await };
        let fetch = async {
            let base = self.found(route, refused).await?;
            role.assume(&base, &self.sts, route).await.map(Some)
        };
        CACHE.get(self.key("role", route), refused, fetch).await?.ok_or_else(|| nothing_found(""))
    }

    /// Returns the credential of the first source that has one.
    async fn found(&self, route: &Route, refused: Option<u64>) -> Result<Credential, KmsError> {
        let home = HOME.iter().find_map(|name| self.variables.get(name)).filter(|home| !home.is_empty());
        let home = home.map(PathBuf::from);
        if let Some(credential) = environment::find(&self.variables)? {
            return Ok(credential);
        }
        if let Some(credential) = file::find(&self.variables, home.as_deref())? {
            return Ok(credential);
        }
        if let Some(credential) = tccli::find(&self.variables, home.as_deref())? {
            return Ok(credential);
        }
        if let Some(identity) = web_identity::find(&self.variables)? {
            let fetch = async { identity.exchange(&self.sts, route).await.map(Some) };
            let got = CACHE.get(self.key("web identity", route), refused, fetch).await?;
            return got.ok_or_else(|| nothing_found(""));
        }
        let mut why = "";
        let fetch = async {
            let found = metadata::find(&self.metadata, route).await?;
            Ok(found.map_err(|reason| why = reason).ok())
        };
        let found = CACHE.get(self.key("metadata", route), refused, fetch).await?;
        found.ok_or_else(|| nothing_found(why))
    }

    /// Returns the cache key of temporary credentials: a hash of all settings that they depend on.
    fn key(&self, source: &str, route: &Route) -> [u8; 32] {
        cache_key(source, self.settings(), route)
    }

    /// Returns a hash of every setting that the credentials depend on.
    pub(super) fn settings(&self) -> [u8; 32] {
        self.variables.hash_of(&VARIABLES)
    }
}

/// Returns the error for a search without result; `why` is the reason of the last source, if it was asked.
fn nothing_found(why: &'static str) -> KmsError {
    let places = [
        "the variables TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY",
        "the file of TENCENTCLOUD_CREDENTIALS_FILE",
        "~/.tencentcloud/credentials",
        "/etc/tencentcloud/credentials",
        "~/.tccli/<profile>.credential",
        "TKE_REGION, TKE_PROVIDER_ID, TKE_WEB_IDENTITY_TOKEN_FILE and TKE_ROLE_ARN",
    ];
    let message = format!("no credentials; searched {}, the role of this machine{why}", places.join(", "));
    KmsError::new(Fault::Refused, message)
        .advise("set TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY (and TENCENTCLOUD_TOKEN for temporary credentials); or give the machine or pod a role")
        .tries(0)
}
