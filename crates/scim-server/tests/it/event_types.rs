//! The events of each kind of change, and their JSON.

use chrono::DateTime;
use scim_model::change::{Actor, Change, ChangeDetail, Operation, ResourceNames};
use scim_model::store::{ConnectionId, FeedEntry, TenantId};
use scim_server::delivery::event::{Event, EventId, InvalidEventId, MAX_BODY_BYTES, events_of};
use serde_json::{Value, json};
use uuid::Uuid;

fn id(byte: u8) -> Uuid {
    Uuid::from_bytes([byte; 16])
}

fn entry(resource_type: &str, operation: Operation, detail: &Value) -> FeedEntry {
    let change = Change {
        position: "1042-1735689600123".parse().expect("it is a position"),
        at: DateTime::from_timestamp_millis(1_735_689_600_123).expect("it is a time"),
        actor: Actor::Connection {
            connection: ConnectionId(id(3)),
            credential: id(4),
            request: "0badc0de00000001".to_owned(),
        },
        connection_name: Some("entra".to_owned()),
        transaction: Some(id(5)),
        resource_type: resource_type.into(),
        id: id(1),
        names: Some(ResourceNames {
            external_id: Some("e1".to_owned()),
            name: Some("bjensen".to_owned()),
        }),
        version: 7,
        operation,
        detail: ChangeDetail::from_stored(&detail.to_string()),
    };
    FeedEntry {
        tenant: TenantId(1),
        tenant_name: "acme".into(),
        stored_bytes: 0,
        change,
    }
}

fn json_of(event: &Event) -> Value {
    serde_json::from_str(&event.body()).expect("an event is JSON")
}

/// The types and changes of the events of a change.
fn meaning(resource_type: &str, operation: Operation, detail: &Value) -> Vec<(String, Value)> {
    let events = events_of(&entry(resource_type, operation, detail));
    let numbers: Vec<u32> = events.iter().map(|it| it.id.number).collect();
    assert_eq!(numbers, (0..).take(events.len()).collect::<Vec<u32>>());
    let meaning = |event: &Event| {
        (
            event.event_type.to_string(),
            json_of(event)["data"]["changes"].clone(),
        )
    };
    events.iter().map(meaning).collect()
}

/// evt-02, evt-61: what each change means
#[test]
fn each_change_has_its_events() {
    use Operation::{Create, Delete, MemberDeleted, MemberRenamed, Restored, Update};
    let active = |old: Value, new: Value| json!({"active": {"old": old, "new": new}});
    let title = json!({"title": {"new": "Guide"}});
    let name = json!({"displayName": {"old": "A", "new": "B"}});
    let members = |added: &[u8], removed: &[u8]| {
        let ids = |ids: &[u8]| ids.iter().map(|it| id(*it).to_string()).collect::<Vec<_>>();
        json!({"members": {"added": ids(added), "removed": ids(removed)}})
    };
    let both = |one: &Value, other: &Value| {
        let mut one = one.as_object().expect("it is an object").clone();
        one.extend(other.as_object().expect("it is an object").clone());
        Value::Object(one)
    };
    let steps = json!({"members": {"steps": [{"add": [id(2).to_string()]}, {"removeAll": true}]}});
    let secret = json!({"password": {"changed": true}});
    let user_name = json!({"userName": {"old": "bj", "new": "bjensen"}});
    let off = active(json!(true), json!(false));
    let member = json!({"member": id(2).to_string()});
    let renamed = json!({"members": {"renamed": [id(2).to_string()]}});
    for (resource_type, operation, detail, expected) in [
        ("User", Create, &title, vec![("user.created", &title)]),
        (
            "User",
            Create,
            &json!({"active": {"new": false}}),
            vec![("user.created", &json!({"active": {"new": false}}))],
        ),
        ("User", Update, &title, vec![("user.updated", &title)]),
        ("User", Update, &secret, vec![("user.updated", &secret)]),
        ("User", Update, &json!({}), vec![("user.updated", &json!({}))]),
        ("User", Update, &user_name, vec![("user.renamed", &user_name)]),
        ("User", Update, &name, vec![("user.updated", &name)]),
        ("User", Update, &off, vec![("user.deactivated", &off)]),
        (
            "User",
            Update,
            &json!({"active": {"new": false}}),
            vec![("user.deactivated", &json!({"active": {"new": false}}))],
        ),
        (
            "User",
            Update,
            &active(json!(false), json!(true)),
            vec![("user.reactivated", &active(json!(false), json!(true)))],
        ),
        // Without `active`, a user counts as active.
        (
            "User",
            Update,
            &json!({"active": {"old": false}}),
            vec![("user.reactivated", &json!({"active": {"old": false}}))],
        ),
        (
            "User",
            Update,
            &json!({"active": {"new": true}}),
            vec![("user.updated", &json!({"active": {"new": true}}))],
        ),
        (
            "User",
            Update,
            &json!({"active": {"old": true}}),
            vec![("user.updated", &json!({"active": {"old": true}}))],
        ),
        (
            "User",
            Update,
            &both(&title, &json!({"active": {"old": false}})),
            vec![
                ("user.reactivated", &json!({"active": {"old": false}})),
                ("user.updated", &title),
            ],
        ),
        (
            "User",
            Update,
            &both(&both(&title, &user_name), &off),
            vec![
                ("user.deactivated", &off),
                ("user.renamed", &user_name),
                ("user.updated", &title),
            ],
        ),
        (
            "User",
            Restored,
            &both(&active(json!(false), json!(true)), &user_name),
            vec![(
                "user.restored",
                &both(&active(json!(false), json!(true)), &user_name),
            )],
        ),
        ("User", Delete, &user_name, vec![("user.deleted", &user_name)]),
        ("Group", Create, &name, vec![("group.created", &name)]),
        (
            "Group",
            Create,
            &both(&name, &members(&[2, 3], &[])),
            vec![
                ("group.created", &name),
                ("group.member_added", &members(&[2, 3], &[])),
            ],
        ),
        ("Group", Update, &name, vec![("group.renamed", &name)]),
        (
            "Group",
            Update,
            &both(
                &both(&name, &members(&[2], &[3, 4])),
                &json!({"externalId": {"new": "x"}}),
            ),
            vec![
                ("group.renamed", &name),
                ("group.updated", &json!({"externalId": {"new": "x"}})),
                ("group.member_added", &members(&[2], &[])),
                ("group.member_removed", &members(&[], &[3, 4])),
            ],
        ),
        (
            "Group",
            Update,
            &members(&[], &[]),
            vec![("group.updated", &members(&[], &[]))],
        ),
        ("Group", Update, &steps, vec![("group.updated", &steps)]),
        (
            "Group",
            MemberDeleted,
            &member,
            vec![("group.member_removed", &members(&[], &[2]))],
        ),
        ("Group", MemberRenamed, &member, vec![("group.updated", &renamed)]),
        (
            "Group",
            Delete,
            &both(&name, &members(&[], &[2])),
            vec![
                ("group.member_removed", &members(&[], &[2])),
                ("group.deleted", &name),
            ],
        ),
        ("Device", Create, &name, vec![("device.created", &name)]),
        (
            "Device",
            Update,
            &both(&name, &off),
            vec![("device.updated", &both(&name, &off))],
        ),
        ("Device", Delete, &name, vec![("device.deleted", &name)]),
        ("Door-Lock", Update, &title, vec![("door_lock.updated", &title)]),
        (
            "User",
            Update,
            &json!(["damaged"]),
            vec![("user.updated", &json!({}))],
        ),
    ] {
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(name, it)| (name.to_owned(), it.clone()))
            .collect();
        assert_eq!(
            meaning(resource_type, operation, detail),
            expected,
            "{resource_type} {operation:?} {detail}"
        );
    }
}

/// evt-03, evt-21, evt-60: the members of an event, in their order
#[test]
fn an_event_is_a_json_object() {
    let off = json!({"active": {"old": true, "new": false}});
    let events = events_of(&entry("User", Operation::Update, &off));
    assert_eq!(
        events[0].body(),
        format!(
            r#"{{"id":"1042-1735689600123-0","type":"user.deactivated","timestamp":"2025-01-01T00:00:00.123Z","data":{{"tenant":"acme","position":"1042-1735689600123","transaction":"{}","connection":"entra","actor":{{"kind":"connection","credential":"{}","requestId":"0badc0de00000001"}},"resourceType":"User","resourceId":"{}","externalId":"e1","userName":"bjensen","version":7,"changes":{{"active":{{"old":true,"new":false}}}}}}}}"#,
            id(5),
            id(4),
            id(1)
        )
    );
}

#[test]
fn an_entry_of_an_earlier_version_has_the_names_that_it_contains() {
    let named = |operation: Operation, detail: Value| {
        let mut entry = entry("Group", operation, &detail);
        entry.change.names = None;
        entry.change.transaction = None;
        entry.change.connection_name = None;
        entry.change.actor = Actor::Unknown;
        json_of(&events_of(&entry)[0])["data"].clone()
    };
    let data = named(
        Operation::Delete,
        json!({"displayName": {"old": "Guides"}, "externalId": {"old": "e"}}),
    );
    assert_eq!(data["displayName"], "Guides");
    assert_eq!(data["externalId"], "e");
    assert_eq!(data["transaction"], "1042-1735689600123");
    assert_eq!((data.get("userName"), data.get("connection")), (None, None));
    assert_eq!(data["actor"], json!({"kind": "unknown"}));
    let data = named(Operation::Update, json!({"title": {"new": "x"}}));
    assert_eq!((data.get("displayName"), data.get("externalId")), (None, None));
}

/// evt-04: a large body falls back to the names of the attributes
#[test]
fn a_large_event_is_shortened() {
    let ids: Vec<String> = (0..50_000u128)
        .map(|it| Uuid::from_u128(it).to_string())
        .collect();
    let detail = json!({"members": {"added": ids, "removed": []}});
    let mut entry = entry("Group", Operation::Update, &detail);
    let event = &events_of(&entry)[0];
    assert!(event.body().len() > 1_000_000);
    let short = event.limited_body(MAX_BODY_BYTES);
    assert!(short.len() < 1_000);
    let data: Value = serde_json::from_str::<Value>(&short).expect("it is JSON")["data"].clone();
    assert_eq!(
        (&data["changed"], &data["truncated"]),
        (&json!(["members"]), &json!(true))
    );
    assert_eq!(
        (data.get("changes"), &data["displayName"]),
        (None, &json!("bjensen"))
    );

    let notice: Value = serde_json::from_str(&event.notice()).expect("it is JSON");
    assert_eq!(notice["data"]["changed"], json!(["members"]));
    assert_eq!(
        (notice["data"].get("truncated"), notice["data"].get("changes")),
        (None, None)
    );

    let names = entry.change.names.as_mut().expect("the test gives it names");
    names.name = Some("x".repeat(MAX_BODY_BYTES));
    let shorter = events_of(&entry)[0].limited_body(MAX_BODY_BYTES);
    assert!(shorter.len() < 1_000);

    let detail = json!({"title": {"new": "Guide"}});
    let event = &events_of(&self::entry("User", Operation::Update, &detail))[0];
    assert_eq!(event.limited_body(MAX_BODY_BYTES), event.body());
}

/// evt-36
#[test]
fn ids_are_read_as_they_are_written() {
    let id: EventId = "1042-1735689600123-11".parse().expect("it is an id");
    assert_eq!(id.number, 11);
    assert_eq!(id.to_string(), "1042-1735689600123-11");
    let earlier: EventId = "1042-1735689600123-2".parse().expect("it is an id");
    let later: EventId = "1043-1-0".parse().expect("it is an id");
    assert!(earlier < id && id < later);
    for text in [
        "",
        "1-2",
        "1-2-",
        "1-2-+3",
        "1-2-x",
        "-1-2-3",
        "1-2-3-4",
        "1-2-99999999999",
        " 1-2-3",
        "now",
    ] {
        assert_eq!(text.parse::<EventId>(), Err(InvalidEventId), "{text}");
    }
}

/// A line break in a value stays inside the line of the event
#[test]
fn an_event_is_one_line() {
    let detail = json!({"displayName": {"new": "a\nb\r\u{2028}c"}});
    for event in events_of(&entry("User", Operation::Update, &detail)) {
        assert!(!event.body().contains(['\n', '\r']));
        assert_eq!(json_of(&event)["data"]["changes"], detail);
    }
}
