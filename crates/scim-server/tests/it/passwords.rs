//! Passwords and other secrets, dropped and hashed: requirements 7643-4.1.1-15 to -21, 7643-9.2-01, A-35.

use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordVerifier as _};
use scim_model::change::ChangePosition;
use scim_model::store::{ChangeJournal as _, ResourceStore as _};
use scim_model::{ClearText, SchemaRegistry};
use scim_server::service::Settings;
use serde_json::{Value, json};

use crate::harness::{BASE, Choice, Client, Created, GROUP, Server, USER};

const PIN: &str = "urn:example:schemas:2.0:Door:pin";

/// A server that hashes, whose users also have a secret in an extension.
fn hashing() -> Server {
    let files = json!([
        { "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"], "id": "urn:example:schemas:2.0:Door",
          "name": "Door", "attributes": [
            { "name": "pin", "mutability": "writeOnly", "secret": true },
            { "name": "key" } ] },
        { "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"], "name": "User", "endpoint": "/Users",
          "schema": USER, "schemaExtensions": [
            { "schema": "urn:example:schemas:2.0:Door", "required": false } ] }
    ]);
    Server::start_with(Choice {
        settings: Settings {
            base_url: BASE.into(),
            hash_secrets: true,
            ..Settings::default()
        },
        schemas: vec![("door.json".to_owned(), files.to_string())],
        ..Choice::default()
    })
}

/// The hash that a product reads to verify logins.
fn hash(client: &Client, user: &Created, path: &str) -> Option<String> {
    let registry = SchemaRegistry::builtin();
    let user_type = registry.resource_type("User").unwrap();
    let (tenant, id) = (client.tenant.unwrap(), user.id.parse().unwrap());
    let hash = client.server.store.secret(tenant, user_type, id, path);
    hash.unwrap().map(|it| it.0)
}

fn verifies(hash: &str, text: &str) -> bool {
    let prepared = ClearText::new(text).prepare("password").unwrap();
    let hash = PasswordHash::new(hash).unwrap();
    Argon2::default()
        .verify_password(prepared.expose(), &hash)
        .is_ok()
}

/// The journal entries of a tenant, oldest first.
fn journal(client: &Client) -> Vec<Value> {
    let (tenant, start) = (client.tenant.unwrap(), ChangePosition::default());
    let changes = client.server.store.changes(tenant, start, 100).unwrap();
    changes
        .iter()
        .map(|it| serde_json::from_str(&it.detail.to_stored()).unwrap())
        .collect()
}

fn holds(stored: &[u8], text: &str) -> bool {
    stored.windows(text.len()).any(|it| it == text.as_bytes())
}

/// 7643-4.1.1-15, 7643-4.1.1-16, 7643-4.1.1-19, 7643-9.2-01, 7643-4.1.1-20
#[test]
fn a_password_is_never_returned_and_is_hashed_or_dropped() {
    for (server, is_hashed) in [(Server::start(), false), (hashing(), true)] {
        let acme = server.tenant("acme");
        let mut answers = Vec::new();
        let mut note = |status: u16, reply: crate::harness::Reply| {
            let reply = reply.expect(status);
            answers.push(reply.text);
        };
        let body = |n: u32| json!({ "schemas": [USER], "userName": "bjensen", "password": format!("Marker-{n}-Pa55word") });
        let user = acme.create("/Users", body(1));
        note(
            200,
            acme.put(&format!("{}?attributes=password", user.path), body(2)),
        );
        note(200, acme.put(&user.path, body(3)));
        for operation in [
            json!({ "op": "replace", "path": "password", "value": "Marker-4-Pa55word" }),
            json!({ "op": "Add", "value": { "Password": "Marker-5-Pa55word", "title": "x" } }),
            json!({ "op": "replace", "path": format!("{USER}:password"), "value": ["Marker-6-Pa55word"] }),
        ] {
            note(200, acme.patch(&user.path, json!([operation])));
        }
        // A refused password is neither repeated in the error nor stored.
        for (path, value) in [
            ("password", json!({ "value": "Marker-7-Pa55word" })),
            ("password", json!(["Marker-7-Pa55word", "Marker-7-Pa55word"])),
            (
                "password[value eq \"Marker-7-Pa55word\"]",
                json!("Marker-7-Pa55word"),
            ),
            ("password.x", json!("Marker-7-Pa55word")),
        ] {
            let operation = json!([{ "op": "add", "path": path, "value": value }]);
            let refused = acme.patch(&user.path, operation);
            if path.contains("Marker") {
                refused.expect(400); // The message repeats the path.
            } else {
                note(400, refused);
            }
        }
        note(200, acme.get(&user.path));
        note(200, acme.get(&format!("{}?attributes=password", user.path)));
        note(200, acme.get("/Users?attributes=password,userName"));
        note(
            200,
            acme.post(
                "/.search",
                json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "attributes": ["password"] }),
            ),
        );
        answers.push(user.json.to_string());
        for answer in &answers {
            assert!(
                !answer.contains("Pa55word") && !answer.contains("argon2"),
                "{answer}"
            );
            assert!(!answer.contains("\"password\""), "{answer}");
        }
        for query in ["filter=password%20pr", "filter=password%20eq%20%22x%22"] {
            acme.get(&format!("/Users?{query}"))
                .expect_error(400, Some("invalidFilter"));
        }
        acme.get("/Users?sortBy=password")
            .expect_error(400, Some("invalidValue"));

        let stored = server.stored_bytes();
        assert!(holds(&stored, "bjensen"), "the test looks at the right files");
        assert!(!holds(&stored, "Pa55word"));
        assert_eq!(holds(&stored, "$argon2id$v=19$m=19456,t=2,p=1$"), is_hashed);
        let hash = hash(&acme, &user, "password");
        assert_eq!(hash.is_some(), is_hashed);
        if let Some(hash) = hash {
            assert!(verifies(&hash, "Marker-6-Pa55word") && !verifies(&hash, "Marker-5-Pa55word"));
        }
        let supported = acme.get("/ServiceProviderConfig").json()["changePassword"]["supported"].clone();
        assert_eq!(supported, json!(false), "7643-5-07");
    }
}

/// 7643-4.1.1-17, A-35
#[test]
fn a_password_is_prepared_before_it_is_hashed() {
    let server = hashing();
    let acme = server.tenant("acme");
    let user = acme.create(
        "/Users",
        json!({ "userName": "a", "password": "Zu\u{308}rich\u{a0}\u{2126}" }),
    );
    let stored = hash(&acme, &user, "password").unwrap();
    assert!(verifies(&stored, "Z\u{fc}rich \u{3a9}") && verifies(&stored, "Zu\u{308}rich\u{3000}\u{3a9}"));
    assert!(!verifies(&stored, "z\u{fc}rich \u{3a9}"));

    let tag = acme.get(&user.path).header("etag").unwrap().to_owned();
    for wrong in ["", "hunter2\n", "\u{7}hunter2"] {
        let body = json!({ "schemas": [USER], "userName": "b", "password": wrong });
        for refused in [
            acme.post("/Users", body.clone()),
            acme.put(&user.path, body),
            acme.patch(
                &user.path,
                json!([{ "op": "add", "path": "title", "value": "x" }, { "op": "replace", "path": "password", "value": wrong }]),
            ),
        ] {
            let refused = refused.expect_error(400, Some("invalidValue")).json();
            let detail = refused["detail"].as_str().unwrap();
            assert!(detail.contains("`password`") && !detail.contains("hunter2"), "{detail}");
        }
    }
    assert_eq!(acme.get(&user.path).header("etag"), Some(tag.as_str()));
    assert_eq!(acme.get("/Users").json()["totalResults"], json!(1));
    assert_eq!(hash(&acme, &user, "password"), Some(stored));
}

/// 7643-4.1.1-16, 7644-3.14-02, A-17, A-65
#[test]
fn a_changed_password_makes_one_version_and_one_journal_entry() {
    let server = hashing();
    let acme = server.tenant("acme");
    let user = acme.create("/Users", json!({ "userName": "a", "password": "one" }));
    let version = || acme.get(&user.path).header("etag").unwrap().to_owned();
    let verified = |text: &str| verifies(&hash(&acme, &user, "password").unwrap(), text);
    let put = |body: Value| acme.put(&user.path, body).expect(200);
    let patch = |operations: Value| acme.patch(&user.path, operations).expect(200);

    put(json!({ "schemas": [USER], "userName": "a" }));
    assert_eq!(version(), "W/\"1\"", "a PUT that does not speak of it keeps it");
    assert!(verified("one"));
    patch(json!([{ "op": "replace", "path": "password", "value": "two" }]));
    assert_eq!(version(), "W/\"2\"");
    // The version must not tell a client whether it guessed the current password.
    patch(json!([{ "op": "replace", "path": "password", "value": "two" }]));
    assert_eq!(version(), "W/\"3\"");
    put(json!({ "schemas": [USER], "userName": "a", "title": "t", "password": "three" }));
    assert_eq!(version(), "W/\"4\"");
    assert!(verified("three"));
    patch(json!([{ "op": "replace", "path": "password", "value": "four" },
        { "op": "replace", "path": "password", "value": "five" }]));
    assert!(verified("five") && version() == "W/\"5\"");
    let stale = acme.request("PATCH", &user.path).header("if-match", "W/\"4\"");
    stale
        .json(&crate::harness::patch_op(
            json!([{ "op": "replace", "path": "password", "value": "six" }]),
        ))
        .send()
        .expect_error(412, None);
    assert!(verified("five"));
    patch(json!([{ "op": "remove", "path": "password" }]));
    assert_eq!(
        (version().as_str(), hash(&acme, &user, "password")),
        ("W/\"6\"", None)
    );
    patch(json!([{ "op": "remove", "path": "password" }]));
    put(json!({ "schemas": [USER], "userName": "a", "title": "t", "password": null }));
    assert_eq!(version(), "W/\"6\"", "what is not there cannot go");

    let changed = json!({ "password": { "changed": true } });
    let expected = [
        json!({ "userName": { "new": "a" }, "password": { "changed": true } }),
        changed.clone(),
        changed.clone(),
        json!({ "title": { "new": "t" }, "password": { "changed": true } }),
        changed.clone(),
        changed,
    ];
    assert_eq!(journal(&acme), expected);
}

/// 7643-7-17
#[test]
fn every_secret_attribute_is_treated_like_a_password() {
    let server = hashing();
    let acme = server.tenant("acme");
    let door = "urn:example:schemas:2.0:Door";
    let user = acme.create(
        "/Users",
        json!({ "userName": "a", door: { "pin": "1234", "key": "k" } }),
    );
    assert_eq!(user.json[door], json!({ "key": "k" }));
    assert!(verifies(&hash(&acme, &user, PIN).unwrap(), "1234"));
    assert_eq!(hash(&acme, &user, "password"), None);
    acme.patch(
        &user.path,
        json!([{ "op": "add", "value": { door: { "pin": "5678" } } }]),
    )
    .expect(200);
    assert!(verifies(&hash(&acme, &user, PIN).unwrap(), "5678"));
    acme.put(&user.path, json!({ "schemas": [USER], "userName": "a" }))
        .expect(200);
    assert!(verifies(&hash(&acme, &user, PIN).unwrap(), "5678"));
    acme.patch(&user.path, json!([{ "op": "remove", "path": door }]))
        .expect(200);
    assert_eq!(hash(&acme, &user, PIN), None, "it goes with its extension");
    acme.patch(
        &user.path,
        json!([{ "op": "replace", "path": PIN, "value": "9" }]),
    )
    .expect(200);
    assert!(verifies(&hash(&acme, &user, PIN).unwrap(), "9"));
    assert!(!holds(&server.stored_bytes(), "\"pin\""));

    // Other groups and tenants are not affected.
    acme.create(
        "/Groups",
        json!({ "schemas": [GROUP], "displayName": "g", "members": [{ "value": user.id }] }),
    );
    acme.delete(&user.path).expect(204);
    assert_eq!(hash(&acme, &user, PIN), None);
    let gone = acme.create("/Users", json!({ "userName": "a", "password": "one" }));
    assert!(hash(&acme, &gone, "password").is_some());
    let other = server.tenant("other");
    assert_eq!(hash(&other, &gone, "password"), None);
}
