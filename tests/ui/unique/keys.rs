use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
#[envconf(rename_all = "lowercase")]
struct Config {
    a: u8,
    #[envconf(rename = "a")]
    b: u8,
    #[envconf(alias = "d")]
    c: u8,
    d: u8,
    #[envconf(alias = "e")]
    e: u8,
}

fn main() {}
