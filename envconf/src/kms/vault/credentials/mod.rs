//! The sources of a token: a variable, a file, or a login.
//!
//! A missing source returns `Ok(None)`, and the search continues. A broken source ends the search. If no source has a
//! token, the error lists every place.

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

/// Every variable that the token depends on, in addition to the variables with the prefixes of Vault and OpenBao.
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

/// The home directory: the first variable on Unix, the second one on Windows.
const HOME: [&str; 2] = ["HOME", "USERPROFILE"];

static CACHE: CredentialCache<VaultCredential> = CredentialCache::new();

/// The credential of one request. `Debug` shows nothing of it.
#[derive(Clone)]
pub(super) struct VaultCredential {
    pub(super) proof: Proof,
    /// The number of the fetch in this process; `None` for credentials that cannot be fetched again.
    pub(super) generation: Option<u64>,
    /// The expiry in Unix seconds of this machine's clock; `None` if it is unknown.
    #[cfg_attr(not(feature = "tools"), allow(dead_code, reason = "only a diagnosis shows it"))]
    pub(super) expires: Option<u64>,
    /// The origin of the credential, in a few words for a report.
    pub(super) source: &'static str,
    /// The lifetime that the login granted, in seconds; 0 if the server does not renew the token.
    renewable: u64,
}

/// The proof of identity in a request.
#[derive(Clone)]
pub(super) enum Proof {
    /// A token.
    Token(Zeroizing<String>),
    /// A login in the same request.
    Inline(InlineLogin),
    /// No proof in the request, because an agent adds it.
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
    /// Returns a credential that envconf cannot fetch again.
    fn given(proof: Proof, source: &'static str) -> Self {
        Self { proof, generation: None, expires: None, source, renewable: 0 }
    }

    /// Adds the origin of the credential to an error that it may have caused, because the user has to fix it there.
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
/// [`Fault::Refused`] for a broken source, and if no source has a token; the error of the login.
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
                // Renew first, because another login may be impossible: a secret id may work only once.
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
