//! Tests of the derive in a crate where envconf has another name, or where a module re-exports it.

use conf::{EncryptedConfig, SecretString};

/// A type of a program that depends on `conf = { package = "envconf", … }`.
#[derive(EncryptedConfig)]
#[envconf(crate = "conf", name = "app", env_prefix = "APP", validate = Renamed::judge)]
pub struct Renamed {
    /// A literal.
    #[envconf(default = 8080, validate = above_zero)]
    pub port: u16,
    /// An expression.
    #[envconf(default = 60 * 60)]
    pub seconds: u64,
    /// The return value of a function.
    #[envconf(default_with = one)]
    pub one: u8,
    /// A secret.
    pub token: Option<SecretString>,
    /// A struct.
    #[envconf(nested)]
    pub inner: Inner,
    /// A struct that may be absent.
    #[envconf(nested)]
    pub optional: Option<Generic<u8>>,
    /// A struct in the same table.
    #[envconf(flatten)]
    pub flat: Flat,
    /// A list of structs.
    #[envconf(nested, default)]
    pub list: Vec<Generic<u8>>,
    /// An enum.
    #[envconf(nested)]
    pub store: Store,
    /// An enum without fields.
    #[envconf(default = Level::Low, merge = "replace")]
    pub level: Level,
    /// A field that is not loaded.
    #[envconf(skip)]
    pub skipped: Vec<u8>,
}

impl Renamed {
    fn judge(&self) -> Result<(), &'static str> {
        if self.port < 60_000 { Ok(()) } else { Err("below 60000, please") }
    }
}

fn above_zero(port: &u16) -> Result<(), &'static str> {
    if *port > 0 { Ok(()) } else { Err("above 0, please") }
}

fn one() -> u8 {
    1
}

/// A type with an absolute path of the crate.
#[derive(EncryptedConfig)]
#[envconf(crate = "::conf")]
pub struct Inner {
    /// A list.
    #[envconf(default)]
    pub list: Vec<String>,
}

/// With a parameter.
#[derive(EncryptedConfig)]
#[envconf(crate = "conf")]
pub struct Generic<T> {
    /// A field of its type.
    pub value: T,
}

/// A leaf.
#[derive(EncryptedConfig, Debug, PartialEq)]
#[envconf(crate = "conf", rename_all = "lowercase")]
pub enum Level {
    /// Not much.
    Low,
    /// Much.
    High,
}

/// A table.
#[derive(EncryptedConfig, Debug, PartialEq)]
#[envconf(crate = "conf", tag = "type", rename_all = "lowercase", validate = Store::judge)]
pub enum Store {
    /// Without fields.
    #[envconf(default)]
    Memory,
    /// With fields.
    Disk {
        /// The place.
        path: String,
    },
}

impl Store {
    fn judge(&self) -> Result<(), &'static str> {
        Ok(())
    }
}

/// A module that a library might re-export.
pub mod reexported {
    pub use conf::*;
}

/// A type with a path through a module of this crate.
#[derive(EncryptedConfig)]
#[envconf(crate = "crate::reexported")]
pub struct Flat {
    /// A value.
    pub name: String,
}

#[cfg(test)]
mod tests {
    use conf::{ExposeSecret as _, testing};

    use super::*;

    #[test]
    fn the_type_loads() {
        Renamed::check().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let toml = "name = 'n'\ntoken = 't'\n[inner]\nlist = ['a']\n[optional]\nvalue = 3\n[[list]]\nvalue = 4\n[store]\ntype = 'disk'\npath = '/'";
        let config = testing::loader::<Renamed>(dir.path(), toml).unwrap().load().unwrap();
        assert_eq!((config.port, config.seconds, config.one), (8080, 3600, 1));
        assert_eq!((config.flat.name.as_str(), config.inner.list.len()), ("n", 1));
        assert_eq!(config.optional.as_ref().map(|optional| optional.value), Some(3));
        assert_eq!(config.token.as_ref().map(|token| token.expose_secret()), Some("t"));
        assert!(config.skipped.is_empty());
        assert_eq!((config.list[0].value, &config.level), (4, &Level::Low));
        assert_eq!(config.store, Store::Disk { path: "/".to_owned() });
        let loader = testing::loader::<Renamed>(dir.path(), toml).unwrap();
        let error = loader.variables([("APP__PORT", "60000")]).load().map(drop).unwrap_err();
        assert!(error.to_string().contains("below 60000"), "{error}");
    }
}
