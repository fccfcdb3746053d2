//! Attribute notation of clients that differs from RFC 7644 section 3.10.

use std::borrow::{Borrow, Cow};
use std::ops::Range;
use std::sync::Arc;

use scim_filter::AttrPath;
use serde_json::{Map, Value};

use crate::error::{ScimError, ScimType, shortened};
use crate::schema::registry::SchemaRegistry;
use crate::schema::{AttributePath, ResourceType, Schema, attribute_named};
use crate::tolerance::{Tolerance, Tolerances};

/// Converts the names in a path or a filter to the notation of the RFC: a colon follows the URN of a schema, and
/// `.value` does not follow an attribute or sub-attribute whose values are simple.
///
/// ConnId (Syncope) and Slack write `urn:…:enterprise:2.0:User.department` (trace `syncope/dot-after-extension-urn`);
/// clients of Entra with custom extensions treat all multi-valued attributes alike. This works only for the URNs and
/// sub-attributes of the given types, because the end of others is not known.
pub fn standard_notation<'t, R: Borrow<ResourceType>>(
    text: &'t str,
    resource_types: &[R],
    tolerances: &Tolerances,
) -> Cow<'t, str> {
    let mut edits = Vec::new();
    let mut quote = None;
    let mut before = b' ';
    let mut bytes = text.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        let starts_word = matches!(before, b' ' | b'\t'..=b'\r' | b'(' | b'[');
        let follows_filter = before == b']' && byte == b'.';
        before = byte;
        match (quote, byte) {
            (Some(_), b'\\') => _ = bytes.next(),
            (Some(closing), _) if byte == closing => quote = None,
            (Some(_), _) => {}
            (None, b'"') => quote = Some(byte),
            (None, b'\'') if starts_word => quote = Some(byte),
            (None, _) if starts_word || follows_filter => {
                let rest = &text[at..];
                let dot = dot_after_urn(rest, resource_types);
                edits.extend(dot.map(|it| (at + it..at + it + 1, ":", Tolerance::DotAfterUrn)));
                let value = value_of_simple(rest, resource_types);
                edits.extend(value.map(|it| (at + it.start..at + it.end, "", Tolerance::ValueOfSimple)));
            }
            (None, _) => {}
        }
    }
    edits.retain(|(.., tolerance)| tolerances.allow(*tolerance));
    if edits.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut replaced = text.to_owned();
    for (range, new, _) in edits.into_iter().rev() {
        replaced.replace_range(range, new);
    }
    Cow::Owned(replaced)
}

/// Returns the place of `.value` after the name of an attribute or sub-attribute whose values are simple, in the word with
/// which the text begins: `tags.value`, `address.lines.value`, or `.lines.value` after a filter in brackets.
fn value_of_simple<R: Borrow<ResourceType>>(text: &str, resource_types: &[R]) -> Option<Range<usize>> {
    let end = text.find(|it: char| it.is_ascii_whitespace() || "[]()".contains(it));
    let word = &text[..end.unwrap_or(text.len())];
    let (path, value) = word.rsplit_once('.')?;
    let is_simple = |it: &R| has_simple_values(it.borrow(), path);
    (value.eq_ignore_ascii_case("value") && resource_types.iter().any(is_simple))
        .then_some(path.len()..word.len())
}

/// Returns whether a path names an attribute or sub-attribute whose values are simple. A path without the name of the
/// attribute, `.lines`, means the sub-attribute of any attribute.
fn has_simple_values(resource_type: &ResourceType, path: &str) -> bool {
    let (schema, path) = match after_urn(resource_type, path) {
        None => (None, path),
        Some((schema, rest)) => (Some(schema), rest.get(1..).unwrap_or_default()),
    };
    let (name, sub) = path
        .split_once('.')
        .map_or((path, None), |(name, sub)| (name, Some(sub)));
    if name.is_empty() && sub.is_none() {
        return false; // `.value` after a filter is a sub-attribute itself, in `emails[type eq "work"].value`.
    }
    let is_named = |extension: Option<&Arc<str>>| match schema {
        None => extension.is_none() || name.is_empty(),
        Some(it) if it.id == resource_type.schema.id => extension.is_none(),
        Some(it) => extension == Some(&it.id),
    };
    let schemas = resource_type.parts().filter(|(it, _)| is_named(*it));
    let mut attributes = schemas.flat_map(|(_, schema)| &schema.attributes);
    attributes.any(|it| {
        let leaf = sub.map_or(Some(it), |sub| it.sub_attribute(sub));
        (name.is_empty() || it.name.eq_ignore_ascii_case(name))
            && leaf.is_some_and(|leaf| leaf.has_simple_values())
    })
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

/// Returns the schema of the type whose URN is the beginning of a name. Such a name is never ignored as unknown: it
/// says where its value belongs, so success must not be reported without storing the value.
pub fn schema_named<'a>(resource_type: &'a ResourceType, name: &str) -> Option<&'a Schema> {
    after_urn(resource_type, name).map(|(schema, _)| schema)
}

/// Checks that no key of a body, or of an object under the URN of a schema in it, names a schema of this server that
/// the resource type does not have, and that no key inside the value of an attribute names a schema at all. Other
/// unknown attributes are ignored, but a client that names a known schema expects its value to be stored, and a
/// successful response would confirm that.
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
        if is_empty(value) {
            continue;
        }
        match after_urn(resource_type, key) {
            Some((_, "")) => check_keys(registry, resource_type, value, scim_type)?,
            None if after_urn_of(&registry.schemas, key).is_some() => {
                let problem = format_args!(
                    "names a schema that resources of the type `{}` do not have",
                    resource_type.name
                );
                return Err(ScimError::at(scim_type, shortened(key), problem));
            }
            _ => check_inner_keys(registry, value, scim_type)?,
        }
    }
    Ok(())
}

/// Checks the value of a PATCH operation in the same way. Without `path`, or with the URN of a schema as `path`, the
/// value contains the attributes of a resource; otherwise it is the value of an attribute.
///
/// # Errors
/// The errors of [`check_keys`].
pub fn check_keys_at(
    registry: &SchemaRegistry,
    resource_type: &ResourceType,
    path: Option<&str>,
    value: &Value,
    scim_type: ScimType,
) -> Result<(), ScimError> {
    match path.map(|it| after_urn(resource_type, it)) {
        None | Some(Some((_, ""))) => check_keys(registry, resource_type, value, scim_type),
        Some(_) => check_inner_keys(registry, value, scim_type),
    }
}

/// Checks the keys inside the value of an attribute, where no name has a schema.
fn check_inner_keys(registry: &SchemaRegistry, value: &Value, scim_type: ScimType) -> Result<(), ScimError> {
    match value {
        Value::Array(elements) => elements
            .iter()
            .try_for_each(|it| check_inner_keys(registry, it, scim_type)),
        Value::Object(members) => members.iter().try_for_each(|(key, value)| {
            if !is_empty(value) && after_urn_of(&registry.schemas, key).is_some() {
                let problem = "names a schema, which no key inside the value of an attribute does";
                return Err(ScimError::at(scim_type, shortened(key), problem));
            }
            check_inner_keys(registry, value, scim_type)
        }),
        _ => Ok(()),
    }
}

/// Returns whether nothing is lost when a value is ignored.
fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_object().is_some_and(Map::is_empty)
}

/// Finds an attribute, which may be named by the `value` of a simple multi-valued one: `tags.value`.
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
