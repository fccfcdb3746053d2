//! The feed of several tenants on both databases, with concurrent writers, restored backups and many entries.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection, SqliteConnection};
use scim_model::change::{ChangePosition, Operation};
use scim_model::store::conformance::{Fixture, at};
use scim_model::store::{ChangeFeed, ChangeJournal, FeedEntry, FeedStart, FeedTenants, JournalError};
use scim_storage_diesel::DieselStore;
use serde_json::json;
use uuid::Uuid;

use crate::database::{Database, on_each};

fn read(store: &DieselStore, start: FeedStart) -> Result<Vec<FeedEntry>, JournalError> {
    let read = store.entries(&FeedTenants::All, start, 100)?;
    Ok(read.entries)
}

/// evt-50. An open transaction has written the deletion of a user, and a later one commits first. A reader that took the
/// later entry and continued there would never learn of the deletion.
#[test]
fn a_deletion_that_commits_late_is_not_skipped() {
    let Some(database) = Database::postgres() else {
        return;
    };
    let store = database.store();
    let (it, other) = (Fixture::new(&store, "acme"), Fixture::new(&store, "other"));
    let user = it.add_user("bjensen");
    let first = read(&store, FeedStart::Oldest).expect("nothing was dropped");
    let seen = first[0].change.position;
    let mut slow = PgConnection::establish(&database.url).expect("it opens");
    slow.batch_execute(
        "BEGIN; INSERT INTO changes (tenant_id, at, kind, id, version, action, change) \
         SELECT tenant_id, at + 1, kind, id, version, 'delete', '{}' FROM changes",
    )
    .expect("it runs");
    let visible = store.visible_up_to().expect("the store is there");
    // Writers of the same and of another tenant do not wait.
    let later = [it.add_user("smith"), other.add_user("smith")];
    for tenants in [FeedTenants::All, FeedTenants::Only(vec![it.tenant, other.tenant])] {
        let read = store
            .entries(&tenants, FeedStart::After(seen), 100)
            .expect("nothing was dropped");
        assert_eq!((read.entries, read.last, read.more), (Vec::new(), None, false));
        assert_eq!(
            store.current_position(&tenants).expect("the store is there"),
            seen
        );
    }
    assert_eq!(store.visible_up_to().expect("the store is there"), visible);
    slow.batch_execute("COMMIT").expect("it was begun");
    let rest = read(&store, FeedStart::After(seen)).expect("nothing was dropped");
    let found: Vec<_> = rest
        .iter()
        .map(|it| (it.change.id, it.change.operation))
        .collect();
    assert_eq!(
        found,
        [
            (user, Operation::Delete),
            (later[0], Operation::Create),
            (later[1], Operation::Create)
        ]
    );
    assert!(store.visible_up_to().expect("the store is there") > visible);
}

/// evt-50. On SQLite the later writer waits for the open transaction, so its entry gets the greater number.
#[test]
fn a_deletion_in_an_open_transaction_of_sqlite_comes_before_later_writes() {
    let database = Database::sqlite();
    let store = database.store();
    let it = Fixture::new(&store, "acme");
    let user = it.add_user("bjensen");
    let seen = read(&store, FeedStart::Oldest).expect("nothing was dropped")[0]
        .change
        .position;
    let file = database.url.trim_start_matches("sqlite:");
    let mut slow = SqliteConnection::establish(file).expect("it opens");
    slow.batch_execute(
        "BEGIN IMMEDIATE; INSERT INTO changes (tenant_id, at, kind, id, version, action, change) \
         SELECT tenant_id, at + 1, kind, id, version, 'delete', '{}' FROM changes",
    )
    .expect("it runs");
    let later = std::thread::scope(|threads| {
        let later = threads.spawn(|| it.add_user("smith"));
        for _ in 0..20 {
            let read = store
                .entries(&FeedTenants::All, FeedStart::After(seen), 100)
                .expect("nothing was dropped");
            assert_eq!((read.entries, read.last, read.more), (Vec::new(), None, false));
            std::thread::sleep(Duration::from_millis(5));
        }
        slow.batch_execute("COMMIT").expect("it was begun");
        later.join().expect("it waits for the other writer")
    });
    let rest = read(&store, FeedStart::After(seen)).expect("nothing was dropped");
    let found: Vec<_> = rest
        .iter()
        .map(|it| (it.change.id, it.change.operation))
        .collect();
    assert_eq!(found, [(user, Operation::Delete), (later, Operation::Create)]);
}

/// evt-49. Writers of several tenants, and a reader of all of them: each change comes once, and in the order of versions.
#[test]
fn a_reader_of_all_tenants_misses_no_change_of_many_writers() {
    on_each(|database| {
        let store = database.store();
        let fixtures: Vec<Fixture> = (0..4)
            .map(|number| Fixture::new(&store, &format!("t{number}")))
            .collect();
        let rounds = 30;
        let is_over = AtomicBool::new(false);
        let mut seen: Vec<FeedEntry> = Vec::new();
        let mut start = FeedStart::Oldest;
        std::thread::scope(|scope| {
            let writers: Vec<_> = fixtures
                .iter()
                .map(|it| {
                    scope.spawn(move || {
                        let id = it.add_user("bjensen");
                        let group = it.add_group("Guides", &[id]);
                        for round in 0..rounds {
                            let value = json!({"userName": "bjensen", "displayName": format!("{round}")});
                            it.replace(&it.user, id, None, value).expect("it exists");
                        }
                        assert!(it.delete(&it.user, id) && it.delete(&it.group, group));
                    })
                })
                .collect();
            let is_over = &is_over;
            scope.spawn(move || {
                let results: Vec<_> = writers
                    .into_iter()
                    .map(std::thread::ScopedJoinHandle::join)
                    .collect();
                is_over.store(true, Ordering::Release);
                assert!(results.iter().all(Result::is_ok));
            });
            loop {
                let was_over = is_over.load(Ordering::Acquire);
                let read = store
                    .entries(&FeedTenants::All, start, 7)
                    .expect("nothing is dropped");
                seen.extend(read.entries);
                match read.last {
                    Some(last) => start = FeedStart::After(last),
                    None if was_over => break,
                    None => std::thread::sleep(Duration::from_millis(1)),
                }
            }
        });
        // For each tenant: two creations, an entry of the user and of the group for each update, and three for the
        // two deletions.
        assert_eq!(seen.len(), 4 * (2 + rounds * 2 + 3));
        let mut versions: BTreeMap<Uuid, i64> = BTreeMap::new();
        for entry in &seen {
            let change = &entry.change;
            let last = versions.insert(change.id, change.version).unwrap_or(0);
            let is_next = change.version == last + 1;
            let is_end = change.operation == Operation::Delete && change.version == last;
            assert!(is_next || is_end, "no entry is missed, early or late");
        }
        for it in &fixtures {
            let own: Vec<_> = seen
                .iter()
                .filter(|entry| entry.tenant == it.tenant)
                .map(|it| it.change.clone())
                .collect();
            assert_eq!(own, it.changes());
        }
    });
}

/// evt-56. After a backup was restored, the numbers of lost entries are given to others, or to none.
#[test]
fn a_position_from_before_a_restore_is_detected() {
    on_each(|database| {
        let store = database.store();
        let it = Fixture::new(&store, "acme");
        it.add_user("kept");
        let kept = it.changes()[0].position;
        it.add_user("lost");
        let lost = it.changes()[1].position;
        // The backup was taken after the first entry, and the numbers of the lost ones are not used again.
        database.run("DELETE FROM changes WHERE sequence > 1");
        it.add_user("new");
        let tenants = [FeedTenants::All, FeedTenants::Only(vec![it.tenant])];
        for tenants in &tenants {
            let refused = store.entries(tenants, FeedStart::After(lost), 100);
            assert!(matches!(refused, Err(JournalError::Unknown(_))), "{refused:?}");
            let rest = store
                .entries(tenants, FeedStart::After(kept), 100)
                .expect("it was in the backup");
            assert_eq!(rest.entries.len(), 1);
        }
        // The number is used again, for an entry of another time.
        let overriding = if database.is_sqlite() {
            ""
        } else {
            "OVERRIDING SYSTEM VALUE"
        };
        database.run(&format!(
            "INSERT INTO changes (sequence, tenant_id, at, kind, id, version, action, change) {overriding} \
             SELECT {}, tenant_id, at + 1, kind, id, 2, 'update', '{{}}' FROM changes WHERE sequence = 1",
            lost.sequence
        ));
        for tenants in &tenants {
            let refused = store.entries(tenants, FeedStart::After(lost), 100);
            assert!(matches!(refused, Err(JournalError::Unknown(_))), "{refused:?}");
        }
    });
}

/// Entries of a hidden tenant are not shown, and a reader can continue at them at every step of the deletion.
#[test]
fn a_reader_passes_a_tenant_that_is_being_deleted() {
    on_each(|database| {
        let store = database.store();
        let (it, gone) = (Fixture::new(&store, "acme"), Fixture::new(&store, "gone"));
        let first = it.add_user("first");
        gone.add_user("gone");
        let seen = gone.changes()[0].position;
        let last = it.add_user("last");
        database.run(&format!(
            "UPDATE tenant SET deleted = TRUE WHERE id = {}",
            gone.tenant.0
        ));
        let ids = |start| -> Vec<Uuid> {
            let rest = read(&store, start).expect("no entry is missed");
            rest.into_iter().map(|it| it.change.id).collect()
        };
        assert_eq!(ids(FeedStart::Oldest), [first, last]);
        assert_eq!(ids(FeedStart::At(seen)), [last]);
        let one = store
            .entries(&FeedTenants::All, FeedStart::At(seen), 1)
            .expect("no entry is missed");
        assert_eq!((one.entries.len(), one.last, one.more), (0, Some(seen), true));
        let chosen = FeedTenants::Only(vec![it.tenant]);
        let rest = store
            .entries(&chosen, FeedStart::At(seen), 100)
            .expect("no entry is missed");
        assert_eq!(rest.entries.len(), 1);
    });
}

/// evt-57. Positions of deleted tenants are dropped like old entries, except the last one.
#[test]
fn old_positions_of_deleted_tenants_are_dropped() {
    on_each(|database| {
        let store = database.store();
        let (it, gone) = (Fixture::new(&store, "acme"), Fixture::new(&store, "gone"));
        it.add_user("old");
        for number in 0..3 {
            gone.add_user(&format!("user{number}"));
        }
        database.run(&format!(
            "UPDATE tenant SET name = 'gone' WHERE id = {}",
            gone.tenant.0
        ));
        let positions: Vec<ChangePosition> = gone.changes().iter().map(|it| it.position).collect();
        scim_model::store::Directory::delete_tenant(&store, "gone").expect("the store is there");
        assert_eq!(database.number("SELECT count(*) FROM deleted_change"), 3);
        assert_eq!(
            store
                .prune_changes(it.tenant, at(0), 100)
                .expect("the store is there"),
            0
        );
        assert_eq!(database.number("SELECT count(*) FROM deleted_change"), 3);
        assert_eq!(
            store
                .prune_changes(it.tenant, at(100), 100)
                .expect("the store is there"),
            1
        );
        assert_eq!(database.number("SELECT count(*) FROM deleted_change"), 1);
        let rest = read(&store, FeedStart::After(positions[2])).expect("the reader has missed nothing");
        assert!(rest.is_empty());
    });
}

/// A page costs the same at the start, in the middle and at the end of a long journal.
#[test]
fn pages_are_read_by_index() {
    on_each(|database| {
        let store = database.store();
        let fixtures = [Fixture::new(&store, "large"), Fixture::new(&store, "small")];
        for it in &fixtures {
            it.add_user("bjensen");
        }
        let entries = 200_000;
        // One entry in a thousand belongs to the small tenant.
        database.run(&format!(
            "INSERT INTO changes (tenant_id, at, kind, id, version, action, change, write_id, names) \
             WITH RECURSIVE s (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < {entries}) \
             SELECT CASE WHEN i % 1000 = 0 THEN {small} ELSE {large} END, c.at, c.kind, c.id, i, 'update', \
             '{{\"title\":{{\"old\":\"a\",\"new\":\"b\"}}}}', c.write_id, c.names \
             FROM s CROSS JOIN (SELECT * FROM changes WHERE sequence = 1) AS c",
            large = fixtures[0].tenant.0,
            small = fixtures[1].tenant.0
        ));
        if !database.is_sqlite() {
            database.run("ANALYZE");
        }
        let all = [
            FeedTenants::All,
            FeedTenants::Only(fixtures.iter().map(|it| it.tenant).collect()),
        ];
        let small = FeedTenants::Only(vec![fixtures[1].tenant]);
        let end = store
            .current_position(&FeedTenants::All)
            .expect("the store is there");
        let middle = store
            .entries(&small, FeedStart::Oldest, 30)
            .expect("nothing was dropped")
            .last;
        let middle = middle.expect("there are sixty");
        assert!(middle.sequence > 20_000);
        let fastest = |tenants: &FeedTenants, start: FeedStart| -> Duration {
            let runs = (0..7).map(|_| {
                let began = Instant::now();
                store.entries(tenants, start, 100).expect("nothing was dropped");
                began.elapsed()
            });
            runs.min().expect("there are runs")
        };
        for tenants in all.iter().chain([&small]) {
            let first = fastest(tenants, FeedStart::Oldest);
            assert!(
                first < fastest(&all[0], FeedStart::Oldest) * 4,
                "{tenants:?}: {first:?}"
            );
            let limit = first * 4;
            for start in [FeedStart::At(middle), FeedStart::After(end)] {
                if *tenants == small && start == FeedStart::After(end) {
                    continue;
                }
                let elapsed = fastest(tenants, start);
                assert!(
                    elapsed < limit,
                    "{tenants:?} {start:?}: {elapsed:?}, at the start {first:?}"
                );
            }
        }
    });
}

/// A resource that has changed more often than one statement reads, among others.
#[test]
fn the_resource_before_many_changes_is_known() {
    on_each(|database| {
        let store = database.store();
        let it = Fixture::new(&store, "acme");
        let (user, other) = (it.add_user("bjensen"), it.add_user("smith"));
        let changes = 12_000;
        database.run(&format!(
            "INSERT INTO changes (tenant_id, at, kind, id, version, action, change, write_id, names) \
             WITH RECURSIVE s (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < {changes}) \
             SELECT c.tenant_id, c.at, c.kind, c.id, i + 1, 'update', \
             '{{\"title\":{{\"old\":\"' || (i - 1) || '\",\"new\":\"' || i || '\"}}}}', c.write_id, c.names \
             FROM s CROSS JOIN (SELECT * FROM changes WHERE sequence = (SELECT min(sequence) FROM changes)) AS c"
        ));
        let (mut start, mut entries) = (FeedStart::Oldest, Vec::new());
        loop {
            let read = store
                .entries(&FeedTenants::All, start, 200)
                .expect("nothing was dropped");
            entries.extend(read.entries);
            match read.last.filter(|_| read.more) {
                Some(last) => start = FeedStart::After(last),
                None => break,
            }
        }
        let number = |version: usize| &entries[version];
        let wanted = [number(0), number(1), number(2), number(5_001), number(11_000)];
        let ids = wanted.map(|it| it.change.id);
        assert_eq!(ids, [user, other, user, user, user]);
        let found = store
            .resources_after(&wanted, usize::MAX)
            .expect("the store is there");
        let titles: Vec<_> = found
            .iter()
            .map(|it| it.members.as_ref().expect("it existed").get("title").cloned())
            .collect();
        let title = |it: &str| Some(json!(it));
        assert_eq!(
            titles,
            [title("0"), None, title("1"), title("5000"), title("10999")]
        );
        // The same as without the others, in one statement.
        let last = store
            .resources_after(&wanted[4..], usize::MAX)
            .expect("the store is there");
        assert_eq!(last, found[4..]);
    });
}
