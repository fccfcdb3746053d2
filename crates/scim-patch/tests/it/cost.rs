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

#[test]
fn every_test_of_a_filter_counts_for_every_value() {
    let filter = |term: &dyn Fn(usize) -> String, joined: &str, terms: usize| {
        let terms: Vec<String> = (0..terms).map(term).collect();
        json!({"op": "remove", "path": format!("members[{}]", terms.join(joined))})
    };
    let by_type = |it: usize| format!("type eq \"x{it}\"");
    for (joined, is_negated) in [(" or ", false), (" and ", false), (" or ", true)] {
        let mut operation = filter(&by_type, joined, 300);
        if is_negated {
            operation["path"] = operation["path"]
                .as_str()
                .unwrap()
                .replace('[', "[not (")
                .replace(']', ")]")
                .into();
        }
        let error = on_large_group(std::iter::once(operation), LENIENT).unwrap_err();
        assert_eq!(error.error.kind, ErrorKind::TooLarge, "{error}");
    }
    // The index finds 1,600 members by their ids, and no others are examined.
    let by_id = |it: usize| format!("value eq \"{}\"", id(it));
    let left = on_large_group(std::iter::once(filter(&by_id, " or ", 1_600)), LENIENT).unwrap();
    assert_eq!(left, 18_400);
}

#[test]
fn an_id_joined_with_other_tests_is_found_by_the_index() {
    let remove = |filter: &str| {
        let operations = (0..300).map(|it| {
            let path = format!("members[{}]", filter.replace("{id}", &id(it)));
            json!({"op": "remove", "path": path})
        });
        on_large_group(operations, LENIENT)
    };
    assert!(remove("value eq \"{id}\" and not (type eq \"x\")").is_ok());
    assert!(remove("(type pr or value eq \"a\") and value eq \"{id}\"").is_ok());
}
