use envconf::EncryptedConfig;

fn no_deserializer(_: &str) -> Result<u8, String> {
    Ok(0)
}

fn other_type<'de, D: serde::Deserializer<'de>>(_: D) -> Result<u16, D::Error> {
    Ok(0)
}

#[derive(EncryptedConfig)]
struct Config {
    #[envconf(deserialize_with = no_deserializer)]
    a: u8,
    #[envconf(deserialize_with = other_type)]
    b: u8,
    #[envconf(deserialize_with = nowhere)]
    c: u8,
}

fn main() {}
