//! The resources of journal entries in the state right after each change.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::fixture::{Case, Fixture, at, document};
use crate::change::{Actor, AttributeChanges, Operation, PastState};
use crate::schema::{ENTERPRISE_USER_URN, ResourceType};
use crate::secret::SecretHashes;
use crate::store::{FeedEntry, FeedStart, FeedTenants, MembersChange, MembersStep, PastResource, Update};

pub(super) const CASES: &[Case] = cases![
    each_entry_has_the_resource_right_after_its_change,
    the_resource_of_a_deleted_group_is_known_before_its_deletion,
    resources_are_returned_as_far_as_they_fit,
    resources_end_at_an_entry_that_was_dropped,
];

/// All entries of tenants.
fn entries(fixtures: &[&Fixture]) -> Vec<FeedEntry> {
    let tenants = FeedTenants::Only(fixtures.iter().map(|it| it.tenant).collect());
    let (mut start, mut all) = (FeedStart::Oldest, Vec::new());
    loop {
        let read = fixtures[0].store.entries(&tenants, start, 100);
        let read = read.expect("no entry was dropped");
        all.extend(read.entries);
        match read.last.filter(|_| read.more) {
            Some(last) => start = FeedStart::After(last),
            None => return all,
        }
    }
}

fn resources_after(it: &Fixture, entries: &[FeedEntry], max_bytes: usize) -> Vec<PastResource> {
    let entries: Vec<&FeedEntry> = entries.iter().collect();
    let found = it.store.resources_after(&entries, max_bytes);
    found.expect("the store is available")
}

/// The JSON of a resource as it is now.
fn shown(it: &Fixture, resource_type: &ResourceType, id: Uuid) -> Map<String, Value> {
    let stored = it.read(resource_type, id).expect("it exists");
    let state = PastState::of_document(resource_type, &stored.document);
    state.to_json(resource_type, id).expect("it exists")
}

/// Replaces the document of a resource, and records the difference.
fn update(it: &Fixture, resource_type: &Arc<ResourceType>, id: Uuid, value: Value) {
    let stored = it.read(resource_type, id).expect("it exists");
    let before = crate::Document::from_stored_json(&stored.document).expect("it is a document");
    let after = document(value);
    let update = Update {
        resource_type: resource_type.clone(),
        id,
        expected_version: None,
        now: at(2),
        actor: Actor::System,
        changes: AttributeChanges::between(resource_type, &before, &after),
        document: Some(after),
        members: MembersChange::None,
        secrets: SecretHashes::new(),
    };
    it.store.update(it.tenant, &update).expect("nothing prevents it");
}

/// A document of a user, which depends on a number in many ways.
fn user(name: &str, number: usize) -> Value {
    let mut user = json!({ "userName": name });
    let pick = |divisor: usize, of: usize| (number / divisor) % of;
    if pick(1, 3) > 0 {
        user["title"] = json!(format!("title {}", pick(1, 3)));
    }
    if pick(2, 2) > 0 {
        user["active"] = json!(pick(4, 2) == 0);
    }
    if pick(3, 2) > 0 {
        user["name"] = json!({"familyName": format!("name {}", pick(5, 4)), "givenName": "B"});
    }
    if pick(7, 4) > 0 {
        let email = |it: usize| json!({"value": format!("{it}@example.com"), "type": "work"});
        let mut emails: Vec<Value> = (0..pick(7, 4)).map(email).collect();
        if pick(2, 3) == 1 {
            emails.reverse();
        }
        user["emails"] = emails.into();
    }
    if pick(5, 2) > 0 {
        user[ENTERPRISE_USER_URN] = json!({"department": format!("department {}", pick(3, 3))});
    }
    user
}

fn each_entry_has_the_resource_right_after_its_change(it: &Fixture) {
    let other = Fixture::new(it.store, "other");
    let mut expected: HashMap<(Uuid, i64), Option<Map<String, Value>>> = HashMap::new();
    let mut note = |of: &Fixture, resource_type: &ResourceType, id: Uuid| {
        let version = of.version(resource_type, id);
        expected.insert((id, version), Some(shown(of, resource_type, id)));
    };
    let mut users = Vec::new();
    for (owner, name) in [(it, "a"), (&other, "b"), (it, "c")] {
        let id = owner
            .add(&owner.user, user(name, 1), &[])
            .expect("the name is free");
        note(owner, &owner.user, id);
        users.push((owner, name, id));
    }
    let group = it.add_group("Guides", &[users[0].2]);
    note(it, &it.group, group);
    let mut number = 7;
    for step in 0..90 {
        number = (number * 31 + step) % 1_009;
        let (owner, name, id) = users[number % users.len()];
        update(owner, &owner.user, id, user(name, number));
        note(owner, &owner.user, id);
        if step % 10 == 0 {
            let steps = match step % 20 {
                0 => vec![MembersStep::Add(vec![users[2].2])],
                _ => vec![MembersStep::Remove(vec![users[2].2])],
            };
            it.change_members(group, steps).expect("the group exists");
            note(it, &it.group, group);
            update(
                it,
                &it.group,
                group,
                json!({"displayName": format!("Guides {step}")}),
            );
            note(it, &it.group, group);
        }
    }
    let entries = entries(&[it, &other]);
    assert!(entries.len() > 80);
    let found = resources_after(it, &entries, usize::MAX);
    assert_eq!(found.len(), entries.len());
    for (entry, found) in entries.iter().zip(&found) {
        let change = &entry.change;
        assert_eq!(
            found.members.as_deref(),
            expected[&(change.id, change.version)].as_ref(),
            "{change:?}"
        );
    }
    // A deletion shows nothing, and does not hide the states before it.
    assert!(it.delete(&it.user, users[0].2));
    let later = self::entries(&[it, &other]);
    let again = resources_after(it, &later, usize::MAX);
    assert_eq!(again[..found.len()], found);
    for (entry, found) in later.iter().zip(&again).skip(found.len()) {
        let is_deletion = entry.change.operation == Operation::Delete;
        assert_eq!(found.members.is_none(), is_deletion, "{:?}", entry.change);
    }
}

fn the_resource_of_a_deleted_group_is_known_before_its_deletion(it: &Fixture) {
    let user = it.add_user("bjensen");
    let group = it.add_group("Guides", &[user]);
    let expected = shown(it, &it.group, group);
    assert!(it.delete(&it.group, group));
    let entries = entries(&[it]);
    let found = resources_after(it, &entries, usize::MAX);
    let names: Vec<Option<&Value>> = found
        .iter()
        .map(|it| it.members.as_ref()?.get("displayName"))
        .collect();
    assert_eq!(names, [None, Some(&json!("Guides")), None]);
    assert_eq!(found[1].members.as_deref(), Some(&expected));
    assert!(expected.get("members").is_none());
}

fn resources_are_returned_as_far_as_they_fit(it: &Fixture) {
    let users: Vec<Uuid> = (0..6)
        .map(|number| it.add_user(&format!("user{number}")))
        .collect();
    for (number, id) in users.iter().enumerate() {
        let value = json!({"userName": format!("user{number}"), "title": "Guide"});
        update(it, &it.user, *id, value);
    }
    let entries = entries(&[it]);
    let all = resources_after(it, &entries, usize::MAX);
    assert_eq!(all.len(), 12);
    for (index, resource) in all.iter().enumerate() {
        let text = serde_json::to_string(resource.members.as_deref().expect("it exists"));
        assert_eq!(resource.bytes, text.expect("it is JSON").len());
        let bytes: usize = all[..=index].iter().map(|it| it.bytes).sum();
        assert_eq!(resources_after(it, &entries, bytes), all[..=index]);
        assert_eq!(
            resources_after(it, &entries, bytes - 1),
            all[..index.max(1)],
            "the first one is always returned"
        );
    }
    assert_eq!(resources_after(it, &[], 0), []);
}

fn resources_end_at_an_entry_that_was_dropped(it: &Fixture) {
    let user = it.add_user("bjensen");
    update(
        it,
        &it.user,
        user,
        json!({"userName": "bjensen", "title": "Guide"}),
    );
    let entries = entries(&[it]);
    let pruned = it.store.prune_changes(it.tenant, at(2), 10);
    assert_eq!(pruned.expect("the store is available"), 1);
    assert_eq!(resources_after(it, &entries, usize::MAX), []);
    let last = resources_after(it, &entries[1..], usize::MAX);
    assert_eq!(last[0].members.as_deref(), Some(&shown(it, &it.user, user)));
}
