//! The change journal on both databases, with concurrent readers, writers and retention.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use scim_model::change::{Actor, AttributeChanges, Change, ChangeDetail, ChangePosition};
use scim_model::store::conformance::{Fixture, at, document};
use scim_model::store::{
    ChangeJournal, JournalError, MembersChange, MembersStep, NewResource, ResourceStore, TenantId, Update,
};
use scim_model::{ResourceType, SchemaRegistry, SecretHashes};
use scim_storage_diesel::{DieselStore, StoreOptions};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::database::{Database, on_each};

fn all(store: &DieselStore, tenant: TenantId) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut after = ChangePosition::default();
    for _ in 0..1_000 {
        let next = store.changes(tenant, after, 3).expect("the store is there");
        let Some(last) = next.last() else {
            return changes;
        };
        assert!(next.iter().all(|it| it.position > after));
        after = last.position;
        changes.extend(next);
    }
    panic!("the journal has no end")
}

#[test]
fn a_reader_misses_no_change_of_many_writers() {
    on_each(|database| {
        let store = database.store();
        let it = Fixture::new(&store, "acme");
        let ids: Vec<_> = (0..4)
            .map(|number| it.add_user(&format!("user{number}")))
            .collect();
        let (threads, rounds) = (4, 15);
        let mut seen: Vec<Change> = Vec::new();
        std::thread::scope(|scope| {
            for (thread, id) in ids.iter().enumerate() {
                let it = &it;
                scope.spawn(move || {
                    for round in 0..rounds {
                        let value = json!({"userName": format!("user{thread}"), "title": format!("{round}")});
                        it.replace(&it.user, *id, None, value).expect("it exists");
                    }
                });
            }
            for _ in 0..2_000 {
                let after = seen.last().map(|it| it.position).unwrap_or_default();
                seen.extend(store.changes(it.tenant, after, 5).expect("the store is there"));
                if seen.len() == threads + threads * rounds {
                    break;
                }
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
        });
        let mut versions = BTreeMap::new();
        for change in &seen {
            let last = versions.insert(change.id, change.version).unwrap_or(0);
            assert_eq!(change.version, last + 1, "no entry is missed or early");
        }
        assert!(ids.iter().all(|id| versions[id] == 1 + rounds as i64));
    });
}

/// Concurrent writers change one group. A follower and a later reader get the changes in the order in which they were
/// made, and replaying them leads to the state of the group.
#[test]
fn the_changes_of_a_resource_are_read_in_their_order() {
    on_each(|database| {
        let store = database.store();
        let it = Fixture::new(&store, "acme");
        let user = it.add_user("bjensen");
        let groups: Vec<Uuid> = (0..40)
            .map(|number| it.add_group(&format!("group{number}"), &[]))
            .collect();
        let change = |group: Uuid, is_joining: bool| {
            let step = if is_joining {
                MembersStep::Add(vec![user])
            } else {
                MembersStep::Remove(vec![user])
            };
            let members = MembersChange::Steps(vec![step]);
            let secrets = SecretHashes::new();
            let update = Update {
                resource_type: it.group.clone(),
                id: group,
                expected_version: None,
                now: at(3),
                actor: Actor::System,
                document: None,
                changes: AttributeChanges::default(),
                members,
                secrets,
            };
            let updated = store.update(it.tenant, &update).expect("others wait");
            assert!(updated.is_some());
        };
        let writing = AtomicBool::new(true);
        let mut followed: Vec<Change> = Vec::new();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for group in &groups {
                    std::thread::scope(|meeting| {
                        for is_joining in [true, false, true, false] {
                            meeting.spawn(move || change(*group, is_joining));
                        }
                    });
                }
                writing.store(false, Ordering::Relaxed);
            });
            loop {
                let is_over = !writing.load(Ordering::Relaxed);
                let after = followed.last().map(|it| it.position).unwrap_or_default();
                let next = store.changes(it.tenant, after, 7).expect("the store is there");
                if is_over && next.is_empty() {
                    break;
                }
                followed.extend(next);
            }
        });
        assert_eq!(followed, all(&store, it.tenant), "nothing was missed");

        for group in groups {
            let lines: Vec<&Change> = followed.iter().filter(|it| it.id == group).collect();
            let versions: Vec<i64> = lines.iter().map(|it| it.version).collect();
            let every: Vec<i64> = (1..=it.version(&it.group, group)).collect();
            assert_eq!(versions, every);
            let last = lines.last().expect("its creation");
            let is_member = change_of(last)["members"]["added"] == json!([user.to_string()]);
            assert_eq!(it.members(group), if is_member { vec![user] } else { vec![] });
        }
    });
}

/// Transactions that write no entries delay no reader, in this database or in another one of the server.
#[test]
fn transactions_without_entries_delay_no_reader() {
    let (Some(database), Some(neighbour)) = (Database::postgres(), Database::postgres()) else {
        return;
    };
    let store = database.store();
    let it = Fixture::new(&store, "acme");
    let other_store = neighbour.store();
    Fixture::new(&other_store, "acme").add_user("bjensen");
    let begin = |database: &Database, sql: &str| {
        let mut conn = PgConnection::establish(&database.url).expect("it opens");
        conn.batch_execute(&format!("BEGIN; {sql}")).expect("it runs");
        conn
    };
    let _here = begin(&database, "UPDATE tenant SET created = 1 WHERE name = 'acme'");
    let _there = begin(
        &neighbour,
        "INSERT INTO changes (tenant_id, at, kind, id, version, action, change) \
         SELECT tenant_id, at, kind, id, 2, action, change FROM changes",
    );
    let ids = [it.add_user("first"), it.add_user("second")];
    let shown: Vec<Uuid> = all(&store, it.tenant).iter().map(|it| it.id).collect();
    assert_eq!(shown, ids);
}

#[test]
fn a_slow_transaction_delays_the_entries_after_it() {
    let Some(database) = Database::postgres() else {
        return;
    };
    let store = database.store();
    let it = Fixture::new(&store, "acme");
    // From here on, the number no longer fits into the lower half of the lock's number.
    database.run("SELECT setval('changes_sequence_seq', 4294967294)");
    let first = it.add_user("first");
    let mut slow = PgConnection::establish(&database.url).expect("it opens");
    let line = format!(
        "BEGIN; INSERT INTO changes (tenant_id, at, kind, id, version, action, change) VALUES ({}, 0, 1, '\\x00000000000000000000000000000000', 1, 'create', '')",
        it.tenant.0
    );
    slow.batch_execute(&line).expect("it runs");
    let second = it.add_user("second");
    let shown = || all(&store, it.tenant);
    let ids = || -> Vec<_> { shown().iter().map(|it| it.id).collect() };
    assert_eq!(
        ids(),
        [first],
        "an earlier entry may still appear before the second"
    );
    let seen = shown()[0].position;
    assert_eq!(
        trim(&store, it.tenant, 100),
        1,
        "and it is not pruned before that"
    );
    slow.batch_execute("COMMIT").expect("it was begun");
    assert_eq!(ids(), [uuid::Uuid::nil(), second]);
    let rest = store.changes(it.tenant, seen, 100);
    assert_eq!(rest.expect("nothing was missed"), shown());
}

#[test]
fn a_closed_connection_is_replaced() {
    let Some(database) = Database::postgres() else {
        return;
    };
    let store = database.store();
    let it = Fixture::new(&store, "acme");
    let id = it.add_user("bjensen");
    let mut killer = PgConnection::establish(&database.url).expect("it opens");
    let mut cut = || {
        let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                      WHERE datname = current_database() AND pid <> pg_backend_pid()";
        killer.batch_execute(others).expect("it may");
    };
    cut();
    assert_eq!(it.version(&it.user, id), 1);
    cut();
    it.replace(&it.user, id, Some(1), json!({"userName": "babs"}))
        .expect("it was not written before");
    cut();
    assert_eq!(it.names(&it.user, "userName eq \"babs\"", ""), ["babs"]);
}

fn change_of(change: &Change) -> Value {
    serde_json::from_str(&change.detail.to_stored()).expect("a change is JSON")
}

/// 7643-9.3-01
#[test]
fn an_attribute_that_is_never_returned_is_recorded_without_its_value() {
    let schema = r#"{"id": "urn:example:Door", "name": "Door", "attributes": [
        {"name": "name", "required": true},
        {"name": "pin", "returned": "never"},
        {"name": "lock", "type": "complex", "subAttributes": [{"name": "make"}, {"name": "code", "returned": "never"}]}]}"#;
    let resource_type = r#"{"name": "Door", "endpoint": "/Doors", "schema": "urn:example:Door"}"#;
    let files = [("a", schema), ("b", resource_type)].map(|(name, text)| (name.to_owned(), text.to_owned()));
    let registry = SchemaRegistry::load(&files).expect("the documents are right");
    let door: Arc<ResourceType> = registry.resource_type("Door").expect("it is loaded").clone();
    let options = StoreOptions {
        resource_types: registry.resource_types,
        ..StoreOptions::default()
    };
    on_each(|database| {
        let store = database.store_with(&options);
        let it = Fixture::new(&store, "acme");
        let value =
            json!({"name": "front", "pin": "4711", "lock": {"make": "x", "code": "4711"}, "gone": "4711"});
        let id = it.add(&door, value, &[]).expect("it is new");
        assert!(it.delete(&door, id));
        let changes = all(&store, it.tenant);
        assert_eq!(
            change_of(&changes[0]),
            json!({"name": {"new": "front"}, "pin": {"changed": true}, "lock": {"changed": true}, "gone": {"changed": true}})
        );
        assert_eq!(
            change_of(&changes[1]),
            json!({"name": {"old": "front"}, "pin": {"changed": true}, "lock": {"changed": true}, "gone": {"changed": true}})
        );
    });
}

/// Creates users at these times, in seconds after the beginning.
fn add_at(it: &Fixture, seconds: &[i64]) {
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
        it.store.create(it.tenant, &new).expect("it is new");
    }
}

/// Prunes until nothing more can be dropped, and returns the number of entries dropped.
fn trim(store: &DieselStore, tenant: TenantId, seconds: i64) -> usize {
    let mut dropped = 0;
    loop {
        let lines = store
            .prune_changes(tenant, at(seconds), 2)
            .expect("the store is there");
        assert!(lines <= 2);
        dropped += lines;
        if lines < 2 {
            return dropped;
        }
    }
}

/// No remaining entry shows which tenant the position belongs to.
#[test]
fn a_position_of_another_tenant_before_the_dropped_entries_counts_as_dropped() {
    on_each(|database| {
        let store = database.store();
        let (it, other) = (Fixture::new(&store, "acme"), Fixture::new(&store, "other"));
        add_at(&other, &[1, 2]);
        add_at(&it, &[1, 2, 3, 9]);
        assert_eq!(trim(&store, it.tenant, 5), 3);
        let theirs = all(&store, other.tenant)[1].position;
        let refused = store.changes(it.tenant, theirs, 100);
        assert!(matches!(refused, Err(JournalError::Dropped(_))), "{refused:?}");
    });
}

/// With concurrent writes and pruning, a reader sees each entry once or gets an error.
#[test]
fn a_follower_learns_of_every_entry_that_is_dropped_before_it_was_read() {
    on_each(|database| {
        let store = database.store();
        let it = Fixture::new(&store, "acme");
        let id = it.add_user("bjensen");
        let (writing, mut told) = (AtomicBool::new(true), 0);
        // The follower has read the first entry before the other threads begin, so a gap must lead to an error.
        let mut after = all(&store, it.tenant)[0].position;
        let mut seen = vec![1];
        std::thread::scope(|scope| {
            let (it, store, writing) = (&it, &store, &writing);
            scope.spawn(move || {
                for round in 0..120 {
                    let value = json!({"userName": "bjensen", "title": format!("{round}")});
                    it.replace(&it.user, id, None, value).expect("it exists");
                }
                writing.store(false, Ordering::Relaxed);
            });
            for _ in 0..2 {
                scope.spawn(move || {
                    while writing.load(Ordering::Relaxed) {
                        store
                            .prune_changes(it.tenant, at(100), 1)
                            .expect("no other write conflicts");
                    }
                });
            }
            loop {
                let is_over = !writing.load(Ordering::Relaxed);
                match store.changes(it.tenant, after, 5) {
                    Ok(changes) => {
                        for change in &changes {
                            match seen.last() {
                                Some(last) if after == ChangePosition::default() => {
                                    assert!(change.version > *last);
                                }
                                last => assert_eq!(Some(change.version - 1), last.copied()),
                            }
                            seen.push(change.version);
                            after = change.position;
                        }
                        if is_over && changes.is_empty() {
                            break;
                        }
                    }
                    Err(JournalError::Dropped(_)) => {
                        told += 1;
                        after = ChangePosition::default();
                    }
                    Err(other) => panic!("{other:?}"),
                }
            }
        });
        let every: Vec<i64> = (1..=121).collect();
        assert_eq!(seen == every, told == 0, "told {told} times, seen {seen:?}");
    });
}

/// New entries reuse the pages of dropped ones.
#[test]
fn pruning_the_journal_keeps_the_file_small() {
    let database = Database::sqlite();
    let store = database.store();
    let it = Fixture::new(&store, "acme");
    let id = it.add_user("bjensen");
    let mut sizes = Vec::new();
    for round in 0..5 {
        for number in 0..300 {
            let value =
                json!({"userName": "bjensen", "title": format!("{round} {number} {}", "x".repeat(500))});
            it.replace(&it.user, id, None, value).expect("it exists");
        }
        sizes.push(database.number("SELECT page_count FROM pragma_page_count"));
        while store
            .prune_changes(it.tenant, at(100), 100)
            .expect("the store is there")
            == 100
        {}
        assert_eq!(database.number("SELECT count(*) FROM changes"), 0);
    }
    assert_eq!(sizes[1..], [sizes[1]; 4], "{sizes:?}");
}

/// A server does not wait while another one prunes.
#[test]
fn one_server_at_a_time_prunes_the_journal() {
    let Some(database) = Database::postgres() else {
        return;
    };
    let store = database.store();
    let it = Fixture::new(&store, "acme");
    add_at(&it, &[1, 2]);
    let mut other = PgConnection::establish(&database.url).expect("it opens");
    other
        .batch_execute("BEGIN; SELECT pg_advisory_xact_lock(1396918606)")
        .expect("it runs");
    assert_eq!(trim(&store, it.tenant, 100), 0);
    other.batch_execute("COMMIT").expect("it was begun");
    assert_eq!(trim(&store, it.tenant, 100), 2);
}

/// After a dump is restored into a new PostgreSQL, entries have transaction ids that are in the future there, and the
/// sequence continues.
#[test]
fn a_journal_restored_from_a_dump_continues() {
    let Some(database) = Database::postgres() else {
        return;
    };
    let store = database.store();
    let it = Fixture::new(&store, "acme");
    add_at(&it, &[1, 2, 3, 4]);
    let before = all(&store, it.tenant);
    assert_eq!(trim(&store, it.tenant, 2), 1);
    database.run("UPDATE changes SET transaction_id = transaction_id + 1000000000");
    add_at(&it, &[5]);
    let after = all(&store, it.tenant);
    let times: Vec<_> = after.iter().map(|it| it.at).collect();
    assert_eq!(times, [2, 3, 4, 5].map(at));
    for (index, seen) in before.iter().enumerate() {
        let rest = store.changes(it.tenant, seen.position, 100);
        assert_eq!(rest.expect("nothing was missed"), after[index..]);
    }
}

/// After a backup is restored, a new entry can get the number of one that a consumer has seen.
#[test]
fn a_position_from_before_a_restore_is_detected() {
    on_each(|database| {
        let store = database.store();
        let it = Fixture::new(&store, "acme");
        add_at(&it, &[1, 2]);
        let seen = all(&store, it.tenant)[1].position;
        database.run("UPDATE changes SET at = at + 1");
        let refused = store.changes(it.tenant, seen, 100);
        assert!(matches!(refused, Err(JournalError::Unknown(_))), "{refused:?}");
        assert_eq!(all(&store, it.tenant).len(), 2);
    });
}

#[test]
fn entries_of_earlier_versions_are_readable() {
    on_each(|database| {
        let store = database.store();
        let it = Fixture::new(&store, "acme");
        let (group, member) = (it.add_group("Guides", &[]), Uuid::now_v7());
        let text = format!(r#"{{"members":{{"steps":[{{"add":["{member}"]}},{{"removeAll":true}}]}}}}"#);
        database.run(&format!(
            "INSERT INTO changes (tenant_id, at, kind, id, version, action, change) \
             SELECT tenant_id, at, kind, id, 2, 'update', '{text}' FROM changes"
        ));
        let last = it.changes().pop().expect("there are two");
        assert_eq!((last.id, last.version, &last.actor), (group, 2, &Actor::Unknown));
        assert_eq!(last.detail.to_stored(), text);
        let ChangeDetail::Attributes(changes) = last.detail else {
            panic!("{last:?}");
        };
        let steps = vec![MembersStep::Add(vec![member]), MembersStep::RemoveAll];
        assert_eq!(changes.members(), Ok(MembersChange::Steps(steps)));
    });
}
