//! RFC 7644 sections 3.5.2 to 3.5.2.3, rule by rule.

use scim_model::{ClearText, Policy, ScimType, SentSecrets};
use serde_json::{Value, json};

use crate::{LENIENT, STRICT, patch, registry};

pub(crate) const BADGE: &str = "urn:example:params:scim:schemas:extension:badge:2.0:User";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

pub(crate) fn user() -> Value {
    json!({
        "userName": "bjensen",
        "name": {"givenName": "Barbara", "familyName": "Jensen"},
        "active": true,
        "emails": [
            {"value": "b@example.com", "type": "work", "primary": true},
            {"value": "b@jensen.org", "type": "home"},
        ],
        ENTERPRISE: {"department": "Tours"},
        BADGE: {
            "level": 3, "code": "AbC", "tags": ["red", "blue"], "serial": "S-1", "issuer": "HQ",
            "vehicle": {"plate": "XY-1", "seats": 4, "vin": "V1"},
        },
    })
}

/// Checks the attributes that differ after the operations; `null` means that the attribute is removed.
#[track_caller]
pub(crate) fn changes(policy: Policy, operations: &Value, expected: &Value) {
    let registry = registry();
    let user_type = registry.resource_type("User").unwrap();
    let before = user();
    let outcome = patch(user_type, &before, operations, policy).unwrap();
    let mut after = before;
    for (name, value) in expected.as_object().unwrap() {
        match value {
            Value::Null => drop(after.as_object_mut().unwrap().shift_remove(name)),
            value => after[name] = value.clone(),
        }
    }
    assert_eq!(Value::Object(outcome.document.into_values()), after);
    assert_eq!(
        outcome.changes.is_empty(),
        expected.as_object().unwrap().is_empty()
    );
}

#[track_caller]
pub(crate) fn both(operations: &Value, expected: &Value) {
    changes(STRICT, operations, expected);
    changes(LENIENT, operations, expected);
}

/// Checks the keyword and the message of the error.
#[track_caller]
pub(crate) fn refused(policy: Policy, operations: &Value, keyword: &str, message: &str) {
    let registry = registry();
    let user_type = registry.resource_type("User").unwrap();
    let error = patch(user_type, &user(), operations, policy).unwrap_err();
    assert_eq!(error.error.scim_type().unwrap().as_str(), keyword, "{error}");
    assert_eq!(error.to_string(), message);
}

pub(crate) fn badge(name: &str) -> String {
    format!("{BADGE}:{name}")
}

#[test]
fn operations_see_the_effects_of_earlier_ones() {
    both(
        &json!([
            {"op": "add", "path": "title", "value": "A"},
            {"op": "replace", "path": "title", "value": "B"},
            {"op": "remove", "path": "emails"},
            {"op": "add", "path": "emails", "value": [{"value": "n@example.com"}]},
            {"op": "replace", "path": "emails[value eq \"n@example.com\"].type", "value": "work"},
        ]),
        &json!({"title": "B", "emails": [{"value": "n@example.com", "type": "work"}]}),
    );
}

#[test]
fn add_keeps_existing_values() {
    let add = |path: &str, value: Value| json!([{"op": "add", "path": path, "value": value}]);
    both(
        &add("name", json!({"middleName": "J"})),
        &json!({
            "name": {"givenName": "Barbara", "familyName": "Jensen", "middleName": "J"},
        }),
    );
    both(
        &add(
            "emails",
            json!({"value": "n@example.com", "type": "other", "primary": true}),
        ),
        &json!({
            "emails": [
                {"value": "b@example.com", "type": "work", "primary": false},
                {"value": "b@jensen.org", "type": "home"},
                {"value": "n@example.com", "type": "other", "primary": true},
            ],
        }),
    );
    // The same value again, with one more sub-attribute.
    both(
        &add(
            "emails",
            json!([{"type": "home", "value": "b@jensen.org", "display": "Babs"}]),
        ),
        &json!({
            "emails": [
                {"value": "b@example.com", "type": "work", "primary": true},
                {"value": "b@jensen.org", "type": "home", "display": "Babs"},
            ],
        }),
    );
    both(
        &add("emails", json!([{"type": "home", "value": "b@jensen.org"}])),
        &json!({}),
    );
    both(&add("title", json!("T")), &json!({"title": "T"}));
    both(
        &add(&format!("{ENTERPRISE}:costCenter"), json!("7")),
        &json!({
            ENTERPRISE: {"department": "Tours", "costCenter": "7"},
        }),
    );
}

#[test]
fn replace_removes_all_existing_values() {
    let replace = |path: &str, value: Value| json!([{"op": "replace", "path": path, "value": value}]);
    both(
        &replace("emails", json!([{"value": "n@example.com"}])),
        &json!({"emails": [{"value": "n@example.com"}]}),
    );
    both(&replace("emails", json!([])), &json!({"emails": null}));
    both(&replace("emails", Value::Null), &json!({"emails": null}));
    // RFC 7643 section 2.4: the order makes no difference.
    both(
        &replace(
            "emails",
            json!([
                {"value": "b@jensen.org", "type": "home"},
                {"primary": true, "value": "b@example.com", "type": "work"},
            ]),
        ),
        &json!({}),
    );
    both(
        &replace("name", json!({"givenName": "Barb", "familyName": null})),
        &json!({"name": {"givenName": "Barb"}}),
    );
    // A target that does not exist is added.
    both(
        &replace("addresses.country", json!("US")),
        &json!({"addresses": [{"country": "US"}]}),
    );
}

#[test]
fn a_filter_selects_the_values_that_are_written() {
    let replace = |path: &str, value: Value| json!([{"op": "replace", "path": path, "value": value}]);
    both(
        &replace("emails[type eq \"home\"].primary", json!(true)),
        &json!({
            "emails": [
                {"value": "b@example.com", "type": "work", "primary": false},
                {"value": "b@jensen.org", "type": "home", "primary": true},
            ],
        }),
    );
    both(
        &replace("emails[value co \"@\"].display", json!("x")),
        &json!({
            "emails": [
                {"value": "b@example.com", "display": "x", "type": "work", "primary": true},
                {"value": "b@jensen.org", "display": "x", "type": "home"},
            ],
        }),
    );
    // The selected value keeps the sub-attributes that are not named (A-41).
    both(
        &replace("emails[type eq \"home\"]", json!({"value": "n@jensen.org"})),
        &json!({
            "emails": [
                {"value": "b@example.com", "type": "work", "primary": true},
                {"value": "n@jensen.org", "type": "home"},
            ],
        }),
    );
    both(
        &replace(&badge("tags[value eq \"blue\"]"), json!("green")),
        &json!({
            BADGE: {
                "level": 3, "code": "AbC", "tags": ["red", "green"], "serial": "S-1", "issuer": "HQ",
                "vehicle": {"plate": "XY-1", "seats": 4, "vin": "V1"},
            },
        }),
    );
    both(
        &replace("name[familyName eq \"Jensen\"].givenName", json!("Barb")),
        &json!({
            "name": {"givenName": "Barb", "familyName": "Jensen"},
        }),
    );
}

#[test]
fn a_plain_string_for_a_selected_value() {
    let operations = json!([{"op": "replace", "path": "emails[type eq \"home\"]", "value": "n@jensen.org"}]);
    changes(
        LENIENT,
        &operations,
        &json!({"emails": [
            {"value": "b@example.com", "type": "work", "primary": true},
            {"value": "n@jensen.org", "type": "home"},
        ]}),
    );
    refused(
        STRICT,
        &operations,
        "invalidValue",
        "operation 1: `emails` must be an object, not a string",
    );
}

#[test]
fn a_filter_that_matches_nothing() {
    let path = r#"emails[type eq "fax"].value"#;
    let write = |op: &str| json!([{"op": op, "path": path, "value": "f@example.com"}]);
    for op in ["add", "replace"] {
        refused(
            STRICT,
            &write(op),
            "noTarget",
            r#"operation 1: path "emails[type eq \"fax\"].value" matches nothing"#,
        );
        changes(
            LENIENT,
            &write(op),
            &json!({
                "emails": [
                    {"value": "b@example.com", "type": "work", "primary": true},
                    {"value": "b@jensen.org", "type": "home"},
                    {"value": "f@example.com", "type": "fax"},
                ],
            }),
        );
    }
    // A value can be created only from equalities.
    for path in [
        "emails[type sw \"fax\"].value",
        "emails[type eq \"fax\" or type eq \"x\"].value",
        "emails[not (type pr)].value",
        "emails[type eq \"x\" and type eq \"y\"].value",
    ] {
        let operations = json!([{"op": "add", "path": path, "value": "f"}]);
        refused(
            LENIENT,
            &operations,
            "noTarget",
            &format!("operation 1: path {path:?} matches nothing"),
        );
    }
    both(&json!([{"op": "remove", "path": path}]), &json!({}));
}

#[test]
fn remove_removes_the_target_of_the_path() {
    let remove = |path: &str| json!([{"op": "remove", "path": path}]);
    both(&remove("emails"), &json!({"emails": null}));
    both(
        &remove("emails[type eq \"work\"]"),
        &json!({"emails": [{"value": "b@jensen.org", "type": "home"}]}),
    );
    both(&remove("emails[value pr]"), &json!({"emails": null}));
    both(
        &remove("emails[type eq \"work\"].primary"),
        &json!({
            "emails": [{"value": "b@example.com", "type": "work"}, {"value": "b@jensen.org", "type": "home"}],
        }),
    );
    both(
        &remove("emails.type"),
        &json!({
            "emails": [{"value": "b@example.com", "primary": true}, {"value": "b@jensen.org"}],
        }),
    );
    both(
        &remove("name.givenName"),
        &json!({"name": {"familyName": "Jensen"}}),
    );
    both(&remove("name"), &json!({"name": null}));
    both(&remove("title"), &json!({}));
    both(&remove("active"), &json!({"active": null}));
    both(
        &remove(&format!("{ENTERPRISE}:department")),
        &json!({ENTERPRISE: null}),
    );
    both(&remove(ENTERPRISE), &json!({ENTERPRISE: null}));
}

#[test]
fn remove_with_a_list_removes_the_listed_values() {
    let remove = |value: Value| json!([{"op": "remove", "path": "emails", "value": value}]);
    let home = json!({"emails": [{"value": "b@jensen.org", "type": "home"}]});
    changes(LENIENT, &remove(json!([{"value": "B@example.com"}])), &home);
    changes(
        LENIENT,
        &remove(json!({"value": "b@example.com", "type": "work"})),
        &home,
    );
    changes(
        LENIENT,
        &remove(json!([{"type": "work", "display": null}])),
        &home,
    );
    changes(LENIENT, &remove(json!({"emails": [{"primary": true}]})), &home);
    changes(LENIENT, &remove(json!("b@example.com")), &home);
    for nothing in [
        json!([]),
        json!([{}]),
        json!([null]),
        json!([{"value": "b@example.com", "type": "home"}]),
        json!(5),
    ] {
        changes(LENIENT, &remove(nothing), &json!({}));
    }
    refused(
        STRICT,
        &remove(json!([{"value": "b@example.com"}])),
        "invalidValue",
        "operation 1: a remove of `emails` must not have a `value`: select the values by a filter in the path",
    );
}

#[test]
fn without_path_the_value_names_the_attributes() {
    let operations = |op: &str| {
        json!([{"op": op, "value": {
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "NickName": "Babs",
            ENTERPRISE: {"costCenter": "7"},
            format!("{ENTERPRISE}:division"): "D",
            "emails": [{"value": "n@example.com"}],
        }}])
    };
    let enterprise = json!({"costCenter": "7", "division": "D", "department": "Tours"});
    let mut emails = user()["emails"].as_array().unwrap().clone();
    emails.push(json!({"value": "n@example.com"}));
    both(
        &operations("add"),
        &json!({"nickName": "Babs", ENTERPRISE: enterprise, "emails": emails}),
    );
    both(
        &operations("replace"),
        &json!({
            "nickName": "Babs", ENTERPRISE: enterprise, "emails": [{"value": "n@example.com"}],
        }),
    );
}

#[test]
fn read_only_and_immutable_attributes_cannot_be_written() {
    let replace = |path: &str, value: Value| {
        json!([
            {"op": "replace", "path": "title", "value": "T"},
            {"op": "replace", "path": path, "value": value},
        ])
    };
    for policy in [STRICT, LENIENT] {
        let mutability = |path: &str, value: Value, message: &str| {
            refused(
                policy,
                &replace(path, value),
                "mutability",
                &format!("operation 2: {message}"),
            );
        };
        mutability("id", json!("x"), "`id` is readOnly");
        mutability(
            "meta.created",
            json!("2020-01-01T00:00:00Z"),
            "`meta.created` is readOnly",
        );
        mutability("groups", json!([]), "`groups` is readOnly");
        mutability(
            &badge("issuer"),
            json!("x"),
            &format!("`{}` is readOnly", badge("issuer")),
        );
        mutability(
            &badge("serial"),
            json!("S-2"),
            &format!("`{}` is immutable and has a value", badge("serial")),
        );
        mutability(
            &badge("vehicle.vin"),
            json!("V2"),
            &format!("`{}` is immutable and has a value", badge("vehicle.vin")),
        );
        for path in ["id", "userName", "groups", "schemas"] {
            let what = if path == "id" || path == "groups" {
                "is readOnly"
            } else {
                "is required and cannot be removed"
            };
            refused(
                policy,
                &json!([{"op": "remove", "path": path}]),
                "mutability",
                &format!("operation 1: `{path}` {what}"),
            );
        }
        refused(
            policy,
            &json!([{"op": "remove", "path": badge("vehicle.plate")}]),
            "mutability",
            &format!(
                "operation 1: `{}` is required and cannot be removed",
                badge("vehicle.plate")
            ),
        );
        // An extension with an immutable value cannot be removed.
        refused(
            policy,
            &json!([{"op": "remove", "path": BADGE}]),
            "mutability",
            &format!("operation 1: `{}` is immutable and has a value", badge("serial")),
        );
    }
    both(
        &json!([{"op": "replace", "path": badge("serial"), "value": "S-1"}]),
        &json!({}),
    );
    // Without `path` a client may repeat a stored readOnly value; other values are ignored or refused (A-13).
    both(
        &json!([{"op": "replace", "value": {badge("issuer"): "HQ"}}]),
        &json!({}),
    );
    let other = json!([{"op": "replace", "value": {badge("issuer"): "X", "id": "x", "title": "T"}}]);
    changes(LENIENT, &other, &json!({"title": "T"}));
    refused(
        STRICT,
        &other,
        "mutability",
        &format!("operation 1: `{}` is readOnly", badge("issuer")),
    );
}

#[test]
fn required_attributes_keep_a_value() {
    for value in [json!(null), json!("")] {
        for op in ["add", "replace"] {
            refused(
                LENIENT,
                &json!([{"op": op, "path": "userName", "value": value}]),
                "invalidValue",
                "operation 1: `userName` is required and must have a value",
            );
        }
    }
    // A required sub-attribute that is missing in the result is blamed on the operation that wrote the attribute.
    let mut before = user();
    before[BADGE]["vehicle"]
        .as_object_mut()
        .unwrap()
        .shift_remove("vin");
    let operations = json!([
        {"op": "remove", "path": badge("vehicle")},
        {"op": "add", "path": badge("vehicle.seats"), "value": 2},
        {"op": "replace", "path": "title", "value": "T"},
    ]);
    let user_type = registry().resource_type("User").unwrap();
    let error = patch(user_type, &before, &operations, STRICT).unwrap_err();
    assert_eq!(error.error.scim_type(), Some(ScimType::InvalidValue));
    assert_eq!(
        error.to_string(),
        format!(
            "operation 2: `{}` is required and must not be empty",
            badge("vehicle.plate")
        )
    );
}

#[test]
fn paths_that_name_nothing() {
    let replace = |path: &str| json!([{"op": "replace", "path": path, "value": "x"}]);
    for policy in [STRICT, LENIENT] {
        for path in [
            "nope",
            "name.nope",
            "employeeNumber",
            "urn:example:no:2.0:User:x",
            "emails[type eq \"work\"].nope",
        ] {
            let registry = registry();
            let error = patch(
                registry.resource_type("User").unwrap(),
                &user(),
                &replace(path),
                policy,
            )
            .unwrap_err();
            assert_eq!(error.error.scim_type().unwrap().as_str(), "invalidPath", "{path}");
            assert_eq!((error.operation, error.path.as_deref()), (Some(1), Some(path)));
        }
        for path in [
            "emails[nope eq \"x\"]",
            "emails[type xx \"w\"]",
            "emails[primary gt true]",
            "title[value eq \"x\"]",
        ] {
            let registry = registry();
            let error = patch(
                registry.resource_type("User").unwrap(),
                &user(),
                &replace(path),
                policy,
            )
            .unwrap_err();
            assert_eq!(
                error.error.scim_type().unwrap().as_str(),
                "invalidFilter",
                "{path}"
            );
        }
        // Only a key that names nothing is ignored, not one with a wrong filter.
        let mut value = json!({});
        value["emails[type xx \"w\"]"] = json!("x");
        let pathless = json!([{"op": "add", "value": value}]);
        let user_type = registry().resource_type("User").unwrap();
        let error = patch(user_type, &user(), &pathless, policy).unwrap_err();
        assert_eq!(error.error.scim_type(), Some(ScimType::InvalidFilter));
        for path in [
            "",
            " ",
            "emails[",
            "emails[0]",
            "/emails/0",
            "a b",
            "emails[type eq \"work\"",
            "emails[]",
        ] {
            let registry = registry();
            let error = patch(
                registry.resource_type("User").unwrap(),
                &user(),
                &replace(path),
                policy,
            )
            .unwrap_err();
            let keyword = error.error.scim_type().unwrap().as_str();
            assert!(["invalidPath", "invalidFilter"].contains(&keyword), "{path}");
        }
        refused(
            policy,
            &json!([{"op": "remove"}]),
            "noTarget",
            "operation 1: a remove needs a `path` that says what to remove",
        );
    }
}

#[test]
fn two_primaries_in_one_operation() {
    let message = "operation 1: `emails.primary` must be true for one value at most";
    let two = json!([{"value": "1", "primary": true}, {"value": "2", "primary": true}]);
    for operation in [
        json!({"op": "add", "path": "emails", "value": two}),
        json!({"op": "replace", "path": "emails", "value": two}),
        json!({"op": "replace", "path": "emails[value pr].primary", "value": true}),
    ] {
        refused(LENIENT, &json!([operation]), "invalidValue", message);
    }
}

#[test]
fn schemas_follow_the_data() {
    let core = "urn:ietf:params:scim:schemas:core:2.0:User";
    both(
        &json!([{"op": "add", "path": "schemas", "value": [ENTERPRISE]}]),
        &json!({}),
    );
    refused(
        LENIENT,
        &json!([{"op": "add", "path": "schemas", "value": ["urn:x:y"]}]),
        "invalidValue",
        "operation 1: `schemas`: \"urn:x:y\" is not a schema of this resource type",
    );
    both(
        &json!([{"op": "replace", "path": "schemas", "value": [core.to_uppercase(), BADGE.to_uppercase()]}]),
        &json!({ENTERPRISE: null}),
    );
    both(
        &json!([{"op": "remove", "path": format!("schemas[value eq \"{ENTERPRISE}\"]")}]),
        &json!({ENTERPRISE: null}),
    );
    refused(
        STRICT,
        &json!([{"op": "replace", "path": "schemas", "value": [BADGE]}]),
        "mutability",
        &format!("operation 1: `schemas` must name `{core}`"),
    );
}

#[test]
fn secrets_are_returned_outside_the_document() {
    both(
        &json!([{"op": "replace", "path": "password", "value": "secret"}]),
        &json!({}),
    );
    both(&json!([{"op": "remove", "path": "password"}]), &json!({}));
    refused(
        STRICT,
        &json!([{"op": "add", "path": "password", "value": 5}]),
        "invalidValue",
        "operation 1: `password` must be a string, not a number",
    );
    let registry = registry();
    let user_type = registry.resource_type("User").unwrap();
    let secrets = |operations: Value| patch(user_type, &user(), &operations, LENIENT).unwrap().secrets;
    let password = |text: Option<&str>| [("password".to_owned(), text.map(ClearText::new))].into();
    let set = |text: &str| json!({"op": "replace", "path": "password", "value": text});
    assert_eq!(secrets(json!([set("a")])), password(Some("a")));
    assert_eq!(
        secrets(json!([{"op": "add", "value": {"PASSWORD": ["a"]}}])),
        password(Some("a"))
    );
    // The last operation counts.
    assert_eq!(secrets(json!([set("a"), set("b")])), password(Some("b")));
    assert_eq!(
        secrets(json!([set("a"), {"op": "remove", "path": "password"}])),
        password(None)
    );
    assert_eq!(
        secrets(json!([{"op": "replace", "path": "password", "value": null}])),
        password(None)
    );
    assert_eq!(
        secrets(json!([{"op": "replace", "path": "title", "value": "t"}])),
        SentSecrets::new()
    );
}

/// Entra without the flag aadOptscim062020 sends them. PATCH understands them under every policy.
#[test]
fn a_33_booleans_in_quotes_are_booleans() {
    both(
        &json!([{"op": "Replace", "path": "active", "value": "False"}]),
        &json!({"active": false}),
    );
    both(
        &json!([{"op": "replace", "value": {"active": "FALSE"}}]),
        &json!({"active": false}),
    );
    let emails = json!([
        {"value": "b@example.com", "type": "work", "primary": false},
        {"value": "b@jensen.org", "type": "home", "primary": true},
    ]);
    both(
        &json!([{"op": "replace", "path": "emails[type eq \"home\"].primary", "value": "true"}]),
        &json!({"emails": emails}),
    );
    both(
        &json!([{"op": "replace", "path": "emails[type eq \"home\"]", "value": {"PRIMARY": "True"}}]),
        &json!({"emails": emails}),
    );
    both(
        &json!([{"op": "replace", "path": "emails", "value": emails.to_string().replace("true", "\"True\"").parse::<Value>().unwrap()}]),
        &json!({"emails": emails}),
    );
    // A-60
    both(
        &json!([{"op": "remove", "path": "emails[primary eq \"True\"]"}]),
        &json!({"emails": [{"value": "b@jensen.org", "type": "home"}]}),
    );
    // Text of another type stays text.
    both(
        &json!([{"op": "replace", "path": "title", "value": "True"}]),
        &json!({"title": "True"}),
    );
    both(
        &json!([{"op": "replace", "path": "name", "value": {"givenName": "false"}}]),
        &json!({"name": {"givenName": "false", "familyName": "Jensen"}}),
    );
    for text in ["yes", "1", "", " true"] {
        let operations = json!([{"op": "replace", "path": "active", "value": text}]);
        let message = "operation 1: `active` must be true or false";
        refused(LENIENT, &operations, "invalidValue", message);
        let message = "operation 1: `active` must be true or false, not a string";
        refused(STRICT, &operations, "invalidValue", message);
    }
}

#[test]
fn values_come_in_canonical_form() {
    for (path, value) in [
        ("active", json!("maybe")),
        ("title", json!(5)),
        ("title", json!(["a", "b"])),
        ("title", json!({"value": "a"})),
        ("title", json!({})),
        ("emails", json!([5])),
        ("name", json!("x")),
        ("name", json!([1])),
    ] {
        let registry = registry();
        let operations = json!([{"op": "replace", "path": path, "value": value}]);
        let error = patch(
            registry.resource_type("User").unwrap(),
            &user(),
            &operations,
            LENIENT,
        )
        .unwrap_err();
        assert_eq!(
            error.error.scim_type().unwrap().as_str(),
            "invalidValue",
            "{error}"
        );
    }
    refused(
        STRICT,
        &json!([{"op": "replace", "path": badge("level"), "value": "7"}]),
        "invalidValue",
        &format!(
            "operation 1: `{}` must be an integer, not a string",
            badge("level")
        ),
    );
}

#[test]
fn long_paths_are_shortened_in_messages() {
    let registry = registry();
    let operations = json!([{"op": "replace", "path": "x".repeat(5000), "value": 1}]);
    let error = patch(
        registry.resource_type("User").unwrap(),
        &user(),
        &operations,
        STRICT,
    )
    .unwrap_err();
    assert!(error.to_string().len() < 400, "{error}");
}

/// A-79
#[test]
fn single_values_of_schemas_cannot_be_written() {
    let message = "operation 1: `schemas` follows from the attributes that have values";
    for op in ["add", "replace"] {
        for path in [
            r#"schemas[value eq "urn:x"]"#,
            r#"urn:ietf:params:scim:schemas:core:2.0:User:schemas[value eq "urn:x"]"#,
        ] {
            let operations = json!([{"op": op, "path": path, "value": "urn:x"}]);
            refused(LENIENT, &operations, "mutability", message);
            refused(STRICT, &operations, "mutability", message);
        }
        let pathless = json!([{"op": op, "value": {r#"schemas[value eq "a"]"#: "b"}}]);
        refused(LENIENT, &pathless, "mutability", message);
        refused(
            STRICT,
            &pathless,
            "invalidPath",
            r#"operation 1: "schemas[value eq \"a\"]" is not the name of an attribute"#,
        );
    }
}

/// A-34, A-37
#[test]
fn empty_and_wrapped_values_of_sub_attributes() {
    let path = format!("{ENTERPRISE}:manager.value");
    let registry = registry();
    let resource_type = registry.resource_type("User").unwrap();
    let before = json!({"userName": "a", ENTERPRISE: {"manager": {"value": "1"}}});
    let operations = json!([{"op": "replace", "path": path, "value": ""}]);
    let outcome = crate::patch(resource_type, &before, &operations, LENIENT).unwrap();
    assert_eq!(outcome.document.values().get(ENTERPRISE), None);
    let operations =
        json!([{"op": "replace", "path": "emails[type eq \"work\"].value", "value": [{"value": "x@y"}]}]);
    let outcome = crate::patch(resource_type, &json!({"userName": "a"}), &operations, LENIENT).unwrap();
    assert_eq!(
        outcome.document.values()["emails"],
        json!([{"value": "x@y", "type": "work"}])
    );
}

/// A user who has left must lose access even if a newer schema requires an attribute that the user lacks.
#[test]
fn an_attribute_that_was_missing_before_does_not_prevent_a_patch() {
    let registry = registry();
    let user_type = registry.resource_type("User").unwrap();
    // `userName` is required, but this user was created before.
    let old = json!({"active": true, "title": "A", BADGE: {"vehicle": {"seats": 4}}});
    let patched = |operations: Value| patch(user_type, &old, &operations, STRICT);
    let outcome = patched(json!([{"op": "replace", "path": "active", "value": false}])).unwrap();
    assert_eq!(outcome.document.values()["active"], json!(false));
    let seats = json!([{"op": "replace", "path": badge("vehicle.seats"), "value": 5}]);
    assert_eq!(
        patched(seats).unwrap().document.values()[BADGE],
        json!({"vehicle": {"seats": 5}})
    );
    // An attribute that an operation writes must be valid.
    for value in [json!(""), json!(null)] {
        let error = patched(json!([{"op": "replace", "path": "userName", "value": value}])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "operation 1: `userName` is required and must have a value"
        );
    }
    let error = patched(json!([{"op": "remove", "path": "userName"}])).unwrap_err();
    assert_eq!(error.error.scim_type().unwrap().as_str(), "mutability");
}

pub(crate) const KEY: &str = "urn:example:params:scim:schemas:extension:key:1.0:User";

/// Patches a user with an extension that has immutable attributes. Returns the extension, or the message of the error.
pub(crate) fn key_patched(before: &Value, operations: &Value, policy: Policy) -> Result<Value, String> {
    let parts = json!([{"name": "value"}, {"name": "type"}, {"name": "colour"},
        {"name": "room", "required": true},
        {"name": "since", "type": "dateTime", "mutability": "immutable"}]);
    let schema = json!({"id": KEY, "attributes": [
        {"name": "name", "mutability": "immutable"}, {"name": "note"},
        {"name": "tags", "multiValued": true, "mutability": "immutable"},
        {"name": "main", "type": "complex", "subAttributes": parts},
        {"name": "others", "type": "complex", "multiValued": true, "subAttributes": parts}]});
    let user = json!({"schemas": [scim_model::internal::RESOURCE_TYPE_URN], "name": "User",
        "endpoint": "/Users", "schema": scim_model::schema::USER_URN,
        "schemaExtensions": [{"schema": KEY, "required": false}]});
    let file = ("files.json".to_owned(), json!([schema, user]).to_string());
    let registry = scim_model::SchemaRegistry::load(&[file]).unwrap();
    let before = json!({"userName": "a", KEY: before});
    patch(
        registry.resource_type("User").unwrap(),
        &before,
        operations,
        policy,
    )
    .map(|it| it.document.values().get(KEY).cloned().unwrap_or_default())
    .map_err(|it| {
        assert_eq!(
            it.error.scim_type().map(scim_model::ScimType::as_str),
            Some("mutability"),
            "{it}"
        );
        it.to_string()
    })
}

/// 7643-7-16, 7644-3.5.2-10: an immutable value protects the complex value and the extension that contain it.
#[test]
fn an_immutable_part_cannot_be_removed_with_the_whole() {
    let key = |name: &str| format!("{KEY}:{name}");
    let before = json!({"note": "n", "main": {"room": "1", "since": "2020-01-01T00:00:00Z"}});
    let urns = [scim_model::schema::USER_URN];
    for operation in [
        json!({"op": "remove", "path": key("main")}),
        json!({"op": "remove", "path": key("main[room eq \"1\"]")}),
        json!({"op": "remove", "path": key("main.since")}),
        json!({"op": "replace", "path": key("main"), "value": null}),
        json!({"op": "replace", "path": key("main.since"), "value": null}),
        json!({"op": "add", "value": {KEY: {"main": null}}}),
        json!({"op": "remove", "path": KEY}),
        json!({"op": "replace", "value": {KEY: null}}),
        json!({"op": "replace", "path": "schemas", "value": urns}),
        json!({"op": "remove", "path": "schemas", "value": KEY}),
    ] {
        let again = json!({"op": "add", "path": key("main"), "value": {"room": "1", "since": "2021-01-01T00:00:00Z"}});
        for operations in [json!([operation]), json!([operation, again])] {
            for policy in [STRICT, LENIENT] {
                assert_eq!(
                    key_patched(&before, &operations, policy),
                    Err(format!(
                        "operation 1: `{}` is immutable and has a value",
                        key("main.since")
                    )),
                    "{operations}"
                );
            }
        }
    }
    // Without an immutable value the attribute can be removed.
    let mutable = json!({"main": {"room": "1"}});
    let remove = json!([{"op": "remove", "path": key("main")}]);
    assert_eq!(key_patched(&mutable, &remove, STRICT), Ok(Value::Null));
}

/// 7644-3.5.2-10: an equal value in another spelling is accepted, and the stored spelling stays.
#[test]
fn an_immutable_value_may_be_sent_again_in_another_spelling() {
    let key = |name: &str| format!("{KEY}:{name}");
    let element = |since: &str| json!({"value": "k", "room": "1", "since": since});
    let [old, same, other] = [
        "2020-01-01T00:00:00Z",
        "2020-01-01T01:00:00+01:00",
        "2020-01-01T01:00:00Z",
    ]
    .map(element);
    let before = json!({"name": "Ann", "tags": ["a", "B"], "main": old, "others": [old]});
    for (path, same, other) in [
        ("name", json!("ANN"), json!("Anna")),
        ("tags", json!(["b", "A"]), json!(["b"])),
        ("main", same.clone(), other.clone()),
        ("main.since", same["since"].clone(), other["since"].clone()),
        ("others", json!([same]), json!([other])),
        ("others[value eq \"k\"]", same.clone(), other.clone()),
        ("others.since", same["since"].clone(), other["since"].clone()),
    ] {
        let replace = |value| json!([{"op": "replace", "path": key(path), "value": value}]);
        assert_eq!(
            key_patched(&before, &replace(same), STRICT),
            Ok(before.clone()),
            "{path}"
        );
        let error = key_patched(&before, &replace(other), STRICT).unwrap_err();
        assert!(
            error.starts_with("operation 1: ") && error.ends_with("is immutable and has a value")
                || error.ends_with("is immutable and already has a value"),
            "{path}: {error}"
        );
    }
    // Adding it again changes nothing.
    let add = json!([{"op": "add", "path": key("others"), "value": same}]);
    assert_eq!(key_patched(&before, &add, STRICT), Ok(before.clone()));
}

/// 7643-2.4-09, 7643-7-16: a value that stays keeps its immutable sub-attributes and those that no schema describes.
#[test]
fn a_value_that_stays_among_others_keeps_its_immutable_parts() {
    let path = format!("{KEY}:others");
    let first = json!({"value": "k", "room": "1", "since": "2020-01-01T00:00:00Z", "gone": 7});
    let before = json!({"others": [first]});
    let patched = |operations: Value| key_patched(&before, &operations, LENIENT);
    let replace = |value: Value| json!({"op": "replace", "path": path, "value": value});
    let kept = json!({"others": [{"value": "k", "colour": "red", "room": "2", "since": "2020-01-01T00:00:00Z", "gone": 7}]});
    let given = json!([{"value": "k", "room": "2", "colour": "red"}]);
    assert_eq!(patched(json!([replace(given.clone())])), Ok(kept.clone()));
    let remove = json!({"op": "remove", "path": path});
    assert_eq!(patched(json!([remove, replace(given)])), Ok(kept));
    let later = json!([{"value": "k", "room": "1", "since": "2021-01-01T00:00:00Z"}]);
    assert_eq!(
        patched(json!([remove, replace(later.clone())])),
        Err(format!(
            "operation 2: `{path}.since` is immutable and already has a value"
        ))
    );
    // The value can be removed as a whole, and another one added.
    assert_eq!(patched(json!([remove])), Ok(Value::Null));
    let another = json!([{"value": "l", "room": "1", "since": "2021-01-01T00:00:00Z"}]);
    assert_eq!(
        patched(json!([replace(another.clone())])),
        Ok(json!({"others": another}))
    );
}

/// 7643-2.4-09: an operation never combines two sent values into one that the client did not send.
#[test]
fn values_of_one_operation_are_not_combined() {
    let path = format!("{KEY}:others");
    let two = json!([{"value": "k", "colour": "red", "room": "1"}, {"value": "k", "room": "2"}]);
    for op in ["add", "replace"] {
        let operations = json!([{"op": op, "path": path, "value": two}]);
        let patched = key_patched(&json!({"note": "n"}), &operations, LENIENT);
        assert_eq!(patched, Ok(json!({"note": "n", "others": two})));
        let again = json!([{"op": op, "path": path, "value": two}, {"op": op, "path": path, "value": two}]);
        assert_eq!(key_patched(&json!({"note": "n"}), &again, LENIENT), patched);
        let registry = registry();
        let operations = json!([{"op": op, "path": "emails", "value":
            [{"value": "x@y", "type": "work", "display": "X"}, {"value": "x@y", "type": "work", "primary": true}]}]);
        let error = patch(
            registry.resource_type("User").unwrap(),
            &user(),
            &operations,
            STRICT,
        )
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "operation 1: `emails` must not have two values with the same `value` and `type` that differ otherwise"
        );
    }
}

/// A-49: a name that was stored before a rule existed can be repeated, and no other such name can be written.
#[test]
fn a_value_may_repeat_the_stored_user_name() {
    let user = crate::registry().resource_type("User").unwrap();
    for policy in [crate::LENIENT, crate::STRICT] {
        let before = serde_json::json!({"userName": "bob ", "active": true});
        let patched = |name: &str| {
            let operations =
                serde_json::json!([{"op": "replace", "value": {"userName": name, "active": false}}]);
            crate::patch(user, &before, &operations, policy)
        };
        let after = serde_json::json!({"userName": "bob ", "active": false});
        assert_eq!(patched("bob ").unwrap().document, crate::document(&after));
        assert!(patched("Bob ").is_err() && patched(" ").is_err());
        let path = serde_json::json!([{"op": "replace", "path": "userName", "value": "bob "}]);
        assert!(
            crate::patch(user, &before, &path, policy)
                .unwrap()
                .changes
                .is_empty()
        );
    }
}
