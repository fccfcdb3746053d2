//! RFC 7643 sections 1, 2.1, 2.2 and 2.5: attributes, their names, and values that are unassigned.

use serde_json::json;

use super::documents::{all_attributes, attribute};
use super::writing::{refused_each_way, stored_each_way};
use crate::rfc::client::*;
use crate::rfc::tenants::{staff_tenant, strict_tenant, tenant};

/// 7643-1.1-01
#[test]
fn optional_attributes_may_be_absent() {
    for client in [tenant(), strict_tenant()] {
        let path = format!("/Users/{}", client.user("a"));
        client.put(&path, &user("b")).expect(200);
        let group = json!({"schemas": [GROUP], "displayName": "g"});
        let path = format!("/Groups/{}", client.create("/Groups", &group).id());
        client.put(&path, &group).expect(200);
        // Nor does a complex value need all of its sub-attributes, or an extension all of its attributes.
        for attributes in [
            json!({"name": {"familyName": "f"}}),
            json!({"emails": [{"value": "a@b"}]}),
            json!({"addresses": [{"locality": "l"}]}),
            json!({ENTERPRISE: {"department": "d"}}),
            json!({ENTERPRISE: {"manager": {"value": "m"}}}),
        ] {
            stored_each_way(&client, "/Users", &attributes);
        }
    }
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
    let client = staff_tenant();
    for (path, attribute) in all_attributes(&client) {
        match attribute.get("subAttributes") {
            Some(subs) => {
                assert_eq!(attribute["type"], "complex", "{path}");
                assert!(subs.as_array().is_some_and(|it| !it.is_empty()), "{path}");
            }
            None => assert_ne!(attribute["type"], "complex", "{path}"),
        }
    }
    for attributes in [
        json!({"title": {"x": 1}}),
        json!({"name": {"givenName": {"x": 1}}}),
        json!({STAFF: {"plain": {"x": 1}}}),
        json!({STAFF: {"tags": [{"x": 1}]}}),
    ] {
        refused_each_way(&client, "/Users", &attributes, "invalidValue");
    }
    client.refused_filter("/Users", r#"title.x eq "a""#);
    let path = format!("/Users/{}", client.user("a"));
    client
        .patch(&path, &json!([{"op": "add", "path": "title.x", "value": "a"}]))
        .expect_error(400, "invalidPath");
}

/// 7643-2.1-01
#[test]
fn attribute_names_are_case_insensitive() {
    let client = tenant();
    client.user_with("z", &json!({"title": "first"}));
    let made = client.create(
        "/Users",
        &json!({"SCHEMAS": [USER], "USERNAME": "a", "eMails": [{"VALUE": "a@b", "TYPE": "work"}]}),
    );
    let emails = json!([{"value": "a@b", "type": "work"}]);
    assert_eq!(made.body["userName"], "a");
    assert_eq!(made.body["emails"], emails);
    assert!(made.body.get("USERNAME").is_none());
    let path = format!("/Users/{}", made.id());
    for filter in [
        r#"USERNAME eq "a""#,
        r#"EMAILS.Value eq "a@b""#,
        r#"Emails[Type eq "work" and VALUE pr]"#,
        r#"META.RESOURCETYPE eq "User" and username sw "a""#,
    ] {
        assert_eq!(client.users(filter), ["a"], "{filter}");
    }
    for parameters in ["attributes=UserName", "excludedAttributes=META,EMAILS"] {
        let shown = client.now(&format!("{path}?{parameters}"));
        assert_eq!(keys(&shown), ["id", "schemas", "userName"], "{parameters}");
    }
    for name in ["userName", "USERNAME"] {
        let sorted = client.get(&format!("/Users?sortBy={name}")).expect(200);
        assert_eq!(sorted.names(), ["a", "z"], "{name}");
    }
    for operation in [
        json!({"op": "replace", "path": "TITLE", "value": "t"}),
        json!({"op": "replace", "value": {"NickName": "n"}}),
        json!({"op": "replace", "path": "EMAILS[TYPE eq \"work\"].Display", "value": "d"}),
    ] {
        client.patch(&path, &json!([operation])).expect(200);
    }
    let now = client.now(&path);
    assert_eq!((&now["title"], &now["nickName"]), (&json!("t"), &json!("n")));
    assert_eq!(
        now["emails"],
        json!([{"value": "a@b", "type": "work", "display": "d"}])
    );
    let put = client
        .put(&path, &json!({"Schemas": [USER], "username": "b", "TITLE": "u"}))
        .expect(200);
    assert_eq!(keys(&put.body), ["id", "meta", "schemas", "title", "userName"]);
    let body = json!({"Schemas": [GROUP], "DisplayName": "g", "MEMBERS": [{"VALUE": made.id()}]});
    let group = client.create("/Groups", &body);
    assert_eq!(group.body["displayName"], "g");
    assert_eq!(group.body["members"][0]["value"], made.id());
}

/// 7643-2.1-02, 7644-3.1-02
#[test]
fn every_document_names_its_schemas() {
    let client = tenant();
    let id = client.user("a");
    let search = json!({"schemas": [SEARCH_REQUEST], "filter": "userName pr"});
    let user_path = format!("/Users/{id}");
    let change = json!([{"op": "replace", "path": "title", "value": "t"}]);
    for (answer, schemas) in [
        (client.post("/Users", &user("b")), USER),
        (client.get(&user_path), USER),
        (client.put(&user_path, &user("a")), USER),
        (client.patch(&user_path, &change), USER),
        (client.post("/Groups", &group("g", &[&id])), GROUP),
        (client.get("/Users"), LIST_RESPONSE),
        (client.get("/Groups"), LIST_RESPONSE),
        (client.post("/Users/.search", &search), LIST_RESPONSE),
        (client.post("/.search", &search), LIST_RESPONSE),
        (client.get("/Schemas"), LIST_RESPONSE),
        (client.get("/ResourceTypes"), LIST_RESPONSE),
        (
            client.get(&format!("/Schemas/{USER}")),
            "urn:ietf:params:scim:schemas:core:2.0:Schema",
        ),
        (
            client.get("/ResourceTypes/User"),
            "urn:ietf:params:scim:schemas:core:2.0:ResourceType",
        ),
        (
            client.get("/ServiceProviderConfig"),
            "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig",
        ),
        (client.get("/nothing"), ERROR),
    ] {
        assert_eq!(answer.body["schemas"], json!([schemas]), "{}", answer.body);
    }

    let strict = strict_tenant();
    let (user_path, group_path) = (
        format!("/Users/{}", strict.user("a")),
        format!("/Groups/{}", strict.group("g", &[])),
    );
    for (method, path, body) in [
        ("POST", "/Users", json!({"userName": "b"})),
        ("PUT", &user_path, json!({"userName": "b"})),
        ("PATCH", &user_path, json!({"Operations": change})),
        ("POST", "/Groups", json!({"displayName": "h"})),
        ("PUT", &group_path, json!({"displayName": "h"})),
        ("POST", "/Users/.search", json!({"filter": "userName pr"})),
    ] {
        strict
            .send(method, path, &[], Some(body.to_string().as_bytes()))
            .expect_error(400, "invalidSyntax");
    }
    // OneLogin and Google leave `schemas` out, so the default settings accept that (A-01).
    let made = client.create("/Users", &json!({"userName": "c"}));
    assert_eq!(made.body["schemas"], json!([USER]));
}

/// 7643-2.1-03
#[test]
fn attribute_names_follow_the_grammar() {
    let client = staff_tenant();
    client.group("g", &[&client.user("a")]);
    assert_eq!(client.found("/Groups", "members.$ref pr"), ["g"]);
    // Every character that the grammar allows in a name.
    client.user_with("b", &json!({STAFF: {"Room-1_a$": "r"}}));
    assert_eq!(client.users(&format!(r#"{STAFF}:Room-1_a$ eq "r""#)), ["b"]);
    for name in ["1x", "_x", "-x", "a b", "a+b", "a*b"] {
        client.refused_filter("/Users", &format!(r#"{name} eq "a""#));
    }
}

/// 7643-2.1-04
#[test]
fn keywords_are_case_insensitive_and_names_are_ascii() {
    let client = tenant();
    let id = client.user_with("a", &json!({"active": true}));
    client.user_with("b", &json!({"active": false, "title": "t"}));
    for filter in [
        r#"userName EQ "a" AND active PR"#,
        r#"NOT (userName Eq "b")"#,
        r#"userName Ne "b""#,
        r#"userName CO "a" And Not (title pR)"#,
        r#"userName SW "a" oR userName eW "a""#,
        r#"userName GE "a" and userName LE "a""#,
        r#"userName LT "b" or userName GT "b""#,
        &format!(r#"{}:userName eq "a""#, USER.to_uppercase()),
    ] {
        assert_eq!(client.users(filter), ["a"], "{filter}");
    }
    let path = format!("/Users/{id}");
    let upper = USER.to_uppercase();
    assert_eq!(
        keys(&client.now(&format!("{path}?attributes={upper}:userName"))),
        ["id", "schemas", "userName"]
    );
    client
        .patch(
            &path,
            &json!([{"op": "replace", "path": format!("{upper}:title"), "value": "u"}]),
        )
        .expect(200);
    assert_eq!(client.now(&path)["title"], "u");
    for filter in [r#"usérName eq "a""#, r#"userNameé pr"#] {
        client.refused_filter("/Users", filter);
    }
    client
        .patch(&path, &json!([{"op": "replace", "path": "títle", "value": "x"}]))
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
    client.user_with("b", &json!({STAFF: {"cost-center": "c1"}}));
    let sorted = client.get(&format!("/Users?sortBy={path}")).expect(200);
    assert_eq!(sorted.names(), ["b", "a"]);
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
    // The attribute behaves as published: optional, any string and only a string, case-insensitive,
    // not unique, returned, and writable at any time.
    client.user("none");
    let path = format!(
        "/Users/{}",
        client.user_with("a", &json!({STAFF: {"plain": "X"}}))
    );
    let second = client.create("/Users", &user_with("b", &json!({STAFF: {"plain": "x"}})));
    assert_eq!(second.body[STAFF]["plain"], "x");
    assert_eq!(client.users(&format!(r#"{STAFF}:plain eq "X""#)), ["a", "b"]);
    for value in [json!(1), json!(true), json!({"value": "x"}), json!(["x", "y"])] {
        refused_each_way(
            &client,
            "/Users",
            &json!({STAFF: {"plain": value}}),
            "invalidValue",
        );
    }
    for (way, user) in stored_each_way(&client, "/Users", &json!({STAFF: {"plain": "any"}})) {
        assert_eq!(user[STAFF], json!({"plain": "any"}), "{way}");
    }
    let body = user_with("a", &json!({STAFF: {"plain": "changed"}}));
    assert_eq!(
        client.put(&path, &body).expect(200).body[STAFF],
        json!({"plain": "changed"})
    );
}

/// 7643-2.5-01, 7643-2.5-03
#[test]
fn absent_null_and_empty_are_the_same() {
    let client = tenant();
    let plain = client.create("/Users", &user("b"));
    let attributes = json!({
        "title": null, "emails": [], "name": {}, "phoneNumbers": null, "nickName": null, "externalId": null,
        "active": null, "ims": [{}], "addresses": [{"locality": null}], ENTERPRISE: {"department": null},
    });
    for (way, user) in stored_each_way(&client, "/Users", &attributes) {
        assert_eq!(keys(&user), keys(&plain.body), "{way}");
        assert_eq!(user["schemas"], json!([USER]), "{way}");
    }
    for (way, user) in stored_each_way(
        &client,
        "/Users",
        &json!({"name": {"givenName": "g", "familyName": null}, "emails": [{"value": "a@b", "type": null}]}),
    ) {
        assert_eq!(user["name"], json!({"givenName": "g"}), "{way}");
        assert_eq!(user["emails"], json!([{"value": "a@b"}]), "{way}");
    }
    for (way, group) in stored_each_way(&client, "/Groups", &json!({"externalId": null, "members": null})) {
        // A group without members says so; everything else that is unassigned is left out (A-24).
        assert_eq!(
            keys(&group),
            ["displayName", "id", "members", "meta", "schemas"],
            "{way}"
        );
        assert_eq!(group["members"], json!([]), "{way}");
    }
    for filter in [
        "title pr",
        "phoneNumbers pr",
        "name.familyName pr",
        "emails.type pr",
        "ims pr",
        "addresses pr",
        "nickName pr",
        "externalId pr",
        "groups pr",
        &format!("{ENTERPRISE}:department pr"),
    ] {
        assert!(client.users(filter).is_empty(), "{filter}");
    }
    for path in ["/Users", "/Groups"] {
        let listed = client.get(path).expect(200);
        assert!(!String::from_utf8_lossy(&listed.bytes).contains("null"), "{path}");
    }
}

/// 7643-2.5-02, 7644-3.5.1-05
#[test]
fn null_and_empty_arrays_clear() {
    let client = tenant();
    let attributes = json!({
        "nickName": "n", "externalId": "x", "name": {"givenName": "g", "familyName": "f"},
        "emails": [{"value": "e", "display": "d"}], "roles": [{"value": "r"}], ENTERPRISE: {"department": "d"},
    });
    let cleared = json!({
        "nickName": null, "externalId": null, "name": {"givenName": "g", "familyName": null},
        "emails": [{"value": "e", "display": null}], "roles": [], ENTERPRISE: {"department": null},
    });
    let body = user_with("a", &cleared);
    let by_name = [
        ("nickName", json!(null)),
        ("externalId", json!(null)),
        ("name.familyName", json!(null)),
        ("emails[value eq \"e\"].display", json!(null)),
        ("roles", json!([])),
        (&format!("{ENTERPRISE}:department"), json!(null)),
    ]
    .map(|(path, value)| json!({"op": "replace", "path": path, "value": value}));
    let without_path = json!([{"op": "replace", "value": cleared}]);
    let paths = ["a", "b", "c"].map(|it| format!("/Users/{}", client.user_with(it, &attributes)));
    client.put(&paths[0], &body).expect(200);
    client.patch(&paths[1], &json!(by_name)).expect(200);
    client.patch(&paths[2], &without_path).expect(200);
    for path in &paths {
        let user = client.now(path);
        assert_eq!(
            keys(&user),
            ["emails", "id", "meta", "name", "schemas", "userName"]
        );
        assert_eq!(user["name"], json!({"givenName": "g"}));
        assert_eq!(user["emails"], json!([{"value": "e"}]));
        client
            .patch(path, &json!([{"op": "replace", "path": "emails", "value": []}]))
            .expect(200);
        assert!(client.now(path).get("emails").is_none());
    }
    let filter = "emails pr or nickName pr or roles pr or externalId pr or name.familyName pr";
    assert!(client.users(filter).is_empty());

    for (name, cleared) in [("null", json!(null)), ("empty", json!([]))] {
        let path = format!("/Groups/{}", client.group(name, &[&client.user(name)]));
        client
            .patch(
                &path,
                &json!([{"op": "replace", "path": "members", "value": cleared}]),
            )
            .expect_success();
        assert_eq!(client.now(&path)["members"], json!([]), "{name}");
    }
    let path = format!("/Groups/{}", client.group("g", &[&client.user("d")]));
    client.put(&path, &group("g", &[])).expect(200);
    assert_eq!(client.now(&path)["members"], json!([]));
}
