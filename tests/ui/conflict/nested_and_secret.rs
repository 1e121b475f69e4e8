use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
struct Config {
    #[envconf(nested, secret)]
    field: u8,
}

fn main() {}
