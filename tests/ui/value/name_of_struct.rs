use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
struct Größe {}

fn main() {}
