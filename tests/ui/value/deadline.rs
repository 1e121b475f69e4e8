use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
#[envconf(deadline = "10")]
struct Config {}

#[derive(EncryptedConfig)]
#[envconf(deadline = "0s")]
struct None {}

fn main() {}
