use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
struct Config {
    #[envconf(nested, deserialize_with = read)]
    field: u8,
}

fn main() {}
