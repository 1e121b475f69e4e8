use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
struct Config {
    #[envconf(nested, default_with = three)]
    field: u8,
}

fn main() {}
