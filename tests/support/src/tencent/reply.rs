//! Scripted replies to one request, most of them faults.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

use super::random;

/// The reply of the stand-in to one request.
pub enum Reply {
    /// Sends exactly this answer.
    Raw {
        /// The HTTP status.
        status: u16,
        /// The `Content-Type`.
        content_type: String,
        /// The body.
        body: Vec<u8>,
    },
    /// Answers with an error of the service. [`Reply::error`] is shorter.
    Error {
        /// The code: `InternalError`, `RequestLimitExceeded`, …
        code: String,
        /// The message.
        message: String,
    },
    /// Answers like a gateway: this HTTP status and a page of HTML.
    Status(u16),
    /// Answers 307, a redirect to this address with the same method and body.
    Redirect(String),
    /// Waits, then answers normally.
    Delay(Duration),
    /// Closes the connection without an answer.
    Close,
    /// Sends the length of the normal answer and its first half, then closes the connection.
    HalfBody,
    /// Sends bytes that are neither HTTP nor TLS, then closes the connection.
    Garbage,
    /// Answers normally, except for the `KeyId`, which is the id of another key.
    WrongKeyId,
    /// Answers normally, except for the `Plaintext`, which lacks its last byte.
    WrongLength,
    /// Answers with well-formed JSON of this size in chunks, so that no header has the size.
    Oversized(usize),
    /// Answers normally, with a changed document. [`Reply::edit`] is shorter.
    Edit(Box<dyn FnOnce(&mut Value) + Send>),
}

impl Reply {
    /// Answers with an error of the service.
    pub fn error(code: &str, message: &str) -> Self {
        Self::Error { code: code.to_owned(), message: message.to_owned() }
    }

    /// Answers with HTTP 200 and this text as JSON, well-formed or not.
    pub fn json(body: &str) -> Self {
        Self::Raw { status: 200, content_type: "application/json".to_owned(), body: body.into() }
    }

    /// Answers normally after an edit. The closure receives the whole document, `{"Response": …}`.
    pub fn edit(edit: impl FnOnce(&mut Value) + Send + 'static) -> Self {
        Self::Edit(Box::new(edit))
    }
}

pub(super) fn wrong_key_id(answer: &mut Value) {
    if let Some(key_id) = answer.pointer_mut("/Response/KeyId") {
        *key_id = random::uuid().into();
    }
}

pub(super) fn wrong_length(answer: &mut Value) {
    let Some(plaintext) = answer.pointer_mut("/Response/Plaintext") else { return };
    let mut bytes = STANDARD.decode(plaintext.as_str().unwrap_or_default()).unwrap_or_default();
    bytes.pop();
    *plaintext = STANDARD.encode(bytes).into();
}

/// Returns an answer of exactly `length` bytes without information, or of the minimum size of the form.
pub(super) fn oversized(length: usize) -> Vec<u8> {
    let (head, tail) = (r#"{"Response":{"Padding":""#, format!(r#"","RequestId":"{}"}}}}"#, random::uuid()));
    let padding = "x".repeat(length.saturating_sub(head.len() + tail.len()));
    [head, &padding, &tail].concat().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_oversized_answer_is_json_of_the_requested_length() {
        let answer = oversized(10_000);
        assert_eq!(answer.len(), 10_000);
        assert!(serde_json::from_slice::<Value>(&answer).is_ok());
    }
}
