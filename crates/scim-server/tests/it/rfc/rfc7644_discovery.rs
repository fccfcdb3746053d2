//! Discovery: RFC 7643 sections 5 to 8.7, RFC 7644 section 4, RFC 9865 section 4.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::client::*;
use super::tenants::{staff_tenant, tenant, tenant_with};
use crate::harness::Choice;

const ENDPOINTS: [&str; 3] = ["/ServiceProviderConfig", "/ResourceTypes", "/Schemas"];

fn config() -> Value {
    tenant()
        .anonymous()
        .get("/ServiceProviderConfig")
        .expect(200)
        .body
}

/// 7644-4-01
#[test]
fn discovery_needs_no_token() {
    let client = tenant();
    let single = [
        format!("/Schemas/{USER}"),
        "/ResourceTypes/User".to_owned(),
        "/ResourceTypes/Group".to_owned(),
    ];
    for path in ENDPOINTS.into_iter().chain(single.iter().map(String::as_str)) {
        let public = client.anonymous().get(path).expect(200);
        assert_eq!(client.get(path).expect(200).bytes, public.bytes, "{path}");
        assert_eq!(
            client.with_token("wrong").get(path).expect(200).bytes,
            public.bytes
        );
    }
}

/// 7643-5-01, 7643-6-01, 7643-7-02, 7644-4-09
#[test]
fn discovery_is_read_only() {
    let client = tenant();
    assert_eq!(
        config()["schemas"],
        json!(["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"])
    );
    let single = [format!("/Schemas/{USER}"), "/ResourceTypes/User".to_owned()];
    for path in ENDPOINTS.into_iter().chain(single.iter().map(String::as_str)) {
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            let answer = client.send(method, path, &[], Some(b"{}")).expect_error(405, "");
            let allow = answer.header("Allow").unwrap_or_default();
            assert!(
                allow.contains("GET") && allow.contains("HEAD") && !allow.contains(method),
                "{path}: {allow}"
            );
        }
        client.send("HEAD", path, &[], None).expect(200);
    }
    let schema = client.now("/Schemas/urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig");
    for attribute in schema["attributes"].as_array().expect("attributes") {
        assert_eq!(attribute["mutability"], "readOnly", "{attribute}");
    }
    for kind in client.get("/ResourceTypes").expect(200).resources() {
        assert_eq!(
            kind["schemas"],
            json!(["urn:ietf:params:scim:schemas:core:2.0:ResourceType"])
        );
        for name in ["name", "endpoint", "schema"] {
            assert!(kind[name].is_string(), "{kind}");
        }
    }
}

/// 7643-5-02
#[test]
fn the_configuration_has_meta_and_needs_no_id() {
    let config = config();
    assert_eq!(config["meta"]["resourceType"], "ServiceProviderConfig");
    assert!(
        config["meta"]["location"]
            .as_str()
            .is_some_and(|it| it.ends_with("/scim/v2/ServiceProviderConfig"))
    );
}

/// 7643-5-03, 7643-5-12
#[test]
fn uris_in_the_configuration_are_http_urls() {
    let config = config();
    let schemes = config["authenticationSchemes"].as_array().expect("schemes");
    let found = [&config["documentationUri"]].into_iter().chain(
        schemes
            .iter()
            .flat_map(|it| [&it["specUri"], &it["documentationUri"]]),
    );
    for uri in found.filter(|it| !it.is_null()) {
        assert!(
            uri.as_str()
                .is_some_and(|it| it.starts_with("http://") || it.starts_with("https://")),
            "{uri}"
        );
    }
    assert!(schemes.iter().filter(|it| it["primary"] == true).count() <= 1);
}

/// 7643-5-04, 7644-3.5-02, 7644-3.5.2-01
#[test]
fn patch_is_announced_and_works() {
    assert_eq!(config()["patch"], json!({"supported": true}));
    let client = tenant();
    let path = format!("/Users/{}", client.user("a"));
    client
        .patch(&path, &json!([{"op": "add", "path": "title", "value": "t"}]))
        .expect(200);
}

/// 7643-5-05
#[test]
fn bulk_is_announced_as_unsupported() {
    assert_eq!(
        config()["bulk"],
        json!({"supported": false, "maxOperations": 0, "maxPayloadSize": 0})
    );
}

/// 7643-5-06, 7644-3.4.2.2-01, 9865-4-05, 9865-4-04, 9865-4-07, 7644-3.4.2.4-05, 7644-3.4.2.4-03
#[test]
fn the_announced_page_sizes_apply() {
    let config = config();
    assert_eq!(config["filter"]["supported"], true);
    let most = config["filter"]["maxResults"].as_u64().expect("a number");
    let usual = config["pagination"]["defaultPageSize"]
        .as_u64()
        .expect("a number");
    assert_eq!(config["pagination"]["maxPageSize"].as_u64(), Some(most));
    let client = tenant();
    let total = most + 1;
    for index in 0..total {
        client.user(&format!("u{index}"));
    }
    for (query, size) in [
        ("?count=1000000000".to_owned(), most),
        (format!("?count={}", most + 1), most),
        (String::new(), usual),
        ("?count=7".into(), 7),
        ("?cursor".into(), usual),
        (format!("?cursor&count={}", most + 1), most),
    ] {
        let page = client.get(&format!("/Users{query}")).expect(200);
        assert_eq!(page.resources().len() as u64, size, "{query}");
        assert_eq!(page.body["itemsPerPage"], size, "{query}");
        assert_eq!(page.body["totalResults"], total, "{query}");
    }
}

/// 9865-4-07
#[test]
fn every_limit_is_announced() {
    for lifetime in [None, Some(Duration::from_secs(90))] {
        let mut choice = Choice::default();
        choice.settings.default_page_size = 2;
        choice.settings.max_page_size = 3;
        choice.settings.cursor_lifetime = lifetime;
        let client = tenant_with(choice);
        let config = client.anonymous().now("/ServiceProviderConfig");
        assert_eq!(config["filter"]["maxResults"], 3);
        assert_eq!(config["pagination"]["maxPageSize"], 3);
        assert_eq!(config["pagination"]["defaultPageSize"], 2);
        // `cursorTimeout` is absent exactly when cursors never expire.
        let timeout = lifetime.map(|it| json!(it.as_secs()));
        assert_eq!(config["pagination"].get("cursorTimeout"), timeout.as_ref());
        assert_eq!(
            (
                &config["bulk"]["maxOperations"],
                &config["bulk"]["maxPayloadSize"]
            ),
            (&json!(0), &json!(0))
        );
        for index in 0..5 {
            client.user(&format!("u{index}"));
            client.group(&format!("g{index}"), &[]);
        }
        let search = |endpoint: &str, parameters: Value| {
            let mut body = parameters;
            body["schemas"] = json!([SEARCH_REQUEST]);
            client.post(&format!("{endpoint}/.search"), &body)
        };
        for endpoint in ["/Users", "/Groups"] {
            for (answer, size) in [
                (client.get(endpoint), 2),
                (client.get(&format!("{endpoint}?cursor")), 2),
                (client.get(&format!("{endpoint}?count=4")), 3),
                (client.get(&format!("{endpoint}?cursor&count=4")), 3),
                (search(endpoint, json!({})), 2),
                (search(endpoint, json!({"count": 4})), 3),
                (search("", json!({"cursor": ""})), 2),
                (search("", json!({"cursor": "", "count": 4})), 3),
            ] {
                assert_eq!(answer.expect(200).resources().len(), size, "{endpoint}");
            }
        }
    }
}

/// 7643-5-07
#[test]
fn changing_passwords_is_announced_as_unsupported() {
    assert_eq!(config()["changePassword"], json!({"supported": false}));
}

/// 7643-5-08, 7644-3.4.2.3-01
#[test]
fn sorting_is_announced() {
    assert_eq!(config()["sort"], json!({"supported": true}));
}

/// 7643-5-09
#[test]
fn etags_are_announced() {
    assert_eq!(config()["etag"], json!({"supported": true}));
    let schema = tenant().now("/Schemas/urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig");
    assert!(
        schema["attributes"]
            .as_array()
            .is_some_and(|all| all.iter().any(|it| it["name"] == "etag"))
    );
}

/// 7643-5-10, 7644-2-02, 7643-5-11
#[test]
fn the_authentication_scheme_is_public() {
    let config = config();
    let schemes = config["authenticationSchemes"].as_array().expect("schemes");
    let types: Vec<&Value> = schemes.iter().map(|it| &it["type"]).collect();
    assert_eq!(types, ["oauthbearertoken", "oauth2"]);
    for scheme in schemes {
        for name in ["name", "description"] {
            assert!(scheme[name].as_str().is_some_and(|it| !it.is_empty()));
        }
    }
}

/// 7643-6-02, 7643-6-03, 7643-6-04, 7643-6-05, 7643-6-07, 7644-4-05, 7644-3.2-01
#[test]
fn resource_types_describe_users_and_groups() {
    let client = tenant();
    let list = client.get("/ResourceTypes").expect(200);
    let base = &client.base_url;
    for (name, endpoint, schema, extensions) in [
        (
            "User",
            "/Users",
            USER,
            json!([{"schema": ENTERPRISE, "required": false}]),
        ),
        ("Group", "/Groups", GROUP, Value::Null),
    ] {
        let listed = list.resources().iter().find(|it| it["name"] == name).expect(name);
        assert_eq!(listed["id"], name);
        assert_eq!(listed["endpoint"], endpoint);
        assert_eq!(listed["schema"], schema);
        assert_eq!(listed["schemaExtensions"], extensions);
        assert!(listed["description"].as_str().is_some_and(|it| !it.is_empty()));
        assert_eq!(listed["meta"]["location"], format!("{base}/ResourceTypes/{name}"));
        assert_eq!(&client.now(&format!("/ResourceTypes/{name}")), listed);
        client.get(endpoint).expect(200);
        client
            .get(&format!("/ResourceTypes/{}", name.to_lowercase()))
            .expect_error(404, "");
    }
    assert_eq!(list.resources().len(), 2);
    let schema = client.now("/Schemas/urn:ietf:params:scim:schemas:core:2.0:ResourceType");
    let name = schema["attributes"]
        .as_array()
        .and_then(|all| all.iter().find(|it| it["name"] == "name"))
        .expect("name");
    assert_eq!(
        (&name["caseExact"], &name["uniqueness"]),
        (&json!(true), &json!("server"))
    );
}

/// 7643-6-09
#[test]
fn the_enterprise_extension_is_not_required() {
    let made = tenant().create("/Users", &user("a"));
    assert_eq!(made.body["schemas"], json!([USER]));
}

/// 7643-7-03
#[test]
fn schemas_always_return_their_id() {
    let client = tenant();
    assert_eq!(
        client.now(&format!("/Schemas/{USER}?attributes=name"))["id"],
        USER
    );
    assert_eq!(
        client.now(&format!("/Schemas/{USER}?excludedAttributes=id"))["id"],
        USER
    );
}

/// 7643-7-04, 7643-7-06, 7643-8.7.2-01
#[test]
fn schemas_are_complete_resources() {
    let client = tenant();
    let list = client.get("/Schemas").expect(200);
    let ids: Vec<&str> = list
        .resources()
        .iter()
        .filter_map(|it| it["id"].as_str())
        .collect();
    assert_eq!(ids.len(), 6);
    for schema in list.resources() {
        let id = schema["id"].as_str().expect("an id");
        assert_eq!(
            schema["schemas"],
            json!(["urn:ietf:params:scim:schemas:core:2.0:Schema"])
        );
        assert_eq!(schema["meta"]["resourceType"], "Schema");
        assert_eq!(
            schema["meta"]["location"],
            format!("{}/Schemas/{id}", client.base_url)
        );
        for name in ["name", "description"] {
            assert!(schema[name].as_str().is_some_and(|it| !it.is_empty()), "{id}");
        }
        assert_eq!(&client.now(&format!("/Schemas/{id}")), schema);
    }
    for id in ["ServiceProviderConfig", "ResourceType", "Schema"] {
        assert!(
            ids.contains(&format!("urn:ietf:params:scim:schemas:core:2.0:{id}").as_str()),
            "{ids:?}"
        );
    }
    let types = client.now("/Schemas/urn:ietf:params:scim:schemas:core:2.0:Schema");
    let facts = facts(&types);
    assert_eq!(
        facts["attributes.subAttributes.referenceTypes"]["multiValued"],
        true
    );
    assert!(
        facts["attributes.type"]["canonicalValues"]
            .as_array()
            .is_some_and(|it| it.contains(&json!("binary")))
    );
    assert!(
        !facts["attributes.subAttributes.type"]["canonicalValues"]
            .as_array()
            .is_some_and(|it| it.contains(&json!("complex")))
    );
    let types = client.now("/Schemas/urn:ietf:params:scim:schemas:core:2.0:ResourceType");
    assert_eq!(self::facts(&types)["schemaExtensions"]["multiValued"], true);
}

/// 7643-7-07, 7643-7-08, 7643-7-09, 7643-7-25
#[test]
fn attribute_definitions_are_complete() {
    let client = tenant();
    let known = [
        "string",
        "boolean",
        "decimal",
        "integer",
        "dateTime",
        "reference",
        "binary",
        "complex",
    ];
    for schema in client.get("/Schemas").expect(200).resources() {
        for (path, attribute) in facts(schema) {
            assert!(attribute["name"].is_string(), "{path}");
            assert!(
                attribute["type"].as_str().is_some_and(|it| known.contains(&it)),
                "{path}"
            );
            assert!(
                attribute["multiValued"].is_boolean() && attribute["required"].is_boolean(),
                "{path}"
            );
            assert!(
                attribute["mutability"].is_string() && attribute["returned"].is_string(),
                "{path}"
            );
            assert!(
                attribute["description"].as_str().is_some_and(|it| !it.is_empty()),
                "{path}"
            );
            let subs = attribute["subAttributes"].as_array().map_or(0, Vec::len);
            assert_eq!(attribute["type"] == "complex", subs > 0, "{path}");
            let references = attribute["referenceTypes"].as_array().map_or(0, Vec::len);
            assert_eq!(attribute["type"] == "reference", references > 0, "{path}");
        }
    }
}

/// 7643-8.7.1-01
///
/// tests/fixtures/conformance/rfc7643-8.7.1.json holds the characteristics of every attribute as
/// printed in the RFC, after applying the verified errata (5368, 6004, 8471, 8472) and this
/// project's choices for others (6000, 6001, 6005, 6011; `members.value` is required). User and Group also list
/// `externalId`, which Microsoft's validator looks for.
#[test]
fn the_standard_schemas_are_those_of_the_rfc() {
    let expected: Value =
        serde_json::from_str(include_str!("../../fixtures/conformance/rfc7643-8.7.1.json")).expect("JSON");
    let fixture = "the published schema differs from tests/fixtures/conformance/rfc7643-8.7.1.json";
    let client = tenant();
    for (id, attributes) in expected.as_object().expect("an object") {
        let found = facts(&client.now(&format!("/Schemas/{id}")));
        let attributes = attributes.as_object().expect("an object");
        for (path, characteristics) in attributes {
            let attribute = found
                .get(path)
                .unwrap_or_else(|| panic!("{fixture}: {id}:{path} is missing"));
            for (name, value) in characteristics.as_object().expect("an object") {
                let published = match &attribute[name] {
                    Value::Array(values) if name == "canonicalValues" || name == "referenceTypes" => {
                        let mut values = values.clone();
                        values.sort_by_key(Value::to_string);
                        Value::Array(values)
                    }
                    value => value.clone(),
                };
                assert_eq!(&published, value, "{fixture}: {id}:{path} {name}");
            }
        }
        let extra: Vec<_> = found.keys().filter(|it| !attributes.contains_key(*it)).collect();
        assert!(
            extra.is_empty(),
            "{fixture}, which lacks {extra:?} of {id}: add them, if they are right"
        );
    }
}

/// 7644-3.1-03, 7644-3.8-06
#[test]
fn every_published_attribute_can_be_stored() {
    let client = staff_tenant();
    for (urn, container) in [(USER, None), (ENTERPRISE, Some(ENTERPRISE)), (STAFF, Some(STAFF))] {
        let schema = client.now(&format!("/Schemas/{urn}"));
        let mut attributes = json!({});
        for attribute in schema["attributes"].as_array().expect("attributes") {
            let name = attribute["name"].as_str().expect("a name");
            if attribute["mutability"] != "readOnly"
                && attribute["mutability"] != "writeOnly"
                && name != "userName"
            {
                attributes[name] = sample(attribute);
            }
        }
        let body = match container {
            None => user_with(&format!("u-{urn}"), &attributes),
            Some(urn) => user_with(&format!("u-{urn}"), &json!({urn: attributes})),
        };
        let made = client.create("/Users", &body);
        let holder = container.map_or(&made.body, |urn| &made.body[urn]);
        for (name, value) in attributes.as_object().expect("an object") {
            assert_eq!(&holder[name], value, "{urn}:{name}");
        }
    }
    let group_schema = client.now(&format!("/Schemas/{GROUP}"));
    let names: Vec<&String> = group_schema["attributes"]
        .as_array()
        .expect("attributes")
        .iter()
        .filter_map(|it| match &it["name"] {
            Value::String(name) => Some(name),
            _ => None,
        })
        .collect();
    assert_eq!(names, ["externalId", "displayName", "members"]);
    let member = client.user_with("m", &json!({"displayName": "M"}));
    let made = client.create("/Groups", &group("g", &[&member]));
    assert_eq!(made.body["displayName"], "g");
    let shown = keys(&made.body["members"][0]);
    assert_eq!(shown, ["$ref", "display", "type", "value"]);
    let published = facts(&group_schema);
    for name in shown {
        assert!(published.contains_key(&format!("members.{name}")), "{name}");
    }
}

/// 7644-3.1-03
#[test]
fn unpublished_attributes_are_not_stored() {
    let client = staff_tenant();
    let unknown = json!({"x": 1});
    let member = client.user("m");
    let mut group_body = group("g", &[&member]);
    group_body["unknown"] = unknown.clone();
    group_body["members"][0]["unknown"] = unknown.clone();
    let user_body = user_with(
        "a",
        &json!({
            "unknown": unknown,
            "name": {"givenName": "g", "unknown": unknown},
            "emails": [{"value": "x", "unknown": unknown}],
            ENTERPRISE: {"department": "d", "unknown": unknown, "manager": {"value": "m", "unknown": unknown}},
            STAFF: {"plain": "p", "unknown": unknown, "desk": {"number": 1, "unknown": unknown}},
            "urn:example:params:scim:schemas:unknown:2.0:Device": {"serial": "s"},
        }),
    );
    for (endpoint, body) in [("/Users", user_body), ("/Groups", group_body)] {
        let made = client.create(endpoint, &body);
        let path = format!("{endpoint}/{}", made.id());
        for shown in [
            made.body,
            client.put(&path, &body).expect(200).body,
            client.now(&path),
        ] {
            let text = shown.to_string();
            assert!(!text.contains("unknown") && !text.contains("Device"), "{text}");
        }
        client
            .patch(&path, &json!([{"op": "add", "path": "unknown", "value": "x"}]))
            .expect_error(400, "invalidPath");
    }
}

/// 7644-3.1-05
#[test]
fn message_schemas_are_not_published() {
    let client = tenant();
    for schema in client.get("/Schemas").expect(200).resources() {
        assert!(
            !schema["id"].as_str().unwrap_or_default().contains(":api:"),
            "{schema}"
        );
    }
    for urn in [ERROR, LIST_RESPONSE, PATCH_OP, SEARCH_REQUEST] {
        client.get(&format!("/Schemas/{urn}")).expect_error(404, "");
    }
}

/// 7644-4-02
#[test]
fn the_configuration_is_one_object() {
    let config = config();
    assert!(config.get("Resources").is_none() && config["patch"].is_object());
    tenant().get("/ServiceProviderConfigs").expect_error(404, "");
}

/// 7644-4-04
#[test]
fn a_schema_is_found_by_its_urn() {
    let client = tenant();
    assert_eq!(client.now(&format!("/Schemas/{}", encode(USER)))["id"], USER);
    client
        .get("/Schemas/urn:ietf:params:scim:schemas:core:2.0:Nothing")
        .expect_error(404, "");
}

/// 7644-4-06
#[test]
fn a_list_is_a_list_response_and_a_document_is_not() {
    let client = tenant();
    for (list, single) in [
        ("/ResourceTypes", "/ResourceTypes/User".to_owned()),
        ("/Schemas", format!("/Schemas/{USER}")),
    ] {
        let list = client.get(list).expect(200);
        assert_eq!(list.body["schemas"], json!([LIST_RESPONSE]));
        assert_eq!(list.body["totalResults"], list.resources().len());
        assert!(client.now(&single).get("Resources").is_none());
    }
    client.get("/ResourceTypes/Nothing").expect_error(404, "");
}

/// 7644-4-07
#[test]
fn paging_and_sorting_of_discovery_are_ignored() {
    let client = tenant();
    for endpoint in ["/Schemas", "/ResourceTypes"] {
        let whole = client.now(endpoint);
        for parameters in [
            "startIndex=2&count=1",
            "count=0",
            "sortBy=id&sortOrder=descending",
            "startIndex=x",
            "cursor",
        ] {
            assert_eq!(
                client.now(&format!("{endpoint}?{parameters}")),
                whole,
                "{parameters}"
            );
        }
    }
}

/// 7644-4-08
#[test]
fn filters_on_discovery_are_forbidden() {
    let client = tenant().anonymous();
    let single = [format!("/Schemas/{USER}"), "/ResourceTypes/User".to_owned()];
    for path in ENDPOINTS.into_iter().chain(single.iter().map(String::as_str)) {
        client
            .get(&format!("{path}{}", query(&[("filter", "id pr")])))
            .expect_error(403, "");
    }
}

/// 9865-4-01, 9865-4-02, 9865-4-03, 9865-2.4-01, 9865-4-06
#[test]
fn both_pagination_methods_are_announced() {
    let pagination = &config()["pagination"];
    assert_eq!(
        (&pagination["cursor"], &pagination["index"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(pagination["defaultPaginationMethod"], "index");
    assert_eq!(pagination["cursorTimeout"], 24 * 60 * 60);
    let client = tenant();
    client.user("a");
    let page = client.get("/Users").expect(200);
    assert_eq!(page.body["startIndex"], 1);
    let schema = client.now("/Schemas/urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig");
    let facts = facts(&schema);
    assert!(
        facts.contains_key("pagination.cursor") && facts.contains_key("pagination.defaultPaginationMethod")
    );
}

/// 9967-4-01
#[test]
fn events_are_not_announced() {
    assert!(config().get("securityEvents").is_none());
}

/// Returns the attributes and sub-attributes of a schema by path, such as `name.givenName`.
fn facts(schema: &Value) -> BTreeMap<String, Value> {
    fn walk(prefix: &str, list: &Value, found: &mut BTreeMap<String, Value>) {
        for attribute in list.as_array().into_iter().flatten() {
            let path = format!("{prefix}{}", attribute["name"].as_str().unwrap_or("?"));
            walk(&format!("{path}."), &attribute["subAttributes"], found);
            found.insert(path, attribute.clone());
        }
    }
    let mut found = BTreeMap::new();
    walk("", &schema["attributes"], &mut found);
    found
}

/// Returns a value that fits this definition and that the server returns as it was sent.
fn sample(attribute: &Value) -> Value {
    let value = match attribute["type"].as_str().expect("a type") {
        "boolean" => json!(true),
        "decimal" => json!(1.25),
        "integer" => json!(7),
        "dateTime" => json!("2024-02-29T12:00:00.000Z"),
        "binary" => json!("MAAwAA=="),
        "reference" => json!("https://example.com/x"),
        "complex" => {
            let mut value = json!({});
            for sub in attribute["subAttributes"].as_array().expect("subs") {
                let name = sub["name"].as_str().expect("a name");
                if sub["mutability"] != "readOnly" && name != "$ref" {
                    value[name] = sample(sub);
                }
            }
            value
        }
        _ => json!("text"),
    };
    if attribute["multiValued"] == true {
        json!([value])
    } else {
        value
    }
}
