use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
struct Config {
    #[envconf(nested, default)]
    field: u8,
}

fn main() {}
