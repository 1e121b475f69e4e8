use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
struct Config {
    #[envconf(merge = "deep")]
    labels: std::collections::HashMap<String, String>,
    #[envconf(merge)]
    other: std::collections::HashMap<String, String>,
}

fn main() {}
