use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
struct Config {
    field: &'static str,
}

fn main() {}
