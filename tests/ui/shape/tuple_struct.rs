use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
struct Config(u8);

fn main() {}
