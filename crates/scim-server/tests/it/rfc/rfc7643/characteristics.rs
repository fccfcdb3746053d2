//! RFC 7643 sections 7 and 9.2: what the characteristics of an attribute mean.

use serde_json::json;

use crate::rfc::client::*;
use crate::rfc::tenants::{staff_tenant, tenant};

/// 7643-7-10, 7644-3.5.1-08
#[test]
fn required_attributes_are_there_after_create_and_replace() {
    let client = tenant();
    client
        .post("/Users", &json!({"schemas": [USER], "title": "t"}))
        .expect_error(400, "invalidValue");
    let path = format!("/Users/{}", client.user("a"));
    client
        .put(&path, &json!({"schemas": [USER], "title": "t"}))
        .expect_error(400, "invalidValue");
    let path = format!("/Groups/{}", client.group("g", &[]));
    client
        .put(&path, &json!({"schemas": [GROUP]}))
        .expect_error(400, "invalidValue");
}

/// 7643-7-12, 7644-3.4.2.2-27
#[test]
fn case_exact_governs_filters() {
    let client = tenant();
    let id = client.user_with(
        "Ann",
        &json!({"externalId": "Ext", "emails": [{"value": "Ann@X"}], "profileUrl": "https://X"}),
    );
    for filter in [
        r#"userName eq "aNN""#,
        r#"emails.value sw "ann@""#,
        r#"externalId sw "Ex""#,
        r#"profileUrl co "X""#,
    ] {
        assert_eq!(client.users(filter), ["Ann"], "{filter}");
    }
    for filter in [
        r#"externalId eq "ext""#.to_owned(),
        r#"externalId co "XT""#.into(),
        format!(r#"id eq "{}""#, id.to_uppercase()),
        r#"profileUrl eq "https://x""#.into(),
        r#"meta.version sw "w/""#.into(),
    ] {
        assert!(client.users(&filter).is_empty(), "{filter}");
    }
}

/// 7643-7-14
#[test]
fn read_only_attributes_are_the_servers() {
    let client = staff_tenant();
    let made = client.create(
        "/Users",
        &user_with("a", &json!({STAFF: {"level": 7, "plain": "x"}})),
    );
    assert_eq!(made.body[STAFF], json!({"plain": "x"}));
    let path = format!("/Users/{}", made.id());
    let put = client
        .put(
            &path,
            &user_with("a", &json!({STAFF: {"level": 8, "plain": "x"}})),
        )
        .expect(200);
    assert_eq!(put.body[STAFF], json!({"plain": "x"}));
    let operation = json!([{"op": "replace", "path": format!("{STAFF}:level"), "value": 9}]);
    client.patch(&path, &operation).expect_error(400, "mutability");
}

/// 7643-7-15
#[test]
fn read_write_attributes_can_be_changed_any_time() {
    let client = tenant();
    let path = format!("/Users/{}", client.user("a"));
    for title in ["one", "two"] {
        client
            .patch(
                &path,
                &json!([{"op": "replace", "path": "title", "value": title}]),
            )
            .expect(200);
        assert_eq!(client.now(&path)["title"], title);
    }
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
    let attribute = format!("{STAFF}:birthplace");
    for (op, value) in [("replace", "Bonn"), ("add", "Bonn")] {
        client
            .patch(&path, &json!([{"op": op, "path": attribute, "value": value}]))
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

/// 7643-7-20
#[test]
fn default_attributes_are_returned_unless_others_are_named() {
    let client = tenant();
    let path = format!("/Users/{}", client.user_with("a", &json!({"title": "t"})));
    assert_eq!(client.now(&path)["title"], "t");
    assert!(
        client
            .now(&format!("{path}?attributes=userName"))
            .get("title")
            .is_none()
    );
    assert!(
        client
            .now(&format!("{path}?excludedAttributes=title"))
            .get("title")
            .is_none()
    );
}

/// 7643-7-21
#[test]
fn attributes_on_request_come_on_request() {
    let client = staff_tenant();
    let body = user_with(
        "a",
        &json!({STAFF: {"notes": "n", "desk": {"building": "b", "key": "k"}}}),
    );
    let made = client.create("/Users", &body);
    // The client sent them, so the answer has them.
    assert_eq!(made.body[STAFF]["notes"], "n");
    let path = format!("/Users/{}", made.id());
    assert_eq!(client.now(&path)[STAFF], json!({"desk": {"building": "b"}}));
    assert_eq!(
        client.now(&format!("{path}?attributes={STAFF}:notes"))[STAFF],
        json!({"notes": "n"})
    );
    let patched = client
        .patch(&path, &json!([{"op": "replace", "path": "title", "value": "t"}]))
        .expect(200);
    assert!(patched.body[STAFF].get("notes").is_none(), "{}", patched.body);
    let listed = client.get("/Users").expect(200);
    assert!(listed.resources()[0][STAFF].get("notes").is_none());
}

/// 7643-7-22, 7644-3.5.1-10
#[test]
fn a_taken_user_name_is_a_conflict_for_put_and_patch_too() {
    let client = tenant();
    client.user("a");
    let path = format!("/Users/{}", client.user("b"));
    client.put(&path, &user("A")).expect_error(409, "uniqueness");
    client
        .patch(
            &path,
            &json!([{"op": "replace", "path": "userName", "value": "a"}]),
        )
        .expect_error(409, "uniqueness");
    assert_eq!(client.now(&path)["userName"], "b");
    // Its own name is nobody else's.
    assert_eq!(client.put(&path, &user("B")).expect(200).body["userName"], "B");
}

/// 7643-7-23
#[test]
fn one_of_many_racing_creates_wins() {
    let client = tenant();
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let racers: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| client.post("/Users", &user("one")).status))
            .collect();
        racers
            .into_iter()
            .map(|it| it.join().expect("no panic"))
            .collect()
    });
    assert_eq!(
        statuses.iter().filter(|it| **it == 201).count(),
        1,
        "{statuses:?}"
    );
    assert_eq!(
        statuses.iter().filter(|it| **it == 409).count(),
        7,
        "{statuses:?}"
    );
    assert_eq!(client.users(r#"userName eq "one""#).len(), 1);
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
    ] {
        assert!(client.users(filter).is_empty(), "{filter}");
    }
    assert_eq!(client.users(r#"userName co "%""#), ["100%"]);
    assert_eq!(client.users(r#"userName co "'""#), ["o'x\"_\\"]);
    assert_eq!(client.users(r#"userName ew "\"_\\""#), ["o'x\"_\\"]);
}
