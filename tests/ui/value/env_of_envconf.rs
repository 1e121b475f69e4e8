use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
struct Config {
    #[envconf(env = "ENVCONF_KEY")]
    field: String,
}

fn main() {}
