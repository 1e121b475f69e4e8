//! A command that prints credentials (`credential_process`). It runs without a shell for at most 10 s, and its output
//! is bounded and wiped.

use std::borrow::Cow;

use futures_channel::oneshot;
use zeroize::Zeroizing;

use super::AwsCredential;
use super::temporary::{ExpiringKeys, TemporaryProblem};
use crate::base::{Fault, escape, stack_wipe};
use crate::format::ContentType;
use crate::kms::KmsError;
use crate::kms::command_output::{CommandFailure, output_of};
use crate::kms::credential_cache::Fetched;
use crate::kms::credential_source::fits;
use crate::kms::json::{field, integer, secret, string};
use crate::syntax;
use crate::syntax::{Table, Value};

/// Limit of the output in bytes.
const MOST: u64 = 64 * 1024;
/// Seconds until the command runs again for a credential without an expiry.
const WITHOUT_EXPIRY: u64 = 900;

/// The command of a profile.
#[derive(Clone)]
pub(super) struct CredentialProcess {
    pub(super) words: Vec<String>,
    /// The line of the setting, for reports.
    pub(super) place: String,
    pub(super) source: Cow<'static, str>,
}

impl CredentialProcess {
    /// Runs the command on a separate thread, so that other loads do not wait for it.
    pub(super) async fn run(&self) -> Result<Fetched<AwsCredential>, KmsError> {
        let (done, result) = oneshot::channel();
        let words = self.words.clone();
        let spawned =
            std::thread::Builder::new().name("envconf-credential-process".into()).spawn(move || {
                let output = output_of(&words, MOST);
                stack_wipe::wipe_deep();
                // Sending fails if the caller has dropped its future. Then nobody needs the result.
                let _ = done.send(output);
            });
        let output = match spawned {
            Ok(_) => result.await.unwrap_or(Err(CommandFailure::Failed)),
            Err(error) => Err(CommandFailure::NotStarted(error)),
        };
        let text = output.map_err(|failure| self.failed(failure.reason()))?;
        self.parse(&text)
    }

    fn parse(&self, text: &Zeroizing<String>) -> Result<Fetched<AwsCredential>, KmsError> {
        let no_object = || self.failed("did not print a JSON object");
        let root = syntax::parse(ContentType::Json, text.trim()).map_err(|_| no_object())?;
        let Value::Table(root) = &root.value else { return Err(no_object()) };
        if integer(root, "Version") != Some(1) {
            return Err(self.failed("did not print credentials of version 1"));
        }
        let value = |name: &str| string(root, name).map(secret);
        let is_set = |name: &str| is_set(root, name);
        let (id, key) = (value("AccessKeyId"), value("SecretAccessKey"));
        if is_set("Expiration") {
            let keys = ExpiringKeys {
                access_key_id: id,
                secret_access_key: key,
                session_token: value("SessionToken"),
                expiration: string(root, "Expiration"),
                date: None,
            };
            return keys.into_fetched(self.source.clone(), |what| {
                self.failed(match what {
                    TemporaryProblem::Incomplete => "printed incomplete credentials",
                    TemporaryProblem::Expired => "printed expired credentials",
                })
            });
        }
        let usable = |value: Option<Zeroizing<String>>| value.filter(|value| fits(value));
        let session_token = usable(value("SessionToken"));
        let (Some(access_key_id), Some(secret_access_key)) = (usable(id), usable(key)) else {
            return Err(self.failed("printed incomplete credentials"));
        };
        if is_set("SessionToken") && session_token.is_none() {
            return Err(self.failed("printed incomplete credentials"));
        }
        let source = self.source.clone();
        let (generation, expires) = (None, None);
        let credential =
            AwsCredential { access_key_id, secret_access_key, session_token, generation, expires, source };
        Ok(Fetched { credential, lifetime: WITHOUT_EXPIRY })
    }

    fn failed(&self, what: &str) -> KmsError {
        let program = self.words.first().map(|word| escape(word).to_string()).unwrap_or_default();
        KmsError::new(Fault::Refused, format!("credential_process ({program}), {}: it {what}", self.place))
            .advise("run the command by hand; it must print the JSON of a credential process and end with status 0")
            .tries(0)
    }
}

/// Returns true if a field exists, and is neither null nor empty.
fn is_set(root: &Table<'_>, name: &str) -> bool {
    !matches!(field(root, name), None | Some(Value::Null)) && string(root, name) != Some("")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Fetched<AwsCredential>, KmsError> {
        let process = CredentialProcess {
            words: vec!["helper".to_owned(), "canary".to_owned()],
            place: "line 2 of ~/.aws/config".to_owned(),
            source: "a process".into(),
        };
        process.parse(&secret(text))
    }

    #[test]
    fn the_output_is_json_of_version_1() {
        let keys = r#""Version":1,"AccessKeyId":"i","SecretAccessKey":"k""#;
        let token = |text: &str| parse(text).unwrap().credential.session_token.map(|token| token.to_string());
        assert_eq!(token(&format!("{{{keys}}}\n")), None);
        assert_eq!(token(&format!(r#"{{{keys},"SessionToken":"","Expiration":null}}"#)), None);
        let whole = format!(r#"{{{keys},"SessionToken":"t","Expiration":"2999-01-01T00:00:00+00:00"}}"#);
        assert_eq!(token(&whole), Some("t".to_owned()));
        assert!(parse(&whole).unwrap().lifetime > 900);
    }

    #[test]
    fn errors_name_the_command_and_do_not_quote_its_output() {
        for (text, says) in [
            ("canary", "JSON object"),
            ("", "JSON object"),
            (r#"["canary"]"#, "JSON object"),
            (r#"{"AccessKeyId":"canary","SecretAccessKey":"canary"}"#, "version 1"),
            (r#"{"Version":"1","AccessKeyId":"canary","SecretAccessKey":"canary"}"#, "version 1"),
            (r#"{"Version":2,"AccessKeyId":"canary","SecretAccessKey":"canary"}"#, "version 1"),
            (r#"{"Version":1,"AccessKeyId":"canary"}"#, "incomplete"),
            (r#"{"Version":1,"AccessKeyId":"canary","SecretAccessKey":"canary\n"}"#, "incomplete"),
            (r#"{"Version":1,"AccessKeyId":"i","SecretAccessKey":"canary","SessionToken":7}"#, "incomplete"),
            (
                r#"{"Version":1,"AccessKeyId":"i","SecretAccessKey":"canary","SessionToken":"t","Expiration":"2001-01-01T00:00:00Z"}"#,
                "expired",
            ),
        ] {
            let error = parse(text).err().unwrap();
            assert!(error.message.contains(says) && error.message.contains("line 2"), "{}", error.message);
            assert!(error.message.contains("helper") && !format!("{error:?}").contains("canary"));
        }
    }
}
