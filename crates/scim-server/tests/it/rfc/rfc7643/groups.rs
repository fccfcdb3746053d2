//! RFC 7643 section 4.2: groups.

use serde_json::json;

use super::documents::{attribute, member_ids, sub_attribute};
use crate::rfc::client::*;
use crate::rfc::tenants::tenant;

/// 7643-4.2-02
#[test]
fn a_group_has_a_display_name() {
    let client = tenant();
    for body in [json!({"schemas": [GROUP]}), group("", &[])] {
        client.post("/Groups", &body).expect_error(400, "invalidValue");
    }
    let schema = client.now(&format!("/Schemas/{GROUP}"));
    assert_eq!(attribute(&schema, "displayName")["required"], true);
}

/// 7643-4.2-03
#[test]
fn a_member_is_immutable_but_comes_and_goes() {
    let client = tenant();
    let (a, b) = (client.user("a"), client.user("b"));
    let path = format!("/Groups/{}", client.group("g", &[&a]));
    let rename = json!([{"op": "replace", "path": format!("members[value eq \"{a}\"].value"), "value": b}]);
    client.patch(&path, &rename).expect_error(400, "mutability");
    client
        .patch(
            &path,
            &json!([{"op": "add", "path": "members", "value": [{"value": b}]}]),
        )
        .expect_success();
    client
        .patch(
            &path,
            &json!([{"op": "remove", "path": format!("members[value eq \"{a}\"]")}]),
        )
        .expect_success();
    assert_eq!(member_ids(&client.now(&path)), [b]);
}

/// 7643-4.2-04
#[test]
fn members_are_shown_with_type_and_reference() {
    let client = tenant();
    let (a, inner) = (client.user("a"), client.group("inner", &[]));
    let path = format!("/Groups/{}", client.group("g", &[&a]));
    client
        .patch(
            &path,
            &json!([{"op": "add", "path": "members", "value": [{"value": inner}]}]),
        )
        .expect_success();
    let base = &client.base_url;
    let expected = json!([
        {"value": a, "$ref": format!("{base}/Users/{a}"), "type": "User", "display": "a"},
        {"value": inner, "$ref": format!("{base}/Groups/{inner}"), "type": "Group", "display": "inner"},
    ]);
    assert_eq!(client.now(&path)["members"], expected);
}

/// 7643-4.2-05
#[test]
fn a_member_has_a_value() {
    let client = tenant();
    let path = format!("/Groups/{}", client.group("g", &[]));
    let operation = json!([{"op": "add", "path": "members", "value": [{"display": "x"}]}]);
    client.patch(&path, &operation).expect_error(400, "invalidValue");
    client
        .post(
            "/Groups",
            &json!({"schemas": [GROUP], "displayName": "h", "members": [{"display": "x"}]}),
        )
        .expect_error(400, "invalidValue");
}

/// 7643-4.2-06
#[test]
fn the_group_schema_lists_what_members_show() {
    let schema = tenant().now(&format!("/Schemas/{GROUP}"));
    let members = attribute(&schema, "members");
    let mut names: Vec<&str> = members["subAttributes"]
        .as_array()
        .expect("subs")
        .iter()
        .filter_map(|it| it["name"].as_str())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["$ref", "display", "type", "value"]);
    assert_eq!(sub_attribute(members, "display")["mutability"], "readOnly");
}
