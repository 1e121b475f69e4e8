use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
struct Config {
    #[envconf(nested, example = 3)]
    field: u8,
}

fn main() {}
