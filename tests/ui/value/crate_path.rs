use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
#[envconf(crate = "not a path")]
struct Config {
    a: u8,
}

#[derive(EncryptedConfig)]
#[envconf(crate = conf)]
struct Other {
    a: u8,
}

#[derive(EncryptedConfig)]
#[envconf(crate = "")]
struct Empty {
    a: u8,
}

fn main() {}
