//! References: the id of the resource that a complex value names.

use std::fmt;

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::error::{ScimError, Sub, invalid, shortened};

/// The id that a reference names: its `value`, or else the last segment of its `$ref`.
///
/// URIs that differ only before the id, for example in the version of the API, name the same resource
/// (7643-2.4-06).
pub fn reference_id(value: &Map<String, Value>) -> Option<&str> {
    let text = |name| {
        value
            .get(name)
            .and_then(Value::as_str)
            .filter(|it| !it.is_empty())
    };
    text("value").or_else(|| text("$ref").and_then(last_segment))
}

/// Reads the id of a group's member, which is in canonical form.
///
/// # Errors
/// `invalidValue` when the id is missing, or when it is an id that no resource can have.
pub fn member_id(path: &dyn fmt::Display, member: &Value) -> Result<Uuid, ScimError> {
    let id = member.as_object().and_then(reference_id);
    let id = id.ok_or_else(|| invalid(&Sub(path, "value"), "is required: the id of a resource"))?;
    // Only the spelling with hyphens is accepted, so that a resource has one name: neither braces nor
    // `urn:uuid:`.
    let uuid = if id.len() == 36 {
        Uuid::try_parse(id).ok()
    } else {
        None
    };
    uuid.ok_or_else(|| {
        invalid(
            path,
            format_args!("names no resource: there is none with the id `{}`", shortened(id)),
        )
    })
}

fn last_segment(uri: &str) -> Option<&str> {
    let path = uri
        .split(['?', '#'])
        .next()
        .unwrap_or_default()
        .trim_end_matches('/');
    path.rsplit('/').next().filter(|it| !it.is_empty())
}
