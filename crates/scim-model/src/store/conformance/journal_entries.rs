//! The entries that writes leave in the journal.

use std::sync::Arc;

use serde_json::json;
use uuid::Uuid;

use super::fixture::{Case, Fixture, at, document, expect_taken};
use crate::change::{
    Actor, AttributeChange, AttributeChanges, ChangeDetail, MembersChange, MembersStep, Operation,
};
use crate::schema::ResourceType;
use crate::secret::{SecretHash, SecretHashes};
use crate::store::{ConnectionId, Deletion, NewResource, StoreError, Update};

pub(super) const CASES: &[Case] = cases![
    every_write_is_recorded,
    each_entry_records_its_originator,
    a_creation_and_a_deletion_record_the_whole_resource,
    an_update_records_the_changes_that_it_was_given,
    an_update_records_the_members_that_joined_and_left,
    a_restoration_is_an_update_of_its_own_kind,
    writes_without_effect_are_not_recorded,
];

fn every_write_is_recorded(it: &Fixture) {
    let other = Fixture::new(it.store, "other");
    other.add_user("bjensen");
    let user = it.add_user("bjensen");
    let group = it.add_group("Guides", &[user]);
    it.replace(
        &it.user,
        user,
        None,
        json!({"userName": "bjensen", "displayName": "Babs"}),
    )
    .expect("nothing prevents it");
    it.change_members(group, vec![MembersStep::Remove(vec![user])])
        .expect("the group exists");
    it.change_members(group, vec![MembersStep::Add(vec![user])])
        .expect("the group exists");
    let outer = it.add_group("All", &[group]);
    it.replace(&it.group, group, None, json!({"displayName": "Tour guides"}))
        .expect("the name is free");
    assert!(it.delete(&it.user, user));
    assert!(it.delete(&it.group, group));
    let changes = it.changes();
    let found: Vec<_> = changes
        .iter()
        .map(|it| (&*it.resource_type, it.id, it.version, it.operation, it.at))
        .collect();
    assert_eq!(
        found,
        [
            ("User", user, 1, Operation::Create, at(1)),
            ("Group", group, 1, Operation::Create, at(1)),
            ("User", user, 2, Operation::Update, at(2)),
            ("Group", group, 2, Operation::MemberRenamed, at(2)),
            ("Group", group, 3, Operation::Update, at(3)),
            ("Group", group, 4, Operation::Update, at(3)),
            ("Group", outer, 1, Operation::Create, at(1)),
            ("Group", group, 5, Operation::Update, at(2)),
            ("Group", outer, 2, Operation::MemberRenamed, at(2)),
            ("Group", group, 6, Operation::MemberDeleted, at(4)),
            ("User", user, 2, Operation::Delete, at(4)),
            ("Group", outer, 3, Operation::MemberDeleted, at(4)),
            ("Group", group, 6, Operation::Delete, at(4)),
        ]
    );
    for (index, member) in [(3, user), (8, group), (9, user), (11, group)] {
        assert_eq!(changes[index].detail, ChangeDetail::Member(member));
    }
    assert!(changes.iter().all(|it| it.actor == Actor::System));
    assert_eq!(other.changes().len(), 1, "each tenant has its own journal");
}

/// The effects of a write on groups have the same originator as the write.
fn each_entry_records_its_originator(it: &Fixture) {
    let [connection, credential, key] = [(); 3].map(|()| Uuid::now_v7());
    let client = Actor::Connection {
        connection: ConnectionId(connection),
        credential,
        request: "request-1".to_owned(),
    };
    let operator = Actor::OperatorKey {
        key,
        request: "request-2".to_owned(),
    };
    let command = Actor::CommandLine {
        user: "Jörg \"root\"".to_owned(),
    };
    let new = |resource_type: &Arc<ResourceType>, value, members, actor: &Actor| {
        let new = NewResource {
            resource_type: resource_type.clone(),
            id: Uuid::now_v7(),
            now: at(1),
            actor: actor.clone(),
            document: document(value),
            members,
            secrets: SecretHashes::new(),
        };
        it.store.create(it.tenant, &new).expect("the name is free");
        new.id
    };
    let user = new(&it.user, json!({"userName": "bjensen"}), Vec::new(), &client);
    new(
        &it.group,
        json!({"displayName": "Guides"}),
        vec![user],
        &Actor::Unknown,
    );
    let update = Update {
        resource_type: it.user.clone(),
        id: user,
        expected_version: None,
        now: at(2),
        actor: operator.clone(),
        document: Some(document(json!({"userName": "bjensen", "displayName": "Babs"}))),
        members: MembersChange::None,
        secrets: SecretHashes::new(),
        changes: AttributeChanges::default(),
    };
    it.store
        .update(it.tenant, &update)
        .expect("nothing prevents it")
        .expect("the user exists");
    let deletion = Deletion {
        resource_type: it.user.clone(),
        id: user,
        expected_version: None,
        now: at(3),
        actor: command.clone(),
    };
    assert!(
        it.store
            .delete(it.tenant, &deletion)
            .expect("nothing prevents it")
    );
    let changes = it.changes();
    let found: Vec<_> = changes.iter().map(|it| (it.operation, &it.actor)).collect();
    assert_eq!(
        found,
        [
            (Operation::Create, &client),
            (Operation::Create, &Actor::Unknown),
            (Operation::Update, &operator),
            (Operation::MemberRenamed, &operator),
            (Operation::MemberDeleted, &command),
            (Operation::Delete, &command),
        ]
    );
}

/// So that the history of a resource, and undoing a change, need nothing but the journal.
fn a_creation_and_a_deletion_record_the_whole_resource(it: &Fixture) {
    let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    let new = NewResource {
        resource_type: it.user.clone(),
        id: Uuid::now_v7(),
        now: at(1),
        actor: Actor::System,
        document: document(json!({
            "userName": "bjensen", "name": {"familyName": "Jensen"}, "emails": [{"value": "b@example.com"}],
            enterprise: {"department": "Tours"}
        })),
        members: Vec::new(),
        secrets: [("password".to_owned(), Some(SecretHash("secret".to_owned())))].into(),
    };
    it.store.create(it.tenant, &new).expect("the name is free");
    let smith = it.add_user("smith");
    let group = it.add_group("Guides", &[new.id, smith, new.id]);
    assert!(it.delete(&it.group, group));
    assert!(it.delete(&it.user, new.id));
    let changes: Vec<_> = it.changes().into_iter().map(|it| it.detail.to_stored()).collect();
    let members = json!([new.id.to_string(), smith.to_string()]);
    let user = |side: &str| {
        json!({
            "userName": {side: "bjensen"}, "name": {side: {"familyName": "Jensen"}},
            "emails": {side: [{"value": "b@example.com"}]}, format!("{enterprise}:department"): {side: "Tours"}
        })
    };
    let mut created = user("new");
    created["password"] = json!({"changed": true});
    assert_eq!(
        changes,
        [
            created,
            json!({"userName": {"new": "smith"}}),
            json!({"displayName": {"new": "Guides"}, "members": {"added": members, "removed": []}}),
            json!({"displayName": {"old": "Guides"}, "members": {"added": [], "removed": members}}),
            user("old"),
        ]
        .map(|it| it.to_string())
    );
}

fn an_update_records_the_changes_that_it_was_given(it: &Fixture) {
    let (user, member) = (it.add_user("bjensen"), it.add_user("smith"));
    let group = it.add_group("Guides", &[]);
    let mut of_user = AttributeChanges::default();
    let title = AttributeChange::Value {
        old: None,
        new: Some(json!("\"Guide\" \u{1F600}")),
    };
    of_user.insert("title", title);
    of_user.insert("password", AttributeChange::Hidden);
    let members = MembersChange::Steps(vec![MembersStep::RemoveAll, MembersStep::Add(vec![member])]);
    let of_group = AttributeChanges::default().with_secrets(&[("password".to_owned(), None)].into());
    let updates = [
        Update {
            resource_type: it.user.clone(),
            id: user,
            expected_version: Some(1),
            now: at(2),
            actor: Actor::System,
            document: Some(document(json!({"userName": "bjensen", "title": "Guide"}))),
            members: MembersChange::None,
            secrets: SecretHashes::new(),
            changes: of_user,
        },
        Update {
            resource_type: it.group.clone(),
            id: group,
            expected_version: None,
            now: at(3),
            actor: Actor::System,
            document: None,
            members,
            secrets: SecretHashes::new(),
            changes: of_group,
        },
    ];
    for update in updates {
        it.store.update(it.tenant, &update).expect("nothing prevents it");
        let last = it.changes().pop().expect("the update was recorded");
        assert_eq!((last.id, last.operation), (update.id, Operation::Update));
        let mut expected = update.changes;
        if update.id == group {
            expected.record_members(&[member], &[]);
        }
        assert_eq!(last.detail, ChangeDetail::Attributes(expected));
    }
}

/// A reader of the journal needs the effect of a request, and not its wording.
fn an_update_records_the_members_that_joined_and_left(it: &Fixture) {
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| it.add_user(name));
    let group = it.add_group("Guides", &[b, a]);
    let outer = it.add_group("All", &[]);
    type Ids<'a> = &'a [Uuid];
    let check = |steps: &[MembersStep], added: Ids, removed: Ids, members: Ids| {
        it.change_members(group, steps.to_vec())
            .expect("the members exist")
            .expect("the group exists");
        let last = it.changes().pop().expect("the update was recorded");
        let mut expected = AttributeChanges::default();
        expected.record_members(added, removed);
        assert_eq!(last.detail, ChangeDetail::Attributes(expected), "{steps:?}");
        assert_eq!(it.members(group), members, "{steps:?}");
    };
    let add = |ids: Ids| MembersStep::Add(ids.to_vec());
    let remove = |ids: Ids| MembersStep::Remove(ids.to_vec());
    let replace = |ids: Ids| MembersStep::ReplaceAll(ids.to_vec());
    check(&[add(&[d, a, c, d])], &[d, c], &[], &[b, a, d, c]);
    check(&[remove(&[c, Uuid::now_v7(), b, c])], &[], &[c, b], &[a, d]);
    check(&[add(&[c]), remove(&[a]), add(&[b])], &[c, b], &[a], &[d, c, b]);
    check(&[replace(&[a, b, a])], &[a], &[d, c], &[b, a]);
    check(&[MembersStep::RemoveAll], &[], &[b, a], &[]);
    check(&[add(&[a, b]), remove(&[b]), add(&[c])], &[a, c], &[], &[a, c]);
    check(&[remove(&[a]), add(&[a])], &[], &[], &[c, a]);
    check(
        &[MembersStep::RemoveAll, add(&[a, d, outer])],
        &[d, outer],
        &[c],
        &[a, d, outer],
    );
}

fn a_restoration_is_an_update_of_its_own_kind(it: &Fixture) {
    let user = it.add_user("bjensen");
    let update = |id: Uuid, expected_version: i64| Update {
        resource_type: it.user.clone(),
        id,
        expected_version: Some(expected_version),
        now: at(2),
        actor: Actor::System,
        document: Some(document(json!({"userName": "bjensen", "active": true}))),
        members: MembersChange::None,
        secrets: SecretHashes::new(),
        changes: AttributeChanges::default(),
    };
    let restore = |id: Uuid, version: i64| it.store.restore(it.tenant, &update(id, version));
    assert!(matches!(restore(user, 7), Err(StoreError::Stale)));
    assert!(matches!(restore(Uuid::now_v7(), 1), Ok(None)));
    let restored = restore(user, 1).expect("nothing prevents it").expect("it exists");
    assert_eq!((restored.version, restored.changed), (2, true));
    let last = it.changes().pop().expect("it was recorded");
    assert_eq!(
        (last.id, last.version, last.operation),
        (user, 2, Operation::Restored)
    );
    assert_eq!(it.names(&it.user, "active eq true", ""), ["bjensen"]);
}

fn writes_without_effect_are_not_recorded(it: &Fixture) {
    let user = it.add_user("bjensen");
    let group = it.add_group("Guides", &[user]);
    let before = it.changes();
    expect_taken("userName", it.add(&it.user, json!({"userName": "BJENSEN"}), &[]));
    it.add(&it.group, json!({"displayName": "a"}), &[Uuid::now_v7()])
        .expect_err("the member does not exist");
    let stale = it.replace(&it.user, user, Some(7), json!({"userName": "babs"}));
    assert!(matches!(stale, Err(StoreError::Stale)), "{stale:?}");
    it.replace(&it.user, user, None, json!({"userName": "bjensen"}))
        .expect("nothing prevents it");
    it.replace(&it.user, Uuid::now_v7(), None, json!({"userName": "babs"}))
        .expect("nothing prevents it");
    it.change_members(group, vec![MembersStep::Add(vec![user])])
        .expect("nothing prevents it");
    it.change_members(group, vec![MembersStep::Add(vec![Uuid::now_v7()])])
        .expect_err("the member does not exist");
    assert!(!it.delete(&it.user, Uuid::now_v7()));
    let stale = it.delete_version(&it.user, user, Some(7));
    assert!(matches!(stale, Err(StoreError::Stale)), "{stale:?}");
    assert_eq!(it.changes(), before);
}
