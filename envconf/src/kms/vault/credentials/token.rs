//! A token in a variable, or in the file that `vault login` and `bao login` write.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::super::settings::{find as find_variable, text};
use super::{HOME, Proof, VaultCredential};
use crate::base::Variables;
use crate::kms::KmsError;
use crate::kms::credential_source::{MISFIT, broken, fits, read};
use crate::kms::json::secret;

/// The variable of OpenBao that names another file than `~/.vault-token`.
pub(super) const PATH: &str = "BAO_TOKEN_PATH";

const OWN_FILE: &str = "~/.vault-token";
const NAMED_FILE: &str = "the file of BAO_TOKEN_PATH";

pub(super) fn find(variables: &Variables) -> Result<VaultCredential, KmsError> {
    if let Some((name, token)) = text(variables, ["BAO_TOKEN", "VAULT_TOKEN"])? {
        let source = if name == "BAO_TOKEN" { "the variable BAO_TOKEN" } else { "the variable VAULT_TOKEN" };
        return Ok(of(token, source));
    }
    if let Some((_, path)) = find_variable(variables, [PATH, PATH]) {
        let missing = || broken(NAMED_FILE, "does not exist");
        return of_file(Path::new(&path), NAMED_FILE)?.ok_or_else(missing);
    }
    let home = HOME.iter().find_map(|name| variables.get(name)).filter(|home| !home.is_empty());
    let own = home.map(|home| PathBuf::from(home).join(".vault-token"));
    if let Some(credential) = own.map(|own| of_file(&own, OWN_FILE)).transpose()?.flatten() {
        return Ok(credential);
    }
    Err(KmsError::refused(
        "no token; searched the variables BAO_TOKEN and VAULT_TOKEN, the file of BAO_TOKEN_PATH, ~/.vault-token",
    )
    .advise("set VAULT_TOKEN, log in with `vault login` or `bao login`, or let envconf log in: ENVCONF_VAULT_AUTH=kubernetes:ROLE, jwt:ROLE or approle")
    .tries(0))
}

fn of(token: Zeroizing<String>, source: &'static str) -> VaultCredential {
    VaultCredential::given(Proof::Token(token), source)
}

/// Reads the token in a file. envconf reads the file for every request, so that it uses a new token at once.
fn of_file(path: &Path, place: &'static str) -> Result<Option<VaultCredential>, KmsError> {
    let Some(content) = read(path, place)? else { return Ok(None) };
    let token = std::str::from_utf8(content.expose()).ok().map(str::trim).filter(|token| fits(token));
    token.map(|token| Some(of(secret(token), place))).ok_or_else(|| broken(place, MISFIT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Fault;

    fn found(pairs: &[(&str, &str)]) -> Result<(String, &'static str), String> {
        let credential = find(&Variables::given(pairs.iter().copied())).map_err(|error| {
            assert_eq!((error.fault, error.tries), (Fault::Refused, 0));
            error.message.into_owned()
        })?;
        let Proof::Token(token) = &credential.proof else { return Err("no token".into()) };
        assert!(!format!("{credential:?}").contains(token.as_str()));
        Ok((token.to_string(), credential.source))
    }

    #[test]
    fn the_first_source_with_a_token_counts() {
        let directory = tempfile::tempdir().unwrap();
        let home = directory.path().to_str().unwrap();
        let named = directory.path().join("named");
        let named = named.to_str().unwrap();
        let missing = found(&[("HOME", home)]).unwrap_err();
        for place in ["BAO_TOKEN", "VAULT_TOKEN", "BAO_TOKEN_PATH", "~/.vault-token"] {
            assert!(missing.contains(place), "{missing}");
        }
        std::fs::write(directory.path().join(".vault-token"), "own\n").unwrap();
        assert_eq!(found(&[("HOME", home)]).unwrap(), ("own".into(), OWN_FILE));
        assert!(found(&[("HOME", home), (PATH, named)]).unwrap_err().contains("does not exist"));
        std::fs::write(named, "named").unwrap();
        assert_eq!(found(&[("HOME", home), (PATH, named)]).unwrap(), ("named".into(), NAMED_FILE));
        let vault = [("HOME", home), (PATH, named), ("VAULT_TOKEN", "v")];
        assert_eq!(found(&vault).unwrap(), ("v".into(), "the variable VAULT_TOKEN"));
        let both = [("VAULT_TOKEN", "v"), ("BAO_TOKEN", "b")];
        assert_eq!(found(&both).unwrap(), ("b".into(), "the variable BAO_TOKEN"));
        // An empty variable counts as not set, as in Vault's own programs.
        assert_eq!(found(&[("HOME", home), ("VAULT_TOKEN", "")]).unwrap().0, "own");
    }

    #[test]
    fn errors_name_the_source_and_do_not_quote_it() {
        let directory = tempfile::tempdir().unwrap();
        let home = directory.path().to_str().unwrap();
        for (content, says) in
            [("", "is empty"), ("canary canary", "blanks"), ("canary\u{e9}", "ASCII"), ("\n", "empty")]
        {
            std::fs::write(directory.path().join(".vault-token"), content).unwrap();
            let message = found(&[("HOME", home)]).unwrap_err();
            assert!(message.contains(says) && message.contains(OWN_FILE), "{message}");
            assert!(!message.contains("canary"));
        }
        for bad in ["canary canary", "canary\n", " canary"] {
            let message = found(&[("VAULT_TOKEN", bad)]).unwrap_err();
            assert!(message.contains("VAULT_TOKEN") && !message.contains("canary"), "{message}");
        }
        std::fs::remove_file(directory.path().join(".vault-token")).unwrap();
        std::fs::create_dir(directory.path().join(".vault-token")).unwrap();
        assert!(found(&[("HOME", home)]).unwrap_err().contains(OWN_FILE));
    }
}
