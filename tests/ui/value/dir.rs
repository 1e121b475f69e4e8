use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
#[envconf(dir = " ")]
struct Config {}

fn main() {}
