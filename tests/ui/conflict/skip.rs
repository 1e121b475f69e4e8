use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
struct Config {
    #[envconf(env = "A", rename = "b", skip)]
    field: u8,
}

fn main() {}
