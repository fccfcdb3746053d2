//! Errors: each has a body as RFC 7644 section 3.12 defines it.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::harness::{Choice, GROUP, Server, USER, encode};

/// 7644-3.12-01, 7644-3.12-02, 7644-3.2-04, A-47, A-67
#[test]
fn unknown_paths_are_scim_errors() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let paths = [
        "/Nothing",
        "/users",
        "/ServiceProviderConfigs",
        "/Users/a/b",
        "/Users/a.scim/b",
        "//",
        "//favicon.ico",
        "//scim",
        "//scimv2/Users",
        "/%ff",
    ];
    for path in paths {
        let status = if path == "//scim" { 501 } else { 404 };
        for method in ["GET", "POST", "DELETE"] {
            let expected = if method == "GET" || status == 404 {
                status
            } else {
                405
            };
            acme.request(method, path).send().expect_error(expected, None);
        }
    }
    let user = acme.create_user("bjensen");
    acme.get(&format!("{}.scim", user.path)).expect_error(404, None);
}

/// 7644-3.2-02, 9110-15.5.6-01, 9110-9.1-01, A-70
#[test]
fn unsupported_methods_get_the_allowed_ones() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let cases = [
        ("/Users", "GET, HEAD, POST, OPTIONS"),
        ("/Users/x", "GET, HEAD, PUT, PATCH, DELETE, OPTIONS"),
        ("/Users/.search", "POST, OPTIONS"),
        ("/.search", "POST, OPTIONS"),
        ("/ServiceProviderConfig", "GET, HEAD, OPTIONS"),
        ("/Schemas", "GET, HEAD, OPTIONS"),
        ("/Schemas/x", "GET, HEAD, OPTIONS"),
        ("/ResourceTypes", "GET, HEAD, OPTIONS"),
        ("/ResourceTypes/x", "GET, HEAD, OPTIONS"),
    ];
    for (path, allow) in cases {
        let options = acme.request("OPTIONS", path).send().expect(204);
        assert_eq!(options.header("allow"), Some(allow), "{path}");
        assert_eq!(
            options.header("accept-patch").is_some(),
            allow.contains("PATCH"),
            "{path}"
        );
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE"] {
            if !allow.contains(method) {
                let reply = acme.request(method, path).send().expect_error(405, None);
                assert_eq!(reply.header("allow"), Some(allow), "{method} {path}");
            }
        }
        acme.request("FOO", path).send().expect_error(501, None);
    }
}

/// 7644-3.7-01, 7644-3.11-01, 7644-3.12-14, A-70
#[test]
fn unsupported_features_answer_501() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let paths = [
        "/Bulk",
        "/Bulk/",
        "/Me",
        "/Me/",
        "/Me/.search",
        "/Me/x/y?attributes=userName",
    ];
    for path in paths {
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "FOO"] {
            let reply = acme.request(method, path).send();
            assert_eq!(reply.status, 501, "{method} {path}");
        }
        acme.get(path).expect_error(501, None);
        let options = acme.request("OPTIONS", path).send().expect(204);
        assert_eq!(options.header("allow"), Some("OPTIONS"), "{path}");
        assert!(options.header("accept-patch").is_none(), "{path}");
        // Without a token, a client does not even learn that.
        server.stranger(None).get(path).expect_error(401, None);
    }
    for path in ["/Bulk/x", "/me", "/Meow"] {
        acme.get(path).expect_error(404, None);
    }
}

/// 7644-3.12-17, 7644-3.13-02, 7644-3.13-03, 7644-3.13-04, A-46
#[test]
fn other_versions_are_refused() {
    let server = Server::start();
    let acme = server.tenant("acme");
    for path in [
        "//scim/v1/Users",
        "//scim/v3/Users",
        "//scim/v3",
        "//scim/v22/Users",
    ] {
        acme.get(path).expect_error(400, Some("invalidVers"));
    }
    acme.get("//scim/Users").expect(200);
}

/// 7644-3.3-08, 7644-3.12-07, 7643-2.3.1-01, 8259-9-01, A-58
#[test]
fn bodies_that_cannot_be_read_are_invalid_syntax() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let user = acme.create_user("bjensen");
    let deep = format!(
        "{{\"schemas\":[\"{USER}\"],\"userName\":\"a\",\"x\":{}1{}}}",
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    let twice = format!(r#"{{"schemas":["{USER}"],"userName":"a","userName":"b"}}"#);
    let twice_in_other_case = format!(r#"{{"schemas":["{USER}"],"userName":"a","USERNAME":"b"}}"#);
    let bodies: [&[u8]; 13] = [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\"x\"",
        b"{\"userName\":\"\xff\"}",
        b"{\"userName\":\"\\ud800\"}",
        b"{\"userName\":\"\\u0000\"}",
        b"{\"userName\":\"a\"} trailing",
        b"{'userName':'a'}",
        deep.as_bytes(),
        twice.as_bytes(),
        twice_in_other_case.as_bytes(),
    ];
    for body in bodies {
        for (method, path) in [
            ("POST", "/Users"),
            ("PUT", user.path.as_str()),
            ("PATCH", &user.path),
            ("POST", "/Users/.search"),
        ] {
            let reply = acme
                .request(method, path)
                .header("content-type", "application/scim+json")
                .bytes(body)
                .send();
            reply.expect_error(400, Some("invalidSyntax"));
        }
    }
}

/// Stored values never contain U+0000, and PostgreSQL cannot compare with it.
#[test]
fn a_filter_operand_with_a_null_character_is_refused() {
    let story = |server: Server| {
        let acme = server.tenant("acme");
        let user = acme.create_user("bjensen");
        let group = acme.create_group("Guides", &[&user]);
        for path in [
            "userName",
            "id",
            "externalId",
            "title",
            "name.familyName",
            "emails.value",
            "emails",
            "groups.value",
            "groups.display",
            "meta.version",
            "meta.location",
            "meta.resourceType",
            "meta.created",
            "active",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.displayName",
        ] {
            for operator in ["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"] {
                let filter = format!("{path} {operator} \"a\\u0000b\"");
                let search = json!({
                    "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "filter": filter
                });
                for reply in [
                    acme.get(&format!("/Users?filter={}", encode(&filter))),
                    acme.post("/.search", search),
                ] {
                    let reply = reply.expect_error(400, Some("invalidFilter"));
                    let detail = reply.json()["detail"].to_string();
                    assert!(detail.contains(path), "{filter}: {detail}");
                }
            }
        }
        let bracketed = "emails[type eq \"work\" and value eq \"a\\u0000b\"]";
        acme.get(&format!("/Users?filter={}", encode(bracketed)))
            .expect_error(400, Some("invalidFilter"));
        for (path, target) in [
            (&user.path, format!("{bracketed}.display")),
            (&user.path, bracketed.to_owned()),
            (&group.path, "members[value eq \"a\\u0000b\"]".to_owned()),
        ] {
            for operation in ["add", "replace", "remove"] {
                let value = if target.ends_with("display") {
                    json!("x")
                } else {
                    json!({"value": "x"})
                };
                let mut body = json!({"op": operation, "path": target});
                if operation != "remove" {
                    body["value"] = value;
                }
                acme.patch(path, json!([body]))
                    .expect_error(400, Some("invalidFilter"));
            }
        }
    };
    story(Server::start());
    if let Some(server) = Server::start_on_postgres(Choice::default()) {
        story(server);
    }
}

/// 8259-8.1-01
#[test]
fn a_byte_order_mark_causes_no_server_error() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let body = format!("\u{feff}{}", json!({ "schemas": [USER], "userName": "a" }));
    let reply = acme
        .request("POST", "/Users")
        .header("content-type", "application/json")
        .text(&body)
        .send();
    assert!([201, 400].contains(&reply.status));
    assert!(!reply.text.starts_with('\u{feff}'));
}

/// 7643-2.3-02, 7643-2.1-02, 7643-4.1.1-01: each names the attribute
#[test]
fn values_of_the_wrong_type_or_size_are_invalid() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let cases = [
        (json!({ "userName": 5 }), "userName"),
        (json!({ "userName": "" }), "userName"),
        (json!({ "userName": null }), "userName"),
        (json!({ "userName": "a", "active": "yes" }), "active"),
        (json!({ "userName": "a", "title": { "x": 1 } }), "title"),
        (
            json!({ "userName": "a", "emails": [{ "value": "a", "primary": true }, { "value": "b", "primary": true }] }),
            "emails",
        ),
        (json!({ "userName": "a", "title": "x".repeat(9000) }), "title"),
        (json!({ "userName": "x".repeat(1100) }), "userName"),
    ];
    for (mut body, attribute) in cases {
        body["schemas"] = json!([USER]);
        let reply = acme.post("/Users", body).expect_error(400, Some("invalidValue"));
        assert!(reply.text.contains(&format!("`{attribute}")), "{}", reply.text);
    }
}

/// 7644-3.8-02, 7644-3.8-03, 7644-3.8-04, 7644-3.8-05, 7644-8.1-01, 9110-15.5.16-01, 5789-2.2-01, A-21
#[test]
fn media_types_of_requests_and_answers() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let user = acme.create_user("bjensen");
    let body = json!({ "schemas": [USER], "userName": "bjensen" }).to_string();
    for media_type in [
        "application/scim+json",
        "application/json",
        "application/json; charset=utf-8",
    ] {
        let put = acme
            .request("PUT", &user.path)
            .header("content-type", media_type)
            .text(&body)
            .send();
        put.expect(200);
    }
    acme.request("PUT", &user.path).text(&body).send().expect(200);
    for media_type in [
        "text/plain",
        "text/xml",
        "application/json; charset=iso-8859-1",
        "application/json-patch+json",
    ] {
        let put = acme
            .request("PUT", &user.path)
            .header("content-type", media_type)
            .text(&body)
            .send();
        assert!(put.expect_error(415, None).header("accept").is_some());
        let patch = acme
            .request("PATCH", &user.path)
            .header("content-type", media_type)
            .text(&body)
            .send();
        let reply = patch.expect_error(415, None);
        assert_eq!(
            reply.header("accept-patch"),
            Some("application/scim+json, application/json")
        );
    }
    for accept in [
        "application/scim+json",
        "application/json",
        "*/*",
        "text/html",
        "application/*;q=0.5",
    ] {
        let reply = acme
            .request("GET", &user.path)
            .header("accept", accept)
            .send()
            .expect(200);
        assert_eq!(
            reply.header("content-type"),
            Some("application/scim+json"),
            "{accept}"
        );
    }
    let refusal = acme
        .request("GET", &user.path)
        .header("accept", "text/html, application/scim+json;q=0");
    refusal.send().expect_error(406, None);
}

/// 7644-3.12-12, 7644-3.7.4-01, 9110-15.5.14-01, quirk 44
#[test]
fn bodies_that_are_too_large_are_413() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let body = json!({ "schemas": [USER], "userName": "a", "x": "x".repeat(1024 * 1024) });
    let reply = acme.post("/Users", body).expect_error(413, None);
    assert!(reply.text.contains("1048576"), "{}", reply.text);
    let operations = vec![json!({ "op": "add", "path": "title", "value": "x" }); 1001];
    let user = acme.create_user("bjensen");
    acme.patch(&user.path, json!(operations)).expect_error(413, None);
    let small = Server::start_with(Choice {
        max_body_bytes: 100,
        ..Choice::default()
    });
    let acme = small.tenant("acme");
    acme.post(
        "/Users",
        json!({ "schemas": [USER], "userName": "x".repeat(100) }),
    )
    .expect_error(413, None);
}

/// 7644-3.12-15: one error for each keyword that this server uses
#[test]
fn each_error_has_its_scim_type() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let user = acme.create_user("bjensen");
    let patch = |operation: Value| acme.patch(&user.path, json!([operation]));
    let replies = [
        ("invalidFilter", acme.get("/Users?filter=x")),
        (
            "uniqueness",
            acme.post("/Users", json!({ "schemas": [USER], "userName": "bjensen" })),
        ),
        (
            "mutability",
            patch(json!({ "op": "replace", "path": "id", "value": "x" })),
        ),
        ("invalidSyntax", acme.post("/Users", json!([]))),
        (
            "invalidPath",
            patch(json!({ "op": "replace", "path": "nosuch", "value": "x" })),
        ),
        ("noTarget", patch(json!({ "op": "remove" }))),
        (
            "invalidValue",
            acme.post("/Groups", json!({ "schemas": [GROUP] })),
        ),
        ("invalidVers", acme.get("//scim/v3/Users")),
        ("invalidCursor", acme.get("/Users?cursor=x")),
        ("invalidCount", acme.get("/Users?cursor&count=x")),
    ];
    for (keyword, reply) in replies {
        let status = if keyword == "uniqueness" { 409 } else { 400 };
        reply.expect_error(status, Some(keyword));
    }
}

/// Answers are never cached or sniffed, and do not identify the software.
#[test]
fn every_answer_has_the_security_headers() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let user = acme.create_user("bjensen");
    let replies = [
        acme.get(&user.path),
        acme.get("/Users"),
        acme.get("/Schemas"),
        acme.get("/nothing"),
        acme.delete(&user.path),
        server.stranger(None).get("/Users"),
        acme.request("GET", "/Users")
            .header("origin", "https://evil.example")
            .send(),
        acme.request("OPTIONS", "/Users")
            .header("origin", "https://evil.example")
            .send(),
    ];
    let mut ids = HashSet::new();
    for reply in replies {
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
        for absent in [
            "server",
            "x-powered-by",
            "set-cookie",
            "access-control-allow-origin",
        ] {
            assert_eq!(reply.header(absent), None, "{absent}");
        }
        assert!(ids.insert(reply.header("x-request-id").unwrap().to_owned()));
    }
}

/// 9110-9.3.2-01
#[test]
fn head_has_the_headers_of_get() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let user = acme.create_user("bjensen");
    for path in [user.path.as_str(), "/Users", "/Schemas", "/Users/nobody"] {
        let (get, head) = (acme.get(path), acme.request("HEAD", path).send());
        assert_eq!(get.status, head.status, "{path}");
        for name in ["etag", "content-type", "content-location"] {
            assert_eq!(get.header(name), head.header(name), "{path} {name}");
        }
    }
}

/// A-25, 7644-7.2-01: URIs come from the configuration, never from headers of the request
#[test]
fn locations_never_come_from_the_request() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let post = acme
        .request("POST", "/Users")
        .header("host", "evil.example")
        .header("x-forwarded-host", "evil.example");
    let reply = post
        .json(&json!({ "schemas": [USER], "userName": "a" }))
        .send()
        .expect(201);
    assert!(
        reply
            .header("location")
            .unwrap()
            .starts_with(crate::harness::BASE)
    );
    assert!(!reply.text.contains("evil"), "{}", reply.text);
}

/// Probes need no token and do not depend on each other.
#[test]
fn probes_answer() {
    let server = Server::start();
    let stranger = server.stranger(None);
    stranger.get("//livez").expect(200);
    stranger.get("//readyz").expect(200);
    server.http.begin_shutdown();
    stranger.get("//livez").expect(200);
    stranger.get("//readyz").expect(503);
}

/// RFC 9110 section 15.5.16: a compressed body is 415, and the response says which encodings there are.
#[test]
fn a_compressed_body_is_refused() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let user = acme.create_user("bjensen");
    let body = json!({ "schemas": [USER], "userName": "adams" });
    for encoding in ["gzip", "br", "deflate", "x-nothing", "identity, gzip"] {
        for (method, path) in [
            ("POST", "/Users"),
            ("PUT", &*user.path),
            ("PATCH", &user.path),
            ("POST", "/.search"),
        ] {
            let reply = acme
                .request(method, path)
                .header("Content-Encoding", encoding)
                .json(&body)
                .send();
            let reply = reply.expect_error(415, None);
            assert_eq!(
                reply.header("accept-encoding"),
                Some("identity"),
                "{method} {encoding}"
            );
        }
    }
    acme.request("POST", "/Users")
        .header("Content-Encoding", "identity")
        .json(&body)
        .send()
        .expect(201);
}

/// Times before 1970 are negative numbers in the database, and valid in every request.
#[test]
fn times_before_1970_are_ordinary_times() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let user = acme.create_user("bjensen");
    for time in [
        "1950-01-01T00:00:00Z",
        "1969-12-31T23:59:59.999Z",
        "1970-01-01T00:30:00+01:00",
        "0001-01-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "1950-01-01T00:00:00.123456789-12:00",
    ] {
        for attribute in ["meta.created", "meta.lastModified"] {
            for (operator, count) in [("gt", 1), ("ge", 1), ("ne", 1), ("lt", 0), ("le", 0), ("eq", 0)] {
                let filter = encode(&format!("{attribute} {operator} \"{time}\""));
                let page = acme
                    .get(&format!("/Users?filter={filter}&sortBy={attribute}"))
                    .expect(200)
                    .json();
                assert_eq!(page["totalResults"], count, "{attribute} {operator} {time}");
            }
        }
    }
    for date in [
        "Sun, 01 Jan 1950 00:00:00 GMT",
        "Wed, 31 Dec 1969 23:59:59 GMT",
        "Thu, 01 Jan 1970 00:00:00 GMT",
    ] {
        for header in ["If-Modified-Since", "If-Unmodified-Since", "Date", "If-Range"] {
            acme.request("GET", &user.path)
                .header(header, date)
                .send()
                .expect(200);
        }
    }
}
