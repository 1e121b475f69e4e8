use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
enum Config {
    A,
}

fn main() {}
