use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
struct Tree {
    #[envconf(nested)]
    children: Vec<Option<Box<Tree>>>,
    #[envconf(nested)]
    parent: Option<Box<Self>>,
}

#[derive(EncryptedConfig)]
enum Rule {
    Not(Box<Rule>),
    All {
        #[envconf(nested)]
        of: Vec<Rule>,
    },
}

fn main() {}
