//! References: the id of the resource that a complex value names.

use std::fmt;

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::error::{ScimError, Sub, invalid, shortened};

/// The id that a reference names: its `value`, else the last segment of its `$ref`.
///
/// URIs that differ in what stands before the id, the version of the API for one, name the same
/// resource (7643-2.4-06).
pub fn reference_id(value: &Map<String, Value>) -> Option<&str> {
    let text = |name| {
        value
            .get(name)
            .and_then(Value::as_str)
            .filter(|it| !it.is_empty())
    };
    text("value").or_else(|| text("$ref").and_then(last_segment))
}

/// The id of one member of a group in canonical form.
///
/// # Errors
/// `invalidValue` when it names none, or one that no resource can have.
pub fn member_id(path: &dyn fmt::Display, member: &Value) -> Result<Uuid, ScimError> {
    let id = member.as_object().and_then(reference_id);
    let id = id.ok_or_else(|| invalid(&Sub(path, "value"), "is required: the id of a resource"))?;
    // Only the spelling with hyphens: braces and `urn:uuid:` would be other names of the resource.
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
