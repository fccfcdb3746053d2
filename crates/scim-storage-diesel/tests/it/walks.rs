//! A walk by cursor returns each resource that existed throughout exactly once, with concurrent writers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use scim_model::change::Actor;
use scim_model::store::conformance::{Fixture, at};
use scim_model::store::{NewResource, Page, PageRequest, Position, ResourceStore};
use scim_model::{Document, SecretHashes};
use scim_storage_diesel::{StoreOptions, Synchronous};
use serde_json::json;
use uuid::Uuid;

use crate::database::{Database, filled, of, on_each};

const USERS: i64 = 10_000;
const PAGE: u32 = 500;

/// The concurrent changes, by the number of the user: one in ten is deleted, one in ten gets another sort key, the
/// others stay.
const DELETED: i64 = 3;
const RENAMED: i64 = 7;

/// 9865-2-04, 9865-2-05, 7644-3.4.2.3-07: 10,000 users, and writers that create, change and delete
#[test]
fn a_walk_returns_each_resource_exactly_once() {
    on_each(|database| {
        let options = StoreOptions {
            synchronous: Synchronous::Normal,
            ..StoreOptions::default()
        };
        let (store, tenant) = filled(database, USERS, &options);
        let it = of(&store, tenant);
        // Filter, order, and whether renamed users keep their place in the order.
        for (round, (filter, sort_by, keeps_renamed)) in [
            ("", "", true),
            ("", "-externalId", true),
            ("userName sw \"user\"", "", false),
            ("", "displayName", false),
            ("externalId pr", "name.familyName", true),
        ]
        .into_iter()
        .enumerate()
        {
            let round = i64::try_from(round).expect("it is small");
            // Each round deletes and renames different users.
            let is_deleted = |number: i64| number % 50 == DELETED + 10 * round;
            let is_renamed = |number: i64| number % 50 == RENAMED + 10 * round;
            let gone_before = |number: i64| (0..round).any(|it| number % 50 == DELETED + 10 * it);
            let renamed_before = |number: i64| (0..round).any(|it| number % 50 == RENAMED + 10 * it);
            let stays: BTreeSet<Uuid> = (1..=USERS)
                .filter(|it| !gone_before(*it) && !is_deleted(*it))
                .filter(|it| keeps_renamed || !is_renamed(*it) && !renamed_before(*it))
                .map(id_of)
                .collect();
            let is_over = AtomicBool::new(false);
            let written = AtomicUsize::new(0);
            // Runs until the walk has ended; the work returns whether it has written.
            let write = |work: &(dyn Fn(i64) -> bool + Sync)| {
                for number in 1..=USERS {
                    if is_over.load(Ordering::Relaxed) {
                        break;
                    }
                    written.fetch_add(usize::from(work(number)), Ordering::Relaxed);
                }
            };
            // Writes happen between any two pages.
            let until_written = || {
                let before = written.load(Ordering::Relaxed);
                while written.load(Ordering::Relaxed) == before {
                    thread::yield_now();
                }
            };
            thread::scope(|scope| {
                scope.spawn(|| {
                    write(&|number| {
                        it.add_user(&format!("user new {round} {number}"));
                        true
                    });
                });
                scope.spawn(|| write(&|number| is_deleted(number) && it.delete(&it.user, id_of(number))));
                scope.spawn(|| {
                    write(&|number| {
                        if is_renamed(number) {
                            rename(&it, number, round);
                        } else if number % 10 == 1 {
                            retitle(&it, number, round);
                        }
                        is_renamed(number) || number % 10 == 1
                    });
                });
                let walked = walk(&it, filter, sort_by, &until_written);
                is_over.store(true, Ordering::Relaxed);
                for (direction, met) in [("forwards", &walked.forwards), ("backwards", &walked.backwards)] {
                    let missed: Vec<&Uuid> = stays.iter().filter(|it| !met.contains_key(it)).collect();
                    let twice: Vec<&Uuid> = stays.iter().filter(|it| met.get(it) > Some(&1)).collect();
                    assert!(
                        missed.is_empty() && twice.is_empty(),
                        "{filter} {sort_by} {direction}: missed {missed:?}, twice {twice:?}"
                    );
                }
            });
        }
    });
}

struct Walked {
    /// The number of times that each resource was returned.
    forwards: BTreeMap<Uuid, u32>,
    backwards: BTreeMap<Uuid, u32>,
}

/// Walks from the beginning to the end and back again.
fn walk(it: &Fixture, filter: &str, sort_by: &str, between: &dyn Fn()) -> Walked {
    let mut walked = Walked {
        forwards: BTreeMap::new(),
        backwards: BTreeMap::new(),
    };
    let read = |from: Option<Position>| {
        let query = it.query(
            &it.user,
            filter,
            sort_by,
            PageRequest::Cursor { from, count: PAGE },
        );
        it.store.list(it.tenant, &query).expect("the store is there")
    };
    let mut page = read(None);
    loop {
        for found in &page.resources {
            *walked.forwards.entry(found.id).or_default() += 1;
        }
        between();
        let Some(next) = page.next.clone() else { break };
        page = read(Some(next));
    }
    for found in &page.resources {
        *walked.backwards.entry(found.id).or_default() += 1;
    }
    while let Some(previous) = page.previous.clone() {
        page = read(Some(previous));
        for found in &page.resources {
            *walked.backwards.entry(found.id).or_default() += 1;
        }
        between();
    }
    walked
}

#[test]
fn a_walk_by_id_is_in_the_text_order_of_ids() {
    on_each(|database| {
        let store = database.store();
        let it = Fixture::new(&store, "acme");
        let mut ids = Vec::new();
        for number in 0..23_u128 {
            // The order of creation differs from the order of ids, and the types alternate.
            let id = Uuid::from_u128(number.wrapping_mul(0x9f3a_59c7_0000_0000_0000_0000_0000_00f1));
            let (resource_type, document) = match number % 3 {
                0 => (&it.group, json!({"displayName": format!("group{number}")})),
                _ => (
                    &it.user,
                    json!({"userName": format!("user{number}"), "title": "x"}),
                ),
            };
            let new = NewResource {
                resource_type: resource_type.clone(),
                id,
                now: at(1),
                actor: Actor::System,
                document: Document::from_values(document.as_object().expect("it is one").clone()),
                members: Vec::new(),
                secrets: SecretHashes::new(),
            };
            store.create(it.tenant, &new).expect("the name is free");
            ids.push((id.to_string(), number));
        }
        ids.sort();
        let found: [(&str, &dyn Fn(u128) -> bool); 3] = [
            ("", &|_| true),
            ("title eq \"x\"", &|number| number % 3 != 0),
            (
                "userName eq \"user1\" or externalId eq \"user1\" or displayName eq \"group3\" or userName eq \"user20\"",
                &|number| [1, 3, 20].contains(&number),
            ),
        ];
        for (filter, is_found) in found {
            for sort_by in ["id", "-id", "meta.location", "-meta.location"] {
                let read = |from: Option<Position>| {
                    let page = PageRequest::Cursor { from, count: 4 };
                    let types = [it.user.clone(), it.group.clone()];
                    let query = it.query_over(&types, filter, sort_by, page);
                    it.store.list(it.tenant, &query).expect("the store is there")
                };
                let mut expected: Vec<String> = ids
                    .iter()
                    .filter(|(_, number)| is_found(*number))
                    .map(|(id, _)| id.clone())
                    .collect();
                if sort_by.ends_with("location") {
                    // The endpoint of groups sorts first.
                    expected.sort_by_key(|id| ids.iter().any(|(it, number)| it == id && number % 3 != 0));
                }
                if sort_by.starts_with('-') {
                    expected.reverse();
                }
                let ids_on = |pages: &[Page]| -> Vec<String> {
                    let resources = pages.iter().flat_map(|page| &page.resources);
                    resources.map(|it| it.id.to_string()).collect()
                };
                let mut pages = vec![read(None)];
                while let Some(next) = pages.last().and_then(|it| it.next.clone()) {
                    pages.push(read(Some(next)));
                }
                assert_eq!(ids_on(&pages), expected, "{filter} {sort_by}");
                pages.drain(..pages.len() - 1);
                while let Some(previous) = pages[0].previous.clone() {
                    pages.insert(0, read(Some(previous)));
                }
                let backwards = ids_on(&pages);
                assert_eq!(backwards, expected, "{filter} {sort_by} backwards");
            }
        }
    });
}

fn id_of(number: i64) -> Uuid {
    Uuid::from_u128(u128::try_from(number).expect("it is positive"))
}

/// Changes the attributes that the order and the filters use.
fn rename(it: &Fixture, number: i64, round: i64) {
    let value = json!({
        "userName": format!("{round} was user{number}"), "externalId": number.to_string(),
        "displayName": format!("{} {number}", round + number % 97),
        "name": {"familyName": format!("family{}", number % 1000)},
    });
    it.replace(&it.user, id_of(number), None, value)
        .expect("the name is free");
}

/// Changes an attribute that is neither sorted by nor searched for.
fn retitle(it: &Fixture, number: i64, round: i64) {
    let value = json!({
        "userName": format!("user{number}"), "externalId": number.to_string(),
        "displayName": format!("name{number}"),
        "name": {"familyName": format!("family{}", number % 1000)}, "title": format!("{round}"),
    });
    it.replace(&it.user, id_of(number), None, value)
        .expect("the name is free");
}

/// A row of PostgreSQL gets its number before it becomes visible, so a late commit can appear before a position that was
/// already read. That resource did not exist throughout, and no other one is missed.
#[test]
fn only_a_late_commit_can_be_missed_by_a_walk() {
    let Some(database) = Database::postgres() else {
        return;
    };
    let store = database.store();
    let it = Fixture::new(&store, "acme");
    let before: Vec<Uuid> = ["a", "b"].map(|name| it.add_user(name)).to_vec();
    // The next number is taken by a transaction that is still running.
    let mut late = PgConnection::establish(&database.url).expect("it opens");
    late.batch_execute(&format!(
        "BEGIN; INSERT INTO resource (tenant_id, kind, id, version, created, modified, unique_key, document) \
         VALUES ({}, 1, decode(lpad('77', 32, '0'), 'hex'), 1, 1, 1, 'late', '{{\"userName\":\"late\"}}')",
        it.tenant.0
    ))
    .expect("it runs");
    let after: Vec<Uuid> = ["c", "d", "e"].map(|name| it.add_user(name)).to_vec();
    let page = |from| {
        let query = it.query(&it.user, "", "", PageRequest::Cursor { from, count: 3 });
        it.store.list(it.tenant, &query).expect("the store is there")
    };
    let first = page(None);
    late.batch_execute("COMMIT").expect("it runs");
    let second = page(first.next.clone());
    let met: Vec<Uuid> = first
        .resources
        .iter()
        .chain(&second.resources)
        .map(|it| it.id)
        .collect();
    assert_eq!(met, [before.clone(), after.clone()].concat());
    // A later walk returns all of them, in the order of the numbers.
    let all: Vec<Uuid> = walk(&it, "", "", &|| {}).forwards.into_keys().collect();
    assert_eq!(all.len(), 6);
    let last = second.previous.clone().expect("there is a page before");
    let back: Vec<Uuid> = page(Some(last)).resources.iter().map(|it| it.id).collect();
    assert_eq!(back, [before[1], Uuid::from_u128(0x77), after[0]]);
}
