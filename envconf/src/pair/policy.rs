//! The reader's policy: identity, trusted keys, signers, and the lowest generation (format.md §4; api.md §2).
//!
//! A policy comes from the application or its deployment, never from the files.

use std::fmt;
use std::str::FromStr;

use super::TrustSource;
use crate::base::{Error, KeyRef, Kind, Variables, escape, key_ref};
use crate::envelope::SignerKey;
use crate::format::{MAX_GENERATION, Name};

/// One entry of a list of trusted keys: a key, or `local` for the available local keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trusted {
    /// All available local keys.
    Local,
    /// This key.
    Key(KeyRef),
}

impl Trusted {
    /// Rejects a key that is an alias, because somebody can move an alias to another key. `setting` names the setting
    /// in the error.
    ///
    /// # Errors
    /// [`Kind::Usage`] for an alias.
    pub fn refuse_alias(&self, setting: &str) -> Result<(), Error> {
        match self {
            Self::Local => Ok(()),
            Self::Key(key) => key.refuse_alias(&format!("{}:", escape(setting))),
        }
    }
}

impl FromStr for Trusted {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text == key_ref::LOCAL_PROVIDER { Ok(Self::Local) } else { text.parse().map(Self::Key) }
    }
}

impl fmt::Display for Trusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str(key_ref::LOCAL_PROVIDER),
            Self::Key(key) => key.fmt(f),
        }
    }
}

/// The requirements that a pair must meet to be opened.
#[derive(Clone, Debug)]
pub struct Policy {
    pub(crate) name: Name,
    pub(crate) environment: Name,
    /// The trusted keys in the order of tries; `None` if no setting trusts a key.
    pub(crate) trust: Option<Vec<Trusted>>,
    pub(crate) trusted_by: TrustSource,
    pub(crate) signers: Vec<SignerKey>,
    pub(crate) required_signatures: usize,
    pub(crate) min_generation: u64,
}

impl Policy {
    /// Returns a policy that expects this name and environment, and trusts the available local keys only.
    pub fn new(name: Name, environment: Name) -> Self {
        Self {
            name,
            environment,
            trust: None,
            trusted_by: TrustSource::Nothing,
            signers: Vec::new(),
            required_signatures: 1,
            min_generation: 1,
        }
    }

    /// Like [`Policy::new`], with the settings `ENVCONF_TRUST`, `ENVCONF_SIGNERS`, `ENVCONF_REQUIRED_SIGNATURES` and
    /// `ENVCONF_MIN_GENERATION`.
    ///
    /// # Errors
    /// [`Kind::Usage`] for a setting that is empty or malformed.
    pub fn from_environment(name: Name, environment: Name) -> Result<Self, Error> {
        let set = PolicyVariables::read(&Variables::Process)?;
        let mut policy = Self::new(name, environment);
        if set.trust.is_some() {
            (policy.trust, policy.trusted_by) = (set.trust, TrustSource::Variable);
        }
        if set.required_signatures.is_some() || set.signers.is_some() {
            policy = policy
                .signers(set.signers.unwrap_or_default(), set.required_signatures.unwrap_or(1))
                .map_err(|error| {
                    error.advise("set ENVCONF_SIGNERS, and set ENVCONF_REQUIRED_SIGNATURES to at most the number of these signers")
                })?;
        }
        Ok(set.min_generation.into_iter().fold(policy, Self::min_generation))
    }

    /// Trusts these keys, in the order of tries. A local key of the key store is then trusted only if `local` or its
    /// id is in the list.
    #[must_use]
    pub fn trust(mut self, keys: impl IntoIterator<Item = Trusted>) -> Self {
        (self.trust, self.trusted_by) = (Some(keys.into_iter().collect()), TrustSource::Caller);
        self
    }

    /// Requires signatures by `required` of these signers.
    ///
    /// # Errors
    /// [`Kind::Usage`] if `required` is 0 or larger than the number of signers.
    pub fn signers(mut self, signers: Vec<SignerKey>, required: usize) -> Result<Self, Error> {
        if required == 0 || required > signers.len() {
            return Err(Error::new(
                Kind::Usage,
                format!("signatures required: {required}; signers trusted: {}", signers.len()),
            )
            .advise("require at least 1 signature, and at most as many as there are trusted signers"));
        }
        (self.signers, self.required_signatures) = (signers, required);
        Ok(self)
    }

    /// Rejects generations below this one.
    #[must_use]
    pub fn min_generation(mut self, generation: u64) -> Self {
        self.min_generation = self.min_generation.max(generation);
        self
    }

    /// Returns the expected name.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Returns the expected environment.
    pub fn environment(&self) -> &Name {
        &self.environment
    }

    /// Returns the trusted keys in the order of tries; `None` if no setting trusts a key.
    pub fn trusted(&self) -> Option<&[Trusted]> {
        self.trust.as_deref()
    }

    /// Returns the name and environment of the configuration, for reports.
    pub(crate) fn title(&self) -> String {
        format!("{} for {}", self.name, self.environment)
    }
}

/// Parses a comma-separated list of trusted keys; `setting` names the setting in errors.
///
/// # Errors
/// [`Kind::Usage`] for an empty list, an alias, or an entry that is neither a key reference nor `local`.
pub fn parse_trust(list: &str, setting: &str) -> Result<Vec<Trusted>, Error> {
    let trust: Vec<Trusted> =
        parse_list(list, setting, "list the keys as provider:region:id or local, separated by commas")?;
    trust.iter().try_for_each(|trusted| trusted.refuse_alias(setting))?;
    Ok(trust)
}

/// Parses a comma-separated list of signers' public keys, each base64 of 32 bytes; `setting` names the setting.
///
/// # Errors
/// [`Kind::Usage`] for an empty list, an entry that is not a public key, or a key that is listed twice.
pub fn parse_signers(list: &str, setting: &str) -> Result<Vec<SignerKey>, Error> {
    let signers: Vec<SignerKey> =
        parse_list(list, setting, "write Ed25519 public keys, each 32 bytes in base64, separated by commas")?;
    let mut ids: Vec<_> = signers.iter().map(SignerKey::id).collect();
    ids.sort();
    if ids.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(Error::new(Kind::Usage, format!("{setting} names a signer twice")));
    }
    Ok(signers)
}

fn parse_list<T: FromStr<Err = Error>>(list: &str, setting: &str, advice: &str) -> Result<Vec<T>, Error> {
    let entries = list.split(',').map(|entry| entry.trim().parse());
    entries.collect::<Result<_, Error>>().map_err(|error| {
        Error::new(Kind::Usage, format!("{}: {}", escape(setting), error.message())).advise(advice)
    })
}

/// The environment variables that set a policy (api.md §2). Each is `None` if it is not set.
#[derive(Debug, Default)]
pub(crate) struct PolicyVariables {
    pub(crate) trust: Option<Vec<Trusted>>,
    pub(crate) signers: Option<Vec<SignerKey>>,
    pub(crate) required_signatures: Option<usize>,
    pub(crate) min_generation: Option<u64>,
}

impl PolicyVariables {
    /// Reads and parses the variables.
    ///
    /// # Errors
    /// [`Kind::Usage`] for a setting that is empty or malformed.
    pub(crate) fn read(variables: &Variables) -> Result<Self, Error> {
        let number = |name: &str| -> Result<Option<u64>, Error> {
            let Some(text) = variables.setting(name)? else { return Ok(None) };
            let digits = text.bytes().all(|b| b.is_ascii_digit());
            let number =
                text.parse().ok().filter(|_| digits).filter(|number| (1..=MAX_GENERATION).contains(number));
            number.map(Some).ok_or_else(|| {
                Error::new(Kind::Usage, format!("{name}: invalid number: expected a whole number above 0"))
            })
        };
        let trust = variables.setting("ENVCONF_TRUST")?;
        let signers = variables.setting("ENVCONF_SIGNERS")?;
        Ok(Self {
            trust: trust.map(|list| parse_trust(&list, "ENVCONF_TRUST")).transpose()?,
            signers: signers.map(|list| parse_signers(&list, "ENVCONF_SIGNERS")).transpose()?,
            required_signatures: number("ENVCONF_REQUIRED_SIGNATURES")?
                .map(|n| usize::try_from(n).unwrap_or(usize::MAX)),
            min_generation: number("ENVCONF_MIN_GENERATION")?,
        })
    }
}
