//! Users: create, read, replace and delete.

use scim_server::service::Leniency;
use serde_json::{Value, json};

use crate::harness::{BASE, Choice, ENTERPRISE, Server, USER, encode, on_each};

/// 7644-3.3-04, 7644-3.3-05, 7644-3.3-06, 7643-3.1-02, 7643-3.1-19, 7643-3.1-20, 7643-3.1-21
#[test]
fn a_create_returns_the_user_and_its_location() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let sent = json!({ "schemas": [USER], "userName": "bjensen", "name": { "givenName": "Barbara" } });
    let reply = acme.post("/Users", sent).expect(201);
    let user = reply.json();
    let location = format!("{BASE}/Users/{}", user["id"].as_str().unwrap());
    assert_eq!(reply.header("location"), Some(location.as_str()));
    assert_eq!(reply.header("etag"), Some(r#"W/"1""#));
    assert_eq!(reply.header("content-type"), Some("application/scim+json"));
    let meta = &user["meta"];
    assert_eq!(meta["location"], json!(location));
    assert_eq!(meta["version"], json!(r#"W/"1""#));
    assert_eq!(meta["resourceType"], json!("User"));
    assert_eq!(meta["created"], meta["lastModified"]);
    let names: Vec<&String> = user.as_object().unwrap().keys().collect();
    assert_eq!(names, ["schemas", "id", "userName", "name", "meta"]);
}

/// 7644-3.3-01, 7643-3.1-07, 7643-3.1-15, 7644-3.1-07
#[test]
fn read_only_attributes_are_ignored() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let user = acme.create(
        "/Users",
        json!({
            "userName": "bjensen",
            "id": "mine",
            "meta": { "created": "1999-01-01T00:00:00Z", "resourceType": "Group", "version": "7" },
            "groups": [{ "value": "0190a0a0-0000-7000-8000-000000000000" }],
        }),
    );
    assert_ne!(user.id, "mine");
    assert_eq!(user.json["meta"]["resourceType"], json!("User"));
    assert_ne!(user.json["meta"]["created"], json!("1999-01-01T00:00:00Z"));
    assert_eq!(user.json.get("groups"), None);
}

/// 7644-3.4.1-01, 7643-3.1-20, 7644-3.9-01
#[test]
fn a_get_returns_the_created_user() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let user = acme.create_user("bjensen");
    let reply = acme.get(&user.path).expect(200);
    assert_eq!(reply.json(), user.json);
    assert_eq!(reply.header("etag"), Some(user.etag.as_str()));
    assert_eq!(
        reply.header("content-location"),
        user.json["meta"]["location"].as_str()
    );
}

/// 7644-3.4.1-02, 7644-3.4.1-03, 7643-3.1-09, A-74
#[test]
fn anything_but_the_id_of_a_user_is_not_found() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let user = acme.create("/Users", json!({ "userName": "bjensen", "externalId": "ext" }));
    let group = acme.create_group("Tour Guides", &[]);
    let mut others = vec![
        "bjensen",
        "ext",
        "0",
        "not-a-uuid",
        "%00",
        "%0d%0aSet-Cookie:%20x=1",
        "..%2fUsers",
    ];
    let upper = user.id.to_uppercase();
    let compact = user.id.replace('-', "");
    others.extend([group.id.as_str(), &upper, &compact]);
    let unknown = acme
        .get("/Users/0190a0a0-0000-7000-8000-000000000000")
        .expect_error(404, None);
    for other in others {
        let reply = acme.get(&format!("/Users/{other}")).expect_error(404, None);
        assert_eq!(reply.text, unknown.text, "{other}");
    }
}

/// 7643-4.1.1-02, 7643-4.1.1-03, 7644-3.3-07, 7644-3.5.1-10, 7644-5-01, A-16, A-49
#[test]
fn user_names_are_unique_in_a_tenant_ignoring_case() {
    let server = Server::start();
    let (acme, other) = (server.tenant("acme"), server.tenant("other"));
    acme.create_user("Bob");
    for taken in ["Bob", "bob", "ＢＯＢ"] {
        acme.post("/Users", json!({ "schemas": [USER], "userName": taken }))
            .expect_error(409, Some("uniqueness"));
    }
    other.create_user("bob");
    let user = acme.create_user("é");
    acme.post("/Users", json!({ "schemas": [USER], "userName": "e\u{301}" }))
        .expect_error(409, Some("uniqueness"));
    let renamed = json!({ "schemas": [USER], "userName": "BOB" });
    acme.put(&user.path, renamed)
        .expect_error(409, Some("uniqueness"));
    let rename = json!([{ "op": "replace", "path": "userName", "value": "boB" }]);
    acme.patch(&user.path, rename)
        .expect_error(409, Some("uniqueness"));
    assert_eq!(acme.get(&user.path).json()["userName"], json!("é"));
}

/// 7643-3.1-12, 7643-3.1-13, 7644-6.2-02, A-27
#[test]
fn external_ids_may_repeat() {
    let server = Server::start();
    let (acme, other) = (server.tenant("acme"), server.tenant("other"));
    for (client, name) in [(&acme, "a"), (&acme, "b"), (&other, "c")] {
        client.create("/Users", json!({ "userName": name, "externalId": "x" }));
    }
    assert_eq!(acme.user_names(r#"externalId eq "x""#), ["a", "b"]);
    assert_eq!(acme.user_names(r#"externalId eq "X""#), Vec::<Value>::new());
}

/// 7644-3.5.1-02, 7644-3.5.1-07, 7644-3.1-06, A-14
#[test]
fn the_answer_to_a_get_can_be_put_back() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let user = acme.create_user("bjensen");
    acme.create_group("Tour Guides", &[&user]);
    let mut body = acme.get(&user.path).expect(200).json();
    assert_eq!(body["groups"][0]["display"], json!("Tour Guides"));
    let reply = acme.put(&user.path, body.clone()).expect(200);
    assert_eq!(reply.json(), body);
    body["id"] = json!("another");
    assert_eq!(
        acme.put(&user.path, body).expect(200).json()["id"],
        json!(user.id)
    );
}

/// 7644-3.5.1-03, 7644-3.5.1-04, 7644-3.5.1-05, 7644-3.5.1-09, A-17
#[test]
fn put_replaces_everything_but_active() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let user = acme.create(
        "/Users",
        json!({
            "schemas": [USER, ENTERPRISE],
            "userName": "bjensen",
            "externalId": "701984",
            "nickName": "Babs",
            "active": false,
            "name": { "givenName": "Barbara", "familyName": "Jensen" },
            "emails": [{ "value": "bjensen@example.com" }],
            ENTERPRISE: { "employeeNumber": "701984" },
        }),
    );
    let sent = json!({ "schemas": [USER], "userName": "babs", "name": { "familyName": "J" }, "emails": [] });
    let reply = acme.put(&user.path, sent).expect(200);
    let replaced = reply.json();
    assert_eq!(replaced["schemas"], json!([USER]));
    assert_eq!(replaced["name"], json!({ "familyName": "J" }));
    assert_eq!(replaced["active"], json!(false));
    for gone in ["externalId", "nickName", "emails", ENTERPRISE] {
        assert_eq!(replaced.get(gone), None, "{gone}");
    }
    assert_eq!(reply.header("etag"), Some(r#"W/"2""#));
    assert_eq!(replaced["meta"]["created"], user.json["meta"]["created"]);
    assert_eq!(acme.get(&user.path).json(), replaced);
}

/// A-65, 7643-3.1-19
#[test]
fn a_put_of_the_same_values_changes_nothing() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let user = acme.create_user("bjensen");
    let reply = acme.put(&user.path, user.json.clone()).expect(200);
    assert_eq!(reply.json(), user.json);
    assert_eq!(reply.header("etag"), Some(user.etag.as_str()));
}

/// 7644-3.2-03, 7644-3.5.1-01, 7644-3.5.1-08, 9110-9.3.4-02
#[test]
fn put_neither_creates_a_user_nor_accepts_a_partial_one() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let body = json!({ "schemas": [USER], "userName": "bjensen" });
    acme.put("/Users/0190a0a0-0000-7000-8000-000000000000", body)
        .expect_error(404, None);
    assert_eq!(acme.get("/Users").json()["totalResults"], json!(0));
    let user = acme.create_user("bjensen");
    acme.put(&user.path, json!({ "schemas": [USER], "nickName": "B" }))
        .expect_error(400, Some("invalidValue"));
    let strict = Server::start_with(Choice {
        settings: strict(),
        ..Choice::default()
    });
    let acme = strict.tenant("acme");
    let user = acme.create_user("bjensen");
    let group = json!({ "schemas": [crate::harness::GROUP], "displayName": "x" });
    acme.put(&user.path, group)
        .expect_error(400, Some("invalidSyntax"));
}

fn strict() -> scim_server::service::Settings {
    let mut settings = Choice::default().settings;
    settings.client.leniency = Leniency::Strict;
    settings
}

/// 7644-3.6-01, 7644-3.6-02, 7644-3.6-03, 7644-3.6-04, A-64, 7643-3.1-06
#[test]
fn a_deleted_user_is_gone_and_its_name_is_free() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let user = acme.create_user("bjensen");
    let reply = acme.delete(&user.path).expect(204);
    assert_eq!((reply.text.as_str(), reply.header("content-type")), ("", None));
    acme.get(&user.path).expect_error(404, None);
    acme.put(&user.path, user.json.clone()).expect_error(404, None);
    acme.patch(
        &user.path,
        json!([{ "op": "replace", "path": "title", "value": "x" }]),
    )
    .expect_error(404, None);
    acme.delete(&user.path).expect_error(404, None);
    assert_eq!(acme.get("/Users").json()["totalResults"], json!(0));
    let again = acme.create_user("bjensen");
    assert_ne!(again.id, user.id);
}

/// 7643-4.1.1-15, 7643-9.2-01, 7643-4.1.1-20, A-35
#[test]
fn a_password_is_accepted_and_never_returned() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let secret = "correct-horse-battery-staple";
    let user = acme.create("/Users", json!({ "userName": "bjensen", "password": secret }));
    acme.put(
        &user.path,
        json!({ "schemas": [USER], "userName": "bjensen", "password": secret }),
    )
    .expect(200);
    acme.patch(
        &user.path,
        json!([{ "op": "replace", "value": { "password": secret } }]),
    )
    .expect(200);
    for path in [user.path.clone(), format!("{}?attributes=password", user.path)] {
        assert_eq!(acme.get(&path).expect(200).json().get("password"), None);
    }
    let stored = server.stored_bytes();
    assert!(!stored.windows(secret.len()).any(|it| it == secret.as_bytes()));
    acme.get("/Users?filter=password%20eq%20%22x%22")
        .expect_error(400, Some("invalidFilter"));
    acme.get("/Users?sortBy=password")
        .expect_error(400, Some("invalidValue"));
}

/// 7644-3.9-02, 7644-3.9-03, 7644-3.9-04, 7644-3.4.2.5-01, 7644-3.4.2.5-03, A-43, A-62, 7643-3-03, 7643-3.1-04
#[test]
fn the_client_chooses_attributes_in_every_operation() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let names = |json: Value| json.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let body = json!({
        "schemas": [USER],
        "userName": "bjensen",
        "name": { "givenName": "Barbara", "familyName": "Jensen" },
    });
    let created = acme
        .post("/Users?attributes=userName", body.clone())
        .expect(201)
        .json();
    assert_eq!(names(created.clone()), ["schemas", "id", "userName"]);
    let path = format!("/Users/{}", created["id"].as_str().unwrap());
    let some = acme
        .get(&format!("{path}?attributes=USERNAME,name.familyName,nosuch"))
        .expect(200)
        .json();
    assert_eq!(names(some.clone()), ["schemas", "id", "userName", "name"]);
    assert_eq!(some["name"], json!({ "familyName": "Jensen" }));
    let less = acme
        .get(&format!(
            "{path}?excludedAttributes=name.familyName,id,schemas,meta"
        ))
        .expect(200)
        .json();
    assert_eq!(names(less.clone()), ["schemas", "id", "userName", "name"]);
    assert_eq!(less["name"], json!({ "givenName": "Barbara" }));
    let replaced = acme
        .put(&format!("{path}?attributes=userName"), body)
        .expect(200)
        .json();
    assert_eq!(names(replaced), ["schemas", "id", "userName"]);
    let operations = json!([{ "op": "replace", "path": "title", "value": "Guide" }]);
    let patched = acme
        .patch(&format!("{path}?attributes=title"), operations)
        .expect(200)
        .json();
    assert_eq!(names(patched), ["schemas", "id", "title"]);
    let both = acme.get(&format!("{path}?attributes=title&excludedAttributes=name"));
    both.expect_error(400, Some("invalidValue"));
    // Texts that are not attribute names (A-62).
    for odd in ["emails[type eq \"work\"", "a b", "1x", "name.a.b"] {
        for parameter in ["attributes", "excludedAttributes"] {
            let query = format!("?{parameter}=userName,{}", encode(odd));
            for path in [path.as_str(), "/Users"] {
                acme.get(&format!("{path}{query}"))
                    .expect_error(400, Some("invalidValue"));
            }
            let search = json!({
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
                parameter: [odd],
            });
            acme.post("/Users/.search", search)
                .expect_error(400, Some("invalidValue"));
        }
    }
}

/// 7644-3.3-02, 7644-3.3-03, 7644-3.4.2.2-25, A-08, A-17: users without `active` count as active,
/// and are shown so if the operator wants it
#[test]
fn users_count_as_active_by_default() {
    let mut choice = Choice::default();
    choice.settings.client.active_by_default = true;
    for (server, shown) in [
        (Server::start(), None),
        (Server::start_with(choice), Some(json!(true))),
    ] {
        let acme = server.tenant("acme");
        let user = acme.create_user("a");
        assert_eq!(user.json.get("active"), shown.as_ref());
        let null = acme.create("/Users", json!({ "userName": "b", "active": null }));
        assert_eq!(null.json.get("active"), shown.as_ref());
        assert_eq!(acme.user_names("active eq true"), ["a", "b"]);
        let put = |body: Value| acme.put(&null.path, body).expect(200).json();
        put(json!({ "schemas": [USER], "userName": "b", "active": false }));
        let kept = put(json!({ "schemas": [USER], "userName": "b" }));
        assert_eq!(kept["active"], json!(false));
        assert_eq!(acme.user_names("active eq false"), ["b"]);
    }
}

/// A-26, 7643-2.3.7-02
#[test]
fn an_unknown_manager_is_kept_and_a_known_one_is_named() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let boss = acme.create("/Users", json!({ "userName": "boss", "displayName": "The Boss" }));
    let user = acme.create(
        "/Users",
        json!({ "schemas": [USER, ENTERPRISE], "userName": "a", ENTERPRISE: { "manager": { "value": boss.id } } }),
    );
    let manager = json!({
        "value": boss.id,
        "$ref": format!("{BASE}/Users/{}", boss.id),
        "displayName": "The Boss",
    });
    assert_eq!(user.json[ENTERPRISE]["manager"], manager);
    assert_eq!(acme.get(&user.path).json()[ENTERPRISE]["manager"], manager);
    assert_eq!(
        acme.get("/Users?filter=userName%20eq%20%22a%22").resources()[0][ENTERPRISE]["manager"],
        manager
    );
    acme.delete(&boss.path).expect(204);
    assert_eq!(
        acme.get(&user.path).json()[ENTERPRISE]["manager"],
        json!({ "value": boss.id })
    );
    acme.create(
        "/Users",
        json!({ "userName": "b", ENTERPRISE: { "manager": { "value": "26118915" } } }),
    );
}

/// 7644-6.1-01, 7643-9.3-03, A-26: an id of another tenant is kept as it was sent, and resolves to nothing
#[test]
fn a_manager_of_another_tenant_is_unknown() {
    on_each(Choice::default, |server| {
        let (acme, other) = (server.tenant("acme"), server.tenant("other"));
        let boss = other.create("/Users", json!({ "userName": "boss", "displayName": "The Boss" }));
        let sent = json!({ "value": boss.id });
        let user = acme.create(
            "/Users",
            json!({ "schemas": [USER, ENTERPRISE], "userName": "a", ENTERPRISE: { "manager": sent } }),
        );
        let patch = json!([{ "op": "replace", "path": format!("{ENTERPRISE}:manager"), "value": sent }]);
        let shown = [
            user.json.clone(),
            acme.get(&user.path).expect(200).json(),
            acme.get("/Users").expect(200).resources()[0].clone(),
            acme.put(&user.path, user.json.clone()).expect(200).json(),
            acme.patch(&user.path, patch).expect(200).json(),
        ];
        for shown in shown {
            assert_eq!(shown[ENTERPRISE]["manager"], sent);
        }
        let manager = format!("{ENTERPRISE}:manager");
        for filter in [
            format!("{manager}.displayName eq \"The Boss\""),
            format!("{manager}.displayName pr"),
            format!("{manager}.$ref eq \"{BASE}/Users/{}\"", boss.id),
        ] {
            assert_eq!(acme.user_names(&filter), Vec::<Value>::new(), "{filter}");
        }
        assert_eq!(acme.user_names(&format!("{manager} eq \"{}\"", boss.id)), ["a"]);
        // A change in the other tenant does not change this user.
        let rename = json!([{ "op": "replace", "path": "displayName", "value": "Chief" }]);
        other.patch(&boss.path, rename).expect(200);
        other.delete(&boss.path).expect(204);
        let reply = acme
            .request("GET", &user.path)
            .header("if-none-match", "W/\"1\"")
            .send();
        reply.expect(304);
    });
}

/// 7644-6.1-01, 7643-9.3-03, A-55
#[test]
fn a_user_of_another_tenant_does_not_exist() {
    let server = Server::start();
    let (acme, other) = (server.tenant("acme"), server.tenant("other"));
    let user = acme.create("/Users", json!({ "userName": "bjensen", "externalId": "x" }));
    let unknown = "/Users/0190a0a0-0000-7000-8000-000000000000";
    let body = json!({ "schemas": [USER], "userName": "stolen" });
    let operations = json!([{ "op": "replace", "path": "active", "value": false }]);
    let ask = |path: &str| {
        let replies = [
            other.get(path),
            other
                .request("GET", path)
                .header("if-none-match", &user.etag)
                .send(),
            other.put(path, body.clone()),
            other
                .request("PUT", path)
                .header("if-match", "W/\"7\"")
                .json(&body)
                .send(),
            other.patch(path, operations.clone()),
            other.request("DELETE", path).header("if-match", "W/\"7\"").send(),
            other.delete(path),
        ];
        replies.map(|it| it.expect_error(404, None).text)
    };
    assert_eq!(ask(&user.path), ask(unknown));
    assert_eq!(other.get("/Users").json()["totalResults"], json!(0));
    assert_eq!(
        other.user_names(&format!("id eq \"{}\"", user.id)),
        Vec::<Value>::new()
    );
    assert_eq!(acme.get(&user.path).json(), user.json);
}

/// 7643-2.3.7-01, A-36: RFC 3986 section 2.1 for a strict server; clients send what they have
#[test]
fn a_strict_server_checks_the_percent_escapes_of_uris() {
    for lenient in [true, false] {
        let mut choice = Choice::default();
        choice.settings.client.leniency = crate::harness::leniency(lenient);
        let server = Server::start_with(choice);
        let acme = server.tenant("acme");
        let user = acme.create_user("bjensen");
        for (uri, is_strict) in [
            ("https://example.com/~bjensen", true),
            ("https://example.com/a%20b%2Fc%c3%a9", true),
            ("/photos/%41", true),
            ("https://example.com/100%", false),
            ("https://example.com/%4", false),
            ("https://example.com/%zz", false),
            ("https://example.com/%4g", false),
            ("https://example.com/%+4", false),
            ("https://example.com/%20%", false),
            ("https://example.com/é", false),
        ] {
            let body = json!({ "schemas": [USER], "userName": uri, "profileUrl": uri });
            let photos = json!({ "schemas": [USER], "userName": "bjensen", "photos": [{ "value": uri }] });
            let patch = json!([{ "op": "replace", "path": "profileUrl", "value": uri }]);
            for (attribute, status, reply) in [
                ("profileUrl", 201, acme.post("/Users", body)),
                ("photos", 200, acme.put(&user.path, photos)),
                ("profileUrl", 200, acme.patch(&user.path, patch)),
            ] {
                if lenient || is_strict {
                    reply.expect(status);
                } else {
                    let reply = reply.expect_error(400, Some("invalidValue"));
                    assert!(reply.text.contains(&format!("`{attribute}")), "{}", reply.text);
                }
            }
        }
        let refused = json!({ "schemas": [USER], "userName": "x", "profileUrl": "https://example.com/a b" });
        acme.post("/Users", refused)
            .expect_error(400, Some("invalidValue"));
    }
}

/// 7643-3.1-20: every response with a resource names its URI in both headers.
#[test]
fn a_resource_comes_with_location_and_content_location() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let created = acme
        .post("/Users", json!({ "schemas": [USER], "userName": "bjensen" }))
        .expect(201);
    let location = created.json()["meta"]["location"].as_str().unwrap().to_owned();
    let path = location.strip_prefix(BASE).unwrap().to_owned();
    let replies = [
        created,
        acme.get(&path).expect(200),
        acme.put(
            &path,
            json!({ "schemas": [USER], "userName": "bjensen", "title": "t" }),
        )
        .expect(200),
        acme.patch(&path, json!([{ "op": "add", "path": "title", "value": "u" }]))
            .expect(200),
    ];
    for reply in replies {
        for name in ["location", "content-location"] {
            assert_eq!(reply.header(name), Some(&*location), "{name}");
        }
    }
    // RFC 9110 section 15.3.5: the metadata of a 204 describe the resource after the change.
    let group = acme.create_group("Guides", &[]);
    for path in ["displayName", "externalId"] {
        let reply = acme.patch(&group.path, json!([{ "op": "add", "path": path, "value": "x" }]));
        let reply = reply.expect(204);
        for name in ["location", "content-location"] {
            assert_eq!(
                reply.header(name),
                group.json["meta"]["location"].as_str(),
                "{name}"
            );
        }
    }
}
