//! A request as received.

use std::time::SystemTime;

use super::signature::Authorization;

/// A received request, whether accepted or rejected.
#[derive(Clone, Debug)]
pub struct Request {
    /// `X-TC-Action`, or empty if it was not sent.
    pub action: String,
    /// `X-TC-Region`, or empty if it was not sent.
    pub region: String,
    /// The secret id of the signature, or empty without a well-formed `Authorization`.
    pub secret_id: String,
    /// The method: `POST`, `GET` or an invalid one.
    pub method: String,
    /// The path. Only `/` is valid.
    pub path: String,
    /// The query as sent, without its question mark.
    pub query: String,
    /// The headers in their order. Names are in lower case, and values are unchanged.
    pub headers: Vec<(String, String)>,
    /// The bytes of the body.
    pub body: Vec<u8>,
    /// The time of arrival by the true clock.
    pub time: SystemTime,
}

impl Request {
    pub(super) fn new(
        method: &str,
        path: &str,
        query: &str,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
    ) -> Self {
        let mut request = Self {
            action: String::new(),
            region: String::new(),
            secret_id: String::new(),
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers,
            body,
            time: SystemTime::now(),
        };
        let header = |name| request.header(name).unwrap_or_default();
        let action = header("x-tc-action").to_owned();
        let region = header("x-tc-region").to_owned();
        let authorization = Authorization::parse(header("authorization"));
        let secret_id = authorization.map_or(String::new(), |found| found.secret_id.to_owned());
        (request.action, request.region, request.secret_id) = (action, region, secret_id);
        request
    }

    /// Returns the value of the first header of this name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(sent, _)| sent.eq_ignore_ascii_case(name))?;
        Some(value)
    }
}
