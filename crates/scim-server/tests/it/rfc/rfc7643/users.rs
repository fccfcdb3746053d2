//! RFC 7643 sections 4.1 and 4.3: users, and their enterprise extension.

use std::net::TcpListener;

use serde_json::json;

use super::documents::{attribute, member_ids, sub_attribute};
use super::writing::{refused_each_way, stored_each_way};
use crate::rfc::client::*;
use crate::rfc::tenants::{strict_tenant, tenant, two_tenants};

/// 7643-4.1.1-01
#[test]
fn a_user_has_a_user_name() {
    let client = tenant();
    let path = format!("/Users/{}", client.user("a"));
    for body in [
        json!({"schemas": [USER]}),
        user(""),
        json!({"schemas": [USER], "userName": null}),
    ] {
        client.post("/Users", &body).expect_error(400, "invalidValue");
        client.put(&path, &body).expect_error(400, "invalidValue");
    }
    client
        .patch(&path, &json!([{"op": "remove", "path": "userName"}]))
        .expect_error(400, "mutability");
    for value in [json!(""), json!(null)] {
        for operation in [
            json!({"op": "replace", "path": "userName", "value": value}),
            json!({"op": "replace", "value": {"userName": value}}),
        ] {
            client
                .patch(&path, &json!([operation]))
                .expect_error(400, "invalidValue");
        }
    }
    assert_eq!(client.now(&path)["userName"], "a");
    let schema = client.now(&format!("/Schemas/{USER}"));
    assert_eq!(attribute(&schema, "userName")["required"], true);
}

/// 7643-4.1.1-02, 7643-4.1.1-03, 7643-7-13
#[test]
fn user_names_are_unique_whatever_their_case() {
    let (one, other) = two_tenants();
    let made = one.create("/Users", &user("BoB"));
    assert_eq!(made.body["userName"], "BoB");
    let path = format!("/Users/{}", one.user("second"));
    for name in ["BoB", "bob", "BOB"] {
        one.post("/Users", &user(name)).expect_error(409, "uniqueness");
        one.put(&path, &user(name)).expect_error(409, "uniqueness");
        one.patch(
            &path,
            &json!([{"op": "replace", "path": "userName", "value": name}]),
        )
        .expect_error(409, "uniqueness");
    }
    other.create("/Users", &user("bob"));
    for filter in [r#"userName eq "BOB""#, r#"userName eq "bob""#] {
        assert_eq!(one.users(filter), ["BoB"], "{filter}");
        assert_eq!(other.users(filter), ["bob"], "{filter}");
    }
}

/// 7643-4.1.1-04
#[test]
fn a_name_is_returned_in_the_form_in_which_it_was_sent() {
    let client = tenant();
    for name in [
        json!({"formatted": "Ms. Barbara J Jensen, III"}),
        json!({"givenName": "Barbara", "familyName": "Jensen", "honorificPrefix": "Ms."}),
        json!({"formatted": "Babs", "givenName": "Barbara", "familyName": "Jensen"}),
    ] {
        for (way, user) in stored_each_way(&client, "/Users", &json!({"name": name})) {
            assert_eq!(user["name"], name, "{way}");
            assert!(user.get("displayName").is_none(), "{way}");
        }
    }
}

/// 7643-4.1.1-07
#[test]
fn a_nick_name_may_be_anything() {
    let client = tenant();
    let made = client.create("/Users", &user_with("a", &json!({"nickName": "a"})));
    assert_eq!(made.body["nickName"], "a");
    // It is no second user name: others may have it, also as their user name.
    client.create("/Users", &user_with("b", &json!({"nickName": "a"})));
    client.create("/Users", &user_with("c", &json!({"nickName": "b"})));
    assert_eq!(client.users(r#"userName eq "a""#), ["a"]);
}

/// 7643-4.1.1-08
#[test]
fn a_profile_url_is_an_external_reference() {
    let client = tenant();
    let schema = client.now(&format!("/Schemas/{USER}"));
    let profile_url = attribute(&schema, "profileUrl");
    assert_eq!(profile_url["type"], "reference");
    assert_eq!(profile_url["referenceTypes"], json!(["external"]));
}

/// 7643-4.1.1-09, 7643-4.1.1-10, 7643-4.1.1-11, 7643-4.1.1-12, 7643-4.1.1-13, 7643-4.1.2-01,
/// 7643-4.1.2-02, 7643-4.1.2-03, 7643-4.1.2-04, 7643-4.1.2-05, 7643-4.1.2-06, 7643-4.1.2-18
#[test]
fn values_are_kept_as_they_were_sent() {
    for client in [tenant(), strict_tenant()] {
        for attributes in [
            json!({
                "locale": "en_US",
                "preferredLanguage": "da, en-gb;q=0.8",
                "timezone": "America/Los_Angeles",
                "userType": "Robot",
                "emails": [
                    {"value": "not-an-email", "type": "private", "display": "mine"}, {"value": "A@EX.COM"},
                ],
                "phoneNumbers": [{"value": "+1 (555) 010", "type": "sip"}],
                "ims": [{"value": " Foo "}],
                "roles": [{"value": "admin"}],
                "entitlements": [{"value": "x", "type": "y"}],
            }),
            json!({
                "locale": "en-US",
                "preferredLanguage": "*",
                "timezone": "nowhere",
                "userType": "",
                "emails": [{"value": "\"a b\"@EX.com", "type": "Work"}],
                "phoneNumbers": [{"value": "TEL:+1-555-010"}],
                "ims": [{"value": "FOO", "type": "XMPP"}],
            }),
        ] {
            for (way, user) in stored_each_way(&client, "/Users", &attributes) {
                for (name, value) in attributes.as_object().expect("an object") {
                    assert_eq!(&user[name], value, "{way} {name}");
                }
            }
        }
        for (way, user) in stored_each_way(&client, "/Users", &json!({"roles": [], "entitlements": []})) {
            assert!(
                user.get("roles").is_none() && user.get("entitlements").is_none(),
                "{way}"
            );
        }
    }
    let client = tenant();
    client.user_with("a", &json!({"emails": [{"value": "A@EX.COM"}]}));
    for filter in [r#"emails.value eq "a@ex.com""#, r#"emails eq "A@ex.COM""#] {
        assert_eq!(client.users(filter), ["a"], "{filter}");
    }
}

/// 7643-4.1.1-14
#[test]
fn inactive_users_stay_visible() {
    let client = tenant();
    let path = format!("/Users/{}", client.user("a"));
    // A user without a value of `active` counts as active (A-08).
    assert_eq!(client.users("active eq true"), ["a"]);
    for (active, operation) in [
        (false, json!({"op": "replace", "path": "active", "value": false})),
        (true, json!({"op": "replace", "value": {"active": true}})),
    ] {
        let patched = client.patch(&path, &json!([operation])).expect(200);
        assert_eq!(patched.body["active"], active);
        assert_eq!(client.now(&path)["active"], active);
        assert_eq!(client.users(r#"userName eq "a""#), ["a"]);
        assert_eq!(client.users(&format!("active eq {active}")), ["a"]);
        assert!(client.users(&format!("active eq {}", !active)).is_empty());
        assert_eq!(client.get("/Users").expect(200).names(), ["a"]);
    }
    for (way, user) in stored_each_way(&client, "/Users", &json!({"active": false})) {
        assert_eq!(user["active"], false, "{way}");
    }
}

/// 7643-4.1.1-15, 7643-7-17, 7643-7-19, 7643-4.1.1-20, 7643-4.1.1-21
#[test]
fn passwords_are_never_returned_nor_searched() {
    let client = tenant();
    let with = user_with("a", &json!({"password": "s3cret-Pa55"}));
    let made = client
        .post(&format!("/Users?attributes=userName,{USER}:password"), &with)
        .expect(201);
    let path = format!("/Users/{}", made.id());
    let asking = format!("{path}?attributes=password");
    let search = json!({"schemas": [SEARCH_REQUEST], "attributes": ["password"]});
    let answers = [
        made,
        client.create("/Users", &user_with("b", &json!({"password": "s3cret-Pa55"}))),
        client.put(&path, &with).expect(200),
        client.put(&asking, &with).expect(200),
        client
            .patch(
                &path,
                &json!([{"op": "replace", "path": "password", "value": "s3cret-Pa56"}]),
            )
            .expect(200),
        client
            .patch(
                &asking,
                &json!([{"op": "replace", "value": {"password": "s3cret-Pa57"}}]),
            )
            .expect(200),
        client.get(&path).expect(200),
        client.get(&asking).expect(200),
        client.get("/Users").expect(200),
        client
            .get(&format!("/Users?attributes=password,{USER}:password"))
            .expect(200),
        client.post("/Users/.search", &search).expect(200),
        client.post("/.search", &search).expect(200),
    ];
    for answer in answers {
        let text = String::from_utf8_lossy(&answer.bytes);
        assert!(!text.contains("password") && !text.contains("s3cret"), "{text}");
    }
    for filter in [
        "password eq \"s3cret-Pa57\"",
        "password pr",
        "not (password eq \"x\")",
        "userName eq \"a\" and password sw \"s\"",
    ] {
        client.refused_filter("/Users", filter);
        let search = json!({"schemas": [SEARCH_REQUEST], "filter": filter});
        client
            .post("/Users/.search", &search)
            .expect_error(400, "invalidFilter");
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

/// 7643-4.1.2-08, 7643-4.1.2-09
#[test]
fn pictures_come_in_sizes_and_are_never_fetched() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.set_nonblocking(true).expect("a valid setting");
    let url = format!("http://{}/a.png", listener.local_addr().expect("an address"));
    let client = tenant();
    let photos = json!([{"value": url, "type": "photo"}, {"value": url, "type": "thumbnail"}]);
    let attributes = json!({"photos": photos, "profileUrl": url});
    for (way, user) in stored_each_way(&client, "/Users", &attributes) {
        assert_eq!(user["photos"], photos, "{way}");
    }
    let connection = listener.accept();
    assert!(
        connection.is_err_and(|it| it.kind() == std::io::ErrorKind::WouldBlock),
        "the server followed a URL of a client"
    );
}

/// 7643-4.1.2-11
#[test]
fn addresses_may_be_partial_and_hold_line_breaks() {
    let client = tenant();
    let schema = client.now(&format!("/Schemas/{USER}"));
    let subs = attribute(&schema, "addresses")["subAttributes"].clone();
    for sub in subs.as_array().expect("sub-attributes") {
        let name = sub["name"].as_str().expect("a name");
        assert_eq!(sub["required"], false, "{name}");
        let value = match name {
            "primary" => json!(true),
            "formatted" | "streetAddress" => json!("a\nb\r\nc"),
            "country" => json!("US"),
            _ => json!("x"),
        };
        let addresses = json!([{name: value}]);
        for (way, user) in stored_each_way(&client, "/Users", &json!({"addresses": addresses})) {
            assert_eq!(user["addresses"], addresses, "{way} {name}");
        }
    }
}

/// 7643-4.1.2-12
#[test]
fn countries_are_checked_only_strictly() {
    let (default, strict) = (tenant(), strict_tenant());
    let country = |value: &str| json!({"addresses": [{"country": value}]});
    for wrong in ["USA", "U", "Germany", "U1", "1", "ÄÖ", "d "] {
        refused_each_way(&strict, "/Users", &country(wrong), "invalidValue");
        for (way, user) in stored_each_way(&default, "/Users", &country(wrong)) {
            assert_eq!(user["addresses"][0]["country"], wrong, "{way}");
        }
    }
    for right in ["US", "DE"] {
        for client in [&default, &strict] {
            for (way, user) in stored_each_way(client, "/Users", &country(right)) {
                assert_eq!(user["addresses"][0]["country"], right, "{way}");
            }
        }
    }
    let path = format!("/Users/{}", strict.user_with("a", &country("US")));
    let replace = json!([{"op": "replace", "path": "addresses[country eq \"US\"].country", "value": "USA"}]);
    strict.patch(&path, &replace).expect_error(400, "invalidValue");
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
    assert_eq!(
        client.users(r#"addresses[primary eq true and type eq "work"]"#),
        ["a"]
    );
    assert!(
        client
            .users(r#"addresses[primary eq true and type eq "home"]"#)
            .is_empty()
    );
}

/// 7643-4.1.2-14, 7643-4.1.2-16
#[test]
fn users_show_the_groups_they_are_in() {
    let client = tenant();
    let id = client.user("a");
    let inner = client.group("inner", &[&id]);
    let outer = client.group("outer", &[&inner]);
    let membership = |group: &str, name: &str| {
        let reference = format!("{}/Groups/{group}", client.base_url);
        json!({"value": group, "$ref": reference, "display": name, "type": "direct"})
    };
    let groups = || client.now(&format!("/Users/{id}"))["groups"].clone();
    // Memberships through other groups are not expanded (A-23).
    assert_eq!(groups(), json!([membership(&inner, "inner")]));
    let add = json!([{"op": "add", "path": "members", "value": [{"value": id}]}]);
    client.patch(&format!("/Groups/{outer}"), &add).expect_success();
    assert_eq!(
        groups(),
        json!([membership(&inner, "inner"), membership(&outer, "outer")])
    );
    // `direct` means that a client can end the membership through the group.
    let remove = json!([{"op": "remove", "path": format!("members[value eq \"{id}\"]")}]);
    client
        .patch(&format!("/Groups/{inner}"), &remove)
        .expect_success();
    assert_eq!(groups(), json!([membership(&outer, "outer")]));
}

/// 7643-4.1.2-15
#[test]
fn groups_of_a_user_are_read_only() {
    let client = tenant();
    let (member_of, other) = (client.group("g", &[]), client.group("other", &[]));
    let claim = json!({"groups": [{"value": other}]});
    let made = client.create("/Users", &user_with("a", &claim));
    assert!(made.body.get("groups").is_none());
    let path = format!("/Users/{}", made.id());
    let join = json!([{"op": "add", "path": "members", "value": [{"value": made.id()}]}]);
    client
        .patch(&format!("/Groups/{member_of}"), &join)
        .expect_success();
    for groups in [
        &claim,
        &json!({"groups": []}),
        &json!({"groups": null}),
        &json!({}),
    ] {
        client.put(&path, &user_with("a", groups)).expect(200);
        client
            .patch(&path, &json!([{"op": "replace", "value": groups}]))
            .expect(200);
        let shown = client.now(&path)["groups"].clone();
        assert_eq!(shown.as_array().map(Vec::len), Some(1), "{groups}");
        assert_eq!(shown[0]["value"], member_of, "{groups}");
    }
    for op in ["add", "replace", "remove"] {
        for name in ["groups".to_owned(), format!("groups[value eq \"{member_of}\"]")] {
            let operation = json!([{"op": op, "path": name, "value": [{"value": other}]}]);
            client.patch(&path, &operation).expect_error(400, "mutability");
        }
    }
    let members = |group: &str| member_ids(&client.now(&format!("/Groups/{group}")));
    assert_eq!(members(&member_of), [made.id()]);
    assert!(members(&other).is_empty());
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

/// A self-signed certificate of `CN=a`.
const CERTIFICATE: &str = "MIIBLjCB4aADAgECAhQHoArpIfUomqj5Iu3MPWG3ziNfHjAFBgMrZXAwDDEKMAgGA1UEAwwBYTAgFw0yNjExMzAxODM2\
    MjRaGA8yMTI2MTEwNjE4MzYyNFowDDEKMAgGA1UEAwwBYTAqMAUGAytlcAMhAL7ewTlezkDJ5ibMKvB9x26P0AvQ6UHJRSVFWSpMBVteo1MwUTAd\
    BgNVHQ4EFgQUgx8lSDSGnxWFIRfBmSZCijkl9VkwHwYDVR0jBBgwFoAUgx8lSDSGnxWFIRfBmSZCijkl9VkwDwYDVR0TAQH/BAUwAwEB/zAFBgMr\
    ZXADQQDd36XLVr0McSOQJXRBQWcwHRk9c9La3kVq1gNQpB9Mw4O8G4kBBMxATwy+fcqEcNfvt/7+XfhaTO8yZ9Xk0P0O";

/// 7643-4.1.2-19
#[test]
fn certificates_are_checked_only_strictly() {
    let (default, strict) = (tenant(), strict_tenant());
    let certificates = |value: &str| json!({"x509Certificates": [{"value": value}]});
    for (wrong, why) in [
        ("aGVsbG8=", "no DER"),
        ("MAMCAQ==", "less than one DER value"),
        ("MAMCAQEwAwIBAQ==", "two DER values"),
        ("AgEB", "a DER integer"),
        ("LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t", "PEM"),
    ] {
        let certificates = certificates(wrong);
        refused_each_way(&strict, "/Users", &certificates, "invalidValue");
        for (way, user) in stored_each_way(&default, "/Users", &certificates) {
            assert_eq!(
                user["x509Certificates"], certificates["x509Certificates"],
                "{way}: {why}"
            );
        }
    }
    for client in [&default, &strict] {
        for (way, user) in stored_each_way(client, "/Users", &certificates(CERTIFICATE)) {
            assert_eq!(user["x509Certificates"][0]["value"], CERTIFICATE, "{way}");
        }
    }
}

/// 7643-4.3-02, 7643-4.3-03, 7643-4.3-04
#[test]
fn managers_are_shown_by_their_name() {
    let client = tenant();
    let boss = client.user_with("boss", &json!({"displayName": "The Boss"}));
    let reference = format!("{}/Users/{boss}", client.base_url);
    let expected = |name: &str| json!({"value": boss, "$ref": reference, "displayName": name});
    // The value alone is enough, and a name from the client is ignored.
    for manager in [
        json!({"value": boss}),
        json!({"value": boss, "displayName": "Somebody"}),
    ] {
        for (way, user) in stored_each_way(&client, "/Users", &json!({ENTERPRISE: {"manager": manager}})) {
            assert_eq!(user[ENTERPRISE]["manager"], expected("The Boss"), "{way}");
        }
    }
    let path = format!("/Users/{}", client.user("a"));
    let manager = format!("{ENTERPRISE}:manager");
    client
        .patch(
            &path,
            &json!([{"op": "add", "path": manager, "value": {"value": boss}}]),
        )
        .expect(200);
    assert_eq!(client.now(&path)[ENTERPRISE]["manager"], expected("The Boss"));
    let name = format!("{manager}.displayName");
    client
        .patch(
            &path,
            &json!([{"op": "replace", "path": name, "value": "Somebody"}]),
        )
        .expect_error(400, "mutability");
    client
        .patch(
            &format!("/Users/{boss}"),
            &json!([{"op": "replace", "path": "displayName", "value": "New"}]),
        )
        .expect(200);
    assert_eq!(client.now(&path)[ENTERPRISE]["manager"], expected("New"));
    assert_eq!(
        client.users(&format!(r#"{manager}.value eq "{boss}" and userName eq "a""#)),
        ["a"]
    );
    assert!(
        client
            .users(&format!(r#"{manager}.value eq "{}""#, boss.to_uppercase()))
            .is_empty()
    );
    let schema = client.now(&format!("/Schemas/{ENTERPRISE}"));
    let manager = attribute(&schema, "manager");
    for (name, characteristic, value) in [
        ("value", "caseExact", json!(true)),
        ("value", "required", json!(false)),
        ("$ref", "required", json!(false)),
        ("displayName", "required", json!(false)),
        ("displayName", "mutability", json!("readOnly")),
    ] {
        assert_eq!(
            sub_attribute(manager, name)[characteristic],
            value,
            "{name} {characteristic}"
        );
    }
    client.delete(&format!("/Users/{boss}")).expect(204);
    let now = client.now(&path);
    assert_eq!(now[ENTERPRISE]["manager"], json!({"value": boss}));
}
