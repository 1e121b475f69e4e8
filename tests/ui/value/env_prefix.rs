use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
#[envconf(env_prefix = "my-app")]
struct A {}

#[derive(EncryptedConfig)]
#[envconf(env_prefix = "APP__")]
struct B {}

fn main() {}
