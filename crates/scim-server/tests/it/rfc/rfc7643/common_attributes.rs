//! RFC 7643 section 3.1: `id`, `externalId` and `meta`.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::documents::is_uuid;
use super::writing::stored_each_way;
use crate::rfc::client::*;
use crate::rfc::tenants::{staff_tenant, tenant, two_tenants};

const DEVICE: &str = "urn:example:params:scim:schemas:staff:2.0:Device";

/// A pause after which the clock of `meta`, which counts milliseconds, shows another time.
fn pause() {
    std::thread::sleep(Duration::from_millis(3));
}

/// The minimal bodies of a user and of a group, with their endpoints.
fn kinds(name: &str) -> [(&'static str, Value); 2] {
    [("/Users", user(name)), ("/Groups", group(name, &[]))]
}

fn with(mut body: Value, attributes: &Value) -> Value {
    for (name, value) in attributes.as_object().expect("attributes") {
        body[name] = value.clone();
    }
    body
}

/// 7643-3.1-01
#[test]
fn every_resource_has_id_and_meta() {
    let client = staff_tenant();
    for (endpoint, body) in [
        ("/Users", user("a")),
        ("/Groups", group("g", &[])),
        ("/Devices", json!({"schemas": [DEVICE], "serial": "1"})),
    ] {
        let made = client.create(endpoint, &with(body, &json!({"externalId": "x"})));
        let path = format!("{endpoint}/{}", made.id());
        let listed = client.get(endpoint).expect(200).resources()[0].clone();
        for resource in [client.now(&path), listed] {
            assert_eq!(resource["id"], made.id(), "{path}");
            assert_eq!(resource["externalId"], "x", "{path}");
            assert_eq!(
                keys(&resource["meta"]),
                ["created", "lastModified", "location", "resourceType", "version"],
                "{path}"
            );
        }
    }
    for schema in client.get("/Schemas").expect(200).resources() {
        assert!(
            schema["id"].is_string() && schema["meta"]["location"].is_string(),
            "{schema}"
        );
    }
}

/// 7643-3.1-02, 7643-3.1-07, 7643-3.1-15, 7644-3.3-01
#[test]
fn the_server_assigns_id_and_meta() {
    let client = tenant();
    let (other_user, other_group) = (client.user("other"), client.group("other", &[]));
    for ((endpoint, body), kind) in kinds("a").into_iter().zip(["User", "Group"]) {
        for wanted in ["mine", &other_user, &other_group] {
            let wrong = json!({
                "id": wanted,
                "meta": {
                    "created": "1999-01-01T00:00:00Z", "lastModified": "1999-01-01T00:00:00Z",
                    "location": "https://evil/", "version": "W/\"99\"", "resourceType": "Other",
                },
            });
            let made = client.create(endpoint, &with(body.clone(), &wrong));
            let id = made.id();
            assert_ne!(id, wanted);
            let meta = &made.body["meta"];
            assert_eq!(meta["location"], format!("{}{endpoint}/{id}", client.base_url));
            assert_eq!(meta["resourceType"], kind);
            assert_ne!(meta["version"], "W/\"99\"");
            for name in ["created", "lastModified"] {
                let time = meta[name].as_str().expect("a date");
                assert!(time > "2020", "{meta}");
            }
            let path = format!("{endpoint}/{id}");
            let put = client.put(&path, &with(body.clone(), &wrong)).expect(200);
            assert_eq!(put.body, made.body);
            client
                .patch(&path, &json!([{"op": "replace", "value": wrong}]))
                .expect_success();
            assert_eq!(client.now(&path), made.body);
            client.delete(&path).expect(204);
        }
    }
    assert_eq!(client.now(&format!("/Users/{other_user}"))["userName"], "other");
    assert_eq!(
        client.now(&format!("/Groups/{other_group}"))["displayName"],
        "other"
    );
}

/// 7643-3.1-15, 7643-3.1-16, 7643-3.1-09
#[test]
fn id_and_meta_are_read_only() {
    let client = tenant();
    for (endpoint, body) in kinds("a") {
        let made = client.create(endpoint, &body);
        let path = format!("{endpoint}/{}", made.id());
        for name in [
            "id",
            "meta",
            "meta.resourceType",
            "meta.created",
            "meta.lastModified",
            "meta.location",
            "meta.version",
        ] {
            let value = match name {
                "meta" => json!({"created": "1999-01-01T00:00:00Z"}),
                "meta.created" | "meta.lastModified" => json!("1999-01-01T00:00:00Z"),
                _ => json!("x"),
            };
            for operation in [
                json!({"op": "add", "path": name, "value": value}),
                json!({"op": "replace", "path": name, "value": value}),
                json!({"op": "remove", "path": name}),
            ] {
                client
                    .patch(&path, &json!([operation]))
                    .expect_error(400, "mutability");
            }
        }
        assert_eq!(client.now(&path), made.body);
    }
}

/// 7643-3.1-03: except `externalId`, which Microsoft's validator looks for.
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
        for common in ["id", "meta", "schemas"] {
            assert!(!names.contains(&&json!(common)), "{names:?}");
        }
        assert!(names.contains(&&json!("externalId")), "{names:?}");
    }
    // They still are as section 3.1 describes them: `id` is case-exact.
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
    for ((endpoint, body), name) in kinds("a").into_iter().zip(["userName", "displayName"]) {
        let id = client.create(endpoint, &body).id();
        let path = format!("{endpoint}/{id}");
        let change = json!([{"op": "replace", "path": "externalId", "value": "x"}]);
        for parameters in [
            format!("attributes={name}"),
            "attributes=meta".into(),
            "excludedAttributes=id".into(),
            format!("excludedAttributes=id,{name}"),
            "attributes=externalId".into(),
        ] {
            let listed = client.get(&format!("{endpoint}?{parameters}")).expect(200);
            assert_eq!(listed.resources()[0]["id"], id, "{parameters}");
            for answer in [
                client.get(&format!("{path}?{parameters}")),
                client.put(&format!("{path}?{parameters}"), &body),
                client.patch(&format!("{path}?{parameters}"), &change),
            ] {
                assert_eq!(answer.expect(200).body["id"], id, "{parameters}");
            }
            let (key, value) = parameters.split_once('=').expect("a parameter");
            let names: Vec<&str> = value.split(',').collect();
            let mut search = json!({"schemas": [SEARCH_REQUEST]});
            search[key] = json!(names);
            let found = client.post(&format!("{endpoint}/.search"), &search).expect(200);
            assert_eq!(found.resources()[0]["id"], id, "{search}");
        }
        client
            .get(&format!("{endpoint}/{}", id.to_uppercase()))
            .expect_error(404, "");
    }
    let made = client.post("/Users?excludedAttributes=id", &user("b"));
    assert!(made.expect(201).body["id"].is_string());
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
    let member = client.user("member");
    for ((endpoint, body), name) in kinds("a").into_iter().zip(["userName", "displayName"]) {
        let made = client.create(endpoint, &body);
        let path = format!("{endpoint}/{}", made.id());
        let unchanged = |after: &str| {
            let now = client.now(&path);
            assert_eq!(now["id"], made.body["id"], "{after}");
            assert_eq!(now["meta"]["created"], made.body["meta"]["created"], "{after}");
            assert_ne!(
                now["meta"]["lastModified"], made.body["meta"]["lastModified"],
                "{after}"
            );
        };
        pause();
        client
            .put(&path, &with(body.clone(), &json!({"id": "x", name: "b"})))
            .expect(200);
        unchanged("PUT");
        client
            .patch(
                &path,
                &json!([{"op": "replace", "value": {"id": "y", "externalId": "e"}}]),
            )
            .expect_success();
        unchanged("PATCH");
        if endpoint == "/Groups" {
            let add = json!([{"op": "add", "path": "members", "value": [{"value": member}]}]);
            client.patch(&path, &add).expect_success();
            unchanged("PATCH of the members");
        }
        // An id is never used again, not even for the same name.
        client.delete(&path).expect(204);
        for _ in 0..3 {
            let next = client.create(endpoint, &body).id();
            assert_ne!(next, made.id());
            client.delete(&format!("{endpoint}/{next}")).expect(204);
        }
        client.get(&path).expect_error(404, "");
    }
}

/// 7643-3.1-10, 7643-3.1-14
#[test]
fn external_id_is_the_clients_and_case_exact() {
    let client = tenant();
    for (endpoint, body) in kinds("a") {
        let made = client.create(endpoint, &with(body.clone(), &json!({"externalId": "abc"})));
        assert_eq!(made.body["externalId"], "abc");
        let path = format!("{endpoint}/{}", made.id());
        let found = |value: &str| client.found(endpoint, &format!(r#"externalId eq "{value}""#));
        assert_eq!(found("abc"), ["a"]);
        assert!(found("ABC").is_empty());
        client
            .patch(
                &path,
                &json!([{"op": "replace", "path": "externalId", "value": "ABC"}]),
            )
            .expect_success();
        assert_eq!(found("ABC"), ["a"]);
        assert!(found("abc").is_empty());
        client
            .put(&path, &with(body.clone(), &json!({"externalId": "def"})))
            .expect(200);
        assert_eq!(found("def"), ["a"]);
        client
            .patch(&path, &json!([{"op": "remove", "path": "externalId"}]))
            .expect_success();
        assert!(client.now(&path).get("externalId").is_none());
        assert!(found("def").is_empty());
    }
}

/// 7643-3.1-11, 7643-4.1.1-06
#[test]
fn no_value_is_invented() {
    let client = tenant();
    let attributes = json!({"name": {"givenName": "x", "familyName": "y"}, "emails": [{"value": "a@b"}]});
    for (way, user) in stored_each_way(&client, "/Users", &attributes) {
        assert_eq!(
            keys(&user),
            ["emails", "id", "meta", "name", "schemas", "userName"],
            "{way}"
        );
        assert_eq!(user["name"], attributes["name"], "{way}");
    }
    for (way, group) in stored_each_way(&client, "/Groups", &json!({"members": []})) {
        assert_eq!(
            keys(&group),
            ["displayName", "id", "members", "meta", "schemas"],
            "{way}"
        );
    }
    for (way, user) in stored_each_way(&client, "/Users", &json!({"displayName": " Ann  A. "})) {
        assert_eq!(user["displayName"], " Ann  A. ", "{way}");
    }
}

/// 7643-3.1-12, 7643-9.3-03, 7644-6.2-02
#[test]
fn external_ids_stay_in_their_tenant() {
    let (one, other) = two_tenants();
    for (client, name) in [(&one, "a"), (&other, "b")] {
        for (endpoint, body) in kinds(name) {
            client.create(endpoint, &with(body, &json!({"externalId": "x"})));
        }
    }
    one.user_with("only-here", &json!({"externalId": "y"}));
    for endpoint in ["/Users", "/Groups"] {
        assert_eq!(one.found(endpoint, r#"externalId eq "x""#), ["a"]);
        assert_eq!(other.found(endpoint, r#"externalId eq "x""#), ["b"]);
        for resource in other.get(endpoint).expect(200).resources() {
            assert_eq!(resource["externalId"], "x");
        }
    }
    assert!(other.users(r#"externalId eq "y""#).is_empty());
}

/// 7643-3.1-13
#[test]
fn external_ids_may_be_shared() {
    let client = tenant();
    let shared = json!({"externalId": "x"});
    for endpoint in ["/Users", "/Groups"] {
        let resources = stored_each_way(&client, endpoint, &shared);
        assert_eq!(
            client.found(endpoint, r#"externalId eq "x""#).len(),
            resources.len()
        );
    }
}

/// 7643-3.1-16
#[test]
fn meta_is_returned_by_default() {
    let client = tenant();
    for ((endpoint, body), name) in kinds("a").into_iter().zip(["userName", "displayName"]) {
        let path = format!("{endpoint}/{}", client.create(endpoint, &body).id());
        for (parameters, shown) in [
            (format!("attributes={name}"), None),
            ("excludedAttributes=meta".into(), None),
            (
                "excludedAttributes=meta.version".into(),
                Some(vec!["created", "lastModified", "location", "resourceType"]),
            ),
            ("attributes=meta.version".into(), Some(vec!["version"])),
        ] {
            let listed = client.get(&format!("{endpoint}?{parameters}")).expect(200);
            for resource in [
                client.now(&format!("{path}?{parameters}")),
                listed.resources()[0].clone(),
            ] {
                assert_eq!(resource.get("meta").map(keys), shown, "{parameters}");
            }
        }
    }
}

/// 7643-3.1-19
#[test]
fn last_modified_moves_with_changes_only() {
    let client = tenant();
    let member = client.user("member");
    for ((endpoint, body), name) in kinds("a").into_iter().zip(["userName", "displayName"]) {
        let made = client.create(endpoint, &body);
        let path = format!("{endpoint}/{}", made.id());
        assert_eq!(made.body["meta"]["created"], made.body["meta"]["lastModified"]);
        let mut before = client.now(&path)["meta"].clone();
        assert_eq!(before, made.body["meta"]);
        let replaced = with(body.clone(), &json!({"externalId": "put"}));
        let mut steps = vec![
            (
                json!([{"op": "replace", "path": name, "value": "a"}]),
                body.clone(),
                false,
            ),
            (
                json!([{"op": "add", "path": "externalId", "value": "patched"}]),
                replaced,
                true,
            ),
        ];
        if endpoint == "/Groups" {
            let members = json!([{"value": member}]);
            steps.push((
                json!([{"op": "add", "path": "members", "value": members}]),
                with(body.clone(), &json!({"members": []})),
                true,
            ));
        }
        for (operations, put, is_change) in steps {
            for by_put in [false, true] {
                pause();
                let answer = if by_put {
                    client.put(&path, &put)
                } else {
                    client.patch(&path, &operations)
                };
                let etag = answer.expect_success().etag();
                let after = client.now(&path)["meta"].clone();
                let time = |meta: &Value| meta["lastModified"].as_str().expect("a date").to_owned();
                if is_change {
                    assert!(time(&after) > time(&before), "{operations} {put} {by_put}");
                    assert_ne!(after["version"], before["version"]);
                    assert_eq!(after["version"], etag);
                } else {
                    assert_eq!(after, before, "{operations} {put} {by_put}");
                }
                before = after;
            }
        }
    }
}

/// 7643-3.1-20, 7643-3.1-21, 7643-3.1-23, 7644-3.14-01, 7644-3.14-03
#[test]
fn meta_repeats_location_and_etag() {
    let client = tenant();
    for ((endpoint, body), name) in kinds("a").into_iter().zip(["userName", "displayName"]) {
        let made = client.create(endpoint, &body);
        let path = format!("{endpoint}/{}", made.id());
        let location = format!("{}{path}", client.base_url);
        assert_eq!(made.header("Location"), Some(location.as_str()));
        let shown = format!("{path}?excludedAttributes=nothing");
        let rename = json!([{"op": "replace", "path": name, "value": "c"}]);
        for (step, answer) in [
            ("POST", made),
            ("GET", client.get(&path)),
            ("PUT", client.put(&path, &with(body, &json!({name: "b"})))),
            ("PATCH", client.patch(&shown, &rename)),
            ("GET again", client.get(&path)),
        ] {
            let meta = &answer.body["meta"];
            assert_eq!(meta["location"], location, "{step}");
            assert_eq!(meta["version"], answer.etag(), "{step}");
            assert!(
                answer.etag().starts_with("W/\"") && answer.etag().ends_with('"'),
                "{step}: {}",
                answer.etag()
            );
            for name in ["Location", "Content-Location"] {
                assert!(
                    answer.header(name).is_none_or(|it| it == location),
                    "{step} {name}"
                );
            }
        }
        let listed = client.get(endpoint).expect(200).resources()[0].clone();
        assert_eq!(listed["meta"], client.now(&path)["meta"]);
    }
}

/// 7643-3.1-22
#[test]
fn versions_are_case_exact() {
    let client = tenant();
    for (endpoint, body) in kinds("a") {
        let etag = client.create(endpoint, &body).etag();
        let quoted = etag.replace('"', "\\\"");
        let found = |value: &str| client.found(endpoint, &format!(r#"meta.version eq "{value}""#));
        assert_eq!(found(&quoted), ["a"]);
        assert!(found(&quoted.replace("W/", "w/")).is_empty());
    }
}

/// 7643-3.1-23, 9110-8.8.3-01, 9110-8.8.3-02
#[test]
fn tags_are_weak_because_one_goes_with_many_projections() {
    let client = tenant();
    for (endpoint, body) in kinds("a") {
        let path = format!("{endpoint}/{}", client.create(endpoint, &body).id());
        let whole = client.get(&path).expect(200);
        let part = client.get(&format!("{path}?attributes=externalId")).expect(200);
        assert_eq!(whole.etag(), part.etag());
        assert_ne!(whole.bytes, part.bytes);
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
}
