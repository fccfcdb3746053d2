//! The feed: pages, long polls and their errors.

use std::time::{Duration, Instant};

use chrono::Utc;
use scim_model::store::{ChangeJournal as _, Directory as _, TenantId};
use scim_server::management::keys::KeyScope;
use serde_json::{Value, json};

use crate::harness::{Choice, Server, on_each};

fn tenant(server: &Server, name: &str) -> TenantId {
    let tenants = server.store.tenants().unwrap();
    tenants.into_iter().find(|it| it.name == name).unwrap().id
}

/// The type and the `userName` of the events of a page.
fn described(page: &Value) -> Vec<Value> {
    let events = page["events"].as_array().expect("it is a page").iter();
    events
        .map(|it| json!([it["type"], it["data"]["userName"]]))
        .collect()
}

/// evt-51, evt-52, evt-53
#[test]
fn evt_51_and_52_a_feed_is_read_in_pages_to_its_end() {
    on_each(Choice::default, |server| {
        let (acme, other) = (server.tenant("acme"), server.tenant("other"));
        for number in 0..5 {
            acme.create_user(&format!("a{number}"));
            other.create_user(&format!("o{number}"));
        }
        let reader = server.operator(KeyScope::Events, &[]);
        let (mut path, mut seen) = ("/events?limit=3".to_owned(), Vec::new());
        loop {
            let page = reader.get(&path).expect(200).json();
            seen.extend(described(&page));
            path = format!("/events?limit=3&after={}", page["next"].as_str().unwrap());
            if page["more"] == json!(false) {
                break;
            }
        }
        let expected: Vec<Value> = (0..5)
            .flat_map(|it| [format!("a{it}"), format!("o{it}")])
            .map(|it| json!(["user.created", it]))
            .collect();
        assert_eq!(seen, expected);
        let end = reader.get(&path).expect(200).json();
        assert_eq!((described(&end), &end["more"]), (vec![], &json!(false)));
        // A larger limit counts as the largest one.
        let whole = reader.get("/events?limit=5000").expect(200).json();
        assert_eq!(described(&whole), expected);
        let event = &whole["events"][0];
        assert_eq!(event["data"]["tenant"], "acme");
        assert_eq!(event["data"]["changes"]["userName"]["new"], "a0");
        assert_eq!(event["data"]["actor"]["kind"], "connection");
    });
}

/// evt-54, evt-55
#[test]
fn evt_54_and_55_filters_change_no_ids_and_now_is_the_end() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let reader = server.admin();
    let now = reader.get("/events?after=now").expect(200).json();
    assert_eq!(described(&now), [""; 0]);
    let user = acme.create_user("bjensen");
    acme.create_group("Guides", &[&user]);
    acme.patch(
        &user.path,
        json!([{"op": "replace", "path": "active", "value": false}]),
    )
    .expect(200);
    let after = now["next"].as_str().unwrap();
    let types = |query: &str| -> Vec<Value> {
        let page = reader
            .get(&format!("/events?after={after}{query}"))
            .expect(200)
            .json();
        page["events"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| json!([it["type"], it["id"]]))
            .collect()
    };
    let all = types("");
    assert_eq!(all[0][0], "user.created");
    let deactivated = types("&types=user.deactivated");
    assert_eq!(deactivated.len(), 1);
    assert!(all.contains(&deactivated[0]));
    assert!(
        types("&types=group.*")
            .iter()
            .all(|it| it[0].as_str().unwrap().starts_with("group."))
    );
    assert!(types("&resourceType=Group").iter().all(|it| all.contains(it)));
    let of_user = types(&format!("&resource={}", user.id));
    assert!(of_user.len() >= 2 && of_user.contains(&deactivated[0]));
    // `next` moves although nothing matches.
    let none = reader
        .get(&format!("/events?after={after}&types=group.deleted"))
        .expect(200)
        .json();
    assert_eq!(described(&none), [""; 0]);
    assert_eq!(&none["next"], &all.last().unwrap()[1]);
}

/// evt-48: a key sees the events of its tenants only.
#[test]
fn evt_48_tenants_are_chosen_and_limited() {
    on_each(Choice::default, |server| {
        for name in ["acme", "other", "third"] {
            server.tenant(name).create_user(name);
        }
        let names = |path: &str, operator: &super::operator::Operator| -> Vec<Value> {
            let page = operator.get(path).expect(200).json();
            page["events"]
                .as_array()
                .unwrap()
                .iter()
                .map(|it| it["data"]["tenant"].clone())
                .collect()
        };
        let admin = server.admin();
        assert_eq!(names("/events", &admin), ["acme", "other", "third"]);
        assert_eq!(
            names("/events?tenant=third&tenant=acme", &admin),
            ["acme", "third"]
        );
        let limited = server.operator(KeyScope::Events, &["acme", "third"]);
        assert_eq!(names("/events", &limited), ["acme", "third"]);
        assert_eq!(names("/events?tenant=third", &limited), ["third"]);
        for tenant in ["other", "nobody"] {
            let path = format!("/events?tenant=acme&tenant={tenant}");
            limited.get(&path).expect_problem(404, "not-found", None);
        }
        // A position of another tenant is not one of this feed.
        let page = admin.get("/events?tenant=other").expect(200).json();
        let path = format!("/events?after={}", page["next"].as_str().unwrap());
        let gone = limited
            .get(&path)
            .expect_problem(410, "position-lost", None)
            .json();
        assert_eq!(gone["reason"], "unknown");
        let read = server.operator(KeyScope::Read, &[]);
        assert_eq!(names("/events", &read).len(), 3);
        admin.delete("/tenants/acme").expect(204);
        admin.delete("/tenants/third").expect(204);
        assert_eq!(names("/events", &limited), [""; 0]);
        assert_eq!(names("/events", &admin), ["other"]);
    });
}

/// evt-41, evt-56
#[test]
fn evt_56_a_position_that_is_too_old_is_gone_and_a_malformed_one_invalid() {
    on_each(Choice::default, |server| {
        let acme = server.tenant("acme");
        let id = tenant(&server, "acme");
        let (one, two) = (acme.create_user("one"), acme.create_user("two"));
        let reader = server.admin();
        let first = reader.get("/events?limit=1").expect(200).json();
        acme.delete(&one.path).expect(204);
        acme.delete(&two.path).expect(204);
        server
            .store
            .prune_changes(id, Utc::now() + Duration::from_secs(1), 3)
            .unwrap();
        let path = format!("/events?after={}", first["next"].as_str().unwrap());
        let gone = reader
            .get(&path)
            .expect_problem(410, "position-lost", None)
            .json();
        assert_eq!(gone["reason"], "dropped");
        let oldest = gone["oldest"].as_str().unwrap();
        let rest = reader.get(&format!("/events?after={oldest}")).expect(200).json();
        assert_eq!(described(&rest), [json!(["user.deleted", "two"])]);
        let stream = reader.request("GET", &path).header("accept", "text/event-stream");
        stream.send().expect_problem(410, "position-lost", None);
        for (query, field) in [
            ("after=x", "after"),
            ("after=", "after"),
            ("after=1-2", "after"),
            ("after=1-2-3&after=now", "after"),
            ("limit=0", "limit"),
            ("limit=x", "limit"),
            ("wait=x", "wait"),
            ("types=user.gone", "types"),
            ("types=", "types"),
            ("resource=x", "resource"),
            ("tenants=acme", "tenants"),
        ] {
            let reply = reader.get(&format!("/events?{query}"));
            reply.expect_problem(400, "invalid-request", Some(field));
        }
        let stream = reader
            .request("GET", "/events")
            .header("accept", "text/event-stream");
        let reply = stream.header("last-event-id", "x").send();
        reply.expect_problem(400, "invalid-request", Some("Last-Event-ID"));
    });
}

/// evt-59
#[test]
fn evt_59_an_empty_answer_is_held_until_something_comes() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let reader = server.admin();
    let began = Instant::now();
    let empty = reader.get("/events?after=now&wait=1").expect(200).json();
    assert!(began.elapsed() >= Duration::from_secs(1));
    let after = empty["next"].as_str().unwrap();
    acme.create_user("bjensen");
    let began = Instant::now();
    let path = format!("/events?after={after}&wait=30");
    assert_eq!(
        described(&reader.get(&path).expect(200).json()),
        [json!(["user.created", "bjensen"])]
    );
    assert!(began.elapsed() < Duration::from_secs(5));
    // Events that the filter leaves out do not end the wait, and `next` moves over them.
    let path = format!("/events?after={after}&wait=1&types=group.created");
    let none = reader.get(&path).expect(200).json();
    assert_eq!(described(&none), [""; 0]);
    assert_ne!(none["next"], empty["next"]);
}

/// evt-63
#[test]
fn evt_63_reading_twice_gives_equal_bytes() {
    let server = Server::start();
    let acme = server.tenant("acme");
    let user = acme.create_user("bjensen");
    acme.patch(
        &user.path,
        json!([{"op": "add", "path": "title", "value": "a\n\"b\""}]),
    )
    .expect(200);
    let reader = server.admin();
    let (one, two) = (
        reader.get("/events").expect(200),
        reader.get("/events").expect(200),
    );
    assert_eq!(one.text, two.text);
}
