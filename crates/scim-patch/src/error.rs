//! The error of a PATCH, with the operation that caused it.

use std::fmt;

use scim_model::{AttributePath, ScimError, ScimType};

/// The reason why a PATCH cannot be applied. Nothing of the PATCH was applied.
///
/// Displays as `operation 3: path "emails[type eq \"home\"]" matches nothing`. The conversion into [`ScimError`]
/// keeps that text as its detail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatchError {
    /// Number of the operation, from 1; `None` when the request as a whole or its result is invalid.
    pub operation: Option<usize>,
    /// The path of the operation, as the client sent it.
    pub path: Option<String>,
    /// The error, whose detail does not name the operation.
    pub error: ScimError,
}

impl PatchError {
    pub(crate) fn of_request(error: ScimError) -> PatchError {
        PatchError {
            operation: None,
            path: None,
            error,
        }
    }
}

impl fmt::Display for PatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(number) = self.operation {
            write!(f, "operation {number}: ")?;
        }
        f.write_str(&self.error.detail)
    }
}

impl std::error::Error for PatchError {}

impl From<PatchError> for ScimError {
    fn from(error: PatchError) -> ScimError {
        let detail = error.to_string();
        ScimError {
            detail,
            ..error.error
        }
    }
}

pub(crate) fn invalid_value(detail: impl Into<String>) -> ScimError {
    ScimError::new(ScimType::InvalidValue, detail)
}

pub(crate) fn invalid_path(detail: impl Into<String>) -> ScimError {
    ScimError::new(ScimType::InvalidPath, detail)
}

pub(crate) fn no_target(path: &str) -> ScimError {
    ScimError::new(
        ScimType::NoTarget,
        format!("path {} matches nothing", quoted(path)),
    )
}

/// A `remove` with a `value`, under a policy that does not accept one.
pub(crate) fn remove_with_value(attribute: &AttributePath) -> ScimError {
    let detail = format!(
        "a remove of `{attribute}` must not have a `value`: select the values by a filter in the path"
    );
    ScimError {
        path: Some(attribute.to_string()),
        ..invalid_value(detail)
    }
}

/// Quotes text from a client for a message: on one line, and shortened if it is long.
pub(crate) fn quoted(text: &str) -> String {
    const LONGEST: usize = 200;
    match text.char_indices().nth(LONGEST) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}…", &text[..end]),
    }
}
