//! Queries by GET and by POST: filters, order and pages.

use std::collections::HashSet;

use serde_json::{Value, json};

use scim_server::service::{ClientSettings, Leniency, Settings};

use crate::harness::{Choice, Client, Server, USER, encode};

fn search(body: Value) -> Value {
    let mut message = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"] });
    message
        .as_object_mut()
        .unwrap()
        .extend(body.as_object().unwrap().clone());
    message
}

fn with_users(client: &Client, names: &[&str]) {
    for name in names {
        client.create_user(name);
    }
}

/// 7644-3.4.2-03, 7644-3.4.2-05, 7644-3.4.2-06, 7644-3.4.2-07, 7644-3.4.2.4-06, A-68
#[test]
fn a_list_response_always_has_every_member() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let empty = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": 0,
        "startIndex": 1,
        "itemsPerPage": 0,
        "Resources": [],
    });
    assert_eq!(acme.get("/Users").expect(200).json(), empty);
    let user = acme.create_user("bjensen");
    let list = acme.get("/Users").expect(200).json();
    assert_eq!(list["Resources"], json!([user.json]));
    assert_eq!(
        (&list["totalResults"], &list["itemsPerPage"]),
        (&json!(1), &json!(1))
    );
    let nobody = acme
        .get("/Users?filter=userName%20eq%20%22nobody%22")
        .expect(200)
        .json();
    assert_eq!(nobody, empty);
}

/// 7644-3.4.2.4-02, 7644-3.4.2.4-03, 7644-3.4.2.4-04, 7644-3.4.2-04, A-54
#[test]
fn pages_by_index() {
    let server = Server::start();
    let acme = server.tenant("acme");
    with_users(&acme, &["a", "b", "c", "d", "e"]);
    let cases = [
        ("startIndex=1&count=2", 1, vec!["a", "b"]),
        ("startIndex=3&count=2", 3, vec!["c", "d"]),
        ("startIndex=5&count=2", 5, vec!["e"]),
        ("startIndex=6&count=2", 6, vec![]),
        ("startIndex=0&count=1", 1, vec!["a"]),
        ("startIndex=-5&count=1", 1, vec!["a"]),
        ("count=0", 1, vec![]),
        ("count=-1", 1, vec![]),
        ("count=1000000000", 1, vec!["a", "b", "c", "d", "e"]),
        ("foo=bar&_=1", 1, vec!["a", "b", "c", "d", "e"]),
    ];
    for (query, start, names) in cases {
        let list = acme.get(&format!("/Users?{query}")).expect(200).json();
        assert_eq!(list["totalResults"], json!(5), "{query}");
        assert_eq!(list["startIndex"], json!(start), "{query}");
        assert_eq!(list["itemsPerPage"], json!(names.len()), "{query}");
        let found: Vec<&Value> = list["Resources"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| &it["userName"])
            .collect();
        assert_eq!(found, names, "{query}");
    }
    for query in ["startIndex=abc", "count=abc", "count=1.5"] {
        acme.get(&format!("/Users?{query}"))
            .expect_error(400, Some("invalidValue"));
    }
}

/// 7644-3.4.2.4-05, 9865-4-04, 9865-4-05: page sizes are the published ones
#[test]
fn page_sizes_match_the_published_ones() {
    let mut choice = Choice::default();
    choice.settings.default_page_size = 3;
    choice.settings.max_page_size = 4;
    let server = Server::start_with(choice);
    let acme = server.tenant("acme");
    with_users(&acme, &["a", "b", "c", "d", "e"]);
    let config = acme.get("/ServiceProviderConfig").json();
    let items = |query: &str| acme.get(query).json()["itemsPerPage"].clone();
    assert_eq!(items("/Users"), config["pagination"]["defaultPageSize"]);
    assert_eq!(items("/Users?count=5"), config["pagination"]["maxPageSize"]);
    assert_eq!(items("/Users?cursor&count=5"), config["filter"]["maxResults"]);
}

/// 7644-3.4.2.2-01 to 7644-3.4.2.2-24: each operator and connective, on real rows
#[test]
fn filters_find_the_matching_resources() {
    let server = Server::start();
    let acme = server.tenant("acme");
    acme.create(
        "/Users",
        json!({
            "userName": "Alice",
            "active": true,
            "title": "100% sure_",
            "externalId": "A",
            "name": { "familyName": "Smith" },
            "emails": [{ "type": "work", "value": "a@x.com" }, { "type": "home", "value": "b@y.com" }],
        }),
    );
    acme.create(
        "/Users",
        json!({ "userName": "bob", "active": false, "displayName": "" }),
    );
    let cases: &[(&str, &[&str])] = &[
        (r#"userName eq "ALICE""#, &["Alice"]),
        (r#"USERNAME Eq "alice""#, &["Alice"]),
        (r#"userName ne "alice""#, &["bob"]),
        (r#"title ne "x""#, &["Alice", "bob"]),
        (r#"userName co "LIC""#, &["Alice"]),
        (r#"title co "%""#, &["Alice"]),
        (r#"title co "_s""#, &[]),
        (r#"userName sw "b""#, &["bob"]),
        (r#"userName ew "E""#, &["Alice"]),
        ("title pr", &["Alice"]),
        ("displayName pr", &[]),
        ("not (title pr)", &["bob"]),
        (r#"userName gt "alice""#, &["bob"]),
        (r#"userName ge "alice" and userName lt "bob""#, &["Alice"]),
        (r#"userName le "alice""#, &["Alice"]),
        ("active eq true", &["Alice"]),
        (r#"active eq "False""#, &["bob"]),
        (r#"externalId eq "a""#, &[]),
        (r#"name.familyName eq "smith""#, &["Alice"]),
        (r#"emails eq "B@Y.com""#, &["Alice"]),
        (r#"emails[type eq "work" and value eq "b@y.com"]"#, &[]),
        (
            r#"emails.type eq "work" and emails.value eq "b@y.com""#,
            &["Alice"],
        ),
        (r#"emails[type eq "work"].value eq "a@x.com""#, &["Alice"]),
        (
            r#"urn:ietf:params:scim:schemas:core:2.0:User:userName eq "bob""#,
            &["bob"],
        ),
        (
            r#"userName eq "bob" or userName eq "alice" and active eq false"#,
            &["bob"],
        ),
        (r#"meta.created gt "2011-05-13T04:42:34Z""#, &["Alice", "bob"]),
        (r#"meta.resourceType eq "User""#, &["Alice", "bob"]),
        (r#"id eq "not-a-uuid""#, &[]),
    ];
    for (filter, names) in cases {
        assert_eq!(acme.user_names(filter), *names, "{filter}");
    }
}

/// 7644-3.4.2.2-04, 7644-3.4.2.2-13, 7644-3.4.2.2-26, 7644-3.4.2.2-29, A-06, A-19
#[test]
fn invalid_filters_are_refused() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let deep = format!("{}title pr{}", "(".repeat(100), ")".repeat(100));
    let long = format!(r#"userName eq "{}""#, "x".repeat(9000));
    let wide = vec!["title pr"; 201].join(" or ");
    let filters = [
        "",
        " ",
        "userName",
        "userName eq",
        r#"eq "a""#,
        r#"userName regex "x""#,
        r#"nosuch eq "x""#,
        "active gt false",
        r#"name eq "x""#,
        r#"emails[userName eq "a"]"#,
        r#"userName eq "a" junk"#,
        r#"(userName eq "a""#,
        &deep,
        &long,
        &wide,
    ];
    for filter in filters {
        acme.get(&format!("/Users?filter={}", encode(filter)))
            .expect_error(400, Some("invalidFilter"));
        acme.post("/Users/.search", search(json!({ "filter": filter })))
            .expect_error(400, Some("invalidFilter"));
    }
    acme.get(&format!("/Users?filter={}", "x".repeat(40_000)))
        .expect_error(414, None);
}

/// A filter at a limit is answered, one beyond it is refused.
#[test]
fn filters_are_limited_in_length_depth_and_terms() {
    let server = Server::start();
    let acme = server.tenant("acme");
    acme.create_user("bjensen");
    let long = |length: usize| {
        let (start, end) = ("userName eq \"bjensen\" or title eq \"", "\"");
        format!("{start}{}{end}", "x".repeat(length - start.len() - end.len()))
    };
    let deep = |depth: usize| format!("{}userName pr{}", "(".repeat(depth), ")".repeat(depth));
    let wide = |terms: usize| vec!["userName pr"; terms].join(" or ");
    assert_eq!(long(8 * 1024).len(), 8 * 1024);
    for (within, beyond) in [
        (long(8 * 1024), long(8 * 1024 + 1)),
        (wide(200), wide(201)),
        (deep(38), deep(42)),
    ] {
        let ask = |filter: &str| {
            let get = acme.get(&format!("/Users?filter={}", encode(filter)));
            let post = acme.post("/Users/.search", search(json!({ "filter": filter })));
            [get, post]
        };
        for reply in ask(&within) {
            assert_eq!(reply.expect(200).json()["totalResults"], 1);
        }
        for reply in ask(&beyond) {
            reply.expect_error(400, Some("invalidFilter"));
        }
    }
}

/// A-12, quirk 21
#[test]
fn only_a_lenient_server_accepts_unquoted_words() {
    let server = Server::start();
    let acme = server.tenant("acme");
    acme.create_user("alice");
    assert_eq!(acme.user_names("userName Eq alice"), ["alice"]);
    assert_eq!(acme.user_names("userName eq 'alice'"), ["alice"]);
    let mut choice = Choice::default();
    choice.settings.client.leniency = Leniency::Strict;
    let strict = Server::start_with(choice);
    let acme = strict.tenant("acme");
    for filter in ["userName eq alice", "userName eq 'alice'"] {
        acme.get(&format!("/Users?filter={}", encode(filter)))
            .expect_error(400, Some("invalidFilter"));
    }
}

/// 7644-3.4.2.3-02 to 7644-3.4.2.3-06, A-18
#[test]
fn lists_are_sorted_by_key() {
    let server = Server::start();
    let acme = server.tenant("acme");
    for (name, external_id, title, mail) in [
        ("a", "c", Some("Z"), "2"),
        ("B", "B", None, "3"),
        ("c", "a", Some("y"), "1"),
    ] {
        let mut user = json!({
            "userName": name,
            "externalId": external_id,
            "emails": [{ "value": format!("9{mail}@x") }, { "value": format!("{mail}@x"), "primary": true }],
        });
        if let Some(title) = title {
            user["title"] = json!(title);
        }
        acme.create("/Users", user);
    }
    let sorted = |query: &str| acme.list(&format!("/Users?{query}"), "userName");
    assert_eq!(sorted("sortBy=userName"), ["a", "B", "c"]);
    assert_eq!(sorted("sortBy=userName&sortOrder=DESCENDING"), ["c", "B", "a"]);
    assert_eq!(sorted("sortBy=externalId"), ["B", "c", "a"]);
    assert_eq!(sorted("sortBy=title"), ["c", "a", "B"]);
    assert_eq!(sorted("sortBy=title&sortOrder=descending"), ["B", "a", "c"]);
    assert_eq!(sorted("sortBy=emails.value"), ["c", "a", "B"]);
    assert_eq!(sorted("sortBy=emails"), ["c", "a", "B"]);
    assert_eq!(sorted("sortOrder=descending"), ["a", "B", "c"]);
    for query in [
        "sortBy=nosuch",
        "sortBy=name",
        "sortBy=userName&sortOrder=up",
        "sortBy=a%20b",
    ] {
        acme.get(&format!("/Users?{query}"))
            .expect_error(400, Some("invalidValue"));
    }
}

/// 7644-3.4.3-01 to 7644-3.4.3-06, 7644-7.5.2-02
#[test]
fn a_search_by_post_equals_a_query() {
    let server = Server::start();
    let acme = server.tenant("acme");
    with_users(&acme, &["a", "b", "c"]);
    let query = "attributes=userName&filter=userName%20ne%20%22b%22&sortBy=userName&sortOrder=descending\
                 &startIndex=1&count=1";
    let body = search(json!({
        "attributes": ["userName"],
        "filter": "userName ne \"b\"",
        "sortBy": "userName",
        "sortOrder": "descending",
        "startIndex": 1,
        "count": 1,
    }));
    let by_get = acme.get(&format!("/Users?{query}")).expect(200);
    let by_post = acme.post("/Users/.search?count=0", body).expect(200);
    assert_eq!(by_get.json(), by_post.json());
    assert_eq!(by_get.resources()[0]["userName"], json!("c"));
    acme.get("/Users/.search").expect_error(405, None);
}

/// 7644-3.4.3-02, 7644-3.4.3-03, 7644-3.4.3-05, A-32, A-43
#[test]
fn an_invalid_search_request_is_refused() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let wrong = [
        json!([]),
        json!({ "schemas": [USER] }),
        json!({ "schemas": {} }),
        search(json!({ "attributes": 5 })),
        search(json!({ "count": "10" })),
        search(json!({ "startIndex": 1.5 })),
        search(json!({ "attributes": ["a"], "excludedAttributes": ["b"] })),
    ];
    for body in wrong {
        let reply = acme.post("/Users/.search", body);
        assert_eq!(reply.status, 400, "{}", reply.text);
        assert!(["invalidSyntax", "invalidValue"].contains(&reply.json()["scimType"].as_str().unwrap()));
    }
}

/// 7644-3.4.2.1-01, 7644-3.4.2.1-03, A-19, A-20
#[test]
fn a_search_at_the_root_covers_all_types() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let user = acme.create(
        "/Users",
        json!({ "userName": "bjensen", "displayName": "Team Barbara" }),
    );
    let group = acme.create_group("Team", &[]);
    let found = |filter: &str| -> Vec<String> {
        let reply = acme
            .post("/.search", search(json!({ "filter": filter })))
            .expect(200);
        reply
            .resources()
            .iter()
            .map(|it| it["id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        found(r#"displayName sw "team""#),
        [user.id.clone(), group.id.clone()]
    );
    assert_eq!(
        found(r#"meta.resourceType eq "Group""#),
        std::slice::from_ref(&group.id)
    );
    assert_eq!(found("userName pr"), std::slice::from_ref(&user.id));
    assert_eq!(
        acme.post("/.search", search(json!({}))).json()["totalResults"],
        json!(2)
    );
    acme.post("/.search", search(json!({ "filter": "nosuch pr" })))
        .expect_error(400, Some("invalidFilter"));
    acme.get("?filter=userName%20pr").expect_error(501, None);
}

/// 9865-2-01, 9865-2-02, 9865-2-04, 9865-2-08, 9865-2-09, 9865-2.2-01, 9865-2.3-01
#[test]
fn cursors_visit_every_resource_once() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let names: Vec<String> = (0..25).map(|i| format!("user{i:02}")).collect();
    for name in &names {
        acme.create("/Users", json!({ "userName": name, "title": "same" }));
    }
    for order in [
        "",
        "&sortBy=userName&sortOrder=descending",
        "&sortBy=title",
        "&sortBy=nickName",
    ] {
        let mut seen = Vec::new();
        let mut cursor = String::new();
        for page in 1.. {
            let list = acme
                .get(&format!("/Users?cursor={cursor}&count=10{order}"))
                .expect(200)
                .json();
            assert_eq!(list["totalResults"], json!(25));
            assert_eq!(list.get("startIndex"), None);
            let resources = list["Resources"].as_array().unwrap();
            assert_eq!(list["itemsPerPage"], json!(resources.len()));
            seen.extend(
                resources
                    .iter()
                    .map(|it| it["userName"].as_str().unwrap().to_owned()),
            );
            assert_eq!(list.get("previousCursor").is_none(), page == 1, "{order}");
            match list.get("nextCursor").and_then(Value::as_str) {
                Some(next) => cursor = next.to_owned(),
                None => break,
            }
            assert!(
                cursor
                    .bytes()
                    .all(|it| it.is_ascii_alphanumeric() || b"-._~".contains(&it)),
                "{cursor}"
            );
        }
        let unique: HashSet<&String> = seen.iter().collect();
        assert_eq!((seen.len(), unique.len()), (25, 25), "{order}");
        if order.contains("descending") {
            assert!(seen.is_sorted_by(|a, b| a > b));
        }
    }
    assert_eq!(acme.get("/Users?count=10").json().get("nextCursor"), None);
}

/// 9865-2-05: the previous page has the same items as before
#[test]
fn a_previous_cursor_leads_back() {
    let server = Server::start();
    let acme = server.tenant("acme");
    with_users(&acme, &["a", "b", "c", "d", "e"]);
    let page = |cursor: &str| {
        acme.get(&format!("/Users?cursor={cursor}&count=2&sortBy=userName"))
            .expect(200)
            .json()
    };
    let first = page("");
    let second = page(first["nextCursor"].as_str().unwrap());
    let third = page(second["nextCursor"].as_str().unwrap());
    assert_eq!(third.get("nextCursor"), None);
    let back = page(third["previousCursor"].as_str().unwrap());
    assert_eq!(back["Resources"], second["Resources"]);
    let start = page(back["previousCursor"].as_str().unwrap());
    assert_eq!(start["Resources"], first["Resources"]);
    assert_eq!(start.get("previousCursor"), None);
}

/// 9865-2-03, 9865-2-06, 9865-2-07, 9865-2.1-01, 9865-2.1-02, 9865-2.1-04, 9865-2.4-02, 9865-5.2-01,
/// 9865-5.2-04, 9865-5.2-05, A-53
#[test]
fn a_cursor_is_valid_for_its_own_query_only() {
    let server = Server::start();
    let (acme, other) = (server.tenant("acme"), server.tenant("other"));
    with_users(&acme, &["a", "b", "c"]);
    with_users(&other, &["a", "b", "c"]);
    let list = acme
        .get("/Users?cursor&count=1&sortBy=userName")
        .expect(200)
        .json();
    let cursor = list["nextCursor"].as_str().unwrap();
    let next = format!("/Users?cursor={cursor}&sortBy=userName");
    assert_eq!(acme.list(&format!("{next}&count=5"), "userName"), ["b", "c"]);
    let forged = format!(
        "{}{}",
        &cursor[..cursor.len() - 2],
        if cursor.ends_with("AA") { "BB" } else { "AA" }
    );
    let refused = [
        other.get(&next),
        acme.get(&format!("/Users?cursor={forged}&sortBy=userName")),
        acme.get("/Users?cursor=!!"),
        acme.get("/Users?cursor=garbage"),
        acme.get(&format!("/Users?cursor={cursor}")),
        acme.get(&format!("{next}&sortOrder=descending")),
        acme.get(&format!("{next}&filter=userName%20pr")),
        acme.get(&format!("/Groups?cursor={cursor}&sortBy=displayName")),
    ];
    let texts: HashSet<String> = refused
        .into_iter()
        .map(|it| it.expect_error(400, Some("invalidCursor")).text)
        .collect();
    assert_eq!(texts.len(), 1, "{texts:?}");
    acme.get(&format!("{next}&startIndex=1"))
        .expect_error(400, Some("invalidValue"));
    acme.get("/Users?cursor&count=abc")
        .expect_error(400, Some("invalidCount"));
    for count in ["0", "-1"] {
        let list = acme
            .get(&format!("/Users?cursor&count={count}"))
            .expect(200)
            .json();
        assert_eq!(list["totalResults"], json!(3));
        assert_eq!((list.get("nextCursor"), &list["Resources"]), (None, &json!([])));
    }
}

/// 9865-3-01
#[test]
fn a_search_by_post_takes_cursors() {
    let server = Server::start();
    let acme = server.tenant("acme");
    with_users(&acme, &["a", "b", "c"]);
    let first = acme
        .post("/Users/.search", search(json!({ "cursor": "", "count": 2 })))
        .expect(200)
        .json();
    let next = json!({ "cursor": first["nextCursor"], "count": 2 });
    let second = acme.post("/Users/.search", search(next)).expect(200);
    assert_eq!(second.resources()[0]["userName"], json!("c"));
    let everything = acme
        .post("/.search", search(json!({ "cursor": "", "count": 2 })))
        .expect(200)
        .json();
    let elsewhere = json!({ "cursor": everything["nextCursor"], "count": 2 });
    acme.post("/Users/.search", search(elsewhere))
        .expect_error(400, Some("invalidCursor"));
}

/// 9865-2-04: a query over several types lists one type after the other
#[test]
fn a_cursor_walk_crosses_resource_types() {
    let server = Server::start();
    let acme = server.tenant("acme");
    with_users(&acme, &["a", "b", "c"]);
    acme.create_group("g", &[]);
    acme.create_group("h", &[]);
    let mut seen = Vec::new();
    let mut cursor = json!("");
    loop {
        let list = acme
            .post("/.search", search(json!({ "cursor": cursor, "count": 2 })))
            .expect(200)
            .json();
        for it in list["Resources"].as_array().unwrap() {
            seen.push(
                it["userName"]
                    .as_str()
                    .or(it["displayName"].as_str())
                    .unwrap()
                    .to_owned(),
            );
        }
        match list.get("nextCursor") {
            Some(next) => cursor = next.clone(),
            None => break,
        }
    }
    assert_eq!(seen, ["a", "b", "c", "g", "h"]);
}

/// A-31, 7644-1.2-01, 7644-3.4.2-02, quirk 24
#[test]
fn query_strings_are_read_as_forms() {
    let server = Server::start();
    let acme = server.tenant("acme");
    acme.create_user("R&D + Ops");
    for query in [
        "filter=userName+eq+%22R%26D+%2B+Ops%22&",
        "filter=userName%20eq%20%22R%26D%20%2B%20Ops%22",
        "startIndex=1&count=100&filter=userName+eq+%22r%26d+%2b+ops%22",
    ] {
        assert_eq!(
            acme.list(&format!("/Users?{query}"), "userName"),
            ["R&D + Ops"],
            "{query}"
        );
        assert_eq!(
            acme.list(&format!("/Users/?{query}"), "userName"),
            ["R&D + Ops"],
            "{query}"
        );
    }
    acme.get("/Users?filter=%ff")
        .expect_error(400, Some("invalidFilter"));
    acme.get("/Users?filter=title+pr&filter=title+pr")
        .expect_error(400, Some("invalidFilter"));
}

/// 7644-7.5.2-01, 7644-7.5.2-02: an operator can keep personal data out of URLs (A-45).
#[test]
fn filters_in_urls_can_be_refused() {
    let server = Server::start_with(Choice {
        settings: Settings {
            client: ClientSettings {
                filters_in_urls: false,
                ..ClientSettings::default()
            },
            ..Choice::default().settings
        },
        ..Choice::default()
    });
    let acme = server.tenant("acme");
    acme.create_user("bjensen");
    for query in [
        "filter=userName%20eq%20%22bjensen%22",
        "FILTER=",
        "count=1&filter=x",
    ] {
        let reply = acme.get(&format!("/Users?{query}"));
        let reply = reply.expect_error(403, Some("sensitive"));
        assert!(!reply.text.contains("bjensen"), "{}", reply.text);
    }
    assert_eq!(acme.list("/Users?sortBy=userName", "userName"), ["bjensen"]);
    let search = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
        "filter": "userName eq \"bjensen\"",
    });
    for path in ["/Users/.search", "/.search"] {
        let found = acme.post(path, search.clone()).expect(200);
        assert_eq!(found.resources().len(), 1);
    }
}
