//! `Idempotency-Key`: a repeated request creates nothing.

use std::sync::Barrier;

use scim_model::store::{Claim, Claimed, IdempotencyKeys as _};
use scim_server::clock;
use serde_json::{Value, json};

use super::operator::Operator;
use crate::harness::{Choice, Reply, Server, on_each};

fn post(admin: &Operator, path: &str, key: &str, body: &Value) -> Reply {
    admin
        .request("POST", path)
        .header("idempotency-key", key)
        .json(body)
        .send()
}

/// cred-107
#[test]
fn cred_107_a_repeated_request_creates_one_object_and_shows_its_secret_once() {
    on_each(Choice::default, |server| {
        server.tenant("acme");
        let admin = server.admin();
        let connection = "/tenants/acme/connections/default";
        let client = admin.create(&format!("{connection}/clients"), json!({})).1;
        let token = admin.create(&format!("{connection}/tokens"), json!({})).1;
        let federation = json!({"name": "f", "issuer": "https://i.example.com", "subject": "S", "audiences": ["a"], "keys": {"url": "https://127.0.0.1/k"}});
        let cases = [
            ("/tenants".to_owned(), json!({"name": "other"}), None),
            (
                "/tenants/acme/connections".to_owned(),
                json!({"name": "entra"}),
                None,
            ),
            (
                format!("{connection}/tokens"),
                json!({"name": "t"}),
                Some("token"),
            ),
            (format!("{token}/rotate"), json!({}), Some("token")),
            (
                format!("{connection}/clients"),
                json!({"name": "c"}),
                Some("clientSecret"),
            ),
            (
                format!("{client}/secrets"),
                json!({"name": "s"}),
                Some("clientSecret"),
            ),
            (format!("{connection}/federations"), federation, None),
            (
                "/keys".to_owned(),
                json!({"name": "k", "scope": "read"}),
                Some("key"),
            ),
        ];
        for (number, (path, body, secret)) in cases.into_iter().enumerate() {
            let key = format!("key {number}");
            let first = post(&admin, &path, &key, &body).expect(201);
            let second = post(&admin, &path, &key, &body).expect(201);
            assert_eq!(second.header("idempotency-replayed"), Some("true"), "{path}");
            assert_eq!(first.header("idempotency-replayed"), None);
            assert_eq!(first.header("location"), second.header("location"));
            let (first, second) = (first.json(), second.json());
            for member in ["id", "name", "clientId"] {
                assert_eq!(first[member], second[member], "{path}");
            }
            if let Some(secret) = secret {
                assert!(
                    first[secret].is_string() && second.get(secret).is_none(),
                    "{second}"
                );
            }
            let reused = post(&admin, &path, &key, &changed(&body));
            reused.expect_problem(422, "idempotency-key-reused", None);
        }
    });
}

/// The body of another request.
fn changed(body: &Value) -> Value {
    let mut body = body.clone();
    match body.get("name").is_some() {
        true => body["name"] = json!("another"),
        false => body["days"] = json!(7),
    }
    body
}

#[test]
fn a_failed_request_does_not_use_its_key_up() {
    let server = Server::start();
    let admin = server.admin();
    admin.create("/tenants", json!({"name": "acme"}));
    let refused = post(&admin, "/tenants", "k", &json!({"name": "acme"}));
    refused.expect_problem(409, "conflict", None);
    admin.delete("/tenants/acme").expect(204);
    let created = post(&admin, "/tenants", "k", &json!({"name": "acme"})).expect(201);
    assert_eq!(created.header("idempotency-replayed"), None);
}

#[test]
fn keys_are_short_and_single() {
    let server = Server::start();
    let admin = server.admin();
    for key in ["", &"a".repeat(256)] {
        let reply = post(&admin, "/tenants", key, &json!({"name": "a"}));
        reply.expect_problem(400, "invalid-request", Some("Idempotency-Key"));
    }
    let request = admin.request("POST", "/tenants").header("idempotency-key", "a");
    let reply = request
        .header("idempotency-key", "b")
        .json(&json!({"name": "a"}))
        .send();
    reply.expect_problem(400, "invalid-request", Some("Idempotency-Key"));
    post(&admin, "/tenants", &"a".repeat(255), &json!({"name": "a"})).expect(201);
    // The key of one operator means nothing to another.
    let other = server.admin();
    post(&other, "/tenants", &"a".repeat(255), &json!({"name": "b"})).expect(201);
}

/// The claim decides, also between servers.
#[test]
fn of_simultaneous_requests_with_one_key_one_creates() {
    on_each(Choice::default, |server| {
        let store = &server.store;
        let barrier = Barrier::new(4);
        let claim = || {
            let claim = Claim {
                key: [5; 32],
                request: [6; 32],
                object: clock::new_id(),
                at: clock::now(),
            };
            barrier.wait();
            store.claim(&claim).unwrap() == Claimed::Now
        };
        let winners = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(claim)).collect();
            threads
                .into_iter()
                .map(|it| it.join().unwrap())
                .filter(|it| *it)
                .count()
        });
        assert_eq!(winners, 1);
    });
}

/// A server may have been killed between the claim and the creation.
#[test]
fn a_request_that_was_given_up_is_repeated_after_a_minute() {
    let server = Server::start();
    let admin = server.admin();
    let body = json!({"name": "acme"});
    let created = post(&admin, "/tenants", "k", &body).expect(201);
    assert_eq!(created.json()["name"], "acme");
    admin.delete("/tenants/acme").expect(204);
    // The claim is there, and its object is not.
    post(&admin, "/tenants", "k", &body).expect_problem(409, "conflict", None);
    let age = |seconds: i64| {
        let sql = format!("UPDATE idempotency_key SET at = at - {}", seconds * 1000);
        server.sql(&sql);
    };
    age(50);
    post(&admin, "/tenants", "k", &body).expect_problem(409, "conflict", None);
    age(15);
    let again = post(&admin, "/tenants", "k", &body).expect(201);
    assert_eq!(again.header("idempotency-replayed"), None);
}

/// Requests that act on an object, with an empty or a JSON body.
fn actions(server: &Server, admin: &Operator) -> Vec<(String, Value)> {
    server.tenant("acme").create_user("bjensen");
    let connection = "/tenants/acme/connections/default";
    let webhook = admin
        .create("/webhooks", json!({"url": "https://127.0.0.1/hook"}))
        .1;
    let stream = json!({"audience": "https://receiver.example.com"});
    let stream = admin.create("/set-streams", stream).1;
    let event = admin.get("/events").json()["events"][0]["id"].clone();
    let at = |object: &str, action: &str| format!("{object}/{action}");
    vec![
        (at(connection, "pause"), json!({})),
        (at(connection, "resume"), json!({})),
        (at(&webhook, "test"), json!({})),
        (at(&webhook, "replay"), json!({"message": event})),
        (at(&webhook, "replay"), json!({"after": event})),
        (at(&webhook, "rotate-secret"), json!({"overlapSeconds": 60})),
        (at(&webhook, "disable"), json!({})),
        (at(&webhook, "enable"), json!({"fromNow": true})),
        (at(&stream, "pause"), json!({"reason": "maintenance"})),
        (at(&stream, "disable"), json!({})),
        (at(&stream, "enable"), json!({"from": "oldest"})),
        (at(&stream, "verify"), json!({"state": "s"})),
    ]
}

#[test]
fn a_repeated_action_has_one_effect_and_the_same_answer_without_its_secret() {
    on_each(Choice::default, |server| {
        let admin = server.admin();
        for (number, (path, body)) in actions(&server, &admin).into_iter().enumerate() {
            let key = format!("key {number}");
            let first = post(&admin, &path, &key, &body);
            assert!(first.status < 300, "{path}: {}", first.text);
            assert_eq!(first.header("idempotency-replayed"), None);
            let second = post(&admin, &path, &key, &body).expect(first.status);
            assert_eq!(second.header("idempotency-replayed"), Some("true"), "{path}");
            assert_eq!(first.header("etag"), second.header("etag"), "{path}");
            if first.text.is_empty() {
                assert_eq!(second.text, "");
                continue;
            }
            let (mut first, second) = (first.json(), second.json());
            if path.ends_with("rotate-secret") {
                assert!(first["secret"].is_string() && second.get("secret").is_none());
                first.as_object_mut().unwrap().remove("secret");
            }
            assert_eq!(first, second, "{path}");
        }
        let (_, webhook) = admin.create("/webhooks", json!({"url": "https://127.0.0.1/hook"}));
        let rotate = format!("{webhook}/rotate-secret");
        for _ in 0..3 {
            post(&admin, &rotate, "rotate", &json!({})).expect(200);
        }
        let secrets = || admin.get(&webhook).json()["secrets"].as_array().unwrap().len();
        assert_eq!(secrets(), 2, "one rotation");
        let reused = post(&admin, &rotate, "rotate", &json!({"overlapSeconds": 5}));
        reused.expect_problem(422, "idempotency-key-reused", None);
        // A state that somebody else has changed since stays.
        for action in ["disable", "enable"] {
            post(&admin, &format!("{webhook}/{action}"), action, &json!({})).expect(200);
        }
        let again = post(&admin, &format!("{webhook}/disable"), "disable", &json!({})).expect(200);
        assert_eq!(again.json()["state"], "active");
        // An action that was refused can be repeated.
        let test = format!("{webhook}/test");
        admin.post(&format!("{webhook}/disable"), json!({})).expect(200);
        post(&admin, &test, "test", &json!({})).expect_problem(409, "conflict", None);
        admin.post(&format!("{webhook}/enable"), json!({})).expect(200);
        let tested = post(&admin, &test, "test", &json!({})).expect(202);
        assert_eq!(tested.header("idempotency-replayed"), None);
    });
}

/// A server may have been killed between the deed and its record.
#[test]
fn an_action_whose_end_is_unknown_is_repeated_after_a_minute() {
    let server = Server::start();
    let admin = server.admin();
    let (_, webhook) = admin.create("/webhooks", json!({"url": "https://127.0.0.1/hook"}));
    let rotate = || post(&admin, &format!("{webhook}/rotate-secret"), "k", &json!({}));
    rotate().expect(200);
    server.sql("UPDATE idempotency_key SET done = FALSE");
    rotate().expect_problem(409, "conflict", None);
    server.sql("UPDATE idempotency_key SET at = at - 61000");
    let again = rotate().expect(200);
    assert!(again.json()["secret"].is_string());
    assert_eq!(rotate().header("idempotency-replayed"), Some("true"));
}
