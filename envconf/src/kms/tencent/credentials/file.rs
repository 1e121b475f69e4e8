//! The SDKs' credentials file: `secret_id`, `secret_key` and an optional `token` in a section of an INI file.
//!
//! The SDKs disagree on its syntax. envconf removes quotes around a value, and allows a comment after a value and a
//! blank. It reads one section: `default`, or the one that `TENCENTCLOUD_PROFILE` names.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::Credential;
use crate::base::Variables;
use crate::kms::KmsError;
use crate::kms::credential_source::{MISFIT, broken, fits, read};
use crate::kms::json::secret;

pub(super) const FILE: &str = "TENCENTCLOUD_CREDENTIALS_FILE";
pub(super) const PROFILE: &str = "TENCENTCLOUD_PROFILE";

pub(super) fn find(variables: &Variables, home: Option<&Path>) -> Result<Option<Credential>, KmsError> {
    let profile = profile(variables, PROFILE)?;
    if let Some(path) = variables.get(FILE) {
        let place = "the file of TENCENTCLOUD_CREDENTIALS_FILE";
        let missing = || broken(place, "does not exist");
        let text = read(Path::new(&path), place)?.ok_or_else(missing)?;
        return parse(text.expose(), &profile, place).map(Some);
    }
    let own = home.map(|home| (home.join(".tencentcloud/credentials"), "~/.tencentcloud/credentials"));
    let system = (PathBuf::from("/etc/tencentcloud/credentials"), "/etc/tencentcloud/credentials");
    for (path, place) in own.into_iter().chain([system]) {
        if let Some(text) = read(&path, place)? {
            return parse(text.expose(), &profile, place).map(Some);
        }
    }
    Ok(None)
}

/// Returns the profile that a variable names; `default` if it is not set.
pub(super) fn profile(variables: &Variables, name: &'static str) -> Result<String, KmsError> {
    let Some(profile) = variables.get(name) else { return Ok("default".to_owned()) };
    let is_name =
        |name: &String| fits(name) && !name.contains(['/', '\\', '[', ']']) && !name.starts_with('.');
    let wrong = || broken(name, "is not a profile name");
    profile.into_string().ok().filter(is_name).ok_or_else(wrong)
}

fn parse(text: &[u8], profile: &str, place: &'static str) -> Result<Credential, KmsError> {
    let text = std::str::from_utf8(text).map_err(|_| broken(place, "is not UTF-8"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut values: [Option<Zeroizing<String>>; 3] = Default::default();
    let (mut is_ours, mut was_seen) = (false, false);
    for line in text.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            is_ours = section.0.trim() == profile;
            if is_ours && std::mem::replace(&mut was_seen, true) {
                return Err(broken(place, "has the section twice"));
            }
            continue;
        }
        if !is_ours || line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        let Some((key, value)) = line.split_once('=') else {
            return Err(broken(place, "has a line in the section that is not `key = value`"));
        };
        let names = ["secret_id", "secret_key", "token"];
        let Some(at) = names.iter().position(|name| key.trim().eq_ignore_ascii_case(name)) else { continue };
        let value = unquoted(value.trim()).filter(|value| fits(value));
        let value = value.ok_or_else(|| broken(place, &format!("contains a {} that {MISFIT}", names[at])))?;
        if values[at].replace(secret(value)).is_some() {
            return Err(broken(place, &format!("contains {} twice", names[at])));
        }
    }
    if !was_seen {
        return Err(missing_section(place, profile));
    }
    let [Some(secret_id), Some(secret_key), token] = values else {
        return Err(broken(place, "has the section without secret_id and secret_key"));
    };
    Ok(Credential { secret_id, secret_key, token, generation: None, expires: None, source: place })
}

fn missing_section(place: &str, profile: &str) -> KmsError {
    let what = match profile {
        "default" => "has no section [default]",
        _ => "has no section of the name in TENCENTCLOUD_PROFILE",
    };
    broken(place, what)
}

/// Returns the value without its quotes, and without a comment after a blank. Returns `None` for a quote that is not
/// closed or that other text follows.
fn unquoted(value: &str) -> Option<&str> {
    let comment = |rest: &str| rest.trim_start().is_empty() || rest.trim_start().starts_with(['#', ';']);
    if let Some(quote) = value.chars().next().filter(|c| matches!(c, '"' | '\'')) {
        let (inner, rest) = value[1..].split_once(quote)?;
        return comment(rest).then_some(inner);
    }
    let mut blanks = value.match_indices([' ', '\t']);
    let end = blanks.find(|(at, _)| comment(&value[*at..])).map_or(value.len(), |(at, _)| at);
    Some(&value[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_from(text: &str, profile: &str) -> Result<(String, String, Option<String>), String> {
        let credential =
            parse(text.as_bytes(), profile, "FILE").map_err(|error| error.message.into_owned())?;
        let token = credential.token.map(|token| token.to_string());
        Ok((credential.secret_id.to_string(), credential.secret_key.to_string(), token))
    }

    #[test]
    fn usual_spellings_are_parsed() {
        for text in [
            "[default]\nsecret_id = id\nsecret_key = k=y;#\n",
            "\u{feff}[default]\r\nsecret_id=id\r\nsecret_key=k=y;#\r\n",
            "# one\n; two\n[other]\nsecret_id = x\n[ default ]\nsecret_id = \"id\"\nsecret_key = 'k=y;#' ; mine\n",
            "[default] # c\nSecret_Id = id # comment\nsecret_key = k=y;#\t; comment\nregion = ap-guangzhou\n[last]\n",
        ] {
            assert_eq!(read_from(text, "default"), Ok(("id".into(), "k=y;#".into(), None)), "{text}");
        }
        let two = "[default]\nsecret_id = a\nsecret_key = b\n[ci]\nsecret_id = c\nsecret_key = d\ntoken = \"t==\"\n";
        assert_eq!(read_from(two, "ci"), Ok(("c".into(), "d".into(), Some("t==".into()))));
    }

    #[test]
    fn errors_name_the_file_and_do_not_quote_it() {
        for (text, says) in [
            ("", "no section [default]"),
            ("secret_id = canary\nsecret_key = canary\n", "no section [default]"),
            ("[default]\nsecret_id = canary\n", "without secret_id and secret_key"),
            ("[default]\nsecret_id = canary\nsecret_key =\n", "a secret_key that is empty"),
            ("[default]\nsecret_id = canary canary\nsecret_key = k\n", "a secret_id that"),
            ("[default]\nsecret_id = \"canary\nsecret_key = k\n", "a secret_id that"),
            ("[default]\nsecret_id = \"canary\" canary\nsecret_key = k\n", "a secret_id that"),
            ("[default]\ncanary\n", "not `key = value`"),
            ("[default]\nsecret_id = a\nsecret_id = canary\n", "secret_id twice"),
            ("[default]\n[default]\n", "section twice"),
        ] {
            let message = read_from(text, "default").unwrap_err();
            assert!(message.contains(says) && message.starts_with("FILE "), "{text}: {message}");
            assert!(!message.contains("canary"));
        }
        assert!(read_from("[default]\n", "ci").unwrap_err().contains("TENCENTCLOUD_PROFILE"));
        assert!(parse(b"\xff", "default", "FILE").unwrap_err().message.contains("UTF-8"));
    }
}
