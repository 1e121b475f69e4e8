//! Prints the schema of a configuration, for editors and for `envconf seal --schema`.
//!
//! Run `cargo run --example schema > app.schema.json`. With the argument `template`, it prints a plain file to fill in.

use std::net::SocketAddr;

use envconf::schema::Format;
use envconf::{EncryptedConfig, SecretString};

/// The settings of the service.
#[derive(EncryptedConfig)]
#[envconf(name = "app", env_prefix = "APP", trust = "local")]
#[allow(dead_code, reason = "this program does not load it")]
struct AppConfig {
    /// Address to listen on.
    #[envconf(default = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Origins that may send requests from a browser.
    #[envconf(default, example = ["https://example.com"])]
    allowed_origins: Vec<String>,
    #[envconf(nested)]
    database: Database,
}

#[derive(EncryptedConfig)]
#[allow(dead_code, reason = "this program does not load it")]
struct Database {
    #[envconf(example = "postgres://user:password@host/name")]
    url: SecretString,
    #[envconf(default = 10)]
    pool_size: u32,
}

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("template") => print!("{}", AppConfig::template(Format::Toml)),
        _ => print!("{}", AppConfig::json_schema()),
    }
}
