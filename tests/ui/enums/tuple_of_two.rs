use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
enum Store {
    Disk(String, u8),
    Nothing(),
}

fn main() {}
