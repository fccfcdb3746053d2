//! The difference of two documents: for the journal, for PUT, and for the rows of a store.

use scim_model::SchemaRegistry;
use scim_model::store::{MembersChange, MembersStep};
use scim_patch::{Change, steps_to_json};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{LENIENT, document, patch, registry};

const BADGE: &str = "urn:example:params:scim:schemas:extension:badge:2.0:User";

#[track_caller]
fn check(type_: &str, old: &Value, new: &Value, expected: &Value) -> Change {
    let registry = registry();
    let resource_type = registry.resource_type(type_).unwrap();
    let (old, new) = (document(old), document(new));
    let change = Change::between(resource_type, &old, &new);
    assert_eq!(change.to_json(), *expected);
    assert_eq!(change.replay(&old), new);
    assert!(Change::between(resource_type, &new, &new).is_empty());
    change
}

#[test]
fn attributes_that_came_went_and_changed() {
    check(
        "User",
        &json!({"userName": "a", "title": "T", "emails": [{"value": "1"}], BADGE: {"level": 1, "code": "c"}}),
        &json!({"userName": "b", "nickName": "N", "emails": [{"value": "1"}, {"value": "2"}], BADGE: {"level": 2, "code": "c"}}),
        &json!({
            "userName": {"old": "a", "new": "b"},
            "title": {"old": "T"},
            "nickName": {"new": "N"},
            "emails": {"old": [{"value": "1"}], "new": [{"value": "1"}, {"value": "2"}]},
            format!("{BADGE}:level"): {"old": 1, "new": 2},
        }),
    );
    check(
        "User",
        &json!({"userName": "a", BADGE: {"level": 1}}),
        &json!({"userName": "a"}),
        &json!({format!("{BADGE}:level"): {"old": 1}}),
    );
    check(
        "User",
        &json!({"userName": "a"}),
        &json!({"userName": "a", BADGE: {"level": 1}}),
        &json!({format!("{BADGE}:level"): {"new": 1}}),
    );
}

#[test]
fn order_is_no_difference() {
    let registry = registry();
    let user = registry.resource_type("User").unwrap();
    let old = document(
        &json!({"emails": [{"value": "1", "type": "a"}, {"value": "2"}], BADGE: {"tags": ["x", "y", "x"]}}),
    );
    let new = document(
        &json!({BADGE: {"tags": ["x", "x", "y"]}, "emails": [{"value": "2"}, {"type": "a", "value": "1"}]}),
    );
    assert!(Change::between(user, &old, &new).is_empty());
    let more = document(&json!({"emails": old.0["emails"], BADGE: {"tags": ["x", "y", "y"]}}));
    assert!(!Change::between(user, &old, &more).is_empty());
}

#[test]
fn members_come_and_go_one_by_one() {
    let id = |number: u8| Uuid::from_bytes([number; 16]);
    let text = |number: u8| id(number).to_string();
    let change = check(
        "Group",
        &json!({"displayName": "g", "members": [{"value": text(1), "type": "User"}, {"value": text(2), "type": "User"}]}),
        &json!({"displayName": "g", "members": [{"value": text(2), "type": "User"}, {"value": text(3)}]}),
        &json!({"members": {"added": [text(3)], "removed": [text(1)]}}),
    );
    let steps = vec![MembersStep::Remove(vec![id(1)]), MembersStep::Add(vec![id(3)])];
    assert_eq!(change.members(), Ok(MembersChange::Steps(steps.clone())));
    assert_eq!(
        steps_to_json(&steps),
        json!({"members": {"steps": [{"remove": [text(1)]}, {"add": [text(3)]}]}}),
    );
    // What the store says of a member is no change.
    let registry = registry();
    let old = document(&json!({"members": [{"value": text(1), "type": "User", "display": "A"}]}));
    let new = document(&json!({"members": [{"value": text(1)}]}));
    let change = Change::between(registry.resource_type("Group").unwrap(), &old, &new);
    assert!(change.is_empty());
    assert_eq!(change.members(), Ok(MembersChange::None));
    let nobody = document(&json!({"members": [{"value": "nobody"}]}));
    assert!(
        Change::between(registry.resource_type("Group").unwrap(), &old, &nobody)
            .members()
            .is_err()
    );
}

#[test]
fn what_is_never_returned_is_not_in_the_journal() {
    let change = check(
        "User",
        &json!({"userName": "a", BADGE: {"pin": "1234"}}),
        &json!({"userName": "a", BADGE: {"pin": "9999"}}),
        &json!({format!("{BADGE}:pin"): {"changed": true}}),
    );
    assert!(!change.is_empty());
}

#[test]
fn a_patch_without_effect_is_no_change() {
    let registry = registry();
    let before = json!({"userName": "a", "title": "T", "emails": [{"value": "1"}, {"value": "2"}]});
    for operations in [
        json!([{"op": "add", "path": "title", "value": "T"}]),
        json!([{"op": "replace", "path": "emails", "value": [{"value": "2"}, {"value": "1"}]}]),
        json!([{"op": "replace", "path": "title", "value": "U"}, {"op": "replace", "path": "title", "value": "T"}]),
        json!([{"op": "add", "path": "nickName", "value": "N"}, {"op": "remove", "path": "nickName"}]),
        json!([{"op": "remove", "path": "emails[value eq \"2\"]"}, {"op": "add", "path": "emails", "value": {"value": "2"}}]),
        json!([{"op": "replace", "path": "name", "value": {}}]),
    ] {
        let outcome = patch(
            registry.resource_type("User").unwrap(),
            &before,
            &operations,
            LENIENT,
        )
        .unwrap();
        assert!(outcome.change.is_empty(), "{operations}");
        // The very document, in its order.
        assert_eq!(Value::Object(outcome.document.0).to_string(), before.to_string());
    }
}

/// 7643-9.2-01: the journal tells that it changed, and no more, also when only a part of it is hidden.
#[test]
fn what_is_never_returned_is_told_without_its_value() {
    let schema = r#"{"id": "urn:example:Door", "name": "Door", "attributes": [
        {"name": "name"}, {"name": "pin", "returned": "never"},
        {"name": "lock", "type": "complex", "subAttributes": [{"name": "make"}, {"name": "code", "returned": "never"}]}]}"#;
    let resource_type = r#"{"name": "Door", "endpoint": "/Doors", "schema": "urn:example:Door"}"#;
    let files = [("a", schema), ("b", resource_type)].map(|(name, text)| (name.to_owned(), text.to_owned()));
    let registry = SchemaRegistry::load(&files).unwrap();
    let door = |number: &str| {
        document(&json!({"name": number, "pin": number, "lock": {"make": "x", "code": number}}))
    };
    let change = Change::between(registry.resource_type("Door").unwrap(), &door("1"), &door("2"));
    assert_eq!(
        change.to_json(),
        json!({"name": {"old": "1", "new": "2"}, "pin": {"changed": true}, "lock": {"changed": true}})
    );
}
