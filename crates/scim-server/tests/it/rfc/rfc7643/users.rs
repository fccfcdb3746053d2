//! RFC 7643 sections 4.1 and 4.3: users, and their enterprise extension.

use serde_json::json;

use super::documents::{attribute, sub_attribute};
use crate::rfc::client::*;
use crate::rfc::tenants::{strict_tenant, tenant, two_tenants};

/// 7643-2.3.1-02, 7643-2.3.1-03, 7643-7-11, 7643-4.1.1-09, 7643-4.1.1-10, 7643-4.1.1-11, 7643-4.1.1-12,
/// 7643-4.1.1-13, 7643-4.1.2-01, 7643-4.1.2-02, 7643-4.1.2-03, 7643-4.1.2-04, 7643-4.1.2-05,
/// 7643-4.1.2-06, 7643-4.1.2-18, 7643-2.4-07
#[test]
fn values_are_kept_as_they_were_sent() {
    let client = tenant();
    let attributes = json!({
        "locale": "en_US",
        "preferredLanguage": "da, en-gb;q=0.8",
        "timezone": "America/Los_Angeles",
        "userType": "Robot",
        "emails": [{"value": "not-an-email", "type": "private", "display": "mine"}, {"value": "A@EX.COM"}],
        "phoneNumbers": [{"value": "+1 (555) 010", "type": "sip"}],
        "ims": [{"value": " Foo "}],
        "roles": [{"value": "admin"}],
        "entitlements": [{"value": "x", "type": "y"}],
    });
    let made = client.create("/Users", &user_with("a", &attributes));
    let read = client.now(&format!("/Users/{}", made.id()));
    for (name, value) in attributes.as_object().expect("an object") {
        assert_eq!(&made.body[name], value, "{name}");
        assert_eq!(&read[name], value, "{name}");
    }
    assert_eq!(client.users(r#"emails.value eq "a@ex.com""#), ["a"]);
    assert_eq!(
        client
            .create(
                "/Users",
                &user_with("b", &json!({"locale": "en-US", "roles": []}))
            )
            .body["locale"],
        "en-US"
    );
}

/// 7643-4.1.1-01
#[test]
fn a_user_has_a_user_name() {
    let client = tenant();
    for body in [
        json!({"schemas": [USER]}),
        user(""),
        json!({"schemas": [USER], "userName": null}),
    ] {
        client.post("/Users", &body).expect_error(400, "invalidValue");
    }
    let path = format!("/Users/{}", client.user("a"));
    client
        .patch(&path, &json!([{"op": "remove", "path": "userName"}]))
        .expect_error(400, "mutability");
    for value in [json!(""), json!(null)] {
        client
            .patch(
                &path,
                &json!([{"op": "replace", "path": "userName", "value": value}]),
            )
            .expect_error(400, "invalidValue");
    }
    assert_eq!(client.now(&path)["userName"], "a");
}

/// 7643-4.1.1-02, 7643-4.1.1-03, 7643-7-13
#[test]
fn user_names_are_unique_whatever_their_case() {
    let (one, other) = two_tenants();
    let made = one.create("/Users", &user("BoB"));
    assert_eq!(made.body["userName"], "BoB");
    one.post("/Users", &user("BoB")).expect_error(409, "uniqueness");
    one.post("/Users", &user("bob")).expect_error(409, "uniqueness");
    other.create("/Users", &user("bob"));
    assert_eq!(one.users(r#"userName eq "BOB""#), ["BoB"]);
}

/// 7643-4.1.1-07
#[test]
fn a_nick_name_may_be_anything() {
    tenant().create("/Users", &user_with("a", &json!({"nickName": "a"})));
}

/// 7643-4.1.1-14
#[test]
fn inactive_users_stay_visible() {
    let client = tenant();
    let made = client.create("/Users", &user("a"));
    // Who is not said to be inactive is active (A-08).
    assert_eq!(client.users("active eq true"), ["a"]);
    let path = format!("/Users/{}", made.id());
    client
        .patch(
            &path,
            &json!([{"op": "replace", "path": "active", "value": false}]),
        )
        .expect(200);
    assert_eq!(client.now(&path)["active"], false);
    assert_eq!(client.users(r#"userName eq "a""#), ["a"]);
    assert_eq!(client.users("active eq false"), ["a"]);
    assert_eq!(client.get("/Users").expect(200).names(), ["a"]);
}

/// 7643-4.1.1-15, 7643-7-17, 7643-7-19, 7643-4.1.1-20, 7643-4.1.1-21
#[test]
fn passwords_are_never_returned_nor_searched() {
    let client = tenant();
    let with = user_with("a", &json!({"password": "s3cret-Pa55"}));
    let made = client.create("/Users", &with);
    let path = format!("/Users/{}", made.id());
    let answers = [
        made,
        client.put(&path, &with).expect(200),
        client
            .patch(
                &path,
                &json!([{"op": "replace", "path": "password", "value": "s3cret-Pa56"}]),
            )
            .expect(200),
        client
            .patch(
                &path,
                &json!([{"op": "replace", "value": {"password": "s3cret-Pa57"}}]),
            )
            .expect(200),
        client.get(&path).expect(200),
        client.get(&format!("{path}?attributes=password")).expect(200),
        client
            .get(&format!("/Users?attributes=password,{USER}:password"))
            .expect(200),
        client
            .post(
                "/Users/.search",
                &json!({"schemas": [SEARCH_REQUEST], "attributes": ["password"]}),
            )
            .expect(200),
    ];
    for answer in answers {
        let text = String::from_utf8_lossy(&answer.bytes);
        assert!(!text.contains("password") && !text.contains("s3cret"), "{text}");
    }
    for filter in [
        "password eq \"s3cret-Pa57\"",
        "password pr",
        "not (password eq \"x\")",
    ] {
        client.refused_filter("/Users", filter);
    }
    client
        .get("/Users?sortBy=password")
        .expect_error(400, "invalidValue");
    let schema = client.now(&format!("/Schemas/{USER}"));
    let password = attribute(&schema, "password");
    assert_eq!(
        (&password["mutability"], &password["returned"]),
        (&json!("writeOnly"), &json!("never"))
    );
}

/// 7643-4.1.2-11
#[test]
fn addresses_may_hold_line_breaks() {
    let addresses = json!([{"formatted": "a\nb\r\nc", "streetAddress": "x\ny"}]);
    assert_eq!(
        tenant()
            .create("/Users", &user_with("a", &json!({"addresses": addresses})))
            .body["addresses"],
        addresses
    );
}

/// 7643-4.1.2-12
#[test]
fn countries_are_checked_only_strictly() {
    let body = user_with("a", &json!({"addresses": [{"country": "USA"}]}));
    strict_tenant()
        .post("/Users", &body)
        .expect_error(400, "invalidValue");
    strict_tenant().create(
        "/Users",
        &user_with("a", &json!({"addresses": [{"country": "US"}]})),
    );
    assert_eq!(
        tenant().create("/Users", &body).body["addresses"],
        json!([{"country": "USA"}])
    );
}

/// 7643-4.1.2-13
#[test]
fn addresses_have_a_primary() {
    let client = tenant();
    let schema = client.now(&format!("/Schemas/{USER}"));
    assert_eq!(
        sub_attribute(attribute(&schema, "addresses"), "primary")["type"],
        "boolean"
    );
    let addresses =
        json!([{"type": "home", "locality": "h", "primary": true}, {"type": "work", "locality": "w"}]);
    let path = format!(
        "/Users/{}",
        client.user_with("a", &json!({"addresses": addresses}))
    );
    let value = json!({"locality": "new", "primary": true});
    client
        .patch(
            &path,
            &json!([{"op": "replace", "path": "addresses[type eq \"work\"]", "value": value}]),
        )
        .expect(200);
    let now = client.now(&path)["addresses"].clone();
    assert_eq!(
        now[1],
        json!({"type": "work", "locality": "new", "primary": true})
    );
    assert!(now[0].get("primary").is_none_or(|it| it == false), "{now}");
}

/// 7643-4.1.2-14, 7643-4.1.2-16
#[test]
fn users_show_the_groups_they_are_in() {
    let client = tenant();
    let id = client.user("a");
    let inner = client.group("inner", &[&id]);
    client.group("outer", &[&inner]);
    let groups = client.now(&format!("/Users/{id}"))["groups"].clone();
    let reference = format!("{}/Groups/{inner}", client.base_url);
    // Memberships through other groups are not expanded (A-23).
    assert_eq!(
        groups,
        json!([{"value": inner, "$ref": reference, "display": "inner", "type": "direct"}])
    );
}

/// 7643-4.1.2-15
#[test]
fn groups_of_a_user_are_read_only() {
    let client = tenant();
    let group = client.group("g", &[]);
    let made = client.create("/Users", &user_with("a", &json!({"groups": [{"value": group}]})));
    let path = format!("/Users/{}", made.id());
    assert!(made.body.get("groups").is_none());
    let put = client
        .put(&path, &user_with("a", &json!({"groups": []})))
        .expect(200);
    assert!(put.body.get("groups").is_none());
    for op in ["add", "replace", "remove"] {
        let operation = json!([{"op": op, "path": "groups", "value": [{"value": group}]}]);
        client.patch(&path, &operation).expect_error(400, "mutability");
    }
    assert_eq!(client.now(&format!("/Groups/{group}"))["members"], json!([]));
}

/// 7643-4.1.2-17
#[test]
fn groups_of_a_user_refer_to_groups() {
    let schema = tenant().now(&format!("/Schemas/{USER}"));
    assert_eq!(
        sub_attribute(attribute(&schema, "groups"), "$ref")["referenceTypes"],
        json!(["Group"])
    );
}

/// 7643-4.1.2-19
#[test]
fn certificates_are_checked_only_strictly() {
    let body = user_with("a", &json!({"x509Certificates": [{"value": "aGVsbG8="}]}));
    strict_tenant()
        .post("/Users", &body)
        .expect_error(400, "invalidValue");
    tenant().create("/Users", &body);
}

/// 7643-4.3-02, 7643-4.3-03, 7643-4.3-04
#[test]
fn managers_are_shown_by_their_name() {
    let client = tenant();
    let boss = client.user_with("boss", &json!({"displayName": "The Boss"}));
    let path = format!("/Users/{}", client.user("a"));
    let operation = json!([{"op": "add", "path": format!("{ENTERPRISE}:manager"), "value": {"value": boss}}]);
    client.patch(&path, &operation).expect(200);
    let expected = json!({"value": boss, "$ref": format!("{}/Users/{boss}", client.base_url), "displayName": "The Boss"});
    assert_eq!(client.now(&path)[ENTERPRISE]["manager"], expected);
    let body = user_with(
        "a",
        &json!({ENTERPRISE: {"manager": {"value": boss, "displayName": "Somebody"}}}),
    );
    client.put(&path, &body).expect(200);
    assert_eq!(client.now(&path)[ENTERPRISE]["manager"], expected);
    client
        .patch(
            &format!("/Users/{boss}"),
            &json!([{"op": "replace", "path": "displayName", "value": "New"}]),
        )
        .expect(200);
    assert_eq!(client.now(&path)[ENTERPRISE]["manager"]["displayName"], "New");
    let schema = client.now(&format!("/Schemas/{ENTERPRISE}"));
    assert_eq!(
        sub_attribute(attribute(&schema, "manager"), "value")["caseExact"],
        true
    );
}
