use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
struct Config {
    #[envconf(default(3))]
    a: u8,
    #[envconf(default = three())]
    b: u8,
    #[envconf(default_with = "three")]
    c: u8,
    #[envconf(env)]
    d: u8,
    #[envconf(nested = true)]
    e: u8,
    #[envconf(rename = key)]
    f: u8,
    #[envconf(alias = 3)]
    g: u8,
    #[envconf(secret = "yes")]
    h: u8,
    #[envconf(skip(true))]
    i: u8,
    #[envconf(no_env = "X")]
    j: u8,
    #[envconf(default_with)]
    k: u8,
}

fn main() {}
