//! Key management: creates, lists, describes and rotates CMKs, and resolves aliases.

use super::Tencent;
use super::client::Response;
use crate::base::{Fault, KeyRef};
use crate::kms::json::Argument::{Number, Text};
use crate::kms::json::{Parameter, boolean, integer, string};
use crate::kms::keys::{KeyInfo, KeyPlace, KeyState, Keys, NewKey, Rotation};
use crate::kms::{BoxFuture, KmsError};
use crate::syntax::Table;

/// The usage of keys that wrap data keys.
const WRAPS: &str = "ENCRYPT_DECRYPT";
/// Limit of the service for the keys of one reply.
const PAGE: u64 = 200;
/// Limit of the pages of a list, in case a service never ends it. No account has so many.
const MOST_PAGES: u64 = 100;

impl Keys for Tencent {
    fn create<'a>(
        &'a self,
        place: &'a KeyPlace,
        wanted: &'a NewKey,
    ) -> BoxFuture<'a, Result<KeyInfo, KmsError>> {
        Box::pin(async move {
            let parameters = [
                ("Alias", Text(&wanted.alias)),
                ("Description", Text(&wanted.description)),
                ("KeyUsage", Text(WRAPS)),
            ];
            let read = |response: &Response<'_>| {
                let id = response.text("KeyId").and_then(|id| place.key(id));
                Ok(KeyInfo {
                    key: id.ok_or_else(|| response.wrong("the reply does not name a key"))?,
                    alias: response.text("Alias").map(str::to_owned),
                    state: state(response.text("KeyState").unwrap_or_default()),
                    wraps: true,
                    created: response.integer("CreateTime").and_then(|time| time.try_into().ok()),
                    description: wanted.description.clone(),
                    rotation: Some(Rotation::Off),
                })
            };
            // Send it once: after a lost reply, a second request would fail, because the first key has the alias.
            let made = self.ask_once("CreateKey", place.region(), &parameters, read).await;
            made.map_err(|error| match (error.fault, &error.code) {
                (Fault::Transient, None) => {
                    error.advise("check with `envconf keys list` whether the key was created")
                }
                _ => with_missing_right(error, "grant kms:CreateKey in CAM"),
            })
        })
    }

    fn list<'a>(&'a self, place: &'a KeyPlace, all: bool) -> BoxFuture<'a, Result<Vec<KeyInfo>, KmsError>> {
        Box::pin(async move { self.search(place, "", if all { "ALL" } else { WRAPS }).await })
    }

    fn describe<'a>(&'a self, key: &'a KeyRef) -> BoxFuture<'a, Result<KeyInfo, KmsError>> {
        Box::pin(async move {
            let read = |response: &Response<'_>| {
                let metadata = response.table("KeyMetadata").and_then(|key_| info(&KeyPlace::of(key), key_));
                let metadata = metadata.filter(|found| found.key == *key);
                metadata.ok_or_else(|| response.wrong("the reply does not describe this key"))
            };
            let parameters = [("KeyId", Text(key.key_id()))];
            let described = self.ask("DescribeKey", key.region(), &parameters, read).await;
            described.map_err(|error| with_missing_right(error, "grant kms:DescribeKey on this CMK in CAM"))
        })
    }

    fn rotates<'a>(&'a self, key: &'a KeyRef) -> BoxFuture<'a, Result<bool, KmsError>> {
        Box::pin(async move {
            let read = |response: &Response<'_>| {
                let enabled = response.boolean("KeyRotationEnabled");
                enabled.ok_or_else(|| response.wrong("the reply does not say whether the key rotates"))
            };
            let parameters = [("KeyId", Text(key.key_id()))];
            let status = self.ask("GetKeyRotationStatus", key.region(), &parameters, read).await;
            status.map_err(|error| {
                with_missing_right(error, "grant kms:GetKeyRotationStatus on this CMK in CAM")
            })
        })
    }

    fn set_rotation<'a>(
        &'a self,
        key: &'a KeyRef,
        rotation: Rotation,
    ) -> BoxFuture<'a, Result<(), KmsError>> {
        Box::pin(async move {
            let mut parameters = vec![("KeyId", Text(key.key_id()))];
            let (action, advice) = match rotation {
                Rotation::Off => ("DisableKeyRotation", "grant kms:DisableKeyRotation on this CMK in CAM"),
                Rotation::Every(days) => {
                    parameters.extend(days.map(|days| ("RotateDays", Number(days.into()))));
                    ("EnableKeyRotation", "grant kms:EnableKeyRotation on this CMK in CAM")
                }
            };
            let set = self.ask(action, key.region(), &parameters, |_| Ok(())).await;
            set.map_err(|error| with_missing_right(error, advice))
        })
    }

    /// Resolves an alias. The service also finds keys whose id or alias contains the text, so this compares whole
    /// aliases.
    fn resolve<'a>(&'a self, place: &'a KeyPlace, alias: &'a str) -> BoxFuture<'a, Result<KeyRef, KmsError>> {
        Box::pin(async move {
            let found = self.search(place, alias, WRAPS).await?;
            let mut exact = found.into_iter().filter(|key| key.alias.as_deref() == Some(alias));
            match (exact.next(), exact.next()) {
                (Some(key), None) => Ok(key.key),
                (None, _) => Err(KmsError::refused("no key of this region and account has this alias")
                    .advise("check with `envconf keys list tencent:REGION`; aliases are case-sensitive")),
                (Some(_), Some(_)) => Err(KmsError::other("the service lists two keys with this alias")
                    .advise("name the key by its id")),
            }
        })
    }
}

impl Tencent {
    /// Returns every key whose id or alias contains `text`. Requests one page after another.
    async fn search(&self, place: &KeyPlace, text: &str, usage: &str) -> Result<Vec<KeyInfo>, KmsError> {
        let mut keys: Vec<KeyInfo> = Vec::new();
        for page in 0..MOST_PAGES {
            let mut parameters: Vec<Parameter<'_>> =
                vec![("Offset", Number(page * PAGE)), ("Limit", Number(PAGE)), ("KeyUsage", Text(usage))];
            if !text.is_empty() {
                parameters.push(("SearchKeyAlias", Text(text)));
            }
            let read = |response: &Response<'_>| {
                let total = response.integer("TotalCount").and_then(|total| u64::try_from(total).ok());
                let total = total.ok_or_else(|| response.wrong("the reply does not say how many keys"))?;
                let listed: Option<Vec<_>> =
                    response.tables("KeyMetadatas").map(|key| info(place, key)).collect();
                let listed = listed.ok_or_else(|| response.wrong("the reply lists a key without an id"))?;
                Ok((total, listed))
            };
            let listed = self.ask("ListKeyDetail", place.region(), &parameters, read).await;
            let (total, listed) =
                listed.map_err(|error| with_missing_right(error, "grant kms:ListKeyDetail in CAM"))?;
            let is_last = listed.is_empty() || (page + 1) * PAGE >= total;
            // A key that is created during the listing moves other keys to the next page, where they are listed again.
            listed.into_iter().for_each(|key| {
                if keys.iter().all(|known| known.key != key.key) {
                    keys.push(key);
                }
            });
            if is_last {
                return Ok(keys);
            }
        }
        Err(KmsError::other("the service's list of keys does not end"))
    }
}

/// Reads `KeyMetadata`; `None` if it has no id.
fn info(place: &KeyPlace, metadata: &Table<'_>) -> Option<KeyInfo> {
    let text = |name| string(metadata, name).filter(|text| !text.is_empty());
    let days =
        || integer(metadata, "RotateDays").and_then(|days| days.try_into().ok()).filter(|days| *days > 0);
    Some(KeyInfo {
        key: text("KeyId").and_then(|id| place.key(id))?,
        alias: text("Alias").map(str::to_owned),
        state: state(text("KeyState").unwrap_or_default()),
        wraps: text("KeyUsage") == Some(WRAPS),
        created: integer(metadata, "CreateTime").and_then(|time| time.try_into().ok()),
        description: text("Description").unwrap_or_default().to_owned(),
        rotation: boolean(metadata, "KeyRotationEnabled").map(|enabled| match enabled {
            true => Rotation::Every(days()),
            false => Rotation::Off,
        }),
    })
}

fn state(name: &str) -> KeyState {
    match name {
        "Enabled" => KeyState::Enabled,
        "Disabled" => KeyState::Disabled,
        "Archived" => KeyState::Archived,
        "PendingDelete" => KeyState::PendingDeletion,
        "PendingImport" => KeyState::PendingImport,
        _ => KeyState::Other,
    }
}

/// Sets the hint for a missing right; leaves other errors unchanged.
fn with_missing_right(error: KmsError, advice: &'static str) -> KmsError {
    let is_missing = error.code.as_deref().is_some_and(|code| {
        code.starts_with("UnauthorizedOperation") || code == "AuthFailure.UnauthorizedOperation"
    });
    if is_missing { error.advise(advice) } else { error }
}
