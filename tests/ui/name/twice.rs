use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
#[envconf(name = "a", name = "b")]
struct Config {}

fn main() {}
