use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
#[envconf(name, dir = 3, allow_unknown_fields = true, trust(prod), required_signatures = "1", signers = path)]
struct Config {}

fn main() {}
