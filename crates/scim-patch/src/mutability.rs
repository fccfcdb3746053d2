//! Rules about readOnly, immutable and required attributes (RFC 7644 section 3.5.2).

use std::fmt;

use scim_model::internal::key;
use scim_model::schema::Mutability;
use scim_model::{Attribute, AttributePath, ScimError, ScimType};
use serde_json::Value;

pub(crate) fn is_read_only(found: &AttributePath) -> bool {
    found.attribute.mutability == Mutability::ReadOnly || found.leaf().mutability == Mutability::ReadOnly
}

pub(crate) fn is_immutable(attribute: &Attribute) -> bool {
    attribute.mutability == Mutability::Immutable
}

pub(crate) fn refuse_read_only(found: &AttributePath) -> Result<(), ScimError> {
    if is_read_only(found) {
        return Err(ScimError::at(ScimType::Mutability, found, "is readOnly"));
    }
    Ok(())
}

/// Refuses the removal of a required attribute, which RFC 7644 section 3.5.2.2 calls an error of
/// `mutability`.
pub(crate) fn refuse_required(path: &dyn fmt::Display, attribute: &Attribute) -> Result<(), ScimError> {
    if attribute.required {
        let problem = "is required and cannot be removed";
        return Err(ScimError::at(ScimType::Mutability, path, problem));
    }
    Ok(())
}

/// Refuses to leave a required attribute without a value.
pub(crate) fn refuse_missing(
    path: &dyn fmt::Display,
    attribute: &Attribute,
    new: Option<&Value>,
) -> Result<(), ScimError> {
    let is_missing = new.is_none_or(|it| it.as_str() == Some(""));
    if attribute.required && is_missing {
        return Err(missing(path));
    }
    Ok(())
}

pub(crate) fn missing(path: &dyn fmt::Display) -> ScimError {
    ScimError::at(ScimType::InvalidValue, path, "is required and must have a value")
}

/// Refuses to change an immutable value.
///
/// RFC 7644 section 3.5.2: an immutable attribute may get its first value, and may be sent again with the same
/// value. A single complex value with an immutable sub-attribute cannot be removed either.
pub(crate) fn refuse_immutable(
    path: &dyn fmt::Display,
    attribute: &Attribute,
    old: Option<&Value>,
    new: Option<&Value>,
) -> Result<(), ScimError> {
    let Some(old) = old else { return Ok(()) };
    let is_same = || new.is_some_and(|new| key::same(attribute, old, new));
    if is_immutable(attribute) && !is_same() {
        let problem = "is immutable and has a value";
        return Err(ScimError::at(ScimType::Mutability, path, problem));
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
