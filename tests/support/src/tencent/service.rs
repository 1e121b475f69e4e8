//! The service: authenticates a request, reads its parameters and makes the answer. It uses values only. The server
//! does all input and output.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use super::keys::Blob;
use super::refusal::Refusal;
use super::signature::{self, Authorization};
use super::{Credential, Request, State, management, random};

/// All actions of the stand-in.
pub const ACTIONS: &[&str] = &[
    "GenerateDataKey",
    "Encrypt",
    "Decrypt",
    "ReEncrypt",
    "CreateKey",
    "DescribeKey",
    "ListKeyDetail",
    "EnableKeyRotation",
    "DisableKeyRotation",
    "GetKeyRotationStatus",
];

const SERVICE: &str = "kms";
const VERSION: &str = "2019-01-18";
/// The maximum difference of a request's time, in seconds.
const TOLERANCE: u64 = 300;
const LONGEST_QUERY: usize = 32 * 1024;
const LONGEST_PLAINTEXT: usize = 4 * 1024;
const LONGEST_CONTEXT: usize = 1024;

/// A credential and its granted actions.
pub(super) struct Account {
    credential: Credential,
    actions: Vec<String>,
}

impl Account {
    pub(super) fn new(credential: Credential, actions: &[&str]) -> Self {
        let unknown: Vec<_> = actions.iter().filter(|action| !ACTIONS.contains(action)).collect();
        assert!(unknown.is_empty(), "unknown actions: {unknown:?}");
        Self { credential, actions: actions.iter().map(|&action| action.to_owned()).collect() }
    }
}

/// Answers a request at a time in Unix seconds. The result and the error have the service's form.
pub(super) fn answer(state: &mut State, request: &Request, now: i64) -> Value {
    match success(state, request, now) {
        Ok(mut response) => {
            response.insert("RequestId".to_owned(), random::uuid().into());
            json!({ "Response": response })
        }
        Err(refusal) => refusal.into_json(request.header("x-tc-language")),
    }
}

fn success(state: &mut State, request: &Request, now: i64) -> Result<Map<String, Value>, Refusal> {
    well_formed(request)?;
    let account = authenticate(&state.accounts, request, now)?;
    if required(request, "X-TC-Version")? != VERSION {
        return Err(Refusal::NoSuchVersion);
    }
    let action = required(request, "X-TC-Action")?;
    let region = required(request, "X-TC-Region")?;
    if !ACTIONS.contains(&action) {
        return Err(Refusal::InvalidAction);
    }
    if !account.actions.iter().any(|granted| granted == action) {
        return Err(Refusal::UnauthorizedOperation(action.to_owned()));
    }
    let mut parameters = Parameters::of(request)?;
    match action {
        "GenerateDataKey" => generate_data_key(state, region, &mut parameters),
        "Encrypt" => encrypt(state, region, &mut parameters),
        "Decrypt" => decrypt(state, region, &mut parameters),
        "ReEncrypt" => re_encrypt(state, region, &mut parameters),
        "CreateKey" => management::create_key(state, region, &mut parameters, now),
        "DescribeKey" => management::describe_key(state, region, &mut parameters),
        "ListKeyDetail" => management::list_key_detail(state, region, &mut parameters),
        "EnableKeyRotation" => management::enable_key_rotation(state, region, &mut parameters),
        "DisableKeyRotation" => management::disable_key_rotation(state, region, &mut parameters),
        _ => management::get_key_rotation_status(state, region, &mut parameters),
    }
}

/// Checks that a request is POST with JSON or GET with a query, to `/`, with the valid content type.
fn well_formed(request: &Request) -> Result<(), Refusal> {
    let content_type = request.header("content-type").unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    match (request.method.as_str(), media_type) {
        _ if request.path != "/" => Err(Refusal::UnsupportedProtocol),
        ("POST", "application/json") => Ok(()),
        ("GET", "application/x-www-form-urlencoded") if request.query.len() > LONGEST_QUERY => {
            Err(Refusal::RequestSizeLimitExceeded)
        }
        ("GET", "application/x-www-form-urlencoded") => Ok(()),
        _ => Err(Refusal::UnsupportedProtocol),
    }
}

/// Returns the signer of the request. The service does not document the order of errors.
fn authenticate<'a>(accounts: &'a [Account], request: &Request, now: i64) -> Result<&'a Account, Refusal> {
    let timestamp: i64 = required(request, "X-TC-Timestamp")?
        .parse()
        .map_err(|_| Refusal::InvalidParameter("X-TC-Timestamp"))?;
    let authorization = Authorization::parse(required(request, "Authorization")?)
        .filter(|found| found.signs_enough() && found.service == SERVICE)
        .filter(|found| found.date == signature::utc_date(timestamp))
        .ok_or(Refusal::InvalidAuthorization)?;
    if now.abs_diff(timestamp) > TOLERANCE {
        return Err(Refusal::SignatureExpire);
    }
    let account = accounts
        .iter()
        .find(|account| account.credential.secret_id == authorization.secret_id)
        .ok_or(Refusal::SecretIdNotFound)?;

    let canonical = signature::canonical_request(request, &authorization.signed_headers)
        .ok_or(Refusal::InvalidAuthorization)?;
    let Authorization { date, service, .. } = authorization;
    let signed = signature::string_to_sign(timestamp, date, service, &canonical);
    // The time of this comparison is not constant, which is safe for invented keys on a loopback.
    if signature::sign(&account.credential.secret_key, date, service, &signed) != authorization.signature {
        return Err(Refusal::SignatureFailure);
    }
    if account.credential.token.as_deref() != request.header("x-tc-token") {
        return Err(Refusal::TokenFailure);
    }
    Ok(account)
}

fn required<'a>(request: &'a Request, header: &'static str) -> Result<&'a str, Refusal> {
    request.header(header).filter(|value| !value.is_empty()).ok_or(Refusal::MissingParameter(header))
}

pub(super) type Answer = Result<Map<String, Value>, Refusal>;

fn generate_data_key(state: &State, region: &str, parameters: &mut Parameters) -> Answer {
    let key_id = parameters.text("KeyId")?;
    let spec = parameters.optional_text("KeySpec")?;
    let number = parameters.optional_integer("NumberOfBytes")?;
    let context = parameters.context()?;
    parameters.finish()?;

    let length = match (number, spec.as_deref()) {
        (Some(number @ 1..=1024), _) => number as usize,
        (Some(_), _) => return Err(Refusal::InvalidParameter("NumberOfBytes")),
        (None, Some("AES_128")) => 16,
        (None, Some("AES_256")) => 32,
        // If both are missing, the error is "invalid", because neither alone is required.
        (None, _) => return Err(Refusal::InvalidParameter("KeySpec")),
    };
    let mut data_key = vec![0; length];
    random::fill(&mut data_key);
    let key = state.keys.to_wrap(region, &key_id)?;
    Ok(response([
        ("KeyId", key.id.clone()),
        ("Plaintext", STANDARD.encode(&data_key)),
        ("CiphertextBlob", key.wrap(&data_key, &context)),
    ]))
}

fn encrypt(state: &State, region: &str, parameters: &mut Parameters) -> Answer {
    let key_id = parameters.text("KeyId")?;
    let plaintext = parameters.text("Plaintext")?;
    let context = parameters.context()?;
    parameters.finish()?;

    let plaintext = STANDARD
        .decode(plaintext)
        .ok()
        .filter(|bytes| !bytes.is_empty() && bytes.len() <= LONGEST_PLAINTEXT)
        .ok_or(Refusal::InvalidPlaintext)?;
    let key = state.keys.to_wrap(region, &key_id)?;
    Ok(response([("KeyId", key.id.clone()), ("CiphertextBlob", key.wrap(&plaintext, &context))]))
}

fn decrypt(state: &State, region: &str, parameters: &mut Parameters) -> Answer {
    let blob = parameters.text("CiphertextBlob")?;
    let context = parameters.context()?;
    parameters.finish()?;

    // The documentation does not permit blanks around a blob, so they are rejected.
    let blob = Blob::parse(&blob).ok_or(Refusal::InvalidCiphertext)?;
    let key = state.keys.to_unwrap(region, &blob)?;
    // The service has one code for damage and for a wrong context.
    let plaintext = key.unwrap(&blob, &context).ok_or(Refusal::InvalidCiphertext)?;
    Ok(response([("KeyId", key.id.clone()), ("Plaintext", STANDARD.encode(plaintext))]))
}

/// Wraps the content of a blob with another key. The documentation does not define a new context with the same key and
/// version. Here the old blob is returned only if the context is also the same.
fn re_encrypt(state: &State, region: &str, parameters: &mut Parameters) -> Answer {
    let blob = parameters.text("CiphertextBlob")?;
    let destination = parameters.optional_text("DestinationKeyId")?;
    let source_context = parameters.context_named("SourceEncryptionContext")?;
    let context = parameters.context_named("DestinationEncryptionContext")?;
    parameters.finish()?;

    let parsed = Blob::parse(&blob).ok_or(Refusal::InvalidCiphertext)?;
    let source = state.keys.to_unwrap(region, &parsed)?;
    let plaintext = source.unwrap(&parsed, &source_context).ok_or(Refusal::InvalidCiphertext)?;
    let key = state.keys.to_wrap(region, destination.as_deref().unwrap_or(&source.id))?;
    let changes = key.id != source.id || context != source_context;
    let blob = if changes { key.wrap(&plaintext, &context) } else { blob };
    let mut response =
        response([("CiphertextBlob", blob), ("KeyId", key.id.clone()), ("SourceKeyId", source.id.clone())]);
    response.insert("ReEncrypted".to_owned(), changes.into());
    Ok(response)
}

pub(super) fn response<const N: usize>(fields: [(&str, String); N]) -> Map<String, Value> {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
}

/// The parameters of an action, from both kinds of request. Each is removed when it is read, so the rest is unknown.
pub(super) struct Parameters(Map<String, Value>);

impl Parameters {
    fn of(request: &Request) -> Result<Self, Refusal> {
        if request.method == "GET" {
            let pairs = form_urlencoded::parse(request.query.as_bytes());
            return Ok(Self(pairs.map(|(name, value)| (name.into_owned(), value.into())).collect()));
        }
        match serde_json::from_slice(&request.body) {
            Ok(Value::Object(parameters)) => Ok(Self(parameters)),
            _ => Err(Refusal::InvalidParameter("body")),
        }
    }

    pub(super) fn text(&mut self, name: &'static str) -> Result<String, Refusal> {
        self.optional_text(name)?.ok_or(Refusal::MissingParameter(name))
    }

    pub(super) fn optional_text(&mut self, name: &'static str) -> Result<Option<String>, Refusal> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Refusal::InvalidParameter(name)),
        }
    }

    pub(super) fn optional_integer(&mut self, name: &'static str) -> Result<Option<u64>, Refusal> {
        let number = match self.0.remove(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Number(number)) => number.as_u64(),
            // A query has only texts.
            Some(Value::String(text)) => text.parse().ok(),
            Some(_) => None,
        };
        number.map(Some).ok_or(Refusal::InvalidParameter(name))
    }

    /// Returns the text of the encryption context, or an empty text without one.
    fn context(&mut self) -> Result<String, Refusal> {
        self.context_named("EncryptionContext")
    }

    fn context_named(&mut self, name: &'static str) -> Result<String, Refusal> {
        let Some(context) = self.optional_text(name)? else { return Ok(String::new()) };
        let object = serde_json::from_str::<Map<String, Value>>(&context).is_ok();
        if !object || context.chars().count() > LONGEST_CONTEXT {
            return Err(Refusal::InvalidParameter(name));
        }
        Ok(context)
    }

    pub(super) fn finish(&self) -> Result<(), Refusal> {
        match self.0.keys().next() {
            Some(name) => Err(Refusal::UnknownParameter(name.clone())),
            None => Ok(()),
        }
    }
}
