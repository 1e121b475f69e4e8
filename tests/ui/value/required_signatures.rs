use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
#[envconf(required_signatures = 0)]
struct Config {}

fn main() {}
