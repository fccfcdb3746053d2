//! Deleting a tenant: access ends at once, and rows are deleted in steps.

use std::sync::atomic::{AtomicUsize, Ordering};

use scim_model::store::conformance::{Fixture, at};
use scim_model::store::{
    Connection, ConnectionId, Directory, MembersStep, NewToken, ResourceStore, StoreError, TenantId,
};
use scim_storage_diesel::DieselStore;
use serde_json::json;
use uuid::Uuid;

use crate::database::{Database, on_each};

/// A tenant `acme` with users in groups, a token of hash `[7; 32]`, and a deleted connection that had a token.
fn with_acme(database: &Database, users: i64) -> (DieselStore, TenantId) {
    let store = database.store();
    let tenant = store.create_tenant("acme", at(0)).expect("it is new");
    let connection = store.connection(tenant, "default").expect("the store is there");
    let token_owner = connection.expect("each tenant has it");
    let token = NewToken {
        id: Uuid::now_v7(),
        tenant,
        connection: token_owner.id,
        sha256: [7; 32],
        last_four: String::new(),
        created: at(0),
        expires: None,
        read_only: false,
        name: String::new(),
    };
    store.create_token(&token).expect("it is new");
    let old = Connection {
        id: ConnectionId(Uuid::now_v7()),
        name: "old".to_owned(),
        ..token_owner
    };
    assert!(store.create_connection(&old).expect("it is new"));
    let token = NewToken {
        id: Uuid::now_v7(),
        connection: old.id,
        sha256: [8; 32],
        ..token
    };
    store.create_token(&token).expect("it is new");
    let deleted = store.delete_connection(tenant, old.id, at(1));
    assert!(deleted.expect("the store is there"));
    database.fill(tenant.0, users);
    database.run(&format!(
        "INSERT INTO changes (tenant_id, at, kind, id, version, action, change) \
         SELECT tenant_id, created, kind, id, version, 'create', '{{}}' FROM resource WHERE tenant_id = {}",
        tenant.0
    ));
    (store, tenant)
}

/// The number of rows of a tenant in all tables.
fn rows(database: &Database, tenant: TenantId) -> i64 {
    let tables = [
        "membership",
        "attribute_value",
        "unique_value",
        "secret",
        "resource_normal",
        "changes",
        "journal_start",
        "resource_count",
        "resource",
        "token",
        "connection",
        "oauth_client",
        "oauth_secret",
        "access_token",
        "deleted_connection",
        "deleted_credential",
        "operator_key_tenant",
    ];
    let counts = tables.map(|it| format!("(SELECT count(*) FROM {it} WHERE tenant_id = {})", tenant.0));
    database.number(&format!(
        "{} + (SELECT count(*) FROM tenant WHERE id = {})",
        counts.join(" + "),
        tenant.0
    ))
}

#[test]
fn other_tenants_can_write_during_the_deletion_of_a_large_one() {
    on_each(|database| {
        let (store, tenant) = with_acme(database, 3_000);
        let it = Fixture::new(&store, "neighbour");
        let id = it.add_user("bjensen");
        let everybody = Fixture {
            tenant,
            ..Fixture::new(&store, "unused")
        };
        let large = everybody.add_group("everybody", &[]);
        let all = (1..=3_000u128).map(Uuid::from_u128).collect();
        everybody
            .change_members(large, vec![MembersStep::Add(all)])
            .expect("they exist");
        let written = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            let deletion = scope.spawn(|| store.delete_tenant("acme"));
            while rows(database, tenant) > 20_000 {
                assert!(!deletion.is_finished());
            }
            let left = rows(database, tenant);
            assert!(left > 0, "the deletion is still running");
            while !deletion.is_finished() {
                let round = written.fetch_add(1, Ordering::Relaxed);
                let value = json!({"userName": "bjensen", "title": format!("{round}")});
                it.replace(&it.user, id, None, value)
                    .expect("no other write conflicts");
            }
            assert!(deletion.join().expect("it ends").expect("the store is there"));
        });
        assert!(
            written.into_inner() > 5,
            "other writers wait for a step, not for the whole deletion"
        );
        assert_eq!(rows(database, tenant), 0);
        assert_eq!(it.names(&it.user, "", ""), ["bjensen"]);
    });
}

/// The deletion stopped after one step, as it does when the process is killed.
#[test]
fn an_interrupted_deletion_is_hidden_and_resumed() {
    for finish_with_name in [true, false] {
        on_each(|database| {
            let (store, tenant) = with_acme(database, 400);
            let hidden = format!(
                "UPDATE tenant SET deleted = TRUE, name = 'acme#{0}' WHERE id = {0}",
                tenant.0
            );
            database.run(&hidden);
            assert!(store.continue_deletion(Some("acme")).expect("the store is there"));
            assert!(rows(database, tenant) > 400, "a step is small");

            // The tenant is invisible, even to a token that still exists.
            assert!(store.tenants().expect("the store is there").is_empty());
            assert_eq!(store.token_by_hash(&[7; 32]).expect("the store is there"), None);
            assert!(store.tokens(None).expect("the store is there").is_empty());

            // Its name is free, and a new tenant of that name is not affected.
            let again = store.create_tenant("acme", at(1)).expect("the name is free");
            let it = Fixture {
                tenant: again,
                ..Fixture::new(&store, "other")
            };
            it.add_user("bjensen");
            assert!(!store.continue_deletion(Some("acm")).expect("the store is there"));
            let name = finish_with_name.then_some("acme");
            let mut steps = 0;
            while store.continue_deletion(name).expect("the store is there") {
                steps += 1;
            }
            assert!(steps > 3, "{steps}");
            assert_eq!(rows(database, tenant), 0);
            assert_eq!(it.names(&it.user, "", ""), ["bjensen"]);
            assert!(store.delete_tenant("acme").expect("the store is there"));
            assert_eq!(rows(database, again), 0);
        });
    }
}

/// Two commands, or a command and a server, may delete the same tenant.
#[test]
fn two_processes_can_delete_one_tenant() {
    on_each(|database| {
        let (store, tenant) = with_acme(database, 1_000);
        let store = &store;
        std::thread::scope(|scope| {
            let both = [0, 1].map(|_| scope.spawn(move || store.delete_tenant("acme")));
            let found = both.map(|it| it.join().expect("it ends").expect("the store is there"));
            assert!(found.contains(&true));
        });
        assert_eq!(rows(database, tenant), 0);
    });
}

/// Requests may still be running when their tenant is deleted.
#[test]
fn writes_during_a_deletion_leave_no_rows() {
    on_each(|database| {
        let (store, tenant) = with_acme(database, 200);
        let it = Fixture {
            tenant,
            ..Fixture::new(&store, "other")
        };
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let it = &it;
                scope.spawn(move || {
                    for number in 0.. {
                        match it.add(&it.user, json!({"userName": format!("{thread} {number}")}), &[]) {
                            Ok(id) => match it.replace(&it.user, id, None, json!({"userName": "x"})) {
                                Ok(_)
                                | Err(StoreError::Busy | StoreError::Conflict { .. } | StoreError::Stale) => {
                                }
                                Err(other) => panic!("{other:?}"),
                            },
                            Err(StoreError::Busy) => break,
                            Err(other) => panic!("{other:?}"),
                        }
                        // The writers slow down, so that the deletion can end.
                        std::thread::sleep(std::time::Duration::from_millis(number));
                    }
                });
            }
            assert!(store.delete_tenant("acme").expect("the store is there"));
        });
        assert_eq!(rows(database, tenant), 0);
        let include = scim_model::store::Include::default();
        let gone = store.get(tenant, &it.user, Uuid::from_u128(1), include);
        assert!(gone.expect("the store is there").is_none());
    });
}
