//! A command-line program without an async runtime. Run `cargo run --example cli -- Ada`.
//!
//! The program loads its configuration, works and exits. It prints all errors at once to standard error, and the exit
//! code shows their class: try `GREET__TIMES=many cargo run --example cli`.

use std::path::PathBuf;
use std::process::ExitCode;

use envconf::{ContentType, EncryptedConfig, Error, KeyServices, LocalKey, Pair, Seal, SecretString};

/// The settings of the program, in addition to its arguments.
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
    // In a directory with `config/greet.conf.enc`, this is `GreetConfig::load()?`.
    let config = GreetConfig::loader().dir(&directory).local_key(key).load();
    // The program does not need the directory any more, also after an error.
    let _ = std::fs::remove_dir_all(&directory);
    let config = config?;
    for _ in 0..config.times {
        println!("{}, {name}!", config.greeting);
    }
    println!("(with the token {:?})", config.api_token);
    Ok(())
}

/// Creates a local key and a pair in a separate directory, like `envconf init` and `envconf seal config/greet.toml`.
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
