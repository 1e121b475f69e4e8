//! The main job, with the embedded local key: seal a configuration, load it through the derive, see where each
//! value came from. `cargo run --example quickstart`, from the root of the repository.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Instant;

use envconf::key_store::KeyStore;
use envconf::{ContentType, EncryptedConfig, KeyServices, Loaded, LocalKey, Pair, Seal, SecretString};

/// Everything the service needs to start.
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

    // What `envconf init` does once: a local key in the user's key store, outside the project, enabled for the project.
    let store = KeyStore::at(project.with_file_name("home"));
    let key = LocalKey::generate()?;
    store.add(&key)?;
    store.enable(key.key_ref(), &project)?;

    // What `envconf seal config/app.toml` does: a fresh data key, wrapped by the local key, seals the content.
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

    // The service's part. In its directory `AppConfig::load()` is enough. Here the settings are given, so that your
    // own environment does not interfere.
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

/// Values that are secret have no way to be printed by accident: `SecretString` hides itself.
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

/// Creates a project beside the built example, with a separate repository: the work tree stays as it is.
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

/// The last three parts of a path.
fn short(path: &Path) -> String {
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    parts[parts.len().saturating_sub(3)..].join("/")
}
