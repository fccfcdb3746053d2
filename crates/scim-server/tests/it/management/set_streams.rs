//! Streams of security event tokens, as operators see them.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use scim_model::store::{DeliveryAttempt, SetProgress, SetStreams as _};
use serde_json::{Value, json};

use super::webhooks::attempt;
use crate::harness::{Choice, Server, on_each};

/// The claims of a token.
fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// evt-88
///
/// A stream has the events of whole tenants, so that no resource comes into a stream or leaves it: nobody can ask for a part
/// of a tenant, and no token says that a resource was added or removed.
#[test]
fn evt_88_a_stream_has_whole_tenants() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let admin = server.admin();
    let audience = "https://receiver.example.com";
    for event in ["add", "remove"] {
        let uri = format!("urn:ietf:params:scim:event:feed:{event}");
        let reply = admin.post("/set-streams", json!({"audience": audience, "events": [uri]}));
        reply.expect_problem(400, "invalid-request", Some("events"));
    }
    for member in ["subjects", "resources", "resourceTypes", "filter"] {
        let reply = admin.post("/set-streams", json!({"audience": audience, member: []}));
        reply.expect_problem(400, "invalid-request", Some(member));
    }
    let events = ["notice", "full", "caep"];
    let mut streams = Vec::new();
    for event in events {
        let stream = json!({"audience": audience, "tenants": ["acme"], "events": [event]});
        streams.push(admin.create("/set-streams", stream).1);
    }
    let user = acme.create_user("bjensen");
    let group = acme.create("/Groups", json!({"displayName": "Tour Guides"}));
    let member = json!([{"op": "add", "path": "members", "value": [{"value": user.id}]}]);
    acme.patch(&group.path, member).expect(204);
    let inactive = json!([{"op": "replace", "path": "active", "value": false}]);
    acme.patch(&user.path, inactive).expect(200);
    acme.delete(&user.path).expect(204);
    for (stream, event) in streams.iter().zip(events) {
        let poll = admin.post(&format!("{stream}/poll"), json!({"returnImmediately": true}));
        let polled = poll.expect(200).json();
        let tokens = polled["sets"].as_object().unwrap().values();
        let uris: Vec<String> = tokens
            .map(|it| {
                let claims = claims(it.as_str().unwrap());
                claims["events"]
                    .as_object()
                    .unwrap()
                    .keys()
                    .next()
                    .unwrap()
                    .clone()
            })
            .collect();
        assert!(!uris.is_empty(), "{event}");
        assert!(!uris.iter().any(|it| it.contains(":feed:")), "{event}: {uris:?}");
    }
}

#[test]
fn a_stream_is_deleted_as_it_was_read() {
    on_each(Choice::default, |server| {
        let admin = server.admin();
        let created = admin
            .post(
                "/set-streams",
                json!({"audience": "https://receiver.example.com"}),
            )
            .expect(201);
        let path = format!("/set-streams/{}", created.json()["id"].as_str().unwrap());
        let first = created.header("etag").unwrap().to_owned();
        assert_eq!(admin.get(&path).header("etag"), Some(first.as_str()));
        let changed = admin.patch(&path, json!({"name": "replica"})).expect(200);
        let second = changed.header("etag").unwrap().to_owned();
        let delete = |tag: &str| admin.request("DELETE", &path).header("if-match", tag).send();
        delete(&first).expect_problem(412, "stale", None);
        admin.get(&path).expect(200);
        delete(&second).expect(204);
        admin.get(&path).expect_problem(404, "not-found", Some("id"));
    });
}

#[test]
fn deliveries_of_a_stream_have_pages() {
    on_each(Choice::default, |server| {
        let admin = server.admin();
        let stream = json!({"audience": "https://receiver.example.com", "url": "https://127.0.0.1/events"});
        let (created, path) = admin.create("/set-streams", stream);
        let id = created["id"].as_str().unwrap().parse().unwrap();
        let stored = server.store.set_stream(id).unwrap().unwrap();
        let attempts: Vec<DeliveryAttempt> = (0..45).map(|number| attempt(&number.to_string(), "")).collect();
        let progress = SetProgress {
            attempts,
            ..SetProgress::unchanged(id, stored.revision, stored.position)
        };
        assert!(server.store.store_set_progress(&progress).unwrap());
        let (mut after, mut pages) = (String::new(), Vec::new());
        loop {
            let page = admin
                .get(&format!("{path}/deliveries?limit=20{after}"))
                .expect(200)
                .json();
            let items = page["items"].as_array().unwrap();
            pages.push(items.iter().map(|it| it["jti"].clone()).collect::<Vec<_>>());
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => break,
            }
        }
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [20, 20, 5]);
        let latest_first: Vec<Value> = (0..45).rev().map(|number| json!(number.to_string())).collect();
        assert_eq!(pages.concat(), latest_first);
        let wrong = admin.get(&format!("{path}/deliveries?after=eA"));
        wrong.expect_problem(400, "invalid-request", Some("after"));
    });
}
