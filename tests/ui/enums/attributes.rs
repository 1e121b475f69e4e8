use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
#[envconf(name = "app", tga = "type")]
enum Store {
    #[envconf(defualt, tag = "type")]
    Memory,
    #[envconf(rename = 3)]
    Disk,
}

fn main() {}
