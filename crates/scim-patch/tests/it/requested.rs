//! Attributes with `returned` = `request`, which are part of the response to a PATCH that writes them.

use scim_model::SchemaRegistry;
use scim_model::internal::RESOURCE_TYPE_URN;
use scim_model::schema::USER_URN;
use serde_json::{Value, json};

use crate::{LENIENT, STRICT, patch};

const EXTENSION: &str = "urn:example:params:scim:schemas:extension:asked:1.0:User";

/// Checks the attributes that are returned because the operations write them.
#[track_caller]
fn check(operations: &Value, expected: &[&str]) {
    let parts = json!([{"name": "value"}, {"name": "note"}, {"name": "since", "returned": "request"}]);
    let schema = json!({"id": EXTENSION, "attributes": [
        {"name": "shown"},
        {"name": "asked", "returned": "request"},
        {"name": "tags", "multiValued": true, "returned": "request"},
        {"name": "desk", "type": "complex", "subAttributes": parts},
        {"name": "keys", "type": "complex", "multiValued": true, "subAttributes": parts},
        {"name": "whole", "type": "complex", "returned": "request", "subAttributes": [{"name": "value"}]}]});
    let user = json!({"schemas": [RESOURCE_TYPE_URN], "name": "User", "endpoint": "/Users",
        "schema": USER_URN, "schemaExtensions": [{"schema": EXTENSION, "required": false}]});
    let file = ("files.json".to_owned(), json!([schema, user]).to_string());
    let registry = SchemaRegistry::load(&[file]).unwrap();
    let before = json!({"userName": "a", EXTENSION: {"shown": "1", "asked": "1", "tags": ["x"],
        "desk": {"value": "1"}, "keys": [{"value": "k"}, {"value": "l"}]}});
    for policy in [STRICT, LENIENT] {
        let outcome = patch(
            registry.resource_type("User").unwrap(),
            &before,
            operations,
            policy,
        )
        .unwrap();
        let paths: Vec<String> = outcome.requested.iter().map(ToString::to_string).collect();
        let expected: Vec<String> = expected.iter().map(|it| format!("{EXTENSION}:{it}")).collect();
        assert_eq!(paths, expected, "{operations}");
    }
}

fn replace(name: &str, value: Value) -> Value {
    json!({"op": "replace", "path": format!("{EXTENSION}:{name}"), "value": value})
}

/// 7643-7-21
#[test]
fn an_attribute_that_a_client_writes_is_part_of_the_response() {
    check(&json!([replace("shown", json!("2"))]), &[]);
    check(&json!([replace("asked", json!("2"))]), &["asked"]);
    check(&json!([replace("asked", json!("1"))]), &["asked"]);
    check(&json!([replace("tags", json!(["y"]))]), &["tags"]);
    check(&json!([replace("tags[value eq \"x\"]", json!("y"))]), &["tags"]);
    check(&json!([replace("whole.value", json!("1"))]), &["whole"]);
    check(
        &json!([{"op": "add", "value": {EXTENSION: {"asked": "2", "shown": "2"}}}]),
        &["asked"],
    );
    check(
        &json!([
            replace("asked", json!("2")),
            replace("tags", json!([])),
            replace("asked", json!("3"))
        ]),
        &["asked", "tags"],
    );
}

/// 7643-7-21: the rule holds for sub-attributes too.
#[test]
fn a_sub_attribute_that_a_client_writes_is_part_of_the_response() {
    check(&json!([replace("desk", json!({"note": "n"}))]), &[]);
    check(&json!([replace("desk.note", json!("n"))]), &[]);
    check(
        &json!([replace("desk", json!({"SINCE": "2020"}))]),
        &["desk.since"],
    );
    check(&json!([replace("desk.since", json!("2020"))]), &["desk.since"]);
    check(
        &json!([replace(
            "keys",
            json!([{"value": "m", "since": "2020"}, {"value": "n"}])
        )]),
        &["keys.since"],
    );
    check(&json!([replace("keys.since", json!("2020"))]), &["keys.since"]);
    check(
        &json!([replace("keys[value eq \"k\"].since", json!("2020"))]),
        &["keys.since"],
    );
    check(
        &json!([replace("keys[value eq \"k\"]", json!({"since": "2020"}))]),
        &["keys.since"],
    );
    check(
        &json!([replace("keys[value eq \"k\"]", json!({"note": "n"}))]),
        &[],
    );
    check(
        &json!([{"op": "add", "path": format!("{EXTENSION}:keys"), "value": {"value": "k", "since": "2020"}}]),
        &["keys.since"],
    );
    check(
        &json!([
            replace("desk.since", json!("2020")),
            replace("desk", json!({"since": "2021"}))
        ]),
        &["desk.since"],
    );
}
