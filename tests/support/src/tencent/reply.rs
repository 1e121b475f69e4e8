//! Scripted misbehaviour: how one request is to be met.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

use super::random;

/// How the stand-in meets one request.
pub enum Reply {
    /// Answers with exactly this.
    Raw {
        /// The HTTP status.
        status: u16,
        /// The `Content-Type`.
        content_type: String,
        /// The body.
        body: Vec<u8>,
    },
    /// Answers with an error of the service; [`Reply::error`] is shorter.
    Error {
        /// The code: `InternalError`, `RequestLimitExceeded`, …
        code: String,
        /// The message.
        message: String,
    },
    /// Answers as a gateway would: this HTTP status and a page of HTML.
    Status(u16),
    /// Answers 307, the redirect that asks for the same method and body again, to this address.
    Redirect(String),
    /// Waits, then answers normally.
    Delay(Duration),
    /// Closes the connection without a word.
    Close,
    /// Announces the normal answer in full, sends the first half and closes the connection.
    HalfBody,
    /// Sends bytes that are not HTTP (and, under TLS, no TLS) and closes the connection.
    Garbage,
    /// Answers normally, except for the `KeyId`, which is the id of another key.
    WrongKeyId,
    /// Answers normally, except for the `Plaintext`, which lacks its last byte.
    WrongLength,
    /// Answers with well-formed JSON of so many bytes, in chunks, so that no header announces the size.
    Oversized(usize),
    /// Answers normally, rewritten; [`Reply::edit`] is shorter.
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

    /// Answers normally, edited: the closure receives the whole document, `{"Response": …}`.
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

/// An answer of exactly `length` bytes (or of the least that the form takes), full of nothing.
pub(super) fn oversized(length: usize) -> Vec<u8> {
    let (head, tail) = (r#"{"Response":{"Padding":""#, format!(r#"","RequestId":"{}"}}}}"#, random::uuid()));
    let padding = "x".repeat(length.saturating_sub(head.len() + tail.len()));
    [head, &padding, &tail].concat().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_oversized_answer_is_json_of_the_length_asked_for() {
        let answer = oversized(10_000);
        assert_eq!(answer.len(), 10_000);
        assert!(serde_json::from_slice::<Value>(&answer).is_ok());
    }
}
