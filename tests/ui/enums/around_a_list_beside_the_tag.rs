use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
struct Node {
    id: u8,
}

#[derive(EncryptedConfig)]
#[envconf(tag = "type")]
enum Store {
    Cluster(Vec<Node>),
}

const _: envconf::meta::Meta = Store::META;

fn main() {}
