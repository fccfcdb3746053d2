//! Resource types with attributes that User and Group do not have: required lists, required extensions, secrets, and
//! extensions of groups.

use std::sync::LazyLock;

use scim_model::{ClearText, Document, Policy, SchemaRegistry};
use scim_patch::{MembersPlan, Operation, Tolerance, apply, plan};
use serde_json::{Value, json};

use crate::{LENIENT, STRICT, body, document};

const LOCKER: &str = "urn:example:params:scim:schemas:core:1.0:Locker";
const PLACE: &str = "urn:example:params:scim:schemas:extension:place:1.0:Locker";
const OTHER: &str = "urn:example:params:scim:schemas:extension:other:1.0:Locker";
const TEAM: &str = "urn:example:params:scim:schemas:extension:team:1.0:Group";

fn registry() -> &'static SchemaRegistry {
    static REGISTRY: LazyLock<SchemaRegistry> = LazyLock::new(|| {
        let reference = |name: &str| {
            json!({"name": name, "type": "complex", "subAttributes": [{"name": "value"},
                {"name": "$ref", "type": "reference", "referenceTypes": ["User"]}, {"name": "note"}]})
        };
        let meters = json!([{"name": "value", "type": "integer"}, {"name": "type"}]);
        let keys = json!([{"name": "value"}, {"name": "type"}, {"name": "count", "type": "integer"},
            {"name": "shown", "mutability": "readOnly"}, {"name": "lines", "multiValued": true}]);
        let documents = json!([
            {"id": LOCKER, "attributes": [
                {"name": "number", "required": true},
                {"name": "keys", "type": "complex", "multiValued": true, "required": true, "subAttributes": keys},
                {"name": "colours", "multiValued": true},
                {"name": "floors", "multiValued": true, "type": "integer"},
                {"name": "widths", "multiValued": true, "type": "decimal"},
                {"name": "flags", "multiValued": true, "type": "boolean"},
                {"name": "weight", "type": "decimal"},
                {"name": "meters", "type": "complex", "multiValued": true, "subAttributes": meters},
                {"name": "code", "mutability": "writeOnly", "returned": "never", "required": true, "secret": true},
                {"name": "alarm", "type": "complex", "subAttributes": [
                    {"name": "value"}, {"name": "on", "type": "boolean"},
                    {"name": "nights", "type": "boolean", "multiValued": true},
                    {"name": "lines", "multiValued": true}, {"name": "codes", "type": "integer", "multiValued": true},
                    {"name": "shown", "mutability": "readOnly"}]},
                {"name": "serial", "mutability": "immutable"},
            ]},
            {"id": PLACE, "attributes": [{"name": "room"}, {"name": "floor", "mutability": "readOnly"},
                {"name": "pin", "mutability": "writeOnly", "returned": "never", "secret": true},
                reference("owner"), reference("guest")]},
            {"id": OTHER, "attributes": [{"name": "note"}, reference("guest")]},
            {"id": TEAM, "attributes": [{"name": "tags", "type": "complex", "multiValued": true, "subAttributes": [
                {"name": "value"}, {"name": "type"}]}, {"name": "members", "type": "complex", "multiValued": true,
                "subAttributes": [{"name": "value"}, {"name": "$ref", "type": "reference", "referenceTypes": ["User"]}]}]},
            {"schemas": [scim_model::schema::RESOURCE_TYPE_URN], "name": "Locker", "endpoint": "/Lockers",
                "schema": LOCKER, "schemaExtensions": [{"schema": PLACE, "required": true},
                {"schema": OTHER, "required": false}]},
            {"schemas": [scim_model::schema::RESOURCE_TYPE_URN], "name": "Group", "endpoint": "/Groups",
                "schema": scim_model::schema::GROUP_URN,
                "schemaExtensions": [{"schema": TEAM, "required": false}]},
        ]);
        SchemaRegistry::load(&[("files.json".to_owned(), documents.to_string())]).unwrap()
    });
    &REGISTRY
}

fn locker() -> Value {
    json!({
        "number": "7",
        "keys": [{"value": "k", "type": "a", "count": 1}, {"value": "l", "type": "b"}],
        "colours": ["red", "blue"],
        "alarm": {"value": "a1", "on": true},
        PLACE: {"room": "r1", "owner": {"value": "1", "note": "n"}},
    })
}

fn patched(policy: Policy, operations: &Value) -> Result<scim_patch::Outcome, scim_patch::PatchError> {
    let operations = Operation::parse_all(body(operations), policy)?;
    apply(
        registry().resource_type("Locker").unwrap(),
        &document(&locker()),
        &operations,
        policy,
    )
}

/// Checks the attributes that differ afterwards; `null` means that the attribute is removed.
#[track_caller]
fn changes(policy: Policy, operations: &Value, expected: &Value) {
    let outcome = patched(policy, operations).unwrap();
    let mut after = locker();
    for (name, value) in expected.as_object().unwrap() {
        match value {
            Value::Null => drop(after.as_object_mut().unwrap().shift_remove(name)),
            value => after[name] = value.clone(),
        }
    }
    assert_eq!(
        Value::Object(outcome.document.into_values()),
        after,
        "{operations}"
    );
}

#[track_caller]
fn refused(policy: Policy, operation: &Value, keyword: &str, message: &str) {
    let error = patched(policy, &json!([operation])).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("operation 1: {message}"),
        "{operation}"
    );
    assert_eq!(error.error.scim_type().unwrap().as_str(), keyword, "{operation}");
    // The error of a single operation always names the operation, even in the form that the client gets.
    assert_eq!(error.path.as_deref(), operation["path"].as_str());
    assert_eq!(
        scim_model::ScimError::from(error.clone()).detail,
        error.to_string()
    );
}

#[track_caller]
fn both(operation: Value, expected: &Value) {
    changes(STRICT, &json!([operation]), expected);
    changes(LENIENT, &json!([operation]), expected);
}

/// 7644-3.5.2.2-06, A-78
#[test]
fn a_required_list_keeps_a_value() {
    let removed = "`keys` is required and cannot be removed";
    for policy in [STRICT, LENIENT] {
        for path in ["keys", "keys[value pr]", "keys[value eq \"k\" or value eq \"l\"]"] {
            refused(
                policy,
                &json!({"op": "remove", "path": path}),
                "mutability",
                removed,
            );
        }
        for op in ["add", "replace"] {
            let null_within = json!({"op": op, "path": "keys", "value": [null]});
            let problem = match policy.lenient {
                true => "`keys` is required and must have a value",
                false => "`keys` must not have null among its values",
            };
            refused(policy, &null_within, "invalidValue", problem);
            for value in [json!([]), json!(null)] {
                refused(
                    policy,
                    &json!({"op": op, "path": "keys", "value": value}),
                    "invalidValue",
                    "`keys` is required and must have a value",
                );
            }
        }
        refused(
            policy,
            &json!({"op": "replace", "path": "keys[value pr]", "value": null}),
            "mutability",
            removed,
        );
    }
    refused(
        LENIENT,
        &json!({"op": "remove", "path": "keys", "value": [{"value": "k"}, {"value": "L"}]}),
        "mutability",
        removed,
    );
    // One of several values can be removed, and so can sub-attributes until the values have none left.
    both(
        json!({"op": "remove", "path": "keys[type eq \"a\"]"}),
        &json!({"keys": [{"value": "l", "type": "b"}]}),
    );
    both(
        json!({"op": "remove", "path": "keys.type"}),
        &json!({"keys": [{"value": "k", "count": 1}, {"value": "l"}]}),
    );
    both(
        json!({"op": "remove", "path": "keys[value eq \"x\"]"}),
        &json!({}),
    );
    let all = json!([{"op": "remove", "path": "keys.type"}, {"op": "remove", "path": "keys.count"},
        {"op": "remove", "path": "keys.value"}]);
    let error = patched(STRICT, &all).unwrap_err();
    assert_eq!(error.to_string(), format!("operation 3: {removed}"));
}

#[test]
fn a_required_extension_cannot_be_removed() {
    for operation in [
        json!({"op": "remove", "path": PLACE}),
        json!({"op": "replace", "value": {PLACE: null}}),
        json!({"op": "remove", "path": "schemas", "value": [PLACE]}),
        json!({"op": "remove", "path": format!("schemas[value eq \"{PLACE}\"]")}),
        json!({"op": "replace", "path": "schemas", "value": [LOCKER]}),
    ] {
        refused(
            LENIENT,
            &operation,
            "mutability",
            &format!("`{PLACE}` is required and cannot be removed"),
        );
    }
    let core = format!("`schemas` must name `{LOCKER}`");
    for operation in [
        json!({"op": "remove", "path": "schemas", "value": LOCKER.to_uppercase()}),
        json!({"op": "remove", "path": format!("schemas[value eq \"{LOCKER}\"]")}),
        json!({"op": "replace", "path": "schemas", "value": PLACE}),
    ] {
        refused(STRICT, &operation, "mutability", &core);
    }
    // Removing an unknown URN, or that of a schema without values, changes nothing.
    both(
        json!({"op": "remove", "path": "schemas", "value": [OTHER, "urn:x", 5]}),
        &json!({}),
    );
    both(
        json!({"op": "remove", "path": format!("schemas[value eq \"{OTHER}\"]")}),
        &json!({}),
    );
    both(
        json!({"op": "replace", "path": "schemas", "value": [LOCKER, PLACE]}),
        &json!({}),
    );
    both(json!({"op": "remove", "path": OTHER}), &json!({}));
    refused(
        STRICT,
        &json!({"op": "add", "path": PLACE, "value": "x"}),
        "invalidValue",
        &format!("`{PLACE}` must be an object of its attributes"),
    );
}

#[test]
fn an_extension_gets_the_attributes_that_a_value_names() {
    let place = |room: &str| json!({PLACE: {"room": room, "owner": {"value": "1", "note": "n"}}});
    both(
        json!({"op": "replace", "path": PLACE, "value": {"ROOM": "r2"}}),
        &place("r2"),
    );
    let read_only = json!({"op": "replace", "path": PLACE, "value": {"room": "r2", "floor": "3"}});
    changes(LENIENT, &json!([read_only]), &place("r2"));
    refused(
        STRICT,
        &read_only,
        "mutability",
        &format!("`{PLACE}:floor` is readOnly"),
    );
    let unknown = json!({"op": "replace", "path": PLACE, "value": {"room": "r2", "nope": "3"}});
    changes(LENIENT, &json!([unknown]), &place("r2"));
    refused(
        STRICT,
        &unknown,
        "invalidPath",
        &format!("\"{PLACE}:nope\" is not an attribute of Locker"),
    );
    both(
        json!({"op": "add", "value": {OTHER: {"note": "x"}}}),
        &json!({OTHER: {"note": "x"}}),
    );
}

/// 7643-2.3.8-01: equal documents have equal JSON text, so attributes are in the order of the schema.
#[test]
fn the_attributes_of_an_extension_are_in_the_order_of_its_schema() {
    let room = format!("{PLACE}:room");
    let again = json!([{"op": "remove", "path": room}, {"op": "add", "path": room, "value": "r1"}]);
    let outcome = patched(STRICT, &again).unwrap();
    assert!(outcome.changes.is_empty());
    let other = json!([{"op": "remove", "path": room}, {"op": "add", "path": room, "value": "r2"}]);
    let document = patched(STRICT, &other).unwrap().document;
    let place = document.values()[PLACE].as_object().unwrap();
    assert_eq!(place.keys().collect::<Vec<_>>(), ["room", "owner"]);
}

///
#[test]
fn secrets_can_be_required_and_are_removed_with_their_extension() {
    for value in [json!(null), json!("")] {
        refused(
            LENIENT,
            &json!({"op": "replace", "path": "code", "value": value}),
            "invalidValue",
            "`code` is required and must have a value",
        );
    }
    refused(
        LENIENT,
        &json!({"op": "remove", "path": "code"}),
        "mutability",
        "`code` is required and cannot be removed",
    );
    let secrets = |operation: Value| patched(STRICT, &json!([operation])).unwrap().secrets;
    let pin = format!("{PLACE}:pin");
    assert_eq!(
        secrets(json!({"op": "add", "path": PLACE, "value": {"pin": "1"}})),
        [(pin.clone(), Some(ClearText::new("1")))].into()
    );
    assert_eq!(
        secrets(json!({"op": "remove", "path": pin})),
        [(pin, None)].into()
    );
}

/// RFC 7644 section 3.10: the reference `manager` of older Entra jobs, in other extensions.
#[test]
fn a_reference_without_urn_must_be_the_only_one_of_its_name() {
    let owner = json!({PLACE: {"room": "r1", "owner": {"value": "2", "note": "n"}}});
    changes(
        LENIENT,
        &json!([{"op": "replace", "path": "owner", "value": {"value": "2"}}]),
        &owner,
    );
    changes(
        LENIENT,
        &json!([{"op": "replace", "path": "owner.value", "value": "2"}]),
        &owner,
    );
    for (path, policy) in [
        ("guest", LENIENT),
        ("room", LENIENT),
        ("owner.nope", LENIENT),
        ("urn:x:owner", LENIENT),
        ("owner", STRICT),
    ] {
        refused(
            policy,
            &json!({"op": "replace", "path": path, "value": "2"}),
            "invalidPath",
            &format!("path {path:?} names no attribute of Locker"),
        );
    }
}

/// a reference is stored by its id, which a `$ref` alone may name.
#[test]
fn a_uri_names_the_resource_of_a_reference() {
    let path = format!("{PLACE}:owner");
    let owner = |owner: Value| json!({PLACE: {"room": "r1", "owner": owner}});
    let uri = "https://scim.example/v2/Users/2";
    for (value, id) in [
        (json!({"$ref": uri}), "2"),
        (json!({"$ref": uri, "value": null}), "2"),
        (json!({"$REF": uri, "note": "n"}), "2"),
        (json!({"$ref": uri, "value": "3"}), "3"),
        (json!({"$ref": null, "note": "n"}), "1"),
        (json!({"value": "1"}), "1"),
        (json!({"note": "n"}), "1"),
    ] {
        for op in ["add", "replace"] {
            both(
                json!({"op": op, "path": path, "value": value}),
                &owner(json!({"value": id, "note": "n"})),
            );
        }
    }
    // An empty value clears a reference, and nothing else.
    let cleared = json!({PLACE: {"room": "r1"}});
    for value in [json!(""), json!({"value": ""}), json!([{"VALUE": ""}])] {
        changes(
            LENIENT,
            &json!([{"op": "replace", "path": path, "value": value}]),
            &cleared,
        );
    }
    changes(
        LENIENT,
        &json!([{"op": "replace", "path": format!("{path}.value"), "value": ""}]),
        &cleared,
    );
    changes(
        LENIENT,
        &json!([{"op": "replace", "path": "alarm.value", "value": ""}]),
        &json!({"alarm": {"value": "", "on": true}}),
    );
}

/// A-33, also in lists and sub-attributes; 7643-2.4-05: readOnly sub-attributes are not stored.
#[test]
fn sub_attributes_of_a_single_value() {
    both(
        json!({"op": "replace", "path": "alarm", "value": {"on": "False", "nights": ["True", "false"], "shown": "x"}}),
        &json!({"alarm": {"value": "a1", "on": false, "nights": [true, false]}}),
    );
    both(
        json!({"op": "replace", "path": "alarm.nights", "value": ["TRUE"]}),
        &json!({"alarm": {"value": "a1", "on": true, "nights": [true]}}),
    );
    refused(
        STRICT,
        &json!({"op": "replace", "path": "alarm.shown", "value": "x"}),
        "mutability",
        "`alarm.shown` is readOnly",
    );
    refused(
        STRICT,
        &json!({"op": "replace", "path": "keys[value eq \"k\"].shown", "value": "x"}),
        "mutability",
        "`keys.shown` is readOnly",
    );
    refused(
        STRICT,
        &json!({"op": "remove", "path": "keys[value eq \"k\"].shown"}),
        "mutability",
        "`keys.shown` is readOnly",
    );
    refused(
        STRICT,
        &json!({"op": "replace", "path": "alarm", "value": {"nope": 1}}),
        "invalidValue",
        "`alarm` has no sub-attribute \"nope\"",
    );
    refused(
        STRICT,
        &json!({"op": "replace", "path": "alarm", "value": "a2"}),
        "invalidValue",
        "`alarm` must be an object, not a string",
    );
    // The string replaces the whole value.
    changes(
        LENIENT,
        &json!([{"op": "replace", "path": "alarm", "value": "a2"}]),
        &json!({"alarm": {"value": "a2"}}),
    );
    // The value goes with its last sub-attribute.
    changes(
        STRICT,
        &json!([{"op": "remove", "path": "alarm.value"}, {"op": "remove", "path": "alarm.on"}]),
        &json!({"alarm": null}),
    );
    both(json!({"op": "remove", "path": "alarm.nights"}), &json!({}));
}

///
#[test]
fn a_filter_that_matches_nothing_creates_the_value_that_it_describes() {
    let keys = |key: Value| {
        let mut keys = locker()["keys"].clone();
        keys.as_array_mut().unwrap().push(key);
        json!({ "keys": keys })
    };
    for (path, value, expected) in [
        (
            "keys[type eq \"c\"].value",
            json!("m"),
            keys(json!({"value": "m", "type": "c"})),
        ),
        (
            "keys[type eq \"c\"]",
            json!("m"),
            keys(json!({"value": "m", "type": "c"})),
        ),
        (
            "keys[type eq \"c\"]",
            json!({"VALUE": "m", "Type": "d"}),
            keys(json!({"value": "m", "type": "d"})),
        ),
        (
            "keys[type eq \"c\" and count eq 5]",
            json!([{"value": "m"}]),
            keys(json!({"value": "m", "type": "c", "count": 5})),
        ),
        ("keys[type eq \"c\"].value", json!(null), json!({})),
        (
            "colours[value eq \"green\"]",
            json!("green"),
            json!({"colours": ["red", "blue", "green"]}),
        ),
    ] {
        let write = |op: &str| json!({"op": op, "path": path, "value": value});
        for op in ["add", "replace"] {
            changes(LENIENT, &json!([write(op)]), &expected);
            refused(
                STRICT,
                &write(op),
                "noTarget",
                &format!("path {path:?} matches nothing"),
            );
        }
    }
    // A single complex value is created only if the attribute has no value.
    let path = "alarm[value eq \"a2\"].on";
    let write = json!({"op": "replace", "path": path, "value": false});
    refused(
        LENIENT,
        &write,
        "noTarget",
        &format!("path {path:?} matches nothing"),
    );
    let removed = json!([{"op": "remove", "path": "alarm"}, write]);
    changes(LENIENT, &removed, &json!({"alarm": {"value": "a2", "on": false}}));
    both(
        json!({"op": "replace", "path": "alarm[value eq \"a1\"]", "value": {"on": false}}),
        &json!({"alarm": {"value": "a1", "on": false}}),
    );
}

#[test]
fn selected_values_are_replaced_or_removed() {
    both(
        json!({"op": "replace", "path": "colours[value sw \"r\"]", "value": "green"}),
        &json!({"colours": ["green", "blue"]}),
    );
    for nothing in [json!(null), json!([])] {
        both(
            json!({"op": "replace", "path": "colours[value eq \"red\"]", "value": nothing}),
            &json!({"colours": ["blue"]}),
        );
        both(
            json!({"op": "replace", "path": "keys[value eq \"k\"]", "value": nothing}),
            &json!({"keys": [{"value": "l", "type": "b"}]}),
        );
    }
    changes(
        LENIENT,
        &json!([{"op": "replace", "path": "keys[value eq \"k\"]", "value": ""}]),
        &json!({"keys": [{"value": "", "type": "a", "count": 1}, {"value": "l", "type": "b"}]}),
    );
    both(
        json!({"op": "remove", "path": "colours"}),
        &json!({"colours": null}),
    );
}

/// An attribute whose schema has no `primary` any more keeps the stored ones, and they mean nothing.
#[test]
fn primary_without_a_schema_is_data_like_any_other() {
    let mut before = locker();
    before["keys"] = json!([{"value": "k", "primary": true}, {"value": "l", "primary": true}]);
    let operations = json!([{"op": "add", "path": "keys", "value": [{"value": "k"}, {"value": "l"}]}]);
    let operations = Operation::parse_all(body(&operations), STRICT).unwrap();
    let locker_type = registry().resource_type("Locker").unwrap();
    let outcome = apply(locker_type, &document(&before), &operations, STRICT).unwrap();
    assert_eq!(Value::Object(outcome.document.into_values()), before);
}

/// Errors of the result name the operation that wrote the attribute.
#[test]
fn an_invalid_result_is_blamed_on_the_operation_that_wrote_it() {
    let large = "x".repeat(2_000_000);
    let error = patched(
        STRICT,
        &json!([{"op": "add", "path": "alarm.value", "value": large}]),
    )
    .unwrap_err();
    assert_eq!(error.operation, Some(1));
    let sent = json!({"op": "replace", "path": "serial", "value": "s"});
    assert_eq!(
        patched(STRICT, &json!([sent])).unwrap().document.values()["serial"],
        json!("s")
    );
    let error = patched(LENIENT, &json!([{"op": "remove", "path": "keys", "value": {}}]));
    assert!(error.is_ok());
    let error = patched(
        STRICT,
        &json!([{"op": "remove", "path": "keys", "value": [{"value": "k"}]}]),
    )
    .unwrap_err();
    assert_eq!(error.error.path.as_deref(), Some("keys"));
}

/// Only `members` of the core schema are rows; a list of an extension is part of the document.
#[test]
fn lists_of_a_group_extension_are_not_members() {
    let group = registry().resource_type("Group").unwrap();
    let rest = |operations: Value| {
        let operations = Operation::parse_all(body(&operations), LENIENT).unwrap();
        let plan = plan(group, &operations, LENIENT).unwrap();
        assert_eq!((plan.members, plan.tolerances), (MembersPlan::Untouched, vec![]));
        assert_eq!(plan.rest, operations);
        apply(
            group,
            &document(&json!({"displayName": "g"})),
            &plan.rest,
            LENIENT,
        )
        .unwrap()
        .tolerances
    };
    let tags = format!("{TEAM}:tags");
    assert_eq!(
        rest(json!([{"op": "remove", "path": format!("{tags}[value eq 'x']")}])),
        [Tolerance::PathSyntax]
    );
    assert_eq!(
        rest(json!([{"op": "add", "path": format!("{TEAM}:members"), "value": [{"value": "x"}]}])),
        []
    );
    assert_eq!(
        rest(json!([{"op": "add", "value": {format!("{tags}[value eq 'x']"): {"type": "t"}}}])),
        [
            Tolerance::PathSyntax,
            Tolerance::PathAsKey,
            Tolerance::CreatedFromFilter
        ]
    );
    assert_eq!(
        rest(json!([{"op": "replace", "value": {"displayName": "h", TEAM: {"members": [{"value": "x"}]}}}])),
        []
    );
}

/// Checks the attributes in `expected` after an operation, and the tolerances that the operation needs.
#[track_caller]
fn check_lenient(operation: Value, expected: &Value, tolerances: &[Tolerance]) {
    let operations = json!([operation]);
    let outcome = patched(LENIENT, &operations).unwrap();
    for (name, value) in expected.as_object().unwrap() {
        let after = outcome.document.values().get(name).unwrap_or(&Value::Null);
        assert_eq!(after, value, "{operations}");
    }
    assert_eq!(outcome.tolerances, tolerances, "{operations}");
    patched(STRICT, &operations).unwrap_err();
}

/// Entra treats all multi-valued attributes of custom extensions alike.
#[test]
fn simple_values_may_be_objects_with_a_value() {
    let simple = [Tolerance::ValueOfSimple];
    let colours = |expected: &[&str]| json!({"colours": expected});
    let value = json!([{"value": "green"}, {"VALUE": "red"}, {"value": null}]);
    check_lenient(
        json!({"op": "add", "path": "colours", "value": value}),
        &colours(&["red", "blue", "green"]),
        &[Tolerance::ValueOfSimple, Tolerance::NullElement],
    );
    check_lenient(
        json!({"op": "replace", "value": {"colours": [{"value": "green", "type": "x"}]}}),
        &colours(&["green"]),
        &simple,
    );
    check_lenient(
        json!({"op": "replace", "path": "colours[value eq \"red\"].value", "value": "green"}),
        &colours(&["green", "blue"]),
        &simple,
    );
    check_lenient(
        json!({"op": "replace", "path": "colours[value eq red].value", "value": "green"}),
        &colours(&["green", "blue"]),
        &[Tolerance::BareWord, Tolerance::ValueOfSimple],
    );
    check_lenient(
        json!({"op": "add", "path": "colours[value eq \"green\"].value", "value": "green"}),
        &colours(&["red", "blue", "green"]),
        &[Tolerance::ValueOfSimple, Tolerance::CreatedFromFilter],
    );
    check_lenient(
        json!({"op": "remove", "path": "colours[value eq \"red\"].value"}),
        &colours(&["blue"]),
        &simple,
    );
    check_lenient(
        json!({"op": "replace", "path": "colours.value", "value": ["green"]}),
        &colours(&["green"]),
        &simple,
    );
    check_lenient(
        json!({"op": "replace", "path": "alarm.nights.value", "value": [{"value": false}]}),
        &json!({"alarm": {"value": "a1", "on": true, "nights": [false]}}),
        &simple,
    );
    check_lenient(
        json!({"op": "replace", "path": "alarm[on eq true].nights.VALUE", "value": [false]}),
        &json!({"alarm": {"value": "a1", "on": true, "nights": [false]}}),
        &simple,
    );
    check_lenient(
        json!({"op": "remove", "path": "colours", "value": [{"value": "red"}]}),
        &colours(&["blue"]),
        &[Tolerance::RemoveByValue],
    );
    for refused in [
        json!({"op": "add", "path": "colours", "value": [{"value": ["green"]}]}),
        json!({"op": "add", "path": "colours", "value": [{"value": {"value": "green"}}]}),
        json!({"op": "add", "path": "colours", "value": [{"type": "green"}]}),
        json!({"op": "add", "path": "colours", "value": [{}]}),
        json!({"op": "add", "path": "number.value", "value": "7"}),
    ] {
        patched(LENIENT, &json!([refused])).unwrap_err();
    }
}

/// Entra sends the numbers of custom extensions as strings.
#[test]
fn numbers_may_be_strings_if_they_are_clean() {
    let number = [Tolerance::NumberText];
    let add = |path: &str, value: Value| json!({"op": "add", "path": path, "value": value});
    check_lenient(
        add("floors", json!(["-3", "0"])),
        &json!({"floors": [-3, 0]}),
        &number,
    );
    check_lenient(
        add("weight", json!("1.50")),
        &json!({"weight": serde_json::from_str::<Value>("1.50").unwrap()}),
        &number,
    );
    check_lenient(add("weight", json!("-7")), &json!({"weight": -7}), &number);
    let counted = json!({"keys": [{"value": "k", "type": "a", "count": 5}, {"value": "l", "type": "b"}]});
    check_lenient(add("keys[count eq \"1\"].count", json!("5")), &counted, &number);
    check_lenient(
        add("meters[value eq 5].type", json!("x")),
        &json!({"meters": [{"value": 5, "type": "x"}]}),
        &[Tolerance::CreatedFromFilter],
    );
    check_lenient(
        add("meters[value eq \"5\"].type", json!("x")),
        &json!({"meters": [{"value": 5, "type": "x"}]}),
        &[Tolerance::NumberText, Tolerance::CreatedFromFilter],
    );
    for text in [
        "", " 1", "1 ", "+1", "1e3", "1.", ".5", "01", "-", "--1", "0x1", "1,5", "NaN", "\u{0661}", "1_000",
    ] {
        // An empty text is no complex value at all.
        let paths = ["floors", "weight", "meters"];
        for path in &paths[..if text.is_empty() { 2 } else { 3 }] {
            patched(LENIENT, &json!([add(path, json!([text]))])).unwrap_err();
        }
    }
    patched(LENIENT, &json!([add("floors", json!(["1.0"]))])).unwrap_err();
    patched(LENIENT, &json!([add("keys[count eq \"1.0\"].type", json!("x"))])).unwrap_err();
    // A list of values to remove is read in the same way.
    let remove = |path: &str, value: Value| json!({"op": "remove", "path": path, "value": value});
    let operations = json!([
        add("floors", json!([1, 2])),
        remove("floors", json!(["1", {"value": "x"}])),
        add("meters", json!([{"value": 1}, {"value": 2}])),
        remove("meters", json!([{"value": "1"}]))
    ]);
    let outcome = patched(LENIENT, &operations).unwrap();
    assert_eq!(outcome.document.values()["floors"], json!([2]));
    assert_eq!(outcome.document.values()["meters"], json!([{"value": 2}]));
}

/// Each value that a `remove` lists is removed in every form in which an `add` accepts it.
#[test]
fn a_list_of_values_to_remove_may_have_any_form_that_an_add_accepts() {
    let add = |path: &str, value: Value| json!({"op": "add", "path": path, "value": value});
    let remove = |path: &str, value: &Value| json!({"op": "remove", "path": path, "value": value});
    let half = serde_json::from_str::<Value>("1.5").unwrap();
    for (path, stored, given, left) in [
        ("floors", json!([5, 6]), json!("5"), json!([6])),
        ("floors", json!([5, 6]), json!(5), json!([6])),
        ("widths", json!([half, 2]), json!("1.5"), json!([2])),
        ("widths", json!([half, 2]), json!("2.0"), json!([half])),
        ("flags", json!([true, false]), json!("True"), json!([false])),
        ("flags", json!([true, false]), json!(false), json!([true])),
        ("colours", json!(["red", "blue"]), json!("RED"), json!(["blue"])),
        ("alarm.codes", json!([5, 6]), json!("5"), json!([6])),
        (
            "alarm.nights",
            json!([true, false]),
            json!("True"),
            json!([false]),
        ),
        ("alarm.lines", json!(["l1", "l2"]), json!("L1"), json!(["l2"])),
    ] {
        let (name, sub) = path.split_once('.').unwrap_or((path, ""));
        for listed in [
            json!([given]),
            json!([{"value": given}]),
            json!({"VALUE": given}),
            given.clone(),
        ] {
            let operations = json!([add(path, stored.clone()), remove(path, &listed)]);
            let after = patched(LENIENT, &operations).unwrap().document;
            let after = &after.values()[name];
            let after = if sub.is_empty() { after } else { &after[sub] };
            assert_eq!(after, &left, "{operations}");
            let problem = format!(
                "operation 2: a remove of `{path}` must not have a `value`: select the values by a filter in the path"
            );
            assert_eq!(patched(STRICT, &operations).unwrap_err().to_string(), problem);
        }
    }
}

/// RFC 7644 section 3.5.2.1: an `add` to a multi-valued attribute adds values. This includes sub-attributes.
#[test]
fn values_are_added_to_a_multi_valued_sub_attribute() {
    let alarm = |lines: Value| json!({"alarm": {"value": "a1", "on": true, "lines": lines}});
    let stored = json!({"op": "add", "path": "alarm.lines", "value": ["l1", "l2"]});
    for policy in [STRICT, LENIENT] {
        for (operation, expected) in [
            (
                json!({"op": "add", "path": "alarm.lines", "value": ["l3"]}),
                json!(["l1", "l2", "l3"]),
            ),
            (
                json!({"op": "add", "path": "alarm.lines", "value": ["l2", "l3", "l3"]}),
                json!(["l1", "l2", "l3"]),
            ),
            (
                json!({"op": "add", "path": "alarm.lines", "value": []}),
                json!(["l1", "l2"]),
            ),
            (
                json!({"op": "add", "path": "alarm.lines", "value": null}),
                json!(["l1", "l2"]),
            ),
            (
                json!({"op": "add", "path": "alarm", "value": {"LINES": ["l3"]}}),
                json!(["l1", "l2", "l3"]),
            ),
            (
                json!({"op": "add", "value": {"alarm": {"lines": ["l3"]}}}),
                json!(["l1", "l2", "l3"]),
            ),
            (
                json!({"op": "add", "path": "alarm[on eq true].lines", "value": ["l3"]}),
                json!(["l1", "l2", "l3"]),
            ),
            (
                json!({"op": "replace", "path": "alarm.lines", "value": ["l3"]}),
                json!(["l3"]),
            ),
            (
                json!({"op": "replace", "path": "alarm", "value": {"lines": ["l3"]}}),
                json!(["l3"]),
            ),
        ] {
            changes(policy, &json!([stored, operation]), &alarm(expected));
        }
        let keys = |lines: Value| json!({"keys": [{"value": "k", "type": "a", "count": 1, "lines": lines}, {"value": "l", "type": "b"}]});
        let path = "keys[value eq \"k\"].lines";
        let stored = json!({"op": "add", "path": path, "value": ["l1", "l2"]});
        let add = json!({"op": "add", "path": path, "value": ["l3"]});
        changes(policy, &json!([stored, add]), &keys(json!(["l1", "l2", "l3"])));
        let replace = json!({"op": "replace", "path": path, "value": ["l3"]});
        changes(policy, &json!([stored, replace]), &keys(json!(["l3"])));
    }
}

/// A `remove` of a multi-valued sub-attribute may list the values to remove. The others stay.
#[test]
fn listed_values_are_removed_from_sub_attributes() {
    let keys = |first: Value, second: Value| {
        let mut keys = locker()["keys"].clone();
        for (key, lines) in keys.as_array_mut().unwrap().iter_mut().zip([first, second]) {
            if !lines.is_null() {
                key["lines"] = lines;
            }
        }
        json!({ "keys": keys })
    };
    let stored = json!({"op": "replace", "path": "keys.lines", "value": ["l1", "l2"]});
    let remove = |path: &str, value: Value| json!({"op": "remove", "path": path, "value": value});
    let both_lines = json!(["l1", "l2"]);
    for (operation, expected) in [
        (
            remove("keys.lines", json!(["l1"])),
            keys(json!(["l2"]), json!(["l2"])),
        ),
        (
            remove("keys.lines", json!([{"value": "l1"}, "l2"])),
            keys(json!(null), json!(null)),
        ),
        (
            remove("keys[value eq \"k\"].lines", json!(["l1"])),
            keys(json!(["l2"]), both_lines.clone()),
        ),
        (
            remove("keys.lines", json!(["x"])),
            keys(both_lines.clone(), both_lines.clone()),
        ),
        (
            remove("keys.lines", json!([])),
            keys(both_lines.clone(), both_lines.clone()),
        ),
        (
            remove("keys.lines", json!([{"type": "l1"}])),
            keys(both_lines.clone(), both_lines.clone()),
        ),
        (remove("keys.lines", json!(null)), keys(json!(null), json!(null))),
    ] {
        changes(LENIENT, &json!([stored, operation]), &expected);
        if operation["value"].is_null() {
            changes(STRICT, &json!([stored, operation]), &expected);
        } else {
            patched(STRICT, &json!([stored, operation])).unwrap_err();
        }
    }
    // A single complex value, whose other sub-attributes stay.
    let stored = json!({"op": "add", "path": "alarm.lines", "value": ["l1", "l2"]});
    let alarm = |lines: Value| json!({"alarm": {"value": "a1", "on": true, "lines": lines}});
    for (operation, expected) in [
        (remove("alarm.lines", json!(["l2"])), alarm(json!(["l1"]))),
        (
            remove("alarm[on eq true].lines", json!(["l2"])),
            alarm(json!(["l1"])),
        ),
        (
            remove("alarm[on eq false].lines", json!(["l2"])),
            alarm(both_lines.clone()),
        ),
        (
            remove("alarm.lines", json!(["l2", "l1"])),
            json!({"alarm": {"value": "a1", "on": true}}),
        ),
        (remove("alarm.lines", json!(["x"])), alarm(both_lines)),
    ] {
        changes(LENIENT, &json!([stored, operation]), &expected);
        patched(STRICT, &json!([stored, operation])).unwrap_err();
    }
}

/// A key with the URN of another schema of the type, in the object of an extension, means the same in every write.
#[test]
fn an_extension_may_hold_a_key_of_another_schema() {
    let locker_type = registry().resource_type("Locker").unwrap();
    let before = locker();
    for inner in [
        json!({format!("{OTHER}:note"): "N"}),
        json!({format!("{OTHER}.note"): "N"}),
        json!({OTHER: {"note": "N"}}),
        json!({LOCKER: {OTHER: {"note": "N"}}}),
    ] {
        let mut posted = before.clone();
        posted["schemas"] = json!([LOCKER]);
        posted["code"] = json!("x");
        for (name, value) in inner.as_object().unwrap() {
            posted[PLACE][name] = value.clone();
        }
        let sent = Document::for_create(locker_type, posted, LENIENT).unwrap();
        assert_eq!(sent.document.values()[OTHER]["note"], "N", "{inner}");
        for operation in [
            json!({"op": "add", "path": PLACE, "value": inner}),
            json!({"op": "add", "value": {PLACE: inner}}),
        ] {
            let operations = json!([operation]);
            let outcome = crate::patch(locker_type, &before, &operations, LENIENT).unwrap();
            assert_eq!(outcome.document.values()[OTHER]["note"], "N", "{operations}");
            assert!(outcome.tolerances.contains(&Tolerance::QualifiedKey));
            assert!(crate::patch(locker_type, &before, &operations, STRICT).is_err());
        }
    }
    // Members that are named there are not lost: the document has to hold them.
    let group = registry().resource_type("Group").unwrap();
    let members = format!("{}:members", scim_model::schema::GROUP_URN);
    for operation in [
        json!({"op": "add", "path": TEAM, "value": {&members: []}}),
        json!({"op": "add", "value": {TEAM: {&members: []}}}),
    ] {
        let operations = Operation::parse_all(body(&json!([operation])), LENIENT).unwrap();
        let planned = plan(group, &operations, LENIENT).unwrap();
        assert_eq!(planned.members, MembersPlan::NeedsList, "{operation}");
    }
}

/// Empty references in a list are dropped as single ones are.
#[test]
fn an_empty_reference_in_a_list_is_dropped() {
    let group = registry().resource_type("Group").unwrap();
    let before = json!({"displayName": "g"});
    for empty in [
        json!({"value": ""}),
        json!({"$ref": ""}),
        json!({"value": "", "$ref": "x"}),
    ] {
        let list = json!([empty, {"value": "7"}]);
        let expected = json!({"displayName": "g", TEAM: {"members": [{"value": "7"}]}});
        let posted =
            json!({"schemas": [scim_model::schema::GROUP_URN], "displayName": "g", TEAM: {"members": list}});
        let sent = Document::for_create(group, posted, LENIENT).unwrap();
        assert_eq!(sent.tolerances, [Tolerance::EmptyReference]);
        assert_eq!(Value::Object(sent.document.into_values()), expected);
        let add = json!([{"op": "add", "path": format!("{TEAM}:members"), "value": list}]);
        let outcome = crate::patch(group, &before, &add, LENIENT).unwrap();
        assert_eq!(outcome.tolerances, [Tolerance::EmptyReference]);
        assert_eq!(outcome.document, document(&expected));
    }
}

/// `.value` after a simple multi-valued sub-attribute is part of a key in every write.
#[test]
fn a_key_may_end_with_the_value_of_a_simple_sub_attribute() {
    let locker_type = registry().resource_type("Locker").unwrap();
    let key = format!("{LOCKER}:alarm.nights.value");
    let mut posted = locker();
    posted["schemas"] = json!([LOCKER]);
    posted["code"] = json!("x");
    posted[&key] = json!([true]);
    let sent = Document::for_create(locker_type, posted, LENIENT).unwrap();
    assert_eq!(sent.document.values()["alarm"]["nights"], json!([true]));
    assert!(sent.tolerances.contains(&Tolerance::ValueOfSimple));
    let add = json!([{"op": "add", "value": {key: [true]}}]);
    let outcome = crate::patch(locker_type, &locker(), &add, LENIENT).unwrap();
    assert_eq!(outcome.document.values()["alarm"]["nights"], json!([true]));
}
