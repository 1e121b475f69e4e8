use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
#[envconf]
struct Config {
    #[envconf = "x"]
    field: u8,
}

fn main() {}
