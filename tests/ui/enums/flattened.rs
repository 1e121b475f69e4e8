use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
enum Store {
    Disk { path: String },
}

#[derive(EncryptedConfig)]
struct Config {
    #[envconf(flatten)]
    store: Store,
}

const _: envconf::meta::Meta = Config::META;

fn main() {}
