use envconf::EncryptedConfig;

#[derive(EncryptedConfig)]
struct Config {
    #[envconf(default = 170141183460469231731687303715884105728)]
    large: u128,
    #[envconf(default = [1e999])]
    float: Vec<f64>,
    #[envconf(default = -"text")]
    text: String,
}

fn main() {}
