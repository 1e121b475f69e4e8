use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
struct Config {
    #[envconf(env = "DATABASE-URL")]
    field: u8,
}

fn main() {}
