//! RFC 9865: cursors.

use std::collections::BTreeSet;

use serde_json::json;

use super::client::*;
use super::tenants::{revoke, tenant, token_for, two_tenants};

fn crowd(client: &Client, size: usize) {
    for index in 0..size {
        client.user_with(
            &format!("u{index:02}"),
            &json!({"title": if index % 2 == 0 { "even" } else { "odd" }}),
        );
    }
}

fn next_cursor(page: &Answer) -> Option<String> {
    page.body
        .get("nextCursor")
        .map(|it| it.as_str().expect("a string").to_owned())
}

/// All pages, following `nextCursor`.
fn walk(client: &Client, parameters: &str) -> Vec<Answer> {
    let mut pages = vec![client.get(&format!("/Users?cursor&{parameters}")).expect(200)];
    while let Some(next) = next_cursor(pages.last().expect("a page")) {
        assert!(pages.len() < 100, "the end is never reached");
        pages.push(
            client
                .get(&format!("/Users?cursor={next}&{parameters}"))
                .expect(200),
        );
    }
    pages
}

/// 9865-2-01, 9865-2-04, 9865-2-08
#[test]
fn pages_follow_each_other_to_the_end() {
    let client = tenant();
    crowd(&client, 25);
    for (parameters, pages, total) in [
        ("count=10", 3, 25),
        ("count=5", 5, 25),
        ("count=25", 1, 25),
        ("count=10&filter=title+eq+%22odd%22", 2, 12),
        ("count=3&sortBy=title&sortOrder=descending", 9, 25),
    ] {
        let walked = walk(&client, parameters);
        assert_eq!(walked.len(), pages, "{parameters}");
        let names: Vec<String> = walked.iter().flat_map(Answer::names).collect();
        assert_eq!(names.len(), total, "{parameters}");
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), total, "{parameters}");
        for page in &walked {
            assert_eq!(page.body["totalResults"], total);
            assert_eq!(page.body["itemsPerPage"], page.resources().len());
        }
    }
    let empty = client.get("/Users?cursor=&count=10").expect(200);
    assert_eq!(empty.names(), walk(&client, "count=10")[0].names());
}

/// 9865-2-02, 9865-2-06
#[test]
fn cursors_are_opaque_and_fit_into_urls() {
    let client = tenant();
    crowd(&client, 3);
    let cursor = next_cursor(&client.get("/Users?cursor&count=1").expect(200)).expect("a cursor");
    assert!(
        cursor
            .bytes()
            .all(|it| it.is_ascii_alphanumeric() || b"-._~".contains(&it)),
        "{cursor}"
    );
    for place in 0..cursor.len() {
        let mut altered = cursor.clone().into_bytes();
        // The last letter of base64 may hold unused bits; another letter of the other half cannot.
        altered[place] = if altered[place] == b'A' { b'q' } else { b'A' };
        let altered = String::from_utf8(altered).expect("ASCII");
        client
            .get(&format!("/Users?cursor={altered}&count=1"))
            .expect_error(400, "invalidCursor");
    }
    client
        .get(&format!("/Users?cursor={}&count=1", &cursor[1..]))
        .expect_error(400, "invalidCursor");
}

/// 9865-2-03
#[test]
fn a_count_of_zero_asks_for_the_total() {
    let client = tenant();
    crowd(&client, 3);
    for count in ["0", "-1"] {
        let page = client.get(&format!("/Users?cursor&count={count}")).expect(200);
        assert_eq!(page.body["totalResults"], 3);
        assert!(page.body.get("nextCursor").is_none());
        assert!(page.body.get("Resources").is_none_or(|it| it == &json!([])));
    }
    assert_eq!(
        client.get("/Users?cursor&count=2").expect(200).resources().len(),
        2
    );
}

/// 9865-2-05
#[test]
fn the_way_back_leads_to_the_same_items() {
    let client = tenant();
    crowd(&client, 5);
    let first = client.get("/Users?cursor&count=2").expect(200);
    assert!(first.body.get("previousCursor").is_none());
    let second = client
        .get(&format!(
            "/Users?cursor={}&count=2",
            next_cursor(&first).expect("more")
        ))
        .expect(200);
    if let Some(previous) = second.body.get("previousCursor") {
        let back = client
            .get(&format!(
                "/Users?cursor={}&count=2",
                previous.as_str().expect("a string")
            ))
            .expect(200);
        assert_eq!(back.names(), first.names());
        assert!(back.body.get("previousCursor").is_none());
        let forth = client
            .get(&format!(
                "/Users?cursor={}&count=2",
                next_cursor(&back).expect("more")
            ))
            .expect(200);
        assert_eq!(forth.names(), second.names());
    }
}

/// 9865-2-07
#[test]
fn a_cursor_belongs_to_its_query() {
    let client = tenant();
    crowd(&client, 6);
    client.group("g", &[]);
    let cursor = next_cursor(&client.get("/Users?cursor&count=2&sortBy=userName").expect(200)).expect("more");
    for changed in [
        format!("/Users?cursor={cursor}&count=2&sortBy=userName&filter=title+pr"),
        format!("/Users?cursor={cursor}&count=2&sortBy=title"),
        format!("/Users?cursor={cursor}&count=2"),
        format!("/Users?cursor={cursor}&count=2&sortBy=userName&sortOrder=descending"),
        format!("/Groups?cursor={cursor}&count=2&sortBy=displayName"),
    ] {
        client.get(&changed).expect_error(400, "invalidCursor");
    }
    // Another page size does no harm.
    assert_eq!(
        client
            .get(&format!("/Users?cursor={cursor}&count=3&sortBy=userName"))
            .expect(200)
            .resources()
            .len(),
        3
    );
}

/// 9865-2-09
#[test]
fn pages_of_cursors_have_no_start_index() {
    let client = tenant();
    crowd(&client, 2);
    let page = client.get("/Users?cursor&count=1").expect(200);
    assert!(page.body.get("startIndex").is_none());
    assert_eq!(page.body["itemsPerPage"], 1);
}

/// 9865-2.1-01, 9865-2.1-02, 9865-2.1-04
#[test]
fn wrong_parameters_are_named() {
    let client = tenant();
    for cursor in ["!!", "garbage", "%00", "AAAA"] {
        client
            .get(&format!("/Users?cursor={cursor}"))
            .expect_error(400, "invalidCursor");
    }
    for count in ["abc", "1.5", "99999999999999999999x"] {
        client
            .get(&format!("/Users?cursor&count={count}"))
            .expect_error(400, "invalidCount");
    }
    client.get("/Users?count=abc").expect_error(400, "invalidValue");
}

/// 9865-2.2-01
#[test]
fn pages_are_sorted_as_a_whole() {
    let client = tenant();
    for name in ["d", "B", "a", "C", "e"] {
        client.user(name);
    }
    let names: Vec<String> = walk(&client, "count=2&sortBy=userName")
        .iter()
        .flat_map(Answer::names)
        .collect();
    assert_eq!(names, ["a", "B", "C", "d", "e"]);
    let names: Vec<String> = walk(&client, "count=2&sortBy=userName&sortOrder=descending")
        .iter()
        .flat_map(Answer::names)
        .collect();
    assert_eq!(names, ["e", "d", "C", "B", "a"]);
}

/// 9865-2.3-01, 9865-2.4-02
#[test]
fn index_paging_stays_apart() {
    let client = tenant();
    crowd(&client, 3);
    let page = client.get("/Users?count=1").expect(200);
    assert_eq!(page.body["startIndex"], 1);
    assert!(page.body.get("nextCursor").is_none());
    client
        .get("/Users?startIndex=1&cursor")
        .expect_error(400, "invalidValue");
}

/// 9865-5.2-01, 9865-5.2-04, 9865-5.2-05, 9865-2.1-02
#[test]
fn foreign_and_forged_cursors_are_alike() {
    let (one, other) = two_tenants();
    crowd(&one, 3);
    crowd(&other, 3);
    let cursor = next_cursor(&one.get("/Users?cursor&count=1").expect(200)).expect("more");
    let foreign = other
        .get(&format!("/Users?cursor={cursor}&count=1"))
        .expect_error(400, "invalidCursor");
    let forged = other
        .get("/Users?cursor=forged&count=1")
        .expect_error(400, "invalidCursor");
    let elsewhere = one
        .get(&format!("/Groups?cursor={cursor}&count=1"))
        .expect_error(400, "invalidCursor");
    assert_eq!(foreign.bytes, forged.bytes);
    assert_eq!(foreign.bytes, elsewhere.bytes);
    // Within the tenant another token reads on.
    let colleague = token_for(&one);
    assert_eq!(
        colleague
            .get(&format!("/Users?cursor={cursor}&count=1"))
            .expect(200)
            .names(),
        ["u01"]
    );
}

/// 9865-5.2-02, 9865-5.2-03
#[test]
fn a_cursor_grants_nothing() {
    let client = tenant();
    crowd(&client, 3);
    let guest = token_for(&client);
    let cursor = next_cursor(&guest.get("/Users?cursor&count=1").expect(200)).expect("more");
    guest
        .anonymous()
        .get(&format!("/Users?cursor={cursor}&count=1"))
        .expect_error(401, "");
    revoke(&guest);
    guest
        .get(&format!("/Users?cursor={cursor}&count=1"))
        .expect_error(401, "");
}

/// 9865-4-06, 9865-5.3-01
#[test]
fn cursors_need_no_memory_and_do_not_end() {
    let client = tenant();
    crowd(&client, 4);
    let cursors: BTreeSet<String> = (0..20)
        .filter_map(|_| next_cursor(&client.get("/Users?cursor&count=2").expect(200)))
        .collect();
    // What was created after the cursor is found, what was deleted is not: it is a place, no list.
    let users = client.get("/Users").expect(200);
    let last = users.resources()[3]["id"].as_str().expect("an id").to_owned();
    client.delete(&format!("/Users/{last}")).expect(204);
    client.user("new");
    for cursor in &cursors {
        assert_eq!(
            client
                .get(&format!("/Users?cursor={cursor}&count=9"))
                .expect(200)
                .names(),
            ["u02", "new"]
        );
    }
}
