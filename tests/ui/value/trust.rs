use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
#[envconf(trust = "local, tencent")]
struct Config {}

fn main() {}
