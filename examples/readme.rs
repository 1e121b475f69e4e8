use envconf::{EncryptedConfig, SecretString};

#[derive(EncryptedConfig)]
#[envconf(name = "app", env_prefix = "APP")]
#[envconf(trust(
    prod = "tencent:ap-guangzhou:23e80852-1e38-11e9-b129-5cb9019b4b01", // with ENVCONF_ENV=prod
    default = "local", // without ENVCONF_ENV
))]
struct AppConfig {
    #[envconf(default = "127.0.0.1:8080")]
    listen: std::net::SocketAddr,
    api_token: SecretString,
    #[envconf(nested)]
    database: Database,
}

#[derive(EncryptedConfig)]
struct Database {
    url: SecretString,
    #[envconf(default = 10)]
    pool_size: u32,
}

fn main() -> Result<(), envconf::Error> {
    let config = AppConfig::load()?;
    println!("listen on {} with the token {:?}", config.listen, config.api_token);
    println!("open {} connections to {:?}", config.database.pool_size, config.database.url);
    Ok(())
}
