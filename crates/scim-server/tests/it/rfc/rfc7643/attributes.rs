//! RFC 7643 sections 1, 2.1, 2.2 and 2.5: attributes, their names, and values that are unassigned.

use serde_json::json;

use super::documents::{all_attributes, attribute};
use crate::rfc::client::*;
use crate::rfc::tenants::{staff_tenant, strict_tenant, tenant};

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
