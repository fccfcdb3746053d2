//! The report of the tolerances that a request needed.

use scim_patch::{Tolerance, apply, plan};
use serde_json::{Value, json};

use crate::{LENIENT, STRICT, body, document, patch, registry};

#[track_caller]
fn check(operations: &Value, expected: &[Tolerance]) {
    let user = registry().resource_type("User").unwrap();
    let before =
        json!({"userName": "a", "name": {"givenName": "b"}, "emails": [{"value": "c", "type": "work"}]});
    let outcome = patch(user, &before, operations, LENIENT).unwrap();
    assert_eq!(outcome.tolerances, expected, "{operations}");
    // A strict policy applies no tolerance, so it has nothing to report.
    if let Ok(outcome) = patch(user, &before, operations, STRICT) {
        assert_eq!(outcome.tolerances, [], "{operations}");
    }
}

#[test]
fn names_are_stable() {
    let names = Tolerance::ALL.map(Tolerance::name);
    assert_eq!(
        names,
        [
            "boolean_text",
            "path_as_key",
            "created_from_filter",
            "remove_by_value",
            "remove_nested",
            "remove_value_ignored",
            "text_for_complex",
            "empty_reference",
            "array_for_single",
            "read_only_ignored",
            "unknown_ignored",
            "unqualified_reference",
            "path_syntax",
            "member_type_ignored",
            "missing_schemas",
            "empty_schemas",
            "other_schemas",
            "empty_operations",
            "names_in_text",
            "bare_word",
            "number_for_text",
            "number_text",
            "value_of_simple",
            "dot_after_urn",
            "core_urn_container",
            "qualified_key",
            "single_for_array",
            "null_element",
        ]
    );
    assert_eq!(Tolerance::PathAsKey.to_string(), "path_as_key");
}

#[test]
fn each_tolerance_counts_once_for_an_operation() {
    let add = json!({"op": "add", "path": "emails", "value": [
        {"value": "1", "primary": "False"}, {"value": "2", "primary": "False"}]});
    let dotted =
        json!({"op": "add", "value": {"name.givenName": "x", "name.familyName": "y", "active": "True"}});
    check(&json!([add]), &[Tolerance::BooleanText]);
    check(
        &json!([add, add]),
        &[Tolerance::BooleanText, Tolerance::BooleanText],
    );
    check(
        &json!([dotted, add]),
        &[
            Tolerance::PathAsKey,
            Tolerance::BooleanText,
            Tolerance::BooleanText,
        ],
    );
    check(&json!([{"op": "add", "path": "title", "value": "x"}]), &[]);
}

#[test]
fn ignored_nulls_and_empty_references_are_reported() {
    let manager = format!("{}:manager", scim_model::schema::ENTERPRISE_USER_URN);
    for add in [
        json!({"op": "add", "path": "emails", "value": [null]}),
        json!({"op": "add", "value": {"emails": [null]}}),
    ] {
        check(&json!([add]), &[Tolerance::NullElement]);
    }
    let add = json!([{"op": "add", "path": manager, "value": {"$ref": ""}}]);
    check(&add, &[Tolerance::EmptyReference]);
    let group = registry().resource_type("Group").unwrap();
    let add = json!([{"op": "add", "path": "members", "value": [null]}]);
    let operations = scim_patch::Operation::parse_all(body(&add), LENIENT).unwrap();
    let plan = plan(group, &operations, LENIENT).unwrap();
    assert_eq!(plan.tolerances, [Tolerance::NullElement]);
}

///
#[test]
fn a_boolean_in_quotes_in_a_filter_is_reported() {
    let remove = |filter: &str| json!([{"op": "remove", "path": format!("emails[{filter}]")}]);
    for filter in [
        "primary eq \"True\"",
        "type eq \"x\" and primary eq \"True\"",
        "type eq \"x\" or primary eq \"True\"",
        "not (primary eq \"True\") and type eq \"x\"",
    ] {
        check(&remove(filter), &[Tolerance::BooleanText]);
    }
    for filter in [
        "primary eq true",
        "type eq \"True\"",
        "not (primary eq true) and type eq \"True\"",
    ] {
        check(&remove(filter), &[]);
    }
}

/// also in an element of an array.
#[test]
fn unknown_attributes_are_reported_wherever_they_are_ignored() {
    for value in [
        json!({"op": "add", "value": {"nope": 1}}),
        json!({"op": "add", "path": "name", "value": {"nope": 1, "givenName": "x"}}),
        json!({"op": "add", "path": "emails", "value": [{"value": "x", "nope": 1}]}),
        json!({"op": "replace", "path": "emails[type eq \"work\"]", "value": {"value": "x", "nope": 1}}),
    ] {
        check(&json!([value]), &[Tolerance::UnknownIgnored]);
    }
}

/// The plan reports the tolerances of the operations on members, and `apply` those of the rest.
#[test]
fn no_tolerance_is_reported_twice() {
    let id = "00000001-0000-4000-8000-00000000000a";
    let group = registry().resource_type("Group").unwrap();
    let check = |operations: &Value, planned: &[Tolerance], applied: &[Tolerance]| {
        let operations = scim_patch::Operation::parse_all(body(operations), LENIENT).unwrap();
        let plan = plan(group, &operations, LENIENT).unwrap();
        assert_eq!(plan.tolerances, planned);
        let outcome = apply(
            group,
            &document(&json!({"displayName": "g"})),
            &plan.rest,
            LENIENT,
        )
        .unwrap();
        assert_eq!(outcome.tolerances, applied);
    };
    let others = json!({"op": "add", "value": {"members": [id], "nope": 1, "id": "x", "displayName": ["n"]}});
    let of_others = [
        Tolerance::UnknownIgnored,
        Tolerance::ReadOnlyIgnored,
        Tolerance::ArrayForSingle,
    ];
    check(&json!([others]), &[Tolerance::TextForComplex], &of_others);
    let listed = json!({"op": "remove", "path": "members", "value": [{"value": id}]});
    let syntax = json!({"op": "remove", "path": "members[value eq 'x']", "value": {"value": "x"}});
    check(
        &json!([listed, syntax, {"op": "replace", "path": "displayName", "value": ["n"]}]),
        &[
            Tolerance::RemoveByValue,
            Tolerance::PathSyntax,
            Tolerance::RemoveValueIgnored,
        ],
        &[Tolerance::ArrayForSingle],
    );
    // When the list of members is needed, `apply` sees all operations.
    let needs_list = json!({"op": "remove", "path": "members[type eq 'x']"});
    check(
        &json!([listed, needs_list]),
        &[],
        &[Tolerance::RemoveByValue, Tolerance::PathSyntax],
    );
}
