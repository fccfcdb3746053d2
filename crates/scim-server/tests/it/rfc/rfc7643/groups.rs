//! RFC 7643 section 4.2: groups.

use serde_json::json;

use super::documents::{attribute, member_ids, sub_attribute};
use super::writing::{refused_each_way, stored_each_way};
use crate::rfc::client::*;
use crate::rfc::tenants::tenant;

/// 7643-4.2-02
#[test]
fn a_group_has_a_display_name() {
    let client = tenant();
    let path = format!("/Groups/{}", client.group("g", &[]));
    for body in [
        json!({"schemas": [GROUP]}),
        group("", &[]),
        json!({"schemas": [GROUP], "displayName": null}),
    ] {
        client.post("/Groups", &body).expect_error(400, "invalidValue");
        client.put(&path, &body).expect_error(400, "invalidValue");
    }
    for (operation, scim_type) in [
        (json!({"op": "remove", "path": "displayName"}), "mutability"),
        (
            json!({"op": "replace", "path": "displayName", "value": ""}),
            "invalidValue",
        ),
        (
            json!({"op": "replace", "path": "displayName", "value": null}),
            "invalidValue",
        ),
        (
            json!({"op": "replace", "value": {"displayName": ""}}),
            "invalidValue",
        ),
    ] {
        client
            .patch(&path, &json!([operation]))
            .expect_error(400, scim_type);
    }
    assert_eq!(client.now(&path)["displayName"], "g");
    let schema = client.now(&format!("/Schemas/{GROUP}"));
    assert_eq!(attribute(&schema, "displayName")["required"], true);
}

/// 7643-4.2-03
#[test]
fn members_come_and_go_and_are_never_edited() {
    let client = tenant();
    let (a, b) = (client.user("a"), client.user("b"));
    let path = format!("/Groups/{}", client.group("g", &[&a]));
    for (name, value) in [
        ("value", json!(b)),
        ("type", json!("Group")),
        ("$ref", json!(format!("{}/Users/{b}", client.base_url))),
        ("display", json!("x")),
    ] {
        let path_of_sub = format!("members[value eq \"{a}\"].{name}");
        let edit = json!([{"op": "replace", "path": path_of_sub, "value": value}]);
        client.patch(&path, &edit).expect_error(400, "mutability");
    }
    assert_eq!(member_ids(&client.now(&path)), [&*a]);
    client
        .patch(
            &path,
            &json!([{"op": "add", "path": "members", "value": [{"value": b}]}]),
        )
        .expect_success();
    assert_eq!(member_ids(&client.now(&path)), [&*a, &*b]);
    client
        .patch(
            &path,
            &json!([{"op": "remove", "path": format!("members[value eq \"{a}\"]")}]),
        )
        .expect_success();
    assert_eq!(member_ids(&client.now(&path)), [&*b]);
    client
        .patch(
            &path,
            &json!([{"op": "replace", "path": "members", "value": [{"value": a}]}]),
        )
        .expect_success();
    assert_eq!(member_ids(&client.now(&path)), [&*a]);
    client.put(&path, &group("g", &[&b])).expect(200);
    assert_eq!(member_ids(&client.now(&path)), [&*b]);
    let schema = client.now(&format!("/Schemas/{GROUP}"));
    let members = attribute(&schema, "members");
    assert_eq!(members["mutability"], "readWrite");
    for name in ["value", "$ref", "type"] {
        let sub = sub_attribute(members, name);
        assert_eq!(sub["mutability"], "immutable", "{name}");
    }
}

/// 7643-4.2-04
#[test]
fn members_are_shown_with_type_and_reference() {
    let client = tenant();
    let a = client.user_with("a", &json!({"displayName": "A"}));
    let inner = client.group("inner", &[]);
    let base = &client.base_url;
    let expected = json!([
        {"value": a, "$ref": format!("{base}/Users/{a}"), "type": "User", "display": "A"},
        {"value": inner, "$ref": format!("{base}/Groups/{inner}"), "type": "Group", "display": "inner"},
    ]);
    let members = json!({"members": [{"value": a}, {"value": inner}]});
    for (way, group) in stored_each_way(&client, "/Groups", &members) {
        assert_eq!(group["members"], expected, "{way}");
    }
    let path = format!("/Groups/{}", client.group("g", &[&a]));
    client
        .patch(
            &path,
            &json!([{"op": "add", "path": "members", "value": [{"value": inner}]}]),
        )
        .expect_success();
    assert_eq!(client.now(&path)["members"], expected);
    let listed = client
        .get(&format!(
            "/Groups{}",
            query(&[("filter", "displayName eq \"g\"")])
        ))
        .expect(200);
    assert_eq!(listed.resources()[0]["members"], expected);
}

/// 7643-4.2-05
#[test]
fn a_member_has_a_value() {
    let client = tenant();
    for member in [
        json!({"display": "x"}),
        json!({"type": "User"}),
        json!({"value": "", "display": "x"}),
    ] {
        refused_each_way(&client, "/Groups", &json!({"members": [member]}), "invalidValue");
    }
    let path = format!("/Groups/{}", client.group("g", &[]));
    let operation = json!([{"op": "add", "path": "members", "value": [{"display": "x"}]}]);
    client.patch(&path, &operation).expect_error(400, "invalidValue");
    let schema = client.now(&format!("/Schemas/{GROUP}"));
    let value = sub_attribute(attribute(&schema, "members"), "value");
    assert_eq!(value["required"], true);
}

/// 7643-4.2-06
#[test]
fn the_group_schema_lists_what_members_show() {
    let client = tenant();
    let schema = client.now(&format!("/Schemas/{GROUP}"));
    let members = attribute(&schema, "members");
    let mut names: Vec<&str> = members["subAttributes"]
        .as_array()
        .expect("sub-attributes")
        .iter()
        .filter_map(|it| it["name"].as_str())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["$ref", "display", "type", "value"]);
    assert_eq!(sub_attribute(members, "display")["mutability"], "readOnly");
    let member = client.user_with("a", &json!({"displayName": "A"}));
    let group = client.group("g", &[&member]);
    let group = client.now(&format!("/Groups/{group}"));
    assert_eq!(keys(&group["members"][0]), names);
}
