//! The change journal.

use std::collections::BTreeMap;

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use scim_model::store::conformance::Fixture;
use scim_model::store::{MembersStep, TenantId};
use scim_storage_diesel::{Change, ChangePosition, DieselStore};
use serde_json::json;

use crate::database::{Database, on_each};

fn all(store: &DieselStore, tenant: TenantId) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut after = ChangePosition::default();
    // On PostgreSQL others may hold back what is shown: the maintenance of the server, for example.
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

/// Waits until so many are shown.
fn wait_for(store: &DieselStore, tenant: TenantId, count: usize) -> Vec<Change> {
    for _ in 0..500 {
        let changes = all(store, tenant);
        if changes.len() >= count {
            return changes;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    all(store, tenant)
}

#[test]
fn every_change_leaves_a_line() {
    on_each(|database| {
        let store = database.store();
        let it = Fixture::new(&store, "acme");
        let other = Fixture::new(&store, "other");
        let user = it.add_user("bjensen");
        other.add_user("bjensen");
        let group = it.add_group("Guides", &[user]);
        it.replace(&it.user, user, None, json!({"userName": "bjensen"}))
            .expect("it exists");
        it.replace(&it.user, user, None, json!({"userName": "babs"}))
            .expect("it exists");
        it.change_members(group, vec![MembersStep::Add(vec![user])])
            .expect("it exists");
        it.change_members(group, vec![MembersStep::Remove(vec![user])])
            .expect("it exists");
        it.change_members(group, vec![MembersStep::Add(vec![user])])
            .expect("it exists");
        drop(
            it.add(&it.user, json!({"userName": "BABS"}), &[])
                .expect_err("it is taken"),
        );
        it.delete(&it.user, user);
        let changes = wait_for(&store, it.tenant, 8);
        let lines: Vec<_> = changes
            .iter()
            .map(|it| (&*it.resource_type, it.id, it.version, it.action.as_str()))
            .collect();
        assert_eq!(
            lines,
            [
                ("User", user, 1, "create"),
                ("Group", group, 1, "create"),
                ("User", user, 2, "update"),
                ("Group", group, 2, "memberRenamed"),
                ("Group", group, 3, "update"),
                ("Group", group, 4, "update"),
                ("Group", group, 5, "memberDeleted"),
                ("User", user, 2, "delete"),
            ]
        );
        assert_eq!(
            changes[3].change,
            json!({ "member": user.to_string() }).to_string()
        );
        assert_eq!(wait_for(&store, other.tenant, 1).len(), 1);
    });
}

#[test]
fn a_reader_that_follows_many_writers_misses_nothing() {
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
            assert_eq!(change.version, last + 1, "nothing is missed, nothing comes early");
        }
        assert!(ids.iter().all(|id| versions[id] == 1 + rounds as i64));
    });
}

#[test]
fn a_slow_transaction_holds_back_what_comes_behind_it() {
    let Some(database) = Database::postgres() else {
        return;
    };
    let store = database.store();
    let it = Fixture::new(&store, "acme");
    let first = it.add_user("first");
    wait_for(&store, it.tenant, 1);
    let mut slow = PgConnection::establish(&database.url).expect("it opens");
    let line = format!(
        "BEGIN; INSERT INTO changes (tenant_id, at, kind, id, version, action, change) VALUES ({}, 0, 1, '\\x00000000000000000000000000000000', 1, 'create', '')",
        it.tenant.0
    );
    slow.batch_execute(&line).expect("it runs");
    let second = it.add_user("second");
    let ids = || -> Vec<_> { all(&store, it.tenant).iter().map(|it| it.id).collect() };
    assert_eq!(
        ids(),
        [first],
        "the second would be passed by what the slow one writes"
    );
    slow.batch_execute("COMMIT").expect("it was begun");
    wait_for(&store, it.tenant, 3);
    assert_eq!(ids(), [first, uuid::Uuid::nil(), second]);
}

#[test]
fn a_connection_that_was_cut_is_replaced() {
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
