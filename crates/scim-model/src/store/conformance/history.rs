//! The histories of single resources.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};
use uuid::Uuid;

use super::fixture::{Case, Fixture, at, document};
use crate::change::{Actor, AttributeChanges, Change, ChangePosition, Operation, PastState};
use crate::schema::ResourceType;
use crate::secret::SecretHashes;
use crate::store::{
    ChangeSelection, Deletion, MembersChange, MembersStep, NewResource, ResourceAt, ResourceThen, StoreError,
    Update,
};

pub(super) const CASES: &[Case] = cases![
    every_state_is_rebuilt_as_it_was_stored,
    changes_of_a_resource_are_listed_from_the_newest,
    states_before_dropped_entries_are_not_known,
    a_resource_that_never_existed_has_no_history,
    the_resources_of_chosen_changes_are_found,
    a_deleted_resource_is_created_again_with_a_later_version,
];

/// The number of steps with random changes.
const STEPS: i64 = 600;

/// A sequence of numbers that is the same in each run.
struct Numbers(u64);

impl Numbers {
    /// Returns a number below `end`.
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(self.0 >> 33).unwrap_or_default() % end
    }
}

/// A directory that changes, with the states of its resources after each step.
struct Directory<'a> {
    it: &'a Fixture<'a>,
    numbers: Numbers,
    second: i64,
    users: Vec<Uuid>,
    groups: Vec<Uuid>,
    /// The states of each resource with the time since which it had them, the oldest first.
    states: HashMap<Uuid, Vec<(i64, ResourceAt)>>,
}

impl Directory<'_> {
    fn resource_type(&self, id: Uuid) -> &Arc<ResourceType> {
        match self.groups.contains(&id) {
            true => &self.it.group,
            false => &self.it.user,
        }
    }

    /// Stores the current state of a resource in the list.
    fn note(&mut self, id: Uuid) {
        let resource_type = self.resource_type(id);
        let state = match self.it.read(resource_type, id) {
            None => ResourceAt::Absent,
            Some(stored) => {
                let state = PastState::of_document(resource_type, &stored.document);
                let mut members: Vec<Uuid> = stored.members.iter().flatten().map(|it| it.id).collect();
                members.sort();
                ResourceAt::Existing(ResourceThen {
                    resource_type: resource_type.name.clone(),
                    version: Some(stored.version),
                    attributes: state.to_json(resource_type, id).expect("it exists"),
                    members,
                })
            }
        };
        let states = self.states.entry(id).or_default();
        states.push((self.second, state));
    }

    fn exists(&self, id: Uuid) -> bool {
        let last = self.states.get(&id).and_then(|it| it.last());
        last.is_some_and(|(_, state)| *state != ResourceAt::Absent)
    }

    fn create(&self, id: Uuid, value: Value, members: Vec<Uuid>) -> Result<(), StoreError> {
        let new = NewResource {
            resource_type: self.resource_type(id).clone(),
            id,
            now: at(self.second),
            actor: Actor::System,
            document: document(value),
            members,
            secrets: SecretHashes::new(),
        };
        self.it.store.create(self.it.tenant, &new)
    }

    fn update(&self, id: Uuid, value: Option<Value>, members: MembersChange) {
        let resource_type = self.resource_type(id).clone();
        let stored = self.it.read(&resource_type, id).expect("it exists");
        let before = crate::Document::from_stored_json(&stored.document).expect("it is a document");
        let after = value.map(document);
        let changes = match &after {
            Some(after) => AttributeChanges::between(&resource_type, &before, after),
            None => AttributeChanges::default(),
        };
        let update = Update {
            resource_type,
            id,
            expected_version: None,
            now: at(self.second),
            actor: Actor::System,
            changes,
            document: after,
            members,
            secrets: SecretHashes::new(),
        };
        let updated = self.it.store.update(self.it.tenant, &update);
        updated.expect("nothing prevents it");
    }

    fn delete(&mut self, id: Uuid) {
        let deletion = Deletion {
            resource_type: self.resource_type(id).clone(),
            id,
            expected_version: None,
            now: at(self.second),
            actor: Actor::System,
        };
        let deleted = self.it.store.delete(self.it.tenant, &deletion);
        assert!(deleted.expect("the store is available"));
        // It leaves its groups.
        for group in self.groups.clone() {
            if self.exists(group) && group != id {
                self.note(group);
            }
        }
    }

    fn some_users(&mut self) -> Vec<Uuid> {
        let chosen = (0..self.numbers.below(5)).map(|_| self.users[self.numbers.below(self.users.len())]);
        let chosen: Vec<Uuid> = chosen.collect();
        chosen.into_iter().filter(|it| self.exists(*it)).collect()
    }

    /// Makes one random change.
    fn step(&mut self) {
        self.second += 1;
        let number = self.numbers.below(7);
        let all = self.users.len() + self.groups.len();
        let chosen = self.numbers.below(all);
        let (id, is_group) = match chosen.checked_sub(self.users.len()) {
            None => (self.users[chosen], false),
            Some(group) => (self.groups[group], true),
        };
        let name = format!("name {chosen}");
        let value = match (is_group, number % 3) {
            (true, number) => json!({"displayName": format!("{name} {number}")}),
            (false, 0) => json!({"userName": name}),
            (false, 1) => json!({"userName": name, "title": format!("title {}", self.second)}),
            (false, _) => json!({
                "userName": name,
                "active": self.second % 2 == 0,
                "emails": [{"value": format!("{}@example.com", self.second)}, {"value": "a@example.com"}],
            }),
        };
        let members = self.some_users();
        match (self.exists(id), number, is_group) {
            (false, ..) => {
                let members = if is_group { members } else { Vec::new() };
                self.create(id, value, members).expect("nothing prevents it");
            }
            (true, 0, _) => self.delete(id),
            (true, 1, true) => self.change_members(id, MembersStep::ReplaceAll(members)),
            (true, 2, true) => self.change_members(id, MembersStep::Remove(members)),
            (true, 3, true) => self.change_members(id, MembersStep::RemoveAll),
            (true, 4 | 5, true) => self.change_members(id, MembersStep::Add(members)),
            (true, ..) => self.update(id, Some(value), MembersChange::None),
        }
        self.note(id);
    }

    fn change_members(&mut self, id: Uuid, step: MembersStep) {
        self.update(id, None, MembersChange::Steps(vec![step]));
    }

    /// The state of a resource that was stored at a time.
    fn expected(&self, id: Uuid, second: i64) -> &ResourceAt {
        let states = self.states.get(&id).map_or(&[][..], |it| it);
        let later = states.partition_point(|(since, _)| *since <= second);
        match later.checked_sub(1) {
            Some(last) => &states[last].1,
            None if states.is_empty() => &ResourceAt::Unknown,
            None => &ResourceAt::Absent,
        }
    }
}

fn resource_at(it: &Fixture, id: Uuid, second: i64) -> ResourceAt {
    let state = it.store.resource_at(it.tenant, id, at(second));
    state.expect("the store is available")
}

fn every_state_is_rebuilt_as_it_was_stored(it: &Fixture) {
    check_histories(it, 1_000);
}

/// Changes a directory at random, and compares states at random times with those that were stored then.
///
/// # Panics
/// When a state differs.
pub fn check_histories(it: &Fixture, states: u32) {
    let ids = |number| (0..number).map(|_| Uuid::now_v7()).collect();
    let mut directory = Directory {
        it,
        numbers: Numbers(9),
        second: 10,
        users: ids(12),
        groups: ids(4),
        states: HashMap::new(),
    };
    for _ in 0..STEPS {
        directory.step();
    }
    let all: Vec<Uuid> = directory.users.iter().chain(&directory.groups).copied().collect();
    let (mut existing, mut absent) = (0, 0);
    for _ in 0..states {
        let id = all[directory.numbers.below(all.len())];
        let second = i64::try_from(directory.numbers.below(640)).expect("it is small");
        let found = resource_at(it, id, second);
        let expected = directory.expected(id, second);
        assert_eq!(&found, expected, "{id} at second {second}");
        match found {
            ResourceAt::Existing(_) => existing += 1,
            _ => absent += 1,
        }
    }
    assert!(
        existing > states / 4 && absent > states / 50,
        "{existing} {absent}"
    );
}

fn changes_of(it: &Fixture, id: Uuid, before: Option<ChangePosition>, limit: u32) -> Vec<Change> {
    let changes = it.store.changes_of(it.tenant, id, before, limit);
    changes.expect("the store is available")
}

fn changes_of_a_resource_are_listed_from_the_newest(it: &Fixture) {
    let (one, other) = (it.add_user("one"), it.add_user("other"));
    for title in ["a", "b", "c"] {
        for (id, name) in [(one, "one"), (other, "other")] {
            let replaced = it.replace(&it.user, id, None, json!({"userName": name, "title": title}));
            replaced.expect("nothing prevents it");
        }
    }
    assert!(it.delete(&it.user, one));
    let all = changes_of(it, one, None, 100);
    let mut journal = it.changes();
    journal.retain(|it| it.id == one);
    journal.reverse();
    assert_eq!(all, journal);
    assert_eq!(all.len(), 5);
    assert_eq!(all[0].operation, Operation::Delete);
    assert_eq!(changes_of(it, one, None, 2), all[..2]);
    assert_eq!(changes_of(it, one, Some(all[1].position), 2), all[2..4]);
    assert_eq!(changes_of(it, one, Some(all[4].position), 2), []);
    let neighbour = Fixture::new(it.store, "neighbour");
    assert_eq!(changes_of(&neighbour, one, None, 2), []);
    assert_eq!(resource_at(&neighbour, one, 2), ResourceAt::Unknown);
}

fn states_before_dropped_entries_are_not_known(it: &Fixture) {
    let user = it.add_user("bjensen");
    it.replace(&it.user, user, None, json!({"userName": "babs"}))
        .expect("nothing prevents it");
    let group = it.add_group("Guides", &[user]);
    it.change_members(group, vec![MembersStep::RemoveAll])
        .expect("nothing prevents it");
    let pruned = it.store.prune_changes(it.tenant, at(3), 3);
    assert_eq!(pruned.expect("the store is available"), 3);
    let name = |state: ResourceAt| match state {
        ResourceAt::Existing(then) => Some((then.attributes["userName"].clone(), then.version)),
        _ => None,
    };
    // The last dropped entry is of second 1, because the group was created after the second change of the user.
    assert_eq!(resource_at(it, user, 0), ResourceAt::Dropped(at(1)));
    assert_eq!(name(resource_at(it, user, 1)), Some((json!("babs"), Some(2))));
    assert_eq!(name(resource_at(it, user, 5)), Some((json!("babs"), Some(2))));
    let ResourceAt::Existing(then) = resource_at(it, group, 2) else {
        panic!("the group existed");
    };
    assert_eq!((then.members, then.version), (vec![user], None));
    let ResourceAt::Existing(now) = resource_at(it, group, 3) else {
        panic!("the group exists");
    };
    assert_eq!((now.members, now.version), (vec![], Some(2)));
}

fn a_resource_that_never_existed_has_no_history(it: &Fixture) {
    it.add_user("bjensen");
    let unknown = Uuid::now_v7();
    assert_eq!(resource_at(it, unknown, 2), ResourceAt::Unknown);
    assert_eq!(changes_of(it, unknown, None, 2), []);
}

/// Changes the title of a user at a time, by a connection or an operator.
fn retitle(it: &Fixture, id: Uuid, title: &str, seconds: i64, actor: Actor) {
    let update = Update {
        resource_type: it.user.clone(),
        id,
        expected_version: None,
        now: at(seconds),
        actor,
        document: Some(document(json!({"userName": id.to_string(), "title": title}))),
        members: MembersChange::None,
        secrets: SecretHashes::new(),
        changes: AttributeChanges::default(),
    };
    let updated = it.store.update(it.tenant, &update);
    updated.expect("nothing prevents it");
}

fn the_resources_of_chosen_changes_are_found(it: &Fixture) {
    let (one, other) = (it.add_user("one"), it.add_user("other"));
    let group = it.add_group("Guides", &[]);
    let [credential, key] = [(); 2].map(|()| Uuid::now_v7());
    let connection = it.connection().id;
    let by_connection = |request: &str| Actor::Connection {
        connection,
        credential,
        request: request.to_owned(),
    };
    let by_key = Actor::OperatorKey {
        key,
        request: "third".to_owned(),
    };
    retitle(it, one, "a", 10, by_connection("first"));
    retitle(it, other, "b", 20, by_connection("second"));
    retitle(it, other, "c", 30, by_key);
    let found = |selection: ChangeSelection| -> Vec<(Uuid, u64)> {
        let found = it.store.changed_resources(it.tenant, &selection);
        let found = found.expect("the store is available");
        assert!(found.is_sorted_by_key(|it| it.id));
        for resource in &found {
            let mut changes = it.changes();
            changes.retain(|it| it.id == resource.id && selection.includes(it));
            let first = changes.first().expect("a change was chosen");
            assert_eq!(
                (resource.first, &resource.resource_type),
                (first.position, &first.resource_type)
            );
            assert_eq!(usize::try_from(resource.changes).ok(), Some(changes.len()));
        }
        found.into_iter().map(|it| (it.id, it.changes)).collect()
    };
    let mut all = vec![(one, 2), (other, 3), (group, 1)];
    all.sort();
    assert_eq!(found(ChangeSelection::default()), all);
    let of_connection = ChangeSelection {
        connection: Some(connection),
        ..ChangeSelection::default()
    };
    let mut expected = [(one, 1), (other, 1)];
    expected.sort();
    assert_eq!(found(of_connection.clone()), expected);
    let later = ChangeSelection {
        from: Some(at(15)),
        to: Some(at(25)),
        ..of_connection
    };
    assert_eq!(found(later), [(other, 1)]);
    for (selection, expected) in [
        (
            ChangeSelection {
                credential: Some(key),
                ..ChangeSelection::default()
            },
            (other, 1),
        ),
        (
            ChangeSelection {
                request: Some("first".to_owned()),
                ..ChangeSelection::default()
            },
            (one, 1),
        ),
    ] {
        assert_eq!(found(selection), [expected]);
    }
    let neighbour = Fixture::new(it.store, "neighbour");
    let none = neighbour
        .store
        .changed_resources(neighbour.tenant, &ChangeSelection::default());
    assert_eq!(none.expect("the store is available"), []);
}

fn a_deleted_resource_is_created_again_with_a_later_version(it: &Fixture) {
    let user = it.add_user("bjensen");
    let new = NewResource {
        resource_type: it.user.clone(),
        id: user,
        now: at(9),
        actor: Actor::System,
        document: document(json!({"userName": "bjensen", "title": "Guide"})),
        members: Vec::new(),
        secrets: SecretHashes::new(),
    };
    let create_again = |last_version| it.store.create_again(it.tenant, &new, last_version);
    assert!(matches!(create_again(1), Err(StoreError::Stale)));
    assert!(it.delete(&it.user, user));
    create_again(7).expect("the id is free");
    let stored = it.read(&it.user, user).expect("it exists");
    assert_eq!((stored.version, stored.created), (8, at(9)));
    let last = changes_of(it, user, None, 1);
    assert_eq!((last[0].operation, last[0].version), (Operation::Create, 8));
    let other = it.add_user("other");
    assert!(it.delete(&it.user, other));
    let taken = NewResource {
        id: other,
        ..new.clone()
    };
    let taken = it.store.create_again(it.tenant, &taken, 1);
    assert!(matches!(taken, Err(StoreError::Conflict { .. })), "{taken:?}");
}
