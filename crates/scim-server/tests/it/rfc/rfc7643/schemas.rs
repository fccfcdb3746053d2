//! RFC 7643 sections 3, 3.2 and 3.3: resource types, `schemas` and extensions.

use serde_json::json;

use crate::rfc::client::*;
use crate::rfc::tenants::{staff_tenant, strict_tenant, tenant};

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
