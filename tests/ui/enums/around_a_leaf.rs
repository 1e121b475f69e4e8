use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
enum Store {
    Disk(String),
}

fn main() {}
