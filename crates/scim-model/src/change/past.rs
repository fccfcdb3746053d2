//! The state of a resource in the past: from a later state, changes are undone one by one, the newest first.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::difference::MEMBERS;
use super::{AttributeChange, AttributeChanges, ChangeDetail, Operation};
use crate::document::Document;
use crate::schema::{Attribute, ResourceType};

/// The state of a resource between two of its changes.
#[derive(Clone, Debug, PartialEq)]
pub enum PastState {
    /// The resource existed, with these attributes under their full paths. Attributes whose values are never returned,
    /// and the members of groups, are not among them.
    Existing(BTreeMap<String, Value>),
    /// The resource was not created yet, or was deleted.
    Absent,
    /// A change cannot be read, so the state before it is not known.
    Unknown,
}

impl PastState {
    /// Returns the state of a resource with this stored document.
    pub fn of_document(resource_type: &ResourceType, stored_document: &str) -> PastState {
        // A deletion would record each attribute.
        let deletion = AttributeChanges::of_deletion(resource_type, stored_document, &[]);
        PastState::before_deletion(resource_type, &deletion)
    }

    /// Returns the state before a change, if this is the state after it.
    #[must_use]
    pub fn undo(
        self,
        resource_type: &ResourceType,
        operation: Operation,
        detail: &ChangeDetail,
    ) -> PastState {
        match (operation, detail, self) {
            (Operation::Create, ..) => PastState::Absent,
            (Operation::Delete, ChangeDetail::Attributes(changes), _) => {
                PastState::before_deletion(resource_type, changes)
            }
            // They change members, or what a group shows of them.
            (Operation::MemberRenamed | Operation::MemberDeleted, _, state) => state,
            (_, ChangeDetail::Attributes(changes), PastState::Existing(mut attributes)) => {
                undo_changes(resource_type, &mut attributes, changes);
                PastState::Existing(attributes)
            }
            _ => PastState::Unknown,
        }
    }

    /// Returns the members of the resource's JSON except `meta`, if it existed: `schemas`, `id`, and the attributes in the
    /// order of the schema. The result does not depend on the state from which changes were undone: the elements of a
    /// multi-valued attribute are sorted, and those of a set of references have their `value` only.
    pub fn to_json(&self, resource_type: &ResourceType, id: Uuid) -> Option<Map<String, Value>> {
        let PastState::Existing(attributes) = self else {
            return None;
        };
        let mut values = Map::new();
        for (path, value) in attributes {
            let (extension, attribute) = find(resource_type, path);
            // The schemas may have changed since.
            let Some(attribute) = attribute.filter(|it| !it.hides_values()) else {
                continue;
            };
            let place = match extension {
                Some(urn) => values.entry(urn).or_insert_with(|| json!({})).as_object_mut()?,
                None => &mut values,
            };
            place.insert(attribute.name.clone(), normalized(attribute, value));
        }
        let stored = Document::from_values(values).to_stored_json(resource_type);
        let mut resource: Map<String, Value> = serde_json::from_str(&stored).ok()?;
        resource.shift_insert(1, "id".to_owned(), id.to_string().into());
        Some(resource)
    }

    fn before_deletion(resource_type: &ResourceType, changes: &AttributeChanges) -> PastState {
        let mut attributes = BTreeMap::new();
        undo_changes(resource_type, &mut attributes, changes);
        PastState::Existing(attributes)
    }
}

fn undo_changes(
    resource_type: &ResourceType,
    attributes: &mut BTreeMap<String, Value>,
    changes: &AttributeChanges,
) {
    for (path, change) in changes.iter() {
        if path == MEMBERS && resource_type.has_members() {
            continue;
        }
        let old = match change {
            AttributeChange::Value { old, .. } => old.clone(),
            AttributeChange::References { added, removed } => {
                without_references(attributes.remove(path), added, removed)
            }
            AttributeChange::Hidden | AttributeChange::Steps(_) => None,
        };
        match old {
            Some(value) => drop(attributes.insert(path.to_owned(), value)),
            None => drop(attributes.remove(path)),
        }
    }
}

/// Takes references back that a change has added, and returns those that it has removed.
fn without_references(value: Option<Value>, added: &[String], removed: &[String]) -> Option<Value> {
    let mut elements = match value {
        Some(Value::Array(elements)) => elements,
        _ => Vec::new(),
    };
    let added: HashSet<&str> = added.iter().map(String::as_str).collect();
    elements.retain(|it| reference(it).is_none_or(|it| !added.contains(it)));
    elements.extend(removed.iter().map(|it| json!({ "value": it })));
    (!elements.is_empty()).then_some(Value::Array(elements))
}

fn reference(element: &Value) -> Option<&str> {
    element.get("value").and_then(Value::as_str)
}

/// Returns the extension and the attribute that a full path names, if the schemas have them.
fn find<'a>(resource_type: &'a ResourceType, path: &str) -> (Option<String>, Option<&'a Attribute>) {
    let extension = path
        .rsplit_once(':')
        .and_then(|(urn, name)| Some((resource_type.extension_of(urn)?, name)));
    match extension {
        Some((schema, name)) => {
            let attribute = schema.attributes.iter().find(|it| it.name == name);
            (Some(schema.id.to_string()), attribute.map(|it| &**it))
        }
        None => (None, resource_type.core_attribute(path).map(|it| &**it)),
    }
}

/// The order of elements makes no difference, and the journal does not record it.
fn normalized(attribute: &Attribute, value: &Value) -> Value {
    let Value::Array(elements) = value else {
        return value.clone();
    };
    let mut elements = elements.clone();
    if attribute.is_reference_set() && elements.iter().all(|it| reference(it).is_some()) {
        for element in &mut elements {
            *element = json!({ "value": reference(element) });
        }
    }
    elements.sort_by_cached_key(Value::to_string);
    Value::Array(elements)
}
