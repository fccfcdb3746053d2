//! RFC 7643 sections 5 to 8 and 10: the documents in which the server describes itself. More tests of
//! them are in `rfc7644_discovery`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::documents::all_attributes;
use crate::rfc::client::*;
use crate::rfc::tenants::{staff_tenant, tenant};

const CORE: &str = "urn:ietf:params:scim:schemas:core:2.0";

/// 7643-5-01, 7643-6-01, 7643-7-02
#[test]
fn every_attribute_of_a_discovery_document_is_read_only() {
    let found = all_attributes(&tenant());
    for name in ["ServiceProviderConfig", "ResourceType", "Schema"] {
        let prefix = format!("{CORE}:{name}:");
        let attributes: Vec<_> = found
            .iter()
            .filter(|(path, _)| path.starts_with(&prefix))
            .collect();
        assert!(!attributes.is_empty(), "{name}");
        for (path, attribute) in attributes {
            assert_eq!(attribute["mutability"], "readOnly", "{path}");
        }
    }
}

/// 7643-5-04, 7643-5-05, 7643-5-06, 7643-5-07, 7643-5-08, 7643-5-09, 7643-5-10, 7643-6-01, 7643-6-09,
/// 7643-7-06, 7643-7-09
#[test]
fn discovery_documents_are_what_their_schemas_say() {
    let client = staff_tenant();
    let mut documents = vec![client.now("/ServiceProviderConfig")];
    for list in ["/ResourceTypes", "/Schemas"] {
        documents.extend_from_slice(client.get(list).expect(200).resources());
    }
    for document in &documents {
        let urn = document["schemas"][0].as_str().expect("a schema");
        let schema = client.now(&format!("/Schemas/{urn}"));
        check_members(&schema["attributes"], document, &document["meta"]["location"]);
    }
}

/// Whether a document has every required attribute, and every attribute in its type and plurality.
fn check_members(attributes: &Value, document: &Value, place: &Value) {
    for attribute in attributes.as_array().expect("attributes") {
        let name = attribute["name"].as_str().expect("a name");
        let Some(value) = document.get(name) else {
            // `schemaExtensions` is required in the published schema, and optional in the text of
            // section 6.
            assert!(
                attribute["required"] != true || name == "schemaExtensions",
                "{place}: {name}"
            );
            continue;
        };
        assert_eq!(
            value.is_array(),
            attribute["multiValued"] == true,
            "{place}: {name}"
        );
        let one = std::slice::from_ref(value);
        for value in value.as_array().map_or(one, Vec::as_slice) {
            let fits = match attribute["type"].as_str() {
                Some("complex") => value.is_object(),
                Some("boolean") => value.is_boolean(),
                Some("integer") => value.is_u64(),
                _ => value.is_string(),
            };
            assert!(fits, "{place}: {name} {value}");
            if attribute["type"] == "complex" {
                check_members(&attribute["subAttributes"], value, place);
            }
        }
    }
}

/// 7643-5-03, 7643-5-12
#[test]
fn references_of_the_configuration_are_urls() {
    let client = tenant();
    let config = client.now("/ServiceProviderConfig");
    let scheme = &config["authenticationSchemes"][0];
    let specification = scheme["specUri"].as_str().expect("a specification");
    assert!(specification.starts_with("https://"), "{specification}");
    assert_eq!(scheme["primary"], true);
    // The operator has named no page to refer to.
    assert!(config.get("documentationUri").is_none() && scheme.get("documentationUri").is_none());
}

/// 7643-5-10
#[test]
fn authentication_schemes_have_a_known_type() {
    let config = tenant().now("/ServiceProviderConfig");
    let known = ["oauth", "oauth2", "oauthbearertoken", "httpbasic", "httpdigest"];
    let schemes = config["authenticationSchemes"].as_array().expect("schemes");
    assert!(!schemes.is_empty());
    for scheme in schemes {
        assert!(
            scheme["type"].as_str().is_some_and(|it| known.contains(&it)),
            "{scheme}"
        );
    }
}

/// 7643-6-03, 7643-6-05, 7643-6-07
#[test]
fn resource_types_have_names_and_endpoints_of_their_own() {
    let client = staff_tenant();
    let list = client.get("/ResourceTypes").expect(200);
    for name in ["name", "endpoint"] {
        let values: BTreeSet<String> = list
            .resources()
            .iter()
            .filter_map(|it| it[name].as_str())
            .map(str::to_lowercase)
            .collect();
        assert_eq!(values.len(), 3, "{values:?}");
    }
    for kind in list.resources() {
        let endpoint = kind["endpoint"].as_str().expect("a path");
        assert!(endpoint.starts_with('/'), "{endpoint}");
        client.get(endpoint).expect(200);
    }
    let extensions = |name: &str| client.now(&format!("/ResourceTypes/{name}"))["schemaExtensions"].clone();
    assert_eq!(
        extensions("User"),
        json!([{"schema": ENTERPRISE, "required": false}, {"schema": STAFF, "required": false}])
    );
    assert_eq!(extensions("Group"), Value::Null);
    assert_eq!(extensions("Device"), Value::Null);
}

/// 7643-7-25
#[test]
fn reference_types_name_what_exists() {
    let client = staff_tenant();
    let list = client.get("/ResourceTypes").expect(200);
    let mut known: Vec<&str> = list
        .resources()
        .iter()
        .filter_map(|it| it["name"].as_str())
        .collect();
    known.extend(["external", "uri"]);
    for (path, attribute) in all_attributes(&client) {
        let types = attribute.get("referenceTypes");
        assert_eq!(types.is_some(), attribute["type"] == "reference", "{path}");
        let types = types.and_then(Value::as_array).into_iter().flatten();
        for name in types {
            assert!(
                name.as_str().is_some_and(|it| known.contains(&it)),
                "{path}: {name}"
            );
        }
    }
}

/// 7643-8.7.2-01
///
/// The characteristics in which section 8.7.2 differs from the defaults, with the verified errata
/// 5606, 5607, 6727, 7522, 8415, 8417 and 8475.
#[test]
fn the_schemas_of_discovery_are_those_of_the_rfc() {
    let found = all_attributes(&tenant());
    let attribute = |path: &str| {
        let path = format!("{CORE}:{path}");
        let found = found.iter().find(|(it, _)| *it == path);
        &found.unwrap_or_else(|| panic!("{path} is missing")).1
    };
    for (path, kind, is_required) in [
        ("ServiceProviderConfig:documentationUri", "reference", false),
        ("ServiceProviderConfig:patch", "complex", true),
        ("ServiceProviderConfig:patch.supported", "boolean", true),
        ("ServiceProviderConfig:bulk.supported", "boolean", true),
        ("ServiceProviderConfig:bulk.maxOperations", "integer", true),
        ("ServiceProviderConfig:bulk.maxPayloadSize", "integer", true),
        ("ServiceProviderConfig:filter.supported", "boolean", true),
        ("ServiceProviderConfig:filter.maxResults", "integer", true),
        ("ServiceProviderConfig:changePassword.supported", "boolean", true),
        ("ServiceProviderConfig:sort.supported", "boolean", true),
        ("ServiceProviderConfig:etag.supported", "boolean", true),
        ("ServiceProviderConfig:authenticationSchemes", "complex", true),
        ("ServiceProviderConfig:authenticationSchemes.type", "string", true),
        ("ServiceProviderConfig:authenticationSchemes.name", "string", true),
        (
            "ServiceProviderConfig:authenticationSchemes.description",
            "string",
            true,
        ),
        (
            "ServiceProviderConfig:authenticationSchemes.specUri",
            "reference",
            false,
        ),
        ("ResourceType:name", "string", true),
        ("ResourceType:description", "string", false),
        ("ResourceType:endpoint", "reference", true),
        ("ResourceType:schema", "reference", true),
        ("ResourceType:schemaExtensions", "complex", true),
        ("ResourceType:schemaExtensions.schema", "reference", true),
        ("ResourceType:schemaExtensions.required", "boolean", true),
        ("Schema:name", "string", true),
        ("Schema:description", "string", false),
        ("Schema:attributes", "complex", true),
        ("Schema:attributes.name", "string", true),
        ("Schema:attributes.type", "string", true),
        ("Schema:attributes.multiValued", "boolean", true),
        ("Schema:attributes.canonicalValues", "string", false),
        ("Schema:attributes.referenceTypes", "string", false),
        ("Schema:attributes.subAttributes", "complex", false),
        ("Schema:attributes.subAttributes.name", "string", true),
        ("Schema:attributes.subAttributes.type", "string", true),
    ] {
        let attribute = attribute(path);
        assert_eq!(attribute["type"], kind, "{path}");
        assert_eq!(attribute["required"], is_required, "{path}");
    }
    for path in [
        "ServiceProviderConfig:authenticationSchemes",
        "ResourceType:schemaExtensions",
        "Schema:attributes",
        "Schema:attributes.canonicalValues",
        "Schema:attributes.referenceTypes",
        "Schema:attributes.subAttributes",
    ] {
        assert_eq!(attribute(path)["multiValued"], true, "{path}");
    }
    let plain = [
        "string",
        "boolean",
        "decimal",
        "integer",
        "dateTime",
        "reference",
        "binary",
    ];
    let types = |path: &str| attribute(path)["canonicalValues"].clone();
    assert_eq!(types("Schema:attributes.subAttributes.type"), json!(plain));
    let with_complex: Vec<&str> = plain.into_iter().chain(["complex"]).collect();
    assert_eq!(types("Schema:attributes.type"), json!(with_complex));
}

/// 7643-10.2.1-01
#[test]
fn schemas_of_an_operator_have_urns() {
    let load = |urn: &str| {
        let schema = json!({"schemas": [format!("{CORE}:Schema")], "id": urn, "name": "Own",
            "attributes": [{"name": "a"}]});
        scim_server::registry(&[("own.json".to_owned(), schema.to_string())]).map(|_| ())
    };
    for urn in [
        "urn:ietf:params:scim:schemas:extension:acme:2.0:User",
        "urn:ietf:params:scim:schemas:acme",
        "urn:example:params:scim:schemas:staff:2.0:User",
        "urn:acme:user",
    ] {
        assert!(load(urn).is_ok(), "{urn}");
    }
    for urn in [
        "urn:ietf:params:scim:api:messages:2.0:Own",
        "URN:IETF:PARAMS:SCIM:API:Own",
        "acme",
    ] {
        assert!(load(urn).is_err(), "{urn}");
    }
}
