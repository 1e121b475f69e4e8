use envconf::EncryptedConfig;

struct Plain;

#[derive(EncryptedConfig)]
struct Config {
    #[envconf(nested)]
    field: Vec<Option<Plain>>,
}

fn main() {}
