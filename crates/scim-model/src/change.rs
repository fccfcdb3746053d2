//! A change: one entry of the change journal, and the JSON in which it is stored and printed.
//!
//! The *journal* is the log of a tenant, a *change* is one of its entries, and an *operation* is the
//! kind of write that a change records. No other module assembles or reads this JSON.

mod actor;
mod difference;
mod members;
mod names;
mod part;
mod past;
mod past_members;
mod position;

use std::str::FromStr;
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};
use uuid::Uuid;

pub use actor::Actor;
pub use members::{MembersChange, MembersStep};
pub use names::{ResourceNames, name_attribute};
pub use part::{ChangePart, EventKind, PartChanges};
pub use past::PastState;
pub use past_members::PastMembers;
pub use position::{ChangePosition, InvalidPosition};

/// An entry of the change journal: one operation on one resource of a tenant.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The place of the entry; later changes of the tenant have greater positions.
    pub position: ChangePosition,
    /// Time of the change.
    pub at: DateTime<Utc>,
    /// The originator of the change.
    pub actor: Actor,
    /// The name of the connection that the originator used, also if the connection was deleted since. `None` for other
    /// originators, and if the store does not know the connection.
    pub connection_name: Option<String>,
    /// The write that made the change. The changes of one write have the same value, and no other change has it. `None`
    /// in entries of earlier versions.
    pub transaction: Option<Uuid>,
    /// Name of the resource's type.
    pub resource_type: Arc<str>,
    /// Id of the resource.
    pub id: Uuid,
    /// The names of the resource. `None` in entries of earlier versions.
    pub names: Option<ResourceNames>,
    /// The version that the change led to; for a deletion, the last version.
    pub version: i64,
    /// The kind of write.
    pub operation: Operation,
    /// The changed attributes, or the member concerned.
    pub detail: ChangeDetail,
}

impl Change {
    /// The entry as a JSON object, with the name of its tenant. The actor has the name of its connection too.
    pub fn to_json(&self, tenant: &str) -> Value {
        json!({
            "position": self.position.to_string(),
            "at": self.at.to_rfc3339_opts(SecondsFormat::Millis, true),
            "tenant": tenant,
            "resourceType": &*self.resource_type,
            "id": self.id.to_string(),
            "version": self.version,
            "kind": self.operation.as_str(),
            "actor": self.actor.to_json(self.connection_name.as_deref()),
            "change": self.detail,
        })
    }
}

/// The kind of write that a change records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// The resource was created.
    Create,
    /// Attributes, members or secrets of the resource changed.
    Update,
    /// The resource was deleted.
    Delete,
    /// The client created an inactive resource again, which changed it and made it active.
    Restored,
    /// A member of the group got another display name.
    MemberRenamed,
    /// A member of the group was deleted, and left the group.
    MemberDeleted,
}

impl Operation {
    const ALL: [Operation; 6] = [
        Operation::Create,
        Operation::Update,
        Operation::Delete,
        Operation::Restored,
        Operation::MemberRenamed,
        Operation::MemberDeleted,
    ];

    /// Returns the word that the journal stores and prints; [`FromStr`] reads it.
    pub fn as_str(self) -> &'static str {
        match self {
            Operation::Create => "create",
            Operation::Update => "update",
            Operation::Delete => "delete",
            Operation::Restored => "restored",
            Operation::MemberRenamed => "memberRenamed",
            Operation::MemberDeleted => "memberDeleted",
        }
    }
}

impl FromStr for Operation {
    type Err = UnknownOperation;

    fn from_str(text: &str) -> Result<Operation, UnknownOperation> {
        let known = Operation::ALL.into_iter().find(|it| it.as_str() == text);
        known.ok_or_else(|| UnknownOperation(text.to_owned()))
    }
}

/// A word that this version does not know as an [`Operation`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an operation that this version knows")]
pub struct UnknownOperation(pub String);

/// The part of a change that depends on its operation.
#[derive(Clone, Debug, PartialEq)]
pub enum ChangeDetail {
    /// The attributes that changed, for `Create`, `Update`, `Delete` and `Restored`.
    Attributes(AttributeChanges),
    /// The id of the member, for `MemberRenamed` and `MemberDeleted`.
    Member(Uuid),
    /// Stored text in none of these forms: it was damaged, or a later version wrote it.
    Unreadable(String),
}

impl ChangeDetail {
    /// Reads the text that a store has kept.
    pub fn from_stored(text: &str) -> ChangeDetail {
        let detail = match serde_json::from_str(text) {
            Ok(Value::Object(members)) => match members.get("member") {
                Some(Value::String(id)) if members.len() == 1 => id.parse().ok().map(ChangeDetail::Member),
                _ => AttributeChanges::from_json(members).map(ChangeDetail::Attributes),
            },
            _ => None,
        };
        detail.unwrap_or_else(|| ChangeDetail::Unreadable(text.to_owned()))
    }

    /// The text for a store to keep.
    pub fn to_stored(&self) -> String {
        match self {
            ChangeDetail::Attributes(changes) => changes.to_stored(),
            ChangeDetail::Member(_) => to_text(self),
            ChangeDetail::Unreadable(text) => text.clone(),
        }
    }
}

impl Serialize for ChangeDetail {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            ChangeDetail::Attributes(changes) => changes.serialize(serializer),
            ChangeDetail::Member(id) => serializer.collect_map([("member", id.to_string())]),
            // It is still shown.
            ChangeDetail::Unreadable(text) => serde_json::from_str(text)
                .unwrap_or_else(|_| Value::from(&**text))
                .serialize(serializer),
        }
    }
}

/// The attributes that a change concerns, each under its full path: `title`, or
/// `urn:…:2.0:User:department` for an attribute of an extension.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AttributeChanges(Vec<(String, AttributeChange)>);

/// The change of one attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum AttributeChange {
    /// From one value to another: `{"old":"A","new":"B"}`. `None` is unassigned, and left out.
    Value {
        /// The value before.
        old: Option<Value>,
        /// The value after.
        new: Option<Value>,
    },
    /// The values are not recorded, because the attribute or a part of it is never returned:
    /// `{"changed":true}`.
    Hidden,
    /// A set of references: `{"added":["id"],"removed":[]}`.
    References {
        /// Ids that are new.
        added: Vec<String>,
        /// Ids that are gone.
        removed: Vec<String>,
    },
    /// Steps that were applied to a group's members: `{"steps":[{"add":["id"]},{"removeAll":true}]}`. Only
    /// entries of earlier versions have them. They do not say which members there were.
    Steps(Vec<MembersStep>),
}

impl AttributeChanges {
    /// Whether no attribute changed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The change of the attribute with this path.
    pub fn get(&self, path: &str) -> Option<&AttributeChange> {
        self.0.iter().find(|(it, _)| it == path).map(|(_, change)| change)
    }

    /// The paths with their changes.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &AttributeChange)> {
        self.0.iter().map(|(path, change)| (&**path, change))
    }

    /// Records the change of an attribute, in place of an earlier one of the same path.
    pub fn insert(&mut self, path: impl Into<String>, change: AttributeChange) {
        let path = path.into();
        match self.0.iter_mut().find(|(it, _)| *it == path) {
            Some((_, earlier)) => *earlier = change,
            None => self.0.push((path, change)),
        }
    }

    /// Removes the change of an attribute, and returns it.
    pub fn remove(&mut self, path: &str) -> Option<AttributeChange> {
        let place = self.0.iter().position(|(it, _)| it == path)?;
        Some(self.0.remove(place).1)
    }

    /// The text for a store to keep.
    pub fn to_stored(&self) -> String {
        to_text(self)
    }

    fn from_json(members: Map<String, Value>) -> Option<AttributeChanges> {
        let changes = members
            .into_iter()
            .map(|(path, change)| Some((path, AttributeChange::from_json(change)?)));
        changes.collect::<Option<_>>().map(AttributeChanges)
    }
}

impl Serialize for AttributeChanges {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl AttributeChange {
    fn from_json(value: Value) -> Option<AttributeChange> {
        let Value::Object(mut members) = value else {
            return None;
        };
        let mut take = |name| members.remove(name);
        let change = match (take("steps"), take("added"), take("removed"), take("changed")) {
            (Some(Value::Array(steps)), None, None, None) => {
                let steps = steps.iter().map(MembersStep::from_json);
                AttributeChange::Steps(steps.collect::<Option<_>>()?)
            }
            (None, Some(added), Some(removed), None) => AttributeChange::References {
                added: serde_json::from_value(added).ok()?,
                removed: serde_json::from_value(removed).ok()?,
            },
            (None, None, None, Some(Value::Bool(true))) => AttributeChange::Hidden,
            (None, None, None, None) => AttributeChange::Value {
                old: take("old"),
                new: take("new"),
            },
            _ => return None,
        };
        members.is_empty().then_some(change)
    }
}

impl Serialize for AttributeChange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self {
            AttributeChange::Value { old, new } => {
                for (name, value) in [("old", old), ("new", new)] {
                    if let Some(value) = value {
                        map.serialize_entry(name, value)?;
                    }
                }
            }
            AttributeChange::Hidden => map.serialize_entry("changed", &true)?,
            AttributeChange::References { added, removed } => {
                map.serialize_entry("added", added)?;
                map.serialize_entry("removed", removed)?;
            }
            AttributeChange::Steps(steps) => map.serialize_entry("steps", steps)?,
        }
        map.end()
    }
}

fn to_text(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("its keys are strings, and writing to memory does not fail")
}
