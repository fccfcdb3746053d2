//! What a client is told when something is wrong: RFC 7644 section 3.12 and RFC 9865 section 2.1.

use std::fmt;

use serde_json::{Value, json};

/// The `scimType` keywords of RFC 7644 table 9 and RFC 9865 table 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // The RFC's own keywords.
pub enum ScimType {
    InvalidFilter,
    TooMany,
    Uniqueness,
    Mutability,
    InvalidSyntax,
    InvalidPath,
    NoTarget,
    InvalidValue,
    InvalidVers,
    Sensitive,
    InvalidCursor,
    ExpiredCursor,
    InvalidCount,
}

impl ScimType {
    /// The keyword as it stands in an error body.
    pub fn as_str(self) -> &'static str {
        match self {
            ScimType::InvalidFilter => "invalidFilter",
            ScimType::TooMany => "tooMany",
            ScimType::Uniqueness => "uniqueness",
            ScimType::Mutability => "mutability",
            ScimType::InvalidSyntax => "invalidSyntax",
            ScimType::InvalidPath => "invalidPath",
            ScimType::NoTarget => "noTarget",
            ScimType::InvalidValue => "invalidValue",
            ScimType::InvalidVers => "invalidVers",
            ScimType::Sensitive => "sensitive",
            ScimType::InvalidCursor => "invalidCursor",
            ScimType::ExpiredCursor => "expiredCursor",
            ScimType::InvalidCount => "invalidCount",
        }
    }
}

/// An error as the client sees it: HTTP status, `scimType`, `detail`.
///
/// The detail is one line, names the attribute by its full path and says what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScimError {
    /// HTTP status code.
    pub status: u16,
    /// Keyword, where the RFC has one.
    pub scim_type: Option<ScimType>,
    /// For the administrator who reads it in the identity provider's log.
    pub detail: String,
}

impl ScimError {
    /// 400 with a `scimType`; 409 for uniqueness, 403 for sensitive.
    pub fn new(scim_type: ScimType, detail: impl Into<String>) -> ScimError {
        let status = match scim_type {
            ScimType::Uniqueness => 409,
            ScimType::Sensitive => 403,
            _ => 400,
        };
        ScimError {
            status,
            scim_type: Some(scim_type),
            detail: detail.into(),
        }
    }

    /// A status without `scimType`.
    pub fn status(status: u16, detail: impl Into<String>) -> ScimError {
        ScimError {
            status,
            scim_type: None,
            detail: detail.into(),
        }
    }

    /// The error body of RFC 7644 section 3.12; `status` is a string.
    pub fn to_json(&self) -> Value {
        let mut body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
            "status": self.status.to_string(),
        });
        if let Some(scim_type) = self.scim_type {
            body["scimType"] = scim_type.as_str().into();
        }
        body["detail"] = self.detail.as_str().into();
        body
    }
}

impl fmt::Display for ScimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for ScimError {}

/// `invalidValue` for the attribute of this path: "`emails.value` must be a string".
pub(crate) fn invalid(path: &dyn fmt::Display, problem: impl fmt::Display) -> ScimError {
    ScimError::new(ScimType::InvalidValue, format!("`{path}` {problem}"))
}

/// The path of an attribute, such as `urn:…:User:manager`, which becomes text only when an error needs it.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) extension: Option<&'a str>,
    pub(crate) attribute: &'a str,
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(urn) = self.extension {
            write!(f, "{urn}:")?;
        }
        f.write_str(self.attribute)
    }
}

/// The path of a sub-attribute: the path of its attribute, and its name.
pub(crate) struct Sub<'a>(pub(crate) &'a dyn fmt::Display, pub(crate) &'a str);

impl fmt::Display for Sub<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// Input as it is quoted in a message: at most 100 characters, on one line.
pub(crate) fn shortened(text: &str) -> String {
    let mut short: String = text
        .chars()
        .take(100)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
