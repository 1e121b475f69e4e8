use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
#[envconf(nam = "app", env_prefix = "1")]
struct Config {
    #[envconf(defualt, env = "A-B")]
    field: u8,
    #[envconf(nested, secret, default)]
    other: u8,
}

#[derive(EncryptedConfig)]
enum Wrong {
    A(u8, u8),
}

fn used<T: EncryptedConfig>() -> usize {
    T::META.fields.len()
}

#[allow(dead_code)]
fn uses() -> usize {
    used::<Config>() + used::<Wrong>()
}

fn main() {}
