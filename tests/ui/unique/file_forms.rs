use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
struct Config {
    token: String,
    token_file: String,
    #[envconf(env = "KEY_FILE")]
    a: u8,
    #[envconf(env = "KEY")]
    b: u8,
}

fn main() {}
