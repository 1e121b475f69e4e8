use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
struct Config {
    #[envconf(flatten)]
    field: Option<Inner>,
}

#[derive(EncryptedConfig)]
struct Inner {}

fn main() {}
