//! A page by index starts at the nearest counted block of resources.

use std::sync::Arc;

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use scim_model::ResourceType;
use scim_model::store::conformance::Fixture;
use scim_model::store::{PageRequest, Query, ResourceStore, Sort};
use scim_storage_diesel::DieselStore;
use uuid::Uuid;

use crate::database::{Database, of, on_each};

/// The gap in `pk` between the resources of two times, which is larger than a block.
const BETWEEN: i64 = 40_000;

/// The number of users created at one time.
const AT_ONCE: usize = 3;

/// Creates users and groups of both tenants at times that are far apart, and returns those of the first tenant in
/// order of creation.
fn create(database: &Database, it: &Fixture, neighbour: &Fixture) -> (Vec<Uuid>, Vec<Uuid>) {
    let (mut users, mut groups) = (Vec::new(), Vec::new());
    for time in 0..6 {
        for number in 0..AT_ONCE {
            users.push(it.add_user(&format!("user{time}.{number}")));
            neighbour.add_user(&format!("user{time}.{number}"));
        }
        groups.push(it.add_group(&format!("group{time}"), &[]));
        database.run(&if database.is_sqlite() {
            format!("UPDATE sqlite_sequence SET seq = seq + {BETWEEN} WHERE name = 'resource'")
        } else {
            format!(
                "SELECT setval(pg_get_serial_sequence('resource', 'pk'), max(pk) + {BETWEEN}) FROM resource"
            )
        });
    }
    // All users of one time are deleted, and the last user of another time.
    for number in [3, 4, 5, 8] {
        assert!(it.delete(&it.user, users[number]));
    }
    let deleted = [3, 4, 5, 8].map(|it: usize| users[it]);
    users.retain(|it| !deleted.contains(it));
    (users, groups)
}

fn page_of(it: &Fixture, types: &[Arc<ResourceType>], descending: bool, start: usize, count: usize) -> Query {
    let page = PageRequest::Index {
        start_index: start as u64,
        count: u32::try_from(count).expect("it is small"),
    };
    Query {
        // Sorted by an attribute that no type has, so in reverse order of creation.
        sort: descending.then(|| Sort {
            paths: vec![None; types.len()],
            descending,
        }),
        ..it.query_over(types, "", "", page)
    }
}

/// Checks all pages of a list.
fn check(it: &Fixture, types: &[Arc<ResourceType>], expected: &[Uuid]) {
    for descending in [false, true] {
        let mut expected = expected.to_vec();
        if descending {
            expected.reverse();
        }
        for start in 1..=expected.len() + 2 {
            for count in 0..=expected.len() + 1 {
                let query = page_of(it, types, descending, start, count);
                let page = it.store.list(it.tenant, &query).expect("the store is there");
                let ids: Vec<Uuid> = page.resources.iter().map(|it| it.id).collect();
                let skipped = expected.iter().skip(start - 1);
                let of_page: Vec<Uuid> = skipped.take(count).copied().collect();
                assert_eq!(ids, of_page, "{count} from {start} on, descending: {descending}");
                assert_eq!(page.total, expected.len() as u64, "{count} from {start} on");
            }
        }
    }
}

/// The largest number of rows that the statement of any page of two skips.
fn skipped_at_most(store: &DieselStore, it: &Fixture, users: usize) -> usize {
    let starts = (1..users).flat_map(|start| [(start, false), (start, true)]);
    let offsets = starts.map(|(start, descending)| {
        let query = page_of(it, std::slice::from_ref(&it.user), descending, start, 2);
        let explained = store.explain(it.tenant, &query).expect("it explains").remove(0);
        assert!(
            explained.plan.iter().any(|it| it.contains("resource_list")),
            "{explained:?}"
        );
        let (_, offset) = explained.sql.rsplit_once(" OFFSET 0 + ").expect("it skips");
        let digits = offset.split(|it: char| !it.is_ascii_digit()).next();
        digits.and_then(|it| it.parse().ok()).expect("it is a number")
    });
    offsets.max().expect("there are pages")
}

#[test]
fn a_page_by_index_starts_at_the_nearest_block() {
    on_each(|database| {
        let store = database.store();
        let it = Fixture::new(&store, "acme");
        let neighbour = Fixture::new(&store, "neighbour");
        let (users, groups) = create(database, &it, &neighbour);
        let both = [&it.user, &it.group].map(Arc::clone);
        check(&it, &both[..1], &users);
        check(&it, &both[1..], &groups);
        check(&it, &both, &[users.clone(), groups].concat());

        let tenant = it.tenant;
        drop(store);
        if !database.is_sqlite() {
            // PostgreSQL would scan small tables in spite of their indexes.
            let (_, name) = database.url.rsplit_once('/').expect("the URL names a database");
            database.run(&format!("ALTER DATABASE {name} SET enable_seqscan = off"));
            database.run(&format!("ALTER DATABASE {name} SET enable_sort = off"));
        }
        let store = database.store();
        assert!(skipped_at_most(&store, &of(&store, tenant), users.len()) < AT_ONCE);
    });
}

/// A version without blocks may have filled the database, and may run at the same time.
#[test]
fn counters_without_blocks_are_recomputed() {
    on_each(|database| {
        let store = database.store();
        let it = Fixture::new(&store, "acme");
        let neighbour = Fixture::new(&store, "neighbour");
        let (users, _) = create(database, &it, &neighbour);
        let (id, tenant) = (it.tenant, it.tenant.0);
        // The older version has deleted a user without recording the block.
        database.run(&format!(
            "INSERT INTO resource_count (tenant_id, kind, shard, number) VALUES ({tenant}, 1, 3, -1);
             INSERT INTO resource_count (tenant_id, kind, shard, number) VALUES ({tenant}, 1, 47, 1)
             ON CONFLICT (tenant_id, kind, shard) DO UPDATE SET number = resource_count.number + 1"
        ));
        let of_neighbour = format!(
            "SELECT count(*) FROM resource_count WHERE tenant_id = {}",
            neighbour.tenant.0
        );
        let before = database.number(&of_neighbour);
        check(&it, std::slice::from_ref(&it.user), &users);
        drop(store);

        let store = database.store();
        let it = of(&store, id);
        assert_eq!(
            database.number("SELECT count(*) FROM resource_count WHERE shard < 16"),
            0
        );
        assert_eq!(database.number(&of_neighbour), before);
        check(&it, std::slice::from_ref(&it.user), &users);
        let of_deleted = format!(
            "SELECT count(*) FROM resource_count WHERE tenant_id = {tenant} AND kind = 1 AND shard / 16 = 2"
        );
        assert_eq!(database.number(&of_deleted), 0);
        assert!(it.delete(&it.user, users[0]));
        check(&it, std::slice::from_ref(&it.user), &users[1..]);
    });
}

/// The start of a server must not make all writers wait for a slow one.
#[test]
fn a_start_during_a_slow_write_keeps_the_old_counters() {
    let Some(database) = Database::postgres() else {
        return;
    };
    let store = database.store();
    let it = Fixture::new(&store, "acme");
    it.add_user("bjensen");
    let tenant = it.tenant.0;
    database.run(&format!(
        "INSERT INTO resource_count (tenant_id, kind, shard, number) VALUES ({tenant}, 1, 3, 0)"
    ));
    let mut slow = PgConnection::establish(&database.url).expect("it opens");
    slow.batch_execute(&format!(
        "BEGIN; INSERT INTO resource_count (tenant_id, kind, shard, number) VALUES ({tenant}, 9, 999, 0)"
    ))
    .expect("it runs");
    let without_blocks = "SELECT count(*) FROM resource_count WHERE shard < 16";

    let second = database.store();
    assert_eq!(database.number(without_blocks), 1);
    let page = |store: &DieselStore| {
        let of_it = of(store, it.tenant);
        let query = page_of(&of_it, std::slice::from_ref(&of_it.user), false, 2, 1);
        let page = store.list(it.tenant, &query).expect("the store is there");
        (page.resources.len(), page.total)
    };
    it.add_user("kmiller");
    assert_eq!(page(&second), (1, 2));

    slow.batch_execute("COMMIT").expect("it runs");
    let third = database.store();
    assert_eq!(database.number(without_blocks), 0);
    assert_eq!(page(&third), (1, 2));
}

/// Each list request would add up the counters of a block that stays empty. A concurrent write to the block is
/// neither lost nor blocked.
#[test]
fn counters_at_zero_are_deleted() {
    on_each(|database| {
        let store = database.store();
        let it = Fixture::new(&store, "acme");
        let neighbour = Fixture::new(&store, "neighbour");
        let (users, groups) = create(database, &it, &neighbour);
        let check_all = || {
            check(&it, std::slice::from_ref(&it.user), &users);
            check(&it, std::slice::from_ref(&it.group), &groups);
        };
        let (tenant, of_neighbour) = (it.tenant.0, neighbour.tenant.0);
        let blocks = |tenant, filter: &str| {
            database.number(&format!(
                "SELECT count(*) FROM (SELECT kind, shard / 16 FROM resource_count WHERE tenant_id = {tenant} \
                 GROUP BY 1, 2 {filter}) AS block"
            ))
        };
        let before = blocks(of_neighbour, "");
        assert_eq!(blocks(tenant, "HAVING sum(number) = 0"), 1);
        if !database.is_sqlite() {
            // Two writers have counted the block: one the creations, the other the deletions.
            database.run(&format!(
                "UPDATE resource_count SET number = number + 7 WHERE tenant_id = {tenant} AND kind = 1 AND shard =
                   (SELECT min(shard) FROM resource_count WHERE tenant_id = {tenant} AND kind = 1 AND shard >= 32);
                 INSERT INTO resource_count (tenant_id, kind, shard, number)
                 SELECT {tenant}, 1, it, -7 FROM generate_series(32, 47) AS it
                 WHERE NOT EXISTS (SELECT FROM resource_count WHERE tenant_id = {tenant} AND kind = 1 AND shard = it)
                 LIMIT 1"
            ));
            assert_eq!(blocks(tenant, "HAVING sum(number) = 0"), 1);
            // While one of them writes, the counters of the other are kept.
            let mut slow = PgConnection::establish(&database.url).expect("it opens");
            slow.batch_execute(&format!(
                "BEGIN; SELECT FROM resource_count WHERE tenant_id = {tenant} AND number = -7 FOR UPDATE"
            ))
            .expect("it runs");
            assert!(!store.delete_empty_counts().expect("the store is there"));
            slow.batch_execute("COMMIT").expect("it runs");
            assert_eq!(blocks(tenant, "HAVING sum(number) = 0"), 1);
            check_all();
        }
        assert!(!store.delete_empty_counts().expect("the store is there"));
        assert_eq!(blocks(tenant, "HAVING sum(number) = 0"), 0);
        assert_eq!(blocks(of_neighbour, ""), before);
        check_all();
    });
}
