//! The journal: the entries that writes leave, reading them from a position, and dropping old ones.

use std::sync::Arc;

use serde_json::json;
use uuid::Uuid;

use super::fixture::{Case, Fixture, at, document, expect_taken};
use crate::change::{
    Actor, AttributeChange, AttributeChanges, Change, ChangeDetail, ChangePosition, MembersChange,
    MembersStep, Operation,
};
use crate::schema::ResourceType;
use crate::secret::{SecretHash, SecretHashes};
use crate::store::{ConnectionId, Deletion, JournalError, NewResource, StoreError, Update};

pub(super) const CASES: &[Case] = cases![
    every_write_is_recorded,
    each_entry_records_its_originator,
    a_creation_and_a_deletion_record_the_whole_resource,
    an_update_records_the_changes_that_it_was_given,
    an_update_records_the_members_that_joined_and_left,
    a_restoration_is_an_update_of_its_own_kind,
    writes_without_effect_are_not_recorded,
    a_reader_continues_after_any_position,
    dropped_entries_are_reported_to_readers_that_miss_them,
    positions_of_other_journals_are_refused,
    a_reader_that_starts_at_the_last_position_gets_later_changes_only,
    the_journal_of_a_deleted_tenant_is_gone,
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

fn a_reader_continues_after_any_position(it: &Fixture) {
    for number in 0..7 {
        it.add_user(&format!("user{number}"));
    }
    let all = it.changes();
    let positions = all.iter().map(|it| it.position);
    let positions: Vec<_> = [ChangePosition::default()].into_iter().chain(positions).collect();
    for (index, position) in positions.into_iter().enumerate() {
        let text = position.to_string();
        let position = text.parse().expect("a position reads as it was written");
        for limit in [0, 1, 3, 7, 100] {
            let read = it.store.changes(it.tenant, position, limit);
            let expected = all[index..].iter().take(limit as usize);
            assert!(
                read.expect("no entry was dropped").iter().eq(expected),
                "{text} {limit}"
            );
        }
    }
}

/// Creates users at these times, in this order.
fn add_users_at(it: &Fixture, seconds: &[i64]) {
    for second in seconds {
        let id = Uuid::now_v7();
        let new = NewResource {
            resource_type: it.user.clone(),
            id,
            now: at(*second),
            actor: Actor::System,
            document: document(json!({ "userName": id.to_string() })),
            members: Vec::new(),
            secrets: SecretHashes::new(),
        };
        it.store.create(it.tenant, &new).expect("the name is free");
    }
}

/// Drops the changes before a time, two at once, and returns their number.
fn prune(it: &Fixture, seconds: i64) -> usize {
    let mut all = 0;
    loop {
        let dropped = it.store.prune_changes(it.tenant, at(seconds), 2);
        let dropped = dropped.expect("the store is available");
        assert!(dropped <= 2, "no more than the limit");
        all += dropped;
        if dropped < 2 {
            return all;
        }
    }
}

fn read(it: &Fixture, after: ChangePosition) -> Result<Vec<Change>, JournalError> {
    it.store.changes(it.tenant, after, 100)
}

fn expect_dropped(it: &Fixture, position: ChangePosition) {
    let refused = read(it, position);
    assert!(
        matches!(refused, Err(JournalError::Dropped(it)) if it == position),
        "{refused:?}"
    );
}

fn expect_unknown(it: &Fixture, position: ChangePosition) {
    let refused = read(it, position);
    assert!(
        matches!(refused, Err(JournalError::Unknown(it)) if it == position),
        "{refused:?}"
    );
}

fn dropped_entries_are_reported_to_readers_that_miss_them(it: &Fixture) {
    let other = Fixture::new(it.store, "other");
    add_users_at(&other, &[1, 2]);
    // The fifth change carries an earlier time than the fourth, which stays, and so it stays too.
    add_users_at(it, &[1, 2, 3, 9, 4, 10]);
    let (before, others) = (it.changes(), other.changes());
    assert_eq!(prune(it, 1), 0);
    assert_eq!(prune(it, 5), 3);
    assert_eq!(prune(it, 5), 0);
    assert_eq!(it.changes(), before[3..], "the journal has no gaps");
    assert_eq!(other.changes(), others, "the entries of another tenant stay");
    for missed in &before[..2] {
        expect_dropped(it, missed.position);
    }
    for (index, change) in before.iter().enumerate().skip(2) {
        let rest = read(it, change.position).expect("this reader has missed nothing");
        assert_eq!(rest, before[index + 1..]);
    }

    // After every entry was dropped, a reader that has seen the last one continues.
    assert_eq!(prune(it, 100), 3);
    assert!(it.changes().is_empty());
    add_users_at(it, &[11]);
    let next = it.changes();
    assert!(next[0].position > before[5].position);
    let rest = read(it, before[5].position);
    assert_eq!(rest.expect("this reader has missed nothing"), next);
    expect_dropped(it, before[4].position);
}

fn a_reader_that_starts_at_the_last_position_gets_later_changes_only(it: &Fixture) {
    let last = || it.store.last_position(it.tenant).expect("the store is available");
    let other = Fixture::new(it.store, "other");
    assert_eq!(last(), ChangePosition::default());
    add_users_at(it, &[1, 2]);
    add_users_at(&other, &[3]);
    let position = last();
    assert_eq!(position, it.changes()[1].position);
    add_users_at(it, &[4]);
    let later = read(it, position).expect("no entry has been dropped");
    assert_eq!(later, it.changes()[2..]);

    // After every entry was dropped, a reader can still start at the end.
    assert_eq!(prune(it, 100), 3);
    let position = last();
    add_users_at(it, &[5]);
    assert_eq!(
        read(it, position).expect("this reader has missed nothing"),
        it.changes()
    );
}

fn positions_of_other_journals_are_refused(it: &Fixture) {
    let other = Fixture::new(it.store, "other");
    add_users_at(&other, &[1]);
    add_users_at(it, &[1, 2]);
    let (mine, theirs) = (it.changes(), other.changes());
    expect_unknown(it, theirs[0].position);
    expect_unknown(&other, mine[1].position);
    let last = mine[1].position;
    // After a backup was restored, another entry may have the number of one that a reader saw.
    expect_unknown(
        it,
        ChangePosition {
            at: last.at + 1,
            ..last
        },
    );
    expect_unknown(
        it,
        ChangePosition {
            sequence: i64::MAX,
            ..last
        },
    );
}

fn the_journal_of_a_deleted_tenant_is_gone(it: &Fixture) {
    add_users_at(it, &[1, 2]);
    let seen = it.changes();
    assert_eq!(prune(it, 2), 1);
    let tenants = it.store.tenants().expect("the store is available");
    let tenant = tenants.iter().find(|tenant| tenant.id == it.tenant);
    let name = &tenant.expect("the fixture created it").name;
    assert!(it.store.delete_tenant(name).expect("the store is available"));
    assert!(it.changes().is_empty());
    for change in seen {
        expect_unknown(it, change.position);
    }
}
