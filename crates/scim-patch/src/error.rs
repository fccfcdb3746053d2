//! What is wrong with a PATCH, and with which of its operations.

use std::fmt;

use scim_model::schema::Mutability;
use scim_model::{Attribute, AttributePath, ScimError, ScimType, key};
use serde_json::Value;

/// A PATCH that cannot be applied; nothing of it was.
///
/// Displays as `operation 3: path "emails[type eq \"home\"]" matches nothing`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatchError {
    /// Number of the operation, from 1; `None` when the whole request, or its result, is wrong.
    pub operation: Option<usize>,
    /// The operation's path, as it came.
    pub path: Option<String>,
    /// The error, whose detail does not name the operation.
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
    ScimError::new(
        ScimType::NoTarget,
        format!("path {} matches nothing", quoted(path)),
    )
}

/// Input in a message: one line in quotes, not long.
pub(crate) fn quoted(text: &str) -> String {
    const LONGEST: usize = 200;
    match text.char_indices().nth(LONGEST) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}…", &text[..end]),
    }
}

pub(crate) fn is_read_only(found: &AttributePath) -> bool {
    found.attribute.mutability == Mutability::ReadOnly || found.leaf().mutability == Mutability::ReadOnly
}

pub(crate) fn refuse_read_only(found: &AttributePath) -> Result<(), ScimError> {
    if is_read_only(found) {
        return Err(ScimError::at(ScimType::Mutability, found, "is readOnly"));
    }
    Ok(())
}

/// RFC 7644 section 3.5.2.2: removing a required attribute is an error of mutability.
pub(crate) fn refuse_required(path: &dyn fmt::Display, attribute: &Attribute) -> Result<(), ScimError> {
    if attribute.required {
        let problem = "is required and cannot be removed";
        return Err(ScimError::at(ScimType::Mutability, path, problem));
    }
    Ok(())
}

/// A required attribute that is given nothing for a value.
pub(crate) fn missing(path: &dyn fmt::Display) -> ScimError {
    ScimError::at(ScimType::InvalidValue, path, "is required and must have a value")
}

/// RFC 7644 section 3.5.2: an immutable attribute may get its first value, and be given the same
/// again. What is immutable in a single complex value holds that value.
pub(crate) fn refuse_immutable(
    path: &dyn fmt::Display,
    attribute: &Attribute,
    old: Option<&Value>,
    new: Option<&Value>,
) -> Result<(), ScimError> {
    let Some(old) = old else { return Ok(()) };
    let is_same = || new.is_some_and(|new| key::same(attribute, old, new));
    if is_immutable(attribute) && !is_same() {
        return Err(ScimError::at(
            ScimType::Mutability,
            path,
            "is immutable and has a value",
        ));
    }
    if attribute.multi_valued {
        return Ok(());
    }
    for sub in attribute.sub_attributes.iter().filter(|it| is_immutable(it)) {
        let path = format_args!("{path}.{}", sub.name);
        let new = new.and_then(|it| it.get(&sub.name));
        refuse_immutable(&path, sub, old.get(&sub.name), new)?;
    }
    Ok(())
}

pub(crate) fn is_immutable(attribute: &Attribute) -> bool {
    attribute.mutability == Mutability::Immutable
}
