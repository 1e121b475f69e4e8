//! Key management: the [`Keys`] trait for services that have it, and the description of a key.

use std::fmt;
use std::str::FromStr;

use super::{BoxFuture, KmsError};
use crate::base::{Error, KeyRef, Kind, escape, provider};

/// The key management of a key service, which [`Kms::keys`](super::Kms::keys) returns.
pub trait Keys: Send + Sync {
    /// Creates a symmetric key that wraps data keys.
    ///
    /// # Errors
    /// The error of the service. A lost reply is an error, although the service may have created the key.
    fn create<'a>(
        &'a self,
        place: &'a KeyPlace,
        wanted: &'a NewKey,
    ) -> BoxFuture<'a, Result<KeyInfo, KmsError>>;

    /// Returns all keys at this place that can wrap data keys, the newest first. With `all`, also keys for other uses.
    ///
    /// # Errors
    /// The error of the service.
    fn list<'a>(&'a self, place: &'a KeyPlace, all: bool) -> BoxFuture<'a, Result<Vec<KeyInfo>, KmsError>>;

    /// Describes one key, named by its id.
    ///
    /// # Errors
    /// The error of the service.
    fn describe<'a>(&'a self, key: &'a KeyRef) -> BoxFuture<'a, Result<KeyInfo, KmsError>>;

    /// Returns true if the service rotates this key, which is named by its id.
    ///
    /// # Errors
    /// The error of the service.
    fn rotates<'a>(&'a self, key: &'a KeyRef) -> BoxFuture<'a, Result<bool, KmsError>>;

    /// Switches the rotation of a key on or off. The key is named by its id.
    ///
    /// # Errors
    /// The error of the service.
    fn set_rotation<'a>(&'a self, key: &'a KeyRef, rotation: Rotation)
    -> BoxFuture<'a, Result<(), KmsError>>;

    /// Returns the key that currently has this alias. Aliases are case-sensitive. For AWS, `alias` may also be the ARN
    /// of an alias.
    ///
    /// # Errors
    /// [`Fault::Refused`](crate::error::Fault::Refused) if no key has this alias.
    fn resolve<'a>(&'a self, place: &'a KeyPlace, alias: &'a str) -> BoxFuture<'a, Result<KeyRef, KmsError>>;
}

/// A place that contains keys: `provider:region`, such as `tencent:ap-guangzhou`. For Vault, the mount follows:
/// `vault:-:transit`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPlace(pub(crate) KeyRef);

/// The provider whose keys have a path, the mount, before their name.
const MOUNTED: &str = "vault";
/// The default mount.
pub(crate) const TRANSIT: &str = "transit";

impl KeyPlace {
    /// Returns the key service's name.
    pub fn provider(&self) -> &str {
        self.0.provider()
    }

    /// Returns the service's region; `-` if the service has no regions.
    pub fn region(&self) -> &str {
        self.0.region()
    }

    /// Returns the mount; `None` for services without one.
    pub(crate) fn below_region(&self) -> Option<&str> {
        self.0.key_id().strip_suffix("/*")
    }

    /// Returns the place that contains this key.
    pub fn of(key: &KeyRef) -> Self {
        let mount = key.key_id().rsplit_once('/').filter(|_| key.provider() == MOUNTED);
        let place =
            mount.and_then(|(mount, _)| KeyRef::new(key.provider(), key.region(), &format!("{mount}/*")));
        // `*` means all keys at this place, in reports.
        Self(place.unwrap_or_else(|| key.with_any_id()))
    }

    /// Returns the reference of the key with this id; `None` if the id is malformed. For Vault, the id is the key's
    /// name.
    pub fn key(&self, id: &str) -> Option<KeyRef> {
        match self.below_region() {
            Some(_) if id.contains('/') => None,
            Some(path) => KeyRef::new(self.provider(), self.region(), &format!("{path}/{id}")),
            None => KeyRef::new(self.provider(), self.region(), id),
        }
    }
}

impl FromStr for KeyPlace {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bad = || {
            Error::new(Kind::Usage, format!("invalid place of keys `{}`", escape(text))).advise(
                "write it as provider:region, such as tencent:ap-guangzhou; for Vault as vault:-:MOUNT, such as vault:-:transit",
            )
        };
        let (provider, rest) = text.split_once(':').ok_or_else(bad)?;
        if provider != MOUNTED {
            let place = if rest.contains(':') { None } else { KeyRef::new(provider, rest, "*") };
            return place.map(Self).ok_or_else(bad);
        }
        let (region, mount) = rest.split_once(':').unwrap_or((rest, TRANSIT));
        // The rules for a mount are those for the path of a key, so check the path of an example key.
        let probe = KeyRef::new(provider, region, &format!("{mount}/key")).ok_or_else(bad)?;
        provider::check(&probe).map_err(|_| bad())?;
        KeyRef::new(provider, region, &format!("{mount}/*")).map(Self).ok_or_else(bad)
    }
}

impl fmt::Display for KeyPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.provider(), self.region())?;
        self.below_region().map_or(Ok(()), |path| write!(f, ":{path}"))
    }
}

/// The properties of a key to create.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewKey {
    /// The readable name of the key, within the service's rules.
    pub alias: String,
    /// Purpose of the key; may be empty.
    pub description: String,
}

/// A key as its service describes it. Other people wrote the alias and the description: escape both before printing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    /// The key by its immutable id.
    pub key: KeyRef,
    /// The readable name of the key, which can be moved to another key.
    pub alias: Option<String>,
    /// The current state of the key.
    pub state: KeyState,
    /// True if the key can wrap data keys; false for other keys, such as a signing key.
    pub wraps: bool,
    /// The time of its creation, in Unix seconds.
    pub created: Option<u64>,
    /// Purpose of the key.
    pub description: String,
    /// The rotation of the key; `None` if the service does not report it.
    pub rotation: Option<Rotation>,
}

/// The current state of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyState {
    /// The key can wrap and unwrap.
    Enabled,
    /// The key can do nothing until somebody enables it again.
    Disabled,
    /// The key can unwrap, but not wrap.
    Archived,
    /// The key can do nothing, and the service will delete it.
    PendingDeletion,
    /// The key can do nothing until its key material is imported.
    PendingImport,
    /// A state that this library does not know.
    Other,
}

impl KeyState {
    /// Returns the state in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::Archived => "archived",
            Self::PendingDeletion => "pending deletion",
            Self::PendingImport => "pending import",
            Self::Other => "unknown",
        }
    }
}

/// The rotation of a key: how often it gets a new version. Older versions still unwrap the keys that they wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// The key gets no new versions.
    Off,
    /// A new version after this number of days; `None` for the service's own interval.
    Every(Option<u32>),
}

impl fmt::Display for Rotation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Every(None) => f.write_str("on"),
            Self::Every(Some(1)) => f.write_str("every day"),
            Self::Every(Some(days)) => write!(f, "every {days} days"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_reference_without_the_key() {
        let place: KeyPlace = "tencent:ap-guangzhou".parse().unwrap();
        assert_eq!(place.to_string(), "tencent:ap-guangzhou");
        let key = place.key("23e80852").unwrap();
        assert_eq!(key.to_string(), "tencent:ap-guangzhou:23e80852");
        assert_eq!(KeyPlace::of(&key), place);
        for bad in ["", "tencent", "tencent:", "tencent:ap-guangzhou:x", "Tencent:-", ":x"] {
            assert_eq!(bad.parse::<KeyPlace>().unwrap_err().kind(), Kind::Usage, "{bad}");
        }
    }

    #[test]
    fn a_vault_place_names_a_mount() {
        for (text, shown) in [
            ("vault:-", "vault:-:transit"),
            ("vault:-:transit", "vault:-:transit"),
            ("vault:-:team-a/transit", "vault:-:team-a/transit"),
        ] {
            let place: KeyPlace = text.parse().unwrap();
            assert_eq!(place.to_string(), shown, "{text}");
            let key = place.key("app").unwrap();
            assert_eq!(key.to_string(), format!("{shown}/app"));
            assert_eq!(KeyPlace::of(&key), place);
            assert_eq!(place.key("a/b"), None);
        }
        for bad in
            ["vault:eu", "vault:-:", "vault:-:/transit", "vault:-:transit/", "vault:-:a/../b", "vault:-:a?b"]
        {
            assert_eq!(bad.parse::<KeyPlace>().unwrap_err().kind(), Kind::Usage, "{bad}");
        }
    }
}
