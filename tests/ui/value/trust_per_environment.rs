use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
#[envconf(trust(prod = "local", prod = "local", "a b" = "local", test = ""))]
struct A {}

#[derive(EncryptedConfig)]
#[envconf(trust())]
struct B {}

fn main() {}
