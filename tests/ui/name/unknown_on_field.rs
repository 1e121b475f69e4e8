use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
struct Config {
    #[envconf(requird, defualt = 3)]
    field: u8,
}

fn main() {}
