//! Command-line flags that override all other layers. Run `cargo run --example flags --features clap -- --port 9000`.
//!
//! The program passes flags to [`envconf::Loader::set`]. They are parsed and validated like any other value, and
//! reports show that the program set them. `-s PATH=VALUE` sets any value.

use std::process::ExitCode;

use clap::Parser;
use envconf::{ContentType, EncryptedConfig, Error, KeyServices, LocalKey, Pair, Seal};

#[derive(EncryptedConfig)]
#[envconf(name = "server", env_prefix = "SERVER", trust = "local")]
struct ServerConfig {
    #[envconf(default = 8080)]
    port: u16,
    #[envconf(nested, default)]
    routes: Vec<Route>,
}

#[derive(EncryptedConfig)]
struct Route {
    path: String,
    #[envconf(default = "http://localhost:3000")]
    target: String,
}

/// Serve the routes.
#[derive(Parser)]
struct Flags {
    /// Port to listen on
    #[arg(long, value_name = "PORT")]
    port: Option<String>,
    /// Set any value of the configuration
    #[arg(short, long = "set", value_name = "PATH=VALUE", value_parser = path_and_value)]
    set: Vec<(String, String)>,
}

fn path_and_value(text: &str) -> Result<(String, String), &'static str> {
    let (path, value) = text.split_once('=').ok_or("expected PATH=VALUE")?;
    Ok((path.to_owned(), value.to_owned()))
}

fn main() -> ExitCode {
    match run(Flags::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("server: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(flags: Flags) -> Result<(), Error> {
    let directory = std::env::temp_dir().join(format!("envconf-flags-{}", std::process::id()));
    let key = sealed(&directory)?;
    // With a local key in the key store and `config/server.conf.enc`, `ServerConfig::loader()` alone is enough.
    let loader = ServerConfig::loader().dir(&directory).local_key(key);
    let config = loader.sets(flags.port.map(|port| ("port", port))).sets(flags.set).load();
    let _ = std::fs::remove_dir_all(&directory);
    let config = config?;
    println!("port {}", config.port);
    for route in &config.routes {
        println!("{} to {}", route.path, route.target);
    }
    Ok(())
}

/// Creates a local key and a pair in a separate directory, like `envconf init` and `envconf seal config/server.toml`.
fn sealed(directory: &std::path::Path) -> Result<LocalKey, Error> {
    std::fs::create_dir_all(directory).map_err(|error| Error::write(directory, error))?;
    let key = LocalKey::generate()?;
    let pair = Pair::new(directory, &"server".parse()?, &"default".parse()?);
    Seal::new("server".parse()?, "default".parse()?, ContentType::Toml)
        .recipient(key.key_ref().clone())
        .seal(&pair, b"routes = [{ path = '/' }]\n", &KeyServices::none().local_key(key.clone()))?;
    Ok(key)
}
