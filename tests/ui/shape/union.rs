use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
union Config {
    a: u8,
}

fn main() {}
