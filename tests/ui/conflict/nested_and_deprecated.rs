use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
struct Config {
    #[envconf(nested, deprecated)]
    field: u8,
}

fn main() {}
