//! The configuration of a realistic service, with all features of the derive. Run `cargo run --example showcase`.
//!
//! A test (`tests/showcase.rs`) changes each value in the file, with an environment variable and with `Loader::set`.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::time::Duration;

use envconf::schema::Format;
use envconf::{ContentType, EncryptedConfig, Error, KeyServices, LocalKey, Pair, Seal, SecretString};

/// The gateway: clients, upstream servers and sessions.
#[derive(EncryptedConfig)]
#[envconf(name = "gateway", env_prefix = "GATEWAY", trust = "local", validate = Gateway::check_upstreams)]
pub struct Gateway {
    /// Address to listen on.
    #[envconf(default = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// The address of earlier versions, replaced by `listen`.
    #[envconf(deprecated = "use listen")]
    pub bind: Option<SocketAddr>,
    /// Time limit of a request, such as `30s` or `1m 30s`.
    #[envconf(default = Duration::from_secs(30), deserialize_with = envconf::de::duration)]
    pub timeout: Duration,
    /// Maximum size of a request's body, such as `64 MiB`.
    #[envconf(default = 16 << 20, deserialize_with = envconf::de::byte_size)]
    pub max_body: u64,
    #[envconf(nested)]
    pub logging: Logging,
    /// Upstream servers, the preferred one first.
    #[envconf(nested)]
    pub upstreams: Vec<Upstream>,
    /// Tenants by name.
    #[envconf(nested, default)]
    pub tenants: BTreeMap<String, Tenant>,
    /// The store of the sessions.
    #[envconf(nested)]
    pub sessions: SessionStore,
    /// The exporters for each request, by name.
    #[envconf(nested, default)]
    pub exporters: HashMap<String, Exporter>,
    #[envconf(nested)]
    pub tls: Option<Box<Tls>>,
    /// Labels of every metric.
    #[envconf(default)]
    pub labels: BTreeMap<String, String>,
    /// Networks that may connect. A layer replaces the whole list.
    #[envconf(default = ["10.0.0.0/8"])]
    pub networks: Vec<String>,
    /// Keys of cookies. The first key signs new cookies; all keys verify.
    pub cookie_keys: Vec<SecretString>,
    #[envconf(env = "SENTRY_DSN")]
    pub sentry: Option<SecretString>,
}

#[derive(EncryptedConfig)]
pub struct Logging {
    #[envconf(default = Level::Info)]
    pub level: Level,
    #[envconf(default = true)]
    pub colors: bool,
}

/// The least important level that is logged.
#[derive(EncryptedConfig, Debug, Clone, Copy, PartialEq)]
#[envconf(rename_all = "lowercase")]
pub enum Level {
    Debug,
    Info,
    #[envconf(alias = "warning")]
    Warn,
}

#[derive(EncryptedConfig)]
pub struct Upstream {
    pub url: String,
    #[envconf(default = 1, validate = at_least_one)]
    pub weight: u16,
    #[envconf(nested)]
    pub login: Option<Login>,
}

#[derive(EncryptedConfig)]
pub struct Login {
    pub user: String,
    pub password: SecretString,
}

#[derive(EncryptedConfig)]
#[envconf(rename_all = "kebab-case")]
pub struct Tenant {
    pub api_key: SecretString,
    /// Maximum number of requests per second, by route.
    #[envconf(default)]
    pub rate_limits: BTreeMap<String, u32>,
    #[envconf(flatten)]
    pub contact: Contact,
}

#[derive(EncryptedConfig)]
pub struct Contact {
    pub mail: Option<String>,
}

/// The store of sessions. The key of the table names the variant: `sessions = "memory"`, or `[sessions.redis]`.
#[derive(EncryptedConfig)]
#[envconf(rename_all = "snake_case")]
pub enum SessionStore {
    Memory,
    Redis {
        url: SecretString,
        #[envconf(default = 4)]
        pool_size: u8,
    },
}

/// An exporter. The tag next to the fields names the variant: `{ type = "otlp", endpoint = "…" }`.
#[derive(EncryptedConfig)]
#[envconf(tag = "type", rename_all = "lowercase")]
pub enum Exporter {
    #[envconf(default)]
    Stdout,
    Otlp(Otlp),
}

#[derive(EncryptedConfig)]
pub struct Otlp {
    pub endpoint: String,
    pub token: Option<SecretString>,
}

#[derive(EncryptedConfig)]
pub struct Tls {
    #[envconf(default = "tls/cert.pem")]
    pub certificate: String,
    pub private_key: SecretString,
}

impl Gateway {
    fn check_upstreams(&self) -> Result<(), &'static str> {
        if self.upstreams.is_empty() { Err("there is no upstream") } else { Ok(()) }
    }
}

fn at_least_one(weight: &u16) -> Result<(), &'static str> {
    if *weight > 0 { Ok(()) } else { Err("at least 1 is needed") }
}

/// The content to seal.
pub const CONTENT: &str = r#"
cookie_keys = ["new key", "old key"]
labels = { region = "eu" }

[[upstreams]]
url = "https://one.internal"
login = { user = "gateway", password = "first password" }

[[upstreams]]
url = "https://two.internal"
weight = 3

[tenants.acme]
api-key = "key of acme"
rate-limits = { search = 20 }
mail = "ops@acme.example"

[sessions.redis]
url = "redis://:redis password@cache"

[exporters.traces]
type = "otlp"
endpoint = "https://otlp.internal"
token = "token of traces"

[tls]
private_key = "key of tls"
"#;

/// Seals `content` in a separate directory, as `envconf seal config/gateway.toml` does.
///
/// # Errors
/// The errors of sealing.
pub fn sealed(directory: &std::path::Path, content: &str) -> Result<LocalKey, Error> {
    std::fs::create_dir_all(directory).map_err(|error| Error::write(directory, error))?;
    let key = LocalKey::generate()?;
    let pair = Pair::new(directory, &"gateway".parse()?, &"default".parse()?);
    Seal::new("gateway".parse()?, "default".parse()?, ContentType::Toml)
        .recipient(key.key_ref().clone())
        .seal(&pair, content.as_bytes(), &KeyServices::none().local_key(key.clone()))?;
    Ok(key)
}

fn main() -> Result<(), Error> {
    let directory = std::env::temp_dir().join(format!("envconf-showcase-{}", std::process::id()));
    let key = sealed(&directory, CONTENT)?;
    // With a local key in the key store, this is `Gateway::load()?`.
    let gateway = Gateway::loader().dir(&directory).local_key(key).set("logging.level", "debug").load();
    let _ = std::fs::remove_dir_all(&directory);
    let gateway = gateway?;
    println!("{} upstreams, logging at {:?}", gateway.upstreams.len(), gateway.logging.level);
    for value in gateway.origins() {
        let secret = if value.secret() { " (secret)" } else { "" };
        println!("{} comes from {}{secret}", value.path(), value.origin());
    }
    println!("{}", Gateway::template(Format::Toml));
    Ok(())
}
