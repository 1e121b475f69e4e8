use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
#[envconf(signers = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", required_signatures = 2)]
struct Config {}

fn main() {}
