//! Resolves PAIR, a path or a bare name, to a pair with its expected name and environment (command.md).

use std::path::{MAIN_SEPARATOR, Path, PathBuf};

use envconf::error::escape;
use envconf::format::{EncFile, Header, KeyFile};
use envconf::key_store::{KeyStore, KnownPair};
use envconf::pair::{Verified, identity_of};
use envconf::process::setting;
use envconf::{Error, KeyRef, KeyServices, Kind, Name, Opened, Pair, Policy};

use super::global::Global;
use crate::git::tracked;
use crate::output::{Output, shown};

/// A pair with its expected name and environment.
pub(crate) struct Target {
    pub(crate) pair: Pair,
    pub(crate) name: Name,
    pub(crate) environment: Name,
}

impl Target {
    /// Returns the pair that PAIR means. If PAIR is a path, its name or the options define what is expected in it. If
    /// PAIR is a bare name, the options select the file.
    ///
    /// # Errors
    /// [`Kind::Usage`] for a name without configuration or environment, and for a bare name with pairs in both places;
    /// [`Kind::Io`] for a bare name without a pair.
    pub(crate) fn resolve(text: &Path, global: &Global) -> Result<Self, Error> {
        match bare(text) {
            Some(text) => Self::by_name(text, global),
            None => {
                let pair = Pair::of(text)?;
                let (name, environment) = identity(text, global)?;
                Ok(Self { pair, name, environment })
            }
        }
    }

    /// Returns the configuration and its environment in words: `app`, or `app for prod`.
    pub(crate) fn label(&self) -> String {
        match self.environment.as_str() {
            "default" => self.name.to_string(),
            environment => format!("{} for {environment}", self.name),
        }
    }

    /// Returns the trusted keys of the command: `--trust`, else `ENVCONF_TRUST`, else local keys; never a file of the
    /// repository (api.md §2).
    ///
    /// # Errors
    /// [`Kind::Usage`] for a setting that is empty or malformed.
    pub(crate) fn policy(&self, global: &Global) -> Result<Policy, Error> {
        global.trust.iter().try_for_each(|trusted| trusted.refuse_alias("--trust"))?;
        let policy = Policy::from_environment(self.name.clone(), self.environment.clone())?;
        Ok(if global.trust.is_empty() { policy } else { policy.trust(global.trust.iter().cloned()) })
    }

    /// Returns the access to its keys: the settings of the environment variables, and the keys of the key store that
    /// are enabled for the pair's directory.
    ///
    /// # Errors
    /// The errors of [`KeyServices::from_environment`].
    pub(crate) fn services(&self, output: &Output) -> Result<KeyServices, Error> {
        let services = KeyServices::from_environment(self.pair.directory())?;
        if !services.are_given() {
            tracked::warn_of_key_in_project(self.pair.directory(), output);
        }
        Ok(services)
    }

    /// Opens the pair with the trusted keys of the command. Warns if it is older than the known one, and records it
    /// otherwise.
    ///
    /// # Errors
    /// The errors of [`Target::policy`], [`Target::services`] and [`envconf::open`].
    pub(crate) fn open(
        &self,
        global: &Global,
        services: &KeyServices,
        output: &Output,
    ) -> Result<Opened, Error> {
        let opened = envconf::open(&self.pair, &self.policy(global)?, services)?;
        self.opened(opened.header(), opened.recipients(), output)?;
        Ok(opened)
    }

    /// Warns if an opened pair is older than the known one, and records it otherwise.
    ///
    /// # Errors
    /// The errors of [`KeyStore::of_user`].
    pub(crate) fn opened<'a>(
        &self,
        header: &Header,
        recipients: impl IntoIterator<Item = &'a KeyRef>,
        output: &Output,
    ) -> Result<(), Error> {
        let Some(store) = KeyStore::of_user()? else { return Ok(()) };
        let recipients: Vec<KeyRef> = recipients.into_iter().cloned().collect();
        // An unusable record does not prevent reading.
        let known = match store.known_pair(&self.pair, &self.name, &self.environment) {
            Ok(known) => known,
            Err(error) => {
                output.warn_of(&error);
                return Ok(());
            }
        };
        match known.map_or(Ok(()), |known| known.check(header.generation, &recipients, &self.pair)) {
            Err(error) => output.warn_of(&error),
            // A machine that only reads, such as a server, needs no records: nothing is created there.
            Ok(()) if store.directory().is_dir() => {
                let _ = store.remember(&self.pair, header, &recipients);
            }
            Ok(()) => {}
        }
        Ok(())
    }

    /// Returns the record of the pair from earlier uses.
    ///
    /// # Errors
    /// The errors of [`KeyStore::known_pair`].
    pub(crate) fn known(&self) -> Result<Option<KnownPair>, Error> {
        match KeyStore::of_user()? {
            Some(store) => match store.known_pair(&self.pair, &self.name, &self.environment) {
                // In some containers the user cannot read the home directory. Then there are no records.
                Err(error) if error.kind() == Kind::Io => Ok(None),
                known => known,
            },
            None => Ok(None),
        }
    }

    /// Compares the files with the record of the pair from earlier uses.
    ///
    /// # Errors
    /// [`Kind::Rollback`] for an older pair.
    pub(crate) fn check_known(&self) -> Result<(), Error> {
        match (self.known()?, Stated::read(&self.pair)) {
            (Some(known), Some(stated)) => {
                known.check(stated.header.generation, &stated.recipients, &self.pair)
            }
            _ => Ok(()),
        }
    }

    /// Rejects a change of a pair that is older than the known one. A pair that no trusted key opens authenticates
    /// nothing anyway.
    ///
    /// # Errors
    /// [`Kind::Rollback`]; and the errors of [`envconf::open`] if the pair states an older generation.
    pub(crate) fn refuse_older(&self, global: &Global, services: &KeyServices) -> Result<(), Error> {
        let Err(older) = self.check_known() else { return Ok(()) };
        match self.open_if_trusted(&self.policy(global)?, services)? {
            Some(_) => Err(older),
            None => Ok(()),
        }
    }

    /// Opens the pair. Returns `None` if no trusted key opens it, so that its recipients are unknown.
    ///
    /// # Errors
    /// The errors of [`envconf::open`]: a damaged pair, and a key service that does not answer.
    pub(crate) fn open_if_trusted(
        &self,
        policy: &Policy,
        services: &KeyServices,
    ) -> Result<Option<Opened>, Error> {
        match envconf::open(&self.pair, policy, services) {
            Ok(opened) => Ok(Some(opened)),
            Err(error) => match error.kind() {
                Kind::NoTrustedRecipient | Kind::BadLocalKey | Kind::SignatureRequired => Ok(None),
                Kind::UnwrapFailed if error.is_permanent() => Ok(None),
                _ => Err(error),
            },
        }
    }

    /// Accepts an older pair that was verified: its generation becomes the highest known one.
    ///
    /// # Errors
    /// [`Kind::Usage`] without a home directory; the errors of [`KeyStore::accept`].
    pub(crate) fn accept(&self, verified: &Verified) -> Result<(), Error> {
        let store = KeyStore::of_user()?.ok_or_else(no_home)?;
        store.accept(&self.pair, verified.header(), verified.recipients())
    }

    /// Records the pair that was just written. Its recipients are known, so it is not opened again.
    pub(crate) fn sealed<'a>(&self, recipients: impl IntoIterator<Item = &'a KeyRef>, output: &Output) {
        let remember = || {
            let (Some(store), Some(header)) = (KeyStore::of_user()?, self.stated_header()) else {
                return Ok(());
            };
            store.accept(&self.pair, &header, recipients)
        };
        if let Err(error) = remember() {
            // The pair is written, so a failure here is only a warning.
            output.warn("the generation of this pair was not stored in the key store:");
            output.warn_of(&error);
        }
    }

    /// Returns the header of the `.enc`, if it exists. It is not authenticated.
    pub(crate) fn stated_header(&self) -> Option<Header> {
        Stated::read(&self.pair).map(|stated| stated.header)
    }

    fn by_name(text: &str, global: &Global) -> Result<Self, Error> {
        let (name, environment) = spelled(text)?;
        if let Some(other) = global.name.as_ref().filter(|other| **other != name) {
            return Err(contradiction(text, "name", other));
        }
        let environment = match (environment, &global.environment) {
            (Some(spelled), Some(other)) if spelled != *other => {
                return Err(contradiction(text, "environment", other));
            }
            (Some(spelled), _) => spelled,
            (None, _) => global.environment_or_default()?,
        };
        let pair = find(&name, &environment)?;
        Ok(Self { pair, name, environment })
    }
}

/// Header and recipients as the files of a pair state them, without authentication.
pub(crate) struct Stated {
    pub(crate) header: Header,
    /// Empty if the `.key` cannot be read, or belongs to another `.enc`.
    pub(crate) recipients: Vec<KeyRef>,
}

impl Stated {
    /// Reads the `.enc` of a pair; `None` if there is no valid one.
    pub(crate) fn read(pair: &Pair) -> Option<Self> {
        let header = EncFile::parse(&pair.read_enc().ok()?).ok()?.header;
        let key = pair.read_key().and_then(|key| KeyFile::parse(&key)).ok();
        let section = key.and_then(|key| key.section(header.dek).cloned());
        let recipients = section.into_iter().flat_map(|section| section.recipients);
        Some(Self { header, recipients: recipients.map(|recipient| recipient.key).collect() })
    }
}

/// Returns the error for a missing place of the key store.
pub(crate) fn no_home() -> Error {
    Error::new(Kind::Usage, "there is no home directory, so there is no key store")
        .advise("set HOME, or set ENVCONF_HOME to a directory for the key store")
}

/// Returns the canonical directory for which a key is enabled: the top of the repository, else this one.
///
/// # Errors
/// [`Kind::Io`] for a directory that does not exist.
pub(crate) fn project_directory(here: &Path) -> Result<PathBuf, Error> {
    let here = here.canonicalize().map_err(|error| Error::read(here, error))?;
    let top = here.ancestors().find(|directory| directory.join(".git").symlink_metadata().is_ok());
    Ok(top.unwrap_or(&here).to_owned())
}

/// Returns the pair that PAIR names, without a check of its content.
///
/// # Errors
/// The errors of [`Target::resolve`] about the path.
pub(crate) fn locate(text: &Path, global: &Global) -> Result<Pair, Error> {
    match bare(text) {
        Some(text) => Target::by_name(text, global).map(|target| target.pair),
        None => Pair::of(text),
    }
}

/// Returns the name and environment of a file: those of the options, else those in its name.
///
/// # Errors
/// [`Kind::Usage`] if neither has them.
pub(crate) fn identity(file: &Path, global: &Global) -> Result<(Name, Name), Error> {
    match (&global.name, &global.environment) {
        (Some(name), Some(environment)) => Ok((name.clone(), environment.clone())),
        (Some(name), None) => Ok((name.clone(), environment_of(file, global)?)),
        (None, environment) => {
            let is_dotenv = file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".env"));
            let (name, of_file) = identity_of(file).map_err(|error| match is_dotenv {
                true => error.advise("give --name"),
                false => error,
            })?;
            Ok((name, environment.clone().unwrap_or(of_file)))
        }
    }
}

/// Returns the environment of a file whose configuration name is known: `prod` for `app.prod.toml` and `.env.prod`.
/// The name `.env` contains none.
fn environment_of(file: &Path, global: &Global) -> Result<Name, Error> {
    let text = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    match text.strip_prefix('.').map(|text| text.split_once('.')) {
        Some(None) => global.environment_or_default(),
        Some(Some((_, environment))) if !environment.contains('.') => {
            environment.parse().map_err(|_| no_environment(file))
        }
        _ => identity_of(file).map(|(_, environment)| environment).map_err(|_| no_environment(file)),
    }
}

fn no_environment(file: &Path) -> Error {
    Error::new(Kind::Usage, "cannot read the environment from the file name")
        .at(file)
        .advise("give --environment")
}

/// Returns PAIR if it is a bare name: without separator, and without `.enc` or `.key` at its end.
fn bare(text: &Path) -> Option<&str> {
    let is_file = matches!(text.extension().and_then(|e| e.to_str()), Some("enc" | "key"));
    text.to_str().filter(|text| !is_file && !text.contains(['/', MAIN_SEPARATOR]))
}

/// Parses a bare name: `app`, or `app.prod` as in file names.
fn spelled(text: &str) -> Result<(Name, Option<Name>), Error> {
    let (name, environment) = identity_of(Path::new(&format!("{text}.conf.enc"))).map_err(|_| {
        Error::new(Kind::Usage, format!("`{}` is neither a path nor a name", escape(text)))
            .advise("use the path of the .conf.enc, or the configuration's name; dotted names need a path, --name and --environment")
    })?;
    Ok((name, text.contains('.').then_some(environment)))
}

fn contradiction(text: &str, option: &str, value: &Name) -> Error {
    let message = format!("`{}` and --{option} {value} contradict each other", escape(text));
    Error::new(Kind::Usage, message).advise(format!("remove --{option}, or use the path of the pair"))
}

/// Returns the pair of this name and environment in `./`, or in `ENVCONF_DIR` or `config/`.
fn find(name: &Name, environment: &Name) -> Result<Pair, Error> {
    let directory = setting("ENVCONF_DIR")?.map_or_else(|| PathBuf::from("config"), PathBuf::from);
    let here = Pair::new("", name, environment);
    let there = Pair::new(&directory, name, environment);
    let exists = |pair: &Pair| pair.enc().symlink_metadata().or(pair.key().symlink_metadata()).is_ok();
    let same_directory =
        || matches!((Path::new(".").canonicalize(), directory.canonicalize()), (Ok(a), Ok(b)) if a == b);
    match (exists(&here), exists(&there)) {
        (true, true) if !same_directory() => {
            let message = format!("both {} and {} exist", shown(here.enc()), shown(there.enc()));
            let advice = format!("use the path of the one you mean, such as ./{}", shown(here.enc()));
            Err(Error::new(Kind::Usage, message).advise(advice))
        }
        (true, false) => Ok(here),
        (_, true) => Ok(there),
        (false, false) => {
            let working_directory = std::env::current_dir().unwrap_or_default();
            Err(Error::read(there.enc(), std::io::ErrorKind::NotFound.into()).advise(format!(
                "envconf searched {} and, from there, {}: use its path, or set ENVCONF_DIR\nif there is no pair yet, create it with `envconf seal`",
                shown(&working_directory),
                shown(&directory),
            )))
        }
    }
}
