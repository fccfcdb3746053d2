//! Discovery: ServiceProviderConfig, ResourceTypes and Schemas.

use serde_json::{Value, json};

use crate::harness::{BASE, Choice, ENTERPRISE, GROUP, Server, USER};

fn ids(list: &[Value]) -> Vec<&str> {
    list.iter().map(|it| it["id"].as_str().unwrap()).collect()
}

/// 7643-1.2-01, 7644-4-01, 7644-4-03, 7644-4-05, 7644-4-06, 7643-6-02, A-30
#[test]
fn discovery_lists_and_documents_agree() {
    let server = Server::start();
    let anyone = server.stranger(None);
    let types = anyone.get("/ResourceTypes").expect(200);
    assert_eq!(ids(&types.resources()), ["User", "Group"]);
    assert_eq!(types.json()["totalResults"], json!(2));
    let user = anyone.get("/ResourceTypes/User").expect(200).json();
    assert_eq!(user, types.resources()[0]);
    assert_eq!(user["endpoint"], json!("/Users"));
    assert_eq!(
        user["schemaExtensions"],
        json!([{ "schema": ENTERPRISE, "required": false }])
    );
    anyone.get("/ResourceTypes/user").expect_error(404, None);
    let schemas = anyone.get("/Schemas").expect(200);
    let resources = schemas.resources();
    let urns = ids(&resources);
    assert_eq!(urns.len(), 6);
    for urn in &urns {
        let schema = anyone.get(&format!("/Schemas/{urn}")).expect(200).json();
        assert_eq!(schema["meta"]["location"], json!(format!("{BASE}/Schemas/{urn}")));
        assert!(resources.contains(&schema));
        anyone
            .get(&format!("/Schemas/{}", urn.replace(':', "%3A")))
            .expect(200);
        anyone
            .get(&format!("/Schemas/{}/", urn.to_uppercase()))
            .expect(200);
    }
    assert!(urns.contains(&USER) && urns.contains(&GROUP));
    anyone.get("/Schemas/urn:nothing").expect_error(404, None);
    anyone
        .get("/Schemas/urn:ietf:params:scim:api:messages:2.0:Error")
        .expect_error(404, None);
}

/// 7644-4-02, 7643-5-04 to 7643-5-11, 9865-4-01 to 9865-4-06
#[test]
fn the_configuration_describes_this_server() {
    let server = Server::start();
    let config = server
        .stranger(None)
        .get("/ServiceProviderConfig")
        .expect(200)
        .json();
    assert_eq!(
        config["schemas"],
        json!(["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"])
    );
    for feature in ["patch", "filter", "sort", "etag"] {
        assert_eq!(config[feature]["supported"], json!(true), "{feature}");
    }
    assert_eq!(
        config["bulk"],
        json!({ "supported": false, "maxOperations": 0, "maxPayloadSize": 0 })
    );
    assert_eq!(config["changePassword"]["supported"], json!(false));
    assert_eq!(config["filter"]["maxResults"], json!(200));
    let pagination = json!({
        "cursor": true,
        "index": true,
        "defaultPaginationMethod": "index",
        "defaultPageSize": 100,
        "maxPageSize": 200, "cursorTimeout": 86_400,
    });
    assert_eq!(config["pagination"], pagination);
    assert_eq!(
        config["authenticationSchemes"][0]["type"],
        json!("oauthbearertoken")
    );
}

/// 7644-4-07, 7644-4-08, A-48
#[test]
fn discovery_ignores_paging_and_refuses_filters() {
    let server = Server::start();
    let anyone = server.stranger(None);
    for path in [
        "/Schemas",
        "/ResourceTypes",
        "/ServiceProviderConfig",
        "/ResourceTypes/User",
    ] {
        let whole = anyone.get(path).expect(200).text;
        let query = "startIndex=2&count=1&sortBy=id&attributes=id";
        assert_eq!(anyone.get(&format!("{path}?{query}")).expect(200).text, whole);
        assert_eq!(anyone.get(&format!("{path}/")).expect(200).text, whole);
        anyone
            .get(&format!("{path}?filter=id%20pr"))
            .expect_error(403, None);
    }
}

/// 7643-5-01, 7643-6-01, 7644-4-09, A-70
#[test]
fn discovery_is_read_only() {
    let server = Server::start();
    let acme = server.tenant("acme");
    for path in [
        "/ServiceProviderConfig",
        "/ResourceTypes",
        "/Schemas",
        "/ResourceTypes/User",
    ] {
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            let reply = acme.request(method, path).send().expect_error(405, None);
            assert_eq!(reply.header("allow"), Some("GET, HEAD, OPTIONS"));
        }
    }
}

/// 7643-3-01, 7643-3.2-01, 7643-6-05, 7644-3.2-01: a custom resource type is served like any other
#[test]
fn an_operators_own_type_has_its_endpoint() {
    let schema = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
        "id": "urn:example:params:scim:schemas:2.0:Device",
        "name": "Device",
        "description": "A thing.",
        "attributes": [
            { "name": "serial", "type": "string", "required": true, "uniqueness": "server", "caseExact": true },
            { "name": "weight", "type": "decimal" },
            { "name": "tags", "type": "string", "multiValued": true },
            // Only the members of a Group are references that the server resolves.
            { "name": "members", "type": "complex", "multiValued": true, "subAttributes": [
                { "name": "value" }, { "name": "type" }, { "name": "display" },
                { "name": "$ref", "type": "reference", "referenceTypes": ["User"] },
            ] },
        ],
    });
    let resource_type = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
        "name": "Device",
        "endpoint": "/Devices",
        "description": "Things.",
        "schema": "urn:example:params:scim:schemas:2.0:Device",
    });
    let schemas = vec![
        ("schema.json".to_owned(), schema.to_string()),
        ("type.json".to_owned(), resource_type.to_string()),
    ];
    let server = Server::start_with(Choice {
        schemas,
        ..Choice::default()
    });
    let acme = server.tenant("acme");
    assert_eq!(
        ids(&acme.get("/ResourceTypes").resources()),
        ["User", "Group", "Device"]
    );
    let urn = "urn:example:params:scim:schemas:2.0:Device";
    acme.get(&format!("/Schemas/{urn}")).expect(200);
    let device = json!({ "schemas": [urn], "serial": "A1", "weight": 1.50, "tags": ["a", "b"],
        "members": [{ "value": "m1", "display": "One" }] });
    let reply = acme.post("/Devices", device.clone()).expect(201);
    let created = reply.json();
    let path = format!("/Devices/{}", created["id"].as_str().unwrap());
    assert_eq!(created["meta"]["resourceType"], json!("Device"));
    assert_eq!(created["meta"]["location"], json!(format!("{BASE}{path}")));
    acme.post("/Devices", device)
        .expect_error(409, Some("uniqueness"));
    assert_eq!(acme.get(&path).expect(200).json(), created);
    let found = acme
        .get("/Devices?filter=weight%20gt%201%20and%20tags%20eq%20%22B%22&sortBy=serial")
        .expect(200);
    assert_eq!(found.resources(), [created]);
    let patched = acme
        .patch(&path, json!([{ "op": "replace", "path": "weight", "value": 2 }]))
        .expect(200);
    assert_eq!(patched.json()["weight"], json!(2));
    assert_eq!(
        patched.json()["members"],
        json!([{ "value": "m1", "display": "One" }])
    );
    let more = json!({ "op": "add", "path": "members", "value": [{ "value": "m2", "display": "Two" }] });
    let members = json!([{ "value": "m1", "display": "One" }, { "value": "m2", "display": "Two" }]);
    assert_eq!(
        acme.patch(&path, json!([more])).expect(200).json()["members"],
        members
    );
    acme.delete(&path).expect(204);
    server.stranger(None).get("/Devices").expect_error(401, None);
}
