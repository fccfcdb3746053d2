//! RFC 7643, rule by rule, as a client sees it. The ids above the tests are those of
//! docs/conformance/requirements.tsv.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::client::*;
use super::tenants::{staff_tenant, strict_tenant, tenant, two_tenants};

/// 7643-1.1-01
#[test]
fn what_is_not_required_may_be_absent() {
    let client = tenant();
    client.create("/Users", &user("a"));
    client.create("/Groups", &json!({"schemas": [GROUP], "displayName": "g"}));
}

/// 7643-1.2-01, 7644-4-01, 7644-4-03
#[test]
fn schemas_are_published_to_everybody() {
    let answer = tenant().anonymous().get("/Schemas").expect(200);
    assert_eq!(answer.body["schemas"], json!([LIST_RESPONSE]));
    let ids: Vec<&str> = answer
        .resources()
        .iter()
        .filter_map(|it| it["id"].as_str())
        .collect();
    for id in ["core:2.0:User", "core:2.0:Group", "extension:enterprise:2.0:User"] {
        assert!(
            ids.contains(&format!("urn:ietf:params:scim:schemas:{id}").as_str()),
            "{ids:?}"
        );
    }
    assert_eq!(answer.body["totalResults"], ids.len());
    assert_eq!(answer.body["itemsPerPage"], ids.len());
}

/// 7643-1.2-02
#[test]
fn simple_attributes_have_no_sub_attributes() {
    let client = tenant();
    for (path, attribute) in all_attributes(&client) {
        let is_complex = attribute["type"] == "complex";
        let has_subs = attribute["subAttributes"]
            .as_array()
            .is_some_and(|it| !it.is_empty());
        assert_eq!(is_complex, has_subs, "{path}");
    }
    client
        .post("/Users", &user_with("a", &json!({"title": {"x": 1}})))
        .expect_error(400, "invalidValue");
}

/// 7643-2.1-01
#[test]
fn attribute_names_have_no_case() {
    let client = tenant();
    let made = client.create(
        "/Users",
        &json!({"SCHEMAS": [USER], "USERNAME": "a", "eMails": [{"VALUE": "a@b"}]}),
    );
    assert_eq!(made.body["userName"], "a");
    assert_eq!(made.body["emails"], json!([{"value": "a@b"}]));
    assert!(made.body.get("USERNAME").is_none());
    assert_eq!(client.users(r#"USERNAME eq "a""#), ["a"]);
    let path = format!("/Users/{}", made.id());
    assert_eq!(
        keys(&client.now(&format!("{path}?attributes=UserName"))),
        ["id", "schemas", "userName"]
    );
    client.get("/Users?sortBy=USERNAME").expect(200);
    client
        .patch(&path, &json!([{"op": "replace", "path": "TITLE", "value": "t"}]))
        .expect(200);
    assert_eq!(client.now(&path)["title"], "t");
}

/// 7643-2.1-02, 7644-3.1-02
#[test]
fn every_document_names_its_schemas() {
    let client = tenant();
    let id = client.user("a");
    for path in [
        format!("/Users/{id}"),
        "/Users".into(),
        "/ServiceProviderConfig".into(),
        "/Schemas".into(),
        "/ResourceTypes".into(),
        "/nothing".into(),
    ] {
        let answer = client.get(&path);
        assert!(
            answer.body["schemas"].as_array().is_some_and(|it| !it.is_empty()),
            "{path}: {}",
            answer.body
        );
    }
    strict_tenant()
        .post("/Users", &json!({"userName": "a"}))
        .expect_error(400, "invalidSyntax");
    // OneLogin and Google do without; by default so may everybody (A-01).
    let made = tenant().create("/Users", &json!({"userName": "a"}));
    assert_eq!(made.body["schemas"], json!([USER]));
}

/// 7643-2.1-03
#[test]
fn attribute_names_follow_the_grammar() {
    let client = tenant();
    client.group("g", &[&client.user("a")]);
    assert_eq!(client.found("/Groups", "members.$ref pr"), ["g"]);
    client.refused_filter("/Users", r#"1x eq "a""#);
    client.refused_filter("/Users", r#"_x eq "a""#);
}

/// 7643-2.1-04
#[test]
fn keywords_have_no_case_and_names_are_ascii() {
    let client = tenant();
    let id = client.user("a");
    assert_eq!(client.users(r#"userName EQ "a" AND active PR"#), ["a"]);
    assert_eq!(client.users(r#"NOT (userName Ne "A") oR title pR"#), ["a"]);
    client.refused_filter("/Users", r#"usérName eq "a""#);
    client
        .patch(
            &format!("/Users/{id}"),
            &json!([{"op": "replace", "path": "títle", "value": "x"}]),
        )
        .expect_error(400, "invalidPath");
}

/// 7643-2.1-05
#[test]
fn hyphens_belong_to_attribute_names() {
    let client = staff_tenant();
    let id = client.user_with("a", &json!({STAFF: {"cost-center": "c1"}}));
    let path = format!("{STAFF}:cost-center");
    assert_eq!(client.users(&format!(r#"{path} eq "c1""#)), ["a"]);
    client
        .patch(
            &format!("/Users/{id}"),
            &json!([{"op": "replace", "path": path, "value": "c2"}]),
        )
        .expect(200);
    let projected = client.now(&format!("/Users/{id}?attributes={path}"));
    assert_eq!(projected[STAFF], json!({"cost-center": "c2"}));
    assert_eq!(keys(&projected), ["id", "schemas", STAFF]);
}

/// 7643-2.2-01
#[test]
fn characteristics_have_defaults() {
    let client = staff_tenant();
    let schema = client.now(&format!("/Schemas/{STAFF}"));
    let plain = attribute(&schema, "plain");
    for (name, value) in [
        ("type", json!("string")),
        ("multiValued", json!(false)),
        ("required", json!(false)),
        ("caseExact", json!(false)),
        ("mutability", json!("readWrite")),
        ("returned", json!("default")),
        ("uniqueness", json!("none")),
    ] {
        assert_eq!(plain[name], value, "{name}");
    }
    assert!(plain.get("canonicalValues").is_none());
    // And so it behaves: optional, any value, any case, not unique, returned.
    client.user_with("a", &json!({STAFF: {"plain": "X"}}));
    let second = client.create("/Users", &user_with("b", &json!({STAFF: {"plain": "x"}})));
    assert_eq!(second.body[STAFF]["plain"], "x");
    assert_eq!(client.users(&format!(r#"{STAFF}:plain eq "X""#)), ["a", "b"]);
}

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

/// 7643-2.3.1-02, 7643-2.3.1-03, 7643-7-11, 7643-4.1.1-09, 7643-4.1.1-10, 7643-4.1.1-11, 7643-4.1.1-12,
/// 7643-4.1.1-13, 7643-4.1.2-01, 7643-4.1.2-02, 7643-4.1.2-03, 7643-4.1.2-04, 7643-4.1.2-05,
/// 7643-4.1.2-06, 7643-4.1.2-18, 7643-2.4-07
#[test]
fn values_are_kept_as_they_were_sent() {
    let client = tenant();
    let attributes = json!({
        "locale": "en_US",
        "preferredLanguage": "da, en-gb;q=0.8",
        "timezone": "America/Los_Angeles",
        "userType": "Robot",
        "emails": [{"value": "not-an-email", "type": "private", "display": "mine"}, {"value": "A@EX.COM"}],
        "phoneNumbers": [{"value": "+1 (555) 010", "type": "sip"}],
        "ims": [{"value": " Foo "}],
        "roles": [{"value": "admin"}],
        "entitlements": [{"value": "x", "type": "y"}],
    });
    let made = client.create("/Users", &user_with("a", &attributes));
    let read = client.now(&format!("/Users/{}", made.id()));
    for (name, value) in attributes.as_object().expect("an object") {
        assert_eq!(&made.body[name], value, "{name}");
        assert_eq!(&read[name], value, "{name}");
    }
    assert_eq!(client.users(r#"emails.value eq "a@ex.com""#), ["a"]);
    assert_eq!(
        client
            .create(
                "/Users",
                &user_with("b", &json!({"locale": "en-US", "roles": []}))
            )
            .body["locale"],
        "en-US"
    );
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

/// 7643-2.4-01, 7644-3.8-06
#[test]
fn multi_valued_attributes_are_arrays() {
    let client = tenant();
    let single = user_with("a", &json!({"emails": {"value": "a@b"}}));
    let answer = strict_tenant().post("/Users", &single).expect(400);
    assert!(
        matches!(
            answer.body["scimType"].as_str(),
            Some("invalidValue" | "invalidSyntax")
        ),
        "{}",
        answer.body
    );
    // OneLogin sends one object; it is wrapped by default (A-34), and comes back as an array.
    let made = client.create("/Users", &single);
    assert_eq!(made.body["emails"], json!([{"value": "a@b"}]));
    let group = client.group("g", &[&made.id()]);
    assert!(client.now(&format!("/Groups/{group}"))["members"].is_array());
    let user = client.now(&format!("/Users/{}", made.id()));
    assert!(
        user["groups"].is_array()
            && user["schemas"].is_array()
            && user["meta"].is_object()
            && user["userName"].is_string()
    );
}

/// 7643-2.4-02
#[test]
fn value_is_the_significant_sub_attribute() {
    let client = tenant();
    client.user_with("a", &json!({"emails": [{"value": "a@b", "display": "z@z"}]}));
    assert_eq!(client.users(r#"emails eq "a@b""#), ["a"]);
    assert_eq!(client.users(r#"emails co "A@""#), ["a"]);
    assert!(client.users(r#"emails eq "z@z""#).is_empty());
}

/// 7643-2.4-03
#[test]
fn one_value_at_most_is_primary() {
    let client = tenant();
    let two = json!({"emails": [{"value": "a", "primary": true}, {"value": "b", "primary": true}]});
    client
        .post("/Users", &user_with("a", &two))
        .expect_error(400, "invalidValue");
    let id = client.user("a");
    client
        .put(&format!("/Users/{id}"), &user_with("a", &two))
        .expect_error(400, "invalidValue");
}

/// 7643-2.4-04
#[test]
fn a_missing_primary_is_false() {
    let client = tenant();
    client.user_with("absent", &json!({"emails": [{"value": "a"}]}));
    client.user_with("false", &json!({"emails": [{"value": "b", "primary": false}]}));
    client.user_with("true", &json!({"emails": [{"value": "c", "primary": true}]}));
    client.user("none");
    assert_eq!(client.users("emails[primary eq false]"), ["absent", "false"]);
    assert_eq!(client.users("emails[primary eq true]"), ["true"]);
}

/// 7643-2.4-05
#[test]
fn display_is_the_clients_for_users_and_the_servers_for_members() {
    let client = tenant();
    let id = client.user_with(
        "a",
        &json!({"displayName": "Ann", "emails": [{"value": "x", "type": "work", "display": "old"}]}),
    );
    let path = format!("/Users/{id}");
    client
        .patch(
            &path,
            &json!([{"op": "replace", "path": "emails[type eq \"work\"].display", "value": "new"}]),
        )
        .expect(200);
    assert_eq!(client.now(&path)["emails"][0]["display"], "new");
    let body =
        json!({"schemas": [GROUP], "displayName": "g", "members": [{"value": id, "display": "Somebody"}]});
    let group = client.create("/Groups", &body).id();
    assert_eq!(
        client.now(&format!("/Groups/{group}"))["members"][0]["display"],
        "Ann"
    );
}

/// 7643-2.4-08
#[test]
fn one_value_may_have_two_types() {
    let emails = json!([{"value": "a@b", "type": "work"}, {"value": "a@b", "type": "home"}]);
    assert_eq!(
        tenant()
            .create("/Users", &user_with("a", &json!({"emails": emails})))
            .body["emails"],
        emails
    );
}

/// 7643-2.4-09
#[test]
fn a_value_with_its_type_is_there_once() {
    let client = tenant();
    let email = json!({"value": "a@b", "type": "work"});
    let path = format!("/Users/{}", client.user_with("a", &json!({"emails": [email]})));
    client
        .patch(&path, &json!([{"op": "add", "path": "emails", "value": [email]}]))
        .expect(200);
    assert_eq!(client.now(&path)["emails"], json!([email]));
}

/// 7643-2.4-10, 7643-4.1.2-07, 7643-4.1.2-09
#[test]
fn canonical_types_are_suggested() {
    let schema = tenant().now(&format!("/Schemas/{USER}"));
    for (name, expected) in [
        ("emails", vec!["home", "other", "work"]),
        (
            "phoneNumbers",
            vec!["fax", "home", "mobile", "other", "pager", "work"],
        ),
        (
            "ims",
            vec!["aim", "gtalk", "icq", "msn", "qq", "skype", "xmpp", "yahoo"],
        ),
        ("photos", vec!["photo", "thumbnail"]),
        ("addresses", vec!["home", "other", "work"]),
    ] {
        let kind = sub_attribute(attribute(&schema, name), "type");
        let mut values: Vec<&str> = kind["canonicalValues"]
            .as_array()
            .expect(name)
            .iter()
            .filter_map(Value::as_str)
            .collect();
        values.sort_unstable();
        assert_eq!(values, expected, "{name}");
    }
}

/// 7643-2.5-01, 7643-2.5-03
#[test]
fn absent_null_and_empty_are_one() {
    let client = tenant();
    let with = client.create(
        "/Users",
        &user_with(
            "a",
            &json!({"title": null, "emails": [], "name": {}, "phoneNumbers": null}),
        ),
    );
    let without = client.create("/Users", &user("b"));
    assert_eq!(keys(&with.body), keys(&without.body));
    assert!(!String::from_utf8_lossy(&with.bytes).contains("null"));
    for filter in ["title pr", "emails pr", "name pr", "phoneNumbers pr"] {
        assert!(client.users(filter).is_empty(), "{filter}");
    }
}

/// 7643-2.5-02, 7644-3.5.1-05
#[test]
fn null_and_empty_arrays_clear() {
    let client = tenant();
    let path = format!(
        "/Users/{}",
        client.user_with(
            "a",
            &json!({"nickName": "n", "emails": [{"value": "x"}], "roles": [{"value": "r"}]})
        )
    );
    let body = user_with(
        "a",
        &json!({"nickName": null, "emails": [{"value": "x"}], "roles": []}),
    );
    let put = client.put(&path, &body).expect(200).body;
    assert!(
        put.get("nickName").is_none() && put.get("roles").is_none(),
        "{put}"
    );
    client
        .patch(&path, &json!([{"op": "replace", "path": "emails", "value": []}]))
        .expect(200);
    assert!(client.now(&path).get("emails").is_none());
    assert!(client.users("emails pr or nickName pr or roles pr").is_empty());
}

/// 7643-3-01, 7643-3.1-17
#[test]
fn each_resource_has_a_type() {
    let client = tenant();
    let made = client.create("/Users", &user("a"));
    assert_eq!(made.body["meta"]["resourceType"], "User");
    let kind = client.now("/ResourceTypes/User");
    assert_eq!(
        (&kind["endpoint"], &kind["schema"]),
        (&json!("/Users"), &json!(USER))
    );
    assert!(client.users(r#"meta.resourceType eq "user""#).is_empty());
    assert_eq!(client.users(r#"meta.resourceType eq "User""#), ["a"]);
}

/// 7643-3-02, 7643-3.3-02, 7643-4.1-01, 7643-4.2-01
#[test]
fn schemas_names_what_is_there() {
    let client = tenant();
    let with = client.create(
        "/Users",
        &user_with("a", &json!({ENTERPRISE: {"department": "d"}})),
    );
    assert_eq!(with.body["schemas"], json!([USER, ENTERPRISE]));
    // Entra lists the URN also without data (A-02).
    let without = client.create(
        "/Users",
        &json!({"schemas": [USER, ENTERPRISE], "userName": "b", ENTERPRISE: {}}),
    );
    assert_eq!(without.body["schemas"], json!([USER]));
    assert!(without.body.get(ENTERPRISE).is_none());
    assert_eq!(
        client.create("/Groups", &group("g", &[])).body["schemas"],
        json!([GROUP])
    );
    client.get(&format!("/Schemas/{USER}")).expect(200);
}

/// 7643-3-03
#[test]
fn schemas_is_never_empty() {
    let client = tenant();
    client.user("a");
    client.group("g", &[]);
    for path in [
        "/Users?attributes=userName",
        "/Groups?attributes=displayName",
        "/Users?excludedAttributes=schemas",
    ] {
        for resource in client.get(path).expect(200).resources() {
            assert_eq!(resource["schemas"].as_array().map(Vec::len), Some(1), "{path}");
        }
    }
    strict_tenant()
        .post("/Users", &json!({"schemas": [], "userName": "b"}))
        .expect_error(400, "invalidSyntax");
}

/// 7643-3-04
#[test]
fn unknown_schemas_are_not_echoed() {
    let client = tenant();
    let entra = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group";
    let made = client.create(
        "/Groups",
        &json!({"schemas": [GROUP, entra], "displayName": "g", entra: {"a": "b"}}),
    );
    assert_eq!(made.body["schemas"], json!([GROUP]));
    assert!(made.body.get(entra).is_none());
}

/// 7643-3-05
#[test]
fn schemas_has_no_duplicates() {
    let made = tenant().create("/Users", &json!({"schemas": [USER, USER], "userName": "a"}));
    assert_eq!(made.body["schemas"], json!([USER]));
}

/// 7643-3-07
#[test]
fn common_attributes_need_no_urn() {
    let client = tenant();
    let user = client.user_with("a", &json!({"externalId": "x"}));
    let group = client
        .create(
            "/Groups",
            &json!({"schemas": [GROUP], "displayName": "g", "externalId": "y"}),
        )
        .id();
    assert_eq!(client.users(r#"externalId eq "x""#), ["a"]);
    assert_eq!(client.users(&format!(r#"id eq "{user}""#)), ["a"]);
    assert_eq!(client.found("/Groups", r#"externalId eq "y""#), ["g"]);
    assert_eq!(client.found("/Groups", &format!(r#"id eq "{group}""#)), ["g"]);
}

/// 7643-3-08, 7643-3.3-04, 7643-4.3-01
#[test]
fn extension_attributes_live_below_their_urn() {
    let client = tenant();
    let stray = client.create("/Users", &user_with("a", &json!({"employeeNumber": "1"})));
    assert!(stray.body.get("employeeNumber").is_none() && stray.body.get(ENTERPRISE).is_none());
    strict_tenant()
        .post("/Users", &user_with("a", &json!({"employeeNumber": "1"})))
        .expect_error(400, "invalidSyntax");
    let boss = client.user("boss");
    let values = json!({"employeeNumber": "1", "costCenter": "c", "organization": "o", "division": "v", "department": "d"});
    let mut extension = values.clone();
    extension["manager"] = json!({"value": boss});
    let made = client.create(
        "/Users",
        &json!({"schemas": [USER], "userName": "b", ENTERPRISE.to_uppercase(): extension}),
    );
    let path = format!("/Users/{}", made.id());
    for (name, value) in values.as_object().expect("an object") {
        assert_eq!(&made.body[ENTERPRISE][name], value);
        let text = value.as_str().expect("a string");
        assert_eq!(
            client.users(&format!(r#"{ENTERPRISE}:{name} eq "{text}""#)),
            ["b"],
            "{name}"
        );
        client
            .patch(
                &path,
                &json!([{"op": "replace", "path": format!("{ENTERPRISE}:{name}"), "value": "new"}]),
            )
            .expect(200);
        assert_eq!(client.now(&path)[ENTERPRISE][name], "new");
    }
    assert_eq!(
        client.users(&format!(r#"{ENTERPRISE}:manager.value eq "{boss}""#)),
        ["b"]
    );
    client
        .patch(
            &path,
            &json!([{"op": "remove", "path": format!("{ENTERPRISE}:manager")}]),
        )
        .expect(200);
    assert!(client.now(&path)[ENTERPRISE].get("manager").is_none());
}

/// 7643-3.1-01
#[test]
fn every_resource_has_id_and_meta() {
    let client = tenant();
    let user = client.user("a");
    let group = client.group("g", &[]);
    for path in [
        format!("/Users/{user}"),
        format!("/Groups/{group}"),
        format!("/Schemas/{USER}"),
    ] {
        let resource = client.now(&path);
        assert!(
            resource["id"].is_string() && resource["meta"]["location"].is_string(),
            "{path}: {resource}"
        );
    }
}

/// 7643-3.1-02, 7643-3.1-07, 7643-3.1-15, 7644-3.3-01
#[test]
fn the_server_assigns_id_and_meta() {
    let client = tenant();
    let group = client.group("g", &[]);
    let attributes = json!({
        "id": "mine",
        "meta": {"created": "1999-01-01T00:00:00Z", "location": "https://evil/", "version": "W/\"99\"", "resourceType": "Group"},
        "groups": [{"value": group}],
    });
    let made = client.create("/Users", &user_with("a", &attributes));
    let id = made.id();
    assert_ne!(id, "mine");
    let meta = &made.body["meta"];
    assert_eq!(meta["location"], format!("{}/Users/{id}", client.base_url));
    assert_eq!(meta["resourceType"], "User");
    assert!(!meta["created"].as_str().expect("a date").starts_with("1999"));
    assert_ne!(meta["version"], "W/\"99\"");
    assert!(made.body.get("groups").is_none());
    let put = client
        .put(&format!("/Users/{id}"), &user_with("a", &attributes))
        .expect(200);
    assert_eq!(put.body, made.body);
}

/// 7643-3.1-03
#[test]
fn common_attributes_are_not_listed_in_schemas() {
    let client = tenant();
    for id in [USER, GROUP] {
        let schema = client.now(&format!("/Schemas/{id}"));
        let names: Vec<&Value> = schema["attributes"]
            .as_array()
            .expect("attributes")
            .iter()
            .map(|it| &it["name"])
            .collect();
        assert!(
            !names
                .iter()
                .any(|it| ["id", "meta", "schemas", "externalId"].contains(&it.as_str().unwrap_or_default())),
            "{names:?}"
        );
    }
    // They are what section 3.1 says all the same: `id` is case-exact.
    let user = client.user("a");
    assert!(
        client
            .users(&format!(r#"id eq "{}""#, user.to_uppercase()))
            .is_empty()
    );
}

/// 7643-3.1-04, 7643-7-18, 7643-3.1-09
#[test]
fn id_is_always_returned() {
    let client = tenant();
    let id = client.user("a");
    for parameters in [
        "attributes=userName",
        "excludedAttributes=id",
        "attributes=title",
        "excludedAttributes=id,userName",
    ] {
        let answer = client.get(&format!("/Users?{parameters}")).expect(200);
        assert_eq!(answer.resources()[0]["id"], id, "{parameters}");
        assert_eq!(
            client.now(&format!("/Users/{id}?{parameters}"))["id"],
            id,
            "{parameters}"
        );
    }
    client
        .get(&format!("/Users/{}", id.to_uppercase()))
        .expect_error(404, "");
    client
        .patch(
            &format!("/Users/{id}"),
            &json!([{"op": "replace", "path": "id", "value": "x"}]),
        )
        .expect_error(400, "mutability");
}

/// 7643-3.1-05, 7643-3.1-08, 7643-9.3-02, 7644-6.2-01, 7644-3.7.2-01
#[test]
fn ids_are_unique_over_types_and_tenants() {
    let (one, other) = two_tenants();
    let mut ids = BTreeSet::new();
    for index in 0..25 {
        for client in [&one, &other] {
            ids.insert(client.user(&format!("u{index}")));
            ids.insert(client.group(&format!("g{index}"), &[]));
        }
    }
    assert_eq!(ids.len(), 100);
    assert!(ids.iter().all(|id| is_uuid(id) && !id.contains("bulkId")));
}

/// 7643-3.1-06, 7643-3.1-18
#[test]
fn id_and_created_never_change() {
    let client = tenant();
    let made = client.create("/Users", &user("a"));
    let path = format!("/Users/{}", made.id());
    let put = client
        .put(&path, &user_with("b", &json!({"id": "x"})))
        .expect(200);
    let patched = client
        .patch(
            &path,
            &json!([{"op": "replace", "value": {"id": "y", "title": "t"}}]),
        )
        .expect(200);
    for answer in [&put, &patched] {
        assert_eq!(answer.body["id"], made.body["id"]);
        assert_eq!(answer.body["meta"]["created"], made.body["meta"]["created"]);
    }
    client.delete(&path).expect(204);
    assert_ne!(client.user("b"), made.id());
}

/// 7643-3.1-10, 7643-3.1-14
#[test]
fn external_id_is_the_clients_and_case_exact() {
    let client = tenant();
    let path = format!("/Users/{}", client.user_with("a", &json!({"externalId": "abc"})));
    assert_eq!(client.users(r#"externalId eq "abc""#), ["a"]);
    assert!(client.users(r#"externalId eq "ABC""#).is_empty());
    client
        .patch(
            &path,
            &json!([{"op": "replace", "path": "externalId", "value": "ABC"}]),
        )
        .expect(200);
    assert_eq!(client.users(r#"externalId eq "ABC""#), ["a"]);
}

/// 7643-3.1-11, 7643-4.1.1-04, 7643-4.1.1-06
#[test]
fn nothing_is_invented() {
    let client = tenant();
    let made = client.create(
        "/Users",
        &user_with("a", &json!({"name": {"givenName": "x", "familyName": "y"}})),
    );
    assert_eq!(keys(&made.body), ["id", "meta", "name", "schemas", "userName"]);
    assert_eq!(made.body["name"], json!({"givenName": "x", "familyName": "y"}));
}

/// 7643-3.1-12, 7643-9.3-03, 7644-6.2-02
#[test]
fn external_ids_stay_in_their_tenant() {
    let (one, other) = two_tenants();
    one.user_with("a", &json!({"externalId": "x"}));
    other.user_with("b", &json!({"externalId": "x"}));
    assert_eq!(one.users(r#"externalId eq "x""#), ["a"]);
    assert_eq!(other.users(r#"externalId eq "x""#), ["b"]);
}

/// 7643-3.1-13
#[test]
fn external_ids_may_be_shared() {
    let client = tenant();
    client.user_with("a", &json!({"externalId": "x"}));
    client.user_with("b", &json!({"externalId": "x"}));
    assert_eq!(client.users(r#"externalId eq "x""#), ["a", "b"]);
}

/// 7643-3.1-16
#[test]
fn meta_is_returned_by_default() {
    let client = tenant();
    let path = format!("/Users/{}", client.user("a"));
    assert!(
        client
            .now(&format!("{path}?attributes=userName"))
            .get("meta")
            .is_none()
    );
    let without = client.now(&format!("{path}?excludedAttributes=meta.version"));
    assert_eq!(
        keys(&without["meta"]),
        ["created", "lastModified", "location", "resourceType"]
    );
    assert_eq!(
        keys(&client.now(&format!("{path}?attributes=meta.version"))["meta"]),
        ["version"]
    );
}

/// 7643-3.1-19
#[test]
fn last_modified_moves_with_changes_only() {
    let client = tenant();
    let made = client.create("/Users", &user("a"));
    let path = format!("/Users/{}", made.id());
    assert_eq!(made.body["meta"]["created"], made.body["meta"]["lastModified"]);
    std::thread::sleep(std::time::Duration::from_millis(5));
    let same = client
        .patch(
            &path,
            &json!([{"op": "replace", "path": "userName", "value": "a"}]),
        )
        .expect(200);
    assert_eq!(same.body["meta"], made.body["meta"]);
    assert_eq!(
        client.put(&path, &user("a")).expect(200).body["meta"],
        made.body["meta"]
    );
    let changed = client
        .patch(&path, &json!([{"op": "add", "path": "title", "value": "t"}]))
        .expect(200);
    let time = |answer: &Answer| {
        answer.body["meta"]["lastModified"]
            .as_str()
            .expect("a date")
            .to_owned()
    };
    assert!(time(&changed) > time(&made));
    assert_ne!(changed.etag(), made.etag());
}

/// 7643-3.1-20, 7643-3.1-21, 7644-3.14-01, 7644-3.14-03
#[test]
fn meta_repeats_location_and_etag() {
    let client = tenant();
    let made = client.create("/Users", &user("a"));
    let location = format!("{}/Users/{}", client.base_url, made.id());
    let read = client.get(&format!("/Users/{}", made.id())).expect(200);
    for answer in [&made, &read] {
        assert_eq!(answer.body["meta"]["location"], location);
        assert_eq!(answer.body["meta"]["version"], answer.etag());
        for name in ["Location", "Content-Location"] {
            assert!(answer.header(name).is_none_or(|it| it == location), "{name}");
        }
    }
    assert_eq!(made.header("Location"), Some(location.as_str()));
}

/// 7643-3.1-22
#[test]
fn versions_are_case_exact() {
    let client = tenant();
    let etag = client.create("/Users", &user("a")).etag();
    let quoted = etag.replace('"', "\\\"");
    assert_eq!(client.users(&format!(r#"meta.version eq "{quoted}""#)), ["a"]);
    assert!(
        client
            .users(&format!(r#"meta.version eq "{}""#, quoted.replace("W/", "w/")))
            .is_empty()
    );
}

/// 7643-3.1-23, 9110-8.8.3-01, 9110-8.8.3-02
#[test]
fn tags_are_weak_because_one_goes_with_many_projections() {
    let client = tenant();
    let id = client.user("a");
    let whole = client.get(&format!("/Users/{id}")).expect(200);
    let part = client
        .get(&format!("/Users/{id}?attributes=userName"))
        .expect(200);
    assert_eq!(whole.etag(), part.etag());
    let tag = whole.etag();
    let opaque = tag
        .strip_prefix("W/\"")
        .and_then(|it| it.strip_suffix('"'))
        .expect("a weak tag");
    assert!(
        !opaque.is_empty()
            && opaque
                .bytes()
                .all(|it| it.is_ascii_graphic() && it != b'"' && it != b'\\'),
        "{tag}"
    );
}

/// 7643-3.2-01, 7643-7-01, 7643-6-06, 7643-6-08, 7643-3.3-05
#[test]
fn every_type_and_schema_in_use_is_published() {
    let client = staff_tenant();
    let types = client.get("/ResourceTypes").expect(200);
    assert!(types.resources().iter().any(|it| it["name"] == "Device"));
    for kind in types.resources() {
        let extensions = kind["schemaExtensions"].as_array().cloned().unwrap_or_default();
        for schema in [&kind["schema"]]
            .into_iter()
            .chain(extensions.iter().map(|it| &it["schema"]))
        {
            client
                .get(&format!("/Schemas/{}", schema.as_str().expect("a URN")))
                .expect(200);
        }
        client.get(kind["endpoint"].as_str().expect("a path")).expect(200);
    }
    let made = client.create(
        "/Users",
        &user_with(
            "a",
            &json!({STAFF: {"plain": "x"}, ENTERPRISE: {"division": "y"}}),
        ),
    );
    for schema in made.body["schemas"].as_array().expect("schemas") {
        client
            .get(&format!("/Schemas/{}", schema.as_str().expect("a URN")))
            .expect(200);
    }
    client
        .get(&format!(
            "/ResourceTypes/{}",
            made.body["meta"]["resourceType"].as_str().expect("a name")
        ))
        .expect(200);
    let device = json!({"schemas": ["urn:example:params:scim:schemas:staff:2.0:Device"], "serial": "1"});
    assert_eq!(
        client.create("/Devices", &device).body["meta"]["resourceType"],
        "Device"
    );
}

/// 7643-3.3-01
#[test]
fn schemas_holds_the_base_schema() {
    let body = json!({"schemas": [ENTERPRISE], "userName": "a", ENTERPRISE: {"division": "d"}});
    for client in [tenant(), strict_tenant()] {
        client.post("/Users", &body).expect_error(400, "invalidSyntax");
    }
}

/// 7643-4.1.1-01
#[test]
fn a_user_has_a_user_name() {
    let client = tenant();
    for body in [
        json!({"schemas": [USER]}),
        user(""),
        json!({"schemas": [USER], "userName": null}),
    ] {
        client.post("/Users", &body).expect_error(400, "invalidValue");
    }
    let path = format!("/Users/{}", client.user("a"));
    client
        .patch(&path, &json!([{"op": "remove", "path": "userName"}]))
        .expect_error(400, "mutability");
    for value in [json!(""), json!(null)] {
        client
            .patch(
                &path,
                &json!([{"op": "replace", "path": "userName", "value": value}]),
            )
            .expect_error(400, "invalidValue");
    }
    assert_eq!(client.now(&path)["userName"], "a");
}

/// 7643-4.1.1-02, 7643-4.1.1-03, 7643-7-13
#[test]
fn user_names_are_unique_whatever_their_case() {
    let (one, other) = two_tenants();
    let made = one.create("/Users", &user("BoB"));
    assert_eq!(made.body["userName"], "BoB");
    one.post("/Users", &user("BoB")).expect_error(409, "uniqueness");
    one.post("/Users", &user("bob")).expect_error(409, "uniqueness");
    other.create("/Users", &user("bob"));
    assert_eq!(one.users(r#"userName eq "BOB""#), ["BoB"]);
}

/// 7643-4.1.1-07
#[test]
fn a_nick_name_may_be_anything() {
    tenant().create("/Users", &user_with("a", &json!({"nickName": "a"})));
}

/// 7643-4.1.1-14
#[test]
fn inactive_users_stay_visible() {
    let client = tenant();
    let made = client.create("/Users", &user("a"));
    // Who is not said to be inactive is active (A-08).
    assert_eq!(client.users("active eq true"), ["a"]);
    let path = format!("/Users/{}", made.id());
    client
        .patch(
            &path,
            &json!([{"op": "replace", "path": "active", "value": false}]),
        )
        .expect(200);
    assert_eq!(client.now(&path)["active"], false);
    assert_eq!(client.users(r#"userName eq "a""#), ["a"]);
    assert_eq!(client.users("active eq false"), ["a"]);
    assert_eq!(client.get("/Users").expect(200).names(), ["a"]);
}

/// 7643-4.1.1-15, 7643-7-17, 7643-7-19, 7643-4.1.1-20, 7643-4.1.1-21
#[test]
fn passwords_are_never_returned_nor_searched() {
    let client = tenant();
    let with = user_with("a", &json!({"password": "s3cret-Pa55"}));
    let made = client.create("/Users", &with);
    let path = format!("/Users/{}", made.id());
    let answers = [
        made,
        client.put(&path, &with).expect(200),
        client
            .patch(
                &path,
                &json!([{"op": "replace", "path": "password", "value": "s3cret-Pa56"}]),
            )
            .expect(200),
        client
            .patch(
                &path,
                &json!([{"op": "replace", "value": {"password": "s3cret-Pa57"}}]),
            )
            .expect(200),
        client.get(&path).expect(200),
        client.get(&format!("{path}?attributes=password")).expect(200),
        client
            .get(&format!("/Users?attributes=password,{USER}:password"))
            .expect(200),
        client
            .post(
                "/Users/.search",
                &json!({"schemas": [SEARCH_REQUEST], "attributes": ["password"]}),
            )
            .expect(200),
    ];
    for answer in answers {
        let text = String::from_utf8_lossy(&answer.bytes);
        assert!(!text.contains("password") && !text.contains("s3cret"), "{text}");
    }
    for filter in [
        "password eq \"s3cret-Pa57\"",
        "password pr",
        "not (password eq \"x\")",
    ] {
        client.refused_filter("/Users", filter);
    }
    client
        .get("/Users?sortBy=password")
        .expect_error(400, "invalidValue");
    let schema = client.now(&format!("/Schemas/{USER}"));
    let password = attribute(&schema, "password");
    assert_eq!(
        (&password["mutability"], &password["returned"]),
        (&json!("writeOnly"), &json!("never"))
    );
}

/// 7643-4.1.2-11
#[test]
fn addresses_may_hold_line_breaks() {
    let addresses = json!([{"formatted": "a\nb\r\nc", "streetAddress": "x\ny"}]);
    assert_eq!(
        tenant()
            .create("/Users", &user_with("a", &json!({"addresses": addresses})))
            .body["addresses"],
        addresses
    );
}

/// 7643-4.1.2-12
#[test]
fn countries_are_checked_only_strictly() {
    let body = user_with("a", &json!({"addresses": [{"country": "USA"}]}));
    strict_tenant()
        .post("/Users", &body)
        .expect_error(400, "invalidValue");
    strict_tenant().create(
        "/Users",
        &user_with("a", &json!({"addresses": [{"country": "US"}]})),
    );
    assert_eq!(
        tenant().create("/Users", &body).body["addresses"],
        json!([{"country": "USA"}])
    );
}

/// 7643-4.1.2-13
#[test]
fn addresses_have_a_primary() {
    let client = tenant();
    let schema = client.now(&format!("/Schemas/{USER}"));
    assert_eq!(
        sub_attribute(attribute(&schema, "addresses"), "primary")["type"],
        "boolean"
    );
    let addresses =
        json!([{"type": "home", "locality": "h", "primary": true}, {"type": "work", "locality": "w"}]);
    let path = format!(
        "/Users/{}",
        client.user_with("a", &json!({"addresses": addresses}))
    );
    let value = json!({"locality": "new", "primary": true});
    client
        .patch(
            &path,
            &json!([{"op": "replace", "path": "addresses[type eq \"work\"]", "value": value}]),
        )
        .expect(200);
    let now = client.now(&path)["addresses"].clone();
    assert_eq!(
        now[1],
        json!({"type": "work", "locality": "new", "primary": true})
    );
    assert!(now[0].get("primary").is_none_or(|it| it == false), "{now}");
}

/// 7643-4.1.2-14, 7643-4.1.2-16
#[test]
fn users_show_the_groups_they_are_in() {
    let client = tenant();
    let id = client.user("a");
    let inner = client.group("inner", &[&id]);
    client.group("outer", &[&inner]);
    let groups = client.now(&format!("/Users/{id}"))["groups"].clone();
    let reference = format!("{}/Groups/{inner}", client.base_url);
    // Memberships through other groups are not expanded (A-23).
    assert_eq!(
        groups,
        json!([{"value": inner, "$ref": reference, "display": "inner", "type": "direct"}])
    );
}

/// 7643-4.1.2-15
#[test]
fn groups_of_a_user_are_read_only() {
    let client = tenant();
    let group = client.group("g", &[]);
    let made = client.create("/Users", &user_with("a", &json!({"groups": [{"value": group}]})));
    let path = format!("/Users/{}", made.id());
    assert!(made.body.get("groups").is_none());
    let put = client
        .put(&path, &user_with("a", &json!({"groups": []})))
        .expect(200);
    assert!(put.body.get("groups").is_none());
    for op in ["add", "replace", "remove"] {
        let operation = json!([{"op": op, "path": "groups", "value": [{"value": group}]}]);
        client.patch(&path, &operation).expect_error(400, "mutability");
    }
    assert_eq!(client.now(&format!("/Groups/{group}"))["members"], json!([]));
}

/// 7643-4.1.2-17
#[test]
fn groups_of_a_user_refer_to_groups() {
    let schema = tenant().now(&format!("/Schemas/{USER}"));
    assert_eq!(
        sub_attribute(attribute(&schema, "groups"), "$ref")["referenceTypes"],
        json!(["Group"])
    );
}

/// 7643-4.1.2-19
#[test]
fn certificates_are_checked_only_strictly() {
    let body = user_with("a", &json!({"x509Certificates": [{"value": "aGVsbG8="}]}));
    strict_tenant()
        .post("/Users", &body)
        .expect_error(400, "invalidValue");
    tenant().create("/Users", &body);
}

/// 7643-4.2-02
#[test]
fn a_group_has_a_display_name() {
    let client = tenant();
    for body in [json!({"schemas": [GROUP]}), group("", &[])] {
        client.post("/Groups", &body).expect_error(400, "invalidValue");
    }
    let schema = client.now(&format!("/Schemas/{GROUP}"));
    assert_eq!(attribute(&schema, "displayName")["required"], true);
}

/// 7643-4.2-03
#[test]
fn a_member_is_immutable_but_comes_and_goes() {
    let client = tenant();
    let (a, b) = (client.user("a"), client.user("b"));
    let path = format!("/Groups/{}", client.group("g", &[&a]));
    let rename = json!([{"op": "replace", "path": format!("members[value eq \"{a}\"].value"), "value": b}]);
    client.patch(&path, &rename).expect_error(400, "mutability");
    client
        .patch(
            &path,
            &json!([{"op": "add", "path": "members", "value": [{"value": b}]}]),
        )
        .expect_success();
    client
        .patch(
            &path,
            &json!([{"op": "remove", "path": format!("members[value eq \"{a}\"]")}]),
        )
        .expect_success();
    assert_eq!(member_ids(&client.now(&path)), [b]);
}

/// 7643-4.2-04
#[test]
fn members_are_shown_with_type_and_reference() {
    let client = tenant();
    let (a, inner) = (client.user("a"), client.group("inner", &[]));
    let path = format!("/Groups/{}", client.group("g", &[&a]));
    client
        .patch(
            &path,
            &json!([{"op": "add", "path": "members", "value": [{"value": inner}]}]),
        )
        .expect_success();
    let base = &client.base_url;
    let expected = json!([
        {"value": a, "$ref": format!("{base}/Users/{a}"), "type": "User", "display": "a"},
        {"value": inner, "$ref": format!("{base}/Groups/{inner}"), "type": "Group", "display": "inner"},
    ]);
    assert_eq!(client.now(&path)["members"], expected);
}

/// 7643-4.2-05
#[test]
fn a_member_has_a_value() {
    let client = tenant();
    let path = format!("/Groups/{}", client.group("g", &[]));
    let operation = json!([{"op": "add", "path": "members", "value": [{"display": "x"}]}]);
    client.patch(&path, &operation).expect_error(400, "invalidValue");
    client
        .post(
            "/Groups",
            &json!({"schemas": [GROUP], "displayName": "h", "members": [{"display": "x"}]}),
        )
        .expect_error(400, "invalidValue");
}

/// 7643-4.2-06
#[test]
fn the_group_schema_lists_what_members_show() {
    let schema = tenant().now(&format!("/Schemas/{GROUP}"));
    let members = attribute(&schema, "members");
    let mut names: Vec<&str> = members["subAttributes"]
        .as_array()
        .expect("subs")
        .iter()
        .filter_map(|it| it["name"].as_str())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["$ref", "display", "type", "value"]);
    assert_eq!(sub_attribute(members, "display")["mutability"], "readOnly");
}

/// 7643-4.3-02, 7643-4.3-03, 7643-4.3-04
#[test]
fn managers_are_shown_by_their_name() {
    let client = tenant();
    let boss = client.user_with("boss", &json!({"displayName": "The Boss"}));
    let path = format!("/Users/{}", client.user("a"));
    let operation = json!([{"op": "add", "path": format!("{ENTERPRISE}:manager"), "value": {"value": boss}}]);
    client.patch(&path, &operation).expect(200);
    let expected = json!({"value": boss, "$ref": format!("{}/Users/{boss}", client.base_url), "displayName": "The Boss"});
    assert_eq!(client.now(&path)[ENTERPRISE]["manager"], expected);
    let body = user_with(
        "a",
        &json!({ENTERPRISE: {"manager": {"value": boss, "displayName": "Somebody"}}}),
    );
    client.put(&path, &body).expect(200);
    assert_eq!(client.now(&path)[ENTERPRISE]["manager"], expected);
    client
        .patch(
            &format!("/Users/{boss}"),
            &json!([{"op": "replace", "path": "displayName", "value": "New"}]),
        )
        .expect(200);
    assert_eq!(client.now(&path)[ENTERPRISE]["manager"]["displayName"], "New");
    let schema = client.now(&format!("/Schemas/{ENTERPRISE}"));
    assert_eq!(
        sub_attribute(attribute(&schema, "manager"), "value")["caseExact"],
        true
    );
}

/// 7643-7-10, 7644-3.5.1-08
#[test]
fn required_attributes_are_there_after_create_and_replace() {
    let client = tenant();
    client
        .post("/Users", &json!({"schemas": [USER], "title": "t"}))
        .expect_error(400, "invalidValue");
    let path = format!("/Users/{}", client.user("a"));
    client
        .put(&path, &json!({"schemas": [USER], "title": "t"}))
        .expect_error(400, "invalidValue");
    let path = format!("/Groups/{}", client.group("g", &[]));
    client
        .put(&path, &json!({"schemas": [GROUP]}))
        .expect_error(400, "invalidValue");
}

/// 7643-7-12, 7644-3.4.2.2-27
#[test]
fn case_exact_governs_filters() {
    let client = tenant();
    let id = client.user_with(
        "Ann",
        &json!({"externalId": "Ext", "emails": [{"value": "Ann@X"}], "profileUrl": "https://X"}),
    );
    for filter in [
        r#"userName eq "aNN""#,
        r#"emails.value sw "ann@""#,
        r#"externalId sw "Ex""#,
        r#"profileUrl co "X""#,
    ] {
        assert_eq!(client.users(filter), ["Ann"], "{filter}");
    }
    for filter in [
        r#"externalId eq "ext""#.to_owned(),
        r#"externalId co "XT""#.into(),
        format!(r#"id eq "{}""#, id.to_uppercase()),
        r#"profileUrl eq "https://x""#.into(),
        r#"meta.version sw "w/""#.into(),
    ] {
        assert!(client.users(&filter).is_empty(), "{filter}");
    }
}

/// 7643-7-14
#[test]
fn read_only_attributes_are_the_servers() {
    let client = staff_tenant();
    let made = client.create(
        "/Users",
        &user_with("a", &json!({STAFF: {"level": 7, "plain": "x"}})),
    );
    assert_eq!(made.body[STAFF], json!({"plain": "x"}));
    let path = format!("/Users/{}", made.id());
    let put = client
        .put(
            &path,
            &user_with("a", &json!({STAFF: {"level": 8, "plain": "x"}})),
        )
        .expect(200);
    assert_eq!(put.body[STAFF], json!({"plain": "x"}));
    let operation = json!([{"op": "replace", "path": format!("{STAFF}:level"), "value": 9}]);
    client.patch(&path, &operation).expect_error(400, "mutability");
}

/// 7643-7-15
#[test]
fn read_write_attributes_can_be_changed_any_time() {
    let client = tenant();
    let path = format!("/Users/{}", client.user("a"));
    for title in ["one", "two"] {
        client
            .patch(
                &path,
                &json!([{"op": "replace", "path": "title", "value": title}]),
            )
            .expect(200);
        assert_eq!(client.now(&path)["title"], title);
    }
}

/// 7643-7-16, 7644-3.5.1-06, 7644-3.5.2-10
#[test]
fn immutable_attributes_are_set_once() {
    let client = staff_tenant();
    let with = |place: &str| user_with("a", &json!({STAFF: {"birthplace": place}}));
    let path = format!("/Users/{}", client.create("/Users", &with("Ulm")).id());
    client.put(&path, &with("Bonn")).expect_error(400, "mutability");
    assert_eq!(
        client.put(&path, &with("Ulm")).expect(200).body[STAFF]["birthplace"],
        "Ulm"
    );
    let attribute = format!("{STAFF}:birthplace");
    for (op, value) in [("replace", "Bonn"), ("add", "Bonn")] {
        client
            .patch(&path, &json!([{"op": op, "path": attribute, "value": value}]))
            .expect_error(400, "mutability");
    }
    assert_eq!(client.now(&path)[STAFF]["birthplace"], "Ulm");
    let unset = format!("/Users/{}", client.user("b"));
    client
        .patch(
            &unset,
            &json!([{"op": "add", "path": attribute, "value": "Bonn"}]),
        )
        .expect(200);
    assert_eq!(client.now(&unset)[STAFF]["birthplace"], "Bonn");
    let put = format!("/Users/{}", client.user("c"));
    let body = user_with("c", &json!({STAFF: {"birthplace": "Köln"}}));
    assert_eq!(
        client.put(&put, &body).expect(200).body[STAFF]["birthplace"],
        "Köln"
    );
}

/// 7643-7-20
#[test]
fn default_attributes_are_returned_unless_others_are_named() {
    let client = tenant();
    let path = format!("/Users/{}", client.user_with("a", &json!({"title": "t"})));
    assert_eq!(client.now(&path)["title"], "t");
    assert!(
        client
            .now(&format!("{path}?attributes=userName"))
            .get("title")
            .is_none()
    );
    assert!(
        client
            .now(&format!("{path}?excludedAttributes=title"))
            .get("title")
            .is_none()
    );
}

/// 7643-7-21
#[test]
fn attributes_on_request_come_on_request() {
    let client = staff_tenant();
    let body = user_with(
        "a",
        &json!({STAFF: {"notes": "n", "desk": {"building": "b", "key": "k"}}}),
    );
    let made = client.create("/Users", &body);
    // The client sent them, so the answer has them.
    assert_eq!(made.body[STAFF]["notes"], "n");
    let path = format!("/Users/{}", made.id());
    assert_eq!(client.now(&path)[STAFF], json!({"desk": {"building": "b"}}));
    assert_eq!(
        client.now(&format!("{path}?attributes={STAFF}:notes"))[STAFF],
        json!({"notes": "n"})
    );
    let patched = client
        .patch(&path, &json!([{"op": "replace", "path": "title", "value": "t"}]))
        .expect(200);
    assert!(patched.body[STAFF].get("notes").is_none(), "{}", patched.body);
    let listed = client.get("/Users").expect(200);
    assert!(listed.resources()[0][STAFF].get("notes").is_none());
}

/// 7643-7-22, 7644-3.5.1-10
#[test]
fn a_taken_user_name_is_a_conflict_for_put_and_patch_too() {
    let client = tenant();
    client.user("a");
    let path = format!("/Users/{}", client.user("b"));
    client.put(&path, &user("A")).expect_error(409, "uniqueness");
    client
        .patch(
            &path,
            &json!([{"op": "replace", "path": "userName", "value": "a"}]),
        )
        .expect_error(409, "uniqueness");
    assert_eq!(client.now(&path)["userName"], "b");
    // Its own name is nobody else's.
    assert_eq!(client.put(&path, &user("B")).expect(200).body["userName"], "B");
}

/// 7643-7-23
#[test]
fn one_of_many_racing_creates_wins() {
    let client = tenant();
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let racers: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| client.post("/Users", &user("one")).status))
            .collect();
        racers
            .into_iter()
            .map(|it| it.join().expect("no panic"))
            .collect()
    });
    assert_eq!(
        statuses.iter().filter(|it| **it == 201).count(),
        1,
        "{statuses:?}"
    );
    assert_eq!(
        statuses.iter().filter(|it| **it == 409).count(),
        7,
        "{statuses:?}"
    );
    assert_eq!(client.users(r#"userName eq "one""#).len(), 1);
}

/// 7643-9.2-02
#[test]
fn quotes_and_wildcards_are_data() {
    let client = tenant();
    client.user("a");
    client.user("100%");
    client.user("o'x\"_\\");
    for filter in [
        r#"userName eq "' or 1=1 --""#,
        r#"userName co "_a""#,
        r#"userName eq "%""#,
        r#"userName sw "\u0025""#,
    ] {
        assert!(client.users(filter).is_empty(), "{filter}");
    }
    assert_eq!(client.users(r#"userName co "%""#), ["100%"]);
    assert_eq!(client.users(r#"userName co "'""#), ["o'x\"_\\"]);
    assert_eq!(client.users(r#"userName ew "\"_\\""#), ["o'x\"_\\"]);
}

// What the tests above read out of documents.

fn attribute<'a>(schema: &'a Value, name: &str) -> &'a Value {
    schema["attributes"]
        .as_array()
        .and_then(|all| all.iter().find(|it| it["name"] == name))
        .expect(name)
}

fn sub_attribute<'a>(attribute: &'a Value, name: &str) -> &'a Value {
    attribute["subAttributes"]
        .as_array()
        .and_then(|all| all.iter().find(|it| it["name"] == name))
        .expect(name)
}

/// All attributes and sub-attributes of all published schemas, by `urn:…:User:name.givenName`.
fn all_attributes(client: &Client) -> Vec<(String, Value)> {
    fn walk(prefix: &str, separator: char, list: &Value, found: &mut Vec<(String, Value)>) {
        for attribute in list.as_array().into_iter().flatten() {
            let path = format!("{prefix}{separator}{}", attribute["name"].as_str().unwrap_or("?"));
            walk(&path, '.', &attribute["subAttributes"], found);
            found.push((path, attribute.clone()));
        }
    }
    let mut found = Vec::new();
    for schema in client.get("/Schemas").expect(200).resources() {
        walk(
            schema["id"].as_str().unwrap_or("?"),
            ':',
            &schema["attributes"],
            &mut found,
        );
    }
    assert!(found.len() > 100);
    found
}

/// Every `$ref` of a group and of a user.
fn references(client: &Client, group: &str, user: &str) -> Vec<String> {
    let group = client.now(&format!("/Groups/{group}"));
    let user = client.now(&format!("/Users/{user}"));
    let lists = [&group["members"], &user["groups"]];
    let values = lists
        .into_iter()
        .filter_map(Value::as_array)
        .flatten()
        .chain([&user[ENTERPRISE]["manager"]]);
    values
        .filter_map(|it| it["$ref"].as_str())
        .map(str::to_owned)
        .collect()
}

fn member_ids(group: &Value) -> Vec<String> {
    group["members"]
        .as_array()
        .expect("members")
        .iter()
        .filter_map(|it| it["value"].as_str())
        .map(str::to_owned)
        .collect()
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, it)| {
            if [8, 13, 18, 23].contains(&at) {
                it == b'-'
            } else {
                matches!(it, b'0'..=b'9' | b'a'..=b'f')
            }
        })
}
