//! A resource's own attributes in canonical form: from what a client sent, to what is stored.

mod check;
mod create;
mod replace;
mod retain;
mod stored;

use std::sync::Arc;

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::schema::{Attribute, AttributePath, ResourceType, Schema};
use crate::secret::SentSecrets;

/// Bytes of all attributes of a resource together, members of groups not counted.
pub const MAX_DOCUMENT: usize = 1024 * 1024;

/// What a client may change of a resource, in canonical form: names spelled as in the schema, no
/// `null`, `[]` or `{}`, values in the form that is stored and returned.
///
/// It holds neither `id`, `meta` and `schemas` nor derived attributes (`User.groups`,
/// `Group.members`): those belong to the store. `schemas` is derived from it, see
/// [`Document::schemas`]. What no schema describes, because an operator took an extension away,
/// stays in it and is not shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document(pub Map<String, Value>);

/// The body of a POST or PUT, understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Sent {
    /// What is to be stored.
    pub document: Document,
    /// Ids of the group's members, in order and each once; `None` when the type has no members, or
    /// the body did not speak of them. A replacement that does not speak of them clears them
    /// so there it is always `Some` for groups.
    pub members: Option<Vec<Uuid>>,
    /// The `type` of those members for which the client named one. One that contradicts the member
    /// is an error, which needs the store to tell.
    pub member_types: Vec<(Uuid, String)>,
    /// The password, and other secrets: valid, and not in the document. What a replacement
    /// does not speak of stays.
    pub secrets: SentSecrets,
    /// The attributes with `returned` = `request` that the client sent: they are part of the answer
    /// ([`crate::Projection::with_sent`]).
    pub requested: Vec<AttributePath>,
}

impl Document {
    /// Gives attributes that count as something while they are unassigned that value: `active` becomes
    /// true. For servers that want to store and show it.
    pub fn fill_defaults(&mut self, resource_type: &ResourceType) {
        for attribute in with_default(resource_type) {
            if let Some(default) = attribute.default {
                self.0
                    .entry(attribute.name.as_str())
                    .or_insert(Value::Bool(default));
            }
        }
    }

    /// The URNs of the schemas that have values in it, the core schema first; and of extensions
    /// that every resource must have and that hold nothing but secrets, which are in no document.
    pub fn schemas<'a>(&self, resource_type: &'a ResourceType) -> Vec<&'a str> {
        let is_secret = |schema: &Schema| schema.attributes.iter().all(|it| it.is_secret());
        let present = resource_type.extensions.iter().filter(|(schema, required)| {
            self.0.get(&*schema.id).is_some_and(has_values) || (*required && is_secret(schema))
        });
        let present = present.map(|(schema, _)| &*schema.id);
        [&*resource_type.schema.id].into_iter().chain(present).collect()
    }
}

fn with_default(resource_type: &ResourceType) -> impl Iterator<Item = &Arc<Attribute>> {
    resource_type
        .schema
        .attributes
        .iter()
        .filter(|it| it.default.is_some())
}

/// Common attributes come first, as in [`ResourceType::parts`].
fn core_attribute<'a>(resource_type: &'a ResourceType, name: &str) -> Option<(usize, &'a Arc<Attribute>)> {
    let attributes = resource_type
        .common
        .attributes
        .iter()
        .chain(&resource_type.schema.attributes);
    attributes
        .enumerate()
        .find(|(_, it)| it.name.eq_ignore_ascii_case(name))
}

fn extension_index(resource_type: &ResourceType, urn: &str) -> Option<usize> {
    resource_type
        .extensions
        .iter()
        .position(|(schema, _)| schema.id.eq_ignore_ascii_case(urn))
}

fn is_described(resource_type: &ResourceType, name: &str) -> bool {
    core_attribute(resource_type, name).is_some() || extension_index(resource_type, name).is_some()
}

/// `members` is in a document only while a PATCH needs the whole list.
fn is_kept_elsewhere(resource_type: &ResourceType, name: &str) -> bool {
    resource_type.has_members() && name == "members"
}

fn has_values(value: &Value) -> bool {
    value.as_object().is_some_and(|it| !it.is_empty())
}
