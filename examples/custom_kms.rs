//! Adds a key service: implement `Kms`, pass it to the loader, and pin its key.
//!
//! To stay short, this example replaces a hardware module by XOR. A real key service binds the context to the wrapped
//! key, as associated data or by its hash. It receives only the data key, never the configuration.

use std::sync::Arc;

use envconf::kms::{BoxFuture, Context, DataKey, KmsError, WrappedKey};
use envconf::{ContentType, EncryptedConfig, KeyRef, KeyServices, Kms, Pair, Seal, SecretString};

struct Module {
    key: u8,
}

impl Kms for Module {
    fn provider(&self) -> &str {
        "module"
    }

    fn authenticates(&self) -> bool {
        true // only the module can create a wrapped key that it unwraps
    }

    fn wrap<'a>(
        &'a self,
        _: &'a KeyRef,
        dek: &'a DataKey,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<WrappedKey, KmsError>> {
        Box::pin(async move {
            let hex: String = dek.expose().iter().map(|byte| format!("{:02x}", byte ^ self.key)).collect();
            WrappedKey::new(format!("{hex}.{}", context.as_json()))
                .ok_or_else(|| KmsError::other("the context is too long"))
        })
    }

    fn unwrap<'a>(
        &'a self,
        _: &'a KeyRef,
        wrapped: &'a WrappedKey,
        context: &'a Context,
    ) -> BoxFuture<'a, Result<DataKey, KmsError>> {
        Box::pin(async move {
            let refused =
                || KmsError::other("not wrapped by this module, or for another name or environment");
            let (hex, bound) = wrapped.as_str().split_once('.').ok_or_else(refused)?;
            if bound != context.as_json() {
                return Err(refused());
            }
            let byte = |at: usize| hex.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
            let bytes: Option<Vec<u8>> =
                (0..hex.len()).step_by(2).map(|at| byte(at).map(|byte| byte ^ self.key)).collect();
            Ok(DataKey::from_bytes(&bytes.ok_or_else(refused)?))
        })
    }
}

#[derive(EncryptedConfig)]
#[envconf(name = "app", trust = "module:-:slot-1")]
struct AppConfig {
    password: SecretString,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = std::env::temp_dir().join(format!("envconf-custom-kms-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let pair = Pair::new(&directory, &"app".parse()?, &"default".parse()?);
    let services = KeyServices::none().kms(Arc::new(Module { key: 0x5a }));
    Seal::new("app".parse()?, "default".parse()?, ContentType::Toml)
        .recipient("module:-:slot-1".parse()?)
        .seal(&pair, b"password = \"correct horse\"\n", &services)?;

    let config = AppConfig::loader().dir(&directory).kms(Module { key: 0x5a }).load();
    std::fs::remove_dir_all(&directory)?;
    let config = config?;
    println!("password = {:?}, from {}", config.password, config.origins()[0].origin());
    Ok(())
}
