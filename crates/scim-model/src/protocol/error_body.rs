//! The body of an error response (RFC 7644 section 3.12).

use serde_json::{Value, json};

use crate::error::ScimType;

/// URN of the error message.
const ERROR_URN: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

/// Returns the error message; the RFC has the HTTP status as a string.
pub fn error_body(status: u16, scim_type: Option<ScimType>, detail: &str) -> Value {
    let mut body = json!({
        "schemas": [ERROR_URN],
        "status": status.to_string(),
    });
    if let Some(scim_type) = scim_type {
        body["scimType"] = scim_type.as_str().into();
    }
    body["detail"] = detail.into();
    body
}
