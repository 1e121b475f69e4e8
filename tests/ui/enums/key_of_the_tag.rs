use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
#[envconf(tag = "type")]
enum Store {
    Disk {
        #[envconf(rename = "type")]
        kind: String,
        path: String,
        #[envconf(rename = "path")]
        other: String,
    },
}

fn main() {}
