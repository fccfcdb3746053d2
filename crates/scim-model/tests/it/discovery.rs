//! ServiceProviderConfig, ResourceTypes and Schemas.

use scim_model::internal::{
    Projection, RESOURCE_TYPE_URN, SCHEMA_URN, SERVICE_PROVIDER_CONFIG_URN,
    discovery::{self, Features, Limits},
};
use scim_model::{Policy, SchemaRegistry};
use serde_json::{Value, json};

const BASE: &str = "https://example.com/scim/v2";

/// 7643-5-01 to 7643-5-12, 9865-4-01 to 9865-4-06
#[test]
fn the_service_provider_config_publishes_the_limits() {
    let limits = Limits {
        default_page_size: 100,
        max_page_size: 200,
        cursor_timeout: None,
    };
    let features = Features {
        change_password: false,
        documentation_uri: None,
        token_endpoint: false,
        interop_profile: false,
        security_events: Vec::new(),
    };
    let config = discovery::service_provider_config(&limits, &features, BASE);
    assert_eq!(config["schemas"], json!([SERVICE_PROVIDER_CONFIG_URN]));
    for (feature, supported) in [
        ("patch", true),
        ("bulk", false),
        ("filter", true),
        ("changePassword", false),
        ("sort", true),
        ("etag", true),
    ] {
        assert_eq!(config[feature]["supported"], json!(supported), "{feature}");
    }
    assert_eq!(
        config["bulk"],
        json!({"supported": false, "maxOperations": 0, "maxPayloadSize": 0})
    );
    assert_eq!(config["filter"]["maxResults"], json!(200));
    assert_eq!(
        config["pagination"],
        json!({"cursor": true, "index": true, "defaultPaginationMethod": "index",
        "defaultPageSize": 100, "maxPageSize": 200})
    );
    for member in ["type", "name", "description"] {
        assert!(config["authenticationSchemes"][0][member].is_string());
    }
    assert_eq!(
        config["meta"]["location"],
        json!("https://example.com/scim/v2/ServiceProviderConfig")
    );
    assert!(config.get("documentationUri").is_none());
    assert!(config.get("securityEvents").is_none());

    let limits = Limits {
        cursor_timeout: Some(60),
        ..limits
    };
    let features = Features {
        change_password: true,
        documentation_uri: Some("https://example.com/doc".to_owned()),
        token_endpoint: false,
        interop_profile: false,
        security_events: vec!["urn:ietf:params:scim:event:prov:delete".to_owned()],
    };
    let config = discovery::service_provider_config(&limits, &features, BASE);
    assert_eq!(config["pagination"]["cursorTimeout"], json!(60));
    assert_eq!(config["changePassword"]["supported"], json!(true));
    assert_eq!(config["documentationUri"], json!("https://example.com/doc"));
    let events = json!({"asyncRequest": "none", "eventUris": ["urn:ietf:params:scim:event:prov:delete"]});
    assert_eq!(config["securityEvents"], events);
}

/// 7643-7-01: each discovery document fits the schema that is published for it.
#[test]
fn the_documents_have_only_members_that_their_schemas_describe() {
    let registry = SchemaRegistry::builtin();
    let limits = Limits {
        default_page_size: 100,
        max_page_size: 200,
        cursor_timeout: Some(60),
    };
    let features = Features {
        change_password: false,
        documentation_uri: Some("https://example.com".to_owned()),
        token_endpoint: false,
        interop_profile: false,
        security_events: vec!["urn:ietf:params:scim:event:prov:delete".to_owned()],
    };
    let mut documents = vec![discovery::service_provider_config(&limits, &features, BASE)];
    documents.extend(
        registry
            .resource_types
            .iter()
            .map(|it| discovery::resource_type(it, BASE)),
    );
    documents.extend(registry.schemas.iter().map(|it| discovery::schema(it, BASE)));
    for document in documents {
        let urn = document["schemas"][0].as_str().unwrap();
        let schema = registry.schema(urn).unwrap();
        for (name, value) in document.as_object().unwrap() {
            if ["schemas", "id", "meta"].contains(&name.as_str()) {
                continue;
            }
            let attribute = schema.attributes.iter().find(|it| it.name == *name).unwrap();
            assert_eq!(value.is_array(), attribute.multi_valued, "{name}");
            let elements = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
            for (sub, _) in elements.iter().filter_map(Value::as_object).flatten() {
                assert!(attribute.sub_attribute(sub).is_some(), "{name}.{sub}");
            }
        }
        for attribute in schema
            .attributes
            .iter()
            .filter(|it| it.required && it.name != "schemaExtensions")
        {
            assert!(
                document.get(&attribute.name).is_some(),
                "{urn} {}",
                attribute.name
            );
        }
    }
}

#[test]
fn r7643_6_resource_types_are_listed() {
    let registry = SchemaRegistry::builtin();
    let list: Value = serde_json::from_str(&discovery::resource_types(&registry, BASE)).unwrap();
    assert_eq!(list["totalResults"], json!(2));
    assert_eq!(list["startIndex"], json!(1));
    assert_eq!(list["itemsPerPage"], json!(2));
    let user = &list["Resources"][0];
    assert_eq!(user["schemas"], json!([RESOURCE_TYPE_URN]));
    assert_eq!(
        (&user["id"], &user["name"], &user["endpoint"]),
        (&json!("User"), &json!("User"), &json!("/Users"))
    );
    assert_eq!(
        user["schema"],
        json!("urn:ietf:params:scim:schemas:core:2.0:User")
    );
    assert_eq!(
        user["schemaExtensions"],
        json!([{"schema": "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User", "required": false}])
    );
    assert_eq!(
        user["meta"],
        json!({"resourceType": "ResourceType", "location": format!("{BASE}/ResourceTypes/User")})
    );
    assert!(list["Resources"][1].get("schemaExtensions").is_none());
}

/// 7643-7-04, 7643-7-06, A-30, 7644-3.1-05
#[test]
fn all_six_schemas_are_listed() {
    let registry = SchemaRegistry::builtin();
    let list: Value = serde_json::from_str(&discovery::schemas(&registry, BASE)).unwrap();
    let ids: Vec<&str> = list["Resources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), 6);
    assert_eq!(list["totalResults"], json!(6));
    assert!(!ids.iter().any(|it| it.contains(":api:")));
    for schema in list["Resources"].as_array().unwrap() {
        assert_eq!(schema["schemas"], json!([SCHEMA_URN]));
        assert_eq!(schema["meta"]["resourceType"], json!("Schema"));
        assert_eq!(
            schema["meta"]["location"],
            json!(format!("{BASE}/Schemas/{}", schema["id"].as_str().unwrap()))
        );
        assert!(schema["name"].as_str().is_some_and(|it| !it.is_empty()));
        assert!(schema["description"].as_str().is_some_and(|it| !it.is_empty()));
    }
    // The published schema and the projection have one source.
    let user = registry.resource_type("User").unwrap();
    let named = Projection::new(Some(&["password".to_owned()]), None, Policy { lenient: true }).unwrap();
    assert!(!named.wants(user, "password"));
}
