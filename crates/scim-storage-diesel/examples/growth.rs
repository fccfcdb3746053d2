//! What must not grow with the size of a group or a tenant, as a table with ratios: `cargo xtask bench
//! store`. Times are the least of many runs, so that other work on the machine does not count.
#![allow(clippy::print_stdout)] // It is a command line program.

use std::time::{Duration, Instant};

use scim_model::store::conformance::Fixture;
use scim_model::store::{Include, MembersStep, PageRequest, Position};
use scim_storage_diesel::{StoreOptions, Synchronous};
use uuid::Uuid;

#[path = "../tests/it/database.rs"]
#[allow(dead_code)] // The tests use all of it.
mod database;

use database::on_each;

fn least(mut work: impl FnMut()) -> Duration {
    let run = |_| {
        let start = Instant::now();
        work();
        start.elapsed()
    };
    (0..60).map(run).min().expect("there were runs")
}

/// One line of the table.
fn report(what: &str, mut small: impl FnMut() -> Duration, mut large: impl FnMut() -> Duration) {
    let (small, large) = (small(), large());
    let ratio = large.as_secs_f64() / small.as_secs_f64();
    println!("{what:<40} {small:>12.1?} {large:>12.1?} {ratio:>6.2}");
}

fn main() {
    println!("{:<40} {:>12} {:>12} {:>6}", "", "small", "large", "ratio");
    on_each(|database| {
        println!("{}", database.url.split(':').next().unwrap_or_default());
        let options = StoreOptions {
            synchronous: Synchronous::Normal,
            ..StoreOptions::default()
        };
        let store = database.store_with(&options);
        let tenant = Fixture::new(&store, "acme").tenant;
        drop(store);
        database.fill(tenant.0, 20_000);
        let store = database.store_with(&options);
        let it = Fixture {
            tenant,
            ..Fixture::new(&store, "neighbour")
        };
        let users: Vec<Uuid> = it
            .search(&it.user, "", "")
            .resources
            .iter()
            .map(|it| it.id)
            .collect();
        let large = it.add_group("large", &[]);
        let all = (1..=20_000u128).map(Uuid::from_u128).skip(2_000).collect();
        it.change_members(large, vec![MembersStep::Add(all)])
            .expect("they exist");
        let small = it.add_group("small", &users[900..910]);

        let in_and_out = |group| {
            let mut next = 0;
            let (it, users) = (&it, &users);
            move || {
                least(|| {
                    let user = vec![users[next % 500]];
                    next += 1;
                    it.change_members(group, vec![MembersStep::Add(user.clone())])
                        .expect("it exists");
                    it.change_members(group, vec![MembersStep::Remove(user)])
                        .expect("it exists");
                })
            }
        };
        report("a member joins and leaves", in_and_out(small), in_and_out(large));

        let without_members = |group| {
            let it = &it;
            move || {
                least(|| {
                    let found = it.store.get(it.tenant, &it.group, group, Include::default());
                    assert!(found.expect("the store is there").is_some());
                })
            }
        };
        report(
            "a group without its members",
            without_members(small),
            without_members(large),
        );

        let page = |sort_by: &'static str, key: Option<&str>, row: Option<i64>| {
            let from = row.map(|row| Position {
                target: 0,
                key: key.map(str::to_owned),
                row,
                backwards: false,
            });
            let query = it.query(&it.user, "", sort_by, PageRequest::Cursor { from, count: 50 });
            let it = &it;
            move || {
                least(|| {
                    let page = it.store.list(it.tenant, &query).expect("the store is there");
                    assert_eq!(page.resources.len(), 50);
                })
            }
        };
        report(
            "a page far from the beginning",
            page("", None, None),
            page("", None, Some(19_000)),
        );
        report(
            "a sorted page far from the beginning",
            page("userName", None, None),
            page("userName", Some("user7"), Some(7)),
        );
    });
}
