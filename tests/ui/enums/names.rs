use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
#[envconf(rename_all = "lowercase")]
enum Store {
    #[envconf(default)]
    Disk,
    #[envconf(alias = "disk", default)]
    Other,
}

fn main() {}
