use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
#[envconf(signers = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=,AAAA")]
struct Config {}

fn main() {}
