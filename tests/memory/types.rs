//! The loaded types: structs with a secret in every kind of place.

#![allow(dead_code, reason = "the test searches memory, and does not read the fields")]

use std::collections::{BTreeMap, HashMap};

use envconf::{EncryptedConfig, SecretString, secrecy::SecretBox};
use serde::Deserialize;

#[derive(EncryptedConfig)]
#[envconf(name = "app", env_prefix = "APP", allow_unknown_fields)]
pub struct App {
    pub token: SecretString,
    pub list: Vec<SecretString>,
    pub map: BTreeMap<String, SecretString>,
    pub leaf: Leaf,
    pub boxed: SecretBox<String>,
    #[envconf(nested)]
    pub database: Database,
}

#[derive(EncryptedConfig)]
pub struct Database {
    pub password: SecretString,
    pub replica: Option<SecretString>,
}

/// A leaf that serde's own derive reads.
#[derive(Deserialize)]
pub struct Leaf {
    pub user: SecretString,
}

/// The secrets in the content, in the order of the fields of [`App`].
pub const SECRETS: [&str; 9] = [
    "field:token",
    "field:list",
    "field:map",
    "field:leaf",
    "field:boxed",
    "field:password",
    "field:replica",
    "unread",
    "comment",
];

/// Fields that serde reads through its own buffers, and a field that is not wiped.
#[derive(EncryptedConfig)]
#[envconf(name = "app")]
pub struct Buffered {
    pub untagged: Untagged,
    pub flattened: Flattened,
    pub tagged: Tagged,
    pub text: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub enum Untagged {
    Several(Vec<SecretString>),
    One(SecretString),
}

#[derive(Deserialize)]
pub struct Flattened {
    #[serde(flatten)]
    pub inner: Leaf,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Tagged {
    Basic(Leaf),
}

/// The secrets in the content of this type.
pub const BUFFERED: [&str; 4] = ["field:untagged", "field:flattened", "field:tagged", "field:text"];

/// Secrets in lists, maps, options and enums of derived types, and in leaves of every shape.
#[derive(EncryptedConfig)]
#[envconf(name = "app", env_prefix = "APP")]
pub struct Shapes {
    #[envconf(nested)]
    pub nodes: Vec<Node>,
    #[envconf(nested)]
    pub peers: HashMap<String, Node>,
    #[envconf(nested)]
    pub deep: Option<Vec<BTreeMap<String, Option<Box<Node>>>>>,
    #[envconf(nested)]
    pub tagged: Store,
    pub tuple: (u8, SecretString),
    pub array: [SecretString; 1],
    pub options: Option<Vec<SecretString>>,
    pub labels: HashMap<String, SecretString>,
}

#[derive(EncryptedConfig)]
pub struct Node {
    #[envconf(default = 1)]
    pub id: u8,
    pub token: SecretString,
}

#[derive(EncryptedConfig)]
#[envconf(tag = "type", rename_all = "lowercase")]
pub enum Store {
    Vault { token: SecretString },
}

/// The secrets in the content of this type.
pub const SHAPES: [&str; 8] = [
    "field:nodes",
    "field:peers",
    "field:deep",
    "field:tagged",
    "field:tuple",
    "field:array",
    "field:options",
    "field:labels",
];
