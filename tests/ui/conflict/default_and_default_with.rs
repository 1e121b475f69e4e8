use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
struct Config {
    #[envconf(default, default_with = three)]
    field: u8,
}

fn main() {}
