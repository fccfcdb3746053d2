//! Large requests on large lists: lookups by the index are fast, and other filters are limited.

use scim_model::{ErrorKind, Policy, SchemaRegistry};
use scim_patch::{Operation, PatchError, apply};
use serde_json::{Value, json};

use crate::{LENIENT, body, document};

fn id(number: usize) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

fn on_large_group(operations: impl Iterator<Item = Value>, policy: Policy) -> Result<usize, PatchError> {
    let registry = SchemaRegistry::builtin();
    let group = registry.resource_type("Group").unwrap();
    let members: Vec<Value> = (0..20_000).map(|it| json!({"value": id(it)})).collect();
    let before = document(&json!({"displayName": "g", "members": members}));
    let operations = Operation::parse_all(body(&operations.collect()), policy).unwrap();
    let outcome = apply(group, &before, &operations, policy);
    outcome.map(|it| it.document.values()["members"].as_array().map_or(0, Vec::len))
}

#[test]
fn a_thousand_operations_on_twenty_thousand_members() {
    let add =
        (0..1000).map(|it| json!({"op": "add", "path": "members", "value": [{"value": id(19_500 + it)}]}));
    assert_eq!(on_large_group(add, LENIENT).unwrap(), 20_500);
    let remove =
        (0..1000).map(|it| json!({"op": "remove", "path": format!("members[value eq \"{}\"]", id(it * 7))}));
    assert_eq!(on_large_group(remove, LENIENT).unwrap(), 19_000);
    let both = (0..1000).map(|it| match it % 2 {
        0 => json!({"op": "remove", "path": "members", "value": [{"value": id(it)}]}),
        _ => json!({"op": "add", "path": "members", "value": [{"value": id(it - 1)}]}),
    });
    assert_eq!(on_large_group(both, LENIENT).unwrap(), 20_000);
}

#[test]
fn filters_that_no_index_serves_are_limited() {
    let remove = (0..1000).map(|it| json!({"op": "remove", "path": format!("members[type ew \"x{it}\"]")}));
    let error = on_large_group(remove, LENIENT).unwrap_err();
    assert_eq!(error.error.kind, ErrorKind::TooLarge, "{error}");
    assert!(error.operation.unwrap() > 40, "{error}");
}
