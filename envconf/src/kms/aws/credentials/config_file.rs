//! The two files that AWS programs share, `credentials` and `config`: sections of `key = value`.
//!
//! A profile is `[NAME]` in `credentials`, and `[profile NAME]` or `[default]` in `config`. A value in `credentials`
//! overrides one in `config`. A comment begins with `#` or `;`, at the beginning of a line or after a blank. A line
//! with a deeper indentation continues the line before it.
//!
//! Only the sections that are needed are parsed, so errors in other sections do not matter.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::base::{SecretBytes, Variables, escape};
use crate::kms::KmsError;
use crate::kms::credential_source::{broken, read_up_to};

pub(super) const CREDENTIALS_FILE: &str = "AWS_SHARED_CREDENTIALS_FILE";
pub(super) const CONFIG_FILE: &str = "AWS_CONFIG_FILE";
/// Limit of a file in bytes. A file with hundreds of accounts is smaller.
const LARGEST_FILE: usize = 1024 * 1024;

/// The two files, each of which may be missing.
pub(super) struct SharedFiles {
    credentials: Option<SharedFile>,
    config: Option<SharedFile>,
}

struct SharedFile {
    /// The name of the file for reports.
    place: String,
    text: SecretBytes,
}

/// The properties of a profile or a session, each with its line.
pub(super) struct ConfigSection {
    properties: BTreeMap<String, Property>,
}

/// The value of a property, and its line.
#[derive(Clone)]
pub(super) struct Property {
    value: SecretBytes,
    /// The line for reports, such as `line 3 of ~/.aws/config`.
    place: String,
}

impl SharedFiles {
    /// Reads both files.
    ///
    /// # Errors
    /// For a file that exists but cannot be read, and for a missing file that a variable names.
    pub(super) fn read(variables: &Variables, home: Option<&Path>) -> Result<Self, KmsError> {
        Ok(Self {
            credentials: SharedFile::read(variables, CREDENTIALS_FILE, home, "credentials")?,
            config: SharedFile::read(variables, CONFIG_FILE, home, "config")?,
        })
    }

    /// Returns the profile of this name; `None` if neither file has it.
    ///
    /// # Errors
    /// For a malformed section, with the line.
    pub(super) fn profile(&self, name: &str) -> Result<Option<ConfigSection>, KmsError> {
        // Later sections override earlier ones.
        let sections = [
            (&self.config, if name == "default" { Some(SectionName::Bare(name)) } else { None }),
            (&self.config, Some(SectionName::Profile(name))),
            (&self.credentials, Some(SectionName::Bare(name))),
        ];
        self.merged(sections)
    }

    /// Returns the SSO session of this name; `None` if there is none.
    ///
    /// # Errors
    /// As for [`SharedFiles::profile`].
    pub(super) fn sso_session(&self, name: &str) -> Result<Option<ConfigSection>, KmsError> {
        self.merged([(&self.config, Some(SectionName::SsoSession(name)))])
    }

    /// Returns a likely reason why the profile does not exist.
    pub(super) fn misplaced(&self, name: &str) -> &'static str {
        let has = |file: &Option<SharedFile>, section| {
            file.as_ref().is_some_and(|file| file.section(section).is_ok_and(|found| found.is_some()))
        };
        if has(&self.config, SectionName::Bare(name)) {
            return "write its section in config as [profile NAME]";
        }
        if has(&self.credentials, SectionName::Profile(name)) {
            return "write its section in credentials as [NAME], without the word profile";
        }
        "check the name; `aws configure list-profiles` shows the names"
    }

    /// Returns a hash of both files, so that a change of a file invalidates cached credentials.
    pub(super) fn hash(&self) -> [u8; 32] {
        let mut digest = Sha256::new_with_prefix(b"shared files");
        for file in [&self.credentials, &self.config] {
            let text = file.as_ref().map(|file| file.text.expose());
            digest.update(text.map_or(u64::MAX, |text| text.len() as u64).to_be_bytes());
            digest.update(text.unwrap_or_default());
        }
        digest.finalize().into()
    }

    fn merged<'a>(
        &self,
        sections: impl IntoIterator<Item = (&'a Option<SharedFile>, Option<SectionName<'a>>)>,
    ) -> Result<Option<ConfigSection>, KmsError> {
        let mut merged: Option<ConfigSection> = None;
        for (file, name) in sections {
            let (Some(file), Some(name)) = (file, name) else { continue };
            let Some(section) = file.section(name)? else { continue };
            match &mut merged {
                Some(merged) => merged.properties.extend(section.properties),
                None => merged = Some(section),
            }
        }
        Ok(merged)
    }
}

/// The name of a section, which is between brackets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SectionName<'a> {
    Bare(&'a str),
    Profile(&'a str),
    SsoSession(&'a str),
}

impl<'a> SectionName<'a> {
    fn parse(text: &'a str) -> Self {
        let text = text.trim();
        let (word, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
        let rest = unquoted(rest.trim());
        match word {
            "profile" if !rest.is_empty() => Self::Profile(rest),
            "sso-session" if !rest.is_empty() => Self::SsoSession(rest),
            _ => Self::Bare(unquoted(text)),
        }
    }
}

fn unquoted(text: &str) -> &str {
    let within = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    within('"').or_else(|| within('\'')).unwrap_or(text)
}

impl SharedFile {
    fn read(
        variables: &Variables,
        variable: &'static str,
        home: Option<&Path>,
        name: &str,
    ) -> Result<Option<Self>, KmsError> {
        let (path, place, is_named) = match variables.get(variable).filter(|path| !path.is_empty()) {
            Some(path) => {
                let path = PathBuf::from(path);
                let place = format!("{} of {variable}", escape(&path.to_string_lossy()));
                (below_home(path, home), place, true)
            }
            None => match home {
                Some(home) => (home.join(".aws").join(name), format!("~/.aws/{name}"), false),
                None => return Ok(None),
            },
        };
        // People use this path for an empty file.
        if path == Path::new("/dev/null") {
            return Ok(None);
        }
        match read_up_to(LARGEST_FILE, &path, &place)? {
            Some(text) => {
                if std::str::from_utf8(text.expose()).is_err() {
                    return Err(broken(&place, "is not UTF-8 text"));
                }
                Ok(Some(Self { place, text }))
            }
            None if is_named => Err(broken(&place, "does not exist")),
            None => Ok(None),
        }
    }

    fn section(&self, wanted: SectionName<'_>) -> Result<Option<ConfigSection>, KmsError> {
        let text = std::str::from_utf8(self.text.expose()).unwrap_or_default();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let at = |line: usize| format!("line {} of {}", line + 1, self.place);
        let mut section: Option<ConfigSection> = None;
        let mut is_wanted = false;
        // The indentation and the name of the last property.
        let mut last: Option<(usize, String)> = None;
        for (number, line) in text.lines().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let trimmed = line.trim();
            if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
                continue;
            }
            if trimmed.starts_with('[') && last.as_ref().is_none_or(|(depth, _)| indent <= *depth) {
                last = None;
                let Some((name, _)) = trimmed[1..].split_once(']') else {
                    return Err(broken(&at(number), "has a bracket that is not closed"));
                };
                is_wanted = SectionName::parse(name) == wanted;
                if is_wanted && section.is_some() {
                    return Err(broken(&at(number), "begins the same section a second time"));
                }
                if is_wanted {
                    section = Some(ConfigSection { properties: BTreeMap::new() });
                }
                continue;
            }
            let Some(section) = section.as_mut().filter(|_| is_wanted) else { continue };
            if let Some((depth, name)) = &last
                && indent > *depth
            {
                // Some settings have several lines. envconf reads none of them.
                section.properties.get_mut(name).into_iter().for_each(Property::clear);
                continue;
            }
            let Some((name, value)) = trimmed.split_once('=') else {
                return Err(broken(&at(number), "is not `key = value`"));
            };
            let name = name.trim().to_ascii_lowercase();
            let property = Property {
                value: SecretBytes::copy_of(without_comment(value.trim()).as_bytes()),
                place: at(number),
            };
            last = Some((indent, name.clone()));
            if section.properties.insert(name.clone(), property).is_some() {
                return Err(broken(&at(number), &format!("sets {} a second time", escape(&name))));
            }
        }
        Ok(section)
    }
}

/// Replaces `~/` at the beginning of a path with the home directory.
fn below_home(path: PathBuf, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix("~"), home) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path,
    }
}

/// Returns the value without a comment, which begins after a blank.
fn without_comment(value: &str) -> &str {
    if value.starts_with(['#', ';']) {
        return "";
    }
    let mut blanks = value.match_indices([' ', '\t']);
    let end = blanks.find(|(at, _)| value[*at..].trim_start().starts_with(['#', ';']));
    value[..end.map_or(value.len(), |(at, _)| at)].trim_end()
}

impl ConfigSection {
    /// Returns the property of this name.
    pub(super) fn get(&self, name: &str) -> Option<&Property> {
        self.properties.get(name)
    }

    /// Returns the first of these properties that exists.
    pub(super) fn first_of(&self, names: &[&'static str]) -> Option<(&'static str, &Property)> {
        names.iter().find_map(|name| self.get(name).map(|property| (*name, property)))
    }
}

impl Property {
    /// Returns the value, which may be secret.
    pub(super) fn value(&self) -> &str {
        std::str::from_utf8(self.value.expose()).unwrap_or_default()
    }

    /// Returns an error about this property: its line, then `what`.
    pub(super) fn wrong(&self, what: &str) -> KmsError {
        broken(&self.place, what)
    }

    /// Returns the line, for reports.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// Clears the value, because a property with several lines has no usable value.
    fn clear(&mut self) {
        self.value = SecretBytes::copy_of(b"");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(credentials: &str, config: &str) -> SharedFiles {
        let file = |text: &str, name: &str| {
            let place = format!("~/.aws/{name}");
            Some(SharedFile { place, text: SecretBytes::copy_of(text.as_bytes()) })
        };
        SharedFiles { credentials: file(credentials, "credentials"), config: file(config, "config") }
    }

    fn value(files: &SharedFiles, profile: &str, name: &str) -> Option<String> {
        let section = files.profile(profile).unwrap()?;
        section.get(name).map(|property| property.value().to_owned())
    }

    #[test]
    fn usual_spellings_are_parsed() {
        let files = files(
            "\u{feff}[default]\r\naws_access_key_id=id\r\nAWS_SECRET_ACCESS_KEY = a/b+c=;#\r\n\r\n[ci] # c\naws_access_key_id = ci ; mine\n",
            "# one\n; two\n[default]\nregion = x\n[profile ci]\nregion = eu-west-1\naws_access_key_id = other\n\
             s3 =\n  max_concurrent_requests = 20\n  nested = yes\n[profile \"with blank\"]\nregion = b\n\
             [ profile\tquoted ]\nregion = q\n[services s]\nkms =\n  endpoint_url = http://x\n[sso-session corp]\nsso_region = r\n[profile indented]\n  region = i\n  output = json\n",
        );
        for (profile, name, expected) in [
            ("default", "aws_access_key_id", Some("id")),
            ("default", "aws_secret_access_key", Some("a/b+c=;#")),
            ("default", "region", Some("x")),
            ("ci", "aws_access_key_id", Some("ci")),
            ("ci", "region", Some("eu-west-1")),
            ("ci", "max_concurrent_requests", None),
            ("with blank", "region", Some("b")),
            ("quoted", "region", Some("q")),
            ("indented", "region", Some("i")),
            ("indented", "output", Some("json")),
            ("s", "kms", None),
            ("corp", "sso_region", None),
        ] {
            assert_eq!(value(&files, profile, name).as_deref(), expected, "{profile} {name}");
        }
        let session = files.sso_session("corp").unwrap().unwrap();
        assert_eq!(session.get("sso_region").unwrap().value(), "r");
        assert!(files.sso_session("ci").unwrap().is_none());
        assert!(files.profile("absent").unwrap().is_none());
    }

    #[test]
    fn the_word_profile_is_for_config_only() {
        let files = files(
            "[profile a]\naws_access_key_id = x\n",
            "[b]\nregion = x\n[profile default]\nregion = new\n[default]\nregion = old\noutput = json\n",
        );
        assert!(files.profile("a").unwrap().is_none());
        assert!(files.profile("b").unwrap().is_none());
        assert!(files.misplaced("a").contains("without the word"));
        assert!(files.misplaced("b").contains("[profile NAME]"));
        assert!(files.misplaced("c").contains("check the name"));
        assert_eq!(value(&files, "default", "region").as_deref(), Some("new"));
        assert_eq!(value(&files, "default", "output").as_deref(), Some("json"));
    }

    #[test]
    fn errors_name_the_line_and_do_not_quote_it() {
        for (text, says) in [
            ("[default]\ncanary\n", "line 2 of ~/.aws/credentials is not `key = value`"),
            ("\n[default\n", "line 2 of ~/.aws/credentials has a bracket"),
            ("[default]\n[other]\n[default]\n", "line 3 of ~/.aws/credentials begins the same section"),
            ("[default]\na = canary\n# c\nA = canary\n", "line 4 of ~/.aws/credentials sets a a second time"),
        ] {
            let error = files(text, "").profile("default").err().unwrap();
            assert!(error.message.contains(says), "{text}: {}", error.message);
            assert!(!format!("{error:?}").contains("canary"));
        }
        // Errors in other sections do not matter.
        assert!(files("[other]\ncanary\n[default]\na=b\n", "").profile("default").unwrap().is_some());
    }

    #[test]
    fn comments_follow_a_blank() {
        for (value, rest) in [
            ("a#b", "a#b"),
            ("a #b", "a"),
            ("a\t; b", "a"),
            ("# a", ""),
            ("a b # c", "a b"),
            ("", ""),
            ("a ;", "a"),
        ] {
            assert_eq!(without_comment(value), rest, "{value}");
        }
    }
}
