//! The configuration of the benchmark: 60 keys in 4 KiB. Every loader reads it into the same struct.

use std::net::SocketAddr;

use envconf::{EncryptedConfig, SecretString};
use serde::Deserialize;

/// The plaintext.
pub(crate) const TOML: &str = include_str!("app.toml");

/// The number of keys in the text.
pub(crate) const KEYS: usize = 60;

#[derive(EncryptedConfig, Deserialize)]
#[envconf(name = "app", env_prefix = "APP", trust = "local")]
#[serde(deny_unknown_fields)]
pub(crate) struct App {
    pub(crate) listen: SocketAddr,
    pub(crate) log_level: String,
    pub(crate) allowed_origins: Vec<String>,
    pub(crate) workers: u32,
    pub(crate) request_timeout_ms: u64,
    pub(crate) shutdown_grace_ms: u64,
    pub(crate) max_body_bytes: u64,
    pub(crate) trust_proxy: bool,
    pub(crate) public_url: String,
    pub(crate) api_token: SecretString,
    #[envconf(nested)]
    pub(crate) database: Database,
    #[envconf(nested)]
    pub(crate) cache: Cache,
    #[envconf(nested)]
    pub(crate) mail: Mail,
    #[envconf(nested)]
    pub(crate) storage: Storage,
    #[envconf(nested)]
    pub(crate) telemetry: Telemetry,
}

#[derive(EncryptedConfig, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Database {
    pub(crate) url: SecretString,
    pub(crate) replica_url: SecretString,
    pub(crate) pool_size: u32,
    pub(crate) pool_min_idle: u32,
    pub(crate) acquire_timeout_ms: u64,
    pub(crate) statement_timeout_ms: u64,
    pub(crate) idle_timeout_s: u64,
    pub(crate) statement_cache: u32,
    pub(crate) migrate_on_start: bool,
    pub(crate) schema: String,
}

#[derive(EncryptedConfig, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cache {
    pub(crate) url: SecretString,
    pub(crate) cluster: Vec<String>,
    pub(crate) prefix: String,
    pub(crate) ttl_s: u64,
    pub(crate) negative_ttl_s: u64,
    pub(crate) jitter: f64,
    pub(crate) max_connections: u32,
    pub(crate) connect_timeout_ms: u64,
    pub(crate) compress_above_bytes: u64,
    pub(crate) read_from_replicas: bool,
}

#[derive(EncryptedConfig, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mail {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) username: String,
    pub(crate) password: SecretString,
    pub(crate) from: String,
    pub(crate) reply_to: String,
    pub(crate) starttls: bool,
    pub(crate) max_per_minute: u32,
    pub(crate) retry_after_s: u64,
    pub(crate) dkim_key: SecretString,
}

#[derive(EncryptedConfig, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Storage {
    pub(crate) endpoint: String,
    pub(crate) region: String,
    pub(crate) bucket: String,
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: SecretString,
    pub(crate) part_size_bytes: u64,
    pub(crate) concurrency: u32,
    pub(crate) presign_s: u64,
    pub(crate) force_path_style: bool,
    pub(crate) storage_class: String,
}

#[derive(EncryptedConfig, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Telemetry {
    pub(crate) endpoint: String,
    pub(crate) authorization: SecretString,
    pub(crate) service_name: String,
    pub(crate) environment: String,
    pub(crate) sample_ratio: f64,
    pub(crate) export_interval_ms: u64,
    pub(crate) queue_size: u32,
    pub(crate) metrics: bool,
    pub(crate) traces: bool,
    pub(crate) sentry_dsn: SecretString,
}
