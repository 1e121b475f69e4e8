//! The role of a virtual machine (CVM): its metadata service issues temporary credentials over plain HTTP.
//!
//! Outside of the cloud the metadata service does not answer, so the time limit is short. These requests use no proxy.

use std::time::Duration;

use zeroize::Zeroizing;

use super::{Credential, Unusable, read_temporary};
use crate::base::Fault;
use crate::format::ContentType;
use crate::kms::KmsError;
use crate::kms::credential_cache::Fetched;
use crate::kms::endpoint::Endpoint;
use crate::kms::http::{self, Method, Reply, Request, Route};
use crate::kms::json::{field, integer, secret, string};
use crate::syntax;
use crate::syntax::Value;

const PATH: &str = "latest/meta-data/cam/security-credentials/";
const LIMIT: Duration = Duration::from_secs(1);

/// Returns the machine's credential; `Ok(Err(why))` outside of the cloud, and on a machine without a role.
pub(super) async fn find(
    endpoint: &Endpoint,
    route: &Route,
) -> Result<Result<Fetched<Credential>, &'static str>, KmsError> {
    let url = format!("{}{PATH}", endpoint.url());
    let reply = match get(url.clone(), route).await {
        Err(error) if error.fault == Fault::Transient => {
            return Ok(Err(" (its metadata service does not answer)"));
        }
        reply => reply?,
    };
    if reply.status == 404 {
        return Ok(Err(" (it has none)"));
    }
    let role = std::str::from_utf8(reply.body.expose()).unwrap_or_default().trim();
    if reply.status == 200 && role.is_empty() {
        return Ok(Err(" (it has none)"));
    }
    check(&reply)?;
    if !role.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte)) {
        return Err(wrong("the metadata service returned no role name"));
    }
    let reply = get(url + role, route).await?;
    check(&reply)?;
    parse(&reply).map(Ok)
}

async fn get(url: String, route: &Route) -> Result<Reply, KmsError> {
    let direct = Route { ca_file: route.ca_file.clone(), ca_pem: route.ca_pem.clone(), ..Route::default() };
    let request = Request {
        method: Method::GET,
        url,
        headers: Default::default(),
        body: Zeroizing::default(),
        limit: LIMIT,
        largest_reply: http::LARGEST_REPLY,
    };
    http::send(request, &direct).await.map_err(|mut error| {
        error.message = format!("the metadata service: {}", error.message).into();
        error
    })
}

fn check(reply: &Reply) -> Result<(), KmsError> {
    match reply.status {
        200 => Ok(()),
        500..=599 => Err(KmsError::transient("the metadata service failed").status(reply.status)),
        status => Err(wrong("the metadata service returned no credentials").status(status)),
    }
}

fn parse(reply: &Reply) -> Result<Fetched<Credential>, KmsError> {
    let garbled =
        || KmsError::transient("the metadata service's reply is incomplete or not JSON").status(reply.status);
    let text = std::str::from_utf8(reply.body.expose()).map_err(|_| garbled())?;
    let root = syntax::parse(ContentType::Json, text).map_err(|_| garbled())?;
    let Value::Table(root) = &root.value else { return Err(garbled()) };
    if field(root, "Code").is_some() && string(root, "Code") != Some("Success") {
        return Err(wrong("the metadata service returned no credentials"));
    }
    let value = |name: &str| string(root, name).map(secret);
    let (expired_time, date) = (integer(root, "ExpiredTime"), reply.date.as_deref());
    read_temporary(value, expired_time, date, "the role of this machine", |what| {
        wrong(match what {
            Unusable::Incomplete => "the metadata service returned incomplete credentials",
            Unusable::Expired => "the metadata service returned expired credentials",
        })
    })
}

fn wrong(message: &'static str) -> KmsError {
    KmsError::refused(message)
        .advise("check the machine's role in the CVM console, and ENVCONF_TENCENT_METADATA_ENDPOINT")
}
