//! Endpoints of webhooks.

use chrono::TimeDelta;
use scim_model::store::{
    DeliveryAttempt, SetProgress, SetStreams as _, WebhookMessage, WebhookProgress, Webhooks as _,
};
use scim_server::management::keys::KeyScope;
use serde_json::{Value, json};
use uuid::Uuid;

use super::operator::Operator;
use crate::harness::{Choice, Reply, Server, on_each};

fn create(admin: &Operator, more: Value) -> (Value, String) {
    let mut body = json!({"url": "https://127.0.0.1/hook"});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    admin.create("/webhooks", body)
}

#[test]
fn endpoints_are_created_shown_changed_and_deleted() {
    on_each(Choice::default, |server| {
        server.tenant("acme");
        let admin = server.admin();
        let headers = json!({"Authorization": "Bearer receiver-secret"});
        let more = json!({"tenants": ["acme"], "types": ["user.*"], "view": "notice", "headers": headers});
        let (created, path) = create(&admin, more);
        let secret = created["secret"].as_str().unwrap();
        assert!(secret.starts_with("whsec_"), "{secret}");
        assert_eq!(
            (&created["tenants"], &created["types"], &created["view"]),
            (&json!(["acme"]), &json!(["user.*"]), &json!("notice"))
        );
        assert_eq!(
            (&created["state"], &created["hasHeaders"]),
            (&json!("active"), &json!(true))
        );
        let shown = admin.get(&path).expect(200);
        let list = admin.get("/webhooks").expect(200);
        for text in [&shown.text, &list.text] {
            assert!(
                !text.contains(secret) && !text.contains("receiver-secret"),
                "{text}"
            );
        }
        let shown = shown.json();
        assert_eq!(
            (&shown["waiting"], &shown["deadLetters"], &shown["deliveries"]),
            (&json!(0), &json!([]), &json!([]))
        );

        let rotated = admin
            .post(&format!("{path}/rotate-secret"), json!({"overlapSeconds": 60}))
            .expect(200)
            .json();
        assert_ne!(rotated["secret"], created["secret"]);
        assert_eq!(admin.get(&path).json()["secrets"].as_array().unwrap().len(), 2);

        let test = admin
            .request("POST", &format!("{path}/test"))
            .send()
            .expect(202)
            .json();
        assert!(test["message"].is_string());
        server.tenant("other").create_user("x");
        let now = admin.get("/events?after=now").expect(200).json();
        let replayed = admin.post(
            &format!("{path}/replay"),
            json!({"after": admin.get("/events?tenant=acme&after=now").json()["next"]}),
        );
        replayed.expect(202);
        let unknown = admin.post(&format!("{path}/replay"), json!({"message": now["next"]}));
        unknown.expect_problem(400, "invalid-request", Some("message"));
        assert_eq!(
            admin.list(&format!("{path}/deliveries?limit=5"), "message"),
            [""; 0]
        );

        let disabled = admin
            .request("POST", &format!("{path}/disable"))
            .send()
            .expect(200)
            .json();
        assert_eq!(
            (&disabled["state"], &disabled["disabledReason"]),
            (&json!("disabled"), &json!("by an operator"))
        );
        let test = admin.request("POST", &format!("{path}/test")).send();
        test.expect_problem(409, "conflict", None);
        for body in [json!({"message": now["next"]}), json!({"after": now["next"]})] {
            let replay = admin.post(&format!("{path}/replay"), body);
            let problem = replay.expect_problem(409, "conflict", None).json();
            let detail = problem["detail"].as_str().unwrap();
            assert!(detail.contains("disabled: by an operator"), "{detail}");
        }
        let enabled = admin
            .post(&format!("{path}/enable"), json!({"fromNow": true}))
            .expect(200)
            .json();
        assert_eq!(enabled["state"], "active");
        admin.delete(&path).expect(204);
        admin.get(&path).expect_problem(404, "not-found", Some("id"));
        admin.delete(&path).expect_problem(404, "not-found", Some("id"));
    });
}

#[test]
fn wrong_properties_of_an_endpoint_are_named() {
    let server = Server::start();
    server.tenant("acme");
    let admin = server.admin();
    let url = "https://127.0.0.1/hook";
    for (body, field) in [
        (json!({}), "url"),
        (json!({"url": "ftp://example.com"}), "url"),
        (json!({"url": "https://u@example.com/"}), "url"),
        (json!({"url": url, "tenants": []}), "tenants"),
        (json!({"url": url, "tenants": ["nobody"]}), "tenants"),
        (json!({"url": url, "types": ["user.gone"]}), "types"),
        (json!({"url": url, "view": "half"}), "view"),
        (json!({"url": url, "headers": {"Host": "a"}}), "headers"),
        (json!({"url": url, "headers": {"a": 1}}), "headers.a"),
        (json!({"url": url, "secret": "whsec_mine"}), "secret"),
        (json!({"url": url, "types": ["users.*"]}), "types"),
        (json!({"url": url, "types": ["device.created"]}), "types"),
        (json!({"url": url, "headers": {"Set-Cookie": "a=b"}}), "headers"),
    ] {
        let reply = admin.post("/webhooks", body);
        reply.expect_problem(400, "invalid-request", Some(field));
    }
    assert_eq!(admin.list("/webhooks", "url"), [""; 0]);
    let (_, path) = create(&admin, json!({}));
    for (rest, body, field) in [
        (
            "rotate-secret",
            json!({"overlapSeconds": 8 * 24 * 3600}),
            "overlapSeconds",
        ),
        ("replay", json!({}), "message"),
        ("replay", json!({"message": "x"}), "message"),
        ("replay", json!({"after": "x"}), "after"),
        ("replay", json!({"message": "x", "after": "x"}), "message"),
        ("enable", json!({"fromNow": 1}), "fromNow"),
    ] {
        let reply = admin.post(&format!("{path}/{rest}"), body);
        reply.expect_problem(400, "invalid-request", Some(field));
    }
    for (rest, body, field) in [
        ("test", json!({"a": 1}), Some("a")),
        ("disable", json!({"fromNow": true}), Some("fromNow")),
        ("test", json!([]), None),
        ("enable", json!({"a": 1}), Some("a")),
    ] {
        let reply = admin.post(&format!("{path}/{rest}"), body);
        reply.expect_problem(400, "invalid-request", field);
    }
    let text = admin.request("POST", &format!("{path}/test")).bytes(b"{}").send();
    text.expect_problem(415, "unsupported-media-type", None);
    for query in ["limit=0", "limit=x", "after=!", "after=eA", "before=7"] {
        for list in ["deliveries", "dead-letters"] {
            let reply = admin.get(&format!("{path}/{list}?{query}"));
            let field = query.split('=').next();
            reply.expect_problem(400, "invalid-request", field);
        }
    }
}

/// evt-30, evt-125, evt-131, evt-134, evt-136, evt-137, evt-141, evt-142
///
/// No request of the API stores a target that the server would refuse at each attempt.
#[test]
fn evt_136_targets_that_the_server_does_not_permit_are_refused() {
    let server = Server::start();
    server.tenant("acme");
    let admin = server.admin();
    let (_, webhook) = create(&admin, json!({}));
    let stream = json!({"audience": "https://receiver.example.com", "url": "https://127.0.0.1/events"});
    let (_, stream) = admin.create("/set-streams", stream);
    let connection = "/tenants/acme/connections/default";
    let (_, client) = admin.create(&format!("{connection}/clients"), json!({}));
    let trust = |keys: &Value| json!({"issuer": "https://issuer.example.com", "subject": "s", "audiences": ["a"], "keys": keys});
    let keys = json!({"url": "https://127.0.0.1/keys"});
    let (_, federation) = admin.create(&format!("{connection}/federations"), trust(&keys));
    for url in [
        "https://10.0.0.1/hook",
        "https://169.254.169.254/latest/meta-data/",
        "https://[::1]/",
        "https://2130706434/",
        "https://localhost/",
        "https://metadata/",
        "http://8.8.8.8/",
        "https://8.8.8.8:22/",
        "https://u@8.8.8.8/",
        "https://scim.example.com/scim/v2",
    ] {
        let keys = json!({ "url": url });
        let audience = "https://receiver.example.com";
        for (method, path, body, field) in [
            ("POST", "/webhooks", json!({ "url": url }), "url"),
            ("PATCH", webhook.as_str(), json!({ "url": url }), "url"),
            (
                "POST",
                "/set-streams",
                json!({"audience": audience, "url": url}),
                "url",
            ),
            ("PATCH", stream.as_str(), json!({ "url": url }), "url"),
            (
                "POST",
                &format!("{connection}/clients"),
                json!({ "keys": keys }),
                "keys",
            ),
            ("PATCH", client.as_str(), json!({ "keys": keys }), "keys"),
            ("POST", &format!("{connection}/federations"), trust(&keys), "keys"),
            ("PATCH", federation.as_str(), json!({ "keys": keys }), "keys"),
        ] {
            let reply = admin.request(method, path).json(&body).send();
            reply.expect_problem(400, "invalid-request", Some(field));
        }
    }
    assert_eq!(admin.list("/webhooks", "url"), ["https://127.0.0.1/hook"]);
    assert_eq!(admin.list("/set-streams", "url"), ["https://127.0.0.1/events"]);
    // A name may get an address later.
    let (warned, _) = admin.create("/webhooks", json!({"url": "https://nobody.invalid/hook"}));
    let warning = warned["warning"].as_str().unwrap();
    assert!(warning.contains("cannot be resolved"), "{warning}");
}

/// Stores attempts and messages of an endpoint as a server does that delivers.
fn store(server: &Server, id: Uuid, deliveries: Vec<DeliveryAttempt>, stored: Vec<WebhookMessage>) {
    let worker = Uuid::now_v7();
    let leases = server
        .store
        .lease_webhooks(worker, TimeDelta::minutes(1))
        .unwrap();
    assert!(leases.ids.contains(&id));
    let webhooks = server.store.webhooks().unwrap().into_iter();
    let webhook = webhooks.into_iter().find(|it| it.id == id).unwrap();
    let progress = WebhookProgress {
        id,
        revision: webhook.revision,
        position: webhook.position,
        health: webhook.health,
        disabled: None,
        stored,
        removed: Vec::new(),
        deliveries,
    };
    let refused = server.store.store_webhook_progress(worker, &[progress]);
    assert!(refused.unwrap().is_empty());
    server.store.release_webhooks(worker, None).unwrap();
}

/// An attempt that was successful, with the body of its response.
pub fn attempt(message: &str, response: &str) -> DeliveryAttempt {
    DeliveryAttempt {
        id: scim_server::clock::new_id(),
        message: message.to_owned(),
        at: scim_server::clock::now(),
        attempt: 1,
        status: Some(200),
        milliseconds: 3,
        error: None,
        response: response.to_owned(),
    }
}

/// evt-24, evt-139
///
/// An operator of one tenant cannot read what an internal service answers, and neither can an operator who only reads.
#[test]
fn evt_139_responses_are_for_operators_of_everything() {
    on_each(Choice::default, |server| {
        server.tenant("acme");
        let admin = server.admin();
        let limited = server.operator(KeyScope::Admin, &["acme"]);
        let reader = server.operator(KeyScope::Read, &[]);
        let (created, webhook) = create(&limited, json!({"tenants": ["acme"]}));
        let id = created["id"].as_str().unwrap().parse().unwrap();
        store(&server, id, vec![attempt("1", "an internal secret")], Vec::new());
        let stream = json!({
            "audience": "https://receiver.example.com", "url": "https://127.0.0.1/events", "tenants": ["acme"]
        });
        let (created, stream) = limited.create("/set-streams", stream);
        let id = created["id"].as_str().unwrap().parse().unwrap();
        let stored = server.store.set_stream(id).unwrap().unwrap();
        let progress = SetProgress {
            attempts: vec![attempt("1", "an internal secret")],
            ..SetProgress::unchanged(id, stored.revision, stored.position)
        };
        assert!(server.store.store_set_progress(&progress).unwrap());
        for object in [&webhook, &stream] {
            for path in [object.clone(), format!("{object}/deliveries")] {
                let member = |operator: &Operator| {
                    let reply = operator.get(&path).expect(200);
                    let shown = reply.json();
                    let list = shown.get("deliveries").or(shown.get("items")).unwrap();
                    assert_eq!(list[0]["status"], json!(200), "{path}");
                    (list[0]["response"].clone(), reply.text.contains("internal"))
                };
                assert_eq!(member(&admin), (json!("an internal secret"), true), "{path}");
                for operator in [&limited, &reader] {
                    assert_eq!(member(operator), (Value::Null, false), "{path}");
                }
            }
        }
    });
}

/// evt-22, evt-24
///
/// A replay leaves no event out, and forgets no message that it does not send again.
#[test]
fn evt_22_a_replay_moves_an_endpoint_back_and_never_forward() {
    on_each(Choice::default, |server| {
        let acme = server.tenant("acme");
        let admin = server.admin();
        let (created, path) = create(&admin, json!({}));
        let id: Uuid = created["id"].as_str().unwrap().parse().unwrap();
        for name in ["a", "b", "c"] {
            acme.create_user(name);
        }
        let page = admin.get("/events").expect(200).json();
        let events: Vec<String> = page["events"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["id"].as_str().unwrap().to_owned())
            .collect();
        let [first, second, third] = &events[..] else {
            panic!("{events:?}");
        };
        let position = || admin.get(&path).expect(200).json()["position"].clone();
        let start = position();
        let replay = |after: &str| {
            let reply = admin.post(&format!("{path}/replay"), json!({ "after": after }));
            reply.expect(202);
        };
        replay(third);
        assert_eq!(position(), start, "the first three events were not sent yet");
        assert!(server.store.rewind_webhook(id, second, &[]).unwrap());
        let dead = |message: &String| WebhookMessage {
            message: message.clone(),
            resource: None,
            attempts: 10,
            next_attempt: None,
            dead: true,
            error: None,
            since: scim_server::clock::now(),
            and_later: false,
        };
        store(&server, id, Vec::new(), vec![dead(first), dead(second)]);
        replay(first);
        assert_eq!(position(), json!(first));
        let left = admin.get(&format!("{path}/dead-letters")).expect(200).json();
        let left: Vec<&Value> = left["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| &it["message"])
            .collect();
        assert_eq!(left, [&json!(first)], "the second one is sent again");
    });
}

#[test]
fn deliveries_and_dead_letters_have_pages() {
    on_each(Choice::default, |server| {
        let admin = server.admin();
        let (created, path) = create(&admin, json!({}));
        let id: Uuid = created["id"].as_str().unwrap().parse().unwrap();
        let now = scim_server::clock::now();
        let names: Vec<String> = (0..45).map(|number| format!("message {number:02}")).collect();
        let dead = |(number, name): (i32, &String)| WebhookMessage {
            message: name.clone(),
            resource: None,
            attempts: 10,
            next_attempt: None,
            dead: true,
            error: Some("status 500".to_owned()),
            // Several at the same time.
            since: now + TimeDelta::seconds(i64::from(number / 10)),
            and_later: false,
        };
        let attempts = names.iter().map(|it| attempt(it, "")).collect();
        store(&server, id, attempts, (0..).zip(&names).map(dead).collect());
        let latest_first: Vec<Value> = names.iter().rev().map(|it| json!(it)).collect();
        for list in ["deliveries", "dead-letters"] {
            let (mut after, mut seen, mut pages) = (String::new(), Vec::new(), 0);
            loop {
                let page = admin
                    .get(&format!("{path}/{list}?limit=20{after}"))
                    .expect(200)
                    .json();
                let items = page["items"].as_array().unwrap();
                seen.extend(items.iter().map(|it| it["message"].clone()));
                pages += 1;
                match page["next"].as_str() {
                    Some(next) => after = format!("&after={next}"),
                    None => break,
                }
            }
            assert_eq!((pages, &seen), (3, &latest_first), "{list}");
        }
        let shown = admin.get(&path).expect(200).json();
        assert_eq!(shown["deadLetters"].as_array().unwrap().len(), 20);
        assert_eq!(admin.list(&format!("{path}/deliveries"), "message").len(), 45);
    });
}

#[test]
fn endpoints_change_as_they_were_read() {
    on_each(Choice::default, |server| {
        for name in ["acme", "other"] {
            server.tenant(name);
        }
        let admin = server.admin();
        let created = admin
            .post("/webhooks", json!({"url": "https://127.0.0.1/hook"}))
            .expect(201);
        let path = format!("/webhooks/{}", created.json()["id"].as_str().unwrap());
        let tag = |reply: &Reply| reply.header("etag").unwrap().to_owned();
        let first = tag(&created);
        assert_eq!(tag(&admin.get(&path)), first);
        let patch = |tag: &str, body: Value| {
            let request = admin.request("PATCH", &path).header("if-match", tag);
            request.json(&body).send()
        };
        let body = json!({
            "url": "https://127.0.0.1/other", "tenants": ["acme"], "types": ["user.*"], "view": "notice",
            "headers": {"X-Api-Key": "abc"}
        });
        let changed = patch(&first, body).expect(200);
        let second = tag(&changed);
        assert_ne!(first, second);
        assert_eq!(tag(&admin.get(&path)), second);
        let shown = changed.json();
        for (member, value) in [
            ("url", json!("https://127.0.0.1/other")),
            ("tenants", json!(["acme"])),
            ("types", json!(["user.*"])),
            ("view", json!("notice")),
            ("hasHeaders", json!(true)),
            ("state", json!("active")),
            ("id", created.json()["id"].clone()),
        ] {
            assert_eq!(shown[member], value, "{member}");
        }
        patch(&first, json!({"types": []})).expect_problem(412, "stale", None);
        let delete = |tag: &str| admin.request("DELETE", &path).header("if-match", tag).send();
        delete(&first).expect_problem(412, "stale", None);
        for action in ["disable", "enable"] {
            let request = admin
                .request("POST", &format!("{path}/{action}"))
                .json(&json!({}));
            let late = request.header("if-match", &first).send();
            late.expect_problem(412, "stale", None);
        }
        // One change, and without a condition.
        let changed = admin.patch(&path, json!({"state": "disabled"})).expect(200);
        let shown = changed.json();
        assert_eq!(
            (&shown["state"], &shown["disabledReason"], &shown["types"]),
            (&json!("disabled"), &json!("by an operator"), &json!(["user.*"]))
        );
        let third = tag(&changed);
        let shown = patch(
            &third,
            json!({"state": "active", "tenants": null, "headers": null}),
        )
        .expect(200)
        .json();
        assert_eq!(
            (&shown["state"], &shown["tenants"], &shown["hasHeaders"]),
            (&json!("active"), &Value::Null, &json!(false))
        );
        delete(&third).expect_problem(412, "stale", None);
        delete(&tag(&admin.get(&path))).expect(204);
        admin
            .patch(&path, json!({}))
            .expect_problem(404, "not-found", Some("id"));
    });
}

/// An operator who changes the URL may not know the headers.
#[test]
fn the_headers_of_an_endpoint_do_not_go_to_another_url() {
    let server = Server::start();
    server.tenant("acme");
    let admin = server.admin();
    let limited = server.operator(KeyScope::Admin, &["acme"]);
    let headers = json!({"Authorization": "Bearer receiver-secret"});
    let (created, path) = create(&admin, json!({"tenants": ["acme"], "headers": headers}));
    let id: Uuid = created["id"].as_str().unwrap().parse().unwrap();
    let sealed = || {
        let webhooks = server.store.webhooks().unwrap().into_iter();
        let webhook = webhooks.into_iter().find(|it| it.id == id).unwrap();
        (webhook.settings.url, webhook.settings.headers)
    };
    let before = sealed();
    let moved = json!({"url": "https://127.0.0.1/mine"});
    let refused = limited.patch(&path, moved.clone());
    refused.expect_problem(400, "invalid-request", Some("headers"));
    assert_eq!(sealed(), before);
    let same = limited.patch(
        &path,
        json!({"url": "https://127.0.0.1/hook", "types": ["user.*"]}),
    );
    assert_eq!(same.expect(200).json()["hasHeaders"], true);
    assert_eq!(sealed(), before);
    for (more, has_headers) in [(json!({"a": "b"}), true), (Value::Null, false)] {
        let mut body = moved.clone();
        body["url"] = json!(format!("https://127.0.0.1/{has_headers}"));
        body["headers"] = more;
        assert_eq!(
            limited.patch(&path, body).expect(200).json()["hasHeaders"],
            has_headers
        );
        assert_ne!(sealed().1, before.1);
    }
    for (body, field) in [
        (json!({"tenants": null}), "tenants"),
        (json!({"tenants": []}), "tenants"),
        (json!({"tenants": ["nobody"]}), "tenants"),
        (json!({"types": ["x"]}), "types"),
        (json!({"state": "gone"}), "state"),
        (json!({"headers": {"Host": "a"}}), "headers"),
        (json!({"secret": "whsec_"}), "secret"),
        (json!({"url": "http://8.8.8.8/"}), "url"),
    ] {
        limited
            .patch(&path, body)
            .expect_problem(400, "invalid-request", Some(field));
    }
}

/// evt-23
///
/// A message that is sent again is one that the endpoint gets.
#[test]
fn evt_23_only_events_of_the_endpoint_are_sent_again() {
    on_each(Choice::default, |server| {
        server.tenant("acme").create_user("bjensen");
        server.tenant("other").create_user("kim");
        let admin = server.admin();
        let event = |tenant: &str| {
            let events = admin.get(&format!("/events?tenant={tenant}")).expect(200).json();
            events["events"][0]["id"].clone()
        };
        let replay =
            |path: &str, event: Value| admin.post(&format!("{path}/replay"), json!({ "message": event }));
        let (_, users) = create(&admin, json!({"tenants": ["acme"], "types": ["user.created"]}));
        replay(&users, event("acme")).expect(202);
        replay(&users, event("other")).expect_problem(400, "invalid-request", Some("message"));
        let (_, groups) = create(&admin, json!({"types": ["group.*", "user.deleted"]}));
        for tenant in ["acme", "other"] {
            let refused = replay(&groups, event(tenant));
            let problem = refused
                .expect_problem(400, "invalid-request", Some("message"))
                .json();
            let detail = problem["detail"].as_str().unwrap();
            assert!(detail.contains("`user.created`"), "{detail}");
        }
        for unknown in ["test-00000000000000000000000000000007", "1-1-0"] {
            let refused = replay(&groups, json!(unknown));
            refused.expect_problem(400, "invalid-request", Some("message"));
        }
    });
}

#[test]
fn a_key_that_is_limited_to_tenants_sees_their_endpoints_only() {
    let server = Server::start();
    for name in ["acme", "other"] {
        server.tenant(name);
    }
    let admin = server.admin();
    let (_, of_all) = create(&admin, json!({}));
    let (_, of_both) = create(&admin, json!({"tenants": ["acme", "other"]}));
    let (mine, path) = create(&admin, json!({"tenants": ["acme"]}));
    let limited = server.operator(KeyScope::Admin, &["acme"]);
    assert_eq!(limited.list("/webhooks", "id"), [mine["id"].clone()]);
    limited.get(&path).expect(200);
    for hidden in [of_all, of_both] {
        limited.get(&hidden).expect_problem(404, "not-found", Some("id"));
        limited
            .delete(&hidden)
            .expect_problem(404, "not-found", Some("id"));
        limited
            .request("POST", &format!("{hidden}/test"))
            .send()
            .expect(404);
    }
    let url = "https://127.0.0.1/hook";
    for body in [json!({"url": url}), json!({"url": url, "tenants": ["other"]})] {
        limited
            .post("/webhooks", body)
            .expect_problem(400, "invalid-request", Some("tenants"));
    }
    create(&limited, json!({"tenants": ["acme"]}));
    assert_eq!(limited.list("/webhooks", "id").len(), 2);
}
