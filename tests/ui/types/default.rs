use envconf::EncryptedConfig;

struct NoDefault;

#[derive(EncryptedConfig)]
struct Config {
    #[envconf(default)]
    field: std::net::SocketAddr,
    #[envconf(skip)]
    skipped: NoDefault,
}

fn main() {}
