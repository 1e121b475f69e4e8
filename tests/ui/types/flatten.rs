use envconf::EncryptedConfig;

struct Plain;

#[derive(EncryptedConfig)]
struct Config {
    #[envconf(flatten)]
    field: Plain,
}

fn main() {}
