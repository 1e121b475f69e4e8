use envconf::EncryptedConfig;
use serde::Deserialize;

fn one() -> u8 {
    1
}

mod seconds {
    use serde::{Deserialize, Deserializer};

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
        u8::deserialize(deserializer)
    }
}

#[derive(EncryptedConfig, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Renamed {
    #[serde(rename = "key")]
    a: u8,
    #[serde(default)]
    b: u8,
    #[serde(default = "one", alias = "c2")]
    c: u8,
    #[serde(with = "seconds")]
    d: u8,
    #[serde(deserialize_with = "seconds::deserialize")]
    e: u8,
    #[serde(skip)]
    f: u8,
    #[serde(rename(serialize = "out", deserialize = "in"))]
    g: u8,
    #[cfg_attr(all(), serde(rename = "hidden"))]
    h: u8,
}

#[derive(EncryptedConfig, Deserialize, Default)]
#[serde(default)]
struct Flat {
    #[serde(flatten)]
    #[envconf(flatten)]
    inner: Inner,
}

#[derive(EncryptedConfig, Deserialize, Default)]
#[serde(tag = "type")]
struct Inner {
    x: u8,
}

fn main() {}
