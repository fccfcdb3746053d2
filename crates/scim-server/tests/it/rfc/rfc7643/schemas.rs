//! RFC 7643 sections 3, 3.2 and 3.3: resource types, `schemas` and extensions.

use serde_json::{Value, json};

use super::writing::stored_each_way;
use crate::rfc::client::*;
use crate::rfc::tenants::{staff_tenant, strict_tenant, tenant};

const DEVICE: &str = "urn:example:params:scim:schemas:staff:2.0:Device";

/// 7643-3-01, 7643-3.1-17, 7643-3.3-05, 7643-6-03
#[test]
fn each_resource_has_a_type() {
    let client = staff_tenant();
    let device = json!({"schemas": [DEVICE], "serial": "s", "displayName": "d"});
    for (name, endpoint, schema, body) in [
        ("User", "/Users", USER, user("u")),
        ("Group", "/Groups", GROUP, group("g", &[])),
        ("Device", "/Devices", DEVICE, device),
    ] {
        let made = client.create(endpoint, &body);
        assert_eq!(made.body["meta"]["resourceType"], name);
        let read = client.now(&format!("{endpoint}/{}", made.id()));
        assert_eq!(read["meta"]["resourceType"], name);
        let published = client.now(&format!("/ResourceTypes/{name}"));
        assert_eq!(
            (&published["name"], &published["endpoint"], &published["schema"]),
            (&json!(name), &json!(endpoint), &json!(schema))
        );
        let found = |filter: String| client.found(endpoint, &filter).len();
        assert_eq!(found(format!(r#"meta.resourceType eq "{name}""#)), 1);
        let other_case = name.to_lowercase();
        assert_eq!(found(format!(r#"meta.resourceType eq "{other_case}""#)), 0);
        client
            .patch(
                &format!("{endpoint}/{}", made.id()),
                &json!([{"op": "replace", "path": "meta.resourceType", "value": "Other"}]),
            )
            .expect_error(400, "mutability");
    }
}

/// 7643-3-02, 7643-3.3-02, 7643-4.1-01, 7643-4.2-01
#[test]
fn schemas_names_the_schemas_that_have_data() {
    let client = tenant();
    let both = json!([USER, ENTERPRISE]);
    for (way, user) in stored_each_way(&client, "/Users", &json!({ENTERPRISE: {"department": "d"}})) {
        assert_eq!(user["schemas"], both, "{way}");
    }
    // Entra lists the URN also without data (A-02).
    let without = client.create(
        "/Users",
        &json!({"schemas": [USER, ENTERPRISE], "userName": "b", ENTERPRISE: {}}),
    );
    assert_eq!(without.body["schemas"], json!([USER]));
    assert!(without.body.get(ENTERPRISE).is_none());
    // The list follows the data as it comes and goes.
    let path = format!("/Users/{}", without.id());
    let department = format!("{ENTERPRISE}:department");
    for (operation, schemas) in [
        (
            json!({"op": "add", "path": department, "value": "d"}),
            both.clone(),
        ),
        (json!({"op": "remove", "path": department}), json!([USER])),
        (
            json!({"op": "add", "value": {ENTERPRISE: {"division": "d"}}}),
            both,
        ),
        (json!({"op": "remove", "path": ENTERPRISE}), json!([USER])),
    ] {
        let patched = client.patch(&path, &json!([operation])).expect(200);
        assert_eq!(patched.body["schemas"], schemas, "{operation}");
        assert_eq!(client.now(&path)["schemas"], schemas, "{operation}");
        let listed = client
            .get(&format!("/Users{}", query(&[("filter", "userName eq \"b\"")])))
            .expect(200);
        assert_eq!(listed.resources()[0]["schemas"], schemas, "{operation}");
    }
    for (way, group) in stored_each_way(&client, "/Groups", &json!({"externalId": "x"})) {
        assert_eq!(group["schemas"], json!([GROUP]), "{way}");
    }
    for urn in [USER, GROUP] {
        assert_eq!(client.now(&format!("/Schemas/{urn}"))["id"], urn);
    }
}

/// 7643-3-03, 7643-3.3-01
#[test]
fn schemas_is_never_empty() {
    let client = tenant();
    let user_path = format!("/Users/{}", client.user("a"));
    client.group("g", &[]);
    for path in [
        "/Users?attributes=userName",
        "/Users?attributes=title",
        "/Groups?attributes=displayName",
        "/Users?excludedAttributes=schemas",
        "/Groups?excludedAttributes=schemas",
    ] {
        for resource in client.get(path).expect(200).resources() {
            let schema = if path.starts_with("/Users") { USER } else { GROUP };
            assert_eq!(resource["schemas"], json!([schema]), "{path}");
        }
    }
    let search = json!({"schemas": [SEARCH_REQUEST], "filter": "userName pr", "attributes": ["userName"]});
    let change = json!([{"op": "replace", "path": "title", "value": "t"}]);
    for answer in [
        client.get(&format!("{user_path}?excludedAttributes=schemas")),
        client.post("/Users?excludedAttributes=schemas", &user("b")),
        client.put(&format!("{user_path}?attributes=userName"), &user("c")),
        client.patch(&format!("{user_path}?attributes=title"), &change),
    ] {
        assert_eq!(answer.body["schemas"], json!([USER]), "{}", answer.body);
    }
    for resource in client.post("/.search", &search).expect(200).resources() {
        assert_eq!(resource["schemas"], json!([USER]));
    }
    let strict = strict_tenant();
    let path = format!("/Users/{}", strict.user("a"));
    let empty = json!({"schemas": [], "userName": "b"});
    strict.post("/Users", &empty).expect_error(400, "invalidSyntax");
    strict.put(&path, &empty).expect_error(400, "invalidSyntax");
    strict
        .post("/Groups", &json!({"schemas": [], "displayName": "g"}))
        .expect_error(400, "invalidSyntax");
}

/// 7643-3-04
#[test]
fn undeclared_schemas_are_not_echoed() {
    let client = tenant();
    // Entra sends this URN with groups. The enterprise extension is one of users only, and a key with its URN is refused
    // (`leniencies::a_key_with_the_schema_of_another_type_is_refused`).
    let entra = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group";
    let body = |base: &str, name: &str| {
        let value = format!("v-{name}");
        match base {
            GROUP => json!({"schemas": [GROUP, entra, ENTERPRISE], "displayName": value,
                entra: {"a": "b"}, ENTERPRISE: {}}),
            _ => {
                json!({"schemas": [USER, entra, GROUP], "userName": value, entra: {"a": "b"}, GROUP: {}})
            }
        }
    };
    for (endpoint, schema, existing) in [
        ("/Users", USER, client.user("a")),
        ("/Groups", GROUP, client.group("g", &[])),
    ] {
        let path = format!("{endpoint}/{existing}");
        let unknown = json!([{"op": "add", "value": {"schemas": [schema, entra], entra: {"a": "b"}}}]);
        let made = client.create(endpoint, &body(schema, "post"));
        let put = client.put(&path, &body(schema, "put")).expect(200);
        client.patch(&path, &unknown).expect_success();
        for resource in [made.body, put.body, client.now(&path)] {
            assert_eq!(resource["schemas"], json!([schema]));
            for urn in [entra, ENTERPRISE] {
                assert!(resource.get(urn).is_none(), "{resource}");
            }
        }
        client
            .patch(
                &path,
                &json!([{"op": "add", "path": "schemas", "value": [entra]}]),
            )
            .expect_error(400, "invalidValue");
    }
}

/// 7643-3-05
#[test]
fn schemas_has_no_duplicates() {
    let client = tenant();
    let upper = USER.to_uppercase();
    let body = |name: &str| json!({"schemas": [USER, USER, upper], "userName": name});
    let made = client.create("/Users", &body("a"));
    assert_eq!(made.body["schemas"], json!([USER]));
    let path = format!("/Users/{}", made.id());
    assert_eq!(
        client.put(&path, &body("b")).expect(200).body["schemas"],
        json!([USER])
    );
    for operation in [
        json!({"op": "add", "path": "schemas", "value": [USER]}),
        json!({"op": "add", "value": {"schemas": [USER, USER]}}),
    ] {
        client.patch(&path, &json!([operation])).expect(200);
        assert_eq!(client.now(&path)["schemas"], json!([USER]), "{operation}");
    }
    let twice = json!({"schemas": [GROUP, GROUP], "displayName": "g"});
    assert_eq!(client.create("/Groups", &twice).body["schemas"], json!([GROUP]));
}

/// 7643-3-07
#[test]
fn common_attributes_need_no_urn() {
    let client = staff_tenant();
    for (endpoint, body) in [
        ("/Users", user("name")),
        ("/Groups", group("name", &[])),
        (
            "/Devices",
            json!({"schemas": [DEVICE], "serial": "s", "displayName": "name"}),
        ),
    ] {
        let made = client.create(endpoint, &body);
        let path = format!("{endpoint}/{}", made.id());
        client
            .patch(&path, &json!([{"op": "add", "path": "externalId", "value": "x"}]))
            .expect_success();
        let location = made.body["meta"]["location"].as_str().expect("a URI");
        for filter in [
            r#"externalId eq "x""#.to_owned(),
            format!(r#"id eq "{}""#, made.id()),
            format!(r#"meta.location eq "{location}""#),
            "meta.created pr and meta.lastModified pr".into(),
        ] {
            assert_eq!(client.found(endpoint, &filter), ["name"], "{endpoint} {filter}");
        }
        assert_eq!(
            client.now(&format!("{path}?attributes=externalId"))["externalId"],
            "x"
        );
        client.get(&format!("{endpoint}?sortBy=externalId")).expect(200);
    }
}

/// 7643-3-08, 7643-3.3-04, 7643-4.3-01
#[test]
fn extension_attributes_live_below_their_urn() {
    let client = tenant();
    // At the top level the name is unknown (A-11).
    let stray = json!({"employeeNumber": "1"});
    for path in [
        format!("/Users/{}", client.create("/Users", &user_with("a", &stray)).id()),
        format!("/Users/{}", client.user("put")),
        format!("/Users/{}", client.user("patch")),
    ] {
        client.put(&path, &user_with("a", &stray)).expect(200);
        client
            .patch(&path, &json!([{"op": "add", "value": stray}]))
            .expect(200);
        let user = client.now(&path);
        assert!(
            user.get("employeeNumber").is_none() && user.get(ENTERPRISE).is_none(),
            "{user}"
        );
        client
            .patch(
                &path,
                &json!([{"op": "add", "path": "employeeNumber", "value": "1"}]),
            )
            .expect_error(400, "invalidPath");
        client.delete(&path).expect(204);
    }
    client.refused_filter("/Users", r#"employeeNumber eq "1""#);
    strict_tenant()
        .post("/Users", &user_with("a", &stray))
        .expect_error(400, "invalidSyntax");

    let boss = client.user("boss");
    let upper = ENTERPRISE.to_uppercase();
    let values = json!({"employeeNumber": "1", "costCenter": "c", "organization": "o", "division": "v", "department": "d"});
    let mut extension = values.clone();
    extension["manager"] = json!({"value": boss});
    // The container is found in any case, and shown in its own.
    for name in [ENTERPRISE, &upper] {
        for (way, user) in stored_each_way(&client, "/Users", &json!({name: extension})) {
            assert_eq!(user["schemas"], json!([USER, ENTERPRISE]), "{way} {name}");
            assert_eq!(user[ENTERPRISE]["manager"]["value"], boss, "{way} {name}");
            let Value::Object(mut shown) = user[ENTERPRISE].clone() else {
                panic!("{way} {name}: {user}");
            };
            shown.remove("manager");
            assert_eq!(Value::Object(shown), values, "{way} {name}");
            client
                .delete(&format!("/Users/{}", user["id"].as_str().expect("an id")))
                .expect(204);
        }
    }

    let path = format!(
        "/Users/{}",
        client.user_with("b", &json!({ENTERPRISE: extension}))
    );
    for (name, value) in values.as_object().expect("an object") {
        let text = value.as_str().expect("a string");
        let attribute = format!("{ENTERPRISE}:{name}");
        let filter = format!(r#"{attribute} eq "{text}""#);
        assert_eq!(client.users(&filter), ["b"], "{name}");
        client
            .patch(
                &path,
                &json!([{"op": "replace", "path": attribute, "value": "new"}]),
            )
            .expect(200);
        assert_eq!(client.now(&path)[ENTERPRISE][name], "new");
        let shown = client.now(&format!("{path}?attributes={attribute}"));
        assert_eq!(shown[ENTERPRISE], json!({name: "new"}));
    }
    let manager = format!("{ENTERPRISE}:manager");
    assert_eq!(client.users(&format!(r#"{manager}.value eq "{boss}""#)), ["b"]);
    client
        .patch(&path, &json!([{"op": "remove", "path": manager}]))
        .expect(200);
    assert!(client.now(&path)[ENTERPRISE].get("manager").is_none());
}

/// 7643-3.2-01, 7643-7-01, 7643-6-06, 7643-6-08, 7643-3.3-05
#[test]
fn every_type_and_schema_in_use_is_published() {
    let client = staff_tenant();
    let types = client.get("/ResourceTypes").expect(200);
    assert!(types.resources().iter().any(|it| it["name"] == "Device"));
    let published = |urn: &Value| {
        let urn = urn.as_str().expect("a URN");
        assert_eq!(client.now(&format!("/Schemas/{urn}"))["id"], urn);
    };
    for kind in types.resources() {
        published(&kind["schema"]);
        for extension in kind["schemaExtensions"].as_array().into_iter().flatten() {
            published(&extension["schema"]);
        }
        client.get(kind["endpoint"].as_str().expect("a path")).expect(200);
    }
    let extensions = json!({STAFF: {"plain": "x"}, ENTERPRISE: {"division": "y"}});
    for made in [
        client.create("/Users", &user_with("a", &extensions)),
        client.create("/Groups", &group("g", &[])),
        client.create("/Devices", &json!({"schemas": [DEVICE], "serial": "1"})),
    ] {
        for urn in made.body["schemas"].as_array().expect("schemas") {
            published(urn);
        }
        let name = made.body["meta"]["resourceType"].as_str().expect("a name");
        assert_eq!(client.now(&format!("/ResourceTypes/{name}"))["name"], name);
    }
}

/// 7643-3.3-01
#[test]
fn schemas_holds_the_base_schema() {
    for client in [tenant(), strict_tenant()] {
        let user = format!("/Users/{}", client.user("a"));
        let group = format!("/Groups/{}", client.group("g", &[]));
        for (endpoint, path, body) in [
            (
                "/Users",
                &user,
                json!({"schemas": [ENTERPRISE], "userName": "b", ENTERPRISE: {"division": "d"}}),
            ),
            ("/Users", &user, json!({"schemas": [GROUP], "userName": "b"})),
            ("/Groups", &group, json!({"schemas": [USER], "displayName": "h"})),
        ] {
            client.post(endpoint, &body).expect_error(400, "invalidSyntax");
            client.put(path, &body).expect_error(400, "invalidSyntax");
        }
        client
            .patch(&user, &json!([{"op": "remove", "path": "schemas"}]))
            .expect_error(400, "mutability");
        assert_eq!(client.now(&user)["schemas"], json!([USER]));
    }
}
