use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
struct Config {
    #[envconf(no_env, env = "A")]
    field: u8,
}

fn main() {}
