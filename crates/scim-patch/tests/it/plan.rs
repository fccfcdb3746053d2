//! Operations on members that become row operations, and those that need the list of members.

use scim_model::store::MembersStep;
use scim_model::{Policy, SchemaRegistry, ScimType};
use scim_patch::{MembersPlan, Operation, PatchError, Plan, Tolerance, plan};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{LENIENT, STRICT, body};

fn id(number: u8) -> Uuid {
    Uuid::from_bytes([number; 16])
}

fn text(number: u8) -> String {
    id(number).to_string()
}

fn planned(operations: &Value, policy: Policy) -> Result<Plan, PatchError> {
    let registry = SchemaRegistry::builtin();
    let operations = Operation::parse_all(body(operations), policy)?;
    plan(registry.resource_type("Group").unwrap(), &operations, policy)
}

#[track_caller]
fn steps(policy: Policy, operations: &Value, expected: &[MembersStep]) {
    let plan = planned(operations, policy).unwrap();
    assert_eq!(plan.members, MembersPlan::Steps(expected.to_vec()));
    assert_eq!(plan.rest, []);
}

#[track_caller]
fn both(operations: &Value, expected: &[MembersStep]) {
    steps(STRICT, operations, expected);
    steps(LENIENT, operations, expected);
}

#[test]
fn members_named_by_their_ids_are_rows() {
    let one = json!({"value": text(1), "display": "Babs"});
    let two = json!([{"value": text(1)}, {"value": text(2)}, {"value": text(1)}]);
    let by_id = format!("members[value eq \"{}\"]", id(1));
    let by_ids = format!("members[value eq \"{}\" or value eq \"{}\"]", id(1), id(2));
    both(
        &json!([{"op": "add", "path": "members", "value": one}]),
        &[MembersStep::Add(vec![id(1)])],
    );
    both(
        &json!([{"op": "add", "path": "members", "value": two}]),
        &[MembersStep::Add(vec![id(1), id(2)])],
    );
    both(
        &json!([{"op": "add", "value": {"members": two}}]),
        &[MembersStep::Add(vec![id(1), id(2)])],
    );
    both(
        &json!([{"op": "remove", "path": by_id}]),
        &[MembersStep::Remove(vec![id(1)])],
    );
    both(
        &json!([{"op": "remove", "path": by_ids}]),
        &[MembersStep::Remove(vec![id(1), id(2)])],
    );
    both(
        &json!([{"op": "remove", "path": "members"}]),
        &[MembersStep::RemoveAll],
    );
    both(
        &json!([{"op": "replace", "path": "members", "value": two}]),
        &[MembersStep::ReplaceAll(vec![id(1), id(2)])],
    );
    both(
        &json!([{"op": "replace", "path": "members", "value": []}]),
        &[MembersStep::RemoveAll],
    );
    both(
        &json!([{"op": "replace", "path": "members", "value": null}]),
        &[MembersStep::RemoveAll],
    );
}

#[test]
fn several_operations_have_one_net_effect() {
    let add = |number| json!({"op": "add", "path": "members", "value": [{"value": text(number)}]});
    let remove = |number| json!({"op": "remove", "path": format!("members[value eq \"{}\"]", id(number))});
    let replace =
        json!({"op": "replace", "path": "members", "value": [{"value": text(7)}, {"value": text(8)}]});
    both(&json!([add(1), add(2)]), &[MembersStep::Add(vec![id(1), id(2)])]);
    both(
        &json!([add(1), remove(2), add(3)]),
        &[
            MembersStep::Remove(vec![id(2)]),
            MembersStep::Add(vec![id(1), id(3)]),
        ],
    );
    // A member that is added and removed again is removed, and one that is removed and added again is added.
    both(&json!([add(1), remove(1)]), &[MembersStep::Remove(vec![id(1)])]);
    both(&json!([remove(1), add(1)]), &[MembersStep::Add(vec![id(1)])]);
    both(
        &json!([add(1), replace, remove(7), add(9)]),
        &[MembersStep::ReplaceAll(vec![id(8), id(9)])],
    );
    both(
        &json!([{"op": "remove", "path": "members"}, add(1)]),
        &[MembersStep::ReplaceAll(vec![id(1)])],
    );
    both(
        &json!([replace, {"op": "remove", "path": "members"}]),
        &[MembersStep::RemoveAll],
    );
}

#[test]
fn operations_on_other_attributes_are_the_rest() {
    let operations = json!([
        {"op": "replace", "path": "displayName", "value": "New"},
        {"op": "replace", "value": {"members": [{"value": text(1)}], "externalId": "x"}},
    ]);
    let plan = planned(&operations, STRICT).unwrap();
    assert_eq!(
        plan.members,
        MembersPlan::Steps(vec![MembersStep::ReplaceAll(vec![id(1)])])
    );
    assert_eq!(plan.rest.len(), 2);
    assert_eq!(plan.rest[1].value, Some(json!({"externalId": "x"})));
    assert_eq!(plan.rest[1].number, 2);
    let plan = planned(&json!([{"op": "replace", "value": {"displayName": "N"}}]), STRICT).unwrap();
    assert_eq!((plan.members, plan.rest.len()), (MembersPlan::Untouched, 1));
    // An empty list of members to add has no effect.
    let plan = planned(&json!([{"op": "add", "path": "members", "value": []}]), STRICT).unwrap();
    assert_eq!((plan.members, plan.rest.len()), (MembersPlan::Untouched, 0));
}

#[test]
fn operations_that_depend_on_the_members_need_the_list() {
    let by_id = format!("members[value eq \"{}\"]", id(1));
    for path in [
        "members[type eq \"Group\"]".to_owned(),
        "members[value pr]".to_owned(),
        "members[not (value eq \"x\")]".to_owned(),
        format!("members[value eq \"{}\" and type eq \"User\"]", id(1)),
        format!("members[value sw \"{}\"]", id(1)),
        format!("{by_id}.type"),
        "members.type".to_owned(),
    ] {
        let operations = json!([{"op": "add", "path": "members", "value": {"value": text(2)}}, {"op": "remove", "path": path}]);
        let plan = planned(&operations, LENIENT).unwrap();
        assert_eq!(plan.members, MembersPlan::NeedsList, "{path}");
        assert_eq!(plan.rest.len(), 2, "{path}");
    }
    for policy in [STRICT, LENIENT] {
        let replace = json!([{"op": "replace", "path": by_id, "value": {"value": text(2)}}]);
        assert_eq!(planned(&replace, policy).unwrap().members, MembersPlan::NeedsList);
    }
}

/// A list of members to remove names each by its id, or by its URI.
#[test]
fn a_listed_member_is_named_by_its_id() {
    let planned = |listed: Value| {
        let operations = json!([{"op": "remove", "path": "members", "value": [listed]}]);
        planned(&operations, LENIENT)
    };
    let removed = MembersPlan::Steps(vec![MembersStep::Remove(vec![id(1)])]);
    for listed in [
        json!({"value": text(1), "type": "Group", "display": "x", "$ref": "x"}),
        json!({"$ref": format!("../Users/{}", text(1)), "type": "User"}),
        json!({"value": "", "$ref": format!("https://example.com/scim/v2/Users/{}?x=1", text(1))}),
        json!(text(1)),
        json!({"value": text(1).to_uppercase()}),
    ] {
        assert_eq!(planned(listed.clone()).unwrap().members, removed, "{listed}");
    }
    for listed in [
        json!({"type": "Group"}),
        json!({"display": "x"}),
        json!({"$ref": "x"}),
        json!({"$ref": "../Users/"}),
        json!({"value": 5, "$ref": format!("../Users/{}", text(1))}),
        json!("no-id"),
        json!({"value": "no-id"}),
        json!({"value": format!(" {}", text(1)), "$ref": format!("../Users/{}", text(1))}),
        json!({"value": format!("urn:uuid:{}", text(1))}),
        json!(text(1).replace('-', "")),
    ] {
        let error = planned(listed.clone()).unwrap_err().error;
        assert_eq!(error.scim_type(), Some(ScimType::InvalidValue), "{listed}");
    }
}

/// a `type` that members cannot have is left to the store, as in a value.
#[test]
fn a_member_to_remove_by_a_filter_may_have_any_word_as_type() {
    for (path, number) in [
        (
            format!("members[type eq \"direct\" and value eq \"{}\"]", id(1)),
            1,
        ),
        (format!("members[value eq \"{}\" and TYPE eq \"\"]", id(2)), 2),
    ] {
        let operations = json!([{"op": "remove", "path": path}]);
        let plan = planned(&operations, LENIENT).unwrap();
        assert_eq!(
            plan.members,
            MembersPlan::Steps(vec![MembersStep::Remove(vec![id(number)])])
        );
        assert_eq!(plan.member_types[0].0, id(number));
        assert_eq!(
            planned(&operations, STRICT).unwrap().members,
            MembersPlan::NeedsList
        );

        let group = crate::registry().resource_type("Group").unwrap();
        let before = json!({"displayName": "g", "members": [{"value": text(1)}, {"value": text(2)}]});
        let after = crate::patch(group, &before, &operations, LENIENT).unwrap();
        assert_eq!(
            after.document.values()["members"],
            json!([{"value": text(3 - number)}])
        );
        assert_eq!(after.member_types, plan.member_types);
    }
    for filter in [
        format!("type eq \"User\" and value eq \"{}\"", id(1)),
        "type eq \"direct\"".to_owned(),
        "type eq \"direct\" and type eq \"indirect\"".to_owned(),
        format!("type ne \"direct\" and value eq \"{}\"", id(1)),
        format!("type eq \"direct\" or value eq \"{}\"", id(1)),
    ] {
        let operations = json!([{"op": "remove", "path": format!("members[{filter}]")}]);
        assert_eq!(
            planned(&operations, LENIENT).unwrap().members,
            MembersPlan::NeedsList
        );
    }
}

/// a key of a value without path may be a path into the members.
#[test]
fn keys_that_are_paths_into_the_members_need_the_list() {
    let by_id = format!("members[value eq \"{}\"]", id(1));
    let by_ids = format!("members[value eq \"{}\" or value eq \"{}\"]", id(1), id(2));
    for key in [
        &by_id,
        &by_ids,
        &format!("{by_id}.type"),
        "MEMBERS.value",
        "members[type eq \"User\"]",
    ] {
        for op in ["add", "replace"] {
            let mut value = json!({"displayName": "g"});
            value[key] = json!({});
            let plan = planned(&json!([{"op": op, "value": value}]), LENIENT).unwrap();
            assert_eq!(plan.members, MembersPlan::NeedsList, "{key}");
            assert_eq!(plan.rest.len(), 1, "{key}");
            assert_eq!(plan.rest[0].value, Some(value), "{key}");
            // `apply` reports the tolerances.
            assert_eq!(plan.tolerances, [], "{key}");
        }
    }
}

/// a value in addition to the filter may only repeat the id.
#[test]
fn members_added_by_a_filter() {
    let by_id = format!("members[value eq \"{}\"]", id(1));
    let added =
        |value: Value| planned(&json!([{"op": "add", "path": by_id, "value": value}]), LENIENT).unwrap();
    for value in [json!({}), json!({"value": text(1)}), json!({"VALUE": text(1)})] {
        assert_eq!(
            added(value).members,
            MembersPlan::Steps(vec![MembersStep::Add(vec![id(1)])])
        );
    }
    for value in [
        json!({"value": text(2)}),
        json!({"display": "x"}),
        json!({"display": text(1)}),
        json!(text(1)),
        json!(null),
    ] {
        assert_eq!(added(value.clone()).members, MembersPlan::NeedsList, "{value}");
    }
    let two = format!("members[value eq \"{}\" or value eq \"{}\"]", id(1), id(2));
    let several = json!([{"op": "add", "path": two, "value": {}}]);
    assert_eq!(
        planned(&several, LENIENT).unwrap().members,
        MembersPlan::NeedsList
    );
    let strict = json!([{"op": "add", "path": by_id, "value": {}}]);
    assert_eq!(planned(&strict, STRICT).unwrap().members, MembersPlan::NeedsList);
    let other = json!([{"op": "remove", "path": format!("members[$ref eq \"{}\"]", id(1))}]);
    assert_eq!(planned(&other, LENIENT).unwrap().members, MembersPlan::NeedsList);
}

/// a plain string is an id only under a lenient policy.
#[test]
fn members_as_plain_strings() {
    let group = crate::registry().resource_type("Group").unwrap();
    for element in [json!(text(1)), json!([text(1)])] {
        let add = json!([{"op": "add", "path": "members", "value": element}]);
        both_refuse(&add, STRICT);
        steps(LENIENT, &add, &[MembersStep::Add(vec![id(1)])]);
        let after = crate::patch(group, &json!({"displayName": "g"}), &add, LENIENT)
            .unwrap()
            .document;
        assert_eq!(after.values()["members"], json!([{"value": text(1)}]));
    }
    for element in [
        json!(""),
        json!({"value": ""}),
        json!({"value": 5}),
        json!({"type": "User"}),
        json!(5),
    ] {
        both_refuse(
            &json!([{"op": "add", "path": "members", "value": [element]}]),
            LENIENT,
        );
    }
    // An id in capitals is the same id.
    let capitals = id(0xab).to_string().to_uppercase();
    let add = json!([{"op": "add", "path": "members", "value": [{"value": capitals, "type": "User"}]}]);
    let after = crate::patch(group, &json!({"displayName": "g"}), &add, STRICT)
        .unwrap()
        .document;
    assert_eq!(after.values()["members"], json!([{"value": text(0xab)}]));
}

#[track_caller]
fn both_refuse(operations: &Value, policy: Policy) {
    let message = "operation 1: `members.value` is required: the id of a resource";
    assert_eq!(planned(operations, policy).unwrap_err().to_string(), message);
    let group = crate::registry().resource_type("Group").unwrap();
    let error = crate::patch(group, &json!({"displayName": "g"}), operations, policy).unwrap_err();
    assert_eq!(error.to_string(), message);
    assert_eq!(error.error.path.as_deref(), Some("members.value"));
}

#[test]
fn the_plan_reports_its_tolerances() {
    let remove = json!([{"op": "Remove", "path": "members", "value": [{"$ref": null, "value": text(1)}]}]);
    let plan = planned(&remove, LENIENT).unwrap();
    assert_eq!(
        plan.members,
        MembersPlan::Steps(vec![MembersStep::Remove(vec![id(1)])])
    );
    assert_eq!(plan.tolerances, [Tolerance::RemoveByValue]);
    assert!(planned(&remove, STRICT).is_err());
    let by_filter = json!([{"op": "add", "path": format!("members[value eq \"{}\"]", id(1)), "value": {}}]);
    let plan = planned(&by_filter, LENIENT).unwrap();
    assert_eq!(
        plan.members,
        MembersPlan::Steps(vec![MembersStep::Add(vec![id(1)])])
    );
    assert_eq!(plan.tolerances, [Tolerance::CreatedFromFilter]);
}

#[test]
fn values_that_are_not_ids_are_refused_as_new_members() {
    for value in [
        json!([{"display": "x"}]),
        json!([{"value": "no-id"}]),
        json!([5]),
        json!([{"value": ""}]),
    ] {
        let error = planned(
            &json!([{"op": "add", "path": "members", "value": value}]),
            LENIENT,
        )
        .unwrap_err();
        assert_eq!(
            error.error.scim_type().unwrap().as_str(),
            "invalidValue",
            "{error}"
        );
        assert_eq!(error.operation, Some(1));
    }
    // A filter with a text that is not an id matches no member.
    for operation in [
        json!({"op": "remove", "path": "members[value eq \"no-id\"]"}),
        json!({"op": "remove", "path": "members[type eq \"direct\" and value eq \"no-id\"]"}),
        json!({"op": "remove", "path": "members", "value": []}),
    ] {
        assert_eq!(
            planned(&json!([operation]), LENIENT).unwrap().members,
            MembersPlan::Untouched
        );
    }
}

/// POST and PUT refuse such a `type` too.
#[test]
fn the_type_of_a_new_member_is_a_string() {
    let group = crate::registry().resource_type("Group").unwrap();
    for (name, type_, problem) in [
        ("type", json!(5), "must be a string, not a number"),
        ("TYPE", json!([]), "must be a string, not an array"),
        ("type", json!({}), "must be a string, not an object"),
        ("type", json!(true), "must be a string, not a boolean"),
    ] {
        let members = json!([{"value": text(1), name: type_}]);
        for operation in [
            json!({"op": "add", "path": "members", "value": members}),
            json!({"op": "replace", "path": "members", "value": members}),
            json!({"op": "add", "path": "members", "value": members[0]}),
            json!({"op": "replace", "value": {"members": members}}),
        ] {
            for policy in [STRICT, LENIENT] {
                let operations = json!([operation]);
                let message = format!("operation 1: `members.type` {problem}");
                assert_eq!(planned(&operations, policy).unwrap_err().to_string(), message);
                let error = crate::patch(group, &json!({}), &operations, policy).unwrap_err();
                assert_eq!(error.to_string(), message);
                assert_eq!(error.error.scim_type(), Some(ScimType::InvalidValue));
            }
        }
    }
    let add = json!([{"op": "add", "path": "members", "value": [{"value": text(1), "type": null}]}]);
    assert_eq!(planned(&add, STRICT).unwrap().member_types, []);
}

#[test]
fn types_of_new_members_are_left_to_the_store() {
    let operations = json!([{"op": "add", "path": "members", "value": [{"value": text(1), "type": "Group"}, {"value": text(2)}]}]);
    assert_eq!(
        planned(&operations, STRICT).unwrap().member_types,
        [(id(1), "Group".to_owned())]
    );
}

#[test]
fn a_type_without_members_has_an_empty_plan() {
    let registry = SchemaRegistry::builtin();
    let operations =
        Operation::parse_all(body(&json!([{"op": "remove", "path": "members"}])), STRICT).unwrap();
    let plan = plan(registry.resource_type("User").unwrap(), &operations, STRICT).unwrap();
    assert_eq!((plan.members, plan.rest), (MembersPlan::Untouched, operations));
}
