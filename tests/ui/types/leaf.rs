use envconf::EncryptedConfig;

struct Plain;

#[derive(EncryptedConfig)]
struct Config {
    field: Plain,
    list: Option<Vec<Plain>>,
}

fn main() {}
