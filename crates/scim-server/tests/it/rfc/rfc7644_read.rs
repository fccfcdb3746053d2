//! RFC 7644 sections 3.4, 3.4.1 and 3.8: reading one resource, and in which form.

use serde_json::json;

use super::client::*;
use super::tenants::{tenant, two_tenants};

/// 7644-3.4-01
#[test]
fn by_default_no_secret_is_returned() {
    let client = tenant();
    let path = format!(
        "/Users/{}",
        client.user_with("a", &json!({"password": "p4ssw0rd", "title": "t"}))
    );
    let read = client.now(&path);
    assert_eq!(keys(&read), ["id", "meta", "schemas", "title", "userName"]);
}

/// 7644-3.4.1-01, 9110-8.3-01, 9110-8.8.3.1-01, 7644-3.1-01, 7644-3.8-04
#[test]
fn a_resource_is_found_by_its_id() {
    let client = tenant();
    let id = client.user("a");
    for headers in [vec![], vec![("Accept", "*/*")]] {
        let read = client
            .send("GET", &format!("/Users/{id}"), &headers, None)
            .expect(200);
        assert_eq!(read.body["id"], id);
        assert!(
            read.header("Content-Type")
                .is_some_and(|it| it.starts_with("application/scim+json"))
        );
        assert!(read.header("ETag").is_some());
    }
    let list = client.get("/Users").expect(200);
    assert!(
        list.header("Content-Type")
            .is_some_and(|it| it.starts_with("application/scim+json"))
    );
}

/// 7644-3.4.1-02, 7644-3.4.1-03
#[test]
fn nothing_else_finds_it() {
    let (client, other) = two_tenants();
    let id = client.user_with("a", &json!({"externalId": "x"}));
    let group = client.group("g", &[]);
    let unknown = client
        .get("/Users/0190b3a2-0000-7000-8000-000000000000")
        .expect_error(404, "");
    for path in [
        "/Users/a",
        "/Users/x",
        "/Users/not-a-uuid",
        "/Users/%00",
        "/Users/%2e%2e",
        "/Users/99999999999999999999999",
    ] {
        client.get(path).expect_error(404, "");
    }
    client.get(&format!("/Users/{group}")).expect_error(404, "");
    client.get(&format!("/Groups/{id}")).expect_error(404, "");
    // A foreign resource does not differ from none.
    let foreign = other.get(&format!("/Users/{id}")).expect_error(404, "");
    assert_eq!(foreign.body, unknown.body);
}

/// 7644-3.8-03, 7644-8.1-01, 9110-15.5.7-01
#[test]
fn answers_are_scim_json_unless_that_is_refused() {
    let client = tenant();
    let path = format!("/Users/{}", client.user("a"));
    for accept in [
        "application/scim+json",
        "application/json",
        "application/scim+json, application/json;q=0.5",
        "application/*",
        "text/html",
    ] {
        let answer = client.send("GET", &path, &[("Accept", accept)], None).expect(200);
        assert!(
            answer
                .header("Content-Type")
                .is_some_and(|it| it.starts_with("application/scim+json")),
            "{accept}"
        );
    }
    client
        .send("GET", &path, &[("Accept", "application/scim+json;q=0")], None)
        .expect_error(406, "");
}

/// 7644-3.8-02, 7644-3.8-05, 9110-15.5.16-01
#[test]
fn requests_are_json() {
    let client = tenant();
    for (index, media_type) in [
        "application/scim+json",
        "application/json",
        "application/scim+json; charset=utf-8",
        "APPLICATION/JSON",
    ]
    .iter()
    .enumerate()
    {
        let body = user(&format!("u{index}")).to_string();
        client
            .send(
                "POST",
                "/Users",
                &[("Content-Type", media_type)],
                Some(body.as_bytes()),
            )
            .expect(201);
    }
    // No media type at all: SCIM is meant.
    let body = user("none").to_string();
    let head = format!(
        "POST {}/Users HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\n\r\n{body}",
        client.base_path,
        client.address,
        client.token.as_deref().expect("a token"),
        body.len()
    );
    client.exchange("POST", head.as_bytes()).expect(201);
    for media_type in [
        "text/plain",
        "text/xml",
        "application/x-www-form-urlencoded",
        "application/json-patch+json",
    ] {
        let answer = client.send(
            "POST",
            "/Users",
            &[("Content-Type", media_type)],
            Some(user("x").to_string().as_bytes()),
        );
        let answer = answer.expect_error(415, "");
        let hint = answer
            .header("Accept")
            .or(answer.header("Accept-Post"))
            .unwrap_or_default();
        assert!(
            hint.contains("application/scim+json"),
            "{media_type}: {:?}",
            answer.headers
        );
    }
    client
        .get(&format!("/Users/{}.scim", client.user("suffix")))
        .expect_error(404, "");
}

/// 7644-1.2-01
#[test]
fn queries_are_percent_encoded_once() {
    let client = tenant();
    client.user("a+b");
    client.user("R&D %41 ü");
    let found = |query: &str| client.get(&format!("/Users?filter={query}")).expect(200).names();
    assert_eq!(found("userName%20eq%20%22a%2Bb%22"), ["a+b"]);
    assert_eq!(found("userName+eq+%22a%2Bb%22&"), ["a+b"]);
    assert_eq!(found("userName+eq+%22R%26D+%2541+%C3%BC%22"), ["R&D %41 ü"]);
    assert!(found("userName+eq+%22a+b%22").is_empty());
    client
        .get("/Users?filter=userName+eq+%22%ff%22")
        .expect_error(400, "invalidFilter");
}

/// 7644-3.12-06
#[test]
fn a_trailing_slash_is_no_redirect() {
    let client = tenant();
    client.user("a");
    assert_eq!(client.get("/Users/").expect(200).names(), ["a"]);
}

/// 7644-1.3-02, 7644-3.13-01, 7644-3.13-02, 7644-3.13-03, 7644-3.12-17, 7644-3.13-04
#[test]
fn the_version_stands_before_the_endpoint() {
    let client = tenant();
    client.user("a");
    assert_eq!(client.base_path, "/scim/v2");
    client.send_to("GET", "/scim/v2/Users", &[], None).expect(200);
    let search = json!({"schemas": [SEARCH_REQUEST]}).to_string();
    client
        .send_to("POST", "/scim/v2/.search", &[], Some(search.as_bytes()))
        .expect(200);
    for path in [
        "/scim/v1/Users",
        "/scim/v3/Users",
        "/scim/v3/Users/x",
        "/scim/v11/ServiceProviderConfig",
    ] {
        client
            .send_to("GET", path, &[], None)
            .expect_error(400, "invalidVers");
    }
    // Without a version the latest is meant.
    assert_eq!(
        client
            .send_to("GET", "/scim/Users", &[], None)
            .expect(200)
            .names(),
        ["a"]
    );
}

/// 7644-7.1-01
#[test]
fn published_uris_have_no_userinfo() {
    let client = tenant();
    let made = client.create("/Users", &user("a"));
    let location = made.body["meta"]["location"].as_str().expect("a URI");
    assert!(!location.contains('@'), "{location}");
    // And they come from the configuration, not from what a client claims.
    let path = format!("/scim/v2/Users/{}", made.id());
    for header in [
        ("X-Forwarded-Host", "evil.example"),
        ("Forwarded", "host=evil.example"),
        ("X-Original-URL", "/evil"),
    ] {
        let read = client.send_to("GET", &path, &[header], None).expect(200);
        assert_eq!(read.body["meta"]["location"], location);
    }
    let host = format!(
        "GET {path} HTTP/1.1\r\nHost: user:pw@evil.example\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\r\n",
        client.token.as_deref().expect("a token")
    );
    let read = client.exchange("GET", host.as_bytes());
    assert!(
        read.status == 400 || read.body["meta"]["location"] == location,
        "{} {}",
        read.status,
        read.body
    );
}

/// 9967-2.5.1.1-01
#[test]
fn wishes_in_prefer_are_ignored() {
    let client = tenant();
    let path = format!("/Users/{}", client.user("a"));
    for wish in ["respond-async", "return=minimal"] {
        let body = user("a").to_string();
        let answer = client
            .send("PUT", &path, &[("Prefer", wish)], Some(body.as_bytes()))
            .expect(200);
        assert_eq!(answer.body["userName"], "a");
        assert!(answer.header("Preference-Applied").is_none() && answer.header("Set-Txn").is_none());
    }
}

/// 7644-7.4-04
#[test]
fn no_cookies() {
    let client = tenant();
    for answer in [
        client.create("/Users", &user("a")),
        client.get("/Users"),
        client.get("/ServiceProviderConfig"),
        client.anonymous().get("/Users"),
    ] {
        assert!(answer.header("Set-Cookie").is_none());
    }
}
