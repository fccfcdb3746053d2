//! RFC 7643 section 2.4: attributes with several values.

use serde_json::{Value, json};

use super::documents::{attribute, sub_attribute};
use crate::rfc::client::*;
use crate::rfc::tenants::{strict_tenant, tenant};

/// 7643-2.4-01, 7644-3.8-06
#[test]
fn multi_valued_attributes_are_arrays() {
    let client = tenant();
    let single = user_with("a", &json!({"emails": {"value": "a@b"}}));
    let answer = strict_tenant().post("/Users", &single).expect(400);
    assert!(
        matches!(
            answer.body["scimType"].as_str(),
            Some("invalidValue" | "invalidSyntax")
        ),
        "{}",
        answer.body
    );
    // OneLogin sends one object; it is wrapped by default (A-34), and comes back as an array.
    let made = client.create("/Users", &single);
    assert_eq!(made.body["emails"], json!([{"value": "a@b"}]));
    let group = client.group("g", &[&made.id()]);
    assert!(client.now(&format!("/Groups/{group}"))["members"].is_array());
    let user = client.now(&format!("/Users/{}", made.id()));
    assert!(
        user["groups"].is_array()
            && user["schemas"].is_array()
            && user["meta"].is_object()
            && user["userName"].is_string()
    );
}

/// 7643-2.4-02
#[test]
fn value_is_the_significant_sub_attribute() {
    let client = tenant();
    client.user_with("a", &json!({"emails": [{"value": "a@b", "display": "z@z"}]}));
    assert_eq!(client.users(r#"emails eq "a@b""#), ["a"]);
    assert_eq!(client.users(r#"emails co "A@""#), ["a"]);
    assert!(client.users(r#"emails eq "z@z""#).is_empty());
}

/// 7643-2.4-03
#[test]
fn one_value_at_most_is_primary() {
    let client = tenant();
    let two = json!({"emails": [{"value": "a", "primary": true}, {"value": "b", "primary": true}]});
    client
        .post("/Users", &user_with("a", &two))
        .expect_error(400, "invalidValue");
    let id = client.user("a");
    client
        .put(&format!("/Users/{id}"), &user_with("a", &two))
        .expect_error(400, "invalidValue");
}

/// 7643-2.4-04
#[test]
fn a_missing_primary_is_false() {
    let client = tenant();
    client.user_with("absent", &json!({"emails": [{"value": "a"}]}));
    client.user_with("false", &json!({"emails": [{"value": "b", "primary": false}]}));
    client.user_with("true", &json!({"emails": [{"value": "c", "primary": true}]}));
    client.user("none");
    assert_eq!(client.users("emails[primary eq false]"), ["absent", "false"]);
    assert_eq!(client.users("emails[primary eq true]"), ["true"]);
}

/// 7643-2.4-05
#[test]
fn display_is_the_clients_for_users_and_the_servers_for_members() {
    let client = tenant();
    let id = client.user_with(
        "a",
        &json!({"displayName": "Ann", "emails": [{"value": "x", "type": "work", "display": "old"}]}),
    );
    let path = format!("/Users/{id}");
    client
        .patch(
            &path,
            &json!([{"op": "replace", "path": "emails[type eq \"work\"].display", "value": "new"}]),
        )
        .expect(200);
    assert_eq!(client.now(&path)["emails"][0]["display"], "new");
    let body =
        json!({"schemas": [GROUP], "displayName": "g", "members": [{"value": id, "display": "Somebody"}]});
    let group = client.create("/Groups", &body).id();
    assert_eq!(
        client.now(&format!("/Groups/{group}"))["members"][0]["display"],
        "Ann"
    );
}

/// 7643-2.4-08
#[test]
fn one_value_may_have_two_types() {
    let emails = json!([{"value": "a@b", "type": "work"}, {"value": "a@b", "type": "home"}]);
    assert_eq!(
        tenant()
            .create("/Users", &user_with("a", &json!({"emails": emails})))
            .body["emails"],
        emails
    );
}

/// 7643-2.4-09
#[test]
fn a_value_with_its_type_is_there_once() {
    let client = tenant();
    let email = json!({"value": "a@b", "type": "work"});
    let path = format!("/Users/{}", client.user_with("a", &json!({"emails": [email]})));
    client
        .patch(&path, &json!([{"op": "add", "path": "emails", "value": [email]}]))
        .expect(200);
    assert_eq!(client.now(&path)["emails"], json!([email]));
}

/// 7643-2.4-10, 7643-4.1.2-07, 7643-4.1.2-09
#[test]
fn canonical_types_are_suggested() {
    let schema = tenant().now(&format!("/Schemas/{USER}"));
    for (name, expected) in [
        ("emails", vec!["home", "other", "work"]),
        (
            "phoneNumbers",
            vec!["fax", "home", "mobile", "other", "pager", "work"],
        ),
        (
            "ims",
            vec!["aim", "gtalk", "icq", "msn", "qq", "skype", "xmpp", "yahoo"],
        ),
        ("photos", vec!["photo", "thumbnail"]),
        ("addresses", vec!["home", "other", "work"]),
    ] {
        let kind = sub_attribute(attribute(&schema, name), "type");
        let mut values: Vec<&str> = kind["canonicalValues"]
            .as_array()
            .expect(name)
            .iter()
            .filter_map(Value::as_str)
            .collect();
        values.sort_unstable();
        assert_eq!(values, expected, "{name}");
    }
}
