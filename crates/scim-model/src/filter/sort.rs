//! Sorting: the attribute that `sortBy` names, and the key of a resource (RFC 7644 section 3.4.2.3).

use std::sync::Arc;

use scim_filter::AttrPath;
use serde_json::{Map, Value};

use super::normal::holder;
use super::resolve::{refuse_never_returned, with_value};
use crate::error::{ErrorKind, ScimError, ScimType};
use crate::schema::{AttributePath, ResourceType};

/// Resolves `sortBy` for each type of a query (RFC 7644 section 3.4.2.3). As in filters, a complex attribute
/// without a sub-attribute means its `value`. A type that lacks the attribute has `None`.
///
/// # Errors
/// `invalidValue` when no type has the attribute, when it is complex without `value`, when it is never
/// returned, and for `members` and `groups`, which have no order.
pub fn resolve_sort_by(
    sort_by: &AttrPath,
    resource_types: &[Arc<ResourceType>],
) -> Result<Vec<Option<AttributePath>>, ScimError> {
    let refuse = |problem: &str| ScimError::at(ScimType::InvalidValue, sort_by, problem);
    let mut paths = Vec::with_capacity(resource_types.len());
    for resource_type in resource_types {
        let Some(found) = resource_type.resolve(sort_by) else {
            paths.push(None);
            continue;
        };
        refuse_never_returned(&found).map_err(|_| refuse("is never returned and cannot be sorted by"))?;
        let found = with_value(found).map_err(|error| ScimError {
            kind: ErrorKind::Scim(ScimType::InvalidValue),
            ..error
        })?;
        let is_derived = found.extension.is_none()
            && (resource_type.has_members() && found.attribute.name == "members"
                || resource_type.has_groups() && found.attribute.name == "groups");
        if is_derived {
            return Err(refuse("cannot be sorted by: its values have no order"));
        }
        paths.push(Some(found));
    }
    if paths.iter().all(Option::is_none) {
        let names: Vec<&str> = resource_types.iter().map(|it| &*it.name).collect();
        let detail = format!(
            "`{sort_by}`, given in `sortBy`, is not an attribute of {}",
            names.join(" or ")
        );
        return Err(ScimError {
            path: Some(sort_by.to_string()),
            ..ScimError::new(ScimType::InvalidValue, detail)
        });
    }
    Ok(paths)
}

/// The sort key of a resource (RFC 7644 section 3.4.2.3, A-72): for a multi-valued attribute the
/// key of the primary value, or else of the first.
pub fn sort_key(path: &AttributePath, normal_form: &Map<String, Value>) -> Option<String> {
    let mut value = holder(path, normal_form)?.get(&path.attribute.name)?;
    if let Value::Array(values) = value {
        value = values
            .iter()
            .find(|it| it["primary"] == Value::Bool(true))
            .or(values.first())?;
    }
    if let Some(sub) = &path.sub {
        value = value.get(&sub.name)?;
        if let Value::Array(values) = value {
            value = values.first()?;
        }
    }
    match value {
        Value::String(key) => Some(key.clone()),
        Value::Bool(key) => Some(key.to_string()),
        _ => None,
    }
}
