use std::time::Duration;

use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
struct Config {
    #[envconf(default = Duration::from_secs(5))]
    timeout: u64,
    #[envconf(default = 60 * 60)]
    name: String,
    #[envconf(default = UNKNOWN)]
    unknown: u8,
}

fn main() {}
