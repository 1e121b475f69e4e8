use std::time::Duration;

use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
struct Config {
    #[envconf(default = "5s")]
    timeout: Duration,
    #[envconf(example = ["1s"])]
    waits: Option<Vec<std::time::Duration>>,
}

fn main() {}
