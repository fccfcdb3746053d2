//! The OpenAPI document describes every operation, and every answer of the other tests.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use scim_server::http::management::route_table;
use serde_json::{Map, Value, json};

use crate::harness::{Reply, Server};

/// The document.
fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(|| {
        let text = scim_server::http::management::openapi_document();
        serde_json::from_str(text).expect("it is JSON")
    })
}

#[test]
fn every_operation_of_the_route_table_is_described() {
    let mut expected: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for resource in route_table::resources() {
        let mut methods: Vec<String> = resource
            .operations()
            .iter()
            .map(|(method, _)| method.as_str().to_lowercase())
            .collect();
        methods.sort();
        expected.insert(resource.path.to_owned(), methods);
    }
    let described = document()["paths"].as_object().expect("there are paths").iter();
    let described: BTreeMap<String, Vec<String>> = described
        .map(|(path, item)| {
            let item = item.as_object().expect("it has operations");
            let mut methods: Vec<String> = item.keys().cloned().collect();
            methods.sort();
            (path.clone(), methods)
        })
        .collect();
    assert_eq!(described, expected);
}

#[test]
fn the_document_is_served_and_complete() {
    let server = Server::start();
    let served = server.admin().get("/openapi.json").expect(200).json();
    assert_eq!(&served, document());
    assert!(served["openapi"].as_str().is_some_and(|it| it.starts_with("3.1")));
    assert_eq!(served["servers"], json!([{ "url": "/api/v1" }]));
    let scheme = &served["components"]["securitySchemes"]["operatorKey"];
    assert_eq!(
        (&scheme["type"], &scheme["scheme"]),
        (&json!("http"), &json!("bearer"))
    );
    for (path, item) in served["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let place = format!("{method} {path}");
            assert!(
                operation["summary"].is_string() || operation["description"].is_string(),
                "{place}"
            );
            assert!(operation["responses"]["default"].is_object(), "{place}");
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            let in_path: Vec<&str> = parameters
                .iter()
                .filter(|it| it["in"] == "path")
                .filter_map(|it| it["name"].as_str())
                .collect();
            let names: Vec<&str> = path
                .split('/')
                .filter_map(|it| it.strip_prefix('{')?.strip_suffix('}'))
                .collect();
            assert_eq!(in_path, names, "{place}");
        }
    }
    check_references(&served, &served);
}

#[test]
fn every_post_that_creates_or_acts_has_an_idempotency_key() {
    for (path, item) in document()["paths"].as_object().unwrap() {
        let Some(post) = item.get("post") else {
            continue;
        };
        let parameters = post["parameters"].as_array().cloned().unwrap_or_default();
        let has_key = parameters
            .iter()
            .any(|it| it["name"] == "Idempotency-Key" && it["in"] == "header");
        // A trial changes nothing, and a poll names the tokens that it acknowledges.
        let needs_none = path.ends_with("/check") || path.ends_with("/poll");
        assert_eq!(has_key, !needs_none, "{path}");
    }
}

/// The paths of objects with an entity tag, and of the actions that change it.
#[test]
fn every_change_of_an_object_with_an_entity_tag_has_a_condition() {
    for (path, item) in document()["paths"].as_object().unwrap() {
        // An object that can be changed has a tag.
        let has_tag = item.get("patch").is_some();
        let actions = [
            "/pause",
            "/resume",
            "/webhooks/{id}/disable",
            "/webhooks/{id}/enable",
        ];
        let is_action = !path.starts_with("/set-streams/") && actions.iter().any(|it| path.ends_with(it));
        for (method, operation) in item.as_object().unwrap() {
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            let has_condition = parameters
                .iter()
                .any(|it| it["name"] == "If-Match" && it["in"] == "header");
            let is_change = has_tag && ["patch", "delete"].contains(&method.as_str());
            assert_eq!(has_condition, is_change || is_action, "{method} {path}");
        }
    }
}

fn check_references(value: &Value, document: &Value) {
    match value {
        Value::Object(members) => {
            if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
                let pointer = reference.trim_start_matches('#');
                assert!(document.pointer(pointer).is_some(), "{reference}");
            }
            members.values().for_each(|it| check_references(it, document));
        }
        Value::Array(items) => items.iter().for_each(|it| check_references(it, document)),
        _ => {}
    }
}

/// Checks that an answer is as the document describes it.
#[track_caller]
pub fn check_answer(method: &str, path: &str, reply: &Reply) {
    let path = path.split('?').next().unwrap();
    let content_type = reply.header("content-type").unwrap_or_default();
    let Some(operation) = operation(method, path) else {
        assert!(
            [401, 404, 405, 204].contains(&reply.status),
            "{method} {path}: {}",
            reply.status
        );
        return;
    };
    let responses = &operation["responses"];
    let response = match reply.status < 400 {
        true => &responses[reply.status.to_string()],
        false => &responses["default"],
    };
    assert!(
        response.is_object(),
        "{method} {path}: {} is not described",
        reply.status
    );
    if let Some(content) = response.get("content") {
        let schema = &content[content_type]["schema"];
        assert!(
            schema.is_object(),
            "{method} {path}: `{content_type}` is not described"
        );
        if method != "HEAD" && content_type != "text/event-stream" {
            check(&reply.json(), schema, path);
        }
    } else {
        assert_eq!(reply.text, "", "{method} {path}");
    }
}

fn operation<'a>(method: &str, path: &str) -> Option<&'a Value> {
    let method = if method == "HEAD" { "GET" } else { method };
    let matches = |template: &str| {
        let (template, path): (Vec<&str>, Vec<&str>) =
            (template.split('/').collect(), path.split('/').collect());
        let is_same = |(part, given): (&&str, &&str)| part.starts_with('{') || part == given;
        template.len() == path.len() && template.iter().zip(&path).all(is_same)
    };
    let paths = document()["paths"].as_object().unwrap();
    let (_, item) = paths.iter().find(|(template, _)| matches(template))?;
    item.get(method.to_lowercase())
}

/// Checks a value against a schema: types, required members, and that no member is missing in the schema.
#[track_caller]
fn check(value: &Value, schema: &Value, place: &str) {
    if let Some(problem) = problem(value, schema, place) {
        panic!("{problem}\n{value:#}\n{schema:#}");
    }
}

fn problem(value: &Value, schema: &Value, place: &str) -> Option<String> {
    let schema = resolved(schema);
    if let Some(choices) = schema.get("oneOf").and_then(Value::as_array) {
        let fits = choices.iter().any(|it| problem(value, it, place).is_none());
        return (!fits).then(|| format!("{place} fits no choice"));
    }
    if let Some(allowed) = schema.get("enum").and_then(Value::as_array) {
        return (!allowed.contains(value)).then(|| format!("{place} has another value: {value}"));
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let actual = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(it) if it.is_i64() || it.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    if !types.is_empty() && !types.contains(&actual) {
        return Some(format!("{place} is {actual}, and not {types:?}"));
    }
    match value {
        Value::Array(items) => items
            .iter()
            .enumerate()
            .find_map(|(index, it)| problem(it, schema.get("items")?, &format!("{place}[{index}]"))),
        Value::Object(members) => problem_of_members(members, schema, place),
        _ => None,
    }
}

fn problem_of_members(members: &Map<String, Value>, schema: &Value, place: &str) -> Option<String> {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    collect(schema, &mut properties, &mut required);
    if let Some(missing) = required.iter().find(|it| !members.contains_key(*it)) {
        return Some(format!("{place} lacks `{missing}`"));
    }
    let further = schema.get("additionalProperties");
    if properties.is_empty() && further.is_none() {
        // An object of any kind.
        return None;
    }
    members.iter().find_map(|(name, value)| {
        let inner = format!("{place}.{name}");
        match properties.get(name).or(further) {
            Some(schema) => problem(value, schema, &inner),
            // A kind of problem may have further members (RFC 9457 section 3.2).
            None if properties.contains_key("requestId") => None,
            None => Some(format!("{inner} is not described")),
        }
    })
}

/// Collects the members that an object may have, and those that it must have.
fn collect(schema: &Value, properties: &mut Map<String, Value>, required: &mut Vec<String>) {
    let schema = resolved(schema);
    for part in schema
        .get("allOf")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        collect(part, properties, required);
    }
    for (name, property) in schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        properties.insert(name.clone(), property.clone());
    }
    let names = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    required.extend(names.filter_map(|it| it.as_str().map(str::to_owned)));
}

fn resolved(schema: &Value) -> &Value {
    match schema.get("$ref").and_then(Value::as_str) {
        Some(reference) => document()
            .pointer(reference.trim_start_matches('#'))
            .expect("the reference leads to a schema"),
        None => schema,
    }
}

#[test]
fn the_comparison_with_a_schema_finds_differences() {
    let schema = json!({"type": "object", "required": ["a"],
                        "properties": {"a": {"type": ["string", "null"]}, "b": {"type": "array", "items": {"enum": [1]}}}});
    for (value, fits) in [
        (json!({"a": "x"}), true),
        (json!({"a": null, "b": [1, 1]}), true),
        (json!({"b": [1]}), false),
        (json!({"a": 1}), false),
        (json!({"a": "x", "b": [2]}), false),
        (json!({"a": "x", "c": 1}), false),
        (json!([]), false),
    ] {
        assert_eq!(problem(&value, &schema, "it").is_none(), fits, "{value}");
    }
}
