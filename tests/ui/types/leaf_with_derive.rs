use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
struct Db {
    url: String,
}

#[derive(EncryptedConfig)]
struct Config {
    db: Db,
    replica: Option<Db>,
}

fn main() {}
