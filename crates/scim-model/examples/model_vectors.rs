//! Evaluates filter vectors: `model_vectors eval` reads one JSON document from standard input and writes one to
//! standard output.
//!
//! In: `{"schemas": […], "resources": […], "vectors": [{"id", "resourceType", "filter"}]}`; the
//! schemas are extensions of the resource type that their URN ends with.
//! Out: `{"<vector id>": ["<resource id>", …] | {"error": "invalidFilter", "detail": "…"}}`.

use std::io::Read;

use scim_filter::Filter;
use scim_model::{Condition, Policy, ResourceType, SchemaRegistry, ScimError, ScimType, Subject};
use serde_json::{Map, Value, json};

#[allow(clippy::print_stdout)] // The result.
fn main() -> Result<(), Box<dyn std::error::Error>> {
    if std::env::args().nth(1).as_deref() != Some("eval") {
        return Err("usage: model_vectors eval < vectors.json".into());
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    println!("{}", eval(&serde_json::from_str(&text)?)?);
    Ok(())
}

/// The results of all vectors of a document.
///
/// # Errors
/// The document is not of the form above.
pub(crate) fn eval(document: &Value) -> Result<Value, String> {
    let registry = registry(list(document, "schemas")?)?;
    let resources = list(document, "resources")?;
    let mut answers = Map::new();
    for vector in list(document, "vectors")? {
        let name = text(vector, "resourceType")?;
        let resource_type = registry
            .resource_type(name)
            .ok_or_else(|| format!("no resource type `{name}`"))?;
        let answer = match matches(text(vector, "filter")?, resource_type, resources) {
            Ok(ids) => json!(ids),
            Err(error) => json!({"error": error.scim_type().map(ScimType::as_str), "detail": error.detail}),
        };
        answers.insert(text(vector, "id")?.to_owned(), answer);
    }
    Ok(Value::Object(answers))
}

fn matches<'a>(
    filter: &str,
    resource_type: &ResourceType,
    resources: &'a [Value],
) -> Result<Vec<&'a str>, ScimError> {
    let filter =
        Filter::parse(filter).map_err(|it| ScimError::new(ScimType::InvalidFilter, it.to_string()))?;
    let condition = Condition::resolve(&filter, resource_type, Policy { lenient: true })?;
    let of_type = resources
        .iter()
        .filter(|it| it["meta"]["resourceType"] == *resource_type.name);
    let matching = of_type
        .filter_map(Value::as_object)
        .filter(|resource| condition.matches(&Subject::of_resource(resource, resource_type)));
    Ok(matching.filter_map(|it| it["id"].as_str()).collect())
}

/// The built-in types with additional extensions.
fn registry(schemas: &[Value]) -> Result<SchemaRegistry, String> {
    let builtin = SchemaRegistry::builtin();
    let mut files = Vec::new();
    for schema in schemas {
        files.push((text(schema, "id")?.to_owned(), schema.to_string()));
    }
    for resource_type in &builtin.resource_types {
        let own = resource_type.extensions.iter().map(|(schema, _)| &*schema.id);
        let added = files.iter().map(|(urn, _)| urn.as_str());
        let added = added.filter(|urn| urn.rsplit(':').next() == Some(&*resource_type.name));
        let extensions: Vec<Value> = own
            .chain(added)
            .map(|urn| json!({"schema": urn, "required": false}))
            .collect();
        let document = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
            "name": &*resource_type.name,
            "endpoint": &*resource_type.endpoint,
            "schema": &*resource_type.schema.id,
            "schemaExtensions": extensions,
        });
        files.push((resource_type.name.to_string(), document.to_string()));
    }
    SchemaRegistry::load(&files).map_err(|it| it.to_string())
}

fn list<'a>(document: &'a Value, member: &str) -> Result<&'a [Value], String> {
    document[member]
        .as_array()
        .map(Vec::as_slice)
        .ok_or_else(|| format!("`{member}` is not an array"))
}

fn text<'a>(object: &'a Value, member: &str) -> Result<&'a str, String> {
    object[member]
        .as_str()
        .ok_or_else(|| format!("`{member}` is not a string"))
}
