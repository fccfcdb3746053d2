//! Equality, addition and removal of the values of multi-valued and complex attributes.

use serde_json::{Value, json};

use crate::rules::{both, changes, key_patched, refused};
use crate::{LENIENT, STRICT};

fn add(value: Value) -> Value {
    json!([{"op": "add", "path": "emails", "value": value}])
}

/// 7643-2.4-09, 7644-3.5.2.1-07: `value` and `type` together identify a value.
#[test]
fn a_value_with_another_type_is_another_value() {
    let work = json!({"value": "b@example.com", "type": "work", "primary": true});
    let home = json!({"value": "b@jensen.org", "type": "home"});
    for other in [
        json!({"value": "b@example.com", "type": "other"}),
        json!({"value": "b@example.com", "type": "other", "display": "Babs"}),
        json!({"value": "b@example.com"}),
    ] {
        both(&add(json!([other])), &json!({"emails": [work, home, other]}));
        let pathless = json!([{"op": "add", "value": {"emails": [other]}}]);
        both(&pathless, &json!({"emails": [work, home, other]}));
    }
    // The same address with the same type is the same value, whatever else the client sends.
    both(
        &add(json!({"value": "b@example.com", "type": "work", "display": "Babs"})),
        &json!({"emails": [
            {"value": "b@example.com", "display": "Babs", "type": "work", "primary": true}, home]}),
    );
}

/// 7644-3.5.2.2-04: a filter on a complex attribute with a single value.
#[test]
fn remove_evaluates_a_filter_on_a_single_complex_value() {
    let remove = |path: &str| json!([{"op": "remove", "path": path}]);
    both(
        &remove(r#"name[familyName eq "Jensen"].givenName"#),
        &json!({"name": {"familyName": "Jensen"}}),
    );
    both(&remove(r#"name[familyName eq "Jensen"]"#), &json!({"name": null}));
    // RFC 7644 section 3.5.2.2 and A-39: a filter that matches nothing leaves everything as it is.
    for path in [
        r#"name[familyName eq "Smith"].givenName"#,
        r#"name[familyName eq "Smith"]"#,
        r#"name[middleName pr].givenName"#,
        r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager[value eq "1"]"#,
    ] {
        both(&remove(path), &json!({}));
    }
}

/// The index on `value` must not hide values that another part of the filter selects.
#[test]
fn a_filter_selects_by_all_its_parts() {
    let work = json!({"value": "b@example.com", "type": "work", "primary": true});
    let home = json!({"value": "b@jensen.org", "type": "home"});
    for (filter, left) in [
        (r#"value eq "B@EXAMPLE.COM" or type eq "home""#, json!(null)),
        (
            r#"value eq "b@example.com" or (type eq "home" and primary pr)"#,
            json!([home]),
        ),
        (
            r#"value eq "b@example.com" and type eq "home""#,
            json!([work, home]),
        ),
        (
            r#"type pr and (value eq "b@example.com" or value eq "x")"#,
            json!([home]),
        ),
        (r#"not (value eq "b@example.com")"#, json!([work])),
        (r#"value ne "b@example.com""#, json!([work])),
        (r#"type eq "home""#, json!([work])),
    ] {
        let operations = json!([{"op": "remove", "path": format!("emails[{filter}]")}]);
        let expected = if left == json!([work, home]) {
            json!({})
        } else {
            json!({ "emails": left })
        };
        both(&operations, &expected);
    }
}

/// 7643-7-16: each value keeps the immutable sub-attribute of the value that it repeats.
#[test]
fn immutable_sub_attributes_stay_with_their_value() {
    let [first, second] = ["2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z"];
    let path = format!("{}:others", crate::rules::KEY);
    let replaced = |policy, before: &Value, value: Value| {
        let operations = json!([{"op": "replace", "path": path, "value": value}]);
        let after = key_patched(&json!({ "others": before }), &operations, policy);
        after.map(|mut after| after["others"].take())
    };
    let element = |value: &str, type_: &str, since: Option<&str>| {
        let mut element = json!({"value": value, "room": "1"});
        if !type_.is_empty() {
            element["type"] = type_.into();
        }
        if let Some(since) = since {
            element["since"] = since.into();
        }
        element
    };
    let sorted = |value: Value| {
        let mut value = value;
        value.sort_all_objects();
        value
    };
    let check = |before: Value, given: Value, expected: Value| {
        for policy in [STRICT, LENIENT] {
            let after = replaced(policy, &before, given.clone());
            assert_eq!(sorted(after.unwrap()), sorted(expected.clone()));
        }
    };
    // The order of the values makes no difference, and `type` belongs to the identity.
    check(
        json!([element("k", "a", Some(first)), element("k", "b", Some(second))]),
        json!([element("K", "b", None), element("k", "a", None)]),
        json!([element("K", "b", Some(second)), element("k", "a", Some(first))]),
    );
    check(
        json!([element("k", "", Some(first)), element("l", "", Some(second))]),
        json!([
            element("l", "", None),
            element("m", "", None),
            element("k", "", None)
        ]),
        json!([
            element("l", "", Some(second)),
            element("m", "", None),
            element("k", "", Some(first))
        ]),
    );
    // A lenient policy keeps two values with one identity that differ otherwise. The one that repeats the
    // date is paired before the one without it.
    let twin = |colour: &str, since: Option<&str>| {
        let mut twin = element("k", "", since);
        twin["colour"] = colour.into();
        twin
    };
    let twins = json!([twin("red", Some(first)), twin("blue", Some(second))]);
    let given = json!([twin("grey", None), twin("pink", Some(first))]);
    assert_eq!(
        sorted(replaced(LENIENT, &twins, given).unwrap()),
        sorted(json!([twin("grey", Some(second)), twin("pink", Some(first))]))
    );
    let other = json!([element("k", "", Some("2022-01-01T00:00:00Z"))]);
    let message = format!("operation 1: `{path}.since` is immutable and already has a value");
    assert_eq!(replaced(LENIENT, &twins, other), Err(message));
}

/// 7643-7-16: `add` of an existing value compares its immutable sub-attributes with those of this value only.
#[test]
fn add_of_an_existing_value_changes_this_value_only() {
    let path = format!("{}:others", crate::rules::KEY);
    let before = json!({"others": [
        {"value": "k", "type": "a", "room": "1", "since": "2020-01-01T00:00:00Z"},
        {"value": "k", "type": "b", "room": "1", "since": "2021-01-01T00:00:00Z"},
        {"value": "l", "type": "b", "room": "1"},
    ]});
    let added = |value: Value| {
        let operations = json!([{"op": "add", "path": path, "value": value}]);
        key_patched(&before, &operations, STRICT)
    };
    let mut expected = before.clone();
    expected["others"][1]["colour"] = json!("red");
    let mut after = added(
        json!({"value": "k", "type": "b", "room": "1", "since": "2021-01-01T01:00:00+01:00", "colour": "red"}),
    )
    .unwrap();
    after.sort_all_objects();
    expected.sort_all_objects();
    assert_eq!(after, expected);
    // The first value of an immutable sub-attribute is accepted, another one is not.
    let first = added(json!({"value": "l", "type": "b", "room": "1", "since": "2022-01-01T00:00:00Z"}));
    assert_eq!(
        first.unwrap()["others"][2]["since"],
        json!("2022-01-01T00:00:00Z")
    );
    assert_eq!(
        added(json!({"value": "k", "type": "b", "room": "1", "since": "2020-01-01T00:00:00Z"})),
        Err(format!(
            "operation 1: `{path}.since` is immutable and has a value"
        ))
    );
}

/// A-15: only the values that an operation writes compete for `primary`.
#[test]
fn a_new_primary_value_takes_the_place_of_the_old_one() {
    let emails = |work: Value, home: Value| {
        json!({"emails": [
            {"value": "b@example.com", "type": "work", "primary": work},
            {"value": "b@jensen.org", "type": "home", "primary": home},
        ]})
    };
    both(
        &add(json!({"value": "b@jensen.org", "type": "home", "primary": true})),
        &emails(json!(false), json!(true)),
    );
    both(
        &json!([{"op": "replace", "path": "emails[type eq \"home\"]", "value": {"primary": true}}]),
        &emails(json!(false), json!(true)),
    );
    changes(
        STRICT,
        &json!([{"op": "replace", "path": "emails[type eq \"home\"].primary", "value": false}]),
        &emails(json!(true), json!(false)),
    );
    refused(
        STRICT,
        &json!([{"op": "replace", "path": "emails.primary", "value": true}]),
        "invalidValue",
        "operation 1: `emails.primary` must be true for one value at most",
    );
}
