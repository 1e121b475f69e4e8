//! The sources of age identities: `ENVCONF_AGE_KEY`, `_FILE` or `_CMD`, else the user's key store.

use std::path::PathBuf;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::identity::{AgeIdentity, parse_several};
use crate::base::{Error, KeyRef, Kind, Variables, escape};
use crate::kms::key_command::KeyCommand;
use crate::kms::local::KeyStore;

const KEY: &str = "ENVCONF_AGE_KEY";
const FILE: &str = "ENVCONF_AGE_KEY_FILE";
const COMMAND: &str = "ENVCONF_AGE_KEY_CMD";
/// The variables of SOPS for identities, each with the variable of envconf for it.
const OF_SOPS: [(&str, &str); 3] =
    [("SOPS_AGE_KEY", KEY), ("SOPS_AGE_KEY_FILE", FILE), ("SOPS_AGE_KEY_CMD", COMMAND)];

/// The identities of the user.
#[derive(Clone, Default)]
pub(crate) struct AgeIdentities {
    given: Vec<AgeIdentity>,
    command: Option<Arc<KeyCommand<AgeIdentity>>>,
    /// The user's key store. Its identities that are enabled for the directory `found_for` are available.
    store: Option<KeyStore>,
    found_for: Option<PathBuf>,
    of_sops: Option<(&'static str, &'static str)>,
}

impl AgeIdentities {
    /// Returns the identities of these variables, else those of `store` that are enabled for `found_for`.
    ///
    /// # Errors
    /// [`Kind::Usage`] for an empty variable, and for more than one variable; [`Kind::BadLocalKey`] and
    /// [`Kind::InsecureKeyFile`] for an identity that cannot be used.
    pub(crate) fn from_variables(
        variables: &Variables,
        store: Option<KeyStore>,
        found_for: Option<PathBuf>,
    ) -> Result<Self, Error> {
        let (given, command) = given(variables)?;
        let of_sops = OF_SOPS.into_iter().find(|(name, _)| variables.get(name).is_some());
        Ok(Self { given, command, store, found_for, of_sops })
    }

    pub(crate) fn add(&mut self, identity: AgeIdentity) {
        self.given.push(identity);
    }

    /// Reuses the identities that the command of `earlier` printed, if it is the same command.
    #[cfg(feature = "watch")]
    pub(crate) fn remember(&mut self, earlier: &Self) {
        if let (Some(command), Some(same)) = (&mut self.command, &earlier.command)
            && command.is_like(same)
        {
            *command = same.clone();
        }
    }

    /// Returns the identities that variables and program supply, without those of `ENVCONF_AGE_KEY_CMD`.
    pub(crate) fn given(&self) -> &[AgeIdentity] {
        &self.given
    }

    fn are_given(&self) -> bool {
        !self.given.is_empty() || self.command.is_some()
    }

    /// Returns the identities that variables and program supply. Runs `ENVCONF_AGE_KEY_CMD`.
    pub(crate) async fn all_given(&self) -> Result<Vec<AgeIdentity>, Error> {
        let mut all = self.given.clone();
        if let Some(command) = &self.command {
            all.extend(command.keys().await?);
        }
        Ok(all)
    }

    /// Returns the recipients of the identities in the key store that are enabled for the directory. Returns none if
    /// other identities were given, unless `anyway` is true.
    pub(crate) fn enabled(&self, anyway: bool) -> Result<Vec<KeyRef>, Error> {
        match (&self.store, &self.found_for) {
            (Some(store), Some(directory)) if anyway || !self.are_given() => store.age_enabled_for(directory),
            _ => Ok(Vec::new()),
        }
    }

    /// Returns the recipients of the available identities. Runs no command, and reads no identity of the key store.
    pub(crate) fn recipients(&self) -> Result<Vec<KeyRef>, Error> {
        let mut keys: Vec<KeyRef> = self.given.iter().map(|identity| identity.key_ref().clone()).collect();
        keys.extend(self.enabled(false)?);
        Ok(keys)
    }

    /// Reads an identity of the key store.
    pub(crate) fn stored(&self, key: &KeyRef) -> Result<Option<AgeIdentity>, Error> {
        match &self.store {
            Some(store) => store.read_age(key).map(Some),
            None => Ok(None),
        }
    }

    /// Returns the identity of a recipient, if it is available.
    pub(super) async fn of(&self, key: &KeyRef) -> Result<Option<AgeIdentity>, Error> {
        if let Some(found) = self.all_given().await?.into_iter().find(|identity| identity.key_ref() == key) {
            return Ok(Some(found));
        }
        match self.enabled(true)?.contains(key) {
            true => self.stored(key),
            false => Ok(None),
        }
    }

    /// Returns the hint for the missing identity of `key`: how to supply it.
    pub(crate) fn missing_advice(&self, key: &KeyRef) -> String {
        if let Some((theirs, ours)) = self.of_sops.filter(|_| !self.are_given()) {
            return format!(
                "{theirs} is set, but envconf does not read the variables of SOPS: set {ours} to the same value"
            );
        }
        if let (Some(store), Some(directory)) = (&self.store, &self.found_for)
            && store.path_of(key).is_ok_and(|path| path.is_file())
        {
            return format!(
                "the identity is in your key store, but not enabled for {}: enable it with `envconf key enable {}`, if you trust this project",
                escape(&directory.to_string_lossy()),
                key.key_id()
            );
        }
        let sops = match self.are_given() {
            true => None,
            false => sops_file().map(|file| {
                format!(
                    "; to use the identities of SOPS, set ENVCONF_AGE_KEY_FILE={0}",
                    escape(&file.to_string_lossy())
                )
            }),
        };
        format!(
            "set ENVCONF_AGE_KEY_FILE to the file with the identity{}",
            sops.unwrap_or_else(
                || ", or ask a recipient to add yours, which `envconf init --age` creates".to_owned()
            )
        )
    }
}

/// Returns the identity file of SOPS, if the user has one.
fn sops_file() -> Option<PathBuf> {
    let config = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let config =
        config.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config")))?;
    Some(config.join("sops/age/keys.txt")).filter(|file| file.is_file())
}

/// Returns the identities of `ENVCONF_AGE_KEY` or `ENVCONF_AGE_KEY_FILE`, or the command of `ENVCONF_AGE_KEY_CMD`.
#[expect(clippy::type_complexity, reason = "the only caller destructures the pair at once")]
fn given(variables: &Variables) -> Result<(Vec<AgeIdentity>, Option<Arc<KeyCommand<AgeIdentity>>>), Error> {
    let key = variables.setting("ENVCONF_AGE_KEY")?.map(Zeroizing::new);
    let file = variables.setting("ENVCONF_AGE_KEY_FILE")?;
    let command = variables.setting("ENVCONF_AGE_KEY_CMD")?;
    if [key.is_some(), file.is_some(), command.is_some()].into_iter().filter(|is_set| *is_set).count() > 1 {
        let message = format!("more than one of {KEY}, {FILE} and {COMMAND} is set");
        return Err(Error::new(Kind::Usage, message).advise("unset all but one"));
    }
    if let Some(text) = key {
        let identities = parse_several(&text).map_err(|error| error.of_setting(KEY))?;
        if identities.is_empty() {
            return Err(Error::new(Kind::Usage, format!("{KEY} is set, but contains no age identity"))
                .advise(format!("set {KEY} to an age identity, or unset it")));
        }
        return Ok((identities, None));
    }
    if let Some(list) = file {
        let mut identities = Vec::new();
        for path in std::env::split_paths(&list) {
            identities.extend(AgeIdentity::read_file(&path)?);
        }
        return Ok((identities, None));
    }
    let command = command.map(|line| KeyCommand::new(COMMAND, &line, |text| parse_several(&text)));
    Ok((Vec::new(), command.transpose()?.map(Arc::new)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kms::worker;

    fn identities(pairs: &[(&str, &str)]) -> Result<AgeIdentities, Error> {
        AgeIdentities::from_variables(&Variables::given(pairs.iter().copied()), None, None)
    }

    #[test]
    fn identities_come_from_exactly_one_variable() {
        let (one, two) = (AgeIdentity::generate().unwrap(), AgeIdentity::generate().unwrap());
        let text = format!("# mine\n{}\n{}\n", *one.expose_text(), *two.expose_text());
        let given = identities(&[("ENVCONF_AGE_KEY", &text)]).unwrap();
        assert_eq!(given.recipients().unwrap(), [one.key_ref().clone(), two.key_ref().clone()]);
        let directory = tempfile::tempdir().unwrap();
        let (first, second) = (directory.path().join("a"), directory.path().join("b"));
        one.create(&first).unwrap();
        two.create(&second).unwrap();
        let list = std::env::join_paths([&first, &second]).unwrap().into_string().unwrap();
        assert_eq!(identities(&[("ENVCONF_AGE_KEY_FILE", &list)]).unwrap().recipients().unwrap().len(), 2);
        let command = identities(&[("ENVCONF_AGE_KEY_CMD", &format!("cat '{}'", first.display()))]).unwrap();
        assert!(command.recipients().unwrap().is_empty(), "this runs no command");
        assert_eq!(worker::block_on(command.all_given()).unwrap()[0].key_ref(), one.key_ref());
        let failing = identities(&[("ENVCONF_AGE_KEY_CMD", "false")]).unwrap();
        assert_eq!(worker::block_on(failing.all_given()).unwrap_err().kind(), Kind::BadLocalKey);
        for (pairs, kind) in [
            (&[("ENVCONF_AGE_KEY", "")][..], Kind::Usage),
            (&[("ENVCONF_AGE_KEY", "# no key")], Kind::Usage),
            (&[("ENVCONF_AGE_KEY_CMD", "a 'b")], Kind::Usage),
            (&[("ENVCONF_AGE_KEY", &text), ("ENVCONF_AGE_KEY_FILE", "x")], Kind::Usage),
            (&[("ENVCONF_AGE_KEY_FILE", "x"), ("ENVCONF_AGE_KEY_CMD", "x")], Kind::Usage),
            (&[("ENVCONF_AGE_KEY", "canary")], Kind::BadLocalKey),
            (&[("ENVCONF_AGE_KEY_FILE", "/does/not/exist")], Kind::BadLocalKey),
        ] {
            let error = identities(pairs).err().unwrap();
            assert_eq!(error.kind(), kind, "{error}");
            assert!(!error.to_string().contains("canary"));
        }
    }

    #[test]
    fn a_variable_of_sops_causes_a_hint_and_is_not_read() {
        let identity = AgeIdentity::generate().unwrap();
        let text = identity.expose_text();
        let of_sops = identities(&[("SOPS_AGE_KEY", &text)]).unwrap();
        assert!(of_sops.recipients().unwrap().is_empty());
        let advice = of_sops.missing_advice(identity.key_ref());
        assert!(advice.contains("SOPS_AGE_KEY") && advice.contains("ENVCONF_AGE_KEY"), "{advice}");
        assert!(!advice.contains(&text[20..]));
    }
}
