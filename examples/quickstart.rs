//! The first steps with a local key: seal a configuration, load it with the derive, and print the origin of each value.
//! Run `cargo run --example quickstart` in the root of the repository.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Instant;

use envconf::key_store::KeyStore;
use envconf::{ContentType, EncryptedConfig, KeyServices, Loaded, LocalKey, Pair, Seal, SecretString};

/// The settings of the service.
#[derive(EncryptedConfig)]
#[envconf(name = "app", env_prefix = "APP", trust = "local")]
struct AppConfig {
    /// Address to listen on.
    #[envconf(default = "127.0.0.1:8080")]
    listen: SocketAddr,
    log_level: String,
    allowed_origins: Vec<String>,
    api_token: SecretString,
    #[envconf(nested)]
    database: Database,
}

#[derive(EncryptedConfig)]
struct Database {
    url: SecretString,
    #[envconf(default = 10)]
    pool_size: u32,
    #[envconf(default = 1000)]
    timeout_ms: u64,
    statement_cache: Option<u32>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let project = project_directory()?;
    let plain = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/app.toml");

    // Like `envconf init`: create a local key in the user's key store, outside the project, and enable it for the
    // project.
    let store = KeyStore::at(project.with_file_name("home"));
    let key = LocalKey::generate()?;
    store.add(&key)?;
    store.enable(key.key_ref(), &project)?;

    // Like `envconf seal config/app.toml`: encrypt the content with a new data key, and wrap it with the local key.
    let pair = Pair::new(project.join("config"), &"app".parse()?, &"default".parse()?);
    let services = KeyServices::none().local_key(key.clone());
    let started = Instant::now();
    let sealed = Seal::new("app".parse()?, "default".parse()?, ContentType::Toml)
        .recipient(key.key_ref().clone())
        .seal(&pair, &std::fs::read(&plain)?, &services)?;
    let sealing = started.elapsed();
    println!(
        "Sealed {} for {} (generation {}, {sealing:.1?}):",
        plain.display(),
        key.key_ref(),
        sealed.generation()
    );
    println!("  {}  the content, encrypted: commit it", short(pair.enc()));
    println!("  {}  its data key, wrapped: commit it", short(pair.key()));

    // Load the configuration, as the service does. In its directory, `AppConfig::load()` is enough. This example passes
    // all settings explicitly, so that your environment variables do not change the result.
    let home = store.directory().to_str().ok_or("the path of the key store is not UTF-8")?;
    let load = |variables: &[(&str, &str)]| {
        let loader = AppConfig::loader().dir(project.join("config"));
        loader.variables([("ENVCONF_HOME", home)].iter().chain(variables).copied()).load()
    };
    let started = Instant::now();
    let config = load(&[])?;
    let loading = started.elapsed();
    println!("\nLoaded in {loading:.1?}; where each value came from:");
    show(&config);

    let config = load(&[("APP__DATABASE__POOL_SIZE", "50")])?;
    println!("\nThe same with APP__DATABASE__POOL_SIZE=50 in the environment:");
    show(&config);

    println!("\nAnd with a mistake in each of two variables:");
    match load(&[("APP__LISTEN", "somewhere"), ("APP__DATABASE__POOLSIZE", "50")]) {
        Ok(_) => return Err("the mistakes went unnoticed".into()),
        Err(error) => println!("{error}"),
    }
    Ok(())
}

/// Prints each value and its origin. A secret cannot be printed by accident: `SecretString` hides its value.
fn show(config: &Loaded<AppConfig>) {
    let values = [
        ("listen", config.listen.to_string()),
        ("log_level", config.log_level.clone()),
        ("allowed_origins", format!("{:?}", config.allowed_origins)),
        ("api_token", format!("{:?}", config.api_token)),
        ("database.url", format!("{:?}", config.database.url)),
        ("database.pool_size", config.database.pool_size.to_string()),
        ("database.timeout_ms", config.database.timeout_ms.to_string()),
        ("database.statement_cache", format!("{:?}", config.database.statement_cache)),
    ];
    for (path, value) in values {
        let origin = config.origin(path).map_or_else(|| "not set".to_owned(), ToString::to_string);
        println!("  {path:<25} {value:<58} {}", origin.rsplit('/').next().unwrap_or(&origin));
    }
}

/// Creates a project next to the built example, with a separate repository. The work tree does not change.
fn project_directory() -> Result<PathBuf, Box<dyn std::error::Error>> {
    let program = std::env::current_exe()?;
    let target = program.ancestors().nth(3).ok_or("the example does not run in a target directory")?;
    let quickstart = target.join("quickstart");
    if quickstart.exists() {
        std::fs::remove_dir_all(&quickstart)?;
    }
    let project = quickstart.join("project");
    std::fs::create_dir_all(project.join("config"))?;
    std::fs::create_dir_all(project.join(".git"))?;
    Ok(project)
}

/// Returns the last three parts of a path.
fn short(path: &Path) -> String {
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    parts[parts.len().saturating_sub(3)..].join("/")
}
