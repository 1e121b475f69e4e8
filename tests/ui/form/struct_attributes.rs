use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
#[envconf(name, dir = 3, allow_unknown_fields = true, trust(prod), required_signatures = "1", signers = path)]
#[envconf(deadline = 10, validate = "whole")]
struct Config {}

fn main() {}
