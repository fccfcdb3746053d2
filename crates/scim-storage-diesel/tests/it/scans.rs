//! Full scans: which queries need one, their time limit, and that they do not block index lookups.

use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use scim_model::store::conformance::Fixture;
use scim_model::store::{Page, PageRequest, ScanCount, StoreError, Stored, TenantId};
use scim_storage_diesel::StoreOptions;

use crate::database::{Database, filled, of, on_each};

const FIRST_PAGE: PageRequest = PageRequest::Index {
    start_index: 1,
    count: 10,
};

fn list(it: &Fixture, filter: &str, sort_by: &str) -> Result<Page, StoreError> {
    it.store
        .list(it.tenant, &it.query(&it.user, filter, sort_by, FIRST_PAGE))
}

#[test]
fn scans_are_counted_by_attribute() {
    on_each(|database| {
        let store = database.store();
        let it = Fixture::new(&store, "acme");
        it.add_user("bjensen");
        for (filter, sort_by, expected) in [
            ("", "", ""),
            ("", "userName", ""),
            ("", "-meta.lastModified", ""),
            ("userName eq \"x\"", "title", ""),
            ("userName sw \"bj\"", "", ""),
            ("userName pr", "", ""),
            ("active eq true", "", ""),
            ("meta.lastModified gt \"2024-01-01T00:00:00Z\"", "", ""),
            ("meta.resourceType eq \"User\"", "", ""),
            ("emails.value eq \"x\"", "", ""),
            ("emails[value eq \"x\" and type eq \"work\"]", "userName", ""),
            ("userName eq \"x\" and title co \"y\"", "", ""),
            ("userName eq \"x\" or externalId eq \"y\"", "", ""),
            ("groups.value eq \"00000000-0000-0000-0000-000000000007\"", "", ""),
            ("title eq \"x\"", "", "title"),
            ("userName co \"x\"", "", "userName"),
            ("userName ne \"x\"", "", "userName"),
            ("userName sw \"x\" and nickName eq \"y\"", "", "nickName"),
            ("userName eq \"x\" or title pr", "", "title"),
            (
                "userName sw \"a\" and displayName sw \"b\"",
                "",
                "displayName userName",
            ),
            (
                "emails[type eq \"work\" and value co \"x\"]",
                "",
                "emails.type emails.value",
            ),
            ("groups.display co \"x\"", "", "groups.display"),
            ("meta.version eq \"W/\\\"1\\\"\"", "", "meta.version"),
            ("", "title", "title"),
            ("", "active", "active"),
            ("", "emails", "emails.value"),
            ("active eq true", "userName", "userName"),
            ("title eq \"x\"", "nickName", "nickName title"),
            (
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq \"x\"",
                "",
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
            ),
        ] {
            let before = store.scan_counts();
            list(&it, filter, sort_by).expect("it is answered");
            let after = store.scan_counts();
            let number = |counts: &[ScanCount], attribute: &str| {
                let found = counts.iter().find(|it| it.attribute == attribute);
                found.map_or(0, |it| it.begun)
            };
            let grown: Vec<&str> = after
                .iter()
                .filter(|it| it.begun > number(&before, &it.attribute))
                .map(|it| it.attribute.as_str())
                .collect();
            assert_eq!(grown.join(" "), expected, "{filter} {sort_by}");
            assert!(after.iter().all(|it| &*it.resource_type == "User"));
        }
    });
}

/// 7644-3.4.2.1-02
#[test]
fn a_scan_that_takes_too_long_ends() {
    on_each(|database| {
        // No scan of this many resources ends in that time; index lookups are not limited.
        let options = StoreOptions {
            scan_timeout: Duration::from_millis(1),
            ..StoreOptions::default()
        };
        let (store, tenant) = filled(database, 20_000, &options);
        let it = of(&store, tenant);
        for (filter, sort_by, expected) in [
            ("userName co \"absent\" and title co \"x\"", "", "title"),
            ("not (nickName eq \"x\")", "title", "nickName"),
            ("", "title", "title"),
        ] {
            let refused = list(&it, filter, sort_by);
            match refused {
                Err(StoreError::TooExpensive { attribute }) => assert_eq!(attribute, expected, "{filter}"),
                other => panic!("{filter} {sort_by}: {other:?}"),
            }
        }
        let too_long: u64 = store.scan_counts().iter().map(|it| it.too_long).sum();
        assert!(too_long >= 3);
        // The connections still work.
        for _ in 0..20 {
            assert_eq!(
                list(&it, "userName eq \"user7\"", "").expect("it is there").total,
                1
            );
            assert_eq!(list(&it, "", "").expect("they are there").resources.len(), 10);
        }
    });
}

/// An index leads to the resources, but there are too many of them.
#[test]
fn a_frequent_value_needs_a_scan() {
    on_each(|database| {
        let options = StoreOptions {
            scan_timeout: Duration::from_millis(1),
            ..StoreOptions::default()
        };
        let (store, tenant) = filled(database, 20_000, &options);
        database.run("UPDATE resource SET display_key = 'same', external_key = NULL WHERE kind = 1");
        database.run("UPDATE attribute_value SET key = 'same'");
        let it = of(&store, tenant);
        for (filter, sort_by, expected) in [
            (
                format!("displayName eq \"same\" and ({})", long_filter()),
                "",
                "displayName title",
            ),
            (
                "displayName eq \"same\" or emails.value eq \"same\"".to_owned(),
                "nickName",
                "displayName emails.value nickName",
            ),
            (
                "phoneNumbers.value eq \"same\"".to_owned(),
                "",
                "phoneNumbers.value",
            ),
        ] {
            let before = store.scan_counts();
            match list(&it, &filter, sort_by) {
                Err(StoreError::TooExpensive { attribute }) => {
                    assert!(expected.starts_with(&attribute), "{filter}: {attribute}");
                }
                other => panic!("{filter} {sort_by}: {other:?}"),
            }
            let after = store.scan_counts();
            let too_long: Vec<&str> = after
                .iter()
                .filter(|it| {
                    let same = before.iter().find(|other| other.attribute == it.attribute);
                    let had = same.map_or((0, 0), |it| (it.begun, it.too_long));
                    (it.begun, it.too_long) == (had.0 + 1, had.1 + 1)
                })
                .map(|it| it.attribute.as_str())
                .collect();
            assert_eq!(too_long.join(" "), expected, "{filter}");
        }
    });
}

/// Finding the group is an index lookup, however many members are then read.
#[test]
fn finding_a_large_group_by_name_is_not_a_scan() {
    on_each(|database| {
        let (store, tenant) = filled(database, 100_000, &StoreOptions::default());
        database.run(
            "INSERT INTO membership (tenant_id, group_pk, joined, member_pk) SELECT tenant_id, 100001, 1000000 + pk, pk \
             FROM resource WHERE kind = 1 AND pk % 10000 <> 0",
        );
        let it = of(&store, tenant);
        for filter in [
            "displayName eq \"group1\"",
            "id eq \"00000000-0000-0000-0000-0000000186a1\"",
        ] {
            let mut query = it.query(&it.group, filter, "", FIRST_PAGE);
            query.include.members = true;
            let found = it
                .store
                .list(tenant, &query)
                .expect("it is not refused")
                .resources;
            let large = found.iter().find(|it| it.rest_of_members.is_some());
            let large = large.expect("one group is too large to be read at once");
            let (mut number, mut rest) = (large.members.as_ref().map_or(0, Vec::len), large.rest_of_members);
            while let Some(from) = rest {
                let (members, next) = it.store.next_members(tenant, from).expect("it is not refused");
                number += members.len();
                rest = next;
            }
            assert_eq!(number, 100_000, "{filter}");
        }
        assert!(store.scan_counts().is_empty(), "{:?}", store.scan_counts());
    });
}

/// A page is in memory while it is sent, so its members are limited. A single group is readable at any size.
#[test]
fn the_number_of_members_on_a_page_is_limited() {
    on_each(|database| {
        let store = database.store_with(&StoreOptions {
            max_page_members: 5,
            ..StoreOptions::default()
        });
        let it = Fixture::new(&store, "acme");
        let users: Vec<_> = (0..6)
            .map(|number| it.add_user(&format!("user{number}")))
            .collect();
        it.add_group("all", &users);
        it.add_group("first", &users[..1]);
        it.add_group("others", &users[..4]);
        let page = |filter: &str, members: bool| {
            let mut query = it.query(&it.group, filter, "", FIRST_PAGE);
            query.include.members = members;
            let page = it.store.list(it.tenant, &query)?;
            let number = |it: &Stored| it.members.as_ref().map(Vec::len);
            Ok(page.resources.iter().map(number).collect::<Vec<_>>())
        };
        assert_eq!(
            page("displayName eq \"all\"", true).expect("it is one group"),
            [Some(6)]
        );
        let found = page("displayName eq \"first\" or displayName eq \"others\"", true);
        assert_eq!(found.expect("together they are few enough"), [Some(1), Some(4)]);
        match page("", true) {
            Err(StoreError::TooManyMembers { most }) => assert_eq!(most, 5),
            other => panic!("{other:?}"),
        }
        assert_eq!(
            page("", false).expect("members were not requested"),
            [None, None, None]
        );
    });
}

/// With all scans of a tenant in use, index lookups still work, for this tenant and others.
#[test]
fn scans_do_not_block_index_lookups() {
    on_each(|database| {
        let (store, tenant) = filled(database, 20_000, &StoreOptions::default());
        drop(store);
        use_all_permits(database, tenant, &long_filter(), "title");
    });
}

fn use_all_permits(database: &Database, tenant: TenantId, filter: &str, expected: &str) {
    let options = StoreOptions {
        max_scans: 2,
        scan_timeout: Duration::from_secs(20),
        readers: 6,
        connections: 6,
        ..StoreOptions::default()
    };
    let store = database.store_with(&options);
    let neighbour = Fixture::new(&store, &format!("neighbour of {expected}"));
    neighbour.add_user("bjensen");
    let it = Fixture {
        tenant,
        ..Fixture::new(&store, &format!("another of {expected}"))
    };
    let (begun, has_begun) = channel();
    thread::scope(|scope| {
        // More scans than may run and wait at once.
        let scans: Vec<_> = (0..24)
            .map(|_| {
                let begun = begun.clone();
                let it = &it;
                scope.spawn(move || {
                    begun.send(()).expect("the test waits");
                    list(it, filter, "")
                })
            })
            .collect();
        for _ in &scans {
            has_begun.recv().expect("they begin");
        }
        for _ in 0..100 {
            let found = list(&it, "userName eq \"user7\"", "").expect("index lookups do not wait");
            assert_eq!(found.total, 1);
            let found =
                list(&neighbour, "userName eq \"bjensen\"", "").expect("nor do those of other tenants");
            assert_eq!(found.total, 1);
        }
        let mut refused = 0;
        for scan in scans {
            match scan.join().expect("it has not panicked") {
                Ok(page) => assert_eq!(page.total, 0),
                Err(StoreError::TooManyScans { attribute }) => {
                    assert_eq!(attribute, expected);
                    refused += 1;
                }
                Err(other) => panic!("{other:?}"),
            }
        }
        assert!(refused > 0, "one runs and four wait, so some of 24 are refused");
    });
    let counts = store.scan_counts();
    assert!(
        counts.iter().any(|it| it.refused > 0 && it.begun > 0),
        "{counts:?}"
    );
    // When they have ended, the next scan can run.
    assert!(list(&it, "title eq \"x\"", "").is_ok());
}

/// A filter that is slow for each resource. The terms differ, because PostgreSQL evaluates equal terms once.
fn long_filter() -> String {
    let terms: Vec<String> = (0..150).map(|it| format!("title co \"x{it}\"")).collect();
    terms.join(" or ")
}
