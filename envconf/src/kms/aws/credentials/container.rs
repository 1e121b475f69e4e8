//! The role of a container: the agent of ECS, or of EKS Pod Identity, issues temporary credentials.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderMap};
use zeroize::Zeroizing;

use super::temporary::{ExpiringKeys, TemporaryProblem};
use super::{AwsCredential, environment};
use crate::base::{Fault, Variables};
use crate::format::ContentType;
use crate::kms::KmsError;
use crate::kms::credential_cache::Fetched;
use crate::kms::credential_source::{MISFIT, broken, fits, read};
use crate::kms::http::{self, Method, Reply, Request, Route};
use crate::kms::json::{secret, string};
use crate::syntax;
use crate::syntax::Value;

pub(super) const RELATIVE: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
pub(super) const FULL: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
pub(super) const TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
pub(super) const TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";

/// The agent of ECS.
const ECS: &str = "http://169.254.170.2";
/// The link-local addresses of the agents of ECS and EKS. Plain `http` is allowed for them and for loopback addresses.
const LINK_LOCAL: [Ipv4Addr; 2] = [Ipv4Addr::new(169, 254, 170, 2), Ipv4Addr::new(169, 254, 170, 23)];
const LINK_LOCAL_6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23);
const LIMIT: Duration = Duration::from_secs(2);
const PLACE: &str = "the file of AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";

/// The agent that issues the credentials of a container.
pub(super) struct ContainerAgent {
    url: Url,
    token: Option<Zeroizing<String>>,
}

/// Returns the agent that the variables name.
pub(super) fn find(variables: &Variables) -> Result<Option<ContainerAgent>, KmsError> {
    let url = match (uri(variables, RELATIVE)?, uri(variables, FULL)?) {
        (Some(path), _) if path.starts_with('/') => parse(&format!("{ECS}{path}"), RELATIVE)?,
        (Some(_), _) => return Err(broken(RELATIVE, "does not begin with a slash")),
        (None, Some(url)) => parse(&url, FULL)?,
        (None, None) => return Ok(None),
    };
    Ok(Some(ContainerAgent { url, token: token(variables)? }))
}

fn uri(variables: &Variables, name: &'static str) -> Result<Option<String>, KmsError> {
    Ok(environment::text(variables, name)?.map(|text| text.to_string()))
}

/// Parses the URL of a variable. Rejects plain `http` to hosts on which others could listen.
fn parse(text: &str, name: &str) -> Result<Url, KmsError> {
    let no_url = || broken(name, "is not a URL");
    let mut url = Url::parse(text).map_err(|_| no_url())?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(broken(name, "contains a user name"));
    }
    // Use the address, because the name could resolve to any address.
    if url.host_str() == Some("localhost") {
        url.set_host(Some("127.0.0.1")).map_err(|_| no_url())?;
    }
    let host = url.host_str().ok_or_else(no_url)?;
    let four = host.parse::<Ipv4Addr>().ok();
    let six = host.trim_matches(['[', ']']).parse::<Ipv6Addr>().ok();
    let is_near = four.is_some_and(|four| four.is_loopback() || LINK_LOCAL.contains(&four))
        || six.is_some_and(|six| six.is_loopback() || six == LINK_LOCAL_6);
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_near => Ok(url),
        "http" => Err(broken(
            name,
            "uses http to a host other than loopback addresses, 169.254.170.2, 169.254.170.23 and [fd00:ec2::23]",
        )),
        _ => Err(broken(name, "has a scheme other than http and https")),
    }
}

/// Returns the token for the agent. The token file overrides the variable, and is read each time.
fn token(variables: &Variables) -> Result<Option<Zeroizing<String>>, KmsError> {
    if let Some(file) = variables.get(TOKEN_FILE).filter(|file| !file.is_empty()) {
        let content = read(Path::new(&file), PLACE)?.ok_or_else(|| broken(PLACE, "does not exist"))?;
        let token = std::str::from_utf8(content.expose()).ok().map(str::trim);
        let token = token.filter(|token| is_header(token)).ok_or_else(|| broken(PLACE, MISFIT))?;
        return Ok(Some(secret(token)));
    }
    let Some(token) = variables.get(TOKEN).filter(|token| !token.is_empty()) else { return Ok(None) };
    let token = token.into_string().map(Zeroizing::new).ok().filter(|token| is_header(token));
    token.map(Some).ok_or_else(|| broken(TOKEN, MISFIT))
}

/// Returns true for words with single blanks between them, such as `Basic abc=`.
fn is_header(token: &str) -> bool {
    token.split(' ').all(fits)
}

impl ContainerAgent {
    pub(super) async fn fetch(&self, route: &Route) -> Result<Fetched<AwsCredential>, KmsError> {
        let mut headers = HeaderMap::with_capacity(1);
        if let Some(token) = &self.token {
            headers.insert(AUTHORIZATION, http::sensitive(token)?);
        }
        let request = Request {
            method: Method::GET,
            url: self.url.to_string(),
            headers,
            body: Zeroizing::default(),
            limit: LIMIT,
            largest_reply: http::LARGEST_REPLY,
        };
        let direct = Route { ca_file: route.ca_file.clone(), ..Route::default() };
        let reply = http::send(request, &direct).await.map_err(|mut error| {
            error.message = format!("the container's credential service: {}", error.message).into();
            error
        })?;
        match reply.status {
            200 => keys(&reply),
            429 => Err(KmsError::transient("the container's credential service refused the request: too many requests").status(429)),
            500..=599 => {
                Err(KmsError::transient("the container's credential service failed").status(reply.status))
            }
            401 | 403 => Err(wrong("the container's credential service refused its token")
                .status(reply.status)
                .advise("check AWS_CONTAINER_AUTHORIZATION_TOKEN or its _FILE, and the pod identity association of the service account")),
            status => Err(wrong("the container's credential service returned no credentials").status(status)),
        }
    }
}

fn keys(reply: &Reply) -> Result<Fetched<AwsCredential>, KmsError> {
    let garbled = || {
        KmsError::transient(
            "the reply of the container's credential service is incomplete, or is not a JSON object",
        )
        .status(reply.status)
    };
    let text = std::str::from_utf8(reply.body.expose()).map_err(|_| garbled())?;
    let root = syntax::parse(ContentType::Json, text).map_err(|_| garbled())?;
    let Value::Table(root) = &root.value else { return Err(garbled()) };
    let value = |name: &str| string(root, name).map(secret);
    let keys = ExpiringKeys {
        access_key_id: value("AccessKeyId"),
        secret_access_key: value("SecretAccessKey"),
        session_token: value("Token"),
        expiration: string(root, "Expiration"),
        date: reply.date.as_deref(),
    };
    keys.into_fetched("the role of this container".into(), |what| {
        wrong(match what {
            TemporaryProblem::Incomplete => {
                "the container's credential service returned incomplete credentials"
            }
            TemporaryProblem::Expired => "the container's credential service returned expired credentials",
        })
    })
}

fn wrong(message: &'static str) -> KmsError {
    KmsError::new(Fault::Refused, message)
        .advise("check the role of the task or of the service account, and the AWS_CONTAINER_* variables")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(pairs: &[(&str, &str)]) -> Result<Option<ContainerAgent>, KmsError> {
        find(&Variables::given(pairs.iter().copied()))
    }

    #[test]
    fn plain_http_is_allowed_for_the_agents_only() {
        for (text, url) in [
            ("http://127.0.0.1:8080/get?a=b", "http://127.0.0.1:8080/get?a=b"),
            ("http://localhost:1234/x", "http://127.0.0.1:1234/x"),
            ("http://LOCALHOST/x", "http://127.0.0.1/x"),
            ("http://[::1]:1/x", "http://[::1]:1/x"),
            ("http://169.254.170.2/v2/x", "http://169.254.170.2/v2/x"),
            ("http://169.254.170.23/v1/credentials", "http://169.254.170.23/v1/credentials"),
            ("http://[fd00:ec2::23]/v1/credentials", "http://[fd00:ec2::23]/v1/credentials"),
            ("https://vault.example.com/creds", "https://vault.example.com/creds"),
        ] {
            assert_eq!(agent(&[(FULL, text)]).unwrap().unwrap().url.as_str(), url, "{text}");
        }
        for bad in [
            "http://169.254.169.254/x",
            "http://10.0.0.1/x",
            "http://example.com/x",
            "http://localhost.example.com/x",
            "http://127.0.0.1.example.com/x",
            "http://user@127.0.0.1/x",
            "http://[fd00:ec2::24]/",
            "ftp://127.0.0.1/x",
            "file:///etc/passwd",
            "/relative",
            "nonsense",
        ] {
            let error = agent(&[(FULL, bad)]).err().unwrap();
            assert!(error.message.contains(FULL), "{bad}: {}", error.message);
        }
    }

    #[test]
    fn the_relative_uri_overrides_the_full_one_and_keeps_its_host() {
        let url = |path: &str| agent(&[(RELATIVE, path), (FULL, "https://h/")]).map(|it| it.unwrap().url);
        assert_eq!(
            url("/v2/credentials/1?id=2").unwrap().as_str(),
            "http://169.254.170.2/v2/credentials/1?id=2"
        );
        for bad in ["v2/x", "@evil.example.com/x", ".evil.example.com/x", ":80/x"] {
            assert!(url(bad).is_err(), "{bad}");
        }
        assert_eq!(url("//evil.example.com/x").unwrap().host_str(), Some("169.254.170.2"));
        assert!(agent(&[(RELATIVE, ""), (FULL, "")]).unwrap().is_none());
    }

    #[test]
    fn a_token_must_fit_into_a_header() {
        let token = |text: &str| {
            let agent = agent(&[(FULL, "http://127.0.0.1/"), (TOKEN, text)]);
            agent.map(|agent| agent.unwrap().token.map(|token| token.to_string()))
        };
        assert_eq!(token("Basic abc=").unwrap().as_deref(), Some("Basic abc="));
        assert_eq!(token("").unwrap(), None);
        for bad in ["a\nb", "a\r\nx: y", "é", " "] {
            assert!(token(bad).is_err(), "{bad:?}");
        }
    }
}
