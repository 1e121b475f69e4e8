use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
struct Config {
    #[envconf(nested, default = [])]
    nodes: Vec<Node>,
}

#[derive(EncryptedConfig)]
struct Node {
    id: u8,
}

fn main() {}
