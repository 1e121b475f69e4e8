use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
#[envconf(rename_all = "kebap-case")]
struct Config {}

fn main() {}
