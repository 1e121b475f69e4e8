//! A project in a temporary directory, like on the machine of a developer.

use envconf::{ContentType, KeyRef, KeyServices, LocalKey, Pair, Seal};
use envconf_test_support::Sandbox;

use crate::config::{KEYS, TOML};

/// A project with the plain configuration, the pair, and the local key in the key store.
pub(crate) struct Project {
    pub(crate) sandbox: Sandbox,
    pub(crate) key: LocalKey,
}

impl Project {
    /// Creates a project with a pair for its local key.
    pub(crate) fn new() -> Self {
        let project = Self::unsealed();
        let services = KeyServices::none().local_key(project.key.clone());
        project.seal(project.key.key_ref(), &services);
        project
    }

    /// Moves the local key into the key store of this process.
    pub(crate) fn install_key(&self) {
        let store = std::path::PathBuf::from(std::env::var_os("ENVCONF_HOME").unwrap());
        for name in ["keys", "enabled.json"] {
            std::fs::rename(self.sandbox.store().join(name), store.join(name)).unwrap();
        }
    }

    pub(crate) fn unsealed() -> Self {
        assert_eq!(TOML.len(), 4096);
        let keys = TOML.lines().filter(|line| line.contains(" = ") && !line.starts_with('#')).count();
        assert_eq!(keys, KEYS);
        let project = Self { sandbox: Sandbox::new(), key: LocalKey::generate().unwrap() };
        project.sandbox.write("config/app.toml", TOML);
        // The search for a local key ends in this directory, as in a repository.
        std::fs::create_dir_all(project.sandbox.path(".git")).unwrap();
        std::fs::create_dir_all(project.sandbox.path(".envconf")).unwrap();
        project.sandbox.own_key(&project.key.expose_text());
        project
    }

    pub(crate) fn seal(&self, recipient: &KeyRef, services: &KeyServices) {
        let (name, environment) = ("app".parse().unwrap(), "default".parse().unwrap());
        let pair = Pair::new(self.sandbox.path("config"), &name, &environment);
        let seal = Seal::new(name, environment, ContentType::Toml).recipient(recipient.clone());
        seal.seal(&pair, TOML.as_bytes(), services).unwrap();
    }
}
