//! Key management: creates, lists, describes and rotates keys, and resolves aliases.

use std::collections::BTreeMap;
use std::task::Poll;

use super::Aws;
use super::client::{AwsReply, SYMMETRIC};
use crate::base::{Fault, KeyRef};
use crate::kms::json::Argument::{Number, Text};
use crate::kms::json::{Parameter, field, string};
use crate::kms::keys::{KeyInfo, KeyPlace, KeyState, Keys, NewKey, Rotation};
use crate::kms::{BoxFuture, KmsError};
use crate::syntax::{Table, Value};

/// The usage of keys that wrap data keys.
const WRAPS: &str = "ENCRYPT_DECRYPT";
/// Limit of AWS for the keys of one reply.
const KEYS_OF_PAGE: u64 = 1000;
/// Limit of AWS for the aliases of one reply.
const ALIASES_OF_PAGE: u64 = 100;
/// Limit of the pages of a list, in case a service never ends it. No account has so many.
const MOST_PAGES: usize = 1000;
const ALIAS: &str = "alias/";
/// The number of keys that are described at the same time. One after another would take too long in a large account.
const AT_ONCE: usize = 16;

impl Keys for Aws {
    /// Creates a key, and then its alias with a second request.
    fn create<'a>(
        &'a self,
        place: &'a KeyPlace,
        wanted: &'a NewKey,
    ) -> BoxFuture<'a, Result<KeyInfo, KmsError>> {
        Box::pin(async move {
            // Check first: if the alias belongs to another key, the new key would have no alias and still cost money.
            if !wanted.alias.is_empty() && self.has_alias(place, &wanted.alias).await? {
                return Err(KmsError::other("another key of this region has this alias")
                    .advise("choose another alias, or use that key: `envconf keys list`"));
            }
            let parameters = [
                ("Description", Text(wanted.description.as_str())),
                ("KeyUsage", Text(WRAPS)),
                ("KeySpec", Text(SYMMETRIC)),
            ];
            let read = |reply: &AwsReply<'_>| {
                let made = reply.table("KeyMetadata").and_then(|metadata| info(place, metadata));
                made.ok_or_else(|| reply.wrong("the reply does not name a key"))
            };
            // Send it once: a second request would create a second key.
            let made = self.ask_once("CreateKey", place.region(), &parameters, read).await;
            let mut made = made.map_err(|error| match (error.fault, error.code.as_deref()) {
                (Fault::Transient, None) => {
                    error.advise("check with `envconf keys list` whether the key was created")
                }
                (_, Some("LimitExceededException")) => error
                    .advise("the account's quota of keys is used up: delete keys, or ask for a higher quota"),
                _ => with_missing_right(error, "allow kms:CreateKey in IAM"),
            })?;
            made.wraps = true;
            made.rotation = Some(Rotation::Off);
            if wanted.alias.is_empty() {
                return Ok(made);
            }
            let name = format!("{ALIAS}{}", wanted.alias);
            let parameters = [("AliasName", Text(name.as_str())), ("TargetKeyId", Text(made.key.key_id()))];
            let mut named = self.ask_unread("CreateAlias", place.region(), &parameters).await;
            // An earlier try may have created the alias although its reply was lost.
            let is_taken = |error: &KmsError| error.code.as_deref() == Some("AlreadyExistsException");
            if named.as_ref().is_err_and(is_taken)
                && self.resolve(place, &wanted.alias).await.is_ok_and(|key| key == made.key)
            {
                named = Ok(());
            }
            named.map_err(|error| {
                let mut error = with_missing_right(error, "");
                error.message = format!(
                    "the key {} was created, but without its alias: {}",
                    made.key, error.message
                )
                .into();
                error.advise_with(format!(
                    "use the key by its ARN, or name it with `aws kms create-alias --alias-name {name} --target-key-id …`; this needs kms:CreateAlias on the key and on the alias"
                ))
            })?;
            made.alias = Some(wanted.alias.clone());
            Ok(made)
        })
    }

    fn list<'a>(&'a self, place: &'a KeyPlace, all: bool) -> BoxFuture<'a, Result<Vec<KeyInfo>, KmsError>> {
        Box::pin(async move {
            let aliases = self.aliases(place.region(), None).await?;
            let read = |entry: &Table<'_>| string(entry, "KeyArn").map(str::to_owned);
            let arns = self.pages("ListKeys", place.region(), "Keys", KEYS_OF_PAGE, &[], read).await;
            let arns = arns.map_err(|error| with_missing_right(error, "allow kms:ListKeys in IAM"))?;
            let mut keys: Vec<KeyInfo> = Vec::with_capacity(arns.len());
            for arns in arns.chunks(AT_ONCE) {
                let described = arns.iter().map(|arn| -> BoxFuture<'_, Result<KeyInfo, KmsError>> {
                    Box::pin(async move {
                        let key = place.key(arn);
                        let key =
                            key.ok_or_else(|| KmsError::other("the reply lists a key without an ARN"))?;
                        self.metadata_of(&key).await
                    })
                });
                for key in joined(described.collect()).await {
                    let mut key = key?;
                    key.alias = aliases.get(id_of(key.key.key_id())).cloned();
                    if all || key.wraps {
                        keys.push(key);
                    }
                }
            }
            keys.sort_by_key(|key| std::cmp::Reverse(key.created));
            Ok(keys)
        })
    }

    fn describe<'a>(&'a self, key: &'a KeyRef) -> BoxFuture<'a, Result<KeyInfo, KmsError>> {
        Box::pin(async move {
            let mut described = self.metadata_of(key).await?;
            // These requests need separate rights. Without them, only the other fields are known.
            let aliases = self.aliases(key.region(), Some(key)).await.unwrap_or_default();
            described.alias = aliases.get(id_of(key.key_id())).cloned();
            described.rotation = self.rotation(key).await.ok();
            Ok(described)
        })
    }

    fn rotates<'a>(&'a self, key: &'a KeyRef) -> BoxFuture<'a, Result<bool, KmsError>> {
        Box::pin(async move { Ok(self.rotation(key).await? != Rotation::Off) })
    }

    fn set_rotation<'a>(
        &'a self,
        key: &'a KeyRef,
        rotation: Rotation,
    ) -> BoxFuture<'a, Result<(), KmsError>> {
        Box::pin(async move {
            let mut parameters = vec![("KeyId", Text(key.key_id()))];
            let (action, advice) = match rotation {
                Rotation::Off => ("DisableKeyRotation", "allow kms:DisableKeyRotation on this key"),
                Rotation::Every(days) => {
                    parameters.extend(days.map(|days| ("RotationPeriodInDays", Number(days.into()))));
                    ("EnableKeyRotation", "allow kms:EnableKeyRotation on this key")
                }
            };
            let set = self.ask_unread(action, key.region(), &parameters).await;
            set.map_err(|error| match error.code.as_deref() {
                Some("ValidationException") => error.advise("use a number of days from 90 to 2560"),
                _ => with_missing_right(error, advice),
            })
        })
    }

    /// Resolves an alias: a name, or the ARN of an alias, which may be in another account.
    fn resolve<'a>(&'a self, place: &'a KeyPlace, alias: &'a str) -> BoxFuture<'a, Result<KeyRef, KmsError>> {
        Box::pin(async move {
            let id = if alias.starts_with("arn:") { alias.to_owned() } else { format!("{ALIAS}{alias}") };
            let read = |reply: &AwsReply<'_>| {
                let found = reply.table("KeyMetadata").and_then(|metadata| info(place, metadata));
                let found = found.filter(|found| same_account(&id, found.key.key_id()));
                found.ok_or_else(|| reply.wrong("the reply does not say which key has this alias"))
            };
            let found = self.ask("DescribeKey", place.region(), &[("KeyId", Text(id.as_str()))], read).await;
            let found = found.map_err(|error| match error.code.as_deref() {
                Some("NotFoundException") => {
                    KmsError { message: "no key of this region and account has this alias".into(), ..error }
                        .advise("check with `envconf keys list aws:REGION`; aliases are case-sensitive")
                }
                _ => with_missing_right(error, "allow kms:DescribeKey on the key"),
            })?;
            Ok(found.key)
        })
    }
}

impl Aws {
    /// Like [`Aws::ask`], for an action whose reply has no content.
    async fn ask_unread(
        &self,
        action: &'static str,
        region: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<(), KmsError> {
        self.ask(action, region, parameters, |_| Ok(())).await
    }

    /// Returns true if a key has this alias; false also if the caller has no right to ask.
    async fn has_alias(&self, place: &KeyPlace, alias: &str) -> Result<bool, KmsError> {
        let id = format!("{ALIAS}{alias}");
        let found =
            self.ask("DescribeKey", place.region(), &[("KeyId", Text(id.as_str()))], |_| Ok(())).await;
        match found {
            Ok(()) => Ok(true),
            Err(error)
                if error.code.is_some() && error.fault != Fault::Transient && !is_credential(&error) =>
            {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    async fn metadata_of(&self, key: &KeyRef) -> Result<KeyInfo, KmsError> {
        let place = KeyPlace::of(key);
        let read = |reply: &AwsReply<'_>| {
            let metadata = reply.table("KeyMetadata").and_then(|metadata| info(&place, metadata));
            let metadata = metadata.filter(|found| found.key == *key);
            metadata.ok_or_else(|| reply.wrong("the reply does not describe this key"))
        };
        let described = self.ask("DescribeKey", key.region(), &[("KeyId", Text(key.key_id()))], read).await;
        described.map_err(|error| with_missing_right(error, "allow kms:DescribeKey on this key"))
    }

    async fn rotation(&self, key: &KeyRef) -> Result<Rotation, KmsError> {
        let read = |reply: &AwsReply<'_>| {
            let enabled = reply.boolean("KeyRotationEnabled");
            let enabled =
                enabled.ok_or_else(|| reply.wrong("the reply does not say whether the key rotates"))?;
            let days = reply.number("RotationPeriodInDays").and_then(|days| u32::try_from(days).ok());
            Ok(if enabled { Rotation::Every(days.filter(|days| *days > 0)) } else { Rotation::Off })
        };
        let parameters = [("KeyId", Text(key.key_id()))];
        let status = self.ask("GetKeyRotationStatus", key.region(), &parameters, read).await;
        status.map_err(|error| with_missing_right(error, "allow kms:GetKeyRotationStatus on this key"))
    }

    /// Returns the first alias of one key, or of every key, by the key's id.
    async fn aliases(&self, region: &str, of: Option<&KeyRef>) -> Result<BTreeMap<String, String>, KmsError> {
        let key: Vec<Parameter<'_>> = of.map(|key| ("KeyId", Text(key.key_id()))).into_iter().collect();
        let read = |entry: &Table<'_>| {
            let name = string(entry, "AliasName").and_then(|name| name.strip_prefix(ALIAS));
            // Aliases of AWS itself may have no key yet.
            let target = string(entry, "TargetKeyId").unwrap_or_default();
            name.map(|name| (target.to_owned(), name.to_owned()))
        };
        let listed = self.pages("ListAliases", region, "Aliases", ALIASES_OF_PAGE, &key, read).await;
        let listed = listed.map_err(|error| with_missing_right(error, "allow kms:ListAliases in IAM"))?;
        // Reversed, so that the first alias of a key overwrites the others.
        Ok(listed.into_iter().rev().collect())
    }

    /// Returns every entry of a list. Requests one page after another.
    async fn pages<T>(
        &self,
        action: &'static str,
        region: &str,
        list: &str,
        page: u64,
        more: &[Parameter<'_>],
        read: impl Fn(&Table<'_>) -> Option<T>,
    ) -> Result<Vec<T>, KmsError> {
        let mut entries = Vec::new();
        let mut marker: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let mut parameters = vec![("Limit", Number(page))];
            parameters.extend_from_slice(more);
            parameters.extend(marker.as_deref().map(|marker| ("Marker", Text(marker))));
            let of_page = |reply: &AwsReply<'_>| {
                let entries: Option<Vec<T>> = reply.tables(list).map(&read).collect();
                let entries =
                    entries.ok_or_else(|| reply.wrong("the reply lists something without a name"))?;
                let next = reply.text("NextMarker").map(str::to_owned);
                Ok((entries, next.filter(|_| reply.boolean("Truncated") == Some(true))))
            };
            let (found, next) = self.ask(action, region, &parameters, of_page).await?;
            entries.extend(found);
            match next {
                Some(next) => marker = Some(next),
                None => return Ok(entries),
            }
        }
        Err(KmsError::other("the service's list does not end"))
    }
}

/// Runs all futures at the same time, and returns their results.
async fn joined<T>(mut futures: Vec<BoxFuture<'_, T>>) -> Vec<T> {
    let mut results: Vec<Option<T>> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, result) in futures.iter_mut().zip(&mut results) {
            if result.is_none()
                && let Poll::Ready(ready) = future.as_mut().poll(context)
            {
                *result = Some(ready);
            }
        }
        if results.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    results.into_iter().flatten().collect()
}

/// Returns the id in an ARN. Lists of aliases name keys by their id.
fn id_of(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// Returns true if a key is in the account that the ARN of an alias names. For a bare alias, any account is right.
fn same_account(alias: &str, key: &str) -> bool {
    let account = |arn: &str| arn.split(':').nth(4).map(str::to_owned);
    !alias.starts_with("arn:") || account(alias) == account(key)
}

/// Reads `KeyMetadata`; `None` if it has no ARN of a key at this place.
fn info(place: &KeyPlace, metadata: &Table<'_>) -> Option<KeyInfo> {
    let text = |name| string(metadata, name).filter(|text| !text.is_empty());
    let arn = text("Arn")?;
    let key =
        place.key(arn).filter(|key| crate::base::provider::check(key).is_ok() && key.alias().is_none())?;
    let is_symmetric = [text("KeySpec"), text("CustomerMasterKeySpec")].contains(&Some(SYMMETRIC));
    Some(KeyInfo {
        key,
        alias: None,
        state: state(text("KeyState").unwrap_or_default()),
        // Only services of AWS can use the keys that AWS manages.
        wraps: text("KeyUsage") == Some(WRAPS) && is_symmetric && text("KeyManager") != Some("AWS"),
        created: number(metadata, "CreationDate"),
        description: text("Description").unwrap_or_default().to_owned(),
        rotation: None,
    })
}

impl AwsReply<'_> {
    /// Returns a field that is a number; the fraction is cut off.
    fn number(&self, name: &str) -> Option<u64> {
        number(self.fields(), name)
    }
}

fn number(table: &Table<'_>, name: &str) -> Option<u64> {
    match field(table, name) {
        Some(Value::Integer(number)) => u64::try_from(*number).ok(),
        Some(Value::Float(number)) if (0.0..1e15).contains(number) => Some(*number as u64),
        _ => None,
    }
}

fn state(name: &str) -> KeyState {
    match name {
        "Enabled" => KeyState::Enabled,
        "Disabled" => KeyState::Disabled,
        "PendingDeletion" | "PendingReplicaDeletion" => KeyState::PendingDeletion,
        "PendingImport" => KeyState::PendingImport,
        _ => KeyState::Other,
    }
}

/// Returns true if the service refused the credential itself, so that it would refuse any request.
fn is_credential(error: &KmsError) -> bool {
    let code = error.code.as_deref().unwrap_or_default();
    code != "AccessDeniedException" && code != "AccessDenied" && code != "NotFoundException"
}

/// Sets the hint for a missing right; leaves other errors unchanged.
fn with_missing_right(error: KmsError, advice: &'static str) -> KmsError {
    let is_missing = matches!(error.code.as_deref(), Some("AccessDeniedException" | "AccessDenied"));
    if is_missing && !advice.is_empty() { error.advise(advice) } else { error }
}
