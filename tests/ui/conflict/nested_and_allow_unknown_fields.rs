use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
struct Config {
    #[envconf(nested, allow_unknown_fields)]
    inner: Inner,
}

#[derive(EncryptedConfig)]
struct Inner {
    x: u8,
}

fn main() {}
