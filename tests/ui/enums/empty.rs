use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
enum Store {}

fn main() {}
