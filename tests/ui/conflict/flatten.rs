use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
struct Config {
    #[envconf(flatten, nested)]
    a: Inner,
    #[envconf(flatten, rename = "x", alias = "y")]
    b: Inner,
    #[envconf(default, default_with = f, env = "X", no_env, flatten)]
    c: Inner,
    #[envconf(flatten, secret, deserialize_with = f, example = 1, deprecated)]
    d: Inner,
}

#[derive(EncryptedConfig)]
struct Inner {}

fn main() {}
