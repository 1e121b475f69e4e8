use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
struct Config;

fn main() {}
