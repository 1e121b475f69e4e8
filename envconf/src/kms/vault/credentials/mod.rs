//! Where a token comes from: it is given, or it is what a login gives.
//!
//! "Not here" is `Ok(None)` and the next place is looked at; "here but broken" ends the search. When nothing is there,
//! the error lists every place that was looked at.

mod login;
mod token;

use std::fmt;

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

pub(super) use self::login::{Auth, InlineLogin};
use super::settings::{Connection, VaultSettings};
use crate::base::Fault;
use crate::kms::KmsError;
use crate::kms::credential_cache::{CredentialCache, Renewable};
use crate::kms::credential_source::cache_key;

/// Every variable that says where a token comes from, beside those that all settings of Vault have.
pub(super) const VARIABLES: [&str; 10] = [
    token::PATH,
    login::AUTH,
    login::MOUNT,
    login::JWT,
    login::JWT_FILE,
    login::ROLE_ID,
    login::SECRET_ID,
    login::SECRET_ID_FILE,
    HOME[0],
    HOME[1],
];

/// Unix has the one, Windows the other.
const HOME: [&str; 2] = ["HOME", "USERPROFILE"];

static CACHE: CredentialCache<VaultCredential> = CredentialCache::new();

/// What authenticates one request. `Debug` shows nothing of it.
#[derive(Clone)]
pub(super) struct VaultCredential {
    pub(super) proof: Proof,
    /// The fetch, counted in the process; `None` for credentials that cannot be fetched again.
    pub(super) generation: Option<u64>,
    /// When it ends by this machine's clock, in Unix seconds; `None` where that is not known.
    #[cfg_attr(not(feature = "tools"), allow(dead_code, reason = "only a diagnosis shows it"))]
    pub(super) expires: Option<u64>,
    /// Where it is from, in a few words for a report.
    pub(super) source: &'static str,
    /// The lifetime that the login granted, in seconds, if the server renews the token; else 0.
    renewable: u64,
}

/// The proof of identity in a request.
#[derive(Clone)]
pub(super) enum Proof {
    Token(Zeroizing<String>),
    /// A login in the same request.
    Inline(InlineLogin),
    /// Nothing: the agent on the way adds it.
    Agent,
}

impl fmt::Debug for VaultCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VaultCredential([REDACTED])")
    }
}

impl Renewable for VaultCredential {
    fn dated(self, generation: u64, expires: u64) -> Self {
        Self { generation: Some(generation), expires: Some(expires), ..self }
    }

    fn generation(&self) -> Option<u64> {
        self.generation
    }
}

impl VaultCredential {
    /// One that is not fetched.
    fn given(proof: Proof, source: &'static str) -> Self {
        Self { proof, generation: None, expires: None, source, renewable: 0 }
    }

    /// Says with a refusal for what the credential is or may do where it is from: there it has to be mended.
    pub(super) fn blame(&self, mut error: KmsError) -> KmsError {
        if error.status == Some(403) && error.fault == Fault::Refused {
            error.message = format!("{}; the token is from {}", error.message, self.source).into();
        }
        error
    }
}

/// Returns the credentials for one request. Credentials of the generation `refused` or earlier are fetched again.
///
/// # Errors
/// A refusal: of a place that is there but broken, or of none being there; what the server says to a login.
pub(super) async fn snapshot(
    settings: &VaultSettings,
    connection: &Connection,
    refused: Option<u64>,
) -> Result<VaultCredential, KmsError> {
    match &settings.auth {
        Auth::Token => token::find(&settings.variables),
        Auth::Agent => Ok(VaultCredential::given(Proof::Agent, "the agent of Vault")),
        Auth::Inline(method) => {
            let login = method.inline(&settings.variables, connection)?;
            Ok(VaultCredential::given(Proof::Inline(login), method.source()))
        }
        Auth::Login(method) => {
            let mut digest = Sha256::new_with_prefix(connection.endpoint.url());
            digest.update(settings.hash());
            let key = cache_key("vault", digest.finalize().into(), &connection.route);
            let fetch = async |old: Option<VaultCredential>| {
                // Renew first: the inputs of a login may be gone or used up, because a secret id works once.
                if let Some(renewed) = login::renew(old.as_ref(), connection).await {
                    return Ok(Some(renewed));
                }
                method.login(&settings.variables, connection).await.map(Some)
            };
            let got = CACHE.get_or_renew(key, refused, fetch).await?;
            got.ok_or_else(|| KmsError::refused("the login returned no token").tries(0))
        }
    }
}
