//! RFC 9865: cursors.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use scim_server::service::CursorKey;
use scim_server::service::Settings;
use serde_json::json;

use super::client::*;
use super::tenants::{revoke, tenant, token_for, two_tenants};
use crate::harness::{Choice, Server};

fn crowd(client: &Client, size: usize) {
    for index in 0..size {
        client.user_with(
            &format!("u{index:02}"),
            &json!({"title": if index % 2 == 0 { "even" } else { "odd" }}),
        );
    }
}

/// Returns the next and the previous cursor of a page.
fn cursors(page: &Answer) -> impl Iterator<Item = &str> {
    ["nextCursor", "previousCursor"]
        .into_iter()
        .filter_map(|name| page.body.get(name))
        .map(|it| it.as_str().expect("a string"))
}

fn next_cursor(page: &Answer) -> Option<String> {
    page.body
        .get("nextCursor")
        .map(|it| it.as_str().expect("a string").to_owned())
}

/// Returns all pages, following `nextCursor`.
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
fn next_cursors_lead_to_the_end() {
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
        // The last character may hold unused bits, so the replacement has to differ in the used ones.
        altered[place] = if altered[place] == b'A' { b'q' } else { b'A' };
        let altered = String::from_utf8(altered).expect("ASCII");
        client
            .get(&format!("/Users?cursor={altered}&count=1"))
            .expect_error(400, "invalidCursor");
    }
    client
        .get(&format!("/Users?cursor={}&count=1", &cursor[1..]))
        .expect_error(400, "invalidCursor");
    for parameters in [
        "count=1",
        "count=1&sortBy=userName",
        "count=1&sortBy=title&sortOrder=descending",
    ] {
        let pages = walk(&client, parameters);
        let cursors: Vec<&str> = pages.iter().flat_map(cursors).collect();
        assert_eq!(cursors.len(), 4, "two lead forth and two lead back");
        for cursor in cursors {
            assert!(
                cursor
                    .bytes()
                    .all(|it| it.is_ascii_alphanumeric() || b"-._~".contains(&it)),
                "{cursor}"
            );
        }
    }
}

/// 9865-5.2-04
#[test]
fn cursors_reveal_no_content() {
    let client = tenant();
    for name in ["Zaphod-1", "Zaphod-2", "Zaphod-3"] {
        client.user_with(name, &json!({"title": "Marker"}));
    }
    let users = client.get("/Users").expect(200);
    let ids = users
        .resources()
        .iter()
        .map(|it| it["id"].as_str().expect("an id"));
    let mut hidden: Vec<Vec<u8>> = ids
        .flat_map(|id| {
            let bytes = uuid::Uuid::parse_str(id).expect("a UUID").into_bytes();
            [id.as_bytes().to_vec(), bytes.to_vec()]
        })
        .collect();
    for word in ["zaphod", "marker", "user", "title"] {
        hidden.push(word.as_bytes().to_vec());
    }
    let mut seen = BTreeSet::new();
    for sort_by in ["id", "userName", "title", "meta.created"] {
        for page in walk(&client, &format!("count=1&sortBy={sort_by}")) {
            for cursor in cursors(&page) {
                let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).expect("base64");
                let lower = bytes.to_ascii_lowercase();
                for hidden in &hidden {
                    let holds = |it: &[u8]| it.windows(hidden.len()).any(|it| it == hidden);
                    assert!(!holds(&bytes) && !holds(&lower), "{sort_by}: {cursor}");
                }
                // No two cursors are alike, not even for one position.
                assert!(seen.insert(bytes[..24].to_vec()), "{cursor}");
            }
        }
    }
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
fn previous_cursors_lead_back_to_the_same_items() {
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
    let previous = second.body["previousCursor"].as_str().expect("a string");
    let back = client
        .get(&format!("/Users?cursor={previous}&count=2"))
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
        format!("/Users?cursor={cursor}&count=2&sortBy=userName&attributes=title"),
        format!("/Users?cursor={cursor}&count=2&sortBy=userName&excludedAttributes=title"),
    ] {
        client.get(&changed).expect_error(400, "invalidCursor");
    }
    // Another page size is accepted.
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
fn cursor_pages_have_no_start_index() {
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
    for count in [json!("10"), json!(1.5), json!(true)] {
        client
            .post(
                "/Users/.search",
                &json!({"schemas": [SEARCH_REQUEST], "cursor": "", "count": count}),
            )
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
fn index_pages_have_no_cursors() {
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
fn foreign_and_forged_cursors_get_the_same_error() {
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
    // Another token of the tenant can go on with the cursor.
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
fn cursors_are_stateless() {
    let client = tenant();
    crowd(&client, 4);
    let cursors: BTreeSet<String> = (0..20)
        .filter_map(|_| next_cursor(&client.get("/Users?cursor&count=2").expect(200)))
        .collect();
    // A cursor is a position, not a snapshot: the next page shows a new user and no deleted one.
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

/// 9865-2.1-03, 9865-4-06: cursors expire after the announced time
#[test]
fn a_cursor_expires_after_the_announced_time() {
    let server = Server::start_with(Choice {
        settings: Settings {
            cursor_lifetime: Some(Duration::from_secs(1)),
            ..Settings::default()
        },
        ..Choice::default()
    });
    let acme = server.tenant("acme");
    for name in ["a", "b", "c"] {
        acme.create_user(name);
    }
    let config = acme.get("/ServiceProviderConfig").json();
    assert_eq!(config["pagination"]["cursorTimeout"], 1);
    let first = acme.get("/Users?cursor&count=1").expect(200).json();
    let cursor = first["nextCursor"].as_str().expect("more").to_owned();
    let page = format!("/Users?cursor={cursor}&count=1");
    std::thread::sleep(Duration::from_millis(1_100));
    acme.get(&page).expect_error(400, Some("expiredCursor"));
    // Another tenant does not learn that the cursor has expired.
    let other = server.tenant("other");
    let foreign = other.get(&page).expect_error(400, Some("invalidCursor"));
    let forged = other
        .get("/Users?cursor=forged&count=1")
        .expect_error(400, Some("invalidCursor"));
    assert_eq!(foreign.text, forged.text);
}

/// 9865-4-06: servers that share keys accept each other's cursors, also during a change of keys
#[test]
fn instances_share_cursors() {
    let start = |keys: &[[u8; 32]]| {
        let mut choice = Choice::default();
        choice.settings.cursor_keys = keys.iter().copied().map(CursorKey::new).collect();
        Server::start_with(choice)
    };
    let (old, new) = ([1; 32], [2; 32]);
    let servers = [start(&[old]), start(&[new, old]), start(&[new])];
    let clients = [&servers[0], &servers[1], &servers[2]].map(|it| it.tenant("acme"));
    let cursors = clients.each_ref().map(|client| {
        client.create_user("a");
        client.create_user("b");
        let page = client.get("/Users?cursor&count=1").expect(200).json();
        page["nextCursor"].as_str().expect("more").to_owned()
    });
    for (server, made_by, status) in [
        (0, 0, 200),
        (1, 0, 200),
        (2, 1, 200),
        (1, 2, 200),
        (2, 0, 400),
        (0, 1, 400),
    ] {
        let page = clients[server].get(&format!("/Users?cursor={}&count=1", cursors[made_by]));
        assert_eq!(page.status, status, "{server} {made_by} {}", page.text);
        if status == 200 {
            assert_eq!(page.resources()[0]["userName"], "b");
        }
    }
}

/// 9865-2-04, 9865-2-05: at both ends, and after the resource at a cursor was deleted
#[test]
fn pages_stay_correct_when_resources_are_deleted() {
    let client = tenant();
    crowd(&client, 7);
    let id = |name: &str| {
        let user = client
            .get(&format!("/Users?filter=userName+eq+%22{name}%22"))
            .expect(200);
        user.resources()[0]["id"].as_str().expect("an id").to_owned()
    };
    let page = |cursor: &str| {
        client
            .get(&format!("/Users?cursor={cursor}&count=2&sortBy=userName"))
            .expect(200)
    };
    let previous = |page: &Answer| {
        page.body
            .get("previousCursor")
            .and_then(|it| it.as_str().map(str::to_owned))
    };
    let first = page("");
    let second = page(&next_cursor(&first).expect("more"));
    let third = page(&next_cursor(&second).expect("more"));
    assert_eq!(third.names(), ["u04", "u05"]);
    // These are both ends of the page and a neighbour on either side.
    for name in ["u03", "u04", "u05", "u06"] {
        client.delete(&format!("/Users/{}", id(name))).expect(204);
    }
    let back = page(&previous(&third).expect("more before"));
    assert_eq!(back.names(), ["u01", "u02"]);
    let start = page(&previous(&back).expect("more before"));
    assert_eq!(start.names(), ["u00"]);
    assert!(previous(&start).is_none(), "it is the first page");
    assert_eq!(page(&next_cursor(&start).expect("more")).names(), ["u01", "u02"]);
    // Nothing is left after the third page, so the last page is empty and has a previous cursor.
    let end = page(&next_cursor(&third).expect("more"));
    assert!(end.names().is_empty() && next_cursor(&end).is_none());
    assert_eq!(
        page(&previous(&end).expect("more before")).names(),
        ["u01", "u02"]
    );
    assert!(next_cursor(&back).is_none(), "nothing comes after it any more");
}
