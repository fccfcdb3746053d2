//! RFC 7644 section 3.5.1: replacing resources.

use serde_json::json;

use super::client::*;
use super::tenants::tenant;

/// 7644-3.5-01, 7644-3.5.1-09, 9110-9.3.4-01, 9110-9.3.4-03
#[test]
fn a_put_answers_with_the_whole_resource() {
    let client = tenant();
    let path = format!("/Users/{}", client.user("a"));
    let answer = client
        .put(&path, &user_with("a", &json!({"title": "t"})))
        .expect(200);
    assert_eq!(answer.body, client.now(&path));
    assert_eq!(answer.body["title"], "t");
    // RFC 9110 would have no tag here, SCIM's example has one.
    assert_eq!(answer.header("ETag"), answer.body["meta"]["version"].as_str());
    let path = format!("/Groups/{}", client.group("g", &[]));
    let answer = client.put(&path, &group("h", &[])).expect(200);
    assert_eq!(answer.body["displayName"], "h");
}

/// 7644-3.5.1-03
#[test]
fn values_are_replaced_not_merged() {
    let client = tenant();
    let path = format!("/Users/{}", client.user_with("a", &json!({"name": {"givenName": "g", "familyName": "f"}, "emails": [{"value": "x"}, {"value": "y"}]})));
    let body = user_with(
        "a",
        &json!({"name": {"familyName": "X"}, "emails": [{"value": "z"}]}),
    );
    let answer = client.put(&path, &body).expect(200);
    assert_eq!(answer.body["name"], json!({"familyName": "X"}));
    assert_eq!(answer.body["emails"], json!([{"value": "z"}]));
}

/// 7644-3.5.1-04
#[test]
fn what_is_left_out_goes() {
    let client = tenant();
    let member = client.user("m");
    let attributes =
        json!({"nickName": "n", "externalId": "x", "active": false, ENTERPRISE: {"division": "d"}});
    let path = format!("/Users/{}", client.user_with("a", &attributes));
    let answer = client.put(&path, &user("a")).expect(200);
    assert_eq!(
        keys(&answer.body),
        ["active", "id", "meta", "schemas", "userName"]
    );
    // Except `active`: a PUT that says nothing of it must not let anybody in.
    assert_eq!(answer.body["active"], false);
    let path = format!("/Groups/{}", client.group("g", &[&member]));
    let answer = client
        .put(&path, &json!({"schemas": [GROUP], "displayName": "g"}))
        .expect(200);
    assert_eq!(answer.body["members"], json!([]));
}

/// 7644-3.5.1-07
#[test]
fn read_only_values_are_ignored() {
    let client = tenant();
    let made = client.create("/Users", &user("a"));
    let path = format!("/Users/{}", made.id());
    let group = client.group("g", &[]);
    let body = user_with(
        "a",
        &json!({"id": "other", "meta": {"version": "x", "created": "y"}, "groups": [{"value": group}]}),
    );
    let answer = client.put(&path, &body).expect(200);
    assert_eq!(answer.body, made.body);
}

/// 9110-9.3.4-02
#[test]
fn a_group_is_no_user() {
    let client = tenant();
    let path = format!("/Users/{}", client.user("a"));
    let body = json!({"schemas": [GROUP], "displayName": "g"});
    let answer = client.put(&path, &body).expect(400);
    assert!(
        matches!(
            answer.body["scimType"].as_str(),
            Some("invalidSyntax" | "invalidValue")
        ),
        "{}",
        answer.body
    );
    assert_eq!(client.now(&path)["userName"], "a");
}
