use envconf::EncryptedConfig;

fn text() -> &'static str {
    ""
}

#[derive(EncryptedConfig)]
struct Config {
    #[envconf(default_with = text)]
    field: String,
    #[envconf(default_with = nowhere)]
    other: String,
}

fn main() {}
