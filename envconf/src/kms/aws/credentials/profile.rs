//! The credentials of a profile in the shared files: keys, a command, a login, or a role that is assumed with one of
//! these.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::config_file::{ConfigSection, Property, SharedFiles};
use super::process::CredentialProcess;
use super::role::AssumedRole;
use super::sso::SsoLogin;
use super::web_identity::WebIdentityRole;
use super::{AwsCredential, container, environment, metadata};
use super::{Places, broken};
use crate::base::{Variables, escape};
use crate::kms::KmsError;
use crate::kms::command_output::split_words;
use crate::kms::credential_cache::Fetched;
use crate::kms::credential_source::{MISFIT, fits};
use crate::kms::json::secret;

use super::super::sts::is_session_name;

pub(super) const PROFILE: &str = "AWS_PROFILE";
const DEFAULT: &str = "default";
/// Limit of the roles that are assumed one after the other.
const MOST_ROLES: usize = 20;

/// The steps to the credential of a profile: its first credentials, and the roles to assume one after the other.
pub(super) struct ProfilePlan {
    base: ProfileBase,
    roles: Vec<AssumedRole>,
}

/// The source of a profile's first credentials.
enum ProfileBase {
    Keys(AwsCredential),
    Process(CredentialProcess),
    Sso(SsoLogin),
    WebIdentity(WebIdentityRole),
    Environment(Property),
    Machine(Property),
    Container(Property),
}

/// The settings for the search of a profile.
pub(super) struct Profiles<'a> {
    pub(super) files: &'a SharedFiles,
    pub(super) home: Option<&'a Path>,
    /// The session name of the deployment, for roles whose profile has none.
    pub(super) session_name: Option<&'a str>,
}

/// Returns the profile that `AWS_PROFILE` names.
///
/// # Errors
/// For a name that no section can have.
pub(super) fn named(variables: &Variables) -> Result<Option<String>, KmsError> {
    let Some(name) = variables.get(PROFILE).filter(|name| !name.is_empty()) else { return Ok(None) };
    let is_name = |name: &String| !name.contains(['[', ']', '\n']) && name.trim() == name;
    let wrong = || broken(PROFILE, "is not a profile name");
    name.into_string().ok().filter(is_name).map(Some).ok_or_else(wrong)
}

impl Profiles<'_> {
    /// Returns the plan for the profile of this name, or for the default profile. Returns `None` if the profile does
    /// not exist or contains no credential.
    ///
    /// # Errors
    /// For a named profile that does not exist, and for a broken profile, with file and line.
    pub(super) fn plan(&self, name: Option<&str>) -> Result<Option<ProfilePlan>, KmsError> {
        let first = name.unwrap_or(DEFAULT);
        let Some(mut section) = self.files.profile(first)? else {
            let missing = || {
                let what = format!("names the profile {}, which is in neither file", escape(first));
                broken(PROFILE, &what).advise(self.files.misplaced(first))
            };
            return name.map_or(Ok(None), |_| Err(missing()));
        };
        let mut roles = Vec::new();
        let mut visited = vec![first.to_owned()];
        loop {
            let current = visited.last().map_or(DEFAULT, String::as_str).to_owned();
            // If another profile is based on this one, the keys of this profile override its role.
            if !roles.is_empty()
                && let Some(keys) = keys(&section, &current)?
            {
                return Ok(Some(ProfilePlan { base: ProfileBase::Keys(keys), roles: reversed(roles) }));
            }
            let Some(arn) = section.get("role_arn") else {
                let base = self.base(&section, &current)?;
                return match base {
                    Some(base) => Ok(Some(ProfilePlan { base, roles: reversed(roles) })),
                    None if roles.is_empty() => Ok(None),
                    None => Err(broken(
                        &format!("the profile {}", escape(&current)),
                        "contains no credential, but another profile is based on it",
                    )),
                };
            };
            if roles.len() == MOST_ROLES {
                return Err(arn.wrong("needs more than 20 roles, one after the other"));
            }
            if let Some(file) = section.get("web_identity_token_file") {
                let base = ProfileBase::WebIdentity(self.web_identity(&section, arn, file, &current)?);
                return Ok(Some(ProfilePlan { base, roles: reversed(roles) }));
            }
            roles.push(self.role(&section, arn, &current)?);
            let next = match (section.get("source_profile"), section.get("credential_source")) {
                (Some(_), Some(both)) => {
                    return Err(both.wrong("sets credential_source, and source_profile is set too"));
                }
                (None, None) => {
                    return Err(arn.wrong(
                        "sets role_arn without source_profile, credential_source or web_identity_token_file",
                    ));
                }
                (None, Some(source)) => {
                    let base = match source.value() {
                        "Environment" => ProfileBase::Environment(source.clone()),
                        "Ec2InstanceMetadata" => ProfileBase::Machine(source.clone()),
                        "EcsContainer" => ProfileBase::Container(source.clone()),
                        _ => {
                            return Err(source.wrong(
                                "sets credential_source to something other than Environment, Ec2InstanceMetadata and EcsContainer",
                            ));
                        }
                    };
                    return Ok(Some(ProfilePlan { base, roles: reversed(roles) }));
                }
                (Some(next), None) => next,
            };
            let name = text(next, "source_profile")?;
            if visited.contains(&name) {
                // A role may use the keys of the same profile. Every other cycle is an error.
                let own = if name == current { keys(&section, &current)? } else { None };
                let Some(keys) = own else {
                    return Err(next.wrong(&format!(
                        "leads back to the profile {}: the roles form a cycle",
                        escape(&name)
                    )));
                };
                return Ok(Some(ProfilePlan { base: ProfileBase::Keys(keys), roles: reversed(roles) }));
            }
            section = self.files.profile(&name)?.ok_or_else(|| {
                next.wrong(&format!("names the profile {}, which is in neither file", escape(&name)))
                    .advise(self.files.misplaced(&name))
            })?;
            visited.push(name);
        }
    }

    /// Returns the credential source of a profile without a role.
    fn base(&self, section: &ConfigSection, profile: &str) -> Result<Option<ProfileBase>, KmsError> {
        if let Some(file) = section.get("web_identity_token_file") {
            return Err(file.wrong("sets web_identity_token_file without role_arn"));
        }
        if let Some(login) = self.sso(section, profile)? {
            return Ok(Some(ProfileBase::Sso(login)));
        }
        if let Some(keys) = keys(section, profile)? {
            return Ok(Some(ProfileBase::Keys(keys)));
        }
        if let Some(line) = section.get("credential_process") {
            let words = split_words(line.value()).filter(|words| !words.is_empty());
            let words = words.ok_or_else(|| {
                line.wrong("sets credential_process to no command, or to one with a quote that is not closed")
            })?;
            let place = line.place().to_owned();
            let source = format!("the credential_process of the profile {}", escape(profile)).into();
            return Ok(Some(ProfileBase::Process(CredentialProcess { words, place, source })));
        }
        if let Some(line) = section.get("login_session") {
            return Err(line.wrong("sets login_session, which envconf does not support").advise_with(format!(
                "set credential_process in a separate profile to `aws configure export-credentials --profile {} --format process`",
                escape(profile)
            )));
        }
        Ok(None)
    }

    fn role(&self, section: &ConfigSection, arn: &Property, profile: &str) -> Result<AssumedRole, KmsError> {
        if let Some(device) = section.get("mfa_serial") {
            return Err(device.wrong("sets mfa_serial, but envconf cannot ask for a second factor").advise_with(
                format!(
                    "set credential_process in a separate profile to `aws configure export-credentials --profile {} --format process`",
                    escape(profile)
                ),
            ));
        }
        let optional = |name: &'static str| section.get(name).map(|value| text(value, name)).transpose();
        let duration = section.get("duration_seconds").map(|seconds| {
            let is_number = seconds.value().len() <= 5 && seconds.value().bytes().all(|b| b.is_ascii_digit());
            if is_number {
                text(seconds, "duration_seconds")
            } else {
                Err(seconds.wrong("sets duration_seconds to something other than a number of seconds"))
            }
        });
        Ok(AssumedRole {
            arn: role_arn(arn)?,
            session_name: self.session_name(section)?,
            external_id: optional("external_id")?,
            duration: duration.transpose()?,
            source: format!("the role of the profile {}", escape(profile)).into(),
        })
    }

    fn web_identity(
        &self,
        section: &ConfigSection,
        arn: &Property,
        file: &Property,
        profile: &str,
    ) -> Result<WebIdentityRole, KmsError> {
        if let Some((name, other)) = section.first_of(&["source_profile", "credential_source"]) {
            return Err(other.wrong(&format!("sets {name}, and web_identity_token_file is set too")));
        }
        let path = text(file, "web_identity_token_file")?;
        let path = match (path.strip_prefix("~/"), self.home) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => PathBuf::from(&path),
        };
        Ok(WebIdentityRole {
            role: role_arn(arn)?,
            session_name: self.session_name(section)?,
            file: path,
            place: format!("the token file of {}", file.place()),
            source: format!("the role of the profile {}", escape(profile)).into(),
        })
    }

    fn session_name(&self, section: &ConfigSection) -> Result<Option<String>, KmsError> {
        let Some(name) = section.get("role_session_name") else {
            return Ok(self.session_name.map(str::to_owned));
        };
        match is_session_name(name.value()) {
            true => Ok(Some(name.value().to_owned())),
            false => Err(name.wrong(
                "sets role_session_name to something other than 2 to 64 letters, digits and characters of _+=,.@-",
            )),
        }
    }

    /// Returns the login of a profile: with a session, or with a start URL, which older profiles have.
    fn sso(&self, section: &ConfigSection, profile: &str) -> Result<Option<SsoLogin>, KmsError> {
        let Some((_, first)) =
            section.first_of(&["sso_session", "sso_start_url", "sso_account_id", "sso_role_name"])
        else {
            return Ok(None);
        };
        let needed = |section: &ConfigSection, name: &'static str| match section.get(name) {
            Some(value) => text(value, name),
            None => Err(first.wrong(&format!("belongs to an SSO login without {name}"))),
        };
        let (cache_name, region, command) = match section.get("sso_session") {
            Some(session) => {
                let name = text(session, "sso_session")?;
                let found = self.files.sso_session(&name)?.ok_or_else(|| {
                    session.wrong(&format!("names the session {}, which is not in config", escape(&name)))
                })?;
                needed(&found, "sso_start_url")?;
                let command = format!("`aws sso login --sso-session {}`", escape(&name));
                (name, needed(&found, "sso_region")?, command)
            }
            None => {
                let command = format!("`aws sso login --profile {}`", escape(profile));
                (needed(section, "sso_start_url")?, needed(section, "sso_region")?, command)
            }
        };
        if !region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
            return Err(first.wrong("belongs to an SSO login with an invalid sso_region"));
        }
        let home = self.home.ok_or_else(|| {
            first.wrong("belongs to an SSO login, whose token is in ~/.aws/sso/cache, but HOME is not set")
        })?;
        Ok(Some(SsoLogin {
            cache_name,
            region,
            account: needed(section, "sso_account_id")?,
            role: needed(section, "sso_role_name")?,
            command,
            home: home.to_owned(),
            source: format!("the SSO login of the profile {}", escape(profile)).into(),
        }))
    }
}

/// Returns the roles in the order in which envconf assumes them.
fn reversed(mut roles: Vec<AssumedRole>) -> Vec<AssumedRole> {
    roles.reverse();
    roles
}

/// Returns the text of a property that is not secret.
fn text(property: &Property, name: &str) -> Result<String, KmsError> {
    match property.value() {
        "" => Err(property.wrong(&format!("sets {name} to an empty value"))),
        value => Ok(value.to_owned()),
    }
}

fn role_arn(arn: &Property) -> Result<String, KmsError> {
    match is_role_arn(arn.value()) {
        true => Ok(arn.value().to_owned()),
        false => Err(arn.wrong("sets role_arn to something other than arn:aws:iam::ACCOUNT:role/NAME")),
    }
}

/// Returns true if the text has the form of the ARN of a role.
pub(super) fn is_role_arn(text: &str) -> bool {
    fits(text) && text.starts_with("arn:") && text.contains(":iam::") && text.contains(":role/")
}

/// Returns the id and secret in a profile.
fn keys(section: &ConfigSection, profile: &str) -> Result<Option<AwsCredential>, KmsError> {
    let value = |name: &'static str| -> Result<Option<Zeroizing<String>>, KmsError> {
        let Some(property) = section.get(name) else { return Ok(None) };
        match fits(property.value()) {
            true => Ok(Some(secret(property.value()))),
            false => Err(property.wrong(&format!("sets {name} to a value that {MISFIT}"))),
        }
    };
    let (id, key) = ("aws_access_key_id", "aws_secret_access_key");
    let (access_key_id, secret_access_key) = match (value(id)?, value(key)?) {
        (Some(access_key_id), Some(secret_access_key)) => (access_key_id, secret_access_key),
        (None, None) => return Ok(None),
        (found, _) => {
            let (there, missing) = if found.is_some() { (id, key) } else { (key, id) };
            let what = format!("sets {there}, and {missing} is missing");
            return Err(section.get(there).map_or_else(|| broken(there, &what), |line| line.wrong(&what)));
        }
    };
    // An empty token counts as missing, as in every AWS program.
    let token = ["aws_session_token", "aws_security_token"]
        .into_iter()
        .find(|name| section.get(name).is_some_and(|token| !token.value().is_empty()));
    Ok(Some(AwsCredential {
        access_key_id,
        secret_access_key,
        session_token: token.map(value).transpose()?.flatten(),
        generation: None,
        expires: None,
        source: format!("the profile {}", escape(profile)).into(),
    }))
}

impl ProfilePlan {
    /// Returns the credential if the profile contains it directly.
    pub(super) fn keys(&self) -> Option<&AwsCredential> {
        match &self.base {
            ProfileBase::Keys(keys) if self.roles.is_empty() => Some(keys),
            _ => None,
        }
    }

    /// Fetches the first credentials, and assumes the roles.
    pub(super) async fn fetch(&self, places: &Places<'_>) -> Result<Fetched<AwsCredential>, KmsError> {
        let mut fetched = match &self.base {
            ProfileBase::Keys(keys) => Fetched { credential: keys.clone(), lifetime: u64::MAX },
            ProfileBase::Process(process) => process.run().await?,
            ProfileBase::Sso(login) => login.exchange(places).await?,
            ProfileBase::WebIdentity(role) => role.exchange(places).await?,
            ProfileBase::Environment(line) => {
                let keys = environment::find(places.variables)?;
                let credential = keys.ok_or_else(|| {
                    line.wrong("sets credential_source to Environment, and AWS_ACCESS_KEY_ID is not set")
                })?;
                Fetched { credential, lifetime: u64::MAX }
            }
            ProfileBase::Machine(line) => {
                let found = metadata::find(&places.endpoints.metadata()?, places.route).await?;
                found.map_err(|why| {
                    let what = format!(
                        "sets credential_source to the role of this machine, which was not found{why}"
                    );
                    line.wrong(&what).advise(metadata::HOP_LIMIT)
                })?
            }
            ProfileBase::Container(line) => {
                let agent = container::find(places.variables)?.ok_or_else(|| {
                    line.wrong("sets credential_source to EcsContainer, and AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is not set")
                })?;
                agent.fetch(places.route).await?
            }
        };
        for role in &self.roles {
            fetched = role.assume(&fetched.credential, places).await?;
        }
        Ok(fetched)
    }
}
