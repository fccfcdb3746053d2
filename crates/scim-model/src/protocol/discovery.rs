//! The discovery documents: ServiceProviderConfig, ResourceTypes and Schemas (RFC 7643 sections 5,
//! 6 and 7, RFC 7644 section 4, RFC 9865 section 4).
//!
//! They are derived from the schemas that validate requests and from the limits that are enforced, so they cannot
//! announce anything else.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::json::write_value;
use crate::protocol::search::ListResponse;
use crate::schema::registry::SchemaRegistry;
use crate::schema::{
    Attribute, AttributeType, RESOURCE_TYPE_URN, ResourceType, SCHEMA_URN, SERVICE_PROVIDER_CONFIG_URN,
    Schema, attribute_named,
};

/// The limits that the server enforces and announces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The number of resources on a page when the request has no `count`: `pagination.defaultPageSize`.
    pub default_page_size: u32,
    /// The most resources on a page: `filter.maxResults` and `pagination.maxPageSize`.
    pub max_page_size: u32,
    /// The minimum number of seconds for which a cursor can be used; `None` when cursors never expire.
    pub cursor_timeout: Option<u64>,
}

/// The optional features of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Features {
    /// Whether passwords are kept and can be changed.
    pub change_password: bool,
    /// The URI of the documentation.
    pub documentation_uri: Option<String>,
    /// Whether clients get access tokens by OAuth 2.0 client credentials.
    pub token_endpoint: bool,
    /// Whether the rules of the interoperability profile are enforced: `interopProfileConformant`.
    pub interop_profile: bool,
    /// The URIs of the security events that the server sends, if it sends any: `securityEvents` (RFC 9967 section 4).
    pub security_events: Vec<String>,
}

/// `/ServiceProviderConfig`: one object, no list.
pub fn service_provider_config(limits: &Limits, features: &Features, base_url: &str) -> Value {
    let mut pagination = json!({
        "cursor": true,
        "index": true,
        "defaultPaginationMethod": "index",
        "defaultPageSize": limits.default_page_size,
        "maxPageSize": limits.max_page_size,
    });
    if let Some(seconds) = limits.cursor_timeout {
        pagination["cursorTimeout"] = seconds.into();
    }
    let mut config = json!({ "schemas": [SERVICE_PROVIDER_CONFIG_URN] });
    if let Some(uri) = &features.documentation_uri {
        config["documentationUri"] = uri.as_str().into();
    }
    if features.interop_profile {
        config["interopProfileConformant"] = true.into();
    }
    if !features.security_events.is_empty() {
        config["securityEvents"] = json!({"asyncRequest": "none", "eventUris": features.security_events});
    }
    let mut schemes = vec![json!({
        "type": "oauthbearertoken",
        "name": "OAuth Bearer Token",
        "description": "A bearer token in the Authorization header; it also selects the tenant.",
        "specUri": "https://www.rfc-editor.org/info/rfc6750",
        "primary": true,
    })];
    if features.token_endpoint {
        schemes.push(json!({
            "type": "oauth2",
            "name": "OAuth 2.0 Client Credentials",
            "description": "An access token that the token endpoint issues to a client, as a bearer token.",
            "specUri": "https://www.rfc-editor.org/info/rfc6749",
        }));
    }
    let rest = json!({
        "patch": { "supported": true },
        "bulk": { "supported": false, "maxOperations": 0, "maxPayloadSize": 0 },
        "filter": { "supported": true, "maxResults": limits.max_page_size },
        "changePassword": { "supported": features.change_password },
        "sort": { "supported": true },
        "etag": { "supported": true },
        "pagination": pagination,
        "authenticationSchemes": schemes,
        "meta": {
            "resourceType": "ServiceProviderConfig",
            "location": format!("{base_url}/ServiceProviderConfig"),
        },
    });
    if let (Value::Object(config), Value::Object(rest)) = (&mut config, rest) {
        config.extend(rest);
    }
    config
}

/// `/ResourceTypes`: a ListResponse of all, on one page.
pub fn resource_types(registry: &SchemaRegistry, base_url: &str) -> String {
    list(
        registry
            .resource_types
            .iter()
            .map(|it| resource_type(it, base_url))
            .collect(),
    )
}

/// `/ResourceTypes/{name}`.
pub fn resource_type(resource_type: &ResourceType, base_url: &str) -> Value {
    let mut document = json!({
        "schemas": [RESOURCE_TYPE_URN],
        "id": &*resource_type.name,
        "name": &*resource_type.name,
        "description": resource_type.description,
        "endpoint": &*resource_type.endpoint,
        "schema": &*resource_type.schema.id,
    });
    if !resource_type.extensions.is_empty() {
        let extensions = resource_type.extensions.iter();
        let extensions: Vec<Value> = extensions
            .map(|(schema, required)| json!({ "schema": &*schema.id, "required": required }))
            .collect();
        document["schemaExtensions"] = extensions.into();
    }
    document["meta"] = json!({
        "resourceType": "ResourceType",
        "location": format!("{base_url}/ResourceTypes/{}", resource_type.name),
    });
    document
}

/// `/Schemas`: a ListResponse of all, on one page.
pub fn schemas(registry: &SchemaRegistry, base_url: &str) -> String {
    list(registry.schemas.iter().map(|it| schema(it, base_url)).collect())
}

/// `/Schemas/{urn}`.
pub fn schema(schema: &Schema, base_url: &str) -> Value {
    json!({
        "schemas": [SCHEMA_URN],
        "id": &*schema.id,
        "name": schema.name,
        "description": schema.description,
        "attributes": listed_common(schema).iter().chain(&schema.attributes).map(|it| attribute(it)).collect::<Vec<_>>(),
        "meta": {
            "resourceType": "Schema",
            "location": format!("{base_url}/Schemas/{}", schema.id),
        },
    })
}

/// The common attribute that the documents of User and Group list, although it belongs to every resource (RFC 7643
/// section 3.1): Microsoft's validator looks for `externalId` there.
fn listed_common(schema: &Schema) -> Option<Arc<Attribute>> {
    let types = SchemaRegistry::builtin().resource_types;
    let core = types.iter().find(|it| it.schema.id == schema.id)?;
    attribute_named(&core.common.attributes, "externalId").cloned()
}

/// An attribute with all characteristics that its type has (RFC 7643 sections 2.3 and 7).
fn attribute(attribute: &Attribute) -> Value {
    let type_ = attribute.type_;
    let mut document = Map::new();
    let mut say = |name: &str, value: Value| document.insert(name.to_owned(), value);
    say("name", attribute.name.as_str().into());
    say("type", keyword(&type_));
    if type_ == AttributeType::Complex {
        say(
            "subAttributes",
            attribute
                .sub_attributes
                .iter()
                .map(|it| self::attribute(it))
                .collect(),
        );
    }
    say("multiValued", attribute.multi_valued.into());
    say("description", attribute.description.as_str().into());
    say("required", attribute.required.into());
    if let Some(values) = &attribute.canonical_values {
        say("canonicalValues", values.clone().into());
    }
    if matches!(
        type_,
        AttributeType::String | AttributeType::Reference | AttributeType::Binary
    ) {
        say("caseExact", attribute.case_exact.into());
    }
    say("mutability", keyword(&attribute.mutability));
    say("returned", keyword(&attribute.returned));
    let can_be_unique = [
        AttributeType::String,
        AttributeType::Reference,
        AttributeType::Integer,
        AttributeType::Decimal,
    ];
    if can_be_unique.contains(&type_) {
        say("uniqueness", keyword(&attribute.uniqueness));
    }
    if !attribute.reference_types.is_empty() {
        say("referenceTypes", attribute.reference_types.clone().into());
    }
    Value::Object(document)
}

fn keyword(keyword: &impl serde::Serialize) -> Value {
    serde_json::to_value(keyword).expect("a keyword is a string")
}

fn list(documents: Vec<Value>) -> String {
    let total_results = documents.len() as u64;
    let response = ListResponse {
        total_results,
        start_index: Some(1),
        ..ListResponse::default()
    };
    let text = response.to_json(documents.into_iter(), |body, document| {
        write_value(body.text(), &document);
        Ok::<(), std::convert::Infallible>(())
    });
    match text {
        Ok(body) => body.into_text(),
        Err(never) => match never {},
    }
}
