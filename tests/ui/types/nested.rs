use envconf::EncryptedConfig;

struct Plain;

#[derive(EncryptedConfig)]
struct Config {
    #[envconf(nested)]
    field: Plain,
}

fn main() {}
