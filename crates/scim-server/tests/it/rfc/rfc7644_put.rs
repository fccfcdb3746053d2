//! RFC 7644 section 3.5.1: replacing resources.

use serde_json::json;

use super::client::*;
use super::tenants::{staff_tenant, strict_tenant, tenant};

/// 7644-3.5-01, 7644-3.5.1-09, 9110-9.3.4-01, 9110-9.3.4-03
#[test]
fn a_put_returns_the_whole_resource() {
    let client = tenant();
    let path = format!("/Users/{}", client.user("a"));
    let answer = client
        .put(&path, &user_with("a", &json!({"title": "t"})))
        .expect(200);
    assert_eq!(answer.body, client.now(&path));
    assert_eq!(answer.body["title"], "t");
    // RFC 9110 allows no tag here, but the example of RFC 7644 has one.
    assert_eq!(answer.header("ETag"), answer.body["meta"]["version"].as_str());
    let member = client.user("m");
    let path = format!("/Groups/{}", client.group("g", &[]));
    let answer = client.put(&path, &group("h", &[&member])).expect(200);
    assert_eq!(answer.body, client.now(&path));
    assert_eq!(answer.body["displayName"], "h");
    assert_eq!(answer.body["members"][0]["value"], member);
    assert_eq!(answer.header("ETag"), answer.body["meta"]["version"].as_str());
}

/// 7644-3.5.1-10
#[test]
fn a_put_of_a_taken_name_is_a_conflict() {
    let client = tenant();
    client.user("a");
    client.group("g", &[]);
    let user_path = format!("/Users/{}", client.user("b"));
    let group_path = format!("/Groups/{}", client.group("h", &[]));
    for (path, taken, own) in [
        (user_path, user("A"), user("B")),
        (group_path, group("G", &[]), group("H", &[])),
    ] {
        let before = client.now(&path);
        client.put(&path, &taken).expect_error(409, "uniqueness");
        assert_eq!(client.now(&path), before);
        // Its own name in another case is no conflict.
        client.put(&path, &own).expect(200);
    }
}

/// 7644-3.1-06, 7644-3.5.1-02
#[test]
fn the_answer_to_a_get_can_be_sent_back() {
    let client = staff_tenant();
    let boss = client.user("boss");
    let attributes = json!({
        "active": true, "title": "t", "emails": [{"value": "a@x", "type": "work", "primary": true}],
        ENTERPRISE: {"employeeNumber": "1", "manager": {"value": boss}},
        STAFF: {"birthplace": "Ulm", "desk": {"number": 3}},
    });
    let user_id = client.user_with("a", &attributes);
    let group_id = client.group("g", &[&user_id, &boss]);
    for path in [format!("/Users/{user_id}"), format!("/Groups/{group_id}")] {
        let read = client.now(&path);
        assert_eq!(client.put(&path, &read).expect(200).body, read);
        // A client with other schemas sends attributes that this server does not know.
        let mut more = read.clone();
        more["schemas"]
            .as_array_mut()
            .expect("an array")
            .push("urn:example:unknown:2.0:Thing".into());
        more["urn:example:unknown:2.0:Thing"] = json!({"x": [1, {"y": null}]});
        more["unknown"] = json!({"x": 1});
        assert_eq!(client.put(&path, &more).expect(200).body, read);
    }
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
fn omitted_attributes_are_cleared() {
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
    // `active` stays: a PUT without it must not reactivate a user.
    assert_eq!(answer.body["active"], false);
    let path = format!("/Groups/{}", client.group("g", &[&member]));
    let answer = client
        .put(&path, &json!({"schemas": [GROUP], "displayName": "g"}))
        .expect(200);
    assert_eq!(answer.body["members"], json!([]));
}

/// 7644-3.5.1-05
#[test]
fn null_and_empty_values_clear_members_and_extensions() {
    let client = tenant();
    let member = client.user("m");
    let group_path = format!("/Groups/{}", client.group("g", &[&member]));
    let user_path = format!("/Users/{}", client.user("a"));
    for empty in [json!(null), json!([])] {
        client.put(&group_path, &group("g", &[&member])).expect(200);
        assert_eq!(client.found("/Groups", "members pr"), ["g"]);
        let body = json!({"schemas": [GROUP], "displayName": "g", "members": empty});
        assert_eq!(
            client.put(&group_path, &body).expect(200).body["members"],
            json!([])
        );
        assert!(client.found("/Groups", "members pr").is_empty());
    }
    let full = user_with(
        "a",
        &json!({"name": {"givenName": "g"}, ENTERPRISE: {"department": "d", "manager": {"value": "m"}}}),
    );
    for empty in [
        json!({"name": null, ENTERPRISE: null}),
        json!({"name": {}, ENTERPRISE: {}}),
        json!({"name": {"givenName": null}, ENTERPRISE: {"department": null, "manager": null}}),
    ] {
        client.put(&user_path, &full).expect(200);
        let cleared = client.put(&user_path, &user_with("a", &empty)).expect(200);
        assert_eq!(
            keys(&cleared.body),
            ["id", "meta", "schemas", "userName"],
            "{empty}"
        );
        assert_eq!(cleared.body["schemas"], json!([USER]));
    }
}

/// 7644-3.5.1-08
#[test]
fn a_put_without_a_required_value_is_refused() {
    let client = tenant();
    let user_path = format!("/Users/{}", client.user("a"));
    let group_path = format!("/Groups/{}", client.group("g", &[]));
    for (path, schema, name) in [
        (&user_path, USER, "userName"),
        (&group_path, GROUP, "displayName"),
    ] {
        let before = client.now(path);
        let absent = json!({"schemas": [schema], "externalId": "x"});
        client.put(path, &absent).expect_error(400, "invalidValue");
        for empty in [json!(null), json!(""), json!([]), json!({})] {
            let mut body = absent.clone();
            body[name] = empty;
            client.put(path, &body).expect_error(400, "invalidValue");
        }
        assert_eq!(client.now(path), before);
    }
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

/// 7644-3.5.1-07
#[test]
fn read_only_values_are_ignored_in_groups_and_extensions() {
    let client = staff_tenant();
    let boss = client.user_with("boss", &json!({"displayName": "Boss"}));
    let member = json!({STAFF: {"plain": "p"}, ENTERPRISE: {"manager": {"value": boss}}});
    let made = client.create("/Users", &user_with("a", &member));
    let group_made = client.create("/Groups", &group("g", &[&boss]));
    let mut user_body = made.body.clone();
    user_body[STAFF]["level"] = json!(9);
    user_body[ENTERPRISE]["manager"]["displayName"] = json!("Another");
    let mut group_body = group_made.body.clone();
    group_body["members"][0]["display"] = json!("Another");
    group_body["members"][0]["$ref"] = json!("https://elsewhere/Users/x");
    for (made, mut body, kind) in [(made, user_body, "User"), (group_made, group_body, "Group")] {
        body["id"] = json!("0190b3a2-0000-7000-8000-000000000000");
        body["meta"] = json!({"resourceType": "Device", "created": "1999-01-01T00:00:00Z", "version": "x"});
        let path = format!("/{kind}s/{}", made.id());
        assert_eq!(client.put(&path, &body).expect(200).body, made.body);
        assert_eq!(client.now(&path), made.body);
    }
}

/// 9110-9.3.4-02
#[test]
fn users_and_groups_do_not_replace_each_other() {
    for client in [tenant(), strict_tenant()] {
        let user_path = format!("/Users/{}", client.user("a"));
        let group_path = format!("/Groups/{}", client.group("g", &[]));
        for (path, body) in [(&user_path, group("h", &[])), (&group_path, user("b"))] {
            let before = client.now(path);
            client.put(path, &body).expect_error(400, "invalidSyntax");
            assert_eq!(client.now(path), before);
        }
    }
}
