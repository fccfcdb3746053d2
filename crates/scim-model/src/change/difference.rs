//! The attributes that a write changes: computed from the documents before and after it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{AttributeChange, AttributeChanges, MembersChange, MembersStep};
use crate::document::Document;
use crate::error::ScimError;
use crate::schema::{Attribute, ResourceType};
use crate::secret::SecretHashes;
use crate::value::reference::member_id;

impl AttributeChanges {
    /// The changes of a creation: each attribute of the resource, from nothing.
    pub fn of_creation(
        resource_type: &ResourceType,
        document: &Document,
        members: &[Uuid],
        secrets: &SecretHashes,
    ) -> AttributeChanges {
        let mut changes = whole(resource_type, document.values(), |value| AttributeChange::Value {
            old: None,
            new: Some(value.clone()),
        });
        let secrets = secrets.iter().filter(|(_, hash)| hash.is_some());
        changes.hide(secrets.map(|(path, _)| path));
        if resource_type.has_members() && !members.is_empty() {
            let mut seen = HashSet::new();
            let members = members.iter().copied().filter(|it| seen.insert(*it));
            changes.record_members(&members.collect::<Vec<_>>(), &[]);
        }
        changes
    }

    /// The changes of a deletion: each attribute that the resource had, to nothing. A stored document
    /// that cannot be read counts as empty, because a resource can be deleted whatever its document is.
    pub fn of_deletion(
        resource_type: &ResourceType,
        stored_document: &str,
        members: &[Uuid],
    ) -> AttributeChanges {
        let document = serde_json::from_str(stored_document).unwrap_or_default();
        let mut changes = whole(resource_type, &document, |value| AttributeChange::Value {
            old: Some(value.clone()),
            new: None,
        });
        if !members.is_empty() {
            changes.record_members(&[], members);
        }
        changes
    }

    /// The changes of an update: the difference of two documents, attribute by attribute. The order
    /// within a multi-valued attribute makes no difference.
    pub fn between(resource_type: &ResourceType, old: &Document, new: &Document) -> AttributeChanges {
        let mut changes = Vec::new();
        for name in names(old.values(), new.values()) {
            let (before, after) = (old.values().get(name), new.values().get(name));
            if let Some(schema) = resource_type.extension_of(name) {
                let empty = Map::new();
                let before = before.and_then(Value::as_object).unwrap_or(&empty);
                let after = after.and_then(Value::as_object).unwrap_or(&empty);
                for name in names(before, after) {
                    let attribute = schema.attributes.iter().find(|it| it.name == *name);
                    let change = attribute_change(attribute, before.get(name), after.get(name), false);
                    changes.extend(change.map(|it| (format!("{}:{name}", schema.id), it)));
                }
            } else {
                let attribute = resource_type.core_attribute(name);
                let are_rows = resource_type.has_members() && name == MEMBERS;
                let change = attribute_change(attribute, before, after, are_rows);
                changes.extend(change.map(|it| (name.clone(), it)));
            }
        }
        AttributeChanges(changes)
    }

    /// Adds the secrets that an update changes, without their values.
    #[must_use]
    pub fn with_secrets(mut self, secrets: &SecretHashes) -> AttributeChanges {
        self.hide(secrets.keys());
        self
    }

    /// Records the members that an update has effectively added and removed, which only the store knows.
    pub fn record_members(&mut self, added: &[Uuid], removed: &[Uuid]) {
        let texts = |ids: &[Uuid]| ids.iter().map(Uuid::to_string).collect();
        let change = AttributeChange::References {
            added: texts(added),
            removed: texts(removed),
        };
        self.insert(MEMBERS, change);
    }

    /// The change of a group's members as row operations.
    ///
    /// # Errors
    /// `invalidValue` for a member whose `value` is not an id.
    pub fn members(&self) -> Result<MembersChange, ScimError> {
        let ids = |values: &[String]| {
            let ids = values
                .iter()
                .map(|it| member_id(&MEMBERS, &json!({ "value": it })));
            ids.collect::<Result<Vec<_>, _>>()
        };
        let mut steps = Vec::new();
        match self.get(MEMBERS) {
            Some(AttributeChange::References { added, removed }) => {
                if !removed.is_empty() {
                    steps.push(MembersStep::Remove(ids(removed)?));
                }
                if !added.is_empty() {
                    steps.push(MembersStep::Add(ids(added)?));
                }
            }
            Some(AttributeChange::Steps(given)) => steps.clone_from(given),
            _ => return Ok(MembersChange::None),
        }
        Ok(MembersChange::Steps(steps))
    }

    fn hide<'a>(&mut self, paths: impl Iterator<Item = &'a String>) {
        for path in paths {
            self.insert(path, AttributeChange::Hidden);
        }
    }
}

/// The one attribute whose values are rows of the store.
pub(super) const MEMBERS: &str = "members";

/// Each attribute of a document, with `change` of its value.
fn whole(
    resource_type: &ResourceType,
    document: &Map<String, Value>,
    change: impl Fn(&Value) -> AttributeChange,
) -> AttributeChanges {
    let change = |attribute: Option<&Arc<Attribute>>, value: &Value| match attribute {
        Some(attribute) if !attribute.hides_values() => change(value),
        // The schema that said whether the value may be shown has been removed.
        _ => AttributeChange::Hidden,
    };
    let mut changes = Vec::new();
    for (name, value) in document.iter().filter(|(name, _)| *name != "schemas") {
        match (resource_type.extension_of(name), value) {
            (Some(schema), Value::Object(values)) => {
                for (name, value) in values {
                    let attribute = schema.attributes.iter().find(|it| it.name == *name);
                    changes.push((format!("{}:{name}", schema.id), change(attribute, value)));
                }
            }
            _ => changes.push((name.clone(), change(resource_type.core_attribute(name), value))),
        }
    }
    AttributeChanges(changes)
}

fn names<'a>(old: &'a Map<String, Value>, new: &'a Map<String, Value>) -> impl Iterator<Item = &'a String> {
    old.keys().chain(new.keys().filter(|it| !old.contains_key(*it)))
}

/// The change of one attribute, if there is any. `are_rows` is true for the members of groups: only their
/// `value` is stored in the group, and their other sub-attributes are derived.
fn attribute_change(
    attribute: Option<&Arc<Attribute>>,
    old: Option<&Value>,
    new: Option<&Value>,
    are_rows: bool,
) -> Option<AttributeChange> {
    if old == new {
        return None;
    }
    let value_change = || {
        if attribute.is_some_and(|it| it.hides_values()) {
            return AttributeChange::Hidden;
        }
        AttributeChange::Value {
            old: old.cloned(),
            new: new.cloned(),
        }
    };
    match (old, new) {
        _ if attribute.is_some_and(|it| it.is_reference_set()) && is_set(old) && is_set(new) => {
            if !are_rows && has_other_descriptions(old, new) {
                return Some(value_change());
            }
            let (added, removed) = (missing_in(new, old), missing_in(old, new));
            let is_change = !added.is_empty() || !removed.is_empty();
            is_change.then_some(AttributeChange::References { added, removed })
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) if have_same_elements(old, new) => None,
        _ => Some(value_change()),
    }
}

/// Whether every element refers to another resource.
fn is_set(value: Option<&Value>) -> bool {
    let Some(elements) = value.and_then(Value::as_array) else {
        return true;
    };
    let mut seen = HashSet::with_capacity(elements.len());
    elements
        .iter()
        .all(|it| reference(it).is_some_and(|it| seen.insert(it)))
}

/// Whether an element with the same `value` differs in another sub-attribute.
fn has_other_descriptions(old: Option<&Value>, new: Option<&Value>) -> bool {
    let (Some(Value::Array(old)), Some(Value::Array(new))) = (old, new) else {
        return false;
    };
    let old: HashMap<Option<&str>, &Value> = old.iter().map(|it| (reference(it), it)).collect();
    new.iter()
        .any(|it| old.get(&reference(it)).is_some_and(|old| *old != it))
}

fn reference(value: &Value) -> Option<&str> {
    value.get("value").and_then(Value::as_str)
}

/// The references of `these` that are not among `those`.
fn missing_in(these: Option<&Value>, those: Option<&Value>) -> Vec<String> {
    let known: HashSet<&str> = references(those).collect();
    references(these)
        .filter(|it| !known.contains(it))
        .map(str::to_owned)
        .collect()
}

fn references(value: Option<&Value>) -> impl Iterator<Item = &str> {
    let elements = value.and_then(Value::as_array);
    elements.into_iter().flatten().filter_map(reference)
}

/// Whether two arrays hold the same elements equally often, in any order.
fn have_same_elements(old: &[Value], new: &[Value]) -> bool {
    if old.len() != new.len() {
        return false;
    }
    let sorted = |values: &[Value]| {
        let mut texts: Vec<String> = values.iter().map(sorted_text).collect();
        texts.sort_unstable();
        texts
    };
    sorted(old) == sorted(new)
}

/// JSON text in which the order of members makes no difference (7643-2.3.8-01).
fn sorted_text(value: &Value) -> String {
    let mut value = value.clone();
    value.sort_all_objects();
    value.to_string()
}
