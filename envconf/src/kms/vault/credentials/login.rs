//! Logins with Kubernetes, JWT, AppRole and TLS certificates: in a separate request, or in the request for the key.

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use super::super::client::{self, VaultCall};
use super::super::errors::{login_refusal, refusal};
use super::super::settings::Connection;
use super::{Proof, VaultCredential};
use crate::base::{Error, Kind, Variables, exact_text, write_json_string};
use crate::kms::KmsError;
use crate::kms::credential_cache::Fetched;
use crate::kms::credential_source::{MISFIT, broken, fits, read};
use crate::kms::json::{Argument, Parameter, boolean, integer, secret, string};
use crate::syntax::Table;

pub(super) const AUTH: &str = "ENVCONF_VAULT_AUTH";
pub(super) const MOUNT: &str = "ENVCONF_VAULT_MOUNT";
pub(super) const JWT: &str = "ENVCONF_VAULT_JWT";
pub(super) const JWT_FILE: &str = "ENVCONF_VAULT_JWT_FILE";
pub(super) const ROLE_ID: &str = "ENVCONF_VAULT_ROLE_ID";
pub(super) const SECRET_ID: &str = "ENVCONF_VAULT_SECRET_ID";
pub(super) const SECRET_ID_FILE: &str = "ENVCONF_VAULT_SECRET_ID_FILE";

/// The file in which Kubernetes stores the token of a pod's service account.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
/// The lifetime of a token without an expiry.
const NO_EXPIRY: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The authentication of requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Auth {
    /// With the token in a variable or file.
    Token,
    /// By an agent, which adds a token to requests.
    Agent,
    /// With the token of a login.
    Login(Method),
    /// With a login in each request, which only OpenBao supports.
    Inline(Method),
}

/// A login method with its role and its mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Method {
    kind: MethodKind,
    role: Option<String>,
    mount: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MethodKind {
    Kubernetes,
    Jwt,
    AppRole,
    Cert,
}

/// The headers of a login in the request for the key.
#[derive(Clone)]
pub(in super::super) struct InlineLogin {
    pub(in super::super) path: String,
    pub(in super::super) namespace: Option<String>,
    /// The parameters, each as `{"key":…,"value":…}` in URL-safe base64.
    pub(in super::super) parameters: Vec<Zeroizing<String>>,
    pub(in super::super) advice: &'static str,
}

impl Auth {
    /// Reads the settings of the login.
    ///
    /// # Errors
    /// [`Kind::Usage`] for a setting that is empty or malformed.
    pub(in super::super) fn from_variables(variables: &Variables) -> Result<Self, Error> {
        // Reject empty variables even if the login does not need them.
        for name in [JWT_FILE, ROLE_ID, SECRET_ID_FILE] {
            variables.setting(name)?;
        }
        let mount = variables.setting(MOUNT)?;
        let Some(text) = variables.setting(AUTH)? else { return Ok(Self::Token) };
        let wrong = || {
            Error::new(Kind::Usage, format!("{AUTH} is not a known method")).advise(
                "set it to token, agent, kubernetes:ROLE, jwt:ROLE, approle, cert or cert:NAME; with inline: before a method, OpenBao logs in with each request",
            )
        };
        let text = text.trim();
        match text {
            "token" => return Ok(Self::Token),
            "agent" => return Ok(Self::Agent),
            _ => {}
        }
        let (is_inline, text) = match text.strip_prefix("inline:") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (name, role) = text.split_once(':').map_or((text, None), |(name, role)| (name, Some(role)));
        let kind = match name {
            "kubernetes" => MethodKind::Kubernetes,
            "jwt" => MethodKind::Jwt,
            "approle" => MethodKind::AppRole,
            "cert" => MethodKind::Cert,
            _ => return Err(wrong()),
        };
        if role.is_some_and(|role| !fits(role)) || (kind == MethodKind::Kubernetes && role.is_none()) {
            return Err(Error::new(Kind::Usage, format!("{AUTH} does not name a role"))
                .advise(format!("write it as {name}:ROLE, with the name of the role in the auth method")));
        }
        let mount = mount.as_deref().map_or(name, str::trim).trim_matches('/');
        let mount = mount.strip_prefix("auth/").unwrap_or(mount);
        let is_part = |part: &str| {
            !matches!(part, "" | "." | "..")
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
        };
        if !mount.split('/').all(is_part) {
            return Err(Error::new(Kind::Usage, format!("{MOUNT} is not a path"))
                .advise(format!("set it to the path of the auth method below auth/, such as {name}")));
        }
        let method = Method { kind, role: role.map(str::to_owned), mount: mount.to_owned() };
        Ok(if is_inline { Self::Inline(method) } else { Self::Login(method) })
    }
}

impl Method {
    /// Returns the origin of the token, for a report.
    pub(super) fn source(&self) -> &'static str {
        match self.kind {
            MethodKind::Kubernetes => "the login of ENVCONF_VAULT_AUTH (kubernetes)",
            MethodKind::Jwt => "the login of ENVCONF_VAULT_AUTH (jwt)",
            MethodKind::AppRole => "the login of ENVCONF_VAULT_AUTH (approle)",
            MethodKind::Cert => "the login of ENVCONF_VAULT_AUTH (cert)",
        }
    }

    fn advice(&self) -> &'static str {
        match self.kind {
            MethodKind::Kubernetes => {
                "check the role's audience, service account and namespace, and that the server may ask Kubernetes for token reviews; check ENVCONF_VAULT_MOUNT, and VAULT_NAMESPACE if the auth method is in a namespace"
            }
            MethodKind::Jwt => {
                "check the role's bound audiences and claims, and that the token has not expired; check ENVCONF_VAULT_MOUNT, and VAULT_NAMESPACE if the auth method is in a namespace"
            }
            MethodKind::AppRole => {
                "check role id and secret id: a secret id may have expired, or may be used up; check ENVCONF_VAULT_MOUNT, and VAULT_NAMESPACE if the auth method is in a namespace"
            }
            MethodKind::Cert => {
                "check VAULT_CLIENT_CERT, and the roles of the auth method; check ENVCONF_VAULT_MOUNT, and VAULT_NAMESPACE if the auth method is in a namespace"
            }
        }
    }

    fn path(&self) -> String {
        format!("auth/{}/login", self.mount)
    }

    /// Logs in. Reads variables and files again each time, because files can be replaced while the program runs.
    pub(super) async fn login(
        &self,
        variables: &Variables,
        connection: &Connection,
    ) -> Result<Fetched<VaultCredential>, KmsError> {
        let parameters = self.parameters(variables)?;
        let parameters: Vec<Parameter<'_>> =
            parameters.iter().map(|(name, value)| (*name, Argument::Text(value.as_str()))).collect();
        let path = self.path();
        let call = VaultCall {
            path: &path,
            parameters: Some(&parameters),
            namespace: connection.namespace.as_deref(),
            action: "login",
            refusal: &|status, texts| login_refusal(status, texts, self.advice()),
        };
        client::send(&call, None, connection, |response| {
            let wrong = || response.wrong("the reply to the login contains no token");
            let auth = response.table("auth").ok_or_else(wrong)?;
            let token = string(auth, "client_token").filter(|token| fits(token));
            let token = secret(token.ok_or_else(wrong)?);
            let lifetime = lease(auth).ok_or_else(wrong)?;
            let renewable = if boolean(auth, "renewable") == Some(true) { lifetime } else { 0 };
            let credential =
                VaultCredential { renewable, ..VaultCredential::given(Proof::Token(token), self.source()) };
            Ok(Fetched { credential, lifetime })
        })
        .await
    }

    /// Returns the login as headers of another request.
    pub(super) fn inline(
        &self,
        variables: &Variables,
        connection: &Connection,
    ) -> Result<InlineLogin, KmsError> {
        let parameters = self.parameters(variables)?.into_iter().map(|(name, value)| {
            let json = exact_text(|out| {
                write!(out, "{{\"key\":\"{name}\",\"value\":")?;
                write_json_string(&value, out)?;
                out.write_char('}')
            });
            Zeroizing::new(URL_SAFE_NO_PAD.encode(json.as_bytes()))
        });
        let namespace = connection.namespace.clone();
        Ok(InlineLogin {
            path: self.path(),
            namespace,
            parameters: parameters.collect(),
            advice: self.advice(),
        })
    }

    fn parameters(&self, variables: &Variables) -> Result<Vec<(&'static str, Zeroizing<String>)>, KmsError> {
        let role = self.role.as_deref().map(secret);
        let mut parameters = Vec::new();
        match self.kind {
            MethodKind::Kubernetes => {
                parameters.extend(role.map(|role| ("role", role)));
                parameters.push(("jwt", jwt(variables, Some(SERVICE_ACCOUNT))?));
            }
            MethodKind::Jwt => {
                parameters.extend(role.map(|role| ("role", role)));
                parameters.push(("jwt", jwt(variables, None)?));
            }
            MethodKind::AppRole => {
                let id = role.map_or_else(|| given(variables, ROLE_ID), |role| Ok(Some(role)))?;
                let id = id.ok_or_else(|| {
                    KmsError::refused("no role id for the login").advise("set ENVCONF_VAULT_ROLE_ID").tries(0)
                })?;
                parameters.push(("role_id", id));
                // A role may need no secret id.
                let secret_id =
                    of_file(variables, SECRET_ID_FILE, "the file of ENVCONF_VAULT_SECRET_ID_FILE")?;
                let secret_id = secret_id.map_or_else(|| given(variables, SECRET_ID), |id| Ok(Some(id)))?;
                parameters.extend(secret_id.map(|id| ("secret_id", id)));
            }
            MethodKind::Cert => parameters.extend(role.map(|name| ("name", name))),
        }
        Ok(parameters)
    }
}

/// Renews the token of a login. Returns `None` if the server does not renew it, or only for a short time, because a
/// token has a maximum lifetime.
pub(super) async fn renew(
    old: Option<&VaultCredential>,
    connection: &Connection,
) -> Option<Fetched<VaultCredential>> {
    let old = old.filter(|old| old.renewable > 0)?;
    let call = VaultCall {
        path: "auth/token/renew-self",
        parameters: Some(&[]),
        namespace: connection.namespace.as_deref(),
        action: "renew",
        refusal: &refusal,
    };
    let renewed = client::send(&call, Some(old), connection, |response| {
        let lifetime = response.table("auth").and_then(lease);
        lifetime.ok_or_else(|| response.wrong("the reply does not contain the lifetime of the token"))
    });
    // Ignore an error, because the login that follows reports a better one.
    let lifetime = renewed.await.ok().filter(|lifetime| *lifetime > old.renewable / 2)?;
    Some(Fetched { credential: old.clone(), lifetime })
}

/// Returns the lifetime of a token in seconds.
fn lease(auth: &Table<'_>) -> Option<u64> {
    match u64::try_from(integer(auth, "lease_duration")?).ok()? {
        0 => Some(NO_EXPIRY.as_secs()),
        seconds => Some(seconds),
    }
}

/// Returns the identity token: of the named file, else of the variable, else of the file `usual`.
fn jwt(variables: &Variables, usual: Option<&'static str>) -> Result<Zeroizing<String>, KmsError> {
    if let Some(token) = of_file(variables, JWT_FILE, "the file of ENVCONF_VAULT_JWT_FILE")? {
        return Ok(token);
    }
    if let Some(token) = given(variables, JWT)? {
        return Ok(token);
    }
    if let Some(path) = usual
        && let Some(token) = content(Path::new(path), "the token of the pod's service account")?
    {
        return Ok(token);
    }
    Err(KmsError::refused("no identity token for the login")
        .advise("set ENVCONF_VAULT_JWT_FILE to the file with the token; in Kubernetes, mount the service account's token")
        .tries(0))
}

/// Returns the value of a variable, if it is set.
fn given(variables: &Variables, name: &'static str) -> Result<Option<Zeroizing<String>>, KmsError> {
    let Some(value) = variables.get(name) else { return Ok(None) };
    let value = value.into_string().map(Zeroizing::new).ok().filter(|value| fits(value));
    value.map(Some).ok_or_else(|| broken(name, MISFIT))
}

/// Returns the content of the file that a variable names. The file must exist.
fn of_file(
    variables: &Variables,
    name: &'static str,
    place: &'static str,
) -> Result<Option<Zeroizing<String>>, KmsError> {
    let Some(path) = variables.get(name) else { return Ok(None) };
    content(Path::new(&path), place)?.map(Some).ok_or_else(|| broken(place, "does not exist"))
}

fn content(path: &Path, place: &'static str) -> Result<Option<Zeroizing<String>>, KmsError> {
    let Some(content) = read(path, place)? else { return Ok(None) };
    let text = std::str::from_utf8(content.expose()).ok().map(str::trim).filter(|text| fits(text));
    text.map(|text| Some(secret(text))).ok_or_else(|| broken(place, MISFIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auth(pairs: &[(&str, &str)]) -> Result<Auth, Error> {
        Auth::from_variables(&Variables::given(pairs.iter().copied()))
    }

    #[test]
    fn a_method_has_a_role_and_a_mount() {
        let method = |kind, role: Option<&str>, mount: &str| Method {
            kind,
            role: role.map(str::to_owned),
            mount: mount.to_owned(),
        };
        for (pairs, expected) in [
            (&[][..], Auth::Token),
            (&[(AUTH, "token")], Auth::Token),
            (&[(AUTH, "agent")], Auth::Agent),
            (
                &[(AUTH, "kubernetes:app")],
                Auth::Login(method(MethodKind::Kubernetes, Some("app"), "kubernetes")),
            ),
            (
                &[(AUTH, " jwt:ci "), (MOUNT, "gitlab/")],
                Auth::Login(method(MethodKind::Jwt, Some("ci"), "gitlab")),
            ),
            (&[(AUTH, "jwt")], Auth::Login(method(MethodKind::Jwt, None, "jwt"))),
            (&[(AUTH, "approle")], Auth::Login(method(MethodKind::AppRole, None, "approle"))),
            (
                &[(AUTH, "approle:id"), (MOUNT, "auth/a/b")],
                Auth::Login(method(MethodKind::AppRole, Some("id"), "a/b")),
            ),
            (&[(AUTH, "cert")], Auth::Login(method(MethodKind::Cert, None, "cert"))),
            (
                &[(AUTH, "inline:kubernetes:app")],
                Auth::Inline(method(MethodKind::Kubernetes, Some("app"), "kubernetes")),
            ),
        ] {
            assert_eq!(auth(pairs).unwrap(), expected, "{pairs:?}");
        }
        for bad in [
            &[(AUTH, "")][..],
            &[(AUTH, "ldap")],
            &[(AUTH, "kubernetes")],
            &[(AUTH, "kubernetes:")],
            &[(AUTH, "jwt:a b")],
            &[(AUTH, "inline:token")],
            &[(AUTH, "inline:inline:approle")],
            &[(AUTH, "Kubernetes:app")],
            &[(AUTH, "jwt:a"), (MOUNT, "")],
            &[(AUTH, "jwt:a"), (MOUNT, "a/../b")],
            &[(AUTH, "jwt:a"), (MOUNT, "a?b")],
            &[(JWT_FILE, "")],
            &[(ROLE_ID, " ")],
            &[(SECRET_ID_FILE, "")],
        ] {
            let error = auth(bad).unwrap_err();
            assert_eq!(error.kind(), Kind::Usage, "{bad:?}");
            assert!(error.advice().is_some());
        }
    }

    #[test]
    fn a_login_sends_its_parameters_or_names_the_missing_one() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        let path = file.to_str().unwrap();
        let parameters = |pairs: &[(&str, &str)]| {
            let variables = Variables::given(pairs.iter().copied());
            let Auth::Login(method) = Auth::from_variables(&variables).unwrap() else { panic!("no login") };
            let shown = method.parameters(&variables).map_err(|error| error.message.into_owned())?;
            Ok::<_, String>(
                shown.iter().map(|(name, value)| format!("{name}={}", **value)).collect::<Vec<_>>(),
            )
        };
        std::fs::write(&file, "of.the.file\n").unwrap();
        let jwt = [(AUTH, "jwt:ci"), (JWT_FILE, path), (JWT, "of.the.variable")];
        assert_eq!(parameters(&jwt).unwrap(), ["role=ci", "jwt=of.the.file"]);
        assert_eq!(parameters(&[jwt[0], jwt[2]]).unwrap(), ["role=ci", "jwt=of.the.variable"]);
        assert_eq!(parameters(&[(AUTH, "jwt"), jwt[2]]).unwrap(), ["jwt=of.the.variable"]);
        assert!(parameters(&[jwt[0]]).unwrap_err().contains("no identity token"));
        let role = [(AUTH, "approle"), (ROLE_ID, "r"), (SECRET_ID_FILE, path)];
        assert_eq!(parameters(&role).unwrap(), ["role_id=r", "secret_id=of.the.file"]);
        assert_eq!(
            parameters(&[(AUTH, "approle:r"), (SECRET_ID, "s")]).unwrap(),
            ["role_id=r", "secret_id=s"]
        );
        assert_eq!(parameters(&[(AUTH, "approle:r")]).unwrap(), ["role_id=r"]);
        assert!(parameters(&[(AUTH, "approle")]).unwrap_err().contains("no role id"));
        assert_eq!(parameters(&[(AUTH, "cert:web")]).unwrap(), ["name=web"]);
        assert!(
            parameters(&[(AUTH, "approle:r"), (SECRET_ID, "canary canary")]).unwrap_err().contains(SECRET_ID)
        );
        std::fs::write(&file, "canary canary").unwrap();
        for pairs in [&jwt[..], &role] {
            let message = parameters(pairs).unwrap_err();
            assert!(
                message.contains("the file of ENVCONF_VAULT") && !message.contains("canary"),
                "{message}"
            );
        }
        std::fs::remove_file(&file).unwrap();
        assert!(parameters(&jwt).unwrap_err().contains("does not exist"));
    }
}
