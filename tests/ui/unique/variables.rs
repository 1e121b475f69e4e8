use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
#[envconf(env_prefix = "APP")]
struct Config {
    a: u8,
    #[envconf(env = "APP__A")]
    b: u8,
    #[envconf(env = "X")]
    c: u8,
    #[envconf(env = "X")]
    d: u8,
}

fn main() {}
