use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
struct Config {
    #[envconf(env = "A", nested)]
    field: u8,
}

fn main() {}
