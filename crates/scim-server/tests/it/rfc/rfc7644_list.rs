//! RFC 7644 sections 3.4.2, 3.4.2.3 to 3.4.2.5 and 3.9: lists, sorting, pages and projections.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::client::*;
use super::tenants::{staff_tenant, tenant};

/// A tenant with `size` users, named `u00` and so on.
fn crowd(size: usize) -> Client {
    let client = tenant();
    for index in 0..size {
        client.user_with(&format!("u{index:02}"), &json!({"title": "same"}));
    }
    client
}

/// 7644-3.4.2-02
#[test]
fn unknown_parameters_are_ignored() {
    let client = crowd(1);
    let list = client.get("/Users?foo=bar&_=1&&=").expect(200);
    assert_eq!(list.names(), ["u00"]);
    let path = format!("/Users/{}", list.resources()[0]["id"].as_str().expect("an id"));
    let operation = json!([{"op": "add", "path": "title", "value": "t"}]);
    client.create("/Groups?foo=bar", &group("g", &[]));
    client.get(&format!("{path}?foo=bar")).expect(200);
    client.put(&format!("{path}?foo=bar"), &user("u00")).expect(200);
    client.patch(&format!("{path}?foo=bar"), &operation).expect(200);
    client
        .post(
            "/.search?foo=bar",
            &json!({"schemas": [SEARCH_REQUEST], "foo": "bar"}),
        )
        .expect(200);
    client.get("/ServiceProviderConfig?foo=bar").expect(200);
    client.delete(&format!("{path}?foo=bar")).expect(204);
}

/// 7644-3.4.2-03, 7644-3.4.2-05, 7644-3.4.2-07
#[test]
fn every_result_is_a_list_response() {
    let client = crowd(1);
    for (filter, hits) in [(r#"userName eq "none""#, 0), (r#"userName eq "u00""#, 1)] {
        let answer = client
            .get(&format!("/Users{}", query(&[("filter", filter)])))
            .expect(200);
        assert_eq!(answer.body["schemas"], json!([LIST_RESPONSE]));
        assert_eq!(answer.body["totalResults"], hits);
        assert_eq!(answer.resources().len(), hits);
    }
    let ids = query(&[("filter", r#"id eq "not-a-uuid""#)]);
    assert_eq!(
        client.get(&format!("/Users{ids}")).expect(200).body["Resources"],
        json!([])
    );
}

/// 7644-3.4.2-04, 7644-3.4.2-06, 7644-3.4.2.4-06
#[test]
fn a_page_states_its_position() {
    let client = crowd(25);
    let mut seen = BTreeSet::new();
    for (start, size) in [(1, 10), (11, 10), (21, 5)] {
        let page = client
            .get(&format!("/Users?startIndex={start}&count=10"))
            .expect(200);
        assert_eq!(page.body["totalResults"], json!(25));
        assert_eq!(page.body["startIndex"], json!(start));
        assert_eq!(page.body["itemsPerPage"], json!(size));
        assert_eq!(page.resources().len(), size);
        seen.extend(page.names());
    }
    assert_eq!(seen.len(), 25);
    let beyond = client.get("/Users?startIndex=26&count=10").expect(200);
    assert_eq!(
        (&beyond.body["totalResults"], &beyond.body["itemsPerPage"]),
        (&json!(25), &json!(0))
    );
    assert_eq!(beyond.body["Resources"], json!([]));
    assert_eq!(beyond.body["startIndex"], 26);
}

/// 7644-3.4.2-04: with and without an index, whatever part of the matches the page shows
#[test]
fn the_total_counts_all_matches() {
    let client = crowd(6);
    for (filter, hits) in [
        (r#"userName sw "u0""#, 6_usize),
        (r#"userName eq "u03""#, 1),
        (r#"userName eq "u01" or userName eq "u04""#, 2),
        (r#"title eq "same" and userName ge "u02""#, 4),
        (r#"title co "am""#, 6),
        ("title pr", 6),
        ("not (title pr)", 0),
        (r#"meta.created gt "2011-05-13T04:42:34Z""#, 6),
    ] {
        for count in 0..=hits + 1 {
            for (start, method) in [("1", "startIndex"), ("2", "startIndex"), ("", "cursor")] {
                let parameters = [("filter", filter), (method, start), ("count", &count.to_string())];
                let page = client.get(&format!("/Users{}", query(&parameters))).expect(200);
                assert_eq!(page.body["totalResults"], hits, "{parameters:?}");
                let left = if start == "2" {
                    hits.saturating_sub(1)
                } else {
                    hits
                };
                assert_eq!(page.resources().len(), left.min(count), "{parameters:?}");
            }
        }
    }
}

/// 7644-3.4.2.4-01
#[test]
fn index_pages_are_stateless() {
    let client = crowd(6);
    let page = |start: u32| {
        client
            .get(&format!("/Users?startIndex={start}&count=2"))
            .expect(200)
    };
    // No page depends on an earlier request: the server keeps no state for a client that pages.
    assert_eq!(page(3).names(), ["u02", "u03"]);
    assert_eq!(page(3).names(), ["u02", "u03"]);
    let first = page(1);
    assert_eq!(first.names(), ["u00", "u01"]);
    // A deletion on an earlier page moves the rest forward, so this client never sees u02.
    let gone = first.resources()[0]["id"].as_str().expect("an id");
    client.delete(&format!("/Users/{gone}")).expect(204);
    let second = page(3);
    assert_eq!(second.names(), ["u03", "u04"]);
    assert_eq!(second.body["totalResults"], 5);
    assert_eq!(page(1).names(), ["u01", "u02"]);
    // A new user appears on the next page that is read.
    client.user("u06");
    assert_eq!(page(5).names(), ["u05", "u06"]);
    assert_eq!(page(5).body["totalResults"], 6);
}

/// 7644-3.4.2.4-02
#[test]
fn a_start_index_below_one_is_one() {
    let client = crowd(3);
    for start in ["startIndex=0", "startIndex=-5", "startIndex=1", "startIndex=", ""] {
        let page = client.get(&format!("/Users?{start}&count=2")).expect(200);
        assert_eq!(page.body["startIndex"], 1, "{start}");
        assert_eq!(page.names(), ["u00", "u01"]);
    }
    for start in ["abc", "1.5"] {
        client
            .get(&format!("/Users?startIndex={start}"))
            .expect_error(400, "invalidValue");
    }
}

/// 7644-3.4.2.4-03
#[test]
fn a_page_is_never_larger_than_asked_for() {
    let client = crowd(5);
    for (count, size) in [(2, 2), (5, 5), (1_000_000_000, 5)] {
        assert_eq!(
            client
                .get(&format!("/Users?count={count}"))
                .expect(200)
                .resources()
                .len(),
            size
        );
    }
}

/// 7644-3.4.2.4-04
#[test]
fn a_count_of_zero_asks_for_the_total() {
    let client = crowd(3);
    for count in ["0", "-1", "-1000000000000"] {
        let page = client.get(&format!("/Users?count={count}")).expect(200);
        assert_eq!(
            (&page.body["totalResults"], &page.body["itemsPerPage"]),
            (&json!(3), &json!(0)),
            "{count}"
        );
        assert!(page.resources().is_empty());
    }
    client.get("/Users?count=x").expect_error(400, "invalidValue");
}

/// 7644-3.4.2.3-02
#[test]
fn multi_valued_attributes_sort_by_their_primary_value() {
    let client = tenant();
    client.user_with(
        "one",
        &json!({"emails": [{"value": "a"}, {"value": "y", "primary": true}]}),
    );
    client.user_with("two", &json!({"emails": [{"value": "x"}, {"value": "a"}]}));
    client.user_with("three", &json!({"emails": [{"value": "z", "primary": true}]}));
    for sort_by in ["emails.value", "emails"] {
        assert_eq!(
            client
                .get(&format!("/Users?sortBy={sort_by}"))
                .expect(200)
                .names(),
            ["two", "one", "three"]
        );
    }
}

/// 7644-3.4.2.3-03
#[test]
fn complex_attributes_sort_by_a_sub_attribute() {
    let client = tenant();
    client.user_with("one", &json!({"name": {"familyName": "B"}}));
    client.user_with("two", &json!({"name": {"familyName": "a"}}));
    assert_eq!(
        client.get("/Users?sortBy=name.familyName").expect(200).names(),
        ["two", "one"]
    );
    for sort_by in ["name", "nosuch", "addresses", "name.nosuch"] {
        client
            .get(&format!("/Users?sortBy={sort_by}"))
            .expect_error(400, "invalidValue");
    }
}

/// 7644-3.4.2.3-04, 7644-3.4.2.3-05
#[test]
fn resources_without_a_value_come_last_and_descending_first() {
    let client = tenant();
    client.user_with("b", &json!({"title": "2"}));
    client.user("none");
    client.user_with("a", &json!({"title": "1"}));
    let names = |parameters: &str| client.get(&format!("/Users?{parameters}")).expect(200).names();
    assert_eq!(names("sortBy=title"), ["a", "b", "none"]);
    assert_eq!(names("sortBy=title&sortOrder=ascending"), ["a", "b", "none"]);
    assert_eq!(names("sortBy=title&sortOrder=descending"), ["none", "b", "a"]);
    assert_eq!(names("sortBy=title&sortOrder=DESCENDING"), ["none", "b", "a"]);
    client
        .get("/Users?sortBy=title&sortOrder=x")
        .expect_error(400, "invalidValue");
}

/// 7644-3.4.2.3-06
#[test]
fn order_follows_type_and_case() {
    let client = tenant();
    for (name, external) in [
        ("c", "c"),
        ("B", "B"),
        ("a", "a"),
        ("\u{e9}", "\u{e9}"),
        ("Z", "Z"),
    ] {
        client.user_with(name, &json!({"externalId": external}));
    }
    let names = |sort_by: &str| {
        client
            .get(&format!("/Users?sortBy={sort_by}"))
            .expect(200)
            .names()
    };
    assert_eq!(names("userName"), ["a", "B", "c", "Z", "\u{e9}"]);
    assert_eq!(names("externalId"), ["B", "Z", "a", "c", "\u{e9}"]);
    assert_eq!(names("meta.created"), ["c", "B", "a", "\u{e9}", "Z"]);
}

/// 7644-3.4.2.3-06
#[test]
fn numbers_and_dates_are_ordered_by_value() {
    let client = staff_tenant();
    for (name, floor, height, badge) in [
        ("two", 2, 1.9, "2024-03-01T00:30:00+02:00"),
        ("ten", 10, 1.85, "2024-02-29T23:00:00Z"),
        ("minus", -3, 0.5, "2024-02-29T20:00:00-05:00"),
    ] {
        let staff = json!({"floor": floor, "height": height, "badgeExpires": badge, "code": name});
        client.user_with(name, &json!({STAFF: staff}));
    }
    for (attribute, expected) in [
        ("floor", ["minus", "two", "ten"]),
        ("height", ["minus", "ten", "two"]),
        ("badgeExpires", ["two", "ten", "minus"]),
        ("code", ["minus", "ten", "two"]),
    ] {
        let sorted = |order: &str| {
            let path = format!("/Users?sortBy={STAFF}:{attribute}&sortOrder={order}");
            client.get(&path).expect(200).names()
        };
        assert_eq!(sorted("ascending"), expected, "{attribute}");
        let mut backwards = expected;
        backwards.reverse();
        assert_eq!(sorted("descending"), backwards, "{attribute}");
    }
}

/// 7644-3.4.2.3-07
#[test]
fn pages_of_equal_values_do_not_overlap() {
    let client = crowd(25);
    for sort in [
        "",
        "&sortBy=title",
        "&sortBy=title&sortOrder=descending",
        "&sortBy=nickName",
    ] {
        let mut ids = Vec::new();
        for start in [1, 8, 15, 22] {
            let page = client
                .get(&format!("/Users?startIndex={start}&count=7{sort}"))
                .expect(200);
            ids.extend(page.resources().iter().map(|it| it["id"].to_string()));
        }
        assert_eq!(ids.len(), 25, "{sort}");
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 25, "{sort}");
    }
}

fn detailed() -> (Client, String) {
    let client = tenant();
    let id = client.user_with(
        "a",
        &json!({
            "title": "t",
            "name": {"givenName": "g", "familyName": "f"},
            "emails": [{"value": "x", "type": "work"}],
            ENTERPRISE: {"department": "d", "manager": {"value": "26118915-6090-4610-87e4-49d8ca9f808d"}},
        }),
    );
    (client, id)
}

/// 7644-3.4.2.5-01, 7644-3.9-03, 7644-3.9-04
#[test]
fn attributes_and_excluded_attributes_apply_to_every_read() {
    let (client, id) = detailed();
    let search = |name: &str, value: &Value| {
        client
            .post(
                "/Users/.search",
                &json!({"schemas": [SEARCH_REQUEST], name: value}),
            )
            .expect(200)
            .resources()[0]
            .clone()
    };
    let everywhere = |name: &str, value: &str| {
        let list: Vec<&str> = value.split(',').collect();
        let single = client.now(&format!("/Users/{id}?{name}={value}"));
        assert_eq!(
            client
                .get(&format!("/Users?{name}={value}"))
                .expect(200)
                .resources()[0],
            single
        );
        assert_eq!(search(name, &json!(list)), single);
        single
    };
    let some = everywhere("attributes", "userName,name.familyName");
    assert_eq!(keys(&some), ["id", "name", "schemas", "userName"]);
    assert_eq!(some["name"], json!({"familyName": "f"}));
    let emails = everywhere("attributes", "emails.type");
    assert_eq!(emails["emails"], json!([{"type": "work"}]));
    let most = everywhere("excludedAttributes", "name.familyName,title");
    assert_eq!(most["name"], json!({"givenName": "g"}));
    assert_eq!(
        keys(&most),
        ["emails", "id", "meta", "name", "schemas", ENTERPRISE, "userName"]
    );
    // Unknown names are ignored (A-62).
    assert_eq!(keys(&everywhere("attributes", "nosuch")), ["id", "schemas"]);
    assert_eq!(keys(&everywhere("attributes", "name"))[1], "name");
}

/// 7644-3.4.2.5-02
#[test]
fn projections_use_the_attribute_notation() {
    let (client, id) = detailed();
    let projected = client.now(&format!(
        "/Users/{id}?attributes=name.givenName,%20{ENTERPRISE}:manager"
    ));
    assert_eq!(keys(&projected), ["id", "name", "schemas", ENTERPRISE]);
    assert_eq!(projected["name"], json!({"givenName": "g"}));
    assert_eq!(keys(&projected[ENTERPRISE]), ["manager"]);
    // The URN alone names the whole extension.
    assert_eq!(
        keys(&client.now(&format!("/Users/{id}?attributes={ENTERPRISE}"))[ENTERPRISE]),
        ["department", "manager"]
    );
    assert!(
        client
            .now(&format!("/Users/{id}?excludedAttributes={ENTERPRISE}"))
            .get(ENTERPRISE)
            .is_none()
    );
    // `schemas` lists the stored extensions, whatever the projection shows (A-02).
    assert_eq!(
        client.now(&format!("/Users/{id}?attributes=userName"))["schemas"],
        json!([USER, ENTERPRISE])
    );
}

/// 7644-3.4.2.5-03
#[test]
fn attributes_returned_always_cannot_be_excluded() {
    let client = tenant();
    let group = client.group("g", &[&client.user("a")]);
    let read = client.now(&format!("/Groups/{group}?excludedAttributes=id,members,schemas"));
    assert_eq!(keys(&read), ["displayName", "id", "meta", "schemas"]);
}
