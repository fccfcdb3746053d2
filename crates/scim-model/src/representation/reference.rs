//! References that are shown with URI and name, such as `manager`.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::location::location;
use crate::schema::AttributePath;
use crate::schema::registry::SchemaRegistry;
use crate::store::Reference;

/// Adds the URI and the name to a reference such as `manager`, if its id is among `references`, and returns
/// the resource that it refers to.
pub(crate) fn show_reference<'a>(
    value: &mut Map<String, Value>,
    path: &AttributePath,
    registry: &SchemaRegistry,
    base_url: &str,
    references: &'a [Reference],
) -> Option<&'a Reference> {
    let id = value.get("value").and_then(Value::as_str)?;
    let reference = find_reference(path, id, references)?;
    if let Some(resource_type) = registry.resource_type(&reference.resource_type) {
        let uri = location(base_url, resource_type, reference.id);
        value.insert("$ref".to_owned(), uri.into());
    }
    if let Some(display) = reference.display.as_ref().filter(|_| path.attribute.shows_name()) {
        value.insert("displayName".to_owned(), display.as_str().into());
    }
    Some(reference)
}

/// Returns the resource with an id, if the attribute may refer to its type. Only the spelling with hyphens is
/// an id.
pub(super) fn find_reference<'a>(
    path: &AttributePath,
    id: &str,
    references: &'a [Reference],
) -> Option<&'a Reference> {
    let id = Uuid::try_parse(id).ok().filter(|_| id.len() == 36)?;
    let types = &path.attribute.sub_attribute("$ref")?.reference_types;
    references
        .iter()
        .find(|it| it.id == id && types.iter().any(|type_| **type_ == *it.resource_type))
}
