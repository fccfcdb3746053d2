//! RFC 7643 section 3.1: `id`, `externalId` and `meta`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::documents::is_uuid;
use crate::rfc::client::*;
use crate::rfc::tenants::{tenant, two_tenants};

/// 7643-3.1-01
#[test]
fn every_resource_has_id_and_meta() {
    let client = tenant();
    let user = client.user("a");
    let group = client.group("g", &[]);
    for path in [
        format!("/Users/{user}"),
        format!("/Groups/{group}"),
        format!("/Schemas/{USER}"),
    ] {
        let resource = client.now(&path);
        assert!(
            resource["id"].is_string() && resource["meta"]["location"].is_string(),
            "{path}: {resource}"
        );
    }
}

/// 7643-3.1-02, 7643-3.1-07, 7643-3.1-15, 7644-3.3-01
#[test]
fn the_server_assigns_id_and_meta() {
    let client = tenant();
    let group = client.group("g", &[]);
    let attributes = json!({
        "id": "mine",
        "meta": {"created": "1999-01-01T00:00:00Z", "location": "https://evil/", "version": "W/\"99\"", "resourceType": "Group"},
        "groups": [{"value": group}],
    });
    let made = client.create("/Users", &user_with("a", &attributes));
    let id = made.id();
    assert_ne!(id, "mine");
    let meta = &made.body["meta"];
    assert_eq!(meta["location"], format!("{}/Users/{id}", client.base_url));
    assert_eq!(meta["resourceType"], "User");
    assert!(!meta["created"].as_str().expect("a date").starts_with("1999"));
    assert_ne!(meta["version"], "W/\"99\"");
    assert!(made.body.get("groups").is_none());
    let put = client
        .put(&format!("/Users/{id}"), &user_with("a", &attributes))
        .expect(200);
    assert_eq!(put.body, made.body);
}

/// 7643-3.1-03
#[test]
fn common_attributes_are_not_listed_in_schemas() {
    let client = tenant();
    for id in [USER, GROUP] {
        let schema = client.now(&format!("/Schemas/{id}"));
        let names: Vec<&Value> = schema["attributes"]
            .as_array()
            .expect("attributes")
            .iter()
            .map(|it| &it["name"])
            .collect();
        assert!(
            !names
                .iter()
                .any(|it| ["id", "meta", "schemas", "externalId"].contains(&it.as_str().unwrap_or_default())),
            "{names:?}"
        );
    }
    // They are what section 3.1 says all the same: `id` is case-exact.
    let user = client.user("a");
    assert!(
        client
            .users(&format!(r#"id eq "{}""#, user.to_uppercase()))
            .is_empty()
    );
}

/// 7643-3.1-04, 7643-7-18, 7643-3.1-09
#[test]
fn id_is_always_returned() {
    let client = tenant();
    let id = client.user("a");
    for parameters in [
        "attributes=userName",
        "excludedAttributes=id",
        "attributes=title",
        "excludedAttributes=id,userName",
    ] {
        let answer = client.get(&format!("/Users?{parameters}")).expect(200);
        assert_eq!(answer.resources()[0]["id"], id, "{parameters}");
        assert_eq!(
            client.now(&format!("/Users/{id}?{parameters}"))["id"],
            id,
            "{parameters}"
        );
    }
    client
        .get(&format!("/Users/{}", id.to_uppercase()))
        .expect_error(404, "");
    client
        .patch(
            &format!("/Users/{id}"),
            &json!([{"op": "replace", "path": "id", "value": "x"}]),
        )
        .expect_error(400, "mutability");
}

/// 7643-3.1-05, 7643-3.1-08, 7643-9.3-02, 7644-6.2-01, 7644-3.7.2-01
#[test]
fn ids_are_unique_over_types_and_tenants() {
    let (one, other) = two_tenants();
    let mut ids = BTreeSet::new();
    for index in 0..25 {
        for client in [&one, &other] {
            ids.insert(client.user(&format!("u{index}")));
            ids.insert(client.group(&format!("g{index}"), &[]));
        }
    }
    assert_eq!(ids.len(), 100);
    assert!(ids.iter().all(|id| is_uuid(id) && !id.contains("bulkId")));
}

/// 7643-3.1-06, 7643-3.1-18
#[test]
fn id_and_created_never_change() {
    let client = tenant();
    let made = client.create("/Users", &user("a"));
    let path = format!("/Users/{}", made.id());
    let put = client
        .put(&path, &user_with("b", &json!({"id": "x"})))
        .expect(200);
    let patched = client
        .patch(
            &path,
            &json!([{"op": "replace", "value": {"id": "y", "title": "t"}}]),
        )
        .expect(200);
    for answer in [&put, &patched] {
        assert_eq!(answer.body["id"], made.body["id"]);
        assert_eq!(answer.body["meta"]["created"], made.body["meta"]["created"]);
    }
    client.delete(&path).expect(204);
    assert_ne!(client.user("b"), made.id());
}

/// 7643-3.1-10, 7643-3.1-14
#[test]
fn external_id_is_the_clients_and_case_exact() {
    let client = tenant();
    let path = format!("/Users/{}", client.user_with("a", &json!({"externalId": "abc"})));
    assert_eq!(client.users(r#"externalId eq "abc""#), ["a"]);
    assert!(client.users(r#"externalId eq "ABC""#).is_empty());
    client
        .patch(
            &path,
            &json!([{"op": "replace", "path": "externalId", "value": "ABC"}]),
        )
        .expect(200);
    assert_eq!(client.users(r#"externalId eq "ABC""#), ["a"]);
}

/// 7643-3.1-11, 7643-4.1.1-04, 7643-4.1.1-06
#[test]
fn nothing_is_invented() {
    let client = tenant();
    let made = client.create(
        "/Users",
        &user_with("a", &json!({"name": {"givenName": "x", "familyName": "y"}})),
    );
    assert_eq!(keys(&made.body), ["id", "meta", "name", "schemas", "userName"]);
    assert_eq!(made.body["name"], json!({"givenName": "x", "familyName": "y"}));
}

/// 7643-3.1-12, 7643-9.3-03, 7644-6.2-02
#[test]
fn external_ids_stay_in_their_tenant() {
    let (one, other) = two_tenants();
    one.user_with("a", &json!({"externalId": "x"}));
    other.user_with("b", &json!({"externalId": "x"}));
    assert_eq!(one.users(r#"externalId eq "x""#), ["a"]);
    assert_eq!(other.users(r#"externalId eq "x""#), ["b"]);
}

/// 7643-3.1-13
#[test]
fn external_ids_may_be_shared() {
    let client = tenant();
    client.user_with("a", &json!({"externalId": "x"}));
    client.user_with("b", &json!({"externalId": "x"}));
    assert_eq!(client.users(r#"externalId eq "x""#), ["a", "b"]);
}

/// 7643-3.1-16
#[test]
fn meta_is_returned_by_default() {
    let client = tenant();
    let path = format!("/Users/{}", client.user("a"));
    assert!(
        client
            .now(&format!("{path}?attributes=userName"))
            .get("meta")
            .is_none()
    );
    let without = client.now(&format!("{path}?excludedAttributes=meta.version"));
    assert_eq!(
        keys(&without["meta"]),
        ["created", "lastModified", "location", "resourceType"]
    );
    assert_eq!(
        keys(&client.now(&format!("{path}?attributes=meta.version"))["meta"]),
        ["version"]
    );
}

/// 7643-3.1-19
#[test]
fn last_modified_moves_with_changes_only() {
    let client = tenant();
    let made = client.create("/Users", &user("a"));
    let path = format!("/Users/{}", made.id());
    assert_eq!(made.body["meta"]["created"], made.body["meta"]["lastModified"]);
    std::thread::sleep(std::time::Duration::from_millis(5));
    let same = client
        .patch(
            &path,
            &json!([{"op": "replace", "path": "userName", "value": "a"}]),
        )
        .expect(200);
    assert_eq!(same.body["meta"], made.body["meta"]);
    assert_eq!(
        client.put(&path, &user("a")).expect(200).body["meta"],
        made.body["meta"]
    );
    let changed = client
        .patch(&path, &json!([{"op": "add", "path": "title", "value": "t"}]))
        .expect(200);
    let time = |answer: &Answer| {
        answer.body["meta"]["lastModified"]
            .as_str()
            .expect("a date")
            .to_owned()
    };
    assert!(time(&changed) > time(&made));
    assert_ne!(changed.etag(), made.etag());
}

/// 7643-3.1-20, 7643-3.1-21, 7644-3.14-01, 7644-3.14-03
#[test]
fn meta_repeats_location_and_etag() {
    let client = tenant();
    let made = client.create("/Users", &user("a"));
    let location = format!("{}/Users/{}", client.base_url, made.id());
    let read = client.get(&format!("/Users/{}", made.id())).expect(200);
    for answer in [&made, &read] {
        assert_eq!(answer.body["meta"]["location"], location);
        assert_eq!(answer.body["meta"]["version"], answer.etag());
        for name in ["Location", "Content-Location"] {
            assert!(answer.header(name).is_none_or(|it| it == location), "{name}");
        }
    }
    assert_eq!(made.header("Location"), Some(location.as_str()));
}

/// 7643-3.1-22
#[test]
fn versions_are_case_exact() {
    let client = tenant();
    let etag = client.create("/Users", &user("a")).etag();
    let quoted = etag.replace('"', "\\\"");
    assert_eq!(client.users(&format!(r#"meta.version eq "{quoted}""#)), ["a"]);
    assert!(
        client
            .users(&format!(r#"meta.version eq "{}""#, quoted.replace("W/", "w/")))
            .is_empty()
    );
}

/// 7643-3.1-23, 9110-8.8.3-01, 9110-8.8.3-02
#[test]
fn tags_are_weak_because_one_goes_with_many_projections() {
    let client = tenant();
    let id = client.user("a");
    let whole = client.get(&format!("/Users/{id}")).expect(200);
    let part = client
        .get(&format!("/Users/{id}?attributes=userName"))
        .expect(200);
    assert_eq!(whole.etag(), part.etag());
    let tag = whole.etag();
    let opaque = tag
        .strip_prefix("W/\"")
        .and_then(|it| it.strip_suffix('"'))
        .expect("a weak tag");
    assert!(
        !opaque.is_empty()
            && opaque
                .bytes()
                .all(|it| it.is_ascii_graphic() && it != b'"' && it != b'\\'),
        "{tag}"
    );
}
