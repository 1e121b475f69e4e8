//! The errors of the service: one table of codes and of their messages in its two languages.

use serde_json::{Value, json};

use super::random;

/// The reason why a request is rejected.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Refusal {
    // The gateway returns these errors before a service receives the request.
    InvalidAuthorization,
    SecretIdNotFound,
    SignatureFailure,
    SignatureExpire,
    TokenFailure,
    UnauthorizedOperation(String),
    UnsupportedProtocol,
    RequestSizeLimitExceeded,
    NoSuchVersion,
    InvalidAction,
    MissingParameter(&'static str),
    UnknownParameter(String),
    InvalidParameter(&'static str),
    // KMS returns these errors.
    InvalidKeyId,
    InvalidPlaintext,
    InvalidCiphertext,
    CmkNotFound,
    CmkDisabled,
    CmkArchived,
    KeyPendingDelete,
    InvalidAlias,
    AliasAlreadyExists,
}

impl Refusal {
    /// Returns the error in the service's form, in Chinese unless the request asks for English.
    pub(super) fn into_json(self, language: Option<&str>) -> Value {
        let (code, chinese, english) = self.texts();
        let message = if language == Some("en-US") { english } else { chinese };
        error(code, &message)
    }

    fn texts(self) -> (&'static str, String, String) {
        let (code, chinese, english) = match self {
            Self::InvalidAuthorization => (
                "AuthFailure.InvalidAuthorization",
                "请求头部的 Authorization 不符合腾讯云标准。",
                "The Authorization header does not comply with the Tencent Cloud standard.",
            ),
            Self::SecretIdNotFound => (
                "AuthFailure.SecretIdNotFound",
                "密钥不存在。请在控制台检查密钥是否已被删除或者禁用。",
                "The SecretId is not found, please ensure that your SecretId is correct.",
            ),
            Self::SignatureFailure => (
                "AuthFailure.SignatureFailure",
                "签名错误。签名计算错误,请对照签名方法文档检查签名计算过程。",
                "The provided credentials could not be validated. Please check your signature is correct.",
            ),
            Self::SignatureExpire => (
                "AuthFailure.SignatureExpire",
                "签名过期。Timestamp 和服务器时间相差不得超过五分钟,请检查本地时间是否和标准时间同步。",
                "The provided credentials could not be validated because of exceeding request time limit.",
            ),
            Self::TokenFailure => {
                ("AuthFailure.TokenFailure", "token 错误。", "The provided token is invalid.")
            }
            Self::UnauthorizedOperation(action) => {
                return (
                    "UnauthorizedOperation",
                    format!("未授权操作: kms:{action}。"),
                    format!("You are not authorized to perform this operation: kms:{action}."),
                );
            }
            Self::UnsupportedProtocol => (
                "UnsupportedProtocol",
                "HTTP(S) 请求协议错误,只支持 GET 和 POST 请求。",
                "The HTTP(S) request is not supported: only GET and POST to `/`, each with its content type.",
            ),
            Self::RequestSizeLimitExceeded => {
                ("RequestSizeLimitExceeded", "请求包超过限制大小。", "The request is larger than the limit.")
            }
            Self::NoSuchVersion => ("NoSuchVersion", "接口版本不存在。", "The API version does not exist."),
            Self::InvalidAction => ("InvalidAction", "接口不存在。", "The API action does not exist."),
            Self::MissingParameter(name) => {
                return (
                    "MissingParameter",
                    format!("缺少参数 `{name}`。"),
                    format!("The parameter `{name}` is missing."),
                );
            }
            Self::UnknownParameter(name) => {
                return (
                    "UnknownParameter",
                    format!("未知参数 `{name}`。"),
                    format!("The parameter `{name}` is not recognized."),
                );
            }
            Self::InvalidParameter(name) => {
                return (
                    "InvalidParameter",
                    format!("参数 `{name}` 错误。"),
                    format!("The parameter `{name}` is invalid."),
                );
            }
            Self::InvalidKeyId => ("InvalidParameterValue.InvalidKeyId", "KeyId 不合法。", "Invalid KeyId."),
            Self::InvalidPlaintext => {
                ("InvalidParameterValue.InvalidPlaintext", "Plaintext 不合法。", "Invalid Plaintext.")
            }
            Self::InvalidCiphertext => {
                ("InvalidParameterValue.InvalidCiphertext", "密文格式错误。", "Invalid ciphertext.")
            }
            Self::CmkNotFound => {
                ("ResourceUnavailable.CmkNotFound", "CMK 不存在。", "The CMK does not exist.")
            }
            Self::CmkDisabled => {
                ("ResourceUnavailable.CmkDisabled", "CMK 已被禁用。", "The CMK has been disabled.")
            }
            Self::CmkArchived => {
                ("ResourceUnavailable.CmkArchived", "CMK 已被归档。", "The CMK has been archived.")
            }
            Self::InvalidAlias => ("InvalidParameterValue.InvalidAlias", "别名格式错误。", "Invalid alias."),
            Self::AliasAlreadyExists => {
                ("InvalidParameterValue.AliasAlreadyExists", "别名已经存在。", "The alias already exists.")
            }
            Self::KeyPendingDelete => (
                "ResourceUnavailable.KeyPendingDelete",
                "密钥处于计划删除状态。",
                "The key is pending deletion.",
            ),
        };
        (code, chinese.to_owned(), english.to_owned())
    }
}

/// Returns an error with any code in the service's form.
pub(super) fn error(code: &str, message: &str) -> Value {
    json!({ "Response": { "Error": { "Code": code, "Message": message }, "RequestId": random::uuid() } })
}
