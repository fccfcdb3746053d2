//! Reads patches in one JSON document from standard input, applies them, and writes the results to standard output.
//!
//! Input: `{"schemas": […], "vectors": [{"id", "mode", "resourceType", "before", "operations" | "body"}]}`, where the
//! schemas are extensions of User. Output: `{id: {"after": resource} | {"error": {"status", "scimType"}}}`.
#![allow(clippy::print_stdout)] // This is a command-line program.

use std::io::Read;

use scim_model::{Document, ErrorKind, Policy, ResourceType, SchemaRegistry, ScimError, json};
use scim_patch::{Operation, apply};
use serde_json::{Map, Value, json};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    let input = json::parse(text.as_bytes())?;
    let registry = registry(&input)?;
    let mut output = Map::new();
    for vector in input["vectors"].as_array().into_iter().flatten() {
        let name = vector["resourceType"].as_str().unwrap_or_default();
        let resource_type = registry.resource_type(name).ok_or("an unknown resource type")?;
        let answer = match patched(resource_type, vector) {
            Ok(after) => json!({"after": after}),
            Err(error) => json!({"error": {
                "status": if error.kind == ErrorKind::TooLarge { 413 } else { 400 },
                "scimType": error.scim_type().map(scim_model::ScimType::as_str),
            }}),
        };
        output.insert(vector["id"].as_str().unwrap_or_default().to_owned(), answer);
    }
    println!("{}", Value::Object(output));
    Ok(())
}

fn registry(input: &Value) -> Result<SchemaRegistry, Box<dyn std::error::Error>> {
    let mut files = Vec::new();
    let mut extensions = vec![json!({"schema": scim_model::schema::ENTERPRISE_USER_URN, "required": false})];
    for (index, schema) in input["schemas"].as_array().into_iter().flatten().enumerate() {
        files.push((format!("schema-{index}.json"), schema.to_string()));
        extensions.push(json!({"schema": schema["id"], "required": false}));
    }
    if !files.is_empty() {
        let user = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
            "name": "User", "endpoint": "/Users", "schema": scim_model::schema::USER_URN,
            "schemaExtensions": extensions,
        });
        files.push(("user.json".to_owned(), user.to_string()));
    }
    Ok(SchemaRegistry::load(&files)?)
}

fn patched(resource_type: &ResourceType, vector: &Value) -> Result<Value, ScimError> {
    let policy = Policy {
        lenient: vector["mode"] != "strict",
    };
    let body = match vector.get("body") {
        Some(body) => body.clone(),
        None => json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": vector["operations"],
        }),
    };
    let before = vector["before"].as_object().cloned().unwrap_or_default();
    // The attributes that a server assigns stay, because clients may repeat them.
    let document = before.into_iter().filter(|(name, _)| name != "schemas");
    let operations = Operation::parse_all(body, policy)?;
    let outcome = apply(
        resource_type,
        &Document::from_values(document.collect()),
        &operations,
        policy,
    )?;
    let mut after = Map::from_iter([(
        "schemas".to_owned(),
        json!(outcome.document.schemas(resource_type)),
    )]);
    after.extend(outcome.document.into_values());
    Ok(Value::Object(after))
}
