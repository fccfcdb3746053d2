//! RFC 7644 sections 3.7, 3.11 and 3.12: errors and unsupported features.

use std::time::Duration;

use diesel::SqliteConnection;
use diesel::connection::{Connection as _, SimpleConnection as _};
use serde_json::json;

use super::client::*;
use super::tenants::{read_only_token, tenant, tenant_with};
use crate::harness::Choice;

/// 7644-3.12-01, 7644-3.12-02, 7644-3.2-04, 7644-3.12-05, 7644-8.2-01
#[test]
fn every_error_is_a_scim_error() {
    let client = tenant();
    let path = format!("/Users/{}", client.user("a"));
    let stale = [("If-Match", "W/\"999\"")];
    let text = [("Content-Type", "text/plain")];
    let large = "x".repeat(2 << 20);
    for (status, answer) in [
        (400, client.send("POST", "/Users", &[], Some(b"{"))),
        (401, client.anonymous().get("/Users")),
        (403, client.get("/Schemas?filter=id%20pr")),
        (404, client.get("/Users/x")),
        (404, client.get("/nothing/here")),
        (404, client.send_to("GET", "/", &[], None)),
        (405, client.send("DELETE", "/Users", &[], None)),
        (409, client.post("/Users", &user("a"))),
        (412, client.send("DELETE", &path, &stale, None)),
        (413, client.send("POST", "/Users", &[], Some(large.as_bytes()))),
        (415, client.send("POST", "/Users", &text, Some(b"{}"))),
        (501, client.send("POST", "/Bulk", &[], Some(b"{}"))),
    ] {
        let scim_type = match status {
            400 => "invalidSyntax",
            409 => "uniqueness",
            // The RFC defines no keyword for any other status.
            _ => "",
        };
        answer.expect_error(status, scim_type);
    }
}

/// 7644-3.12-03, 7644-3.12-15
#[test]
fn each_keyword_is_returned_in_its_situation() {
    let client = tenant();
    let path = format!("/Users/{}", client.user("a"));
    let patch = |operation: serde_json::Value| client.patch(&path, &json!([operation]));
    for (keyword, answer) in [
        ("invalidFilter", client.get("/Users?filter=x")),
        ("uniqueness", client.post("/Users", &user("a"))),
        (
            "mutability",
            patch(json!({"op": "replace", "path": "id", "value": "x"})),
        ),
        ("invalidSyntax", client.send("POST", "/Users", &[], Some(b"{"))),
        (
            "invalidPath",
            patch(json!({"op": "replace", "path": "emails[", "value": "x"})),
        ),
        ("noTarget", patch(json!({"op": "remove"}))),
        ("invalidValue", client.post("/Users", &user(""))),
        ("invalidVers", client.send_to("GET", "/scim/v9/Users", &[], None)),
        ("invalidCursor", client.get("/Users?cursor=x")),
        ("invalidCount", client.get("/Users?cursor&count=x")),
    ] {
        let status = if keyword == "uniqueness" { 409 } else { 400 };
        answer.expect_error(status, keyword);
    }
    // Other statuses have no keyword.
    client.get("/Users/x").expect_error(404, "");
    client.anonymous().get("/Users").expect_error(401, "");
}

/// 7644-3.12-04
#[test]
fn details_are_readable_and_reveal_no_internals() {
    let client = tenant();
    let path = format!("/Users/{}", client.user("a"));
    for answer in [
        client.post("/Users", &user("a")),
        client.get("/Users?filter=nosuch+eq+%22x%22"),
        client.patch(
            &path,
            &json!([{"op": "replace", "path": "active", "value": "perhaps"}]),
        ),
        client.send("POST", "/Users", &[], Some(b"{\"userName\":")),
    ] {
        let detail = answer.body["detail"].as_str().expect("a detail").to_owned();
        for word in [
            "SELECT", "sqlite", "diesel", "UNIQUE", "panicked", ".rs", "serde", "Err(", "None",
        ] {
            assert!(!detail.contains(word), "{detail}");
        }
        assert!(!detail.contains('\n'), "{detail}");
    }
}

/// 7644-3.12-04, 7644-3.12-13
#[test]
fn a_storage_failure_is_reported_by_request_id() {
    let client = tenant_with(Choice::default());
    let path = format!("/Users/{}", client.user("a"));
    let files = client.server.stored_files();
    let file = files.iter().find(|it| it.ends_with("scim.db"));
    let file = file.and_then(|it| it.to_str()).expect("a database");
    let mut conn = SqliteConnection::establish(file).expect("a database that opens");
    // The server may still record the use of the token.
    conn.batch_execute("PRAGMA busy_timeout = 5000; ALTER TABLE resource RENAME TO elsewhere")
        .expect("a table of this name");
    for answer in [
        client.get(&path),
        client.get("/Users"),
        client.post("/Users", &user("b")),
        client.put(&path, &user("b")),
        client.patch(&path, &json!([{"op": "add", "path": "title", "value": "t"}])),
        client.delete(&path),
        client.post("/.search", &json!({"schemas": [SEARCH_REQUEST]})),
    ] {
        let answer = answer.expect_error(503, "");
        let detail = answer.body["detail"].as_str().expect("a detail");
        let number = answer.header("X-Request-Id").expect("a number of the request");
        assert!(detail.contains(number), "{detail}");
        assert!(answer.header("Retry-After").is_some());
        for word in ["table", "resource", "elsewhere", "sqlite", "SELECT", ".rs"] {
            assert!(!detail.contains(word), "{detail}");
        }
    }
}

/// 7644-3.12-08, 9110-11.6.1-01
#[test]
fn a_missing_or_wrong_token_is_401() {
    let client = tenant();
    for who in [
        client.anonymous(),
        client.with_token("wrong"),
        client.with_token("scim_0000000000000000000000000000000000000000000"),
    ] {
        for (method, path) in [
            ("GET", "/Users"),
            ("POST", "/Groups"),
            ("GET", "/Users/x"),
            ("PATCH", "/Users/x"),
            ("GET", "/nothing"),
            ("POST", "/.search"),
        ] {
            let body = (method != "GET").then_some(b"{}".as_slice());
            let answer = who.send(method, path, &[], body).expect_error(401, "");
            assert!(
                answer
                    .header("WWW-Authenticate")
                    .is_some_and(|it| it.starts_with("Bearer ")),
                "{method} {path}"
            );
        }
    }
}

/// 7644-3.12-09, 7644-2-07, 7644-2.1-01, 7644-7.7-02
#[test]
fn a_read_only_token_may_not_write() {
    let client = tenant();
    let path = format!("/Users/{}", client.user("a"));
    let reader = read_only_token(&client);
    assert_eq!(reader.get("/Users").expect(200).names(), ["a"]);
    reader.get(&path).expect(200);
    reader
        .post("/Users/.search", &json!({"schemas": [SEARCH_REQUEST]}))
        .expect(200);
    for answer in [
        reader.post("/Users", &user("b")),
        reader.put(&path, &user("b")),
        reader.patch(&path, &json!([{"op": "replace", "path": "title", "value": "t"}])),
        reader.delete(&path),
    ] {
        let answer = answer.expect_error(403, "");
        let challenge = answer.header("WWW-Authenticate").unwrap_or_default();
        assert!(challenge.contains("error=\"insufficient_scope\""), "{challenge}");
    }
    assert_eq!(client.now(&path)["userName"], "a");
}

/// 7644-2-08
#[test]
fn a_read_only_token_learns_nothing_from_a_write() {
    let client = tenant();
    let user_path = format!("/Users/{}", client.user("a"));
    let group_path = format!("/Groups/{}", client.group("g", &[]));
    let reader = read_only_token(&client);
    let stale = ("If-Match", "W/\"999\"");
    let first = reader.post("/Users", &user("b")).expect_error(403, "");
    for path in [
        user_path.as_str(),
        &group_path,
        "/Users/0190b3a2-0000-7000-8000-000000000000",
        "/Groups/0190b3a2-0000-7000-8000-000000000000",
        "/Groups/nothing",
    ] {
        for (method, body) in [
            ("PUT", "{}"),
            ("PUT", "{"),
            ("PATCH", "{}"),
            ("PATCH", "x"),
            ("DELETE", ""),
        ] {
            let answer = reader.send(method, path, &[stale], Some(body.as_bytes()));
            assert_eq!(answer.expect_error(403, "").body, first.body, "{method} {path}");
        }
    }
    // The error is the same for a taken name and for an invalid body.
    for (endpoint, body) in [
        ("/Users", user("a")),
        ("/Groups", group("g", &[])),
        ("/Users", json!([])),
        ("/Groups", json!({})),
    ] {
        let answer = reader.post(endpoint, &body).expect_error(403, "");
        assert_eq!(answer.body, first.body, "{endpoint}: {body}");
    }
}

/// 7644-3.7-01, 7644-3.11-01, 7644-3.12-14
#[test]
fn unsupported_features_are_501() {
    let client = tenant();
    client
        .send("POST", "/Bulk", &[], Some(b"{}"))
        .expect_error(501, "");
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
        client
            .send(method, "/Me", &[], (method != "GET").then_some(b"{}".as_slice()))
            .expect_error(501, "");
    }
    client.anonymous().get("/Me").expect_error(401, "");
}

/// 7644-3.7.2-01
#[test]
fn a_bulk_id_is_never_an_id() {
    let client = tenant();
    let id = client.user("a");
    let path = format!("/Groups/{}", client.group("g", &[&id]));
    let before = client.now(&path);
    for (method, path, body) in [
        ("POST", "/Groups", group("h", &["bulkId:x"])),
        ("PUT", &path, group("g", &["bulkId:x"])),
        (
            "PATCH",
            &path,
            json!({"schemas": [PATCH_OP], "Operations": [{"op": "add", "path": "members", "value": [{"value": "bulkId:x"}]}]}),
        ),
    ] {
        client
            .send(method, path, &[], Some(body.to_string().as_bytes()))
            .expect_error(400, "invalidValue");
    }
    assert_eq!(client.now(&path), before);
    client.get("/Users/bulkId:x").expect_error(404, "");
    client.create(
        "/Users",
        &user_with("b", &json!({"id": "bulkId:x", "bulkId": "x"})),
    );
    client.get("/Users/bulkId:x").expect_error(404, "");
}

/// 9110-9.1-01, 9110-9.3.2-01
#[test]
fn head_equals_get_and_unknown_methods_are_501() {
    let client = tenant();
    let path = format!("/Users/{}", client.user("a"));
    for path in [path.as_str(), "/Users", "/ServiceProviderConfig", "/Schemas"] {
        let get = client.get(path).expect(200);
        let head = client.send("HEAD", path, &[], None).expect(200);
        for name in ["ETag", "Content-Type", "Location", "Content-Location"] {
            assert_eq!(head.header(name), get.header(name), "{path} {name}");
        }
    }
    client.send("HEAD", "/Users/x", &[], None).expect(404);
    client.send("FOO", "/Users", &[], None).expect_error(501, "");
    client
        .send("PUT", "/Users", &[], Some(b"{}"))
        .expect_error(405, "");
}

/// 9110-9.3.7-01, 5789-3.1-01
#[test]
fn options_lists_the_allowed_methods() {
    let client = tenant();
    let answer = client.send("OPTIONS", &format!("/Users/{}", client.user("a")), &[], None);
    assert!(matches!(answer.status, 200 | 204), "{}", answer.status);
    let allow: Vec<&str> = answer
        .header("Allow")
        .expect("Allow")
        .split(',')
        .map(str::trim)
        .collect();
    for method in ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        assert!(allow.contains(&method), "{allow:?}");
    }
    assert!(
        answer
            .header("Accept-Patch")
            .is_some_and(|it| it.contains("application/scim+json"))
    );
}

/// 9110-15.5.15-01
#[test]
fn a_query_too_long_for_a_uri_can_be_posted() {
    let client = tenant();
    let id = client.user("a");
    // The HTTP library refuses a URI of 64 KiB before the server sees it.
    for (kib, statuses) in [(33, &[414][..]), (60, &[414]), (64, &[400, 414, 431])] {
        let filter = format!(r#"userName eq "{}""#, "x".repeat(kib << 10));
        let answer = client.get(&format!("/Users{}", query(&[("filter", &filter)])));
        assert!(statuses.contains(&answer.status), "{kib}: {}", answer.status);
    }
    let filter = vec![format!(r#"id eq "{id}""#); 100].join(" or ");
    let body = json!({"schemas": [SEARCH_REQUEST], "filter": filter});
    assert_eq!(client.post("/Users/.search", &body).expect(200).names(), ["a"]);
}

/// 7644-3.4.2.1-02
#[test]
fn filters_beyond_the_limits_are_refused() {
    let client = tenant();
    for filter in [
        vec!["title pr"; 300].join(" or "),
        format!("{}title pr{}", "(".repeat(200), ")".repeat(200)),
        format!(r#"title eq "{}""#, "x".repeat(9 << 10)),
    ] {
        let body = json!({"schemas": [SEARCH_REQUEST], "filter": filter});
        client
            .post("/Users/.search", &body)
            .expect_error(400, "invalidFilter");
    }
}

/// 7644-3.4.2.1-02, 7644-3.12-15
#[test]
fn a_scan_beyond_the_limit_is_refused() {
    // With a time limit of zero, every scan takes too long.
    let client = tenant_with(Choice {
        scan_timeout: Duration::ZERO,
        ..Choice::default()
    });
    client.user_with("a", &json!({"title": "t"}));
    client.group("g", &[]);
    for (endpoint, filter, sort_by) in [
        ("/Users", r#"title co "t""#, "userName"),
        ("/Users", "userName pr", "title"),
        ("", r#"title eq "x""#, "id"),
    ] {
        let body = json!({"schemas": [SEARCH_REQUEST], "filter": filter, "sortBy": sort_by});
        client
            .post(&format!("{endpoint}/.search"), &body)
            .expect_error(400, "tooMany");
        if !endpoint.is_empty() {
            let parameters = query(&[("filter", filter), ("sortBy", sort_by)]);
            client
                .get(&format!("{endpoint}{parameters}"))
                .expect_error(400, "tooMany");
        }
    }
    // A plain list is limited by its page, and an indexed attribute needs no scan.
    assert_eq!(client.get("/Users").expect(200).names(), ["a"]);
    assert_eq!(client.users(r#"userName eq "a""#), ["a"]);
}

/// 6585-3-01
#[test]
fn unconditional_requests_are_accepted() {
    let client = tenant();
    let path = format!("/Users/{}", client.user("a"));
    client.put(&path, &user("b")).expect(200);
    client.delete(&path).expect(204);
}

/// 7643-9.2-01, 7643-4.1.1-16
#[test]
fn errors_do_not_repeat_secrets() {
    let client = tenant();
    let secret = "Pa55-in-an-error";
    for answer in [
        client.post("/Users", &json!({"schemas": [USER], "password": secret})),
        client.post("/Users", &user_with("a", &json!({"password": {"x": secret}}))),
        client.get(&format!(
            "/Users{}",
            query(&[("filter", &format!("password eq \"{secret}\""))])
        )),
    ] {
        assert_eq!(answer.status, 400);
        assert!(
            !String::from_utf8_lossy(&answer.bytes).contains(secret),
            "{}",
            answer.body
        );
    }
}
