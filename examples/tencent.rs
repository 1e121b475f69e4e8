//! Seals and loads with Tencent Cloud KMS. The example runs against the stand-in, or against the real service:
//!
//! ```text
//! cargo run -p envconf-test-support --bin tencent-kms-standin     # prints three `export` lines and a key
//! export TENCENTCLOUD_SECRET_ID=… TENCENTCLOUD_SECRET_KEY=… ENVCONF_TENCENT_ENDPOINT=…
//! cargo run -p envconf-examples --features tencent --example tencent -- tencent:ap-guangzhou:<id of the CMK>
//! ```

use std::time::Instant;

use envconf::{ContentType, EncryptedConfig, KeyRef, KeyServices, Pair, Seal, SecretString};

#[derive(EncryptedConfig)]
#[envconf(name = "app", env_prefix = "APP")]
struct AppConfig {
    listen: std::net::SocketAddr,
    password: SecretString,
}

const CONTENT: &[u8] = b"listen = \"0.0.0.0:8080\"\npassword = \"correct horse\"\n";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let key = std::env::args().nth(1).ok_or("name a key: tencent:REGION:ID-OF-THE-CMK")?;
    let key: KeyRef = key.parse()?;
    let directory = std::env::temp_dir().join(format!("envconf-tencent-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;

    let pair = Pair::new(&directory, &"app".parse()?, &"prod".parse()?);
    let services = KeyServices::from_environment(&directory)?;
    let started = Instant::now();
    let sealed = Seal::new("app".parse()?, "prod".parse()?, ContentType::Toml)
        .recipient(key.clone())
        .seal(&pair, CONTENT, &services)?;
    println!(
        "Sealed for {key} in {:.1?}: {} and .key, generation {}",
        started.elapsed(),
        pair.enc().display(),
        sealed.generation()
    );

    // The loader trusts only this key: no other key, region or account can open the configuration of the service.
    let started = Instant::now();
    let config = AppConfig::loader().dir(&directory).environment("prod").trust(key.to_string()).load();
    std::fs::remove_dir_all(&directory)?;
    let config = config?;
    println!(
        "Loaded in {:.1?}: listen = {}, password = {:?}",
        started.elapsed(),
        config.listen,
        config.password
    );
    Ok(())
}
