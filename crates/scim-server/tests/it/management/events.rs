//! The feed: pages, long polls and their errors.

use std::time::{Duration, Instant};

use chrono::Utc;
use scim_model::store::{ChangeJournal as _, Directory as _, TenantId};
use scim_server::management::keys::KeyScope;
use scim_server::service::Settings;
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
            limited
                .get(&path)
                .expect_problem(404, "not-found", Some("tenant"));
        }
        // A position of another tenant is not one of this feed.
        let page = admin.get("/events?tenant=other").expect(200).json();
        let path = format!("/events?after={}", page["next"].as_str().unwrap());
        let gone = limited
            .get(&path)
            .expect_problem(410, "position-lost", Some("after"))
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

/// evt-42
#[test]
fn evt_42_a_key_in_the_url_is_not_accepted() {
    let server = Server::start();
    let reader = server.operator(KeyScope::Events, &[]);
    for name in ["access_token", "token", "key", "authorization"] {
        for accept in ["application/json", "text/event-stream"] {
            let path = format!("/events?{name}={}", reader.key);
            let request = reader.request("GET", &path).header("accept", accept);
            let reply = request.authorization(None).send();
            reply.expect_problem(401, "unauthenticated", None);
        }
    }
    reader.get("/events").expect(200);
}

/// evt-56
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
            .expect_problem(410, "position-lost", Some("after"))
            .json();
        assert_eq!(gone["reason"], "dropped");
        let oldest = gone["oldest"].as_str().unwrap();
        let rest = reader.get(&format!("/events?after={oldest}")).expect(200).json();
        assert_eq!(described(&rest), [json!(["user.deleted", "two"])]);
        let stream = reader.request("GET", &path).header("accept", "text/event-stream");
        stream.send().expect_problem(410, "position-lost", Some("after"));
        // A reader that comes back never continues from now.
        let stream = reader
            .request("GET", "/events?after=now")
            .header("accept", "text/event-stream")
            .header("last-event-id", first["next"].as_str().unwrap());
        let gone = stream
            .send()
            .expect_problem(410, "position-lost", Some("Last-Event-ID"))
            .json();
        assert_eq!(
            (&gone["reason"], &gone["oldest"]),
            (&json!("dropped"), &json!(oldest))
        );
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
            ("types=user.created,device.created", "types"),
            ("types=device.*", "types"),
            ("resourceType=Device", "resourceType"),
            ("resourceType=User&resourceType=", "resourceType"),
            ("resource=x", "resource"),
            ("tenants=acme", "tenants"),
        ] {
            let reply = reader.get(&format!("/events?{query}"));
            reply.expect_problem(400, "invalid-request", Some(field));
        }
        // The accepted values are listed.
        let told = |query: &str| {
            let reply = reader.get(&format!("/events?{query}")).expect(400).json();
            reply["detail"].as_str().unwrap().to_owned()
        };
        let types = told("types=device.created");
        assert!(
            types.contains("user.restored") && types.contains("group.member_added"),
            "{types}"
        );
        assert!(told("resourceType=x").contains("User, Group"));
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

/// The resource of each event, or null.
fn resources(page: &Value) -> Vec<Value> {
    let events = page["events"].as_array().expect("it is a page").iter();
    events.map(|it| it["data"]["resource"].clone()).collect()
}

/// The answer to a GET of a resource, without the values that the journal does not have.
fn recorded(client: &crate::harness::Client, path: &str) -> Value {
    let mut shown = client.get(path).expect(200).json();
    let members = shown.as_object_mut().expect("it is an object");
    members.shift_remove("members");
    members.shift_remove("groups");
    let meta = members["meta"].as_object_mut().expect("it is an object");
    meta.shift_remove("created");
    meta.shift_remove("location");
    let version = meta["version"].as_str().expect("it is text");
    // The hash of the groups follows the version.
    if let Some((version, _)) = version.split_once('.') {
        meta["version"] = json!(format!("{version}\""));
    }
    shown
}

/// evt-61: an event can contain the resource as it was right after the change
#[test]
fn events_contain_the_resource_after_the_change() {
    let choice = || Choice {
        settings: Settings {
            hash_secrets: true,
            ..Choice::default().settings
        },
        ..Choice::default()
    };
    on_each(choice, |server| {
        let acme = server.tenant("acme");
        let reader = server.admin();
        let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
        let user = acme.create(
            "/Users",
            json!({
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", enterprise],
                "userName": "bjensen", "externalId": "e1", "password": "correct horse battery",
                "emails": [{"value": "b@example.com", "type": "work"}, {"value": "a@example.com", "type": "home"}],
                "name": {"familyName": "Jensen", "givenName": "Barbara"}, enterprise: {"department": "Tours"},
            }),
        );
        let mut expected = vec![recorded(&acme, &user.path)];
        // The elements of an attribute are sorted.
        expected[0]["emails"].as_array_mut().unwrap().reverse();
        let patch = |operations: Value| {
            acme.patch(&user.path, operations).expect(200);
        };
        patch(
            json!([{"op": "replace", "path": "name.familyName", "value": "Smith"},
                     {"op": "remove", "path": format!("{enterprise}:department")},
                     {"op": "remove", "path": "emails[type eq \"home\"]"}]),
        );
        expected.push(recorded(&acme, &user.path));
        patch(json!([{"op": "add", "path": "password", "value": "another horse battery"}]));
        expected.push(recorded(&acme, &user.path));
        patch(json!([{"op": "replace", "path": "active", "value": false},
                     {"op": "replace", "path": "title", "value": "Guide"}]));
        // One change, and two events.
        expected.extend([recorded(&acme, &user.path), recorded(&acme, &user.path)]);
        let group = acme.create_group("Guides", &[]);
        expected.push(recorded(&acme, &group.path));
        acme.patch(
            &group.path,
            json!([{"op": "add", "path": "members", "value": [{"value": user.id}]}]),
        )
        .expect(204);
        expected.push(recorded(&acme, &group.path));
        let page = |query: &str| {
            reader
                .get(&format!("/events?include=resource{query}"))
                .expect(200)
        };
        let before = page("");
        assert_eq!(resources(&before.json()), expected);
        assert_eq!(expected[0]["name"]["familyName"], "Jensen");
        assert_eq!(expected[0]["meta"]["version"], "W/\"1\"");
        // Later changes, and even the deletion, do not change what the events contain.
        patch(json!([{"op": "remove", "path": "title"},
                     {"op": "add", "path": "emails", "value": [{"value": "0@example.com"}]}]));
        expected.push(recorded(&acme, &user.path));
        expected.last_mut().unwrap()["emails"]
            .as_array_mut()
            .unwrap()
            .reverse();
        acme.delete(&user.path).expect(204);
        let left = expected[6].clone();
        expected.push(Value::Null);
        let group_left = recorded(&acme, &group.path);
        assert_ne!(group_left["meta"], left["meta"]);
        let after = page("");
        let found = resources(&after.json());
        let types: Vec<Value> = after.json()["events"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["type"].clone())
            .collect();
        assert_eq!(found.len(), 10, "{types:?}");
        assert_eq!(found[..8], expected[..8]);
        let rest: Vec<&Value> = found[8..].iter().filter(|it| !it.is_null()).collect();
        assert_eq!(rest, [&group_left]);
        let events = before.text.rsplit_once("],\"next\"").unwrap().0;
        assert!(after.text.starts_with(events), "reading twice gives equal bytes");
        for text in [&before.text, &after.text] {
            assert!(!text.contains("horse") && !text.contains("$argon2"), "{text}");
        }
        // Without the parameter there are none, and the ids are the same.
        let plain = reader.get("/events").expect(200).json();
        assert!(resources(&plain).iter().all(Value::is_null));
        assert_eq!(plain["next"], after.json()["next"]);
        let deactivated = page("&types=user.deactivated").json();
        assert_eq!(resources(&deactivated), expected[3..4]);
        let wrong = reader.get("/events?include=group");
        wrong.expect_problem(400, "invalid-request", Some("include"));
    });
}

/// A-85
#[test]
fn the_list_of_tenants_tells_which_ones_were_deleted() {
    let server = Server::start();
    let reader = server.operator(KeyScope::Read, &[]);
    let admin = server.admin();
    server.tenant("acme").create_user("before");
    server.tenant("other").create_user("o");
    let listed = |name: &str| -> Value {
        let list = reader.get("/tenants").expect(200).json();
        let items = list["items"].as_array().expect("it is a list").iter();
        items.filter(|it| it["name"] == name).cloned().collect()
    };
    let first = listed("acme");
    let start = reader.get("/events").expect(200).json();
    admin.delete("/tenants/acme").expect(204);
    assert_eq!(listed("acme"), json!([]));
    reader
        .get("/events?tenant=acme")
        .expect_problem(404, "not-found", Some("tenant"));
    // The reader of all tenants goes on, and sees the new tenant of the same name.
    server.tenant("acme").create_user("after");
    let path = format!("/events?after={}", start["next"].as_str().unwrap());
    let rest = reader.get(&path).expect(200).json();
    assert_eq!(described(&rest), [json!(["user.created", "after"])]);
    assert_ne!(listed("acme")[0]["created"], first[0]["created"]);
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
    for path in ["/events", "/events?include=resource"] {
        let read = || reader.get(path).expect(200).text;
        let one = read();
        assert_eq!(one, read());
        // The one exception (A-84).
        reader.patch("/tenants/acme", json!({"name": "corp"})).expect(200);
        assert_eq!(one.replace(r#""tenant":"acme""#, r#""tenant":"corp""#), read());
        assert_ne!(one, read());
        reader.patch("/tenants/corp", json!({"name": "acme"})).expect(200);
        assert_eq!(one, read());
    }
}
