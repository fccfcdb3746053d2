//! Errors of the token endpoint (RFC 6749 section 5.2).

use serde_json::{Value, json};

/// The reason for not issuing a token, as the client sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuthError {
    /// The kind of error.
    pub code: ErrorCode,
    /// A description in ASCII without `"` and `\`. It never contains text of the request.
    pub description: Option<String>,
    /// The seconds after which the client may try again.
    pub retry_after: Option<u64>,
}

/// The kinds of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// The request is malformed.
    InvalidRequest,
    /// The client is unknown, or did not prove its identity.
    InvalidClient,
    /// The client proved its identity, but gets no tokens now.
    UnauthorizedClient,
    /// The grant is not `client_credentials`.
    UnsupportedGrantType,
    /// The scope is unknown.
    InvalidScope,
    /// There were too many failed attempts.
    TooManyAttempts,
    /// The store, or the keys of an issuer, cannot be reached now.
    Unavailable,
}

impl OAuthError {
    /// Creates an error with a description.
    pub fn new(code: ErrorCode, description: impl Into<String>) -> OAuthError {
        OAuthError {
            code,
            description: Some(description.into()),
            retry_after: None,
        }
    }

    /// The error of every client that did not prove its identity. Its response does not depend on the reason.
    pub fn invalid_client() -> OAuthError {
        OAuthError::new(ErrorCode::InvalidClient, "client authentication failed")
    }

    /// An error after which the same request may succeed later. Identity providers stop a connection whose
    /// credentials are refused, so this error must not look like refused credentials.
    pub fn unavailable(seconds: u64) -> OAuthError {
        OAuthError {
            retry_after: Some(seconds),
            ..OAuthError::new(
                ErrorCode::Unavailable,
                "the server cannot check the credentials now: try again later",
            )
        }
    }

    /// Returns the status of the response.
    pub fn status(&self) -> u16 {
        match self.code {
            ErrorCode::InvalidRequest
            | ErrorCode::UnauthorizedClient
            | ErrorCode::UnsupportedGrantType
            | ErrorCode::InvalidScope => 400,
            ErrorCode::InvalidClient => 401,
            ErrorCode::TooManyAttempts => 429,
            ErrorCode::Unavailable => 503,
        }
    }

    /// Returns the body of the response.
    pub fn to_json(&self) -> Value {
        let error = match self.code {
            ErrorCode::InvalidRequest => "invalid_request",
            ErrorCode::InvalidClient => "invalid_client",
            ErrorCode::UnauthorizedClient => "unauthorized_client",
            ErrorCode::UnsupportedGrantType => "unsupported_grant_type",
            ErrorCode::InvalidScope => "invalid_scope",
            ErrorCode::TooManyAttempts | ErrorCode::Unavailable => "temporarily_unavailable",
        };
        let mut body = json!({ "error": error });
        if let Some(description) = &self.description {
            body["error_description"] = description.as_str().into();
        }
        body
    }
}
