//! The resources that a trial would have stored.

use std::collections::HashSet;
use std::sync::Arc;

use scim_model::internal::key;
use scim_model::schema::{Attribute, ResourceType, Uniqueness};
use scim_model::store::ImportedResource;
use serde_json::Value;
use uuid::Uuid;

/// Ids and unique values, as digests of them.
#[derive(Default)]
pub(super) struct Seen {
    ids: HashSet<Uuid>,
    values: HashSet<(Arc<str>, String, String)>,
}

impl Seen {
    pub(super) fn has(&self, id: Uuid) -> bool {
        self.ids.contains(&id)
    }

    /// Records a resource. Returns the attribute whose value an earlier one has.
    pub(super) fn add(&mut self, resource: &ImportedResource, unique_group_names: bool) -> Option<String> {
        let (new, type_) = (&resource.new, &resource.new.resource_type);
        if self.has(new.id) {
            return Some("id".to_owned());
        }
        let mut values = Vec::new();
        for attribute in unique_attributes(type_, unique_group_names) {
            let value = new.document.values().get(&attribute.name);
            let Some(key) = value.and_then(|it| key::of(attribute, it)) else {
                continue;
            };
            let value = (
                type_.name.clone(),
                attribute.name.clone(),
                Value::from(key).to_string(),
            );
            if self.values.contains(&value) {
                return Some(attribute.name.clone());
            }
            values.push(value);
        }
        self.values.extend(values);
        self.ids.insert(new.id);
        None
    }
}

/// The unique attributes of the core schema. Values of extensions are compared when they are stored.
fn unique_attributes(
    type_: &ResourceType,
    unique_group_names: bool,
) -> impl Iterator<Item = &Arc<Attribute>> {
    let is_unique = move |it: &&Arc<Attribute>| {
        it.uniqueness != Uniqueness::None
            || unique_group_names && type_.has_members() && it.name == "displayName"
    };
    type_.schema.attributes.iter().filter(is_unique)
}
