//! Attribute notation of clients that differs from RFC 7644 section 3.10.

use std::borrow::{Borrow, Cow};
use std::sync::Arc;

use scim_filter::AttrPath;
use serde_json::{Map, Value};

use crate::error::{ScimError, ScimType, shortened};
use crate::schema::registry::SchemaRegistry;
use crate::schema::{AttributePath, ResourceType, Schema, attribute_named};
use crate::tolerance::{Tolerance, Tolerances};

/// Replaces each dot after the URN of a schema by a colon, in a path or a filter.
///
/// ConnId (Syncope) and Slack write `urn:…:enterprise:2.0:User.department` (trace
/// `syncope/dot-after-extension-urn`). Only the URNs that the types have are known to end there.
pub fn colons_after_urns<'t, R: Borrow<ResourceType>>(
    text: &'t str,
    resource_types: &[R],
    tolerances: &Tolerances,
) -> Cow<'t, str> {
    let mut dots = Vec::new();
    let mut quote = None;
    let mut before = b' ';
    let mut bytes = text.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        let starts_word = matches!(before, b' ' | b'\t'..=b'\r' | b'(' | b'[');
        before = byte;
        match (quote, byte) {
            (Some(_), b'\\') => _ = bytes.next(),
            (Some(closing), _) if byte == closing => quote = None,
            (Some(_), _) => {}
            (None, b'"') => quote = Some(byte),
            (None, b'\'') if starts_word => quote = Some(byte),
            (None, _) if starts_word => {
                dots.extend(dot_after_urn(&text[at..], resource_types).map(|it| at + it));
            }
            (None, _) => {}
        }
    }
    if dots.is_empty() || !tolerances.allow(Tolerance::DotAfterUrn) {
        return Cow::Borrowed(text);
    }
    let mut replaced = text.to_owned();
    for dot in dots {
        replaced.replace_range(dot..=dot, ":");
    }
    Cow::Owned(replaced)
}

/// Returns the offset of the dot between the URN of a schema, with which the text begins, and a name.
pub(crate) fn dot_after_urn<R: Borrow<ResourceType>>(text: &str, resource_types: &[R]) -> Option<usize> {
    let (schema, rest) = resource_types
        .iter()
        .find_map(|it| after_urn(it.borrow(), text))?;
    let name = rest.strip_prefix('.')?;
    if !name.starts_with(|it: char| it.is_ascii_alphabetic() || it == '$') {
        return None;
    }
    // Another schema may have an attribute with the last word of the URN as its name.
    let (urn, last) = schema.id.rsplit_once(':')?;
    let is_attribute = |it: &R| {
        let schema = it.borrow().schema_of(urn);
        schema.is_some_and(|it| attribute_named(&it.attributes, last).is_some())
    };
    (!resource_types.iter().any(is_attribute)).then_some(schema.id.len())
}

/// Returns the schema of a type whose URN is the beginning of a text, the longest if there are several, and the rest
/// of the text. The URN ends at a colon, at a dot or with the text.
pub(crate) fn after_urn<'a, 't>(
    resource_type: &'a ResourceType,
    text: &'t str,
) -> Option<(&'a Schema, &'t str)> {
    let extensions = resource_type.extensions.iter().map(|(schema, _)| schema);
    after_urn_of([&resource_type.schema].into_iter().chain(extensions), text)
}

fn after_urn_of<'a, 't>(
    schemas: impl IntoIterator<Item = &'a Arc<Schema>>,
    text: &'t str,
) -> Option<(&'a Schema, &'t str)> {
    let found = schemas.into_iter().filter_map(|schema| {
        let (urn, rest) = text.split_at_checked(schema.id.len())?;
        let ends = rest.is_empty() || rest.starts_with([':', '.']);
        (ends && urn.eq_ignore_ascii_case(&schema.id)).then_some((&**schema, rest))
    });
    found.max_by_key(|(schema, _)| schema.id.len())
}

/// Returns the schema of the type whose URN is the beginning of a name. Such a name is never ignored as unknown: it says
/// where its value belongs, and a response that reports success must not have lost it.
pub fn schema_named<'a>(resource_type: &'a ResourceType, name: &str) -> Option<&'a Schema> {
    after_urn(resource_type, name).map(|(schema, _)| schema)
}

/// Checks that no key of a body names a schema of this server that the resource type does not have. Unknown attributes
/// are ignored, but a client that names a known schema expects its value to be stored, and would be told so.
///
/// # Errors
/// `scim_type`, with the key.
pub fn check_keys(
    registry: &SchemaRegistry,
    resource_type: &ResourceType,
    body: &Value,
    scim_type: ScimType,
) -> Result<(), ScimError> {
    for (key, value) in body.as_object().into_iter().flatten() {
        let is_empty = value.is_null() || value.as_object().is_some_and(Map::is_empty);
        if is_empty || schema_named(resource_type, key).is_some() {
            continue;
        }
        if after_urn_of(&registry.schemas, key).is_some() {
            let problem = format_args!(
                "names a schema that resources of the type `{}` do not have",
                resource_type.name
            );
            return Err(ScimError::at(scim_type, shortened(key), problem));
        }
    }
    Ok(())
}

/// Finds an attribute, also by the `value` of a simple multi-valued one: `tags.value`.
///
/// Clients of Entra with custom extensions treat all multi-valued attributes alike.
pub fn find_attribute(
    resource_type: &ResourceType,
    path: &AttrPath,
    tolerances: &Tolerances,
) -> Option<AttributePath> {
    if let Some(found) = resource_type.resolve(path) {
        return Some(found);
    }
    path.sub().filter(|it| it.eq_ignore_ascii_case("value"))?;
    let found = resource_type.resolve(&AttrPath::of(path.urn(), path.name(), None))?;
    (found.attribute.has_simple_values() && tolerances.allow(Tolerance::ValueOfSimple)).then_some(found)
}
