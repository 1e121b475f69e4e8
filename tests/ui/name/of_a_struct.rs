use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
struct Config {
    #[envconf(rename_all = "kebab-case")]
    field: u8,
}

fn main() {}
