use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
struct Config {
    #[envconf(default = , secret)]
    a: u8,
    #[envconf(default = 60 * 60, secrt)]
    b: u64,
    #[envconf(example = 60 * 60)]
    c: u64,
}

fn main() {}
