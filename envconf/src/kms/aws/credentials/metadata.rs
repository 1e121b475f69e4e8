//! The role of a virtual machine (EC2). Its metadata service issues temporary credentials over plain HTTP. envconf uses
//! the protocol with a token (IMDSv2), and never the older one without.
//!
//! Outside of EC2 the metadata service does not answer, so the time limit is short. These requests use no proxy.

use std::time::Duration;

use reqwest::header::HeaderMap;
use zeroize::Zeroizing;

use super::AwsCredential;
use super::temporary::{ExpiringKeys, TemporaryProblem};
use crate::base::Fault;
use crate::format::ContentType;
use crate::kms::KmsError;
use crate::kms::credential_cache::Fetched;
use crate::kms::credential_source::fits;
use crate::kms::endpoint::Endpoint;
use crate::kms::http::{self, Method, Reply, Request, Route};
use crate::kms::json::{field, secret, string};
use crate::syntax;
use crate::syntax::Value;

const ROLES: &str = "latest/meta-data/iam/security-credentials/";
const LIMIT: Duration = Duration::from_secs(1);
/// The lifetime of a token of the metadata service, in seconds.
const TOKEN_LIFE: &str = "300";
/// The hint if the metadata service does not answer.
pub(super) const HOP_LIMIT: &str = "in a container on EC2, raise the hop limit of the instance's metadata to 2 (`aws ec2 modify-instance-metadata-options --http-put-response-hop-limit 2`)";

/// The reason if the metadata service does not answer: outside of EC2, and in a container with a hop limit of 1.
pub(super) const SILENT: &str = " (its metadata service does not answer)";

/// Returns the machine's credential; `Ok(Err(why))` outside of EC2, and on a machine without a role.
pub(super) async fn find(
    endpoint: &Endpoint,
    route: &Route,
) -> Result<Result<Fetched<AwsCredential>, &'static str>, KmsError> {
    let token = match token(endpoint, route).await? {
        Ok(token) => token,
        Err(why) => return Ok(Err(why)),
    };
    let url = format!("{}{ROLES}", endpoint.url());
    let reply = ask(Method::GET, url.clone(), ("x-aws-ec2-metadata-token", &token), route).await?;
    if reply.status == 404 {
        return Ok(Err(" (it has none)"));
    }
    check(&reply)?;
    let role = std::str::from_utf8(reply.body.expose()).unwrap_or_default().trim();
    if role.is_empty() {
        return Ok(Err(" (it has none)"));
    }
    if !role.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte)) {
        return Err(wrong("the metadata service returned no role name"));
    }
    let reply = ask(Method::GET, url + role, ("x-aws-ec2-metadata-token", &token), route).await?;
    check(&reply)?;
    parse(&reply).map(Ok)
}

/// Requests a token of the metadata service.
async fn token(
    endpoint: &Endpoint,
    route: &Route,
) -> Result<Result<Zeroizing<String>, &'static str>, KmsError> {
    let url = format!("{}latest/api/token", endpoint.url());
    let header = ("x-aws-ec2-metadata-token-ttl-seconds", TOKEN_LIFE);
    let reply = match ask(Method::PUT, url, header, route).await {
        // In a container with a hop limit of 1, the reply never arrives, as on a machine outside of EC2.
        Err(error) if error.fault == Fault::Transient => {
            return Ok(Err(SILENT));
        }
        reply => reply?,
    };
    match reply.status {
        200 => {}
        403 => return Ok(Err(" (its metadata service is turned off)")),
        // Other clouds have a metadata service at the same address.
        300..=499 => return Ok(Err(" (its metadata service does not speak IMDSv2)")),
        _ => return Err(KmsError::transient("the metadata service failed").status(reply.status)),
    }
    let token = std::str::from_utf8(reply.body.expose()).ok().map(str::trim).filter(|token| fits(token));
    match token {
        Some(token) => Ok(Ok(secret(token))),
        None => Err(wrong("the metadata service returned no token")),
    }
}

async fn ask(
    method: Method,
    url: String,
    (name, value): (&'static str, &str),
    route: &Route,
) -> Result<Reply, KmsError> {
    let mut headers = HeaderMap::with_capacity(1);
    headers.insert(http::name(name), http::sensitive(value)?);
    let direct = Route { ca_file: route.ca_file.clone(), ..Route::default() };
    let body = Zeroizing::default();
    let request = Request { method, url, headers, body, limit: LIMIT, largest_reply: http::LARGEST_REPLY };
    http::send(request, &direct).await.map_err(|mut error| {
        error.message = format!("the metadata service: {}", error.message).into();
        error
    })
}

fn check(reply: &Reply) -> Result<(), KmsError> {
    match reply.status {
        200 => Ok(()),
        429 | 500..=599 => Err(KmsError::transient("the metadata service failed").status(reply.status)),
        status => Err(wrong("the metadata service returned no credentials").status(status)),
    }
}

fn parse(reply: &Reply) -> Result<Fetched<AwsCredential>, KmsError> {
    let garbled = || {
        KmsError::transient("the metadata service's reply is incomplete, or is not a JSON object")
            .status(reply.status)
    };
    let text = std::str::from_utf8(reply.body.expose()).map_err(|_| garbled())?;
    let root = syntax::parse(ContentType::Json, text).map_err(|_| garbled())?;
    let Value::Table(root) = &root.value else { return Err(garbled()) };
    if field(root, "Code").is_some() && string(root, "Code") != Some("Success") {
        return Err(wrong("the metadata service returned no credentials"));
    }
    let value = |name: &str| string(root, name).map(secret);
    let keys = ExpiringKeys {
        access_key_id: value("AccessKeyId"),
        secret_access_key: value("SecretAccessKey"),
        session_token: value("Token"),
        expiration: string(root, "Expiration"),
        date: reply.date.as_deref(),
    };
    keys.into_fetched("the role of this machine".into(), |what| {
        wrong(match what {
            TemporaryProblem::Incomplete => "the metadata service returned incomplete credentials",
            TemporaryProblem::Expired => "the metadata service returned expired credentials",
        })
    })
}

fn wrong(message: &'static str) -> KmsError {
    KmsError::refused(message).advise(
        "check the machine's role in the EC2 console, and ENVCONF_AWS_METADATA_ENDPOINT and AWS_EC2_METADATA_SERVICE_ENDPOINT",
    )
}
