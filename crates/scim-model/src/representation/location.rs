//! URIs of resources.

use uuid::Uuid;

use super::body::write_id;
use crate::schema::ResourceType;

/// The URI of a resource: `meta.location`, `$ref` and the `Location` header.
pub fn location(base_url: &str, resource_type: &ResourceType, id: Uuid) -> String {
    let mut uri = String::with_capacity(base_url.len() + resource_type.endpoint.len() + 37);
    write_location(&mut uri, base_url, &resource_type.endpoint, id);
    uri
}

pub(super) fn write_location(text: &mut String, base_url: &str, endpoint: &str, id: Uuid) {
    text.push_str(base_url);
    text.push_str(endpoint);
    text.push('/');
    write_id(text, id);
}
