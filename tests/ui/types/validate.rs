use envconf::EncryptedConfig;

fn other_type(_: &str) -> Result<(), &'static str> {
    Ok(())
}

fn talkative(value: &u8) -> Result<(), String> {
    Err(format!("{value} is too much"))
}

fn whole(_: &u8) -> Result<(), &'static str> {
    Ok(())
}

#[derive(EncryptedConfig)]
#[envconf(validate = whole)]
struct Config {
    #[envconf(validate = other_type)]
    a: u8,
    #[envconf(validate = talkative)]
    b: u8,
    #[envconf(validate = other_type)]
    c: Option<u8>,
    #[envconf(validate = nowhere)]
    d: u8,
}

fn main() {}
