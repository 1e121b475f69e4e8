//! Environment variables: those of the process, or those that a program provides instead.

use std::cmp::Ordering;
use std::ffi::{OsStr, OsString};
use std::sync::Arc;

use zeroize::Zeroizing;

use super::{Error, Kind, escape};

/// The variables that this library reads: settings, credentials and the application's own.
///
/// envconf reads each value when it needs it, so that no second copy of the environment is in memory.
#[derive(Clone, Default)]
pub(crate) enum Variables {
    /// The variables of the process, at the time of each lookup.
    #[default]
    Process,
    /// The variables of the process at one moment, in [`search_order`]. Their values are read when they are needed.
    Listed(Arc<[OsString]>),
    /// Only these variables, and none of the process.
    Given(Arc<Pairs>),
}

/// Names and values. All readers share them, and the last one wipes them.
pub(crate) struct Pairs(Vec<(OsString, OsString)>);

impl Drop for Pairs {
    fn drop(&mut self) {
        self.0.drain(..).for_each(|(_, value)| wipe(value));
    }
}

/// Wipes an unused value, which may be secret.
pub(crate) fn wipe(value: OsString) {
    drop(Zeroizing::new(value.into_encoded_bytes()));
}

impl Variables {
    /// Returns only these variables.
    pub(crate) fn given<N: Into<OsString>, V: Into<OsString>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let pairs = pairs.into_iter().map(|(name, value)| (name.into(), value.into()));
        Self::Given(Arc::new(Pairs(pairs.collect())))
    }

    /// Returns the same variables, with the names of the process's variables listed once.
    ///
    /// A load looks up about fifty names, most of which are not set, and each lookup would search the whole
    /// environment.
    pub(crate) fn listed(&self) -> Self {
        let Self::Process = self else { return self.clone() };
        let mut names: Vec<OsString> = std::env::vars_os().map(|(name, _)| name).collect();
        names.sort_unstable_by(|a, b| search_order(a, b));
        Self::Listed(names.into())
    }

    /// Returns the value of `name`, even if it is empty.
    pub(crate) fn get(&self, name: &str) -> Option<OsString> {
        match self {
            Self::Process => std::env::var_os(name),
            Self::Listed(names) => {
                let found = names.binary_search_by(|listed| search_order(listed, OsStr::new(name)));
                found.ok().and_then(|_| std::env::var_os(name))
            }
            Self::Given(given) => {
                // The last one wins, as in `env A=1 A=2`.
                given.0.iter().rev().find(|(given, _)| given == name).map(|(_, value)| value.clone())
            }
        }
    }

    /// Returns the setting `name`; `None` if it is not set.
    ///
    /// # Errors
    /// [`Kind::Usage`] if it is empty or not Unicode: an empty setting never means "none" (api.md §2).
    pub(crate) fn setting(&self, name: &str) -> Result<Option<String>, Error> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let wrong = |what: &str| Error::new(Kind::Usage, format!("{} is set but {what}", escape(name)));
        match value.into_string() {
            Ok(value) if value.trim().is_empty() => {
                Err(wrong("empty").advise(format!("set {name} to a value, or unset it")))
            }
            Ok(value) => Ok(Some(value)),
            Err(_) => Err(wrong("not valid Unicode")),
        }
    }

    /// Returns a hash of the values of these variables, absent ones included. The values may be secret, so it is a
    /// hash.
    #[cfg(feature = "__http")]
    pub(crate) fn hash_of(&self, names: &[&str]) -> [u8; 32] {
        use sha2::{Digest as _, Sha256};
        let mut digest = Sha256::new_with_prefix(b"variables");
        for name in names {
            let value = self.get(name).map(|value| Zeroizing::new(value.into_encoded_bytes()));
            let len = value.as_ref().map_or(u64::MAX, |value| value.len() as u64);
            digest.update(len.to_be_bytes());
            digest.update(value.as_ref().map_or(&[][..], |value| value.as_slice()));
        }
        digest.finalize().into()
    }

    /// Returns the names that begin with `prefix`, in no particular order. Names that are not Unicode are converted
    /// lossily.
    pub(crate) fn names(&self, prefix: &str) -> Vec<String> {
        self.names_where(|name| name.starts_with(prefix.as_bytes()))
    }

    /// Returns the names that `wanted` accepts, in no particular order. Names that are not Unicode are converted
    /// lossily.
    pub(crate) fn names_where(&self, wanted: impl Fn(&[u8]) -> bool) -> Vec<String> {
        let ours =
            |name: &OsStr| wanted(name.as_encoded_bytes()).then(|| name.to_string_lossy().into_owned());
        match self {
            Self::Process => std::env::vars_os().filter_map(|(name, _)| ours(&name)).collect(),
            Self::Listed(names) => names.iter().filter_map(|name| ours(name)).collect(),
            Self::Given(given) => given.0.iter().filter_map(|(name, _)| ours(name)).collect(),
        }
    }
}

/// Orders names by length first: most searches then end without comparing any text.
fn search_order(a: &OsStr, b: &OsStr) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// Returns the setting `name` of the process; `None` if it is not set.
///
/// # Errors
/// [`Kind::Usage`] if it is empty or not Unicode.
pub fn setting(name: &str) -> Result<Option<String>, Error> {
    Variables::Process.setting(name)
}

impl std::fmt::Debug for Variables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Process => "Variables::Process",
            Self::Listed(_) => "Variables::Listed",
            Self::Given(_) => "Variables::Given([REDACTED])",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(pairs: &[(&str, &str)]) -> Variables {
        Variables::given(pairs.iter().copied())
    }

    #[test]
    fn an_empty_setting_is_an_error_that_names_it() {
        let variables = given(&[("ENVCONF_ENV", " "), ("ENVCONF_DIR", "conf")]);
        assert_eq!(variables.setting("ENVCONF_DIR").unwrap().as_deref(), Some("conf"));
        assert_eq!(variables.setting("ENVCONF_TRUST").unwrap(), None);
        let error = variables.setting("ENVCONF_ENV").unwrap_err();
        assert_eq!(error.kind(), Kind::Usage);
        assert!(error.to_string().contains("ENVCONF_ENV"));
    }

    #[test]
    fn listed_variables_are_those_of_the_process() {
        let listed = Variables::Process.listed();
        assert!(!listed.names("").is_empty());
        for name in listed.names("") {
            assert_eq!(listed.get(&name), std::env::var_os(&name), "{name}");
        }
        assert_eq!(listed.get("ENVCONF_NOT_SET"), None);
        assert_eq!(listed.names("PATH"), Variables::Process.names("PATH"));
    }

    #[test]
    fn given_variables_hide_those_of_the_process() {
        assert_eq!(given(&[]).get("PATH"), None);
        assert!(Variables::Process.get("PATH").is_some());
        assert_eq!(given(&[]).listed().get("PATH"), None);
        assert_eq!(given(&[("APP__A", "1"), ("B", "2")]).names("APP__"), ["APP__A"]);
    }
}
