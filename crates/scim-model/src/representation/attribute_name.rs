//! Names in `attributes` and `excludedAttributes` (RFC 7644 section 3.10), and the attributes that they name.

use std::sync::Arc;

use crate::notation::after_urn;
use crate::schema::{Attribute, ResourceType, Schema, attribute_named, is_attribute_name};

/// The schema, attribute or sub-attribute that a name refers to in a resource type.
pub(super) enum Target<'a> {
    /// A bare URN: all attributes of the schema, with the URN of the object that holds them.
    Schema(Option<&'a str>, &'a Schema),
    Attribute(Option<&'a str>, &'a Arc<Attribute>, Option<&'a Arc<Attribute>>),
}

/// Finds the target of a name. Syncope joins the URN and the attribute with a dot.
pub(super) fn target<'a>(resource_type: &'a ResourceType, name: &str) -> Option<Target<'a>> {
    let Some((schema, rest)) = after_urn(resource_type, name) else {
        return attribute_target(None, name, |name| resource_type.core_attribute(name));
    };
    let extension = (schema.id != resource_type.schema.id).then_some(&*schema.id);
    if rest.is_empty() {
        return Some(Target::Schema(extension, schema));
    }
    attribute_target(extension, &rest[1..], |name| match extension {
        None => resource_type.core_attribute(name),
        Some(_) => attribute_named(&schema.attributes, name),
    })
}

/// Finds the attribute or sub-attribute in `tags.value`, whose values are simple.
pub(super) fn simple_target<'a>(resource_type: &'a ResourceType, name: &str) -> Option<Target<'a>> {
    let found = target(resource_type, value_of(name)?)?;
    let is_simple = match &found {
        Target::Schema(..) => false,
        Target::Attribute(_, attribute, sub) => sub.unwrap_or(attribute).has_simple_values(),
    };
    is_simple.then_some(found)
}

/// Returns the name before `.value`.
pub(super) fn value_of(name: &str) -> Option<&str> {
    let (name, value) = name.rsplit_once('.')?;
    value.eq_ignore_ascii_case("value").then_some(name)
}

fn attribute_target<'a>(
    extension: Option<&'a str>,
    path: &str,
    find: impl Fn(&str) -> Option<&'a Arc<Attribute>>,
) -> Option<Target<'a>> {
    let (name, sub) = path
        .split_once('.')
        .map_or((path, None), |(name, sub)| (name, Some(sub)));
    let attribute = find(name)?;
    match sub {
        None => Some(Target::Attribute(extension, attribute, None)),
        Some(sub) => Some(Target::Attribute(
            extension,
            attribute,
            Some(attribute.sub_attribute(sub)?),
        )),
    }
}

/// The notation of Microsoft's Postman collection, which the RFC does not have (section 3.10).
pub(super) fn is_value_path(name: &str) -> bool {
    let Some((attribute, filter)) = name.split_once('[') else {
        return false;
    };
    let Some((_, sub)) = filter.rsplit_once(']') else {
        return false;
    };
    let sub_is_plain = || sub.strip_prefix('.').is_some_and(is_attribute_name);
    is_notation(attribute) && (sub.is_empty() || sub_is_plain())
}

/// `[URN ":"] ATTRNAME ["." subAttr]`, or a URN; Syncope puts a dot between URN and name.
pub(super) fn is_notation(name: &str) -> bool {
    let is_urn = name.get(..4).is_some_and(|it| it.eq_ignore_ascii_case("urn:"));
    let most = if is_urn { 3 } else { 2 };
    let path = if is_urn {
        name.rsplit(':').next().unwrap_or_default()
    } else {
        name
    };
    let urn_is_plain = name
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !b"\"[]()<>{}\\^`|".contains(&byte));
    let mut parts = path.split('.');
    urn_is_plain && parts.by_ref().take(most).all(is_attribute_name) && parts.next().is_none()
}
