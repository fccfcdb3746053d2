//! A resource's own attributes in canonical form, as they are stored.

mod check;
mod create;
mod replace;
mod retain;
mod stored;
mod unfold;

use std::sync::Arc;

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::schema::{Attribute, AttributePath, ResourceType, Schema};
use crate::secret::SentSecrets;
use crate::tolerance::Tolerance;

/// Bytes of all attributes of a resource together, without the members of a group.
#[doc(hidden)]
pub const MAX_DOCUMENT: usize = 1024 * 1024;

/// The attributes of a resource that clients may change, in canonical form: names are spelled as in the
/// schema, `null`, `[]` and `{}` do not occur, and values have the form that is stored and returned.
///
/// It holds neither `id`, `meta` and `schemas` nor derived attributes (`User.groups`, `Group.members`),
/// which belong to the store. `schemas` is derived from it, see [`Document::schemas`]. Data that no schema
/// describes, because an operator removed an extension, stays in it and is not shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document(Map<String, Value>);

/// The result of reading the body of a POST or PUT.
#[derive(Clone, Debug, PartialEq)]
pub struct Sent {
    /// The document to store.
    pub document: Document,
    /// Ids of the group's members, in order and each once; `None` when the type has no members, or the body
    /// does not name them. A replacement that does not name them clears them, so there it is always
    /// `Some` for groups.
    pub members: Option<Vec<Uuid>>,
    /// The `type` of those members for which the client sent one. A type that contradicts the member is an
    /// error, which only the store can detect.
    pub member_types: Vec<(Uuid, String)>,
    /// The password and other secrets: valid, and not in the document. A replacement keeps secrets
    /// that it does not name.
    pub secrets: SentSecrets,
    /// The attributes with `returned` = `request` that the client sent. They are part of the response (RFC 7643
    /// section 7).
    pub requested: Vec<AttributePath>,
    /// The tolerances that the body needed, each once.
    pub tolerances: Vec<Tolerance>,
}

impl Document {
    /// Wraps values that are in canonical form already.
    pub fn from_values(values: Map<String, Value>) -> Document {
        Document(values)
    }

    /// The attributes by name, those of an extension in an object under its URN.
    pub fn values(&self) -> &Map<String, Value> {
        &self.0
    }

    /// The attributes, as [`Document::values`] returns them.
    pub fn into_values(self) -> Map<String, Value> {
        self.0
    }

    /// Adds a value that is not stored with the document, such as `members` while a PATCH needs the whole
    /// list.
    pub fn insert(&mut self, name: &str, value: Value) {
        self.0.insert(name.to_owned(), value);
    }

    /// Removes a value that [`Document::insert`] added.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        self.0.shift_remove(name)
    }

    /// Sets unassigned attributes to their default, if they have one: `active` becomes true. For servers that
    /// store and show the default.
    pub fn fill_defaults(&mut self, resource_type: &ResourceType) {
        for attribute in with_default(resource_type) {
            if let Some(default) = attribute.default {
                self.0
                    .entry(attribute.name.as_str())
                    .or_insert(Value::Bool(default));
            }
        }
    }

    /// The URNs of the schemas that have values in it, the core schema first. A required extension
    /// whose attributes are all secrets is among them, although secrets are in no document.
    pub fn schemas<'a>(&self, resource_type: &'a ResourceType) -> Vec<&'a str> {
        let is_secret = |schema: &Schema| schema.attributes.iter().all(|it| it.is_secret());
        let present = resource_type.extensions.iter().filter(|(schema, required)| {
            self.0.get(&*schema.id).is_some_and(has_values) || (*required && is_secret(schema))
        });
        let present = present.map(|(schema, _)| &*schema.id);
        [&*resource_type.schema.id].into_iter().chain(present).collect()
    }

    /// Whether an extension has values in it.
    fn has_extension(&self, urn: &str) -> bool {
        self.extension(urn).is_some()
    }

    fn extension(&self, urn: &str) -> Option<&Map<String, Value>> {
        let values = self.0.get(urn)?.as_object()?;
        (!values.is_empty()).then_some(values)
    }
}

fn with_default(resource_type: &ResourceType) -> impl Iterator<Item = &Arc<Attribute>> {
    let attributes = resource_type.schema.attributes.iter();
    attributes.filter(|it| it.default.is_some())
}

/// A common or core attribute by name in any case, and its position. Common attributes come first, as in
/// [`ResourceType::parts`].
fn core_attribute<'a>(resource_type: &'a ResourceType, name: &str) -> Option<(usize, &'a Arc<Attribute>)> {
    let common = resource_type.common.attributes.iter();
    let mut attributes = common.chain(&resource_type.schema.attributes).enumerate();
    attributes.find(|(_, it)| it.name.eq_ignore_ascii_case(name))
}

fn extension_index(resource_type: &ResourceType, urn: &str) -> Option<usize> {
    let mut extensions = resource_type.extensions.iter();
    extensions.position(|(schema, _)| schema.id.eq_ignore_ascii_case(urn))
}

/// Whether a schema of the type describes the attribute or extension.
fn is_described(resource_type: &ResourceType, name: &str) -> bool {
    core_attribute(resource_type, name).is_some() || extension_index(resource_type, name).is_some()
}

/// Whether the attribute is `members` of a group, which the store keeps as rows. It is part of a document only while
/// a PATCH needs the whole list.
fn is_kept_elsewhere(resource_type: &ResourceType, name: &str) -> bool {
    resource_type.has_members() && name == "members"
}

fn has_values(value: &Value) -> bool {
    value.as_object().is_some_and(|it| !it.is_empty())
}
