//! A web service that reloads its configuration: the watch is the state, and each request uses the newest version.
//!
//! Run `cargo run -p envconf-examples --features axum --example axum`. The program sends a request to itself, seals a
//! new version, sends another request, and exits.

use std::net::SocketAddr;
use std::path::Path;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use envconf::load::WatchOptions;
use envconf::{ContentType, EncryptedConfig, KeyServices, LocalKey, Pair, Seal, Watch};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The settings of the service.
#[derive(EncryptedConfig)]
#[envconf(name = "web", env_prefix = "WEB", trust = "local")]
struct WebConfig {
    #[envconf(default = "127.0.0.1:0")]
    listen: SocketAddr,
    greeting: String,
    #[envconf(default = "world")]
    whom: String,
}

/// The handler calls `current` once, so that all values are from the same version.
async fn greet(State(config): State<Watch<WebConfig>>) -> String {
    let config = config.current();
    format!("{}, {}!", config.greeting, config.whom)
}

/// Reports the status to a load balancer or an alarm. If a newer configuration is rejected, the service continues with
/// the last good one.
async fn health(State(config): State<Watch<WebConfig>>) -> String {
    let status = config.status();
    match status.last_refusal() {
        Some(refusal) if !status.is_current() => format!("a newer configuration is not used: {refusal}"),
        _ => format!("generation {}", status.generation()),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = std::env::temp_dir().join(format!("envconf-axum-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let result = serve(&directory).await;
    std::fs::remove_dir_all(&directory)?;
    result
}

async fn serve(directory: &Path) -> Result<(), Box<dyn std::error::Error>> {
    // In a real deployment, `envconf seal` creates the pair.
    let key = LocalKey::generate()?;
    seal(directory, &key, "greeting = 'Hello'\n")?;

    // In the directory of a service, this is `WebConfig::watch_async().await?`.
    let options = WatchOptions::new()
        .on_sighup()
        .on_refusal(|error| eprintln!("a newer configuration is not used: {error}"));
    let loader =
        WebConfig::loader().dir(directory).local_key(key.clone()).variables([("WEB__LISTEN", "127.0.0.1:0")]);
    let config = loader.watch_options(options).watch_async().await?;

    // Recreate objects that depend on the configuration when it changes: pools, clients, levels.
    let follower = config.clone();
    tokio::spawn(async move {
        loop {
            let new = follower.changed().await;
            println!("reloaded: the greeting is {:?} now", new.greeting);
        }
    });

    let listener = TcpListener::bind(config.current().listen).await?;
    let address = listener.local_addr()?;
    let routes = Router::new().route("/", get(greet)).route("/health", get(health));
    let server = tokio::spawn(axum::serve(listener, routes.with_state(config.clone())).into_future());

    println!("{}", ask(address, "/").await?);
    seal(directory, &key, "greeting = 'Good morning'\nwhom = 'Ada'\n")?;
    config.changed().await;
    println!("{}", ask(address, "/").await?);

    // An invalid configuration changes only the output of `/health`.
    seal(directory, &key, "greeting = 1\n")?;
    while config.status().is_current() {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    println!("{}\n{}", ask(address, "/").await?, ask(address, "/health").await?);
    server.abort();
    Ok(())
}

fn seal(directory: &Path, key: &LocalKey, content: &str) -> Result<(), envconf::Error> {
    let pair = Pair::new(directory, &"web".parse()?, &"default".parse()?);
    let seal = Seal::new("web".parse()?, "default".parse()?, ContentType::Toml);
    let services = KeyServices::none().local_key(key.clone());
    seal.recipient(key.key_ref().clone()).seal(&pair, content.as_bytes(), &services).map(drop)
}

/// Sends a GET request and returns the body of the answer.
async fn ask(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer.split("\r\n\r\n").last().unwrap_or_default().to_owned())
}
