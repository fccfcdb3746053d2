//! RFC 7643 section 2.3: the data types.

use serde_json::{Value, json};

use super::documents::{all_attributes, member_ids, references};
use super::writing::{refused_each_way, stored_each_way};
use crate::rfc::client::*;
use crate::rfc::tenants::{staff_tenant, strict_staff_tenant, strict_tenant, tenant, two_tenants};

/// A UUID that no resource has.
const UNKNOWN: &str = "0190b3a2-0000-7000-8000-000000000000";

/// 7643-2.3-02, 7643-2.3.2-01
#[test]
fn each_type_has_one_json_form() {
    let client = staff_tenant();
    for attributes in [
        json!({"userName": 5}),
        json!({"userName": true}),
        json!({"userName": ["a", "b"]}),
        json!({"active": "yes"}),
        json!({"active": 1}),
        json!({"active": {}}),
        json!({"name": 5}),
        json!({"name": ["x", "y"]}),
        json!({"emails": 5}),
        json!({"emails": [5]}),
        json!({"emails": [{"value": {"a": "b"}}]}),
        json!({"emails": [{"primary": 1}]}),
        json!({"title": {"a": 1}}),
        json!({"nickName": 1.5}),
        json!({"profileUrl": 5}),
        json!({"x509Certificates": [{"value": 5}]}),
        json!({ENTERPRISE: "x"}),
        json!({ENTERPRISE: {"manager": 5}}),
        json!({STAFF: {"height": "tall"}}),
        json!({STAFF: {"height": true}}),
        json!({STAFF: {"floor": "3.0"}}),
        json!({STAFF: {"badgeExpires": 1_577_836_800}}),
        json!({STAFF: {"fingerprint": 5}}),
        json!({STAFF: {"homepage": 5}}),
        json!({STAFF: {"driver": 0}}),
        json!({STAFF: {"desk": 5}}),
        json!({STAFF: {"desk": {"number": " 7"}}}),
        json!({STAFF: {"tags": [5]}}),
    ] {
        refused_each_way(&client, "/Users", &attributes, "invalidValue");
    }
    // By default clean numbers may be strings, because Entra sends some so (A-60).
    let strict = strict_staff_tenant();
    for attributes in [
        json!({STAFF: {"height": "1.5"}}),
        json!({STAFF: {"floor": "3"}}),
        json!({STAFF: {"desk": {"number": "7"}}}),
    ] {
        refused_each_way(&strict, "/Users", &attributes, "invalidValue");
    }
    for attributes in [
        json!({"displayName": 5}),
        json!({"displayName": {"value": "g"}}),
        json!({"externalId": 5}),
        json!({"members": 5}),
        json!({"members": [5]}),
    ] {
        refused_each_way(&client, "/Groups", &attributes, "invalidValue");
    }
    // Each type comes back in the form in which it was sent.
    let values = json!({
        "plain": "s", "badgeExpires": "2020-01-01T00:00:00Z", "fingerprint": "MAAwAA==", "homepage": "https://x",
        "driver": true, "height": 1.5, "floor": 3, "desk": {"number": 7},
    });
    for (way, user) in stored_each_way(&client, "/Users", &json!({STAFF: values})) {
        assert_eq!(user[STAFF], values, "{way}");
    }
    for (path, attribute) in all_attributes(&client) {
        if attribute["type"] == "boolean" {
            assert!(
                attribute.get("caseExact").is_none_or(|it| it == false)
                    && attribute.get("uniqueness").is_none_or(|it| it == "none"),
                "{path}"
            );
        }
    }
    // Entra and a public SCIM validator send booleans in strings. The strict setting refuses them in a
    // POST and a PUT (A-33).
    for (way, user) in stored_each_way(&client, "/Users", &json!({"active": "False"})) {
        assert_eq!(user["active"], false, "{way}");
    }
    let strict = strict_tenant();
    let path = format!("/Users/{}", strict.user("a"));
    let body = user_with("b", &json!({"active": "False"}));
    strict.post("/Users", &body).expect_error(400, "invalidValue");
    strict.put(&path, &body).expect_error(400, "invalidValue");
    let patched = strict
        .patch(
            &path,
            &json!([{"op": "replace", "path": "active", "value": "False"}]),
        )
        .expect(200);
    assert_eq!(patched.body["active"], false);
}

/// 7643-2.3.1-01, 7644-3.8-01
#[test]
fn strings_are_unicode_in_utf_8() {
    let client = tenant();
    let name = "Łukasz 𝒳 日本 \u{1f469}\u{200d}\u{1f680} e\u{301}";
    let made = client.create(
        "/Users",
        &user_with("a", &json!({"displayName": name, "nickName": ""})),
    );
    assert_eq!(made.body["displayName"], name);
    assert_eq!(made.body["nickName"], "", "a string may be empty");
    let read = client.get(&format!("/Users/{}", made.id())).expect(200);
    assert_eq!(read.body, made.body);
    assert!(String::from_utf8(read.bytes).is_ok());
    assert_eq!(client.users(&format!(r#"displayName eq "{name}""#)), ["a"]);
    assert_eq!(client.users(r#"displayName co "\ud835\udcb3""#), ["a"]);
    let mut broken = user("b").to_string().into_bytes();
    let place = broken.iter().position(|it| *it == b'b').expect("a letter");
    broken[place] = 0xff;
    for (method, path) in [
        ("POST", "/Users".to_owned()),
        ("PUT", format!("/Users/{}", made.id())),
    ] {
        client
            .send(method, &path, &[], Some(&broken))
            .expect_error(400, "invalidSyntax");
    }
    let latin = [("Content-Type", "application/scim+json; charset=iso-8859-1")];
    client
        .send("POST", "/Users", &latin, Some(user("c").to_string().as_bytes()))
        .expect_error(415, "");
}

/// 7643-2.3.1-02
#[test]
fn only_formats_that_the_rfc_demands_are_enforced() {
    for client in [tenant(), strict_tenant()] {
        let attributes = json!({
            "displayName": " ",
            "locale": "en_US",
            "preferredLanguage": "none of these",
            "timezone": "Mars/Olympus",
            "userType": "?",
            "emails": [{"value": "not-an-email"}],
            "phoneNumbers": [{"value": "call me"}],
            "ims": [{"value": " Foo "}],
            "addresses": [{"postalCode": "-"}],
        });
        for (way, user) in stored_each_way(&client, "/Users", &attributes) {
            for (name, value) in attributes.as_object().expect("an object") {
                assert_eq!(&user[name], value, "{way} {name}");
            }
        }
        let not_base64 = json!({"x509Certificates": [{"value": "###"}]});
        refused_each_way(&client, "/Users", &not_base64, "invalidValue");
    }
    let not_a_date = json!({STAFF: {"badgeExpires": "tomorrow"}});
    refused_each_way(&staff_tenant(), "/Users", &not_a_date, "invalidValue");
    // The country has its format in the strict setting (7643-4.1.2-12).
    let country = json!({"addresses": [{"country": "USA"}]});
    refused_each_way(&strict_tenant(), "/Users", &country, "invalidValue");
    stored_each_way(&tenant(), "/Users", &country);
}

/// 7643-2.3.1-03, 7643-7-11, 7643-4.1.2-03, 7643-4.1.2-05, 7643-4.1.2-07
#[test]
fn canonical_values_are_suggestions() {
    for client in [tenant(), strict_tenant()] {
        let schema = client.now(&format!("/Schemas/{USER}"));
        let mut names = Vec::new();
        for attribute in schema["attributes"].as_array().expect("attributes") {
            let subs = attribute["subAttributes"].as_array();
            let suggests = |sub: &Value| sub["name"] == "type" && sub.get("canonicalValues").is_some();
            if attribute["mutability"] == "readWrite" && subs.is_some_and(|it| it.iter().any(suggests)) {
                let name = attribute["name"].as_str().expect("a name");
                let value = json!([{"type": "of-my-own"}]);
                for (way, user) in stored_each_way(&client, "/Users", &json!({name: value})) {
                    assert_eq!(user[name], value, "{way} {name}");
                }
                names.push(name);
            }
        }
        names.sort_unstable();
        // The RFC has an empty list for the last two.
        let expected = [
            "addresses",
            "emails",
            "ims",
            "phoneNumbers",
            "photos",
            "roles",
            "x509Certificates",
        ];
        assert_eq!(names, expected);
    }
}

/// 7643-2.3.3-01
#[test]
fn decimals_are_json_numbers() {
    let client = staff_tenant();
    for number in ["1.5", "1", "-0.25", "1.50", "100.0"] {
        let value: Value = serde_json::from_str(number).expect("a number");
        for (way, user) in stored_each_way(&client, "/Users", &json!({STAFF: {"height": value}})) {
            assert_eq!(user[STAFF]["height"].as_f64(), value.as_f64(), "{way} {number}");
        }
    }
    let strict = strict_staff_tenant();
    for text in ["1.5", "tall", ""] {
        let height = json!({STAFF: {"height": text}});
        refused_each_way(&strict, "/Users", &height, "invalidValue");
        if text != "1.5" {
            refused_each_way(&client, "/Users", &height, "invalidValue");
        }
    }
    for (way, user) in stored_each_way(&client, "/Users", &json!({STAFF: {"height": "1.5"}})) {
        assert_eq!(user[STAFF]["height"], 1.5, "{way}");
    }
    // Digits stand on both sides of the point.
    for number in [".5", "5.", "+1.5"] {
        let body =
            format!(r#"{{"schemas":["{USER}","{STAFF}"],"userName":"b","{STAFF}":{{"height":{number}}}}}"#);
        client
            .send("POST", "/Users", &[], Some(body.as_bytes()))
            .expect_error(400, "invalidSyntax");
    }
    client.user_with("a", &json!({STAFF: {"height": 2.75}}));
    for filter in ["height eq 2.750", "height gt 2.74 and userName eq \"a\""] {
        assert_eq!(client.users(&format!("{STAFF}:{filter}")), ["a"], "{filter}");
    }
    for (path, attribute) in all_attributes(&client) {
        if attribute["type"] == "decimal" || attribute["type"] == "integer" {
            assert!(attribute.get("caseExact").is_none_or(|it| it == false), "{path}");
        }
    }
}

/// 7643-2.3.4-01
#[test]
fn integers_have_no_fraction_and_no_exponent() {
    let client = staff_tenant();
    let value = json!({STAFF: {"floor": -3, "desk": {"number": 0}}});
    let text = json!({STAFF: {"floor": "-3", "desk": {"number": "0"}}});
    for sent in [&value, &text] {
        for (way, user) in stored_each_way(&client, "/Users", sent) {
            assert_eq!(user[STAFF], value[STAFF], "{way}");
        }
    }
    let client = strict_staff_tenant();
    let path = format!("/Users/{}", client.user("a"));
    for number in ["3.5", "3e2", "3E2", "3.0", "\"3\""] {
        for extension in [
            format!(r#"{{"floor":{number}}}"#),
            format!(r#"{{"desk":{{"number":{number}}}}}"#),
        ] {
            let body = format!(r#"{{"schemas":["{USER}","{STAFF}"],"userName":"b","{STAFF}":{extension}}}"#);
            let patch = format!(
                r#"{{"schemas":["{PATCH_OP}"],"Operations":[{{"op":"add","value":{{"{STAFF}":{extension}}}}}]}}"#
            );
            for (method, path, body) in [
                ("POST", "/Users", &body),
                ("PUT", &path, &body),
                ("PATCH", &path, &patch),
            ] {
                client
                    .send(method, path, &[], Some(body.as_bytes()))
                    .expect_error(400, "invalidValue");
            }
        }
    }
    assert!(client.now(&path).get(STAFF).is_none());
}

/// 7643-2.3.5-01
#[test]
fn date_times_have_date_and_time() {
    let client = staff_tenant();
    let group = client.create("/Groups", &group("g", &[]));
    for made in [client.create("/Users", &user("a")), group] {
        for name in ["created", "lastModified"] {
            assert!(is_timestamp(&made.body["meta"][name]), "{}", made.body);
        }
    }
    for wrong in [
        "2020-01-01",
        "x",
        "",
        "2020-13-01T00:00:00Z",
        "12:00:00Z",
        "2020-02-30T00:00:00Z",
        "2020-01-01T25:00:00Z",
        "2020-01-01 00:00:00Z",
    ] {
        let badge = json!({STAFF: {"badgeExpires": wrong}});
        refused_each_way(&client, "/Users", &badge, "invalidValue");
    }
    for right in [
        "2020-01-01T00:00:00Z",
        "2020-01-01T00:00:00.25+01:00",
        "2020-01-01T00:00:00-11:30",
    ] {
        let badge = json!({STAFF: {"badgeExpires": right}});
        for (way, user) in stored_each_way(&client, "/Users", &badge) {
            assert_eq!(user[STAFF]["badgeExpires"], right, "{way}");
        }
    }
    stored_each_way(
        &client,
        "/Users",
        &json!({STAFF: {"badgeExpires": "2020-01-01T00:00:00"}}),
    );
    for filter in [
        r#"meta.created gt "x""#,
        r#"meta.lastModified eq "2020-01-01""#,
        &format!(r#"{STAFF}:badgeExpires lt "12:00:00Z""#),
    ] {
        client.refused_filter("/Users", filter);
    }
}

/// 7643-2.3.5-02
#[test]
fn date_times_are_instants() {
    let client = staff_tenant();
    client.user_with(
        "a",
        &json!({STAFF: {"badgeExpires": "2020-01-01T01:00:00+01:00"}}),
    );
    client.user_with("b", &json!({STAFF: {"badgeExpires": "2020-01-01T00:30:00Z"}}));
    for (filter, names) in [
        (r#"eq "2020-01-01T00:00:00Z""#, vec!["a"]),
        (r#"eq "2020-01-01T00:00:00.000Z""#, vec!["a"]),
        (r#"lt "2020-01-01T00:30:00Z""#, vec!["a"]),
        (r#"gt "2019-12-31T18:00:00-06:00""#, vec!["b"]),
        (r#"ge "2019-12-31T18:00:00-06:00""#, vec!["a", "b"]),
    ] {
        let filter = format!("{STAFF}:badgeExpires {filter}");
        assert_eq!(client.users(&filter), names, "{filter}");
    }
    let sorted = client
        .get(&format!("/Users?sortBy={STAFF}:badgeExpires"))
        .expect(200);
    assert_eq!(sorted.names(), ["a", "b"]);
    let made = client.create("/Users", &user("c"));
    let created = made.body["meta"]["created"]
        .as_str()
        .expect("a date")
        .trim_end_matches('Z')
        .to_owned();
    assert_eq!(
        client.users(&format!(
            r#"meta.created eq "{created}+00:00" and userName eq "c""#
        )),
        ["c"]
    );
    for (path, attribute) in all_attributes(&client) {
        if attribute["type"] == "dateTime" {
            assert!(attribute.get("caseExact").is_none_or(|it| it == false), "{path}");
            assert!(
                attribute.get("uniqueness").is_none_or(|it| it == "none"),
                "{path}"
            );
        }
    }
}

/// 7643-2.3.6-01, 7643-2.3.6-02
#[test]
fn binaries_are_base64_with_or_without_padding() {
    let client = staff_tenant();
    let certificate = |value: &str| json!({"x509Certificates": [{"value": value}]});
    let fingerprint = |value: &str| json!({STAFF: {"fingerprint": value}});
    // One digit too many, a space, and the alphabet of base64url.
    for wrong in ["###", "a", "MAAwA", "MAA wAA=", "-_-_"] {
        for attributes in [certificate(wrong), fingerprint(wrong)] {
            refused_each_way(&client, "/Users", &attributes, "invalidValue");
        }
    }
    for right in ["MAAwAA==", "MAAwAA", "+/+/"] {
        for (way, user) in stored_each_way(&client, "/Users", &certificate(right)) {
            assert_eq!(user["x509Certificates"], json!([{"value": right}]), "{way}");
        }
        for (way, user) in stored_each_way(&client, "/Users", &fingerprint(right)) {
            assert_eq!(user[STAFF]["fingerprint"], right, "{way}");
        }
    }
}

/// 7643-2.3.6-03
#[test]
fn binaries_are_case_exact_and_have_no_order() {
    let client = staff_tenant();
    client.user_with(
        "a",
        &json!({"x509Certificates": [{"value": "MAAwAA=="}], STAFF: {"fingerprint": "MAAwAA=="}}),
    );
    for path in ["x509Certificates.value", &format!("{STAFF}:fingerprint")] {
        assert_eq!(client.users(&format!(r#"{path} eq "MAAwAA==""#)), ["a"]);
        assert!(client.users(&format!(r#"{path} eq "maaWAA==""#)).is_empty());
        for operator in ["gt", "ge", "lt", "le"] {
            client.refused_filter("/Users", &format!(r#"{path} {operator} "MAAwAA==""#));
        }
    }
    let mut binaries = 0;
    for (path, attribute) in all_attributes(&client) {
        if attribute["type"] == "binary" {
            assert_eq!(attribute["caseExact"], true, "{path}");
            assert!(
                attribute.get("uniqueness").is_none_or(|it| it == "none"),
                "{path}"
            );
            binaries += 1;
        }
    }
    assert_eq!(binaries, 2);
}

/// 7643-2.3.7-01, 7643-4.1.1-08, 7643-4.1.2-08
#[test]
fn references_are_uris() {
    let client = staff_tenant();
    for wrong in ["not a uri with space", "https://x/a b", "<https://x>", "a\nb"] {
        for attributes in [
            json!({"profileUrl": wrong}),
            json!({"photos": [{"value": wrong}]}),
            json!({STAFF: {"homepage": wrong}}),
        ] {
            refused_each_way(&client, "/Users", &attributes, "invalidValue");
        }
    }
    for right in ["https://x/~a?b=%20#c", "/people/b", "../b"] {
        let attributes = json!({"profileUrl": right, "photos": [{"value": right}]});
        for (way, user) in stored_each_way(&client, "/Users", &attributes) {
            assert_eq!(user["profileUrl"], right, "{way}");
            assert_eq!(user["photos"], json!([{"value": right}]), "{way}");
        }
    }
}

/// 7643-2.3.7-02, 7643-2.4-06, 7643-2.3.7-06
#[test]
fn relative_references_are_resolved_against_the_base_url() {
    let client = tenant();
    let id = client.user("a");
    let user_url = format!("{}/Users/{id}", client.base_url);
    let without_version = client.base_url.trim_end_matches("/v2");
    for (index, reference) in [
        format!("Users/{id}"),
        format!("../Users/{id}"),
        user_url.clone(),
        // The same resource, by a URL of another version, and by one that is not in normal form.
        format!("{without_version}/Users/{id}"),
        format!(
            "{}/./Users/{}",
            client.base_url.replace("http", "HTTP"),
            id.to_uppercase()
        ),
    ]
    .iter()
    .enumerate()
    {
        let member = json!({"members": [{"$ref": reference}]});
        for (way, group) in stored_each_way(&client, "/Groups", &member) {
            let members = &group["members"];
            assert_eq!(members[0]["value"], id, "{way} {reference}");
            assert_eq!(members[0]["$ref"], user_url, "{way} {reference}");
        }
        // A group that has the member already does not get it twice.
        let path = format!("/Groups/{}", client.group(&format!("g{index}"), &[&id]));
        client
            .patch(
                &path,
                &json!([{"op": "add", "path": "members", "value": [{"$ref": reference}]}]),
            )
            .expect_success();
        assert_eq!(member_ids(&client.now(&path)), [&*id], "{reference}");
    }
    for reference in [
        format!("Users/{id}"),
        format!("../Users/{id}"),
        user_url.clone(),
        format!("{without_version}/Users/{id}"),
    ] {
        let manager = json!({ENTERPRISE: {"manager": {"$ref": reference}}});
        for (way, user) in stored_each_way(&client, "/Users", &manager) {
            let manager = &user[ENTERPRISE]["manager"];
            assert_eq!(manager["value"], id, "{way} {reference}");
            assert_eq!(manager["$ref"], user_url, "{way} {reference}");
        }
    }
}

/// 7643-2.3.7-06
#[test]
fn references_are_derived_from_the_value() {
    let client = tenant();
    let id = client.user("a");
    let user_url = json!(format!("{}/Users/{id}", client.base_url));
    // Entra sends null for `$ref`.
    for member in [
        json!({"value": id}),
        json!({"value": id, "$ref": null}),
        json!({"value": id, "$ref": ""}),
    ] {
        for (way, group) in stored_each_way(&client, "/Groups", &json!({"members": [member]})) {
            assert_eq!(group["members"][0]["$ref"], user_url, "{way} {member}");
        }
        for (way, user) in stored_each_way(&client, "/Users", &json!({ENTERPRISE: {"manager": member}})) {
            assert_eq!(user[ENTERPRISE]["manager"]["$ref"], user_url, "{way} {member}");
        }
    }
}

/// 7643-2.3.7-03
#[test]
fn references_are_case_exact() {
    let client = staff_tenant();
    client.user_with(
        "a",
        &json!({"profileUrl": "https://x", STAFF: {"homepage": "https://y"}}),
    );
    assert!(client.users(r#"profileUrl eq "HTTPS://X""#).is_empty());
    assert_eq!(client.users(r#"profileUrl eq "https://x""#), ["a"]);
    assert!(client.users(&format!(r#"{STAFF}:homepage co "Y""#)).is_empty());
    assert_eq!(client.users(&format!(r#"{STAFF}:homepage co "y""#)), ["a"]);
    for (path, attribute) in all_attributes(&client) {
        if attribute["type"] == "reference" {
            assert_eq!(attribute["caseExact"], true, "{path}");
        }
    }
}

/// 7643-2.3.7-01, 7643-2.3.7-04
#[test]
fn references_can_be_followed() {
    let client = tenant();
    let boss = client.user("boss");
    let id = client.user_with("a", &json!({ENTERPRISE: {"manager": {"value": boss}}}));
    let nested = client.group("nested", &[]);
    let group = client.group("g", &[&id, &nested]);
    let found = references(&client, &group, &id);
    assert_eq!(found.len(), 4, "{found:?}");
    let path = |reference: &String| {
        let path = reference.strip_prefix(&client.base_url);
        path.expect("an absolute URI below the base URL").to_owned()
    };
    for reference in &found {
        client.get(&path(reference)).expect(200);
    }
    for deleted in [
        format!("/Users/{boss}"),
        format!("/Users/{id}"),
        format!("/Groups/{nested}"),
        format!("/Groups/{group}"),
    ] {
        client.delete(&deleted).expect(204);
    }
    for reference in &found {
        client.get(&path(reference)).expect_error(404, "");
    }
}

/// 7643-2.3.7-05
#[test]
fn members_exist_in_the_tenant_and_managers_need_not() {
    let (client, other) = two_tenants();
    let (a, b, nested) = (client.user("a"), client.user("b"), client.group("nested", &[]));
    for id in [UNKNOWN, &other.user("a"), &other.group("g", &[]), "no-uuid"] {
        let members = json!({"members": [{"value": id}]});
        refused_each_way(&client, "/Groups", &members, "invalidValue");
    }
    let path = format!("/Groups/{}", client.group("g", &[&a, &b, &nested]));
    let answer = client.patch(
        &path,
        &json!([{"op": "add", "path": "members", "value": [{"value": UNKNOWN}]}]),
    );
    let answer = answer.expect_error(400, "invalidValue");
    assert!(
        answer.body["detail"]
            .as_str()
            .is_some_and(|it| it.contains(UNKNOWN)),
        "{}",
        answer.body
    );

    // A resource that is deleted is no member any more, and the group has a new version.
    for (deleted, left) in [
        (format!("/Users/{a}"), vec![&b, &nested]),
        (format!("/Groups/{nested}"), vec![&b]),
    ] {
        let before = client.now(&path);
        std::thread::sleep(std::time::Duration::from_millis(5));
        client.delete(&deleted).expect(204);
        let after = client.now(&path);
        assert_eq!(member_ids(&after).iter().collect::<Vec<_>>(), left);
        assert_ne!(before["meta"]["version"], after["meta"]["version"]);
        assert_ne!(before["meta"]["lastModified"], after["meta"]["lastModified"]);
    }

    let boss = client.user("boss");
    for manager in [UNKNOWN, &boss, &other.user("boss"), "no-uuid"] {
        let attributes = json!({ENTERPRISE: {"manager": {"value": manager}}});
        for (way, user) in stored_each_way(&client, "/Users", &attributes) {
            let shown = &user[ENTERPRISE]["manager"];
            assert_eq!(shown["value"], manager, "{way}");
            assert_eq!(shown.get("$ref").is_some(), manager == boss, "{way} {shown}");
        }
    }
    let path = format!(
        "/Users/{}",
        client.user_with("c", &json!({ENTERPRISE: {"manager": {"value": boss}}}))
    );
    client.delete(&format!("/Users/{boss}")).expect(204);
    assert_eq!(client.now(&path)[ENTERPRISE]["manager"], json!({"value": boss}));
}

/// 7643-2.3.8-01, 7643-3-06
#[test]
fn order_in_objects_and_in_schemas_changes_nothing() {
    let client = tenant();
    let one = format!(
        r#"{{"schemas":["{USER}","{ENTERPRISE}"],"userName":"a","name":{{"givenName":"x","familyName":"y"}},"emails":[{{"value":"v","type":"t"}}],"{ENTERPRISE}":{{"department":"d","division":"e"}}}}"#
    );
    let other = format!(
        r#"{{"{ENTERPRISE}":{{"division":"e","department":"d"}},"emails":[{{"type":"t","value":"v"}}],"name":{{"familyName":"y","givenName":"x"}},"userName":"a","schemas":["{ENTERPRISE}","{USER}"]}}"#
    );
    for (first, second) in [(&one, &other), (&other, &one)] {
        let made = client
            .send("POST", "/Users", &[], Some(first.as_bytes()))
            .expect(201);
        let path = format!("/Users/{}", made.id());
        let put = client
            .send("PUT", &path, &[], Some(second.as_bytes()))
            .expect(200);
        assert_eq!(made.body, put.body);
        assert_eq!(made.etag(), put.etag());
        assert_eq!(made.body["schemas"], json!([USER, ENTERPRISE]));
        let patch = format!(
            r#"{{"Operations":[{{"value":[{{"type":"t","value":"v"}}],"path":"emails","op":"add"}},{{"value":{{"familyName":"y","givenName":"x"}},"path":"name","op":"replace"}}],"schemas":["{PATCH_OP}"]}}"#
        );
        let patched = client
            .send("PATCH", &path, &[], Some(patch.as_bytes()))
            .expect(200);
        assert_eq!(patched.body, made.body);
        client.delete(&path).expect(204);
    }
}

/// 7643-2.3.8-02
#[test]
fn complex_attributes_have_neither_uniqueness_nor_case() {
    for (path, attribute) in all_attributes(&staff_tenant()) {
        if attribute["type"] == "complex" {
            assert!(attribute.get("uniqueness").is_none(), "{path}");
            assert!(attribute.get("caseExact").is_none(), "{path}");
        }
    }
}

/// 7643-2.3.8-03, 7643-7-05
#[test]
fn complex_values_do_not_nest() {
    let client = staff_tenant();
    for nested in [
        json!({"name": {"givenName": {"a": 1}}}),
        json!({"emails": [{"value": {"a": 1}}]}),
        json!({STAFF: {"desk": {"building": {"a": 1}}}}),
        json!({ENTERPRISE: {"manager": {"value": {"a": 1}}}}),
    ] {
        refused_each_way(&client, "/Users", &nested, "invalidValue");
    }
    let mut nesting = Vec::new();
    for (path, attribute) in all_attributes(&client) {
        let name = path.rsplit_once(':').map_or("", |(_, name)| name);
        if name.contains('.') && attribute["type"] == "complex" {
            nesting.push(path);
        }
    }
    // Only the schema of schemas nests (7643-7-05).
    assert_eq!(
        nesting,
        ["urn:ietf:params:scim:schemas:core:2.0:Schema:attributes.subAttributes"]
    );
}
