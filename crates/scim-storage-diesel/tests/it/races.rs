//! Concurrent writers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex};
use std::thread;

use scim_model::store::conformance::{Fixture, at};
use scim_model::store::{
    ClientMethod, Connection, ConnectionId, Federation, KeySource, MembersStep, NewClient, NewToken,
    StoreError,
};
use serde_json::json;
use uuid::Uuid;

use crate::database::with_each;

const THREADS: usize = 8;

/// Runs the work on several threads and passes each one its number.
fn at_once(work: impl Fn(usize) + Sync) {
    thread::scope(|scope| {
        for number in 0..THREADS {
            let work = &work;
            scope.spawn(move || work(number));
        }
    });
}

#[test]
fn each_successful_update_increments_the_version_by_one() {
    with_each(|it| {
        let id = it.add_user("bjensen");
        let stale = AtomicUsize::new(0);
        at_once(|thread| {
            for round in 0..10 {
                loop {
                    let version = it.version(&it.user, id);
                    let value = json!({"userName": "bjensen", "title": format!("{thread} {round}")});
                    match it.replace(&it.user, id, Some(version), value) {
                        Ok(Some(updated)) => {
                            assert_eq!(updated.version, version + 1);
                            break;
                        }
                        Err(StoreError::Stale) => stale.fetch_add(1, Ordering::Relaxed),
                        other => panic!("{other:?}"),
                    };
                }
            }
        });
        assert_eq!(it.version(&it.user, id), 1 + 10 * THREADS as i64);
    });
}

#[test]
fn members_can_be_added_to_one_group_concurrently() {
    with_each(|it| {
        let users: Vec<Vec<Uuid>> = (0..THREADS)
            .map(|thread| {
                (0..5)
                    .map(|number| it.add_user(&format!("{thread}-{number}")))
                    .collect()
            })
            .collect();
        let group = it.add_group("everybody", &[]);
        at_once(|thread| {
            for user in &users[thread] {
                let updated = it.change_members(group, vec![MembersStep::Add(vec![*user])]);
                assert!(
                    updated
                        .expect("no other write conflicts")
                        .expect("it exists")
                        .changed
                );
            }
        });
        let members = it.members(group);
        assert_eq!(members.len(), 5 * THREADS);
        assert_eq!(
            BTreeSet::from_iter(members),
            BTreeSet::from_iter(users.into_iter().flatten())
        );
        assert_eq!(it.version(&it.group, group), 1 + 5 * THREADS as i64);
    });
}

#[test]
fn one_of_many_concurrent_creates_gets_the_name() {
    with_each(|it| {
        for name in ["one", "two", "three"] {
            let won = AtomicUsize::new(0);
            at_once(|_| match it.add(&it.user, json!({ "userName": name }), &[]) {
                Ok(_) => {
                    won.fetch_add(1, Ordering::Relaxed);
                }
                Err(StoreError::Conflict { attribute }) => assert_eq!(attribute, "userName"),
                Err(other) => panic!("{other:?}"),
            });
            assert_eq!(won.into_inner(), 1, "{name}");
        }
        assert_eq!(it.search(&it.user, "", "").total, 3);
    });
}

/// Two operators trust the same issuer at the same time. Both federations would accept the same assertions.
#[test]
fn one_of_many_equal_federations_is_stored() {
    with_each(|it| {
        let connection = it.connection().id;
        for round in 0..5 {
            let (stored, barrier) = (AtomicUsize::new(0), Barrier::new(THREADS));
            at_once(|thread| {
                // The order of the audiences does not matter.
                let mut audiences = vec!["a".to_owned(), "b".to_owned()];
                audiences.rotate_left(thread % 2);
                let id = Uuid::now_v7();
                let new = NewClient {
                    id,
                    tenant: it.tenant,
                    connection,
                    client_id: format!("client_{}", id.simple()),
                    name: String::new(),
                    method: ClientMethod::Federation(Federation {
                        issuer: format!("https://{round}.example.com/"),
                        subject: "S".to_owned(),
                        audiences,
                        keys: KeySource::Url("https://issuer.example.com/keys".to_owned()),
                        claims: BTreeMap::new(),
                        single_use: false,
                        algorithms: vec![],
                    }),
                    read_only: false,
                    disabled: false,
                    created: at(0),
                    secrets: Vec::new(),
                };
                barrier.wait();
                match it.store.create_client(&new) {
                    Ok(true) => drop(stored.fetch_add(1, Ordering::Relaxed)),
                    Err(StoreError::Conflict { attribute }) => assert_eq!(attribute, "federation"),
                    other => panic!("{other:?}"),
                }
            });
            assert_eq!(stored.into_inner(), 1);
        }
    });
}

#[test]
fn a_member_deleted_while_being_added_is_in_no_group() {
    with_each(|it| {
        let groups: Vec<Uuid> = (0..THREADS - 1)
            .map(|number| it.add_group(&format!("g{number}"), &[]))
            .collect();
        for round in 0..5 {
            let user = it.add_user(&format!("user{round}"));
            at_once(|thread| {
                if thread == 0 {
                    assert!(it.delete(&it.user, user));
                    return;
                }
                match it.change_members(groups[thread - 1], vec![MembersStep::Add(vec![user])]) {
                    Ok(Some(_)) => {}
                    Err(StoreError::UnknownMembers(ids)) => assert_eq!(ids, [user]),
                    other => panic!("{other:?}"),
                }
            });
            for group in &groups {
                assert!(it.members(*group).is_empty());
            }
        }
    });
}

/// A group shows the same members under one version, with concurrent renames and additions.
#[test]
fn a_version_of_a_group_shows_one_state() {
    with_each(|it| {
        let users: Vec<Uuid> = (0..THREADS)
            .map(|number| it.add_user(&format!("user{number}")))
            .collect();
        let group = it.add_group("everybody", &[]);
        let seen = std::sync::Mutex::new(std::collections::HashMap::new());
        at_once(|thread| {
            for round in 0..8 {
                match (thread + round) % 3 {
                    0 => drop(
                        it.change_members(group, vec![MembersStep::Add(vec![users[thread]])])
                            .expect("it exists"),
                    ),
                    1 => drop(
                        it.change_members(group, vec![MembersStep::Remove(vec![users[thread]])])
                            .expect("it exists"),
                    ),
                    _ => {
                        let value = json!({"userName": format!("user{thread}"), "displayName": format!("{thread} {round}")});
                        it.replace(&it.user, users[thread], None, value)
                            .expect("no other write conflicts");
                    }
                }
                let stored = it.read(&it.group, group).expect("it exists");
                let members = stored.members.expect("asked for");
                let mut seen = seen.lock().expect("no thread has panicked");
                let first = seen.entry(stored.version).or_insert_with(|| members.clone());
                assert_eq!(*first, members, "version {}", stored.version);
            }
        });
    });
}

#[test]
fn totals_stay_exact() {
    with_each(|it| {
        at_once(|thread| {
            for number in 0..6 {
                let id = it.add_user(&format!("{thread}-{number}"));
                if number % 3 == 0 {
                    assert!(it.delete(&it.user, id));
                }
            }
        });
        let page = it.search(&it.user, "", "");
        assert_eq!(
            (page.total, page.resources.len()),
            (4 * THREADS as u64, 4 * THREADS)
        );
        assert_eq!(it.search(&it.user, "userName pr", "").total, 4 * THREADS as u64);
    });
}

/// Groups that contain each other are renamed and deleted concurrently; deadlocks are retried.
#[test]
fn groups_that_contain_each_other_can_change_concurrently() {
    with_each(|it: &Fixture| {
        let groups: Vec<Uuid> = (0..4)
            .map(|number| it.add_group(&format!("g{number}"), &[]))
            .collect();
        for group in &groups {
            let others = groups.iter().copied().filter(|it| it != group).collect();
            it.change_members(*group, vec![MembersStep::Add(others)])
                .expect("they exist");
        }
        at_once(|thread| {
            for round in 0..4 {
                let value = json!({"displayName": format!("g{thread} {round}")});
                let id = groups[thread % groups.len()];
                let updated = it
                    .replace(&it.group, id, None, value)
                    .expect("no other write conflicts");
                assert!(updated.is_some_and(|it| it.changed));
            }
        });
        at_once(|thread| {
            if let Some(id) = groups.get(thread) {
                assert!(it.delete(&it.group, *id));
            }
        });
        assert_eq!(it.search(&it.group, "", "").total, 0);
    });
}

/// A token is stored before its connection is deleted, and known as deleted, or it is not stored.
#[test]
fn no_token_is_lost_while_its_connection_is_deleted() {
    with_each(|it| {
        for round in 0..5 {
            let connection = Connection {
                id: ConnectionId(Uuid::now_v7()),
                name: format!("old{round}"),
                ..it.connection()
            };
            assert!(it.store.create_connection(&connection).expect("the name is free"));
            let stored = Mutex::new(BTreeSet::new());
            at_once(|thread| {
                if thread == 0 {
                    while stored.lock().expect("no thread panicked").len() < 4 {
                        thread::yield_now();
                    }
                    let deleted = it.store.delete_connection(it.tenant, connection.id, at(9));
                    assert!(deleted.expect("no other write conflicts"));
                    return;
                }
                loop {
                    let token = NewToken {
                        connection: connection.id,
                        ..it.new_token(Uuid::now_v7())
                    };
                    if !it.store.create_token(&token).expect("no other write conflicts") {
                        return;
                    }
                    stored.lock().expect("no thread panicked").insert(token.id);
                }
            });
            let deleted = it.store.deleted_credentials(Some(it.tenant));
            let deleted: BTreeSet<Uuid> = deleted
                .expect("the store is available")
                .into_iter()
                .filter(|it| it.connection_name == connection.name)
                .map(|it| it.id)
                .collect();
            assert_eq!(deleted, stored.into_inner().expect("no thread panicked"));
        }
    });
}
