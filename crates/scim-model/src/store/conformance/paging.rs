//! Totals, pages by index and pages by cursor.

use serde_json::json;
use uuid::Uuid;

use super::fixture::{Case, EVERYTHING, Fixture, expect_taken, name, names, names_backward, pages};
use crate::store::{Include, PageRequest, Position, ResourceKey};

pub(super) const CASES: &[Case] = cases![
    totals_are_exact,
    totals_of_index_lookups_are_exact,
    cursors_lead_forward_and_back,
    cursors_survive_deletions,
    large_resources_of_a_page_are_read_after_it,
    an_empty_page_links_to_the_remaining_resources,
];

fn totals_are_exact(it: &Fixture) {
    let users: Vec<Uuid> = (0..25)
        .map(|number| it.add_user(&format!("user{number:02}")))
        .collect();
    let page = |filter: &str, start_index, count| {
        let query = it.query(&it.user, filter, "", PageRequest::Index { start_index, count });
        let page = it.list(&query);
        assert!(
            page.next.is_none() && page.previous.is_none(),
            "pages by index have no cursors"
        );
        (
            page.total,
            page.resources.iter().map(|it| it.id).collect::<Vec<_>>(),
        )
    };
    assert_eq!(page("", 1, 10), (25, users[..10].to_vec()));
    assert_eq!(page("", 21, 10), (25, users[20..].to_vec()));
    assert_eq!(page("", 26, 10), (25, Vec::new()));
    assert_eq!(page("", u64::MAX, 10), (25, Vec::new()));
    assert_eq!(
        page("", 0, 3),
        (25, users[..3].to_vec()),
        "a start index below 1 counts as 1"
    );
    assert_eq!(page("", 1, 0), (25, Vec::new()));
    assert_eq!(page("userName sw \"user0\"", 1, 4), (10, users[..4].to_vec()));
    assert_eq!(page("userName sw \"user0\"", 9, 4), (10, users[8..10].to_vec()));
    assert_eq!(page("userName sw \"user0\"", 11, 4), (10, Vec::new()));
    assert_eq!(page("userName sw \"user0\"", 1, 0), (10, Vec::new()));
    assert_eq!(page("userName eq \"nobody\"", 1, 10), (0, Vec::new()));
    assert!(it.delete(&it.user, users[0]));
    assert_eq!(page("", 1, 1), (24, vec![users[1]]));
    expect_taken("userName", it.add(&it.user, json!({"userName": "user01"}), &[]));
    assert_eq!(
        page("", 1, 0),
        (24, Vec::new()),
        "a failed creation is not counted"
    );
}

/// A page has as many resources as were asked for, whatever their size; some of them may be keys that are read later.
fn large_resources_of_a_page_are_read_after_it(it: &Fixture) {
    let large =
        |number: u32| json!({ "userName": format!("user{number:02}"), "nickName": "x".repeat(300_000) });
    let mut expected = vec![it.add_user("user00")];
    expected.extend((1..20).map(|number| it.add(&it.user, large(number), &[]).expect("the name is free")));
    expected.reverse();
    let query = it.query(&it.user, "", "-userName", EVERYTHING);
    let page = it.store.list(it.tenant, &query).expect("the store is available");
    assert_eq!(page.total, 20);
    let head = page.resources.iter().map(|it| it.id);
    let all: Vec<Uuid> = head.chain(page.rest.iter().map(|it| it.id)).collect();
    assert_eq!(all, expected);
    let include = Include {
        members: true,
        groups: true,
    };
    let read = |mut rest: &[ResourceKey]| {
        let mut found = page.resources.clone();
        while !rest.is_empty() {
            let next = it.store.next_resources(it.tenant, rest, include);
            let next = next.expect("the store is available");
            assert!(next.keys > 0 && next.keys <= rest.len());
            rest = &rest[next.keys..];
            found.extend(next.resources);
        }
        found
    };
    let found = read(&page.rest);
    let ids: Vec<Uuid> = found.iter().map(|it| it.id).collect();
    assert_eq!(ids, expected);
    assert_eq!(name(&found[0]), "user19");
    assert!(found[0].document.len() > 300_000);
    let Some(deleted) = page.rest.first() else { return };
    assert!(it.delete(&it.user, deleted.id));
    let found = read(&page.rest);
    assert!(found.len() == 19 && found.iter().all(|it| it.id != deleted.id));
    let other = Fixture::new(it.store, "another tenant with the keys of a page");
    let next = other.store.next_resources(other.tenant, &page.rest, include);
    assert!(next.expect("the store is available").resources.is_empty());
}

/// 7644-3.4.2-04: this includes matches that an index finds, on a page that holds all of them or fewer.
fn totals_of_index_lookups_are_exact(it: &Fixture) {
    let mut users = Vec::new();
    for number in 0..4 {
        let user = json!({
            "userName": format!("user{number}"),
            "externalId": "shared",
            "displayName": "Shared",
            "name": {"familyName": "Shared"},
            "emails": [{"value": "shared@example.com"}],
        });
        users.push(it.add(&it.user, user, &[]).expect("the name is free"));
    }
    it.add_user("another");
    let group = it.add_group("Guides", &users);
    it.add_group("Others", &[]);
    let second = it.add_group("More guides", &users[..1]);
    let three = format!(
        "id eq \"{}\" or id eq \"{}\" or id eq \"{}\"",
        users[0], users[1], users[2]
    );
    let cases = [
        (&it.user, "externalId eq \"shared\"".to_owned(), 4),
        (&it.user, "displayName eq \"shared\"".to_owned(), 4),
        (&it.user, "name.familyName eq \"shared\"".to_owned(), 4),
        (&it.user, "emails.value eq \"shared@example.com\"".to_owned(), 4),
        (
            &it.user,
            "userName eq \"user1\" or userName eq \"user2\"".to_owned(),
            2,
        ),
        (&it.user, "userName eq \"user1\"".to_owned(), 1),
        (&it.user, three, 3),
        (&it.user, format!("groups.value eq \"{group}\""), 4),
        (&it.user, format!("groups.value eq \"{second}\""), 1),
        (&it.group, format!("members.value eq \"{}\"", users[0]), 2),
        (&it.group, format!("members.value eq \"{}\"", users[1]), 1),
    ];
    for (resource_type, filter, expected) in cases {
        for sort_by in ["", "id", "-displayName"] {
            for count in 0..=5 {
                let index = |start_index| PageRequest::Index { start_index, count };
                for start_index in 1..=5_u64 {
                    let query = it.query(resource_type, &filter, sort_by, index(start_index));
                    let page = it.list(&query);
                    let on_page = u64::from(count).min((expected + 1_u64).saturating_sub(start_index));
                    assert_eq!(
                        (page.total, page.resources.len() as u64),
                        (expected, on_page),
                        "{filter} {sort_by} {start_index} {count}"
                    );
                }
                let query = it.query(
                    resource_type,
                    &filter,
                    sort_by,
                    PageRequest::Cursor { from: None, count },
                );
                let page = it.list(&query);
                assert_eq!(page.total, expected, "{filter} {sort_by} {count}");
                assert_eq!(page.next.is_some(), count > 0 && u64::from(count) < expected);
            }
        }
    }
}

fn cursors_lead_forward_and_back(it: &Fixture) {
    for number in 0..11 {
        let mut user = json!({"userName": format!("{number:02}")});
        if number % 3 > 0 {
            user["displayName"] = json!(format!("Name {}", number % 3));
            user["title"] = json!(format!("Title {}", number % 2));
        }
        it.add(&it.user, user, &[]).expect("the name is free");
    }
    for sort_by in [
        "",
        "displayName",
        "-displayName",
        "title",
        "-title",
        "-userName",
        "meta.created",
        "-meta.created",
        "-id",
    ] {
        for filter in ["", "userName ne \"05\"", "title pr"] {
            let expected = it.names(&it.user, filter, sort_by);
            for count in [1, 2, 4, 11, 20] {
                let query = |page| it.query(&it.user, filter, sort_by, page);
                let forward = pages(it, query, count);
                let found: Vec<String> = forward.iter().flat_map(names).collect();
                assert_eq!(found, expected, "{sort_by} {filter} {count}");
                assert!(forward.iter().all(|it| it.total == expected.len() as u64));
                assert!(
                    forward.iter().all(|it| !it.resources.is_empty()),
                    "no page is empty"
                );
                assert!(forward[0].previous.is_none());
                let backward = names_backward(it, query, forward, count);
                assert_eq!(backward, expected, "{sort_by} {filter} {count}");
            }
        }
    }
    let nothing = it.list(&it.query(&it.user, "", "", PageRequest::Cursor { from: None, count: 0 }));
    assert_eq!((nothing.total, nothing.resources.len()), (11, 0));
}

fn cursors_survive_deletions(it: &Fixture) {
    let users: Vec<Uuid> = (0..6)
        .map(|number| it.add_user(&format!("user{number}")))
        .collect();
    let page = |from, count| {
        let query = it.query(&it.user, "", "userName", PageRequest::Cursor { from, count });
        it.list(&query)
    };
    let first = page(None, 2);
    // The last resource of the first page, where the position is, and the one after it.
    assert!(it.delete(&it.user, users[1]) && it.delete(&it.user, users[2]));
    it.add_user("user0a");
    let second = page(first.next.clone(), 2);
    assert_eq!(
        names(&second),
        ["user3", "user4"],
        "no resource is skipped or repeated"
    );
    assert_eq!(names(&page(second.previous.clone(), 2)), ["user0", "user0a"]);
    for user in &users[3..] {
        it.delete(&it.user, *user);
    }
    let end = page(second.next, 2);
    assert!(end.resources.is_empty() && end.next.is_none());
    assert_eq!(names(&page(end.previous, 2)), ["user0", "user0a"]);
}

/// 9865-2-04: a page whose resources have all been deleted is not the end of the list.
fn an_empty_page_links_to_the_remaining_resources(it: &Fixture) {
    for sort_by in ["", "userName", "-displayName"] {
        let users: Vec<Uuid> = (0..6)
            .map(|number| {
                let user =
                    json!({"userName": format!("user{number}"), "displayName": format!("{}", 9 - number)});
                it.add(&it.user, user, &[]).expect("the name is free")
            })
            .collect();
        let page = |from: Option<Position>| {
            let query = it.query(&it.user, "", sort_by, PageRequest::Cursor { from, count: 2 });
            it.list(&query)
        };
        let first = page(None);
        let second = page(first.next);
        assert_eq!(names(&second), ["user2", "user3"], "{sort_by}");
        assert!(it.delete(&it.user, users[0]) && it.delete(&it.user, users[1]));

        let backward = page(second.previous);
        assert_eq!((backward.total, names(&backward).len()), (4, 0), "{sort_by}");
        assert!(backward.previous.is_none(), "{sort_by}: no user is before it");
        assert!(backward.next.is_some(), "{sort_by}: four users are after it");
        let again = page(backward.next);
        assert!(
            names(&again).contains(&"user3".to_owned()),
            "{sort_by}: {:?}",
            names(&again)
        );

        for user in &users[2..] {
            assert!(it.delete(&it.user, *user));
        }
        let forward = page(second.next);
        assert!(
            forward.resources.is_empty() && forward.next.is_none() && forward.previous.is_none(),
            "{sort_by}: no user is left on either side"
        );
    }
}
