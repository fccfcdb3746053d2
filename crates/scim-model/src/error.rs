//! Errors as a client sees them (RFC 7644 section 3.12, RFC 9865 section 2.1).

use std::fmt;

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
    /// The keyword as it is written in an error body.
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

/// The kind of an error: a keyword of the RFCs, or a problem for which they have no keyword.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request has the problem that the `scimType` names.
    Scim(ScimType),
    /// The request or its result is larger than this implementation accepts.
    TooLarge,
    /// The request is valid, but the server cannot answer it: for example, a stored document is damaged.
    Internal,
}

/// An error as the client sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScimError {
    /// The kind of the error, which decides the HTTP status and the `scimType` of the response.
    pub kind: ErrorKind,
    /// Full path of the attribute at fault, or the URN of an extension; `None` when no single attribute
    /// is.
    pub path: Option<String>,
    /// One line for the administrator who reads it in the identity provider's log. It names the
    /// attribute and says which value would be right.
    pub detail: String,
}

impl ScimError {
    /// An error that no single attribute causes.
    pub fn new(scim_type: ScimType, detail: impl Into<String>) -> ScimError {
        ScimError::of_kind(ErrorKind::Scim(scim_type), detail)
    }

    /// An error of one attribute. The detail is the path in backticks, followed by `problem`, as in
    /// `` `userName` is required``.
    pub fn at(scim_type: ScimType, path: impl fmt::Display, problem: impl fmt::Display) -> ScimError {
        let path = path.to_string();
        let detail = format!("`{path}` {problem}");
        ScimError {
            path: Some(path),
            ..ScimError::new(scim_type, detail)
        }
    }

    /// An error of the kind [`ErrorKind::TooLarge`].
    pub fn too_large(detail: impl Into<String>) -> ScimError {
        ScimError::of_kind(ErrorKind::TooLarge, detail)
    }

    /// An error of the kind [`ErrorKind::Internal`].
    pub fn internal(detail: impl Into<String>) -> ScimError {
        ScimError::of_kind(ErrorKind::Internal, detail)
    }

    fn of_kind(kind: ErrorKind, detail: impl Into<String>) -> ScimError {
        ScimError {
            kind,
            path: None,
            detail: detail.into(),
        }
    }

    /// The keyword, where the RFCs have one.
    pub fn scim_type(&self) -> Option<ScimType> {
        match self.kind {
            ErrorKind::Scim(scim_type) => Some(scim_type),
            ErrorKind::TooLarge | ErrorKind::Internal => None,
        }
    }
}

impl fmt::Display for ScimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for ScimError {}

/// An `invalidValue` error of one attribute.
pub(crate) fn invalid(path: &dyn fmt::Display, problem: impl fmt::Display) -> ScimError {
    ScimError::at(ScimType::InvalidValue, path, problem)
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
