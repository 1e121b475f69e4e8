use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
#[envconf(nested)]
struct Config {}

fn main() {}
