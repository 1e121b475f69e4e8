//! The keys of a key service themselves: what is known of them, and what a service that manages them offers.

use std::fmt;
use std::str::FromStr;

use super::{BoxFuture, KmsError};
use crate::base::{Error, KeyRef, Kind, escape, provider};

/// Key management of a key service; a part of [`Kms`](super::Kms) for services that have it.
pub trait Keys: Send + Sync {
    /// Makes a symmetric key that wraps data keys.
    ///
    /// # Errors
    /// The error of the service. A lost reply is an error too, although the key may have been created.
    fn create<'a>(
        &'a self,
        place: &'a KeyPlace,
        wanted: &'a NewKey,
    ) -> BoxFuture<'a, Result<KeyInfo, KmsError>>;

    /// All keys at this place that can wrap data keys; with `all` those for other uses too. The newest first.
    ///
    /// # Errors
    /// The error of the service.
    fn list<'a>(&'a self, place: &'a KeyPlace, all: bool) -> BoxFuture<'a, Result<Vec<KeyInfo>, KmsError>>;

    /// One key, named by its id.
    ///
    /// # Errors
    /// The error of the service.
    fn describe<'a>(&'a self, key: &'a KeyRef) -> BoxFuture<'a, Result<KeyInfo, KmsError>>;

    /// Returns true if the key, named by its id, gets new versions.
    ///
    /// # Errors
    /// The error of the service.
    fn rotates<'a>(&'a self, key: &'a KeyRef) -> BoxFuture<'a, Result<bool, KmsError>>;

    /// Has the key, named by its id, get a new version every so often, or no more.
    ///
    /// # Errors
    /// The error of the service.
    fn set_rotation<'a>(&'a self, key: &'a KeyRef, rotation: Rotation)
    -> BoxFuture<'a, Result<(), KmsError>>;

    /// The key that an alias means at this moment, compared letter by letter. Of AWS `alias` may be the ARN of one.
    ///
    /// # Errors
    /// [`Fault::Refused`](crate::error::Fault::Refused) where no key has this alias.
    fn resolve<'a>(&'a self, place: &'a KeyPlace, alias: &'a str) -> BoxFuture<'a, Result<KeyRef, KmsError>>;
}

/// Where keys live: `provider:region`, such as `tencent:ap-guangzhou`; of Vault the mount too, as `vault:-:transit`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPlace(pub(crate) KeyRef);

/// The provider whose keys live below a path, and that path where none is named.
const MOUNTED: &str = "vault";
pub(crate) const TRANSIT: &str = "transit";

impl KeyPlace {
    /// The key service's name.
    pub fn provider(&self) -> &str {
        self.0.provider()
    }

    /// The service's region, or `-` where it has none.
    pub fn region(&self) -> &str {
        self.0.region()
    }

    /// The path within the region, where keys live below one.
    pub(crate) fn below_region(&self) -> Option<&str> {
        self.0.key_id().strip_suffix("/*")
    }

    /// The place where this key lives.
    pub fn of(key: &KeyRef) -> Self {
        let mount = key.key_id().rsplit_once('/').filter(|_| key.provider() == MOUNTED);
        let place =
            mount.and_then(|(mount, _)| KeyRef::new(key.provider(), key.region(), &format!("{mount}/*")));
        // Stands for all keys there, in reports about the place.
        Self(place.unwrap_or_else(|| key.with_any_id()))
    }

    /// The key of this id there; `None` for what is not an id. Of Vault, the id is the key's name.
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
            Error::new(Kind::Usage, format!("`{}` is not a place of keys", escape(text))).advise(
                "write it as provider:region, such as tencent:ap-guangzhou; of Vault as vault:-:MOUNT, such as vault:-:transit",
            )
        };
        let (provider, rest) = text.split_once(':').ok_or_else(bad)?;
        if provider != MOUNTED {
            let place = if rest.contains(':') { None } else { KeyRef::new(provider, rest, "*") };
            return place.map(Self).ok_or_else(bad);
        }
        let (region, mount) = rest.split_once(':').unwrap_or((rest, TRANSIT));
        // What holds of a key below it holds of the path.
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

/// A key to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewKey {
    /// Its name for people, within the service's rules.
    pub alias: String,
    /// Purpose of the key; may be empty.
    pub description: String,
}

/// A key as its service describes it. Other people wrote aliases and descriptions: escape them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    /// The key by its immutable id.
    pub key: KeyRef,
    /// Its name for people, which can be moved to another key.
    pub alias: Option<String>,
    /// The current state of the key.
    pub state: KeyState,
    /// True if it wraps data keys; `false` for one that signs, say.
    pub wraps: bool,
    /// When it was made, in Unix seconds.
    pub created: Option<u64>,
    /// Purpose of the key.
    pub description: String,
    /// How it gets new versions; `None` where the service does not say.
    pub rotation: Option<Rotation>,
}

/// The current state of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyState {
    /// For everything.
    Enabled,
    /// For nothing, until it is enabled again.
    Disabled,
    /// Only to unwrap.
    Archived,
    /// For nothing, and soon gone.
    PendingDeletion,
    /// For nothing, until its material is imported.
    PendingImport,
    /// A state that this library does not know.
    Other,
}

impl KeyState {
    /// The state in words.
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

/// How a key gets new versions. What older versions wrapped they still unwrap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// It does not.
    Off,
    /// After so many days, or at the service's own pace.
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
    fn a_place_of_vault_is_a_mount() {
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
