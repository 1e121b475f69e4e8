use envconf::EncryptedConfig;
use serde::Serialize;

#[derive(EncryptedConfig, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Info,
    #[serde(rename = "verbose", alias = "debug")]
    Debug,
}

#[derive(EncryptedConfig, Serialize)]
#[serde(tag = "type", rename_all_fields = "kebab-case")]
enum Store {
    Memory,
    #[serde(rename_all = "kebab-case")]
    Disk {
        #[serde(rename = "directory")]
        path: String,
    },
}

#[derive(EncryptedConfig, Serialize)]
#[serde(untagged)]
enum Loose {
    A { a: u8 },
    #[serde(skip)]
    B { b: u8 },
}

#[derive(EncryptedConfig, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
#[envconf(ignore_serde, tag = "type", rename_all = "lowercase")]
enum Both {
    #[serde(rename = "none")]
    #[envconf(rename = "none")]
    Memory,
    Disk {
        #[serde(alias = "directory")]
        path: String,
    },
}

fn main() {}
