use envconf::error::escape;
use envconf::format::Timestamp;
use envconf::kms::{KeyInfo, KeyPlace, NewKey, Rotation};
use envconf::{Error, KeyRef, KeyServices, Kind};
use serde_json::{Value, json};

use crate::output::Output;

/// Create, list and describe keys of a key service
///
/// In Tencent Cloud KMS and AWS KMS, envconf manages keys that wrap data keys. In Vault
/// and OpenBao, it manages keys of the transit engine. PLACE is provider:region or
/// vault:-:MOUNT. KEY is provider:region:key-id or provider:region:alias/NAME.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  envconf keys create tencent:ap-guangzhou --alias app-prod --rotate
  envconf keys list tencent:ap-guangzhou
  envconf keys describe tencent:ap-guangzhou:alias/app-prod
  envconf keys rotation tencent:ap-guangzhou:alias/app-prod --every 180")]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: KeysVerb,
}

#[derive(clap::Subcommand)]
enum KeysVerb {
    Create(Create),
    List(ListKeys),
    Describe(Describe),
    Rotation(RotationArgs),
}

/// Create a key, and print its reference
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  envconf keys create tencent:ap-guangzhou --alias app-prod --rotate
  envconf seal config/app.prod.toml -r \"$(envconf keys create tencent:ap-guangzhou --alias app-prod)\"")]
struct Create {
    /// Place of the keys: provider:region or vault:-:MOUNT
    place: KeyPlace,

    /// Alias of the key; in Vault, the name of the key
    #[arg(long, value_name = "NAME")]
    alias: String,

    /// Purpose of the key
    #[arg(long, default_value = "", hide_default_value = true, value_name = "TEXT")]
    description: String,

    /// Rotate the key every DAYS days; without DAYS, once a year
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..))]
    rotate: Option<Option<u32>>,
}

/// List the keys that can wrap data keys
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  envconf keys list tencent:ap-guangzhou
  envconf keys list tencent:ap-guangzhou --all --json")]
struct ListKeys {
    /// Place of the keys: provider:region or vault:-:MOUNT
    place: KeyPlace,

    /// Include keys for other uses
    #[arg(long)]
    all: bool,
}

/// Show the properties of a key
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  envconf keys describe tencent:ap-guangzhou:alias/app-prod
  envconf keys describe tencent:ap-guangzhou:23e80852-1e38-11e9-b129-5cb9019b4b01 --json")]
struct Describe {
    /// Key: provider:region:key-id or provider:region:alias/NAME
    key: KeyRef,
}

/// Show or change the automatic rotation of a key
///
/// After a rotation, the key service wraps with the new version of the key. Old versions
/// still unwrap the data keys that they wrapped. A rotation changes neither data keys nor
/// secrets.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  envconf keys rotation tencent:ap-guangzhou:alias/app-prod
  envconf keys rotation tencent:ap-guangzhou:alias/app-prod --every 180")]
struct RotationArgs {
    /// Key: provider:region:key-id or provider:region:alias/NAME
    key: KeyRef,

    /// Rotate the key once a year
    #[arg(long, conflicts_with = "off")]
    on: bool,

    /// Rotate the key every DAYS days
    #[arg(long, value_name = "DAYS", conflicts_with = "off", value_parser = clap::value_parser!(u32).range(1..))]
    every: Option<u32>,

    /// Turn automatic rotation off
    #[arg(long)]
    off: bool,
}

pub(crate) fn run(args: &Args, output: &Output) -> Result<(), Error> {
    let services = KeyServices::from_environment(".")?;
    match &args.verb {
        KeysVerb::Create(args) => create(args, &services, output),
        KeysVerb::List(args) => list(args, &services, output),
        KeysVerb::Describe(args) => describe(args, &services, output),
        KeysVerb::Rotation(args) => rotation(args, &services, output),
    }
}

fn create(args: &Create, services: &KeyServices, output: &Output) -> Result<(), Error> {
    let wanted = NewKey { alias: args.alias.clone(), description: args.description.clone() };
    let mut made = services.create_key(&args.place, &wanted)?;
    // Print the reference first: if a later step fails, the key exists all the same.
    if !output.is_json() {
        output.line(&made.key)?;
    }
    if let Some(days) = args.rotate {
        let rotation = Rotation::Every(days);
        services.set_key_rotation(&made.key, rotation).map_err(|error| {
            let advice = format!(
                "the key {} was created; try again with `envconf keys rotation {} --on`",
                made.key, made.key
            );
            error.advise(advice)
        })?;
        made.rotation = Some(rotation);
    }
    if output.is_json() {
        return output.json(&as_json(&made));
    }
    output.say("Created the key");
    output.hint(format_args!("seal for it with `-r {}`, and trust it in the programs", made.key));
    Ok(())
}

fn list(args: &ListKeys, services: &KeyServices, output: &Output) -> Result<(), Error> {
    let keys = services.list_keys(&args.place, args.all)?;
    if output.is_json() {
        return output.json(&json!({ "keys": keys.iter().map(as_json).collect::<Vec<_>>() }));
    }
    if keys.is_empty() {
        output.say(format_args!("There are no keys of this kind in {}", args.place));
        return Ok(());
    }
    output.table(["KEY", "ALIAS", "STATE", "ROTATION", "CREATED"], keys.iter().map(row))
}

fn row(key: &KeyInfo) -> [String; 5] {
    let state =
        if key.wraps { key.state.name().to_owned() } else { format!("{}, other use", key.state.name()) };
    [key.key.to_string(), alias(key), state, rotates(key), created(key)]
}

fn describe(args: &Describe, services: &KeyServices, output: &Output) -> Result<(), Error> {
    let key = services.describe_key(&args.key)?;
    if output.is_json() {
        return output.json(&as_json(&key));
    }
    output.heading(&key.key)?;
    let use_ = if key.wraps { "wraps data keys" } else { "cannot wrap data keys" };
    let fields = [
        ("alias", alias(&key)),
        ("state", key.state.name().to_owned()),
        ("use", use_.to_owned()),
        ("rotation", rotates(&key)),
        ("created", created(&key)),
        ("description", escape(&key.description).to_string()),
    ];
    fields
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .try_for_each(|(name, value)| output.line(format_args!("  {name:<12} {value}")))
}

fn rotation(args: &RotationArgs, services: &KeyServices, output: &Output) -> Result<(), Error> {
    let key = services.resolve(&args.key)?;
    let wanted = match (args.on, args.every, args.off) {
        (_, Some(days), _) => Some(Rotation::Every(Some(days))),
        (true, None, _) => Some(Rotation::Every(None)),
        (.., true) => Some(Rotation::Off),
        _ => None,
    };
    if let Some(wanted) = wanted {
        services.set_key_rotation(&key, wanted)?;
    }
    let rotates = services.key_rotates(&key)?;
    if wanted.is_some_and(|wanted| rotates == (wanted == Rotation::Off)) {
        return Err(Error::new(
            Kind::Unexpected,
            format!("{key}: the service accepted the change, but does not show it"),
        ));
    }
    if output.is_json() {
        return output.json(&json!({ "key": key.to_string(), "rotates": rotates }));
    }
    output.line(format_args!("{key}: rotation {}", if rotates { "on" } else { "off" }))
}

fn alias(key: &KeyInfo) -> String {
    key.alias.as_deref().map(|alias| escape(alias).to_string()).unwrap_or_default()
}

fn rotates(key: &KeyInfo) -> String {
    key.rotation.map(|rotation| rotation.to_string()).unwrap_or_default()
}

fn created(key: &KeyInfo) -> String {
    key.created.and_then(Timestamp::from_unix).map(|moment| moment.to_string()).unwrap_or_default()
}

/// Returns the shape that docs/json-output.md describes.
fn as_json(key: &KeyInfo) -> Value {
    json!({
        "key": key.key.to_string(),
        "alias": key.alias,
        "state": key.state.name(),
        "wraps": key.wraps,
        "created": key.created.and_then(Timestamp::from_unix).map(|moment| moment.to_string()),
        "description": key.description,
        "rotates": key.rotation.map(|rotation| rotation != Rotation::Off),
        "rotate_days": match key.rotation {
            Some(Rotation::Every(days)) => days,
            _ => None,
        },
    })
}
