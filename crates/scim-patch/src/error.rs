//! What is wrong with a PATCH, and with which of its operations.

use std::fmt;

use scim_model::{ScimError, ScimType};

/// A PATCH that cannot be applied; nothing of it was.
///
/// Displays as `operation 3: path "emails[type eq \"home\"]" matches nothing`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatchError {
    /// Number of the operation, from 1; `None` when the whole request, or its result, is wrong.
    pub operation: Option<usize>,
    /// The operation's path, as it came.
    pub path: Option<String>,
    /// Status, `scimType` and what is wrong, without the operation.
    pub error: ScimError,
}

impl PatchError {
    pub(crate) fn whole(error: ScimError) -> PatchError {
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

pub(crate) fn mutability(detail: impl Into<String>) -> ScimError {
    ScimError::new(ScimType::Mutability, detail)
}

pub(crate) fn no_target(path: &str) -> ScimError {
    ScimError::new(ScimType::NoTarget, format!("path {path:?} matches nothing"))
}
