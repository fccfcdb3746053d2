//! RFC 7643 section 2.3: the data types.

use serde_json::json;

use super::documents::{all_attributes, attribute, references};
use crate::rfc::client::*;
use crate::rfc::tenants::{staff_tenant, strict_tenant, tenant};

/// 7643-2.3-02, 7643-2.3.2-01
#[test]
fn each_type_has_one_json_form() {
    let client = tenant();
    for attributes in [
        json!({"userName": 5}),
        json!({"userName": true}),
        json!({"userName": ["a"]}),
        json!({"active": "yes"}),
        json!({"active": 1}),
        json!({"name": "x"}),
        json!({"name": []}),
        json!({"emails": 5}),
        json!({"emails": [5]}),
        json!({"emails": [{"value": {"a": "b"}}]}),
        json!({"emails": [{"primary": 1}]}),
        json!({"title": {}, "nickName": 1.5}),
        json!({ENTERPRISE: "x"}),
        json!({ENTERPRISE: {"manager": 5}}),
    ] {
        let answer = client.post("/Users", &user_with("a", &attributes));
        assert_eq!(answer.status, 400, "{attributes}: {}", answer.body);
        let kind = answer.body["scimType"].as_str();
        assert!(
            matches!(kind, Some("invalidValue" | "invalidSyntax")),
            "{attributes}: {}",
            answer.body
        );
    }
    let schema = client.now(&format!("/Schemas/{USER}"));
    let active = attribute(&schema, "active");
    assert!(
        active.get("caseExact").is_none_or(|it| it == false)
            && active.get("uniqueness").is_none_or(|it| it == "none")
    );
    // A boolean in a string is what Entra and the SCIM validator send (A-33); strictly it is none.
    assert_eq!(
        client
            .create("/Users", &user_with("b", &json!({"active": "False"})))
            .body["active"],
        false
    );
    strict_tenant()
        .post("/Users", &user_with("b", &json!({"active": "False"})))
        .expect_error(400, "invalidValue");
}

/// 7643-2.3.1-01, 7644-3.8-01
#[test]
fn strings_are_unicode_in_utf_8() {
    let client = tenant();
    let name = "Łukasz 𝒳 日本 \u{1f469}\u{200d}\u{1f680} e\u{301}";
    let made = client.create("/Users", &user_with("a", &json!({"displayName": name})));
    assert_eq!(made.body["displayName"], name);
    assert_eq!(client.now(&format!("/Users/{}", made.id()))["displayName"], name);
    assert!(String::from_utf8(made.bytes).is_ok());
    let mut broken = user("b").to_string().into_bytes();
    let place = broken.iter().position(|it| *it == b'b').expect("a letter");
    broken[place] = 0xff;
    client
        .send("POST", "/Users", &[], Some(&broken))
        .expect_error(400, "invalidSyntax");
    let latin = [("Content-Type", "application/scim+json; charset=iso-8859-1")];
    client
        .send("POST", "/Users", &latin, Some(user("c").to_string().as_bytes()))
        .expect_error(415, "");
}

/// 7643-2.3.3-01
#[test]
fn decimals_are_json_numbers() {
    let client = staff_tenant();
    let made = client.create("/Users", &user_with("a", &json!({STAFF: {"height": 1.5}})));
    assert_eq!(made.body[STAFF]["height"], 1.5);
    client
        .post("/Users", &user_with("b", &json!({STAFF: {"height": "1.5"}})))
        .expect_error(400, "invalidValue");
    assert_eq!(client.users(&format!("{STAFF}:height eq 1.50")), ["a"]);
    assert_eq!(client.users(&format!("{STAFF}:height gt 1.4")), ["a"]);
}

/// 7643-2.3.4-01
#[test]
fn integers_have_no_fraction_and_no_exponent() {
    let client = staff_tenant();
    let made = client.create("/Users", &user_with("a", &json!({STAFF: {"floor": 3}})));
    assert_eq!(made.body[STAFF]["floor"], 3);
    for number in ["3.5", "3e2", "3.0", "\"3\""] {
        let body =
            format!(r#"{{"schemas":["{USER}","{STAFF}"],"userName":"b","{STAFF}":{{"floor":{number}}}}}"#);
        client
            .send("POST", "/Users", &[], Some(body.as_bytes()))
            .expect_error(400, "invalidValue");
    }
}

/// 7643-2.3.5-01
#[test]
fn date_times_have_date_and_time() {
    let client = staff_tenant();
    let made = client.create("/Users", &user("a"));
    assert!(is_timestamp(&made.body["meta"]["created"]), "{}", made.body);
    for wrong in [
        "2020-01-01",
        "x",
        "",
        "2020-13-01T00:00:00Z",
        "12:00:00Z",
        "2020-02-30T00:00:00Z",
    ] {
        client
            .post(
                "/Users",
                &user_with("b", &json!({STAFF: {"badgeExpires": wrong}})),
            )
            .expect_error(400, "invalidValue");
    }
    for (index, right) in [
        "2020-01-01T00:00:00Z",
        "2020-01-01T00:00:00.25+01:00",
        "2020-01-01T00:00:00",
    ]
    .iter()
    .enumerate()
    {
        client.user_with(&format!("c{index}"), &json!({STAFF: {"badgeExpires": right}}));
    }
    client.refused_filter("/Users", r#"meta.created gt "x""#);
}

/// 7643-2.3.5-02
#[test]
fn date_times_are_instants() {
    let client = staff_tenant();
    client.user_with(
        "a",
        &json!({STAFF: {"badgeExpires": "2020-01-01T01:00:00+01:00"}}),
    );
    assert_eq!(
        client.users(&format!(r#"{STAFF}:badgeExpires eq "2020-01-01T00:00:00Z""#)),
        ["a"]
    );
    assert_eq!(
        client.users(&format!(r#"{STAFF}:badgeExpires lt "2020-01-01T00:30:00Z""#)),
        ["a"]
    );
    let made = client.create("/Users", &user("b"));
    let created = made.body["meta"]["created"]
        .as_str()
        .expect("a date")
        .trim_end_matches('Z')
        .to_owned();
    assert_eq!(
        client.users(&format!(
            r#"meta.created eq "{created}+00:00" and userName eq "b""#
        )),
        ["b"]
    );
}

/// 7643-2.3.6-01, 7643-2.3.6-02, 7643-2.3.6-03
#[test]
fn binaries_are_base64_and_case_exact() {
    let client = tenant();
    let id = client.user("a");
    let path = format!("/Users/{id}");
    let with = |value: &str| user_with("a", &json!({"x509Certificates": [{"value": value}]}));
    client.put(&path, &with("###")).expect_error(400, "invalidValue");
    client.put(&path, &with("a")).expect_error(400, "invalidValue");
    // DER of an empty sequence is not a certificate, but it is base64.
    for value in ["MAAwAA==", "MAAwAA"] {
        assert_eq!(
            client.put(&path, &with(value)).expect(200).body["x509Certificates"][0]["value"],
            value
        );
    }
    client.put(&path, &with("MAAwAA==")).expect(200);
    assert_eq!(client.users(r#"x509Certificates.value eq "MAAwAA==""#), ["a"]);
    assert!(client.users(r#"x509Certificates.value eq "maaWAA==""#).is_empty());
    for operator in ["gt", "ge", "lt", "le"] {
        client.refused_filter(
            "/Users",
            &format!(r#"x509Certificates.value {operator} "MAAwAA==""#),
        );
    }
}

/// 7643-2.3.7-01, 7643-4.1.1-08, 7643-4.1.2-08
#[test]
fn references_are_uris() {
    let client = tenant();
    for attributes in [
        json!({"profileUrl": "not a uri with space"}),
        json!({"photos": [{"value": "x y"}]}),
    ] {
        client
            .post("/Users", &user_with("a", &attributes))
            .expect_error(400, "invalidValue");
    }
    let attributes =
        json!({"profileUrl": "https://x/~a?b#c", "photos": [{"value": "https://x/a.png", "type": "photo"}]});
    let made = client.create("/Users", &user_with("a", &attributes));
    assert_eq!(made.body["profileUrl"], "https://x/~a?b#c");
    client.create("/Users", &user_with("b", &json!({"profileUrl": "/people/b"})));
    let group = client.group("g", &[&made.id()]);
    for reference in references(&client, &group, &made.id()) {
        assert!(reference.starts_with(&client.base_url), "{reference}");
    }
}

/// 7643-2.3.7-02, 7643-2.4-06, 7643-2.3.7-06
#[test]
fn references_to_members_are_resolved_against_the_base_url() {
    let client = tenant();
    let id = client.user("a");
    let group = client.group("g", &[]);
    let path = format!("/Groups/{group}");
    let root = client.base_url.trim_end_matches("/v2");
    for reference in [
        format!("Users/{id}"),
        format!("../Users/{id}"),
        format!("{}/Users/{id}", client.base_url),
        format!("{root}/Users/{id}"),
    ] {
        client
            .patch(&path, &json!([{"op": "remove", "path": "members"}]))
            .expect_success();
        client
            .patch(
                &path,
                &json!([{"op": "add", "path": "members", "value": [{"$ref": reference}]}]),
            )
            .expect_success();
        let members = client.now(&path)["members"].clone();
        assert_eq!(members[0]["value"], id, "{reference}");
        assert_eq!(members[0]["$ref"], format!("{}/Users/{id}", client.base_url));
    }
    // The same member once more, named by value, with the null that Entra sends.
    client
        .patch(
            &path,
            &json!([{"op": "add", "path": "members", "value": [{"value": id, "$ref": null}]}]),
        )
        .expect_success();
    assert_eq!(client.now(&path)["members"].as_array().map(Vec::len), Some(1));
}

/// 7643-2.3.7-03
#[test]
fn references_are_case_exact() {
    let client = tenant();
    client.user_with("a", &json!({"profileUrl": "https://x"}));
    assert!(client.users(r#"profileUrl eq "HTTPS://X""#).is_empty());
    assert_eq!(client.users(r#"profileUrl eq "https://x""#), ["a"]);
    for (path, attribute) in all_attributes(&client) {
        if attribute["type"] == "reference" {
            assert_eq!(attribute["caseExact"], true, "{path}");
        }
    }
}

/// 7643-2.3.7-04
#[test]
fn references_can_be_followed() {
    let client = tenant();
    let boss = client.user("boss");
    let id = client.user_with("a", &json!({ENTERPRISE: {"manager": {"value": boss}}}));
    let group = client.group("g", &[&id]);
    let found = references(&client, &group, &id);
    assert_eq!(found.len(), 3, "{found:?}");
    for reference in &found {
        client
            .get(
                reference
                    .strip_prefix(&client.base_url)
                    .expect("below the base URL"),
            )
            .expect(200);
    }
    client.delete(&format!("/Users/{boss}")).expect(204);
    client.get(&format!("/Users/{boss}")).expect_error(404, "");
}

/// 7643-2.3.7-05
#[test]
fn members_exist_and_managers_may_dangle() {
    let client = tenant();
    let (a, b) = (client.user("a"), client.user("b"));
    let path = format!("/Groups/{}", client.group("g", &[&a, &b]));
    let unknown = "0190b3a2-0000-7000-8000-000000000000";
    let answer = client.patch(
        &path,
        &json!([{"op": "add", "path": "members", "value": [{"value": unknown}]}]),
    );
    let answer = answer.expect_error(400, "invalidValue");
    assert!(
        answer.body["detail"]
            .as_str()
            .is_some_and(|it| it.contains(unknown)),
        "{}",
        answer.body
    );
    client
        .post("/Groups", &group("h", &["no-uuid"]))
        .expect_error(400, "invalidValue");
    let before = client.get(&path).expect(200);
    client.delete(&format!("/Users/{a}")).expect(204);
    let after = client.get(&path).expect(200);
    assert_eq!(after.body["members"].as_array().map(Vec::len), Some(1));
    assert_ne!(before.body["meta"]["version"], after.body["meta"]["version"]);
    let manager = json!({ENTERPRISE: {"manager": {"value": unknown}}});
    let made = client.create("/Users", &user_with("c", &manager));
    assert_eq!(made.body[ENTERPRISE]["manager"], json!({"value": unknown}));
}

/// 7643-2.3.8-01, 7643-3-06
#[test]
fn order_in_objects_and_in_schemas_changes_nothing() {
    let client = tenant();
    let one = format!(
        r#"{{"schemas":["{USER}","{ENTERPRISE}"],"userName":"a","name":{{"givenName":"x","familyName":"y"}},"{ENTERPRISE}":{{"department":"d","division":"e"}}}}"#
    );
    let other = format!(
        r#"{{"{ENTERPRISE}":{{"division":"e","department":"d"}},"name":{{"familyName":"y","givenName":"x"}},"userName":"a","schemas":["{ENTERPRISE}","{USER}"]}}"#
    );
    let first = client
        .send("POST", "/Users", &[], Some(one.as_bytes()))
        .expect(201);
    let second = client
        .send(
            "PUT",
            &format!("/Users/{}", first.id()),
            &[],
            Some(other.as_bytes()),
        )
        .expect(200);
    assert_eq!(first.body, second.body);
    assert_eq!(first.etag(), second.etag());
}

/// 7643-2.3.8-02
#[test]
fn complex_attributes_have_neither_uniqueness_nor_case() {
    for (path, attribute) in all_attributes(&tenant()) {
        if attribute["type"] == "complex" {
            assert!(attribute.get("uniqueness").is_none(), "{path}");
            assert!(attribute.get("caseExact").is_none(), "{path}");
        }
    }
}

/// 7643-2.3.8-03, 7643-7-05
#[test]
fn complex_values_do_not_nest() {
    let client = tenant();
    let nested = json!({"name": {"givenName": {"a": 1}}});
    client
        .post("/Users", &user_with("a", &nested))
        .expect_error(400, "invalidValue");
    for (path, attribute) in all_attributes(&client) {
        // Only the schema of schemas nests (7643-7-05).
        let name = path.rsplit_once(':').map_or("", |(_, name)| name);
        if name.contains('.') && !path.contains("core:2.0:Schema") {
            assert_ne!(attribute["type"], "complex", "{path}");
        }
    }
}
