use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
struct Config {
    #[envconf(default(3))]
    a: u8,
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
    #[envconf(flatten = true)]
    l: u8,
    #[envconf(deserialize_with = "read")]
    m: u8,
    #[envconf(validate(len = 3))]
    n: u8,
    #[envconf(example)]
    o: u8,
    #[envconf(deprecated = 3)]
    p: u8,
}

fn main() {}
