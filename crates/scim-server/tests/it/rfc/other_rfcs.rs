//! The rules of RFC 8259 (JSON), 5789 (PATCH), 6585 (more status codes) and 9967 (events) that bind a
//! SCIM server.

use serde_json::{Value, json};

use super::client::*;
use super::tenants::{strict_tenant, tenant};

/// The requests that take a body, for one user, with that body.
fn with_body(client: &Client, user_path: &str, body: &[u8]) -> Vec<Answer> {
    [
        ("POST", "/Users"),
        ("PUT", user_path),
        ("PATCH", user_path),
        ("POST", "/Groups"),
        ("POST", "/Users/.search"),
        ("POST", "/.search"),
    ]
    .into_iter()
    .map(|(method, path)| client.send(method, path, &[], Some(body)))
    .collect()
}

/// 8259-4-01
#[test]
fn an_object_has_each_name_once() {
    let client = tenant();
    let made = client.create("/Users", &user("a"));
    let path = format!("/Users/{}", made.id());
    for text in [
        format!(r#"{{"schemas":["{USER}"],"userName":"b","userName":"c"}}"#),
        format!(r#"{{"schemas":["{USER}"],"userName":"b","USERNAME":"c"}}"#),
        format!(r#"{{"schemas":["{USER}"],"userName":"b","user\u004eame":"b"}}"#),
        format!(r#"{{"schemas":["{USER}"],"userName":"b","name":{{"givenName":"x","GivenName":"y"}}}}"#),
        format!(r#"{{"schemas":["{USER}"],"userName":"b","emails":[{{"value":"x","value":"x"}}]}}"#),
        format!(r#"{{"schemas":["{USER}"],"userName":"b","unknown":{{"x":1,"x":1}}}}"#),
        format!(r#"{{"schemas":["{USER}"],"SCHEMAS":["{USER}"],"userName":"b"}}"#),
        format!(
            r#"{{"schemas":["{PATCH_OP}"],"Operations":[{{"op":"add","path":"title","value":"x","value":"y"}}]}}"#
        ),
        format!(r#"{{"schemas":["{GROUP}"],"displayName":"g","members":[],"members":[]}}"#),
        format!(r#"{{"schemas":["{SEARCH_REQUEST}"],"count":1,"count":2}}"#),
    ] {
        for answer in with_body(&client, &path, text.as_bytes()) {
            answer.expect_error(400, "invalidSyntax");
        }
    }
    assert_eq!(client.now(&path), made.body);
    assert_eq!(client.get("/Users").expect(200).names(), ["a"]);
}

/// 8259-8.1-01
#[test]
fn json_is_utf_8_without_a_byte_order_mark() {
    let client = tenant();
    let path = format!("/Users/{}", client.user("a"));
    let bytes =
        |text: &str, unit: fn(u16) -> [u8; 2]| -> Vec<u8> { text.encode_utf16().flat_map(unit).collect() };
    let text = user("b").to_string();
    for body in [
        bytes(&text, u16::to_le_bytes),
        bytes(&text, u16::to_be_bytes),
        bytes(&format!("\u{feff}{text}"), u16::to_le_bytes),
        bytes(&format!("\u{feff}{text}"), u16::to_be_bytes),
    ] {
        for answer in with_body(&client, &path, &body) {
            answer.expect_error(400, "invalidSyntax");
        }
    }
    // A mark in front of UTF-8 is ignored, and no answer has one.
    for (method, path, status, body) in [
        ("POST", "/Users", 201, user("b")),
        ("PUT", &path, 200, user("a")),
        (
            "PATCH",
            &path,
            200,
            json!({"schemas": [PATCH_OP], "Operations": [{"op": "add", "path": "title", "value": "t"}]}),
        ),
        (
            "POST",
            "/Users/.search",
            200,
            json!({"schemas": [SEARCH_REQUEST], "filter": "title pr"}),
        ),
    ] {
        let marked = [b"\xef\xbb\xbf".as_slice(), body.to_string().as_bytes()].concat();
        let answer = client.send(method, path, &[], Some(&marked)).expect(status);
        assert!(answer.bytes.starts_with(b"{"), "{method} {path}");
    }
    for path in ["/Users", "/nothing", "/ServiceProviderConfig"] {
        assert!(client.get(path).bytes.starts_with(b"{"), "{path}");
    }
}

/// 8259-9-01
#[test]
fn parsing_has_limits() {
    let client = tenant();
    let path = format!("/Users/{}", client.user("a"));
    let nested = |levels: usize| {
        format!(
            r#"{{"schemas":["{USER}"],"userName":"a","x":{}1{}}}"#,
            "[".repeat(levels),
            "]".repeat(levels)
        )
    };
    // The object around `x` is one level.
    client
        .send("PUT", &path, &[], Some(nested(63).as_bytes()))
        .expect(200);
    for levels in [64, 100, 10_000, 100_000] {
        for answer in with_body(&client, &path, nested(levels).as_bytes()) {
            answer.expect_error(400, "invalidSyntax");
        }
    }
    let digits = format!(
        r#"{{"schemas":["{USER}"],"userName":"b","title":{}}}"#,
        "1".repeat(5_000)
    );
    client
        .send("POST", "/Users", &[], Some(digits.as_bytes()))
        .expect_error(400, "invalidValue");
    let text = user_with("b", &json!({"title": "x".repeat(8 * 1024 + 1)}));
    client.post("/Users", &text).expect_error(400, "invalidValue");
    let operation = json!({"op": "add", "path": "title", "value": "t"});
    client
        .patch(&path, &Value::Array(vec![operation; 1_001]))
        .expect_error(413, "");
    let body = user_with("b", &json!({"unknown": "x".repeat(1 << 20)}));
    client.post("/Users", &body).expect_error(413, "");
    assert_eq!(client.get("/Users").expect(200).names(), ["a"]);
}

/// 5789-2-01
#[test]
fn a_patch_is_done_completely_or_not_at_all() {
    let client = tenant();
    let member = client.user("member");
    let boss = json!([{"value": member}]);
    for (path, first, failing) in [
        (
            format!("/Users/{}", client.user("a")),
            json!({"op": "add", "path": "title", "value": "t"}),
            [
                json!({"op": "remove", "path": "userName"}),
                json!({"op": "add", "path": "nothing", "value": 1}),
                json!({"op": "replace", "path": "userName", "value": "member"}),
            ],
        ),
        (
            format!("/Groups/{}", client.group("g", &[])),
            json!({"op": "add", "path": "members", "value": boss}),
            [
                json!({"op": "remove", "path": "displayName"}),
                json!({"op": "add", "path": "members", "value": [{"value": "nobody"}]}),
                json!({"op": "replace", "path": "id", "value": "x"}),
            ],
        ),
    ] {
        let before = client.get(&path).expect(200);
        for failing in failing {
            let answer = client.patch(&path, &json!([first, failing]));
            assert!(matches!(answer.status, 400 | 409), "{failing}: {}", answer.status);
            let after = client.get(&path).expect(200);
            assert_eq!(after.body, before.body, "{failing}");
            assert_eq!(after.etag(), before.etag(), "{failing}");
        }
        client.patch(&path, &json!([first])).expect_success();
        assert_ne!(client.now(&path), before.body);
    }
}

/// 5789-2-02, 5789-2.2-01
#[test]
fn a_patch_document_suits_the_resource() {
    for client in [tenant(), strict_tenant()] {
        let operations = |value: Value| json!({"schemas": [PATCH_OP], "Operations": value});
        for (path, resource, foreign) in [
            (
                format!("/Users/{}", client.user("a")),
                user("b"),
                json!({"op": "add", "path": "members", "value": []}),
            ),
            (
                format!("/Groups/{}", client.group("g", &[])),
                group("h", &[]),
                json!({"op": "replace", "path": "userName", "value": "x"}),
            ),
        ] {
            let before = client.now(&path);
            let send = |body: &Value| client.send("PATCH", &path, &[], Some(body.to_string().as_bytes()));
            send(&resource).expect_error(400, "invalidSyntax");
            send(&operations(json!("x"))).expect_error(400, "invalidSyntax");
            send(&operations(json!([{"op": "move", "path": "title"}]))).expect_error(400, "invalidSyntax");
            send(&operations(json!([foreign]))).expect_error(400, "invalidPath");
            for media_type in [
                "application/json-patch+json",
                "application/merge-patch+json",
                "text/plain",
            ] {
                let answer = client
                    .send("PATCH", &path, &[("Content-Type", media_type)], Some(b"{}"))
                    .expect_error(415, "");
                assert_eq!(
                    answer.header("Accept-Patch"),
                    Some("application/scim+json, application/json"),
                    "{media_type}"
                );
            }
            assert_eq!(client.now(&path), before);
        }
    }
}

/// 5789-3.1-01
#[test]
fn options_name_the_patch_format() {
    let client = tenant();
    for path in [
        format!("/Users/{}", client.user("a")),
        format!("/Groups/{}", client.group("g", &[])),
    ] {
        let answer = client.send("OPTIONS", &path, &[], None).expect_success();
        assert_eq!(
            answer.header("Accept-Patch"),
            Some("application/scim+json, application/json"),
            "{path}"
        );
    }
}

/// 6585-3-01
#[test]
fn changes_need_no_precondition() {
    let client = tenant();
    for (path, body) in [
        (format!("/Users/{}", client.user("a")), user("b")),
        (format!("/Groups/{}", client.group("g", &[])), group("h", &[])),
    ] {
        client.put(&path, &body).expect(200);
        client
            .patch(&path, &json!([{"op": "add", "path": "externalId", "value": "x"}]))
            .expect_success();
        client.delete(&path).expect(204);
    }
}

/// 9967-2.5.1.1-01
#[test]
fn a_wish_for_an_asynchronous_answer_is_ignored() {
    let client = tenant();
    let path = format!("/Users/{}", client.user("a"));
    let patch = json!({"schemas": [PATCH_OP], "Operations": [{"op": "add", "path": "title", "value": "t"}]});
    for (method, path, body, status) in [
        ("POST", "/Users", Some(user("b")), 201),
        ("GET", &path, None, 200),
        ("PUT", &path, Some(user("c")), 200),
        ("PATCH", &path, Some(patch), 200),
        ("DELETE", &path, None, 204),
    ] {
        let body = body.map(|it| it.to_string().into_bytes());
        let wish = [("Prefer", "respond-async")];
        let answer = client.send(method, path, &wish, body.as_deref()).expect(status);
        for header in ["Preference-Applied", "Set-Txn"] {
            assert!(answer.header(header).is_none(), "{method} {header}");
        }
    }
    // Done when the answer has come.
    client.get(&path).expect_error(404, "");
    assert_eq!(client.get("/Users").expect(200).names(), ["b"]);
}
