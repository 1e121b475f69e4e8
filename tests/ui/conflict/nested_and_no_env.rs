use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
struct Config {
    #[envconf(nested, no_env)]
    field: u8,
}

fn main() {}
