//! RFC 7643 sections 7 and 9.2: what the characteristics of an attribute mean.

use serde_json::json;

use super::documents::attribute;
use super::writing::stored_each_way;
use crate::rfc::client::*;
use crate::rfc::tenants::{staff_tenant, tenant};

/// 7643-7-10, 7644-3.5.1-08
#[test]
fn required_attributes_are_there_after_create_and_replace() {
    let client = staff_tenant();
    let device = "urn:example:params:scim:schemas:staff:2.0:Device";
    for (endpoint, schema, required, other) in [
        ("/Users", USER, "userName", "title"),
        ("/Groups", GROUP, "displayName", "externalId"),
        ("/Devices", device, "serial", "displayName"),
    ] {
        let made = client.create(endpoint, &json!({"schemas": [schema], required: "r"}));
        let path = format!("{endpoint}/{}", made.id());
        let published = client.now(&format!("/Schemas/{schema}"));
        assert_eq!(attribute(&published, required)["required"], true);
        for body in [
            json!({"schemas": [schema], other: "x"}),
            json!({"schemas": [schema], other: "x", required: null}),
            json!({"schemas": [schema], other: "x", required: ""}),
        ] {
            client.post(endpoint, &body).expect_error(400, "invalidValue");
            // An immutable attribute keeps its value when a PUT leaves it out.
            if attribute(&published, required)["mutability"] != "immutable" {
                client.put(&path, &body).expect_error(400, "invalidValue");
            }
        }
        client
            .patch(&path, &json!([{"op": "remove", "path": required}]))
            .expect_error(400, "mutability");
        assert_eq!(client.now(&path)[required], "r");
    }
}

/// 7643-7-12, 7644-3.4.2.2-27
#[test]
fn case_exact_governs_filters() {
    let client = staff_tenant();
    let id = client.user_with(
        "Ann",
        &json!({
            "externalId": "Ext", "emails": [{"value": "Ann@X"}], "profileUrl": "https://X",
            STAFF: {"code": "Code", "plain": "Plain", "tags": ["Tag"], "desk": {"building": "Main"}},
        }),
    );
    for filter in [
        r#"userName eq "aNN""#.to_owned(),
        r#"emails.value sw "ann@""#.into(),
        r#"externalId sw "Ex""#.into(),
        r#"profileUrl co "X""#.into(),
        r#"not (externalId eq "ext")"#.into(),
        format!(r#"{STAFF}:code eq "Code""#),
        format!(r#"{STAFF}:plain eq "pLAIN""#),
        format!(r#"{STAFF}:plain ew "AIN""#),
        format!(r#"{STAFF}:tags eq "tAG""#),
        format!(r#"{STAFF}:desk.building co "AI""#),
    ] {
        assert_eq!(client.users(&filter), ["Ann"], "{filter}");
    }
    for filter in [
        r#"externalId eq "ext""#.to_owned(),
        r#"externalId co "XT""#.into(),
        format!(r#"id eq "{}""#, id.to_uppercase()),
        r#"profileUrl eq "https://x""#.into(),
        r#"meta.version sw "w/""#.into(),
        format!(r#"{STAFF}:code eq "code""#),
        format!(r#"{STAFF}:code sw "CO""#),
        format!(r#"{STAFF}:code ew "DE""#),
        format!(r#"{STAFF}:plain ne "plain" and {STAFF}:plain pr"#),
    ] {
        assert!(client.users(&filter).is_empty(), "{filter}");
    }
}

/// 7643-7-13
#[test]
fn the_case_of_values_is_preserved() {
    let client = staff_tenant();
    let attributes = json!({
        "userName": "BoB", "displayName": "bOB", "externalId": "ExT", "emails": [{"value": "Bob@EX.com", "type": "WORK"}],
        STAFF: {"code": "CoDe", "plain": "PlAiN"},
    });
    let body = user_with("BoB", &attributes);
    let made = client.create("/Users", &body);
    let path = format!("/Users/{}", made.id());
    // A value that differs from the stored one in case only is another value.
    let lower =
        json!({"userName": "bob", "displayName": "bob", "emails": [{"value": "bob@ex.com", "type": "work"}]});
    client.put(&path, &user_with("bob", &lower)).expect(200);
    assert_eq!(client.now(&path)["userName"], "bob");
    assert_eq!(client.now(&path)["emails"], lower["emails"]);
    client.put(&path, &body).expect(200);
    let put = client.now(&path);
    client
        .patch(&path, &json!([{"op": "replace", "value": lower}]))
        .expect(200);
    assert_eq!(client.now(&path)["userName"], "bob");
    assert_eq!(client.now(&path)["displayName"], "bob");
    client
        .patch(&path, &json!([{"op": "replace", "value": attributes}]))
        .expect(200);
    for user in [made.body, put, client.now(&path)] {
        for (name, value) in attributes.as_object().expect("an object") {
            assert_eq!(&user[name], value, "{name}");
        }
    }
}

/// 7643-7-14
#[test]
fn read_only_attributes_are_the_servers() {
    let client = staff_tenant();
    let claim = json!({STAFF: {"level": 7, "plain": "x"}});
    let made = client.create("/Users", &user_with("a", &claim));
    assert_eq!(made.body[STAFF], json!({"plain": "x"}));
    let path = format!("/Users/{}", made.id());
    let put = client
        .put(
            &path,
            &user_with("a", &json!({STAFF: {"level": 8, "plain": "x"}})),
        )
        .expect(200);
    assert_eq!(put.body[STAFF], json!({"plain": "x"}));
    // Without a path, a PATCH leaves read-only attributes out (A-13); by name it is refused.
    client
        .patch(&path, &json!([{"op": "add", "value": claim}]))
        .expect(200);
    for op in ["add", "replace", "remove"] {
        let operation = json!([{"op": op, "path": format!("{STAFF}:level"), "value": 9}]);
        client.patch(&path, &operation).expect_error(400, "mutability");
    }
    assert_eq!(client.now(&path)[STAFF], json!({"plain": "x"}));
}

/// 7643-7-15
#[test]
fn read_write_attributes_can_be_changed_any_time() {
    let client = tenant();
    let path = format!("/Users/{}", client.user("a"));
    for (title, op) in [("one", "add"), ("two", "replace"), ("three", "add")] {
        client
            .patch(&path, &json!([{"op": op, "path": "title", "value": title}]))
            .expect(200);
        assert_eq!(client.now(&path)["title"], title);
    }
    for title in ["four", "five"] {
        client
            .put(&path, &user_with("a", &json!({"title": title})))
            .expect(200);
        assert_eq!(client.now(&path)["title"], title);
    }
    client
        .patch(&path, &json!([{"op": "remove", "path": "title"}]))
        .expect(200);
    assert!(client.now(&path).get("title").is_none());
    let path = format!("/Groups/{}", client.group("one", &[]));
    client
        .patch(
            &path,
            &json!([{"op": "replace", "path": "displayName", "value": "two"}]),
        )
        .expect_success();
    assert_eq!(client.now(&path)["displayName"], "two");
}

/// 7643-7-16, 7644-3.5.1-06, 7644-3.5.2-10
#[test]
fn immutable_attributes_are_set_once() {
    let client = staff_tenant();
    let with = |place: &str| user_with("a", &json!({STAFF: {"birthplace": place}}));
    let path = format!("/Users/{}", client.create("/Users", &with("Ulm")).id());
    client.put(&path, &with("Bonn")).expect_error(400, "mutability");
    assert_eq!(
        client.put(&path, &with("Ulm")).expect(200).body[STAFF]["birthplace"],
        "Ulm"
    );
    // A PUT that does not name it leaves it as it is.
    client.put(&path, &user("a")).expect(200);
    assert_eq!(client.now(&path)[STAFF]["birthplace"], "Ulm");
    let attribute = format!("{STAFF}:birthplace");
    for operation in [
        json!({"op": "replace", "path": attribute, "value": "Bonn"}),
        json!({"op": "add", "path": attribute, "value": "Bonn"}),
        json!({"op": "remove", "path": attribute}),
        json!({"op": "replace", "path": attribute, "value": null}),
        json!({"op": "replace", "value": {STAFF: {"birthplace": "Bonn"}}}),
        json!({"op": "replace", "value": {&attribute: "Bonn"}}),
    ] {
        client
            .patch(&path, &json!([operation]))
            .expect_error(400, "mutability");
    }
    assert_eq!(client.now(&path)[STAFF]["birthplace"], "Ulm");
    let unset = format!("/Users/{}", client.user("b"));
    client
        .patch(
            &unset,
            &json!([{"op": "add", "path": attribute, "value": "Bonn"}]),
        )
        .expect(200);
    assert_eq!(client.now(&unset)[STAFF]["birthplace"], "Bonn");
    let put = format!("/Users/{}", client.user("c"));
    let body = user_with("c", &json!({STAFF: {"birthplace": "Köln"}}));
    assert_eq!(
        client.put(&put, &body).expect(200).body[STAFF]["birthplace"],
        "Köln"
    );
}

/// 7643-7-18
#[test]
fn always_returned_attributes_cannot_be_left_out() {
    let client = staff_tenant();
    let body = user_with("a", &json!({"title": "t", STAFF: {"grade": "g", "plain": "p"}}));
    let path = format!("/Users/{}", client.create("/Users", &body).id());
    let change = json!([{"op": "replace", "path": "title", "value": "t"}]);
    for parameters in [
        "attributes=title".to_owned(),
        format!("attributes={STAFF}:grade"),
        format!("excludedAttributes={STAFF}"),
        format!("excludedAttributes={STAFF}:grade,{STAFF}:plain"),
    ] {
        let shown = format!("{path}?{parameters}");
        for user in [
            client.now(&shown),
            client.put(&shown, &body).expect(200).body,
            client.patch(&shown, &change).expect(200).body,
            client.get(&format!("/Users?{parameters}")).resources()[0].clone(),
        ] {
            assert_eq!(user[STAFF], json!({"grade": "g"}), "{parameters}");
        }
    }
}

/// 7643-7-20
#[test]
fn default_attributes_are_returned_unless_others_are_named() {
    let client = tenant();
    let body = user_with("a", &json!({"title": "t", "name": {"givenName": "g"}}));
    let path = format!("/Users/{}", client.user("a"));
    let change = json!([{"op": "replace", "path": "title", "value": "t"}]);
    for (parameters, shows_title) in [
        ("", true),
        ("?attributes=userName", false),
        ("?attributes=name", false),
        ("?attributes=title", true),
        ("?excludedAttributes=title", false),
        ("?excludedAttributes=name", true),
    ] {
        let shown = format!("{path}{parameters}");
        for user in [
            client.put(&shown, &body).expect(200).body,
            client.patch(&shown, &change).expect(200).body,
            client.now(&shown),
            client.get(&format!("/Users{parameters}")).resources()[0].clone(),
        ] {
            let title = user.get("title").map(|it| it.as_str());
            assert_eq!(title, shows_title.then_some(Some("t")), "{parameters}");
        }
    }
    let made = client.create(
        "/Users?attributes=userName",
        &user_with("b", &json!({"title": "t"})),
    );
    assert_eq!(keys(&made.body), ["id", "schemas", "userName"]);
}

/// 7643-7-21
#[test]
fn attributes_on_request_are_returned_when_asked_for_or_sent() {
    let client = staff_tenant();
    let everything = json!({"notes": "n", "plain": "p", "desk": {"building": "b", "key": "k"}});
    let by_default = json!({"plain": "p", "desk": {"building": "b"}});
    let body = user_with("a", &json!({STAFF: everything}));
    // The client sent them, so the answer to the write has them, and no other answer does.
    let made = client.create("/Users", &body);
    assert_eq!(made.body[STAFF], everything);
    let path = format!("/Users/{}", made.id());
    let stored = |step: &str| {
        assert_eq!(client.now(&path)[STAFF], by_default, "{step}");
        let listed = client.get("/Users").expect(200);
        assert_eq!(listed.resources()[0][STAFF], by_default, "{step}");
    };
    stored("POST");
    assert_eq!(client.put(&path, &body).expect(200).body[STAFF], everything);
    stored("PUT");
    let without_path = json!([{"op": "replace", "value": {STAFF: {"notes": "n", "desk": {"key": "k"}}}}]);
    let by_name = json!([
        {"op": "replace", "path": format!("{STAFF}:notes"), "value": "n"},
        {"op": "replace", "path": format!("{STAFF}:desk.key"), "value": "k"},
    ]);
    for operations in [without_path, by_name] {
        let patched = client.patch(&path, &operations).expect(200);
        assert_eq!(patched.body[STAFF], everything, "{operations}");
        stored("PATCH");
    }
    // A write that names only one of them shows only that one.
    let notes = json!([{"op": "replace", "path": format!("{STAFF}:notes"), "value": "n"}]);
    let patched = client.patch(&path, &notes).expect(200);
    assert_eq!(
        patched.body[STAFF],
        json!({"notes": "n", "plain": "p", "desk": {"building": "b"}})
    );
    let other = json!([{"op": "replace", "path": "title", "value": "t"}]);
    assert_eq!(client.patch(&path, &other).expect(200).body[STAFF], by_default);

    // A query returns them when it names them.
    for (attribute, shown) in [
        (format!("{STAFF}:notes"), json!({"notes": "n"})),
        (format!("{STAFF}:desk.key"), json!({"desk": {"key": "k"}})),
        (STAFF.to_owned(), everything.clone()),
    ] {
        let search = json!({"schemas": [SEARCH_REQUEST], "attributes": [attribute]});
        for user in [
            client.now(&format!("{path}?attributes={attribute}")),
            client.get(&format!("/Users?attributes={attribute}")).resources()[0].clone(),
            client.post("/Users/.search", &search).resources()[0].clone(),
        ] {
            assert_eq!(user[STAFF], shown, "{attribute}");
        }
    }
    let excluded = client.now(&format!("{path}?excludedAttributes=title"));
    assert_eq!(excluded[STAFF], by_default);

    // A PUT that leaves them out shows nothing of them, in its answer or later.
    let plain = user_with("a", &json!({STAFF: {"plain": "p"}}));
    let put = client.put(&path, &plain).expect(200);
    assert_eq!(put.body[STAFF], json!({"plain": "p"}));
}

/// 7643-7-22, 7644-3.5.1-10
#[test]
fn a_taken_user_name_is_a_conflict_for_put_and_patch_too() {
    let client = staff_tenant();
    client.user("a");
    let path = format!("/Users/{}", client.user("b"));
    client.put(&path, &user("A")).expect_error(409, "uniqueness");
    for operation in [
        json!({"op": "replace", "path": "userName", "value": "a"}),
        json!({"op": "replace", "value": {"userName": "A"}}),
    ] {
        client
            .patch(&path, &json!([operation]))
            .expect_error(409, "uniqueness");
    }
    client.post("/Users", &user("A")).expect_error(409, "uniqueness");
    assert_eq!(client.now(&path)["userName"], "b");
    // Its own name is not taken by another.
    assert_eq!(client.put(&path, &user("B")).expect(200).body["userName"], "B");
    let device = json!({"schemas": ["urn:example:params:scim:schemas:staff:2.0:Device"], "serial": "1"});
    client.create("/Devices", &device);
    client.post("/Devices", &device).expect_error(409, "uniqueness");
}

/// 7643-7-23
#[test]
fn one_of_many_racing_writers_gets_a_unique_value() {
    const RACERS: usize = 8;
    let client = tenant();
    let race = |write: &(dyn Fn(usize) -> u16 + Sync)| {
        let mut statuses: Vec<u16> = std::thread::scope(|scope| {
            let racers: Vec<_> = (0..RACERS)
                .map(|index| scope.spawn(move || write(index)))
                .collect();
            racers
                .into_iter()
                .map(|it| it.join().expect("no panic"))
                .collect()
        });
        statuses.sort_unstable();
        statuses
    };
    let expected = |success: u16| {
        let mut statuses = vec![409; RACERS];
        statuses[0] = success;
        statuses
    };
    assert_eq!(
        race(&|_| client.post("/Users", &user("one")).status),
        expected(201)
    );
    assert_eq!(client.users(r#"userName eq "one""#), ["one"]);
    let paths: Vec<String> = (0..RACERS)
        .map(|index| format!("/Users/{}", client.user(&format!("u{index}"))))
        .collect();
    let rename = json!([{"op": "replace", "path": "userName", "value": "two"}]);
    assert_eq!(
        race(&|index| client.patch(&paths[index], &rename).status),
        expected(200)
    );
    assert_eq!(client.users(r#"userName eq "two""#), ["two"]);
    assert_eq!(
        race(&|index| client.put(&paths[index], &user("three")).status),
        expected(200)
    );
    assert_eq!(client.users(r#"userName eq "three""#), ["three"]);
}

/// 7643-9.2-02
#[test]
fn quotes_and_wildcards_are_data() {
    let client = tenant();
    client.user("a");
    client.user("100%");
    client.user("o'x\"_\\");
    for filter in [
        r#"userName eq "' or 1=1 --""#,
        r#"userName co "_a""#,
        r#"userName eq "%""#,
        r#"userName sw "\u0025""#,
        r#"emails[value eq "' or ''='"]"#,
        r#"externalId eq "x' or 'a'='a""#,
    ] {
        assert!(client.users(filter).is_empty(), "{filter}");
    }
    assert_eq!(client.users(r#"userName co "%""#), ["100%"]);
    assert_eq!(client.users(r#"userName co "'""#), ["o'x\"_\\"]);
    assert_eq!(client.users(r#"userName ew "\"_\\""#), ["o'x\"_\\"]);
    let hostile = "x'); DROP TABLE users; --\" %_\\";
    let attributes = json!({"displayName": hostile, "externalId": hostile, "emails": [{"value": hostile}]});
    for (way, user) in stored_each_way(&client, "/Users", &attributes) {
        for (name, value) in attributes.as_object().expect("an object") {
            assert_eq!(&user[name], value, "{way} {name}");
        }
    }
    let quoted = json!(hostile).to_string();
    for name in ["displayName", "externalId", "emails.value"] {
        assert_eq!(client.users(&format!("{name} eq {quoted}")).len(), 4, "{name}");
    }
    let group = client.group(hostile, &[]);
    let found = client.found("/Groups", &format!("displayName eq {quoted}"));
    assert_eq!(found, [hostile]);
    client
        .get(&format!("/Groups/{}", encode(&format!("{group}' or '1'='1"))))
        .expect_error(404, "");
}
