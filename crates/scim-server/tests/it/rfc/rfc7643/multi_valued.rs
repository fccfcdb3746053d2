//! RFC 7643 section 2.4: attributes with several values.

use serde_json::{Value, json};

use super::documents::{all_attributes, attribute, sub_attribute};
use super::writing::{refused_each_way, stored_each_way};
use crate::rfc::client::*;
use crate::rfc::tenants::{staff_tenant, strict_tenant, tenant};

/// The multi-valued attributes of users that a client can write, each with one value.
fn single_values(client: &Client) -> Vec<(String, Value)> {
    let schema = client.now(&format!("/Schemas/{USER}"));
    let mut found = Vec::new();
    for attribute in schema["attributes"].as_array().expect("attributes") {
        if attribute["multiValued"] == true && attribute["mutability"] == "readWrite" {
            let name = attribute["name"].as_str().expect("a name").to_owned();
            let value = match &*name {
                "addresses" => json!({"locality": "l"}),
                "photos" => json!({"value": "https://x/a.png"}),
                "x509Certificates" => json!({"value": "MAMCAQE="}),
                _ => json!({"value": "v"}),
            };
            found.push((name, value));
        }
    }
    assert_eq!(found.len(), 8);
    found
}

/// 7643-2.4-01, 7644-3.8-06
#[test]
fn multi_valued_attributes_are_arrays() {
    let (client, strict) = (staff_tenant(), strict_tenant());
    let path = format!("/Users/{}", strict.user("put"));
    for (name, value) in single_values(&client) {
        // One value comes back in an array too.
        let attributes = json!({&name: [value]});
        for (way, user) in stored_each_way(&client, "/Users", &attributes) {
            assert_eq!(user[&name], json!([value]), "{way} {name}");
        }
        let single = user_with("single", &json!({&name: value}));
        strict.post("/Users", &single).expect_error(400, "invalidValue");
        strict.put(&path, &single).expect_error(400, "invalidValue");
        // OneLogin sends one object without an array. By default the server puts it into one (A-34).
        for (way, user) in stored_each_way(&client, "/Users", &json!({&name: value})) {
            assert_eq!(user[&name], json!([value]), "{way} {name}");
        }
    }
    let tags = json!({STAFF: {"tags": ["one"]}});
    for (way, user) in stored_each_way(&client, "/Users", &tags) {
        assert_eq!(user[STAFF]["tags"], json!(["one"]), "{way}");
    }
    for wrong in [
        json!({"emails": 5}),
        json!({"emails": true}),
        json!({STAFF: {"tags": 5}}),
    ] {
        refused_each_way(&client, "/Users", &wrong, "invalidValue");
    }

    let id = strict.user("a");
    let mut body = group("g", &[]);
    body["members"] = json!({"value": id});
    strict.post("/Groups", &body).expect_error(400, "invalidValue");
    let group = strict.group("g", &[&id]);
    assert!(strict.now(&format!("/Groups/{group}"))["members"].is_array());
    let user = strict.now(&format!("/Users/{id}"));
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
    client.user_with(
        "a",
        &json!({"emails": [{"value": "a@b", "display": "z@z", "type": "t@t"}]}),
    );
    client.user_with("b", &json!({"roles": [{"value": "a@b", "display": "z@z"}]}));
    for (filter, names) in [
        (r#"emails eq "a@b""#, vec!["a"]),
        (r#"emails co "A@""#, vec!["a"]),
        (r#"roles eq "a@b""#, vec!["b"]),
        (r#"emails eq "z@z""#, vec![]),
        (r#"emails eq "t@t""#, vec![]),
        (r#"roles sw "z""#, vec![]),
    ] {
        assert_eq!(client.users(filter), names, "{filter}");
    }
    // Every published attribute gives these sub-attributes the types of section 2.4.
    for (path, attribute) in all_attributes(&staff_tenant()) {
        if attribute["multiValued"] != true {
            continue;
        }
        for sub in attribute["subAttributes"].as_array().into_iter().flatten() {
            let expected = match sub["name"].as_str() {
                Some("primary") => "boolean",
                Some("$ref") => "reference",
                Some("type" | "display") => "string",
                _ => continue,
            };
            assert_eq!(sub["type"], expected, "{path}: {sub}");
            assert_eq!(sub["multiValued"], false, "{path}: {sub}");
        }
    }
}

/// 7643-2.4-03
#[test]
fn one_value_at_most_is_primary() {
    let client = tenant();
    let schema = client.now(&format!("/Schemas/{USER}"));
    for (name, value) in single_values(&client) {
        let subs = attribute(&schema, &name)["subAttributes"].as_array();
        assert!(
            subs.is_some_and(|it| it.iter().any(|it| it["name"] == "primary")),
            "{name}"
        );
        let primary = |kind: &str| {
            let mut value = value.clone();
            value["type"] = kind.into();
            value["primary"] = true.into();
            value
        };
        let two = json!({&name: [primary("one"), primary("two")]});
        refused_each_way(&client, "/Users", &two, "invalidValue");
        // A value that becomes the primary one takes that from the others.
        let path = format!(
            "/Users/{}",
            client.user_with(&name, &json!({&name: [primary("one")]}))
        );
        for operation in [
            json!({"op": "add", "path": name, "value": [primary("two")]}),
            json!({"op": "add", "value": {&name: [primary("three")]}}),
            json!({"op": "replace", "path": format!("{name}[type eq \"one\"].primary"), "value": true}),
        ] {
            client.patch(&path, &json!([operation])).expect(200);
            let user = client.now(&path);
            let values = user[&name].as_array().expect("values");
            let primaries = values.iter().filter(|it| it["primary"] == true).count();
            assert_eq!(primaries, 1, "{operation}: {user}");
        }
        assert_eq!(client.now(&path)[&name][0]["primary"], true, "{name}");
    }
}

/// 7643-2.4-04
#[test]
fn a_missing_primary_is_false() {
    let client = tenant();
    client.user_with("absent", &json!({"emails": [{"value": "a"}]}));
    client.user_with("false", &json!({"emails": [{"value": "b", "primary": false}]}));
    client.user_with("true", &json!({"emails": [{"value": "c", "primary": true}]}));
    client.user("none");
    for filter in [
        "emails[primary eq false]",
        "emails[primary ne true]",
        "emails[not (primary eq true)]",
        "emails.primary eq false",
    ] {
        assert_eq!(client.users(filter), ["absent", "false"], "{filter}");
    }
    assert_eq!(client.users("emails[primary eq true]"), ["true"]);
    let path = format!(
        "/Users/{}",
        client.user_with(
            "d",
            &json!({"emails": [{"value": "x"}, {"value": "y", "primary": true}]})
        )
    );
    client
        .patch(
            &path,
            &json!([{"op": "remove", "path": "emails[primary eq false]"}]),
        )
        .expect(200);
    assert_eq!(
        client.now(&path)["emails"],
        json!([{"value": "y", "primary": true}])
    );
}

/// 7643-2.4-05
#[test]
fn the_client_sets_display_for_users_and_the_server_for_members() {
    let client = tenant();
    let emails = json!([{"value": "x", "type": "work", "display": "old"}]);
    for (way, user) in stored_each_way(&client, "/Users", &json!({"emails": emails})) {
        assert_eq!(user["emails"], emails, "{way}");
    }
    let id = client.user_with("a", &json!({"displayName": "Ann", "emails": emails}));
    let path = format!("/Users/{id}");
    client
        .patch(
            &path,
            &json!([{"op": "replace", "path": "emails[type eq \"work\"].display", "value": "new"}]),
        )
        .expect(200);
    assert_eq!(client.now(&path)["emails"][0]["display"], "new");

    let members = json!({"members": [{"value": id, "display": "Somebody"}]});
    for (way, group) in stored_each_way(&client, "/Groups", &members) {
        assert_eq!(group["members"][0]["display"], "Ann", "{way}");
    }
    let group = format!("/Groups/{}", client.group("g", &[&id]));
    let display = format!("members[value eq \"{id}\"].display");
    client
        .patch(
            &group,
            &json!([{"op": "replace", "path": display, "value": "Somebody"}]),
        )
        .expect_error(400, "mutability");
    assert_eq!(client.now(&group)["members"][0]["display"], "Ann");
    for (schema, name, mutability) in [
        (USER, "emails", "readWrite"),
        (USER, "groups", "readOnly"),
        (GROUP, "members", "readOnly"),
    ] {
        let schema = client.now(&format!("/Schemas/{schema}"));
        let display = sub_attribute(attribute(&schema, name), "display");
        assert_eq!(display["mutability"], mutability, "{name}");
    }
}

/// 7643-2.4-07
#[test]
fn no_type_is_invented() {
    let client = tenant();
    for (name, value) in single_values(&client) {
        let attributes = json!({&name: [value]});
        for (way, user) in stored_each_way(&client, "/Users", &attributes) {
            assert_eq!(user[&name], json!([value]), "{way} {name}");
        }
    }
}

/// 7643-2.4-08
#[test]
fn one_value_may_have_two_types() {
    let client = tenant();
    let (work, home) = (
        json!({"value": "a@b", "type": "work"}),
        json!({"value": "a@b", "type": "home"}),
    );
    for (way, user) in stored_each_way(&client, "/Users", &json!({"emails": [work, home]})) {
        assert_eq!(user["emails"], json!([work, home]), "{way}");
    }
    for (name, operation) in [
        ("a", json!({"op": "add", "path": "emails", "value": [home]})),
        ("b", json!({"op": "add", "value": {"emails": [home]}})),
    ] {
        let path = format!("/Users/{}", client.user_with(name, &json!({"emails": [work]})));
        client.patch(&path, &json!([operation])).expect(200);
        assert_eq!(client.now(&path)["emails"], json!([work, home]), "{operation}");
    }
}

/// 7643-2.4-09
#[test]
fn a_value_with_its_type_occurs_once() {
    let client = tenant();
    let email = json!({"value": "a@b", "type": "work"});
    let permuted = json!({"type": "work", "value": "a@b"});
    for (way, user) in stored_each_way(&client, "/Users", &json!({"emails": [email, permuted]})) {
        assert_eq!(user["emails"], json!([email]), "{way}");
    }
    let path = format!("/Users/{}", client.user_with("a", &json!({"emails": [email]})));
    for operation in [
        json!({"op": "add", "path": "emails", "value": [email]}),
        json!({"op": "add", "path": "emails", "value": permuted}),
        json!({"op": "add", "value": {"emails": [email]}}),
    ] {
        client.patch(&path, &json!([operation])).expect(200);
        assert_eq!(client.now(&path)["emails"], json!([email]), "{operation}");
    }
    let members = json!({"members": [{"value": client.user("b")}]});
    let path = format!("/Groups/{}", client.group("g", &[&client.user("c")]));
    for _ in 0..2 {
        client
            .patch(&path, &json!([{"op": "add", "value": members}]))
            .expect_success();
        assert_eq!(client.now(&path)["members"].as_array().map(Vec::len), Some(2));
    }
}

/// 7643-2.4-10, 7643-4.1.2-07, 7643-4.1.2-09, 7643-4.1.2-18
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
        ("entitlements", vec![]),
        ("roles", vec![]),
    ] {
        let kind = sub_attribute(attribute(&schema, name), "type");
        let values = kind["canonicalValues"].as_array().into_iter().flatten();
        let mut values: Vec<&str> = values.filter_map(Value::as_str).collect();
        values.sort_unstable();
        assert_eq!(values, expected, "{name}");
    }
}
