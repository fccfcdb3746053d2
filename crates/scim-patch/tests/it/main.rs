//! Tests of scim-patch through its public API.

#![allow(clippy::unwrap_used, clippy::needless_pass_by_value)] // A panic is how a test fails.

mod change;
mod clients;
mod cost;
mod laws;
mod own_types;
mod plan;
mod properties;
mod requested;
mod rules;
mod tolerances;
mod values;
mod vectors;

use std::sync::LazyLock;

use scim_model::{Document, Policy, ResourceType, SchemaRegistry};
use scim_patch::{Operation, Outcome, PatchError, apply};
use serde_json::{Value, json};

const STRICT: Policy = Policy { lenient: false };
const LENIENT: Policy = Policy { lenient: true };

fn document(value: &Value) -> Document {
    Document::from_values(value.as_object().unwrap().clone())
}

fn body(operations: &Value) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": operations,
    })
}

fn patch(
    resource_type: &ResourceType,
    before: &Value,
    operations: &Value,
    policy: Policy,
) -> Result<Outcome, PatchError> {
    let operations = Operation::parse_all(body(operations), policy)?;
    apply(resource_type, &document(before), &operations, policy)
}

/// Returns the resource types of patch.json, whose User has the extension Badge with every data type.
fn registry() -> &'static SchemaRegistry {
    static REGISTRY: LazyLock<SchemaRegistry> = LazyLock::new(load);
    &REGISTRY
}

fn load() -> SchemaRegistry {
    let fixture: Value = serde_json::from_str(include_str!("../fixtures/patch.json")).unwrap();
    let mut extensions = vec![json!({"schema": scim_model::schema::ENTERPRISE_USER_URN, "required": false})];
    let mut files = Vec::new();
    for schema in fixture["schemas"].as_array().unwrap() {
        extensions.push(json!({"schema": schema["id"], "required": false}));
        files.push(("schema.json".to_owned(), schema.to_string()));
    }
    let user = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
        "name": "User", "endpoint": "/Users", "schema": scim_model::schema::USER_URN,
        "schemaExtensions": extensions,
    });
    files.push(("user.json".to_owned(), user.to_string()));
    SchemaRegistry::load(&files).unwrap()
}
