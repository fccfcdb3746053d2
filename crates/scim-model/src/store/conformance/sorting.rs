//! The order of a result, of one type and of several.

use serde_json::json;

use super::fixture::{Case, Fixture, names, names_backward, pages};
use crate::store::{Include, PageRequest, Query};

pub(super) const CASES: &[Case] = cases![
    sorting_puts_missing_values_last,
    sorting_takes_the_primary_value,
    a_query_over_types_lists_type_by_type,
    a_sorted_query_over_types_has_one_order,
];

fn sorting_puts_missing_values_last(it: &Fixture) {
    for (user_name, family_name, title) in [
        ("a", Some("b"), None),
        ("b", None, Some("ä")),
        ("c", Some("B"), Some("Z")),
        ("d", Some("A"), None),
        ("e", None, Some("z")),
    ] {
        let mut user = json!({"userName": user_name, "active": user_name < "c"});
        if let Some(name) = family_name {
            user["name"] = json!({"familyName": name});
        }
        if let Some(title) = title {
            user["title"] = json!(title);
        }
        it.add(&it.user, user, &[]).expect("the name is free");
    }
    for (sort_by, expected) in [
        ("", "abcde"),
        ("userName", "abcde"),
        ("-userName", "edcba"),
        ("name.familyName", "dacbe"),
        ("-name.familyName", "ebcad"),
        ("title", "cebad"),
        ("-title", "dabec"),
        ("active", "cdeab"),
        ("-active", "baedc"),
        ("id", "abcde"),
        ("-id", "edcba"),
        ("-meta.location", "edcba"),
        ("meta.created", "abcde"),
        ("-meta.lastModified", "edcba"),
        ("externalId", "abcde"),
    ] {
        assert_eq!(it.names(&it.user, "", sort_by).concat(), expected, "{sort_by}");
        let filtered = it.names(&it.user, "userName ne \"c\"", sort_by).concat();
        assert_eq!(filtered, expected.replace('c', ""), "{sort_by}");
        for (start_index, count) in (1..=7).flat_map(|start| [(start, 1), (start, 2), (start, 9)]) {
            let index = PageRequest::Index { start_index, count };
            let query = it.query(&it.user, "", sort_by, index);
            let page = it.list(&query);
            let part = expected
                .chars()
                .skip(start_index as usize - 1)
                .take(count as usize);
            assert_eq!(
                names(&page).concat(),
                part.collect::<String>(),
                "{sort_by} {start_index} {count}"
            );
            assert_eq!(page.total, 5, "{sort_by} {start_index} {count}");
        }
    }
}

fn sorting_takes_the_primary_value(it: &Fixture) {
    for (user_name, emails) in [
        ("a", json!([{"value": "1"}, {"value": "9", "primary": true}])),
        ("b", json!([{"value": "5"}, {"value": "0"}])),
        ("c", json!([{"value": "2", "primary": false}])),
        ("d", json!([{"type": "work"}, {"value": "3"}])),
    ] {
        it.add(&it.user, json!({"userName": user_name, "emails": emails}), &[])
            .expect("the name is free");
    }
    assert_eq!(it.names(&it.user, "", "emails").concat(), "cbad");
    assert_eq!(it.names(&it.user, "", "-emails.value").concat(), "dabc");
    assert_eq!(it.names(&it.user, "", "emails.primary").concat(), "cabd");
}

fn a_query_over_types_lists_type_by_type(it: &Fixture) {
    for number in 0..3 {
        it.add(
            &it.user,
            json!({"userName": format!("u{number}"), "displayName": format!("name {}", 3 - number)}),
            &[],
        )
        .expect("the name is free");
        it.add_group(&format!("g{number}"), &[]);
    }
    let both = [it.user.clone(), it.group.clone()];
    let list = |filter: &str, sort_by: &str, page| {
        let query = it.query_over(&both, filter, sort_by, page);
        let page = it.list(&query);
        (page.total, names(&page).concat())
    };
    let index = |start_index, count| PageRequest::Index { start_index, count };
    assert_eq!(list("", "", index(1, 10)), (6, "u0u1u2g0g1g2".to_owned()));
    assert_eq!(list("", "", index(3, 2)), (6, "u2g0".to_owned()));
    assert_eq!(list("", "", index(5, 9)), (6, "g1g2".to_owned()));
    assert_eq!(list("", "", index(7, 9)), (6, String::new()));
    assert_eq!(list("", "", index(1, 3)), (6, "u0u1u2".to_owned()));
    assert_eq!(
        list("", "displayName", index(1, 9)),
        (6, "g0g1g2u2u1u0".to_owned())
    );
    assert_eq!(
        list("displayName sw \"g\"", "", index(1, 2)),
        (3, "g0g1".to_owned())
    );
    assert_eq!(
        list("meta.resourceType eq \"Group\"", "", index(1, 2)),
        (3, "g0g1".to_owned())
    );
    assert_eq!(
        list("userName eq \"u1\" or displayName eq \"g1\"", "", index(1, 9)),
        (2, "u1g1".to_owned())
    );
    for count in 1..7 {
        let query = |page| it.query_over(&both, "", "-displayName", page);
        let forward = pages(it, query, count);
        assert_eq!(forward.iter().flat_map(names).collect::<String>(), "u0u1u2g2g1g0");
        assert_eq!(names_backward(it, query, forward, count).concat(), "u0u1u2g2g1g0");
    }
}

/// 7644-3.4.2.1-01, 7644-3.4.2.3-02
fn a_sorted_query_over_types_has_one_order(it: &Fixture) {
    for (name, display) in [("u0", "c"), ("u1", "A"), ("u2", ""), ("u3", "e"), ("u4", "c")] {
        let mut user = json!({ "userName": name });
        if !display.is_empty() {
            user["displayName"] = json!(display);
        }
        it.add(&it.user, user, &[]).expect("the name is free");
    }
    let members = [it.search(&it.user, "", "").resources[0].id];
    for name in ["d", "B", "c"] {
        it.add_group(name, &members);
    }
    it.add(&it.user, json!({ "userName": "u5", "displayName": "c" }), &[])
        .expect("the name is free");
    it.add_group("e", &members);
    it.add_user("u6");
    let both = [it.user.clone(), it.group.clone()];
    for (filter, sort_by, expected) in [
        // Resources with equal keys are in order of creation, whatever their type; descending order is the
        // reverse.
        ("", "displayName", "u1 B u0 u4 c u5 d u3 e u2 u6"),
        ("", "-displayName", "u6 u2 e u3 d u5 c u4 u0 B u1"),
        ("displayName pr", "displayName", "u1 B u0 u4 c u5 d u3 e"),
        ("", "userName", "u0 u1 u2 u3 u4 u5 u6 d B c e"),
        ("", "-userName", "e c B d u6 u5 u4 u3 u2 u1 u0"),
        ("", "title", "u0 u1 u2 u3 u4 d B c u5 e u6"),
        ("", "-externalId", "u6 e u5 c B d u4 u3 u2 u1 u0"),
        ("", "meta.created", "u0 u1 u2 u3 u4 d B c u5 e u6"),
        ("", "-meta.created", "u6 e u5 c B d u4 u3 u2 u1 u0"),
        ("", "meta.version", "u0 u1 u2 u3 u4 d B c u5 e u6"),
        ("", "id", "u0 u1 u2 u3 u4 d B c u5 e u6"),
        // The locations of one type all begin with its endpoint.
        ("", "meta.location", "d B c e u0 u1 u2 u3 u4 u5 u6"),
        ("", "-meta.location", "u6 u5 u4 u3 u2 u1 u0 e c B d"),
        ("userName pr", "meta.location", "u0 u1 u2 u3 u4 u5 u6"),
        ("", "meta.resourceType", "d B c e u0 u1 u2 u3 u4 u5 u6"),
        ("", "-meta.resourceType", "u6 u5 u4 u3 u2 u1 u0 e c B d"),
        ("userName pr", "-displayName", "u6 u2 u3 u5 u4 u0 u1"),
        ("meta.resourceType eq \"Group\"", "displayName", "B c d e"),
        (
            "userName eq \"u3\" or displayName eq \"b\"",
            "-displayName",
            "u3 B",
        ),
    ] {
        let expected: Vec<&str> = expected.split(' ').collect();
        let query = |page| Query {
            include: Include {
                members: true,
                groups: true,
            },
            ..it.query_over(&both, filter, sort_by, page)
        };
        for count in 1..12_u32 {
            let forward = pages(it, query, count);
            assert_eq!(
                forward.iter().flat_map(names).collect::<Vec<_>>(),
                expected,
                "{filter} {sort_by}"
            );
            for found in forward.iter().flat_map(|it| &it.resources) {
                let is_group = &*found.resource_type == "Group";
                assert_eq!(found.members.as_ref().map(Vec::len), is_group.then_some(1));
                assert_eq!(found.groups.is_some(), !is_group);
            }
            let backward = names_backward(it, query, forward, count);
            assert_eq!(backward, expected, "{filter} {sort_by}, backward");
            for start_index in 1..=expected.len() {
                let page = query(PageRequest::Index {
                    start_index: start_index as u64,
                    count,
                });
                let page = it.list(&page);
                let end = expected.len().min(start_index - 1 + count as usize);
                assert_eq!(names(&page), expected[start_index - 1..end], "{filter} {sort_by}");
                assert_eq!(page.total, expected.len() as u64, "{filter} {sort_by}");
            }
        }
    }
}
