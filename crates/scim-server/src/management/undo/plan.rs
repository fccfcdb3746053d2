//! What it means to undo some changes of one resource: a pure function of its journal entries and its state.
//!
//! A value is restored to what it was before the last uninterrupted run of chosen changes of it. If the last change of a
//! value is not a chosen one, the value is left alone, so that nothing that was done later is overwritten.

use std::collections::{BTreeMap, BTreeSet};

use scim_model::ResourceType;
use scim_model::change::{
    AttributeChange, AttributeChanges, Change, ChangeDetail, ChangePosition, Operation, PastState,
};
use serde_json::Value;
use uuid::Uuid;

/// The path of the members of a group.
const MEMBERS: &str = "members";

/// An entry of a resource's journal.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) change: Change,
    /// Whether the entry is to be undone.
    pub(super) is_chosen: bool,
}

/// What undoing does with a resource.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plan {
    pub(super) step: Step,
    /// What stays as it is, although a chosen change concerns it.
    pub(super) left: Vec<Left>,
}

/// The write that restores a resource.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// Nothing is to be done.
    Nothing,
    /// Attributes and members get earlier values.
    Update(Restored),
    /// The resource was deleted, and is created again with its id.
    Create(Restored),
    /// The resource was created, and is deleted.
    Delete,
}

/// Earlier values.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Restored {
    /// The attributes by their full paths. `None` removes the attribute. For a creation, all attributes.
    pub(super) attributes: BTreeMap<String, Option<Value>>,
    /// The members to add. For a creation, all members.
    pub(super) added: BTreeSet<Uuid>,
    /// The members to remove.
    pub(super) removed: BTreeSet<Uuid>,
}

/// A part of a resource that is left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Left {
    /// The path of an attribute, `members[value eq "id"]`, or empty for the whole resource.
    pub(super) path: String,
    pub(super) reason: Reason,
}

/// Why something is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// A change that was not chosen came later.
    ChangedLater(ChangePosition),
    /// The resource was deleted later.
    DeletedLater(ChangePosition),
    /// The resource was created again later.
    CreatedAgain(ChangePosition),
    /// The journal does not record the old value, as for passwords.
    NotRecorded,
}

/// Returns the plan for a resource. `entries` are all of its entries from the first chosen one on, the oldest first, and
/// `now` is its state after the last of them.
pub(super) fn plan(resource_type: &ResourceType, entries: &[Entry], now: &PastState) -> Plan {
    let history = History::new(resource_type, entries, now);
    let Some(last) = history.existence_before(entries.len()) else {
        return history.update(0);
    };
    let entry = &entries[last];
    if !entry.is_chosen {
        return match entry.change.operation {
            Operation::Delete => history.untouched(Reason::DeletedLater(entry.change.position)),
            _ => history.update_after(last),
        };
    }
    let first = history.run_of_existence(last);
    match (&history.states[first], now) {
        (PastState::Absent, PastState::Absent) => Plan::nothing(),
        (PastState::Absent, _) => match history.first_other_after(last) {
            Some(position) => history.untouched(Reason::ChangedLater(position)),
            None => Plan {
                step: Step::Delete,
                left: Vec::new(),
            },
        },
        (PastState::Existing(before), PastState::Absent) => history.creation(first, before.clone()),
        (PastState::Existing(before), _) => history.replacement(first, last, before.clone()),
        (PastState::Unknown, _) => history.untouched(Reason::NotRecorded),
    }
}

impl Plan {
    fn nothing() -> Plan {
        Plan {
            step: Step::Nothing,
            left: Vec::new(),
        }
    }

    fn of(restored: Restored, left: Vec<Left>) -> Plan {
        let step = match restored == Restored::default() {
            true => Step::Nothing,
            false => Step::Update(restored),
        };
        Plan { step, left }
    }
}

/// The entries of a resource with the state before each.
struct History<'a> {
    entries: &'a [Entry],
    states: Vec<PastState>,
    /// The attributes of the state after the last entry.
    now: BTreeMap<String, Value>,
}

impl<'a> History<'a> {
    fn new(resource_type: &ResourceType, entries: &'a [Entry], now: &PastState) -> History<'a> {
        let mut state = now.clone();
        let mut states = Vec::with_capacity(entries.len());
        for entry in entries.iter().rev() {
            state = state.undo(resource_type, entry.change.operation, &entry.change.detail);
            states.push(state.clone());
        }
        states.reverse();
        History {
            entries,
            states,
            now: attributes(now),
        }
    }

    /// The last creation or deletion before an index.
    fn existence_before(&self, end: usize) -> Option<usize> {
        self.entries[..end].iter().rposition(Entry::is_existence)
    }

    /// The first one of the chosen creations and deletions that follow each other up to this one.
    fn run_of_existence(&self, last: usize) -> usize {
        let mut first = last;
        while let Some(earlier) = self.existence_before(first) {
            if !self.entries[earlier].is_chosen {
                break;
            }
            first = earlier;
        }
        first
    }

    /// The first change that was not chosen after an index.
    fn first_other_after(&self, index: usize) -> Option<ChangePosition> {
        let mut later = self.entries[index + 1..].iter();
        let other = later.find(|it| !it.is_chosen && it.change.operation != Operation::MemberRenamed)?;
        Some(other.change.position)
    }

    fn untouched(&self, reason: Reason) -> Plan {
        Plan {
            step: Step::Nothing,
            left: vec![Left::whole(reason)],
        }
    }

    /// Undoes the chosen changes from an index on; there is no creation and no deletion among them.
    fn update(&self, start: usize) -> Plan {
        let (mut restored, left) = self.restored(start, self.entries.len());
        restored
            .attributes
            .retain(|path, value| self.now.get(path) != value.as_ref());
        Plan::of(restored, left)
    }

    /// Undoes the chosen changes after a creation that was not chosen.
    fn update_after(&self, creation: usize) -> Plan {
        let mut plan = self.update(creation + 1);
        if self.entries[..creation].iter().any(|it| it.is_chosen) {
            let position = self.entries[creation].change.position;
            plan.left.push(Left::whole(Reason::CreatedAgain(position)));
        }
        plan
    }

    /// The state before a run of deletions and creations, without the chosen changes before the run.
    fn before_run(&self, first: usize, mut attributes: BTreeMap<String, Value>) -> (Restored, Vec<Left>) {
        let start = self.existence_before(first).map_or(0, |it| it + 1);
        let (restored, left) = self.restored(start, first);
        for (path, value) in restored.attributes {
            match value {
                Some(value) => drop(attributes.insert(path, value)),
                None => drop(attributes.remove(&path)),
            }
        }
        let mut members = removed_members(&self.entries[first].change);
        members.extend(restored.added);
        members.retain(|it| !restored.removed.contains(it));
        let whole = Restored {
            attributes: attributes
                .into_iter()
                .map(|(path, value)| (path, Some(value)))
                .collect(),
            added: members,
            removed: BTreeSet::new(),
        };
        (whole, left)
    }

    /// Creates a deleted resource again.
    fn creation(&self, first: usize, before: BTreeMap<String, Value>) -> Plan {
        let (restored, mut left) = self.before_run(first, before);
        let hidden = hidden_paths(&self.entries[first].change);
        left.extend(hidden.map(|path| Left::part(path, Reason::NotRecorded)));
        Plan {
            step: Step::Create(restored),
            left,
        }
    }

    /// Restores a resource that was deleted and created again, both by chosen changes.
    fn replacement(&self, first: usize, last: usize, before: BTreeMap<String, Value>) -> Plan {
        let (target, mut left) = self.before_run(first, before);
        let later = &self.entries[last + 1..];
        let later_change = |path: &str| {
            let mut others = later.iter().filter(|it| !it.is_chosen);
            others.find(|it| it.touches(path)).map(|it| it.change.position)
        };
        let mut restored = Restored::default();
        let paths: BTreeSet<&String> = self.now.keys().chain(target.attributes.keys()).collect();
        for path in paths {
            let value = target.attributes.get(path).cloned().flatten();
            if self.now.get(path) == value.as_ref() {
                continue;
            }
            match later_change(path) {
                Some(position) => left.push(Left::part(path, Reason::ChangedLater(position))),
                None => drop(restored.attributes.insert(path.clone(), value)),
            }
        }
        restored.added = target.added;
        Plan::of(restored, left)
    }

    /// The values before the chosen changes between two indexes.
    fn restored(&self, start: usize, end: usize) -> (Restored, Vec<Left>) {
        let (mut restored, mut left) = (Restored::default(), Vec::new());
        let entries = &self.entries[start..end];
        let chosen = || entries.iter().filter(|it| it.is_chosen);
        let paths: BTreeSet<&str> = chosen().flat_map(|it| paths(&it.change)).collect();
        for path in paths {
            let touching = |it: &Entry| it.touches(path);
            let Some(place) = run_start(entries, touching) else {
                let later = entries.iter().rfind(|it| touching(it));
                left.extend(later.map(|it| Left::part(path, Reason::ChangedLater(it.change.position))));
                continue;
            };
            let is_hidden = chosen().any(|it| it.hides(path));
            match &self.states[start + place] {
                PastState::Existing(before) if !is_hidden => {
                    restored
                        .attributes
                        .insert(path.to_owned(), before.get(path).cloned());
                }
                _ => left.push(Left::part(path, Reason::NotRecorded)),
            }
        }
        left.extend(chosen().filter_map(Entry::unrecorded));
        restore_members(entries, &mut restored, &mut left);
        (restored, left)
    }
}

/// Adds the members before the chosen changes. Each entry is read once, because it may name many members.
fn restore_members(entries: &[Entry], restored: &mut Restored, left: &mut Vec<Left>) {
    let mut effects: BTreeMap<Uuid, Vec<(&Entry, bool)>> = BTreeMap::new();
    for entry in entries {
        for (member, is_added) in members(&entry.change) {
            effects.entry(member).or_default().push((entry, is_added));
        }
    }
    for (member, effects) in effects {
        let run = effects.iter().rev().take_while(|(entry, _)| entry.is_chosen);
        match (run.last(), effects.last()) {
            // Added first and there now; or removed first and not there now.
            (Some((_, true)), Some((_, true))) => drop(restored.removed.insert(member)),
            (Some((_, false)), Some((_, false))) => drop(restored.added.insert(member)),
            (None, Some((later, _))) if effects.iter().any(|(entry, _)| entry.is_chosen) => {
                let path = format!(r#"members[value eq "{member}"]"#);
                left.push(Left::part(&path, Reason::ChangedLater(later.change.position)));
            }
            _ => {}
        }
    }
}

impl Entry {
    fn is_existence(&self) -> bool {
        matches!(self.change.operation, Operation::Create | Operation::Delete)
    }

    fn touches(&self, path: &str) -> bool {
        paths(&self.change).any(|it| it == path)
    }

    fn hides(&self, path: &str) -> bool {
        hidden_paths(&self.change).any(|it| it == path)
    }

    /// The part of the resource for which the entry does not say what it was before: everything if it cannot be read, and
    /// the members in entries of earlier versions.
    fn unrecorded(&self) -> Option<Left> {
        let path = match &self.change.detail {
            ChangeDetail::Unreadable(_) => "",
            ChangeDetail::Attributes(changes) => match changes.get(MEMBERS)? {
                AttributeChange::Steps(_) => MEMBERS,
                _ => return None,
            },
            ChangeDetail::Member(_) => return None,
        };
        Some(Left::part(path, Reason::NotRecorded))
    }
}

impl Left {
    fn whole(reason: Reason) -> Left {
        Left::part("", reason)
    }

    fn part(path: &str, reason: Reason) -> Left {
        Left {
            path: path.to_owned(),
            reason,
        }
    }
}

/// Returns the index of the first entry of the last uninterrupted run of chosen entries among those that touch a value;
/// `None` if the last one is not chosen.
fn run_start(entries: &[Entry], touches: impl Fn(&Entry) -> bool) -> Option<usize> {
    let touching = entries.iter().enumerate().rev().filter(|(_, it)| touches(it));
    let run = touching.take_while(|(_, it)| it.is_chosen);
    run.last().map(|(index, _)| index)
}

fn attributes(state: &PastState) -> BTreeMap<String, Value> {
    match state {
        PastState::Existing(attributes) => attributes.clone(),
        PastState::Absent | PastState::Unknown => BTreeMap::new(),
    }
}

/// The changes of attributes, by their paths.
fn attribute_changes(change: &Change) -> impl Iterator<Item = (&str, &AttributeChange)> {
    let changes = match &change.detail {
        ChangeDetail::Attributes(changes) => Some(changes),
        ChangeDetail::Member(_) | ChangeDetail::Unreadable(_) => None,
    };
    changes.into_iter().flat_map(AttributeChanges::iter)
}

/// The paths of the attributes that a change concerns, except the members of groups.
fn paths(change: &Change) -> impl Iterator<Item = &str> {
    let paths = attribute_changes(change).map(|(path, _)| path);
    paths.filter(|it| *it != MEMBERS)
}

/// The paths of the attributes whose values the journal does not record.
fn hidden_paths(change: &Change) -> impl Iterator<Item = &str> {
    let hidden = attribute_changes(change).filter(|(_, it)| matches!(it, AttributeChange::Hidden));
    hidden.map(|(path, _)| path)
}

/// The members that a change adds (`true`) and removes.
fn members(change: &Change) -> Vec<(Uuid, bool)> {
    match &change.detail {
        ChangeDetail::Member(id) if change.operation == Operation::MemberDeleted => vec![(*id, false)],
        ChangeDetail::Attributes(changes) => match changes.get(MEMBERS) {
            Some(AttributeChange::References { added, removed }) => {
                let ids = |texts: &[String], is_added| {
                    let ids = texts.iter().filter_map(|it| it.parse().ok());
                    ids.map(|it| (it, is_added)).collect::<Vec<_>>()
                };
                [ids(added, true), ids(removed, false)].concat()
            }
            _ => Vec::new(),
        },
        ChangeDetail::Member(_) | ChangeDetail::Unreadable(_) => Vec::new(),
    }
}

/// The members that a group had before its deletion.
fn removed_members(deletion: &Change) -> BTreeSet<Uuid> {
    members(deletion).into_iter().map(|(id, _)| id).collect()
}

#[cfg(test)]
mod tests;
