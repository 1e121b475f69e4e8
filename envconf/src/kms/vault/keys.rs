//! Key management of transit: creates, lists, describes and rotates keys. The place of a key is its mount.

use super::Vault;
use super::client::VaultResponse;
use super::errors::NOT_FOUND;
use crate::base::{Fault, KeyRef};
use crate::kms::json::Argument::Text;
use crate::kms::json::{boolean, integer, string};
use crate::kms::keys::{KeyInfo, KeyPlace, KeyState, Keys, NewKey, Rotation};
use crate::kms::retry::Again;
use crate::kms::step::{State, Step};
use crate::kms::{BoxFuture, KmsError, clock};
use crate::syntax::{Table, Value};

/// The type of new keys.
const TYPE: &str = "aes256-gcm96";
/// The types of keys that can wrap data keys (format.md §6).
const AEAD: [&str; 4] = [TYPE, "aes128-gcm96", "chacha20-poly1305", "xchacha20-poly1305"];
const DAY: u64 = 24 * 60 * 60;
/// The largest age in seconds of a key that this request has created. An older key existed before.
const LARGEST_AGE: u64 = 60;

impl Keys for Vault {
    fn create<'a>(
        &'a self,
        place: &'a KeyPlace,
        wanted: &'a NewKey,
    ) -> BoxFuture<'a, Result<KeyInfo, KmsError>> {
        Box::pin(async move {
            if !wanted.description.is_empty() {
                return Err(KmsError::other("transit keys have no description")
                    .advise("leave the description out")
                    .tries(0));
            }
            let key = place.key(&wanted.alias);
            let key = key.filter(|key| crate::base::provider::check(key).is_ok());
            let key = key.ok_or_else(|| {
                KmsError::other("invalid name of a key")
                    .advise("use letters, digits and characters of -._")
                    .tries(0)
            })?;
            // The server reports success for a key that exists already, and describes the existing key. Somebody else
            // may have made it, so this must be an error.
            let exists = || {
                KmsError::refused("a key with this name exists already")
                    .advise("choose another name, or use that key: `envconf keys describe`")
            };
            match self.read(&key).await {
                Ok(_) => return Err(exists()),
                Err(error) if matches!(error.status, Some(403 | 404)) => {}
                Err(error) => return Err(error),
            }
            let path = super::TransitKey::of(&key)?.path("keys");
            let parameters = [("type", Text(TYPE))];
            // Send it once: after a lost reply, a second request would find the key that the first one has created.
            let unless_open = |again| match again {
                Again::Few | Again::Faulty => Again::Never,
                again => again,
            };
            let read = |response: &VaultResponse<'_>| {
                let now = response.date.and_then(clock::parse);
                Ok((response.table("data").and_then(|data| info(&key, data)), now))
            };
            let made = self.try_until("create key", &path, Some(&parameters), read, unless_open).await;
            let (made, now) = made.map_err(|error| match error.fault {
                Fault::Transient => {
                    error.advise("check with `envconf keys list` whether the key was created")
                }
                _ => with_missing_right(error, "allow `update` (and `create`) on MOUNT/keys/KEY"),
            })?;
            let is_old = |made: &KeyInfo| match (made.created, now) {
                (Some(created), Some(now)) => now.saturating_sub(created) > LARGEST_AGE,
                _ => false,
            };
            match made {
                Some(made) if is_old(&made) => Err(exists()),
                Some(made) => Ok(made),
                // Vault before 1.10 does not describe the new key.
                None => Ok(KeyInfo {
                    key: key.clone(),
                    alias: None,
                    state: KeyState::Enabled,
                    wraps: true,
                    created: None,
                    description: String::new(),
                    rotation: Some(Rotation::Off),
                }),
            }
        })
    }

    fn list<'a>(&'a self, place: &'a KeyPlace, all: bool) -> BoxFuture<'a, Result<Vec<KeyInfo>, KmsError>> {
        Box::pin(async move {
            let names = self.names(place).await?;
            let mut listed = Vec::with_capacity(names.len());
            for name in names {
                let Some(key) = place.key(&name) else { continue };
                match self.read(&key).await {
                    Ok(key) => listed.push(key),
                    // The token has no right to read the key, or somebody deleted the key after the listing.
                    Err(error) if error.fault == Fault::Refused => listed.push(unread(key)),
                    Err(error) => return Err(error),
                }
            }
            listed.retain(|key| all || key.wraps);
            listed.sort_by_key(|key| std::cmp::Reverse(key.created));
            Ok(listed)
        })
    }

    fn describe<'a>(&'a self, key: &'a KeyRef) -> BoxFuture<'a, Result<KeyInfo, KmsError>> {
        Box::pin(async move {
            self.read(key).await.map_err(|error| with_missing_right(error, "allow `read` on MOUNT/keys/KEY"))
        })
    }

    fn rotates<'a>(&'a self, key: &'a KeyRef) -> BoxFuture<'a, Result<bool, KmsError>> {
        Box::pin(async move {
            let rotation = self.describe(key).await?.rotation;
            let unknown = || KmsError::other("the server does not say whether the key rotates");
            rotation.map(|rotation| rotation != Rotation::Off).ok_or_else(unknown)
        })
    }

    fn set_rotation<'a>(
        &'a self,
        key: &'a KeyRef,
        rotation: Rotation,
    ) -> BoxFuture<'a, Result<(), KmsError>> {
        Box::pin(async move {
            let period = match rotation {
                Rotation::Off => "0".to_owned(),
                Rotation::Every(days) => format!("{}h", u64::from(days.unwrap_or(365)) * 24),
            };
            let path = format!("{}/config", super::TransitKey::of(key)?.path("keys"));
            let parameters = [("auto_rotate_period", Text(period.as_str()))];
            let set = self.ask("configure key", &path, Some(&parameters), |_| Ok(())).await;
            set.map_err(|error| with_missing_right(error, "allow `update` on MOUNT/keys/KEY/config"))
        })
    }

    fn resolve<'a>(&'a self, place: &'a KeyPlace, alias: &'a str) -> BoxFuture<'a, Result<KeyRef, KmsError>> {
        let _ = (place, alias);
        Box::pin(async { Err(KmsError::other("keys of transit have no aliases").tries(0)) })
    }
}

impl Vault {
    /// Reads the server's description of a key.
    async fn read(&self, key: &KeyRef) -> Result<KeyInfo, KmsError> {
        let path = super::TransitKey::of(key)?.path("keys");
        let read = |response: &VaultResponse<'_>| {
            let described = response.table("data").and_then(|data| info(key, data));
            described.ok_or_else(|| response.wrong("the reply does not describe this key"))
        };
        self.ask("read key", &path, None, read).await
    }

    /// Returns the step about the key itself: its type, its versions, and settings that weaken it.
    pub(super) async fn key_step(&self, key: &KeyRef) -> Option<Step> {
        let path = super::TransitKey::of(key).ok()?.path("keys");
        let read = |response: &VaultResponse<'_>| {
            let data =
                response.table("data").ok_or_else(|| response.wrong("the reply does not describe a key"))?;
            Ok(described(data))
        };
        // Do not retry: tokens often have no right to read the key, and a load does not need this right.
        let never = |_| Again::Never;
        let read = self.try_until("read key", &path, None, read, never).await;
        Some(match read {
            Ok(step) => step,
            Err(error) if error.status == Some(403) => Step::new(
                "key",
                State::Skipped,
                "the token has no right to read the key itself; a load does not need this right",
            ),
            Err(error) => Step::fault("key", &error),
        })
    }

    /// Returns the names of all keys of a mount.
    async fn names(&self, place: &KeyPlace) -> Result<Vec<String>, KmsError> {
        let mount = place.below_region().unwrap_or(super::super::keys::TRANSIT);
        let path = format!("{mount}/keys?list=true");
        let read =
            |response: &VaultResponse<'_>| match response.table("data").and_then(|data| data.get("keys")) {
                Some(keys) => match &keys.node.value {
                    Value::Array(names) => Ok(names
                        .iter()
                        .filter_map(|name| match &name.value {
                            Value::String(name) => Some(name.to_string()),
                            _ => None,
                        })
                        .collect()),
                    _ => Err(response.wrong("the reply does not list keys")),
                },
                None => Err(response.wrong("the reply does not list keys")),
            };
        match self.ask("list keys", &path, None, read).await {
            // The server replies with 404 for a mount without keys.
            Err(error) if error.status == Some(404) && error.message.ends_with(NOT_FOUND) => Ok(Vec::new()),
            Err(error) => Err(with_missing_right(error, "allow `list` on MOUNT/keys")),
            names => names,
        }
    }
}

fn described(data: &Table<'_>) -> Step {
    let number = |name| integer(data, name).unwrap_or_default();
    let is_on = |name| boolean(data, name) == Some(true);
    let kind = string(data, "type").unwrap_or_default();
    // Do not show an unknown type, because it is the server's text.
    let known = AEAD.iter().find(|known| **known == kind);
    let versions = format!(
        "version {}, decrypts from version {}",
        number("latest_version"),
        number("min_decryption_version")
    );
    let step = |state, message: &str| Step::new("key", state, format!("{message}; {versions}"));
    let Some(known) = known else {
        return step(State::Failed, "it is not an AEAD key").advise("use a key of type aes256-gcm96");
    };
    if is_on("derived") {
        return step(State::Failed, "it is a derived key").advise("use a key without `derived`");
    }
    match (is_on("exportable"), is_on("allow_plaintext_backup")) {
        (false, false) => step(State::Ok, known),
        (true, _) => step(State::Note, &format!("{known}, and it can be exported")).advise(
            "use a key that is not exportable: everybody with the right to export it can open and make pairs without the server",
        ),
        (false, true) => step(State::Note, &format!("{known}, and it can be backed up in plain text"))
            .advise("use a key without plaintext backup: everybody with the right to back it up can open and make pairs without the server"),
    }
}

/// Returns the description of a key that only its name is known of.
fn unread(key: KeyRef) -> KeyInfo {
    KeyInfo {
        key,
        alias: None,
        state: KeyState::Other,
        wraps: true,
        created: None,
        description: String::new(),
        rotation: None,
    }
}

/// Reads the description of a key from `data`; `None` if it describes another key.
fn info(key: &KeyRef, data: &Table<'_>) -> Option<KeyInfo> {
    let is_meant = string(data, "name").is_some_and(|name| key.key_id().rsplit('/').next() == Some(name));
    let is_aead = AEAD.contains(&string(data, "type")?);
    let is_derived = boolean(data, "derived").unwrap_or(false);
    let period = integer(data, "auto_rotate_period").and_then(|period| u64::try_from(period).ok());
    let state = match boolean(data, "soft_deleted") {
        Some(true) => KeyState::PendingDeletion,
        _ => KeyState::Enabled,
    };
    is_meant.then(|| KeyInfo {
        key: key.clone(),
        alias: None,
        state,
        wraps: is_aead && !is_derived,
        created: first_version(data),
        description: String::new(),
        rotation: period.map(|period| match period {
            0 => Rotation::Off,
            seconds => Rotation::Every(u32::try_from(seconds.div_ceil(DAY)).ok()),
        }),
    })
}

/// Returns the creation time of the oldest version that still exists.
fn first_version(data: &Table<'_>) -> Option<u64> {
    let Value::Table(versions) = &data.get("keys")?.node.value else { return None };
    let times = versions.iter().filter_map(|(_, version)| match &version.value {
        Value::Integer(time) => u64::try_from(*time).ok(),
        _ => None,
    });
    times.min()
}

/// Sets the hint for a missing right; leaves other errors unchanged.
fn with_missing_right(error: KmsError, advice: &'static str) -> KmsError {
    if error.status == Some(403) { error.advise(advice) } else { error }
}
