//! Helpers for tests of loading: a project in a temporary directory with a sealed pair.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(unreachable_pub, reason = "a module of several test targets, none of which exports it")]
#![allow(dead_code, reason = "each test target uses its own part of this")]

use envconf::{ContentType, EncryptedConfig, KeyRef, KeyServices, Loader, LocalKey, Pair, Seal};
use envconf_test_support::{Sandbox, StandIn};

/// All environment variables of a load.
pub type Variables = Vec<(String, String)>;

/// A directory with a sealed pair `config/app.conf.enc`, and the local key that opens it.
pub struct Project {
    pub sandbox: Sandbox,
    pub key: LocalKey,
}

impl Project {
    /// Seals TOML for `app` in `default`, for a new local key.
    pub fn toml(content: &str) -> Self {
        Self::sealed(ContentType::Toml, content.as_bytes())
    }

    pub fn sealed(content_type: ContentType, content: &[u8]) -> Self {
        let project = Self { sandbox: Sandbox::new(), key: LocalKey::generate().unwrap() };
        let services = KeyServices::none().local_key(project.key.clone());
        project.seal("default", content_type, content, &[project.key.key_ref()], &services);
        project
    }

    /// Seals for `app` in this environment.
    pub fn seal(
        &self,
        environment: &str,
        content_type: ContentType,
        content: &[u8],
        recipients: &[&KeyRef],
        services: &KeyServices,
    ) {
        let pair = self.pair(environment);
        std::fs::create_dir_all(pair.directory()).unwrap();
        let seal = Seal::new("app".parse().unwrap(), environment.parse().unwrap(), content_type).as_is();
        let seal = recipients.iter().fold(seal, |seal, key| seal.recipient((*key).clone()));
        seal.seal(&pair, content, services).unwrap();
    }

    /// Seals for another name, in `default`, for the project's key.
    pub fn seal_as(&self, name: &str, content_type: ContentType, content: &[u8]) {
        let (name, environment) = (name.parse().unwrap(), "default".parse().unwrap());
        let pair = Pair::new(self.sandbox.path("config"), &name, &environment);
        let services = KeyServices::none().local_key(self.key.clone());
        let seal = Seal::new(name, environment, content_type).recipient(self.key.key_ref().clone()).as_is();
        seal.seal(&pair, content, &services).unwrap();
    }

    pub fn pair(&self, environment: &str) -> Pair {
        Pair::new(self.sandbox.path("config"), &"app".parse().unwrap(), &environment.parse().unwrap())
    }

    /// Returns a loader of this project with only these variables, and without a local key.
    pub fn loader_without_key<T: EncryptedConfig>(&self, variables: &[(&str, &str)]) -> Loader<T> {
        T::loader().dir(self.sandbox.path("config")).variables(variables.iter().copied())
    }

    /// Returns a loader with the local key.
    pub fn loader<T: EncryptedConfig>(&self, variables: &[(&str, &str)]) -> Loader<T> {
        self.loader_without_key(variables).local_key(self.key.clone())
    }
}

/// A directory with a pair that is sealed with a stand-in for Tencent Cloud KMS.
pub struct TencentProject {
    pub project: Project,
    pub kms: StandIn,
    pub key: KeyRef,
}

impl TencentProject {
    pub fn toml(content: &str) -> Self {
        Self::sealed(StandIn::start(), content)
    }

    pub fn sealed(kms: StandIn, content: &str) -> Self {
        let key: KeyRef = format!("tencent:ap-guangzhou:{}", kms.key_id()).parse().unwrap();
        let project = Project { sandbox: Sandbox::new(), key: LocalKey::generate().unwrap() };
        let services = KeyServices::from_given(variables_of(&kms, &project.sandbox)).unwrap();
        project.seal("default", ContentType::Toml, content.as_bytes(), &[&key], &services);
        Self { project, kms, key }
    }

    /// Returns a loader that trusts the stand-in's key, with its endpoint, its credential and these variables.
    pub fn loader<T: EncryptedConfig>(&self, variables: &[(&str, &str)]) -> Loader<T> {
        let own = variables_of(&self.kms, &self.project.sandbox).into_iter();
        let more = variables.iter().map(|(name, value)| (name.to_string(), value.to_string()));
        T::loader()
            .dir(self.project.sandbox.path("config"))
            .trust(self.key.to_string())
            .variables(own.chain(more))
    }
}

/// Runs a future without Tokio, on a thread that parks.
pub fn park_on<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = std::sync::Arc::new(Unpark(std::thread::current())).into();
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut std::task::Context::from_waker(&waker)) {
            std::task::Poll::Ready(output) => return output,
            std::task::Poll::Pending => std::thread::park(),
        }
    }
}

/// Returns the variables for the stand-in, including its root certificate if it uses TLS.
pub fn variables_of(kms: &StandIn, sandbox: &Sandbox) -> Variables {
    let mut variables = kms.variables();
    if let Some(pem) = kms.ca_pem() {
        sandbox.write("ca.pem", pem);
        variables.push(("ENVCONF_CA_FILE".into(), sandbox.path("ca.pem").to_string_lossy().into_owned()));
    }
    variables
}

/// Loads a `T` from a text and variables, and returns the origin of each value. The pair is sealed without checking
/// the text.
#[cfg(feature = "__vectors")]
pub fn load_traced<T: EncryptedConfig>(
    content_type: &str,
    text: &str,
    variables: &[(&str, &str)],
) -> Result<(T, Vec<envconf::load::Provenance>), envconf::Error> {
    use envconf::__vectors as vectors;
    use envconf::format::{Header, Recipient};
    let (sandbox, key, dek) = (Sandbox::new(), LocalKey::generate().unwrap(), [7; 32]);
    let id = envconf::format::Id::new([1; 8]);
    let header = Header {
        name: T::META.name.parse().unwrap(),
        environment: "default".parse().unwrap(),
        content_type: ContentType::from_name(content_type).unwrap(),
        suite: envconf::format::Suite::Aes256Gcm,
        dek: id,
        generation: 1,
        sealed_at: None,
        outline: Vec::new(),
    };
    let given = vectors::SealInput {
        header,
        content: text.as_bytes(),
        dek: &dek,
        random: [2; 32],
        seeds: Vec::new(),
        outline: None,
    };
    let (_, blob) =
        vectors::local_wrap(&key, &dek, &vectors::context(T::META.name, "default", id).unwrap(), &[3; 32]);
    let recipients = vec![Recipient { key: key.key_ref().clone(), blob }];
    sandbox.write("config/app.conf.enc", vectors::seal(given).unwrap());
    sandbox.write(
        "config/app.conf.key",
        vectors::key_file(T::META.name, "default", &[(id, dek.to_vec(), recipients)]).unwrap(),
    );
    let loader = T::loader().path(sandbox.path("config/app.conf.enc")).local_key(key).trust("local");
    let loaded = loader.variables(variables.iter().copied()).load()?;
    let origins = loaded.origins().to_vec();
    Ok((loaded.into_inner(), origins))
}

/// Returns the text of a report, with paths relative to the project.
pub fn told(report: impl std::fmt::Display) -> String {
    let mut text = report.to_string();
    let directory = std::env::temp_dir().to_string_lossy().into_owned();
    while let Some(start) = text.find(&directory) {
        let Some(len) = text[start..].find("config/") else { return text };
        text.replace_range(start..start + len, "");
    }
    text
}
