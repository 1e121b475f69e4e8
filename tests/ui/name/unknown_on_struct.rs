use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
#[envconf(env_prefx = "APP")]
struct Config {}

fn main() {}
