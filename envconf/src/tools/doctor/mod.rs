//! The diagnosis of everything that opening a pair needs, step by step, each with its advice (command-services.md).
//!
//! The diagnosis continues after a failure if the next step is still useful. It sends the requests of a load (and with
//! `wrap` those of sealing), and wipes the replies.

mod local;
mod service;
mod settings;

use std::collections::HashSet;
use std::path::PathBuf;

use self::settings::Settings;
use super::rules::Rules;
use crate::base::{Error, KeyRef, key_ref};
use crate::envelope::{DataKey, SignerKey};
use crate::format::{ContentType, Name};
use crate::kms::{Context, KeyServices, State, Step, worker};
use crate::pair::{Checked, Pair, PlainLayer, Policy, Trusted, Unwrapper, open, wrapping};

/// Extensions of the plain file from which a pair is sealed (api.md §1).
const PLAIN: [&str; 6] = ["toml", "json", "yaml", "yml", "env", "conf"];

/// The subject of a diagnosis: a directory, or a pair in it.
///
/// Reads the process's environment variables, as the `envconf` command does.
///
/// ```no_run
/// use envconf::kms::State;
/// use envconf::tools::Diagnose;
/// use envconf::Pair;
///
/// # fn main() -> Result<(), envconf::Error> {
/// let (name, environment) = ("app".parse()?, "prod".parse()?);
/// let pair = Pair::new("config", &name, &environment);
/// let diagnosis = Diagnose::new("config").pair(pair, name, environment).run();
/// for step in diagnosis.steps().iter().filter(|step| step.state() == State::Failed) {
///     eprintln!("{}: {}", step.name(), step.message());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Diagnose {
    directory: PathBuf,
    rules: Option<PathBuf>,
    subject: DiagnosisSubject,
    trust: Option<Vec<Trusted>>,
    signers: Option<(Vec<SignerKey>, usize)>,
    services: Option<KeyServices>,
    wrap: bool,
}

#[derive(Debug)]
enum DiagnosisSubject {
    Directory,
    Pair(Pair, Name, Name),
    Missing(Error),
}

/// The steps of a diagnosis, in the order in which they ran.
#[derive(Debug)]
pub struct Diagnosis {
    steps: Vec<Step>,
}

impl Diagnosis {
    /// Returns every step. The steps of one key follow each other.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Returns the exit code of the first step that failed, as in [`Error::exit_code`]; 0 if none failed.
    pub fn exit_code(&self) -> u8 {
        self.steps.iter().find(|step| step.state() == State::Failed).map_or(0, Step::exit_code)
    }
}

impl Diagnose {
    /// Diagnoses files in `directory`. The policy file and a local key are searched from there upwards.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            rules: None,
            subject: DiagnosisSubject::Directory,
            trust: None,
            signers: None,
            services: None,
            wrap: false,
        }
    }

    /// Also diagnoses this pair, which must have this name and environment. Asks every trusted key for the data key.
    #[must_use]
    pub fn pair(mut self, pair: Pair, name: Name, environment: Name) -> Self {
        self.subject = DiagnosisSubject::Pair(pair, name, environment);
        self
    }

    /// Reports that the pair was not found: the step `pair` fails with `why`.
    #[must_use]
    pub fn missing_pair(mut self, why: Error) -> Self {
        self.subject = DiagnosisSubject::Missing(why);
        self
    }

    /// Reads this policy file instead of the `.envconf.toml` in the directory or above.
    #[must_use]
    pub fn rules(mut self, file: impl Into<PathBuf>) -> Self {
        self.rules = Some(file.into());
        self
    }

    /// Trusts these keys instead of those of `ENVCONF_TRUST`.
    #[must_use]
    pub fn trust(mut self, keys: impl IntoIterator<Item = Trusted>) -> Self {
        self.trust = Some(keys.into_iter().collect());
        self
    }

    /// Requires signatures by `required` of these signers instead of those of `ENVCONF_SIGNERS`.
    #[must_use]
    pub fn signers(mut self, signers: Vec<SignerKey>, required: usize) -> Self {
        self.signers = Some((signers, required));
        self
    }

    /// Asks these key services instead of those of the environment variables.
    #[must_use]
    pub fn services(mut self, services: KeyServices) -> Self {
        self.services = Some(services);
        self
    }

    /// Also checks the permissions that sealing needs: each key service of the policy file (or else of the pair, or
    /// else of trust) wraps a data key, which is discarded.
    #[must_use]
    pub fn wrap(mut self) -> Self {
        self.wrap = true;
        self
    }

    /// Runs the diagnosis. Blocks the thread. Works inside and outside an async runtime. Changes nothing.
    pub fn run(self) -> Diagnosis {
        Diagnosis { steps: worker::block_on(self.steps()) }
    }

    async fn steps(mut self) -> Vec<Step> {
        let settings = Settings::of(&mut self);
        let mut steps = Vec::new();
        let rules = self.look_at_rules(&mut steps);
        let checked = self.look_at_pair(&settings, &mut steps);
        self.look_at_plain_layers(&mut steps);
        let recipients = checked.as_ref().map(|checked| &checked.section.recipients);
        let mut listed = recipients.map(|all| all.iter().map(|recipient| recipient.key.clone()).collect());
        let local_key = local::key(&settings, rules.as_deref(), listed.as_deref());
        let has_bad_local_key = local_key.state() == State::Failed;
        steps.push(local_key);
        steps.extend(settings.steps());
        let Some(services) = settings.services.as_ref().filter(|_| settings.errors.is_empty()) else {
            steps.push(Step::new("trust", State::Skipped, "fix the settings first"));
            return steps;
        };
        // The recipients of a new seal: those of the policy file, or else of the pair, or else of trust.
        let trusted = keys_of(settings.policy.trust.as_deref().unwrap_or_default());
        let ruled = rules.as_deref().map(keys_of).filter(|keys| !keys.is_empty());
        let sealed_for = ruled.or_else(|| listed.take()).unwrap_or_else(|| trusted.clone());
        let mut asked = Vec::new();
        match (checked, &self.subject) {
            (Some(checked), DiagnosisSubject::Pair(pair, ..)) => {
                let opening = Opening { pair, checked, policy: &settings.policy, services };
                asked = opening.steps(settings.trusted_by, has_bad_local_key, &mut steps).await;
            }
            _ => {
                let keys = if trusted.is_empty() { &sealed_for } else { &trusted };
                for key in keys.iter().filter(|key| key.provider() != key_ref::LOCAL_PROVIDER) {
                    steps.extend(service::connect(services.provider(key.provider()), key).await);
                    asked.push(key.clone());
                }
            }
        }
        if self.wrap {
            steps.extend(service::wrap(&sealed_for, &asked, &settings.policy, services).await);
        }
        steps
    }

    /// Returns the recipients of the policy file; `None` if it cannot be read, or no rule matches.
    fn look_at_rules(&self, steps: &mut Vec<Step>) -> Option<Vec<Trusted>> {
        let rules = match &self.rules {
            Some(file) => Rules::read(file).map(Some),
            None => Rules::find(&self.directory),
        };
        let found = rules.and_then(|rules| {
            let Some(rules) = rules else {
                return Ok(("no .envconf.toml here or above".to_owned(), vec![Trusted::Local]));
            };
            let file = rules.path().display();
            Ok(match &self.subject {
                DiagnosisSubject::Pair(pair, ..) => {
                    let plain = plain_files(pair);
                    let files: Vec<_> =
                        [pair.enc()].into_iter().chain(plain.iter().map(PathBuf::as_path)).collect();
                    let (number, recipients) = rules.first(&files)?;
                    (format!("{file}, rule {number}"), recipients.to_vec())
                }
                _ => match unique(rules.all_recipients()) {
                    none if none.is_empty() => (format!("{file}, which has no rule"), none),
                    recipients => (file.to_string(), recipients),
                },
            })
        });
        match found {
            Ok((source, recipients)) => {
                let message = format!("{source}: sealed for {}", list(&recipients));
                steps.push(Step::new("policy", State::Ok, message));
                Some(recipients)
            }
            Err(error) => {
                steps.push(Step::error("policy", &error));
                None
            }
        }
    }

    fn look_at_pair(&self, settings: &Settings, steps: &mut Vec<Step>) -> Option<Checked> {
        let (step, checked) = match &self.subject {
            DiagnosisSubject::Directory => (Step::new("pair", State::Skipped, "no pair was named"), None),
            DiagnosisSubject::Missing(why) => (Step::error("pair", why), None),
            DiagnosisSubject::Pair(pair, ..) => match open::read_pair(pair, &settings.policy) {
                Ok(checked) => {
                    (Step::new("pair", State::Ok, described(pair, &checked, settings)), Some(checked))
                }
                Err(error) => (Step::error("pair", &error), None),
            },
        };
        steps.push(step);
        checked
    }

    /// Parses the plain layers next to the pair. Adds no step if there are none.
    fn look_at_plain_layers(&self, steps: &mut Vec<Step>) {
        let DiagnosisSubject::Pair(pair, name, environment) = &self.subject else { return };
        let parsed = PlainLayer::beside(pair, name, environment).and_then(|layers| {
            layers.iter().try_for_each(PlainLayer::check)?;
            Ok(layers.iter().map(|layer| layer.file().display().to_string()).collect::<Vec<_>>())
        });
        match parsed {
            Ok(files) if files.is_empty() => {}
            Ok(files) => steps.push(Step::new("layers", State::Ok, format!("{}: TOML", files.join(", ")))),
            Err(error) => steps.push(Step::error("layers", &error)),
        }
    }
}

/// A well-formed pair, with the policy and the key services to open it.
struct Opening<'a> {
    pair: &'a Pair,
    checked: Checked,
    policy: &'a Policy,
    services: &'a KeyServices,
}

impl Opening<'_> {
    /// Asks every trusted key for the data key, opens the content with the first data key, and returns the keys.
    ///
    /// `has_bad_local_key` is true if an earlier step reported the local key as invalid.
    async fn steps(self, trusted_by: &str, has_bad_local_key: bool, steps: &mut Vec<Step>) -> Vec<KeyRef> {
        let section = &self.checked.section;
        let candidates = match wrapping::candidates(section, self.policy, self.services).await {
            Ok(candidates) => candidates,
            Err(error) => {
                steps.push(match has_bad_local_key {
                    true => Step::new("trust", State::Skipped, "fix the local key first"),
                    false => Step::error("trust", &error),
                });
                return Vec::new();
            }
        };
        let keys: Vec<_> = candidates.iter().map(|candidate| candidate.key.clone()).collect();
        let order: Vec<_> = keys.iter().map(ToString::to_string).collect();
        steps.push(Step::new("trust", State::Ok, format!("by {trusted_by}: {}", order.join(", then "))));
        let context = Context::new(&self.policy.name, &self.policy.environment, section.dek);
        let mut dek = None;
        for candidate in candidates {
            let (more, given) = match candidate.unwrapper {
                Unwrapper::Local(key) => local::unwrap(&key, &candidate.wrapped, &context),
                #[cfg(feature = "age")]
                Unwrapper::Age(identity) => match identity.unwrap(&candidate.wrapped, &context) {
                    Ok(dek) => (
                        vec![Step::new("rights", State::Ok, "the age identity unwraps the data key")],
                        Some(dek),
                    ),
                    Err(error) => (vec![Step::fault("rights", &error)], None),
                },
                Unwrapper::Unavailable(error) => (vec![Step::fault("rights", &error)], None),
                Unwrapper::Service(kms) => {
                    let limit = self.services.time_limit();
                    service::unwrap(kms, &candidate.key, candidate.wrapped, &context, limit).await
                }
            };
            steps.extend(more.into_iter().map(|step| step.of(&candidate.key)));
            dek = dek.or(given);
        }
        steps.push(match dek {
            Some(dek) => content(self.pair, self.checked, &dek),
            None => Step::new("content", State::Skipped, "no key unwrapped the data key"),
        });
        keys
    }
}

fn content(pair: &Pair, checked: Checked, dek: &DataKey) -> Step {
    let content_type = checked.file.header.content_type;
    let opened = checked.open_with(dek).map_err(|error| open::in_file(error, pair));
    let fits = opened.and_then(|(_, plaintext)| {
        crate::pair::content::check_loadable(plaintext.expose(), content_type)
            .map_err(|error| error.at(pair.enc()))
    });
    match fits {
        Ok(()) if content_type == ContentType::Yaml && cfg!(not(feature = "yaml")) => Step::new(
            "content",
            State::Note,
            "decrypted; content type yaml, which this program cannot read without the feature yaml",
        ),
        Ok(()) => Step::new("content", State::Ok, format!("decrypted; content type {}", content_type.name())),
        Err(error) => Step::error("content", &error),
    }
}

fn described(pair: &Pair, checked: &Checked, settings: &Settings) -> String {
    let header = &checked.file.header;
    let keys: Vec<_> = checked.section.recipients.iter().map(|recipient| recipient.key.to_string()).collect();
    let policy = &settings.policy;
    let signed = match policy.signers.is_empty() {
        false => format!("signed as required, by {} or more", policy.required_signatures),
        true if settings.errors.is_empty() => "no signature required".to_owned(),
        true => "signatures not checked".to_owned(),
    };
    format!(
        "{}: {} for {}, generation {}, {signed}; recipients: {}",
        pair.enc().display(),
        header.name,
        header.environment,
        header.generation,
        keys.join(", ")
    )
}

/// Returns the plain files from which the pair may be sealed: the existing ones, or else all.
fn plain_files(pair: &Pair) -> Vec<PathBuf> {
    let base = pair.enc().with_extension("");
    let all: Vec<_> = PLAIN.iter().map(|extension| base.with_extension(extension)).collect();
    let there: Vec<_> = all.iter().filter(|file| file.symlink_metadata().is_ok()).cloned().collect();
    if there.is_empty() { all } else { there }
}

fn keys_of(list: &[Trusted]) -> Vec<KeyRef> {
    let key = |trusted: &Trusted| match trusted {
        Trusted::Local => None,
        Trusted::Key(key) => Some(key.clone()),
    };
    list.iter().filter_map(key).collect()
}

fn unique<'a>(all: impl Iterator<Item = &'a Trusted>) -> Vec<Trusted> {
    let mut seen = HashSet::new();
    all.filter(|trusted| seen.insert(trusted.to_string())).cloned().collect()
}

fn list(recipients: &[Trusted]) -> String {
    let names: Vec<_> = recipients.iter().map(ToString::to_string).collect();
    if names.is_empty() { "nobody".to_owned() } else { names.join(", ") }
}
