use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
struct Config<'a> {
    field: std::borrow::Cow<'a, str>,
}

fn main() {}
