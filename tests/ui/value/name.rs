use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
#[envconf(name = "a b")]
struct Config {}

fn main() {}
