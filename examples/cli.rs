//! A plain command-line program: no runtime, nothing async. `cargo run --example cli -- Ada`
//!
//! The program loads, works and exits. Errors go to stderr, all at once, and the exit code names their class: try
//! `GREET__TIMES=many cargo run --example cli`.

use std::path::PathBuf;
use std::process::ExitCode;

use envconf::{ContentType, EncryptedConfig, Error, KeyServices, LocalKey, Pair, Seal, SecretString};

/// The settings of the program besides its arguments.
#[derive(EncryptedConfig)]
#[envconf(name = "greet", env_prefix = "GREET", trust = "local")]
struct GreetConfig {
    greeting: String,
    #[envconf(default = 1, validate = a_few)]
    times: u8,
    api_token: SecretString,
}

fn a_few(times: &u8) -> Result<(), &'static str> {
    if *times <= 10 { Ok(()) } else { Err("more than 10 is a nuisance") }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("greet: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn run() -> Result<(), Error> {
    let name = std::env::args().nth(1).unwrap_or_else(|| "world".to_owned());
    let (directory, key) = sealed()?;
    // In a directory with `config/greet.conf.enc` this is `GreetConfig::load()?`.
    let config = GreetConfig::loader().dir(&directory).local_key(key).load();
    // The directory was read, so it can be removed in any case.
    let _ = std::fs::remove_dir_all(&directory);
    let config = config?;
    for _ in 0..config.times {
        println!("{}, {name}!", config.greeting);
    }
    println!("(with the token {:?})", config.api_token);
    Ok(())
}

/// What `envconf init` and `envconf seal config/greet.toml` leave behind, in a separate directory.
fn sealed() -> Result<(PathBuf, LocalKey), Error> {
    let directory = std::env::temp_dir().join(format!("envconf-cli-{}", std::process::id()));
    std::fs::create_dir_all(&directory).map_err(|error| Error::write(&directory, error))?;
    let key = LocalKey::generate()?;
    let pair = Pair::new(&directory, &"greet".parse()?, &"default".parse()?);
    Seal::new("greet".parse()?, "default".parse()?, ContentType::Toml)
        .recipient(key.key_ref().clone())
        .seal(
            &pair,
            b"greeting = 'Hello'\napi_token = 'correct horse'\n",
            &KeyServices::none().local_key(key.clone()),
        )?;
    Ok((directory, key))
}
