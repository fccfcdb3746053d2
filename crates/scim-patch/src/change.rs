//! What a write changed: the content of the change journal, and the rows a store has to touch.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use scim_model::store::{MembersChange, MembersStep};
use scim_model::validate::member_id;
use scim_model::{Attribute, Document, ResourceType, ScimError};
use serde_json::{Map, Value, json};

/// The difference of two documents, attribute by attribute. Order within a multi-valued attribute
/// is no difference.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change(pub Vec<AttributeChange>);

/// The change of one attribute.
#[derive(Clone, Debug, PartialEq)]
pub struct AttributeChange {
    /// URN of the extension that holds it.
    pub extension: Option<Arc<str>>,
    /// Name of the attribute.
    pub attribute: String,
    /// It, or a part of it, is never returned (`returned` = `never`): the journal says that it changed, not
    /// to what.
    pub hidden: bool,
    /// How it changed.
    pub kind: ChangeKind,
}

/// How an attribute changed.
#[derive(Clone, Debug, PartialEq)]
pub enum ChangeKind {
    /// From one value to another; `None` is unassigned.
    Value {
        /// Before.
        old: Option<Value>,
        /// After.
        new: Option<Value>,
    },
    /// A set of references, such as `Group.members`: single ones came and went.
    References {
        /// Now there.
        added: Vec<Value>,
        /// No longer there.
        removed: Vec<Value>,
    },
}

impl Change {
    /// What is different in `new`.
    pub fn between(resource_type: &ResourceType, old: &Document, new: &Document) -> Change {
        let mut changes = Vec::new();
        for name in names(&old.0, &new.0) {
            let (before, after) = (old.0.get(name), new.0.get(name));
            let extension = resource_type.extension_of(name);
            if let Some(schema) = extension {
                let empty = Map::new();
                let before = before.and_then(Value::as_object).unwrap_or(&empty);
                let after = after.and_then(Value::as_object).unwrap_or(&empty);
                for name in names(before, after) {
                    let attribute = schema.attributes.iter().find(|it| it.name == *name);
                    changes.extend(attribute_change(
                        Some(&schema.id),
                        name,
                        attribute,
                        before.get(name),
                        after.get(name),
                        false,
                    ));
                }
            } else {
                let attribute = resource_type.core_attribute(name);
                let are_rows = resource_type.has_members() && name == "members";
                changes.extend(attribute_change(None, name, attribute, before, after, are_rows));
            }
        }
        Change(changes)
    }

    /// Whether nothing is different.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The new document, made of the old one and the change.
    pub fn replay(&self, old: &Document) -> Document {
        let mut new = old.clone();
        for change in &self.0 {
            let holder = match &change.extension {
                None => &mut new.0,
                Some(urn) => {
                    let holder = new.0.entry(&**urn).or_insert_with(|| json!({}));
                    match holder {
                        Value::Object(holder) => holder,
                        _ => continue,
                    }
                }
            };
            let value = match &change.kind {
                ChangeKind::Value { new, .. } => new.clone(),
                ChangeKind::References { added, removed } => {
                    let gone: HashSet<Option<&str>> = removed.iter().map(reference).collect();
                    let mut values: Vec<Value> = match holder.get(&change.attribute) {
                        Some(Value::Array(values)) => values.clone(),
                        _ => Vec::new(),
                    };
                    values.retain(|it| !gone.contains(&reference(it)));
                    values.extend(added.iter().cloned());
                    (!values.is_empty()).then_some(Value::Array(values))
                }
            };
            match value {
                Some(value) => {
                    holder.insert(change.attribute.clone(), value);
                }
                None => {
                    holder.shift_remove(&change.attribute);
                }
            }
            if let Some(urn) = &change.extension
                && new
                    .0
                    .get(&**urn)
                    .and_then(Value::as_object)
                    .is_some_and(Map::is_empty)
            {
                new.0.shift_remove(&**urn);
            }
        }
        new
    }

    /// The change of a group's members as row operations.
    ///
    /// # Errors
    /// `invalidValue` for a member whose `value` is no id.
    pub fn members(&self) -> Result<MembersChange, ScimError> {
        let members = self
            .0
            .iter()
            .find(|it| it.extension.is_none() && it.attribute == "members");
        let Some(AttributeChange {
            kind: ChangeKind::References { added, removed },
            ..
        }) = members
        else {
            return Ok(MembersChange::None);
        };
        let ids = |values: &[Value]| {
            values
                .iter()
                .map(|it| member_id(&"members", it))
                .collect::<Result<Vec<_>, _>>()
        };
        let mut steps = Vec::new();
        if !removed.is_empty() {
            steps.push(MembersStep::Remove(ids(removed)?));
        }
        if !added.is_empty() {
            steps.push(MembersStep::Add(ids(added)?));
        }
        Ok(MembersChange::Steps(steps))
    }

    /// For the change journal: an object with a member for each changed attribute, by its full path,
    /// `{"title":{"old":"A","new":"B"}}` or `{"members":{"added":[…],"removed":[…]}}`; what is
    /// unassigned is left out, and of what is never returned it says `{"changed":true}`.
    pub fn to_json(&self) -> Value {
        let entries = self.0.iter().map(|change| {
            let path = match &change.extension {
                Some(urn) => format!("{urn}:{}", change.attribute),
                None => change.attribute.clone(),
            };
            let mut entry = Map::new();
            match &change.kind {
                ChangeKind::Value { .. } if change.hidden => {
                    entry.insert("changed".to_owned(), true.into());
                }
                ChangeKind::Value { old, new } => {
                    entry.extend(old.iter().map(|it| ("old".to_owned(), it.clone())));
                    entry.extend(new.iter().map(|it| ("new".to_owned(), it.clone())));
                }
                ChangeKind::References { added, removed } => {
                    let ids = |values: &[Value]| -> Value {
                        values
                            .iter()
                            .map(|it| it.get("value").cloned().unwrap_or_default())
                            .collect()
                    };
                    entry.insert("added".to_owned(), ids(added));
                    entry.insert("removed".to_owned(), ids(removed));
                }
            }
            (path, Value::Object(entry))
        });
        Value::Object(entries.collect())
    }
}

/// Row operations on members in the form that the journal holds; `ReplaceAll` and `RemoveAll` tell
/// what was asked, since nobody read what was there.
pub fn steps_to_json(steps: &[MembersStep]) -> Value {
    let steps: Vec<Value> = steps
        .iter()
        .map(|step| match step {
            MembersStep::Add(ids) => json!({"add": ids.iter().map(ToString::to_string).collect::<Vec<_>>()}),
            MembersStep::Remove(ids) => {
                json!({"remove": ids.iter().map(ToString::to_string).collect::<Vec<_>>()})
            }
            MembersStep::RemoveAll => json!({"removeAll": true}),
            MembersStep::ReplaceAll(ids) => {
                json!({"replaceAll": ids.iter().map(ToString::to_string).collect::<Vec<_>>()})
            }
        })
        .collect();
    json!({"members": {"steps": steps}})
}

fn names<'a>(old: &'a Map<String, Value>, new: &'a Map<String, Value>) -> impl Iterator<Item = &'a String> {
    old.keys().chain(new.keys().filter(|it| !old.contains_key(*it)))
}

/// `are_rows` is true for members of groups: they say what the store knows of them, not what a client
/// wrote.
fn attribute_change(
    extension: Option<&Arc<str>>,
    name: &str,
    attribute: Option<&Arc<Attribute>>,
    old: Option<&Value>,
    new: Option<&Value>,
    are_rows: bool,
) -> Option<AttributeChange> {
    if old == new {
        return None;
    }
    let kind = match (old, new) {
        _ if attribute.is_some_and(|it| is_reference_set(it)) && is_set(old) && is_set(new) => {
            let (added, removed) = (missing_in(new, old), missing_in(old, new));
            match (
                added.is_empty() && removed.is_empty(),
                !are_rows && says_more(old, new),
            ) {
                (true, false) => return None,
                (false, false) => ChangeKind::References { added, removed },
                // One of them is described in another way now.
                (_, true) => ChangeKind::Value {
                    old: old.cloned(),
                    new: new.cloned(),
                },
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) if same_elements(old, new) => return None,
        _ => ChangeKind::Value {
            old: old.cloned(),
            new: new.cloned(),
        },
    };
    Some(AttributeChange {
        extension: extension.cloned(),
        attribute: name.to_owned(),
        hidden: attribute.is_some_and(|it| it.hides_values()),
        kind,
    })
}

/// Whether the attribute is a set of references to resources: elements are the same when their
/// `value` is, whatever else they say.
pub(crate) fn is_reference_set(attribute: &Attribute) -> bool {
    let points_at_resources = |it: &Arc<Attribute>| {
        it.reference_types
            .iter()
            .any(|to| !matches!(to.as_str(), "external" | "uri"))
    };
    attribute.multi_valued
        && attribute.sub_attribute("value").is_some()
        && attribute.sub_attribute("$ref").is_some_and(points_at_resources)
}

/// Whether every element names another resource.
fn is_set(value: Option<&Value>) -> bool {
    let Some(elements) = value.and_then(Value::as_array) else {
        return true;
    };
    let mut seen = HashSet::with_capacity(elements.len());
    elements
        .iter()
        .all(|it| reference(it).is_some_and(|it| seen.insert(it)))
}

/// Whether an element that stays says something else besides its `value`.
fn says_more(old: Option<&Value>, new: Option<&Value>) -> bool {
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

/// The elements of `these` whose reference is not among `those`.
fn missing_in(these: Option<&Value>, those: Option<&Value>) -> Vec<Value> {
    let elements = |value: Option<&'_ Value>| value.and_then(Value::as_array).map_or(0, Vec::len);
    let mut known: HashSet<&str> = HashSet::with_capacity(elements(those));
    if let Some(Value::Array(those)) = those {
        known.extend(those.iter().filter_map(reference));
    }
    match these {
        Some(Value::Array(these)) => these
            .iter()
            .filter(|it| reference(it).is_none_or(|it| !known.contains(it)))
            .cloned()
            .collect(),
        _ => Vec::new(),
    }
}

/// Whether two arrays hold the same elements, as often, in any order.
fn same_elements(old: &[Value], new: &[Value]) -> bool {
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
