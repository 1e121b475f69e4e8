//! Types with most features of a schema. Tests compare the result of the schema with that of `load`.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU16;
use std::path::PathBuf;

use envconf::{EncryptedConfig, SecretString};

/// A type with every kind of leaf.
#[derive(EncryptedConfig)]
#[envconf(name = "rich", env_prefix = "RICH", rename_all = "kebab-case")]
pub struct Rich {
    pub small: u8,
    pub signed_one: Option<i16>,
    #[envconf(default = 18446744073709551615)]
    pub wide: u64,
    pub huge: Option<u128>,
    pub below: Option<i128>,
    #[envconf(example = 3)]
    pub size: Option<usize>,
    #[envconf(default = 1.5)]
    pub float: f64,
    pub single: Option<f32>,
    #[envconf(default = true)]
    pub flag: bool,
    pub letter: Option<char>,
    /// A text, with "quotes" and
    /// more than one line.
    pub text: String,
    #[envconf(env = "RICH_SECRET", example = "s3cr\u{7f}t\n")]
    pub secret: SecretString,
    #[envconf(default = "/var/lib")]
    pub path: PathBuf,
    #[envconf(default = "127.0.0.1:80", no_env)]
    pub listen: SocketAddr,
    pub ip: Option<IpAddr>,
    pub v6: Option<Ipv6Addr>,
    #[envconf(default)]
    pub list: Vec<u8>,
    pub matrix: Option<Vec<Vec<Option<bool>>>>,
    pub fixed: Option<[i8; 2]>,
    pub pair: Option<(u8, String)>,
    pub map: Option<BTreeMap<String, i64>>,
    pub hosts: Option<HashMap<Ipv4Addr, Option<f64>>>,
    pub unit: Option<()>,
    #[envconf(default = 1)]
    pub nonzero: NonZeroU16,
    pub boxed: Option<Box<str>>,
    pub cow: Option<Cow<'static, str>>,
    pub set: Option<BTreeSet<String>>,
    pub queue: Option<VecDeque<Option<Option<u8>>>>,
    #[envconf(alias = "zone", alias = "area")]
    pub region: Option<String>,
    #[envconf(rename = "odd key/~", alias = "even%", deprecated = "use text")]
    pub odd: Option<i8>,
    #[envconf(nested)]
    pub inner: Inner,
    #[envconf(nested, alias = "other")]
    pub maybe: Option<Inner>,
    #[envconf(nested)]
    pub calm: Calm,
    #[envconf(flatten)]
    pub flat: Flat,
}

/// A type with a required value.
#[derive(EncryptedConfig)]
pub struct Inner {
    #[envconf(alias = "uri")]
    pub url: SecretString,
    #[envconf(default = 5)]
    pub pool: u32,
    #[envconf(nested)]
    pub deep: Option<Calm>,
}

/// A type without required values that accepts unknown keys.
#[derive(EncryptedConfig)]
#[envconf(allow_unknown_fields)]
pub struct Calm {
    #[envconf(default_with = level)]
    pub level: i32,
    pub label: Option<String>,
}

#[derive(EncryptedConfig)]
pub struct Flat {
    #[envconf(default = [1, 2])]
    pub numbers: Vec<i64>,
    #[envconf(nested)]
    pub below_flat: Option<Inner>,
}

fn level() -> i32 {
    1
}

/// A type without a prefix and required values that accepts unknown keys.
#[derive(EncryptedConfig)]
#[envconf(name = "open", allow_unknown_fields)]
pub struct Open {
    #[envconf(default = 1)]
    pub a: u8,
    #[envconf(env = "OPEN_B")]
    pub b: Option<u8>,
    #[envconf(nested)]
    pub c: Calm,
    #[envconf(nested)]
    pub d: Option<Inner>,
}
