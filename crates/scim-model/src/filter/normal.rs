//! The normal form of a resource, on which conditions are evaluated. It is stored with a document, so that
//! databases evaluate them on the same values.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::document::Document;
use crate::representation::reference::show_reference;
use crate::schema::registry::SchemaRegistry;
use crate::schema::{Attribute, AttributePath, AttributeType, ResourceType, attribute_named};
use crate::store::{Reference, Stored};
use crate::value::key;

impl Document {
    /// Replaces every value by its comparison key and adds `schemas`: strings are folded or exact, dateTimes are in
    /// UTC, numbers are ordered text, and booleans are unchanged. An unassigned boolean that has a default (`active`,
    /// A-08) gets it. Values that are never returned are left out, because clients must not search for them.
    pub fn normal_form(&self, resource_type: &ResourceType) -> Map<String, Value> {
        let mut normal = normal_resource(self.values(), resource_type);
        fill_defaults(&mut normal, resource_type);
        if let Some(attribute) = resource_type.core_attribute("schemas") {
            let urns = self.schemas(resource_type);
            let keys = urns
                .into_iter()
                .map(|urn| key::text(attribute, urn).into())
                .collect();
            normal.insert(attribute.name.clone(), Value::Array(keys));
        }
        normal
    }
}

/// The normal form of a whole resource: the document with `id`, `meta`, `members` and `groups`.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject(Map<String, Value>);

impl Subject {
    /// The attributes by name, each value as its comparison key; [`sort_key`](super::sort_key) reads them.
    pub fn normal_form(&self) -> &Map<String, Value> {
        &self.0
    }

    /// Converts a resource as a client sees it, with exactly the attributes that it has. For a document that may lack
    /// a default, use [`Subject::of_document`].
    pub fn of_resource(resource: &Map<String, Value>, resource_type: &ResourceType) -> Subject {
        Subject(normal_resource(resource, resource_type))
    }

    /// Converts a document. An unassigned boolean that has a default gets it, so that a user without `active` is
    /// active; `id`, `meta`, `members` and `groups` have no values.
    pub fn of_document(document: &Document, resource_type: &ResourceType) -> Subject {
        Subject(document.normal_form(resource_type))
    }

    /// Converts a resource as it is stored. `base_url` comes before the endpoint in `meta.location` and `$ref`,
    /// without a trailing slash. `references` contains the existing resources that this one refers to, such as the
    /// `manager` ([`ResourceStore::references`](crate::store::ResourceStore::references)); others in it are ignored.
    ///
    /// # Errors
    /// The stored document is not a JSON object.
    pub fn of_stored(
        stored: &Stored,
        resource_type: &ResourceType,
        registry: &SchemaRegistry,
        base_url: &str,
        references: &[Reference],
    ) -> Result<Subject, serde_json::Error> {
        let mut resource: Map<String, Value> = serde_json::from_str(&stored.document)?;
        for path in resource_type.shown_references() {
            let holder = match &path.extension {
                Some(urn) => resource.get_mut(&**urn).and_then(Value::as_object_mut),
                None => Some(&mut resource),
            };
            let value = holder.and_then(|it| it.get_mut(&path.attribute.name)?.as_object_mut());
            if let Some(value) = value {
                show_reference(value, &path, registry, base_url, references);
            }
        }
        let id = stored.id.to_string();
        let meta = json!({
            "resourceType": &*stored.resource_type,
            "created": key::instant(stored.created),
            "lastModified": key::instant(stored.last_modified),
            "location": format!("{base_url}{}/{id}", resource_type.endpoint),
            "version": format!("W/\"{}\"", stored.version),
        });
        resource.insert("id".to_owned(), id.into());
        resource.insert("meta".to_owned(), meta);
        if let Some(members) = &stored.members {
            resource.insert(
                "members".to_owned(),
                members.iter().map(|it| member(it, base_url)).collect(),
            );
        }
        if let Some(groups) = &stored.groups {
            resource.insert(
                "groups".to_owned(),
                groups.iter().map(|it| group(it, base_url)).collect(),
            );
        }
        let mut subject = Subject::of_resource(&resource, resource_type);
        fill_defaults(&mut subject.0, resource_type);
        Ok(subject)
    }
}

fn member(reference: &Reference, base_url: &str) -> Value {
    let Reference {
        id,
        resource_type,
        display,
    } = reference;
    // Members are Users and Groups (RFC 7643 section 4.2); both endpoints are the plural.
    json!({"value": id.to_string(), "$ref": format!("{base_url}/{resource_type}s/{id}"), "type": &**resource_type, "display": display})
}

fn group(reference: &Reference, base_url: &str) -> Value {
    let Reference { id, display, .. } = reference;
    json!({"value": id.to_string(), "$ref": format!("{base_url}/Groups/{id}"), "type": "direct", "display": display})
}

/// The object that holds the path's attribute: the resource, or an extension in it.
pub(crate) fn holder<'a>(
    path: &AttributePath,
    normal_form: &'a Map<String, Value>,
) -> Option<&'a Map<String, Value>> {
    match &path.extension {
        Some(urn) => normal_form.get(&**urn)?.as_object(),
        None => Some(normal_form),
    }
}

fn normal_resource(resource: &Map<String, Value>, resource_type: &ResourceType) -> Map<String, Value> {
    let mut normal = Map::new();
    for (name, value) in resource {
        if let Some(attribute) = resource_type.core_attribute(name) {
            normal.extend(normal_value(attribute, value).map(|it| (attribute.name.clone(), it)));
        } else if let (Some(schema), Value::Object(members)) = (resource_type.extension_of(name), value) {
            normal.extend(normal_object(&schema.attributes, members).map(|it| (schema.id.to_string(), it)));
        }
    }
    normal
}

/// Gives unassigned booleans their default: a user is active unless a client has set `active`.
fn fill_defaults(normal: &mut Map<String, Value>, resource_type: &ResourceType) {
    for attribute in &resource_type.schema.attributes {
        if let Some(default) = attribute.default {
            normal
                .entry(attribute.name.as_str())
                .or_insert(Value::Bool(default));
        }
    }
}

fn normal_object(attributes: &[Arc<Attribute>], members: &Map<String, Value>) -> Option<Value> {
    let mut normal = Map::new();
    for (name, value) in members {
        if let Some(attribute) = attribute_named(attributes, name) {
            normal.extend(normal_value(attribute, value).map(|it| (attribute.name.clone(), it)));
        }
    }
    (!normal.is_empty()).then_some(Value::Object(normal))
}

fn normal_value(attribute: &Attribute, value: &Value) -> Option<Value> {
    if attribute.is_never_read() {
        return None;
    }
    if !attribute.multi_valued {
        return normal_single(attribute, value);
    }
    let normal: Vec<Value> = match value {
        Value::Array(values) => values
            .iter()
            .filter_map(|it| normal_single(attribute, it))
            .collect(),
        single => normal_single(attribute, single).into_iter().collect(),
    };
    (!normal.is_empty()).then_some(Value::Array(normal))
}

fn normal_single(attribute: &Attribute, value: &Value) -> Option<Value> {
    match (attribute.type_, value) {
        (AttributeType::Complex, Value::Object(members)) => normal_object(&attribute.sub_attributes, members),
        (AttributeType::Complex, _) => None,
        _ => key::of(attribute, value).map(Value::from),
    }
}
