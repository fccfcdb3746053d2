//! The parts of a change: its meaning for an application, one part for each event.
//!
//! Each attribute of a change is in exactly one part. A reader of all parts of a resource's changes learns everything
//! that they record, and a reader of the kinds `MemberAdded` and `MemberRemoved` learns every membership.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use uuid::Uuid;

use super::names::{USER, name_attribute};
use super::{AttributeChange, AttributeChanges, Change, ChangeDetail, Operation};

/// The kind of event that a part of a change represents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// The resource was created.
    Created,
    /// Other attributes changed.
    Updated,
    /// A user got another `userName`, or a group another `displayName`.
    Renamed,
    /// The user's `active` became false.
    Deactivated,
    /// The user's `active` was false, and is now true or unassigned.
    Reactivated,
    /// The resource was deleted.
    Deleted,
    /// An inactive user came back with new attributes, see [`Operation::Restored`].
    Restored,
    /// The group has new members.
    MemberAdded,
    /// Members left the group.
    MemberRemoved,
}

impl EventKind {
    /// All kinds.
    pub const ALL: [EventKind; 9] = [
        EventKind::Created,
        EventKind::Updated,
        EventKind::Renamed,
        EventKind::Deactivated,
        EventKind::Reactivated,
        EventKind::Deleted,
        EventKind::Restored,
        EventKind::MemberAdded,
        EventKind::MemberRemoved,
    ];

    /// Returns the last word of an event's type, such as `member_added`.
    pub fn as_str(self) -> &'static str {
        match self {
            EventKind::Created => "created",
            EventKind::Updated => "updated",
            EventKind::Renamed => "renamed",
            EventKind::Deactivated => "deactivated",
            EventKind::Reactivated => "reactivated",
            EventKind::Deleted => "deleted",
            EventKind::Restored => "restored",
            EventKind::MemberAdded => "member_added",
            EventKind::MemberRemoved => "member_removed",
        }
    }

    /// Returns whether events of a resource type can be of this kind.
    pub fn applies_to(self, resource_type: &str) -> bool {
        match self {
            EventKind::Created | EventKind::Updated | EventKind::Deleted => true,
            EventKind::Renamed => [USER, GROUP].contains(&resource_type),
            EventKind::Deactivated | EventKind::Reactivated | EventKind::Restored => resource_type == USER,
            EventKind::MemberAdded | EventKind::MemberRemoved => resource_type == GROUP,
        }
    }
}

const GROUP: &str = "Group";
const MEMBERS: &str = "members";

/// A part of a change.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangePart {
    /// The kind of event.
    pub kind: EventKind,
    /// The attributes that belong to this part.
    pub changes: PartChanges,
}

/// The attributes of a part. As JSON, each path has its change: `{"title":{"old":"A","new":"B"}}`.
#[derive(Clone, Debug, PartialEq)]
pub enum PartChanges {
    /// Attributes with their changes.
    Attributes(AttributeChanges),
    /// A member of the group has another name: `{"members":{"renamed":["id"]}}`.
    MemberRenamed(Uuid),
    /// The stored entry cannot be read. As JSON, `{}`.
    Unreadable,
}

impl PartChanges {
    /// The paths of the changed attributes.
    pub fn paths(&self) -> Vec<&str> {
        match self {
            PartChanges::Attributes(changes) => changes.iter().map(|(path, _)| path).collect(),
            PartChanges::MemberRenamed(_) => vec![MEMBERS],
            PartChanges::Unreadable => Vec::new(),
        }
    }
}

impl Serialize for PartChanges {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            PartChanges::Attributes(changes) => changes.serialize(serializer),
            PartChanges::MemberRenamed(id) => serializer.collect_map([(
                MEMBERS,
                std::collections::BTreeMap::from([("renamed", [id.to_string()])]),
            )]),
            PartChanges::Unreadable => serializer.serialize_map(Some(0))?.end(),
        }
    }
}

impl Change {
    /// Splits the change into parts, at least one. The most important part comes first, except that the members of a
    /// deleted group leave it before it is deleted.
    pub fn parts(&self) -> Vec<ChangePart> {
        let part = |kind, changes| ChangePart { kind, changes };
        match (self.operation, &self.detail) {
            (Operation::MemberRenamed, ChangeDetail::Member(id)) => {
                vec![part(EventKind::Updated, PartChanges::MemberRenamed(*id))]
            }
            (Operation::MemberDeleted, ChangeDetail::Member(id)) => {
                let removed = members(Vec::new(), vec![id.to_string()]);
                vec![part(EventKind::MemberRemoved, removed)]
            }
            (operation, ChangeDetail::Attributes(changes)) => {
                self.attribute_parts(operation, changes.clone())
            }
            (operation, _) => vec![part(general_kind(operation), PartChanges::Unreadable)],
        }
    }

    fn attribute_parts(&self, operation: Operation, mut changes: AttributeChanges) -> Vec<ChangePart> {
        let is_group = &*self.resource_type == GROUP;
        let (added, removed) = if is_group {
            take_members(&mut changes)
        } else {
            Default::default()
        };
        let joined = (!added.is_empty()).then(|| (EventKind::MemberAdded, members(added, Vec::new())));
        let left = (!removed.is_empty()).then(|| (EventKind::MemberRemoved, members(Vec::new(), removed)));
        let mut parts = Vec::new();
        if operation == Operation::Update {
            parts.extend(take_activation(&self.resource_type, &mut changes));
            parts.extend(take_name(&self.resource_type, &mut changes));
            let is_all = parts.is_empty() && joined.is_none() && left.is_none();
            if is_all || !changes.is_empty() {
                parts.push((EventKind::Updated, PartChanges::Attributes(changes)));
            }
            parts.extend(joined);
            parts.extend(left);
        } else {
            let whole = (general_kind(operation), PartChanges::Attributes(changes));
            parts.extend(left);
            parts.push(whole);
            parts.extend(joined);
        }
        let parts = parts.into_iter();
        parts
            .map(|(kind, changes)| ChangePart { kind, changes })
            .collect()
    }
}

/// The kind of a change that is not split.
fn general_kind(operation: Operation) -> EventKind {
    match operation {
        Operation::Create => EventKind::Created,
        Operation::Delete => EventKind::Deleted,
        Operation::Restored => EventKind::Restored,
        Operation::Update | Operation::MemberRenamed | Operation::MemberDeleted => EventKind::Updated,
    }
}

type Part = (EventKind, PartChanges);

fn members(added: Vec<String>, removed: Vec<String>) -> PartChanges {
    single(MEMBERS, AttributeChange::References { added, removed })
}

fn single(path: &str, change: AttributeChange) -> PartChanges {
    let mut changes = AttributeChanges::default();
    changes.insert(path, change);
    PartChanges::Attributes(changes)
}

/// Takes the ids of the members that joined and left. Steps stay: they do not say who did.
fn take_members(changes: &mut AttributeChanges) -> (Vec<String>, Vec<String>) {
    match changes.get(MEMBERS) {
        Some(AttributeChange::References { added, removed }) if !added.is_empty() || !removed.is_empty() => {
            let ids = (added.clone(), removed.clone());
            changes.remove(MEMBERS);
            ids
        }
        _ => Default::default(),
    }
}

/// Takes the change of a user's `active`, unless it is one between "true" and "unassigned": both mean active.
fn take_activation(resource_type: &str, changes: &mut AttributeChanges) -> Option<Part> {
    let Some(AttributeChange::Value { old, new }) = changes.get("active").filter(|_| resource_type == USER)
    else {
        return None;
    };
    let is = |value: &Option<serde_json::Value>, wanted: bool| value.as_ref().is_some_and(|it| *it == wanted);
    let kind = match () {
        () if is(new, false) => EventKind::Deactivated,
        () if is(old, false) => EventKind::Reactivated,
        () => return None,
    };
    Some((kind, single("active", changes.remove("active")?)))
}

/// Takes the change of the name of a user or group.
fn take_name(resource_type: &str, changes: &mut AttributeChanges) -> Option<Part> {
    if !EventKind::Renamed.applies_to(resource_type) {
        return None;
    }
    let path = name_attribute(resource_type);
    Some((EventKind::Renamed, single(path, changes.remove(path)?)))
}
