//! The management of master keys: create, list, describe, rotate.

use serde_json::{Map, Value, json};

use super::State;
use super::keys::Key;
use super::refusal::Refusal;
use super::service::{Answer, Parameters, response};

const USAGE: &str = "ENCRYPT_DECRYPT";
const LONGEST_DESCRIPTION: usize = 1024;
/// The default number of days between two versions of a key.
const ROTATE_DAYS: u64 = 365;

pub(super) fn create_key(state: &mut State, region: &str, parameters: &mut Parameters, now: i64) -> Answer {
    let alias = parameters.text("Alias")?;
    let description = parameters.optional_text("Description")?.unwrap_or_default();
    let usage = parameters.optional_text("KeyUsage")?;
    parameters.finish()?;

    if !is_alias(&alias) {
        return Err(Refusal::InvalidAlias);
    }
    if description.len() > LONGEST_DESCRIPTION {
        return Err(Refusal::InvalidParameter("Description"));
    }
    if usage.is_some_and(|usage| usage != USAGE) {
        return Err(Refusal::InvalidParameter("KeyUsage"));
    }
    if state.keys.of(region).any(|key| key.alias == alias) {
        return Err(Refusal::AliasAlreadyExists);
    }
    let id = state.keys.create_as(region, &alias, description.clone(), now);
    let mut response = response([
        ("KeyId", id),
        ("Alias", alias),
        ("Description", description),
        ("KeyState", "Enabled".to_owned()),
        ("KeyUsage", USAGE.to_owned()),
    ]);
    response.insert("CreateTime".to_owned(), now.into());
    Ok(response)
}

/// Returns true for 1 to 60 of `[A-Za-z0-9_-]`, with a letter or digit first. `kms-` is reserved for other products.
fn is_alias(alias: &str) -> bool {
    (1..=60).contains(&alias.len())
        && alias.starts_with(|c: char| c.is_ascii_alphanumeric())
        && alias.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
        && !alias.starts_with("kms-")
}

pub(super) fn describe_key(state: &State, region: &str, parameters: &mut Parameters) -> Answer {
    let key_id = parameters.text("KeyId")?;
    parameters.finish()?;
    let metadata = metadata(state.keys.named(region, &key_id)?);
    Ok(Map::from_iter([("KeyMetadata".to_owned(), metadata)]))
}

pub(super) fn list_key_detail(state: &State, region: &str, parameters: &mut Parameters) -> Answer {
    let offset = parameters.optional_integer("Offset")?.unwrap_or(0);
    let limit = parameters.optional_integer("Limit")?.unwrap_or(10);
    let search = parameters.optional_text("SearchKeyAlias")?.unwrap_or_default();
    let usage = parameters.optional_text("KeyUsage")?;
    parameters.finish()?;

    if limit > 200 {
        return Err(Refusal::InvalidParameter("Limit"));
    }
    // All keys of the stand-in encrypt, so another usage has no keys.
    let is_listed = usage.is_none_or(|usage| usage == USAGE || usage == "ALL");
    let found = |key: &&Key| is_listed && (key.alias.contains(&search) || key.id.contains(&search));
    let found: Vec<&Key> = state.keys.of(region).filter(found).collect();
    let page = found.iter().skip(offset as usize).take(limit as usize).map(|key| metadata(key));
    Ok(Map::from_iter([
        ("TotalCount".to_owned(), found.len().into()),
        ("KeyMetadatas".to_owned(), page.collect()),
    ]))
}

fn metadata(key: &Key) -> Value {
    json!({
        "KeyId": key.id,
        "Alias": key.alias,
        "CreateTime": key.created,
        "Description": key.description,
        "KeyState": key.state.name(),
        "KeyUsage": USAGE,
        "Type": 2,
        "CreatorUin": 100_000_000_001_u64,
        "KeyRotationEnabled": key.rotation.is_some(),
        "Owner": "user",
        "NextRotateTime": key.rotation.map_or(0, |days| key.created + days.cast_signed() * 86_400),
        "DeletionDate": 0,
        "Origin": "TENCENT_KMS",
        "ValidTo": 0,
        "ResourceId": null,
        "RotateDays": key.rotation,
    })
}

pub(super) fn enable_key_rotation(state: &mut State, region: &str, parameters: &mut Parameters) -> Answer {
    let key_id = parameters.text("KeyId")?;
    let days = parameters.optional_integer("RotateDays")?.unwrap_or(ROTATE_DAYS);
    parameters.finish()?;
    if !(7..=365).contains(&days) {
        return Err(Refusal::InvalidParameter("RotateDays"));
    }
    state.keys.named_mut(region, &key_id)?.rotation = Some(days);
    Ok(Map::new())
}

pub(super) fn disable_key_rotation(state: &mut State, region: &str, parameters: &mut Parameters) -> Answer {
    let key_id = parameters.text("KeyId")?;
    parameters.finish()?;
    state.keys.named_mut(region, &key_id)?.rotation = None;
    Ok(Map::new())
}

pub(super) fn get_key_rotation_status(state: &State, region: &str, parameters: &mut Parameters) -> Answer {
    let key_id = parameters.text("KeyId")?;
    parameters.finish()?;
    let enabled = state.keys.named(region, &key_id)?.rotation.is_some();
    Ok(Map::from_iter([("KeyRotationEnabled".to_owned(), enabled.into())]))
}
