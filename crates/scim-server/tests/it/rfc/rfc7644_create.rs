//! RFC 7644 sections 3.2 and 3.3: creating resources.

use serde_json::{Value, json};

use super::client::*;
use super::tenants::{staff_tenant, strict_tenant, tenant, tenant_active_by_default};

/// 7644-3.3-02, 7644-3.3-03, 7644-3.4.2.2-25
#[test]
fn omitted_attributes_have_no_default() {
    let client = tenant();
    for (name, active) in [("absent", None), ("null", Some(Value::Null))] {
        let mut body = user(name);
        if let Some(active) = active {
            body["active"] = active;
        }
        let made = client.create("/Users", &body);
        assert_eq!(keys(&made.body), ["id", "meta", "schemas", "userName"], "{name}");
    }
    let made = client.create("/Users", &user_with("off", &json!({"active": false})));
    assert_eq!(made.body["active"], false);
    // A user without `active` counts as active (A-08).
    assert_eq!(client.users("active eq true"), ["absent", "null"]);
    assert_eq!(client.users("active eq false"), ["off"]);
}

/// 7644-3.3-03
#[test]
fn null_and_empty_arrays_override_defaults() {
    let client = tenant_active_by_default();
    let cleared = json!({
        "title": null, "emails": [], "roles": null, "name": null, ENTERPRISE: {"department": null},
    });
    let made = client.create("/Users", &user_with("a", &cleared));
    assert_eq!(keys(&made.body), ["active", "id", "meta", "schemas", "userName"]);
    assert_eq!(made.body["schemas"], json!([USER]));
    assert_eq!(client.now(&format!("/Users/{}", made.id())), made.body);
    assert!(
        client
            .users("title pr or emails pr or roles pr or name pr")
            .is_empty()
    );
    for members in [json!(null), json!([])] {
        let body = json!({"schemas": [GROUP], "displayName": format!("g {members}"), "members": members});
        assert_eq!(client.create("/Groups", &body).body["members"], json!([]));
    }
}

/// 7644-3.3-02, 7644-3.4.2.2-25
#[test]
fn a_configured_default_is_returned_and_found() {
    let client = tenant_active_by_default();
    let made = client.create("/Users", &user("absent"));
    assert_eq!(made.body["active"], true);
    client.create("/Users", &user_with("off", &json!({"active": false})));
    assert_eq!(client.users("active eq true"), ["absent"]);
}

/// 7644-3.3-04, 7644-3.3-05, 7644-3.3-06, 9110-10.2.2-01
#[test]
fn a_create_returns_the_whole_resource_and_its_location() {
    let client = tenant();
    let member = client.user("m");
    for (endpoint, body, names) in [
        (
            "/Users",
            user_with("a", &json!({"title": "t"})),
            ["id", "meta", "schemas", "title", "userName"],
        ),
        (
            "/Groups",
            group("g", &[&member]),
            ["displayName", "id", "members", "meta", "schemas"],
        ),
    ] {
        let made = client.post(endpoint, &body).expect(201);
        assert_eq!(keys(&made.body), names);
        for name in ["schemas", "userName", "title", "displayName"] {
            assert_eq!(made.body[name], body[name], "{name}");
        }
        let location = made.header("Location").expect("Location");
        assert_eq!(made.body["meta"]["location"], location);
        let path = location
            .strip_prefix(&client.base_url)
            .expect("below the base URL");
        assert_eq!(path, format!("{endpoint}/{}", made.id()));
        let read = client.get(path).expect(200);
        assert_eq!(read.body, made.body);
        assert_eq!(read.etag(), made.etag());
    }
}

/// 7644-3.1-07
#[test]
fn responses_show_the_stored_state() {
    let client = tenant();
    let sent = |title: &str| {
        json!({
            "schemas": [USER, "urn:example:nothing"],
            "USERNAME": "a",
            "Title": title,
            "active": "True",
            "nothingKnown": 1,
            "name": {"givenname": "g", "nothingKnown": 1},
            "emails": [{"value": "x", "nothingKnown": 1}],
            "urn:example:nothing": {"x": 1},
            ENTERPRISE: {"Department": "d", "nothingKnown": 1},
            "id": "mine",
        })
    };
    let shown = |answer: &Answer, title: &str| {
        let mut body = answer.body.clone();
        assert_ne!(body["id"], "mine");
        let server_values = body.as_object_mut().expect("an object");
        assert!(server_values.remove("id").is_some() && server_values.remove("meta").is_some());
        let expected = json!({
            "schemas": [USER, ENTERPRISE],
            "userName": "a",
            "title": title,
            "active": true,
            "name": {"givenName": "g"},
            "emails": [{"value": "x"}],
            ENTERPRISE: {"department": "d"},
        });
        assert_eq!(body, expected);
    };
    let made = client.post("/Users", &sent("1")).expect(201);
    let path = format!("/Users/{}", made.id());
    shown(&made, "1");
    shown(&client.put(&path, &sent("2")).expect(200), "2");
    let mut operation = json!([{"op": "replace", "value": sent("3")}]);
    operation[0]["value"]
        .as_object_mut()
        .expect("an object")
        .remove("emails");
    shown(&client.patch(&path, &operation).expect(200), "3");
    shown(&client.get(&path).expect(200), "3");
}

/// 7644-3.3-01
#[test]
fn read_only_values_of_a_create_are_ignored() {
    let client = staff_tenant();
    let meta = json!({
        "resourceType": "Device", "created": "1999-01-01T00:00:00Z", "lastModified": "1999-01-01T00:00:00Z",
        "location": "https://elsewhere/x", "version": "W/\"99\"",
    });
    let boss = client.user_with("boss", &json!({"displayName": "Boss"}));
    let body = user_with(
        "a",
        &json!({
            "id": "mine",
            "meta": meta,
            "groups": [{"value": boss, "display": "g", "type": "direct"}],
            STAFF: {"plain": "p", "level": 9},
            ENTERPRISE: {"manager": {"value": boss, "displayName": "Another"}},
        }),
    );
    let user_made = client.create("/Users", &body);
    assert!(user_made.body.get("groups").is_none());
    assert_eq!(user_made.body[STAFF], json!({"plain": "p"}));
    assert_eq!(user_made.body[ENTERPRISE]["manager"]["displayName"], "Boss");
    let mut body = group("g", &[&boss]);
    body["id"] = json!("mine");
    body["meta"] = meta.clone();
    body["members"][0]["display"] = json!("Another");
    let group_made = client.create("/Groups", &body);
    assert_eq!(group_made.body["members"][0]["display"], "Boss");
    for (made, kind) in [(user_made, "User"), (group_made, "Group")] {
        let id = made.id();
        assert_ne!(id, "mine");
        assert_eq!(made.body["meta"]["resourceType"], kind);
        let location = format!("{}/{kind}s/{id}", client.base_url);
        assert_eq!(made.body["meta"]["location"], location);
        for name in ["created", "lastModified", "version"] {
            assert_ne!(made.body["meta"][name], meta[name], "{name}");
        }
        assert_eq!(client.now(&format!("/{kind}s/{id}")), made.body);
    }
}

/// 7644-3.3-07
#[test]
fn one_of_several_concurrent_creates_succeeds() {
    let client = tenant();
    for (endpoint, body) in [("/Users", user("a")), ("/Groups", group("g", &[]))] {
        let mut statuses: Vec<u16> = std::thread::scope(|scope| {
            let racers: Vec<_> = (0..6)
                .map(|_| scope.spawn(|| client.post(endpoint, &body)))
                .collect();
            racers
                .into_iter()
                .map(|it| {
                    let answer = it.join().expect("no panic");
                    match answer.status {
                        201 => 201,
                        _ => answer.expect_error(409, "uniqueness").status,
                    }
                })
                .collect()
        });
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409, 409, 409, 409, 409], "{endpoint}");
        assert_eq!(client.get(endpoint).expect(200).body["totalResults"], 1);
    }
}

/// 7644-3.3-07, 7644-3.12-10
#[test]
fn a_taken_user_name_is_a_conflict() {
    let client = tenant();
    client.user("a");
    let answer = client.post("/Users", &user("A")).expect_error(409, "uniqueness");
    assert!(
        answer.body["detail"]
            .as_str()
            .is_some_and(|it| it.contains("userName")),
        "{}",
        answer.body
    );
    assert_eq!(client.get("/Users").expect(200).body["totalResults"], 1);
}

/// 7644-3.3-08, 7644-3.12-07
#[test]
fn invalid_bodies_are_refused() {
    let client = tenant();
    for text in ["{", "[]", "", "5", "null", "\"x\"", "{\"userName\":}", "{} {}"] {
        client
            .send("POST", "/Users", &[], Some(text.as_bytes()))
            .expect_error(400, "invalidSyntax");
    }
    client
        .post("/Users", &json!({"schemas": [USER]}))
        .expect_error(400, "invalidValue");
    client
        .post("/Users", &user_with("a", &json!({"active": {}})))
        .expect_error(400, "invalidValue");
    client
        .send("POST", "/Groups", &[], Some(b"[]"))
        .expect_error(400, "invalidSyntax");
    for body in [
        json!({"schemas": [GROUP]}),
        json!({"schemas": [GROUP], "displayName": 5}),
        json!({"schemas": [GROUP], "displayName": "g", "members": [{"value": 5}]}),
        json!({"schemas": [GROUP], "displayName": "g", "members": [{"value": "nobody"}]}),
    ] {
        client.post("/Groups", &body).expect_error(400, "invalidValue");
    }
    for endpoint in ["/Users", "/Groups"] {
        assert_eq!(client.get(endpoint).expect(200).body["totalResults"], 0);
    }
}

/// 7644-3.3.1-01
#[test]
fn the_endpoint_sets_the_resource_type() {
    let client = tenant();
    let mut body = group("g", &[]);
    body["meta"] = json!({"resourceType": "User"});
    assert_eq!(
        client.create("/Groups", &body).body["meta"]["resourceType"],
        "Group"
    );
}

/// 7644-3.2-02, 9110-15.5.6-01, 7644-3.2-03, 7644-3.5.1-01
#[test]
fn each_endpoint_has_its_methods() {
    let client = tenant();
    let id = client.user("a");
    let group_id = client.group("g", &[]);
    for (method, path, allowed) in [
        ("PUT", "/Users".to_owned(), vec!["GET", "HEAD", "POST"]),
        ("PATCH", "/Users".into(), vec!["GET", "HEAD", "POST"]),
        ("DELETE", "/Users".into(), vec!["GET", "HEAD", "POST"]),
        ("DELETE", "/Groups".into(), vec!["GET", "HEAD", "POST"]),
        (
            "POST",
            format!("/Users/{id}"),
            vec!["GET", "HEAD", "PUT", "PATCH", "DELETE"],
        ),
        (
            "POST",
            format!("/Groups/{group_id}"),
            vec!["GET", "HEAD", "PUT", "PATCH", "DELETE"],
        ),
        ("PUT", "/.search".into(), vec!["POST"]),
    ] {
        let answer = client.send(method, &path, &[], Some(b"{}")).expect_error(405, "");
        let allow: Vec<&str> = answer
            .header("Allow")
            .expect("Allow")
            .split(',')
            .map(str::trim)
            .collect();
        assert!(
            allowed.iter().all(|it| allow.contains(it)) && !allow.contains(&method),
            "{method} {path}: {allow:?}"
        );
    }
    let unknown = "/Users/0190b3a2-0000-7000-8000-000000000000";
    client.put(unknown, &user("b")).expect_error(404, "");
    client.put("/Users/b", &user("b")).expect_error(404, "");
    for path in [
        "/Groups/0190b3a2-0000-7000-8000-000000000000".to_owned(),
        "/Groups/h".into(),
        format!("/Groups/{id}"),
    ] {
        client.put(&path, &group("h", &[])).expect_error(404, "");
    }
    for endpoint in ["/Users", "/Groups"] {
        assert_eq!(client.get(endpoint).expect(200).body["totalResults"], 1);
    }
}

/// 7644-3.9-01
#[test]
fn every_operation_returns_the_same_group() {
    let client = tenant();
    let made = client.create("/Groups", &group("g", &[&client.user("a")]));
    let path = format!("/Groups/{}", made.id());
    let search = json!({"schemas": [SEARCH_REQUEST]});
    let operation = json!([{"op": "replace", "path": "displayName", "value": "g"}]);
    // A PATCH returns a group only when the client asks for attributes (A-22).
    let patched = client.patch(&format!("{path}?excludedAttributes=nothing"), &operation);
    for body in [
        client.now(&path),
        client.put(&path, &made.body).expect(200).body,
        patched.expect(200).body,
        client.get("/Groups").expect(200).resources()[0].clone(),
        client.post("/Groups/.search", &search).expect(200).resources()[0].clone(),
    ] {
        assert_eq!(body, made.body);
    }
}

/// 7644-3.9-01, 7644-3.1-06, 7644-3.5.1-02
#[test]
fn every_operation_returns_the_same_user() {
    let client = tenant();
    let made = client.create(
        "/Users",
        &user_with("a", &json!({"name": {"givenName": "x"}, "title": "t"})),
    );
    let path = format!("/Users/{}", made.id());
    client.group("g", &[&made.id()]);
    let read = client.get(&path).expect(200);
    // The whole response is sent back, with id, meta and groups.
    let put = client.put(&path, &read.body).expect(200);
    let patched = client
        .patch(&path, &json!([{"op": "replace", "path": "title", "value": "t"}]))
        .expect(200);
    assert_eq!(put.body, read.body);
    assert_eq!(patched.body, read.body);
    assert_eq!(&client.get("/Users").expect(200).resources()[0], &read.body);
}

/// 7644-3.9-02
#[test]
fn projections_work_on_every_operation() {
    let client = tenant();
    let body = user_with("a", &json!({"title": "t"}));
    let made = client.post("/Users?attributes=userName", &body).expect(201);
    assert_eq!(keys(&made.body), ["id", "schemas", "userName"]);
    let path = format!("/Users/{}", made.id());
    assert_eq!(
        keys(
            &client
                .put(&format!("{path}?attributes=title"), &body)
                .expect(200)
                .body
        ),
        ["id", "schemas", "title"]
    );
    let operation = json!([{"op": "replace", "path": "title", "value": "u"}]);
    let patched = client
        .patch(&format!("{path}?excludedAttributes=title,meta"), &operation)
        .expect(200);
    assert_eq!(keys(&patched.body), ["id", "schemas", "userName"]);
    // The two parameters are mutually exclusive (A-43).
    let both = "attributes=userName&excludedAttributes=title";
    client
        .get(&format!("{path}?{both}"))
        .expect_error(400, "invalidValue");
    client
        .get(&format!("/Users?{both}"))
        .expect_error(400, "invalidValue");
    client
        .post(&format!("/Users?{both}"), &user("b"))
        .expect_error(400, "invalidValue");
    client
        .put(&format!("{path}?{both}"), &user("b"))
        .expect_error(400, "invalidValue");
    client
        .patch(&format!("{path}?{both}"), &operation)
        .expect_error(400, "invalidValue");
    assert_eq!(client.get("/Users").expect(200).names(), ["a"]);
}

/// 8259-4-01
#[test]
fn names_in_an_object_are_unique() {
    let client = tenant();
    for text in [
        format!(r#"{{"schemas":["{USER}"],"userName":"a","userName":"b"}}"#),
        format!(r#"{{"schemas":["{USER}"],"userName":"a","USERNAME":"b"}}"#),
        format!(r#"{{"schemas":["{USER}"],"userName":"a","name":{{"givenName":"x","GivenName":"y"}}}}"#),
    ] {
        client
            .send("POST", "/Users", &[], Some(text.as_bytes()))
            .expect_error(400, "invalidSyntax");
    }
}

/// 8259-8.1-01
#[test]
fn a_byte_order_mark_is_no_server_error() {
    let client = tenant();
    let body = [b"\xef\xbb\xbf".as_slice(), user("a").to_string().as_bytes()].concat();
    let answer = client.send("POST", "/Users", &[], Some(&body));
    assert!(matches!(answer.status, 201 | 400), "{}", answer.status);
    assert!(!answer.bytes.starts_with(b"\xef\xbb\xbf"));
    assert!(
        !client
            .get("/Users")
            .expect(200)
            .bytes
            .starts_with(b"\xef\xbb\xbf")
    );
}

/// 8259-9-01
#[test]
fn deep_nesting_is_refused() {
    let client = tenant();
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    client
        .send("POST", "/Users", &[], Some(deep.as_bytes()))
        .expect_error(400, "invalidSyntax");
    let deep = format!(
        r#"{{"schemas":["{USER}"],"userName":"a","x":{}1{}}}"#,
        r#"{"a":"#.repeat(100),
        "}".repeat(100)
    );
    client
        .send("POST", "/Users", &[], Some(deep.as_bytes()))
        .expect_error(400, "invalidSyntax");
    client.user("a");
}

/// 7644-3.7.4-01, 7644-3.12-12, 9110-15.5.14-01
#[test]
fn large_bodies_are_refused() {
    let client = tenant();
    let large = user_with("a", &json!({"title": "x".repeat(2 << 20)})).to_string();
    let answer = client
        .send("POST", "/Users", &[], Some(large.as_bytes()))
        .expect_error(413, "");
    assert!(
        answer.body["detail"]
            .as_str()
            .is_some_and(|it| it.contains("1048576")),
        "{}",
        answer.body
    );
    let mut chunks = Vec::new();
    for part in large.as_bytes().chunks(64 << 10) {
        chunks.extend_from_slice(format!("{:x}\r\n", part.len()).as_bytes());
        chunks.extend_from_slice(part);
        chunks.extend_from_slice(b"\r\n");
    }
    chunks.extend_from_slice(b"0\r\n\r\n");
    client
        .send(
            "POST",
            "/Users",
            &[("Transfer-Encoding", "chunked")],
            Some(&chunks),
        )
        .expect_error(413, "");
    let path = format!("/Users/{}", client.user("b"));
    for (method, path) in [
        ("PUT", path.as_str()),
        ("PATCH", &path),
        ("POST", "/Users/.search"),
    ] {
        client
            .send(method, path, &[], Some(large.as_bytes()))
            .expect_error(413, "");
    }
    let operations = vec![json!({"op": "add", "path": "title", "value": "t"}); 1001];
    let answer = client.patch(&path, &json!(operations)).expect_error(413, "");
    let detail = answer.body["detail"].as_str().expect("a detail");
    assert!(detail.contains("1000"), "{detail}");
    client.patch(&path, &json!(operations[1..])).expect(200);
}

/// 7643-2.1-02, 7643-3.3-01, 7643-3-04
#[test]
fn a_strict_server_checks_schemas() {
    let client = strict_tenant();
    for schemas in [
        json!(null),
        json!([]),
        json!(USER),
        json!([GROUP]),
        json!([5]),
        json!(["urn:nothing"]),
    ] {
        client
            .post("/Users", &json!({"schemas": schemas, "userName": "x"}))
            .expect_error(400, "invalidSyntax");
    }
}

/// 7643-4.2-05, 7643-7-16
#[test]
fn a_custom_type_obeys_its_schema() {
    let client = staff_tenant();
    let device = |serial: &str| json!({"schemas": ["urn:example:params:scim:schemas:staff:2.0:Device"], "serial": serial});
    client
        .post(
            "/Devices",
            &json!({"schemas": ["urn:example:params:scim:schemas:staff:2.0:Device"]}),
        )
        .expect_error(400, "invalidValue");
    let made = client.create("/Devices", &device("S1"));
    let path = format!("/Devices/{}", made.id());
    assert_eq!(
        made.body["meta"]["location"],
        format!("{}{path}", client.base_url)
    );
    client
        .post("/Devices", &device("S1"))
        .expect_error(409, "uniqueness");
    client.create("/Devices", &device("s1"));
    client.put(&path, &device("S2")).expect_error(400, "mutability");
    assert_eq!(client.found("/Devices", "serial eq \"S1\"").len(), 1);
    client.get(&format!("/Users/{}", made.id())).expect_error(404, "");
    client.delete(&path).expect(204);
    client.get(&path).expect_error(404, "");
}
