//! The environment variables of envconf itself, and misspelled names of them.

use strsim::osa_distance;

use super::variables::Variables;
use super::{Error, Kind, escape};

/// Every environment variable of envconf, in the order of the documentation.
const KNOWN: &[&str] = &[
    "ENVCONF_DIR",
    "ENVCONF_ENV",
    "ENVCONF_TRUST",
    "ENVCONF_SIGNERS",
    "ENVCONF_REQUIRED_SIGNATURES",
    "ENVCONF_MIN_GENERATION",
    "ENVCONF_KEY",
    "ENVCONF_KEY_FILE",
    "ENVCONF_KEY_CMD",
    "ENVCONF_AGE_KEY",
    "ENVCONF_AGE_KEY_FILE",
    "ENVCONF_AGE_KEY_CMD",
    "ENVCONF_HOME",
    "ENVCONF_KMS_DEADLINE",
    "ENVCONF_TENCENT_ENDPOINT",
    "ENVCONF_TENCENT_STS_ENDPOINT",
    "ENVCONF_TENCENT_METADATA_ENDPOINT",
    "ENVCONF_TENCENT_METHOD",
    "ENVCONF_VAULT_AUTH",
    "ENVCONF_VAULT_MOUNT",
    "ENVCONF_VAULT_JWT",
    "ENVCONF_VAULT_JWT_FILE",
    "ENVCONF_VAULT_ROLE_ID",
    "ENVCONF_VAULT_SECRET_ID",
    "ENVCONF_VAULT_SECRET_ID_FILE",
    "ENVCONF_AWS_ENDPOINT",
    "ENVCONF_AWS_STS_ENDPOINT",
    "ENVCONF_AWS_SSO_ENDPOINT",
    "ENVCONF_AWS_METADATA_ENDPOINT",
    "ENVCONF_AWS_ROLE_ARN",
    "ENVCONF_CA_FILE",
    "ENVCONF_EDITOR",
    "ENVCONF_EDIT_DIR",
];

/// Words that people write after `ENVCONF_` by mistake, in upper case without separators, and the intended variable.
const SYNONYMS: &[(&str, &str)] = &[
    ("ENVIRONMENT", "ENVCONF_ENV"),
    ("ENVIRON", "ENVCONF_ENV"),
    ("ENVIROMENT", "ENVCONF_ENV"),
    ("STAGE", "ENVCONF_ENV"),
    ("PROFILE", "ENVCONF_ENV"),
    ("DIRECTORY", "ENVCONF_DIR"),
    ("FOLDER", "ENVCONF_DIR"),
    ("PATH", "ENVCONF_DIR"),
    ("CONFIGDIR", "ENVCONF_DIR"),
    ("CONFDIR", "ENVCONF_DIR"),
    ("KEYPATH", "ENVCONF_KEY_FILE"),
    ("KEYCOMMAND", "ENVCONF_KEY_CMD"),
    ("LOCALKEY", "ENVCONF_KEY"),
    ("SECRETKEY", "ENVCONF_KEY"),
    ("PRIVATEKEY", "ENVCONF_KEY"),
    ("MASTERKEY", "ENVCONF_KEY"),
    ("LOCALKEYFILE", "ENVCONF_KEY_FILE"),
    ("SECRETKEYFILE", "ENVCONF_KEY_FILE"),
    ("PRIVATEKEYFILE", "ENVCONF_KEY_FILE"),
    ("LOCALKEYCMD", "ENVCONF_KEY_CMD"),
    ("AGEIDENTITY", "ENVCONF_AGE_KEY"),
    ("AGEIDENTITIES", "ENVCONF_AGE_KEY"),
    ("AGESECRETKEY", "ENVCONF_AGE_KEY"),
    ("AGEIDENTITYFILE", "ENVCONF_AGE_KEY_FILE"),
    ("AGEKEYPATH", "ENVCONF_AGE_KEY_FILE"),
    ("AGEIDENTITYCMD", "ENVCONF_AGE_KEY_CMD"),
    ("AGEKEYCOMMAND", "ENVCONF_AGE_KEY_CMD"),
    ("TRUSTEDKEYS", "ENVCONF_TRUST"),
    ("TRUSTEDKEY", "ENVCONF_TRUST"),
    ("TRUSTKEYS", "ENVCONF_TRUST"),
    ("RECIPIENTS", "ENVCONF_TRUST"),
    ("TRUSTEDSIGNERS", "ENVCONF_SIGNERS"),
    ("MINSIGNATURES", "ENVCONF_REQUIRED_SIGNATURES"),
    ("SIGNATURES", "ENVCONF_REQUIRED_SIGNATURES"),
    ("GENERATION", "ENVCONF_MIN_GENERATION"),
    ("MINIMUMGENERATION", "ENVCONF_MIN_GENERATION"),
    ("DEADLINE", "ENVCONF_KMS_DEADLINE"),
    ("TIMEOUT", "ENVCONF_KMS_DEADLINE"),
    ("KMSTIMEOUT", "ENVCONF_KMS_DEADLINE"),
    ("CA", "ENVCONF_CA_FILE"),
    ("CACERT", "ENVCONF_CA_FILE"),
    ("CABUNDLE", "ENVCONF_CA_FILE"),
    ("CERTFILE", "ENVCONF_CA_FILE"),
    ("KEYSTORE", "ENVCONF_HOME"),
    ("HOMEDIR", "ENVCONF_HOME"),
];

/// Rejects environment variables that are misspelled names of envconf's own: `ENVCONF_ENVIRONMENT`, `envconf_key`.
/// Without the intended variable, a program could trust other keys or load another environment.
///
/// `is_used` returns true for names that the program reads as values of its configuration.
///
/// # Errors
/// [`Kind::Usage`] with every such name and the right one.
pub(crate) fn refuse_misspelled(variables: &Variables, is_used: impl Fn(&str) -> bool) -> Result<(), Error> {
    let mut found: Vec<(String, &str)> = variables
        .names_where(begins_as_ours)
        .into_iter()
        .filter_map(|name| Some((intended_variable(&name)?, name)))
        .filter(|(_, name)| !is_used(name))
        .map(|(meant, name)| (name, meant))
        .collect();
    found.sort();
    found.dedup();
    let Some((_, first)) = found.first() else { return Ok(()) };
    let advice = match &found[..] {
        [_] => format!("rename it to {first}, or unset it"),
        _ => "rename these environment variables, or unset them".to_owned(),
    };
    let list = found.iter().map(|(name, meant)| format!("{} (did you mean {meant}?)", escape(name)));
    let noun = if found.len() == 1 { "variable" } else { "variables" };
    let message = format!("unknown environment {noun}: {}", list.collect::<Vec<_>>().join(", "));
    Err(Error::new(Kind::Usage, message).advise(advice))
}

/// Rejects environment variables that are misspelled names of envconf's own, such as `ENVCONF_KEYFILE`.
///
/// A load does this, too. A program that opens pairs without loading a type can call it once at its start.
///
/// # Errors
/// [`Kind::Usage`] with every such name and the right one.
pub fn check_variable_names() -> Result<(), Error> {
    refuse_misspelled(&Variables::Process, |_| false)
}

/// Returns the unknown environment variables that begin with `ENVCONF_`, sorted.
#[cfg(feature = "tools")]
pub(crate) fn unknown(variables: &Variables) -> Vec<String> {
    let mut names = variables.names("ENVCONF_");
    names.retain(|name| !KNOWN.contains(&name.as_str()) && !is_of_a_program(name));
    names.sort();
    names.dedup();
    names
}

/// Returns true if `name` begins with "env" in any case: a cheap test that excludes nearly every variable of a process.
fn begins_as_ours(name: &[u8]) -> bool {
    name.get(..3).is_some_and(|start| start.eq_ignore_ascii_case(b"env"))
}

/// Returns the variable of envconf that `name` is meant to be; `None` for a known name, and for one without a similar
/// name.
fn intended_variable(name: &str) -> Option<&'static str> {
    if !begins_as_ours(name.as_bytes()) || name.len() >= 64 || KNOWN.contains(&name) || is_of_a_program(name)
    {
        return None;
    }
    let letters = letters(name);
    let same = |known: &&&str| self::letters(known) == letters;
    if let Some(known) = KNOWN.iter().find(same) {
        return Some(known);
    }
    let Some(own) = letters.strip_prefix("ENVCONF").or_else(|| letters.strip_prefix("ENVCONFIG")) else {
        // Allow a mistake in the first word only: a second mistake would match names of other programs.
        return KNOWN.iter().find(|known| osa_distance(&self::letters(known), &letters) <= 1).copied();
    };
    let of_prefix = |own: &str| {
        let is_synonym = |word: &str| word == own || word.len() > 7 && osa_distance(word, own) <= 1;
        let synonym = SYNONYMS.iter().find(|(word, _)| is_synonym(word)).map(|(_, known)| *known);
        synonym.or_else(|| nearest(own))
    };
    of_prefix(own).or_else(|| own.strip_prefix("IG").and_then(of_prefix))
}

/// Returns the known name with the most similar part after the prefix.
fn nearest(own: &str) -> Option<&'static str> {
    let distance = |known: &str| osa_distance(&letters(known)["ENVCONF".len()..], own);
    let allowed = |known: &str| if known.len() - "ENVCONF_".len() < 5 { 1 } else { 2 };
    KNOWN
        .iter()
        .map(|known| (distance(known), *known))
        .filter(|(distance, known)| *distance <= allowed(known) && *distance < own.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// Returns true if `name` has two underscores, as the variables of a program's configuration do. No variable of envconf
/// has them.
fn is_of_a_program(name: &str) -> bool {
    name.trim_start_matches("ENVCONF").trim_start_matches('_').contains("__")
}

/// Returns the name in upper case, without separators.
fn letters(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_misses_are_found() {
        for (name, known) in [
            ("ENVCONF_ENVIRONMENT", "ENVCONF_ENV"),
            ("ENVCONF_ENVIROMENT", "ENVCONF_ENV"),
            ("ENVCONF_KEYFILE", "ENVCONF_KEY_FILE"),
            ("ENVCONF_KEY_FILES", "ENVCONF_KEY_FILE"),
            ("ENVCONF_KEY_PATH", "ENVCONF_KEY_FILE"),
            ("ENVCONF_KEY_COMMAND", "ENVCONF_KEY_CMD"),
            ("ENVCONF_KEYS", "ENVCONF_KEY"),
            ("ENVCONF_LOCAL_KEY", "ENVCONF_KEY"),
            ("ENVCONF_AGE_KEYFILE", "ENVCONF_AGE_KEY_FILE"),
            ("ENVCONF_AGE_KEYS", "ENVCONF_AGE_KEY"),
            ("ENVCONF_AGE_IDENTITY_FILE", "ENVCONF_AGE_KEY_FILE"),
            ("ENVCONF_TRUSTED", "ENVCONF_TRUST"),
            ("ENVCONF_TRUSTED_KEYS", "ENVCONF_TRUST"),
            ("ENVCONF_TRSUT", "ENVCONF_TRUST"),
            ("ENVCONF_SIGNER", "ENVCONF_SIGNERS"),
            ("ENVCONF_REQUIRED_SIGNATURE", "ENVCONF_REQUIRED_SIGNATURES"),
            ("ENVCONF_MINGENERATION", "ENVCONF_MIN_GENERATION"),
            ("ENVCONF_GENERATION", "ENVCONF_MIN_GENERATION"),
            ("ENVCONF_DEADLINE", "ENVCONF_KMS_DEADLINE"),
            ("ENVCONF_DIRS", "ENVCONF_DIR"),
            ("ENVCONF_DIRECTORY", "ENVCONF_DIR"),
            ("ENVCONF_TENCENT_ENDPIONT", "ENVCONF_TENCENT_ENDPOINT"),
            ("ENVCONF_CAFILE", "ENVCONF_CA_FILE"),
            ("envconf_key", "ENVCONF_KEY"),
            ("EnvConf_Env", "ENVCONF_ENV"),
            ("ENVCONFENV", "ENVCONF_ENV"),
            ("ENVCONF__ENV", "ENVCONF_ENV"),
            ("ENVCONF__KEYFILE", "ENVCONF_KEY_FILE"),
            ("ENV_CONF_KEY_FILE", "ENVCONF_KEY_FILE"),
            ("ENVCONF-ENV", "ENVCONF_ENV"),
            ("ENVCONFIG_ENV", "ENVCONF_ENV"),
            ("ENVCONFIG_ENVIRONMENT", "ENVCONF_ENV"),
            ("ENVCOF_TRUST", "ENVCONF_TRUST"),
            ("ENCONF_ENV", ""),
        ] {
            assert_eq!(intended_variable(name).unwrap_or_default(), known, "{name}");
        }
    }

    #[test]
    fn other_names_pass() {
        for name in [
            "ENVCONF",
            "ENVCONF_",
            "ENVCONF_APP",
            "ENVCONF_VERSION",
            "ENVCONF_LOG",
            "ENVCONF_SHOP__ENVIRONMENT",
            "ENVIRONMENT",
            "ENV",
            "ENV_DIR",
            "ENVOY_KEY",
            "KEYFILE",
            "\u{e9}nvconf_env",
        ] {
            assert_eq!(intended_variable(name), None, "{name}");
        }
        for known in KNOWN {
            assert_eq!(intended_variable(known), None, "{known}");
        }
    }

    #[test]
    fn the_error_names_every_variable_and_no_value() {
        let set = [("ENVCONF_KEYFILE", "canary"), ("ENVCONF_ENVIRONMENT", "canary"), ("PATH", "/bin")];
        let variables = Variables::given(set);
        let error = refuse_misspelled(&variables, |_| false).unwrap_err();
        assert_eq!(error.kind(), Kind::Usage);
        let report = "unknown environment variables: ENVCONF_ENVIRONMENT (did you mean ENVCONF_ENV?), \
                      ENVCONF_KEYFILE (did you mean ENVCONF_KEY_FILE?)\nrename these environment variables, or unset them";
        assert_eq!(error.to_string(), report);
        assert!(refuse_misspelled(&variables, |_| true).is_ok());
    }

    #[test]
    fn every_variable_is_documented() {
        let page = include_str!("../../docs/environment-variables.md");
        let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
        let documented: Vec<_> = rows.map(|(name, _)| name).collect();
        let mut known = KNOWN.to_vec();
        known.sort_unstable();
        let mut sorted = documented.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, known, "docs/environment-variables.md");
    }

    /// Every name in the sources of this crate is in the list, and the other way round.
    #[test]
    fn the_list_has_every_variable_in_the_sources() {
        fn names(directory: &std::path::Path, found: &mut std::collections::BTreeSet<String>) {
            for entry in std::fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    names(&path, found);
                } else if path.extension().is_some_and(|extension| extension == "rs")
                    && !path.ends_with("base/own_variables.rs")
                {
                    let text = std::fs::read_to_string(path).unwrap();
                    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
                    for after in code.split("\"ENVCONF_").skip(1) {
                        let word = after.split('"').next().unwrap_or_default();
                        if !word.is_empty()
                            && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
                        {
                            found.insert(format!("ENVCONF_{word}"));
                        }
                    }
                }
            }
        }
        let mut found = std::collections::BTreeSet::new();
        names(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
        let known = KNOWN.iter().map(ToString::to_string).collect();
        assert_eq!(found, known);
    }
}
