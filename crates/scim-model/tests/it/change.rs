//! The changes that the journal records, and their JSON.

use std::sync::LazyLock;

use chrono::DateTime;
use scim_model::change::{
    Actor, AttributeChange, AttributeChanges, Change, ChangeDetail, MembersChange, MembersStep, Operation,
    PastState,
};
use scim_model::schema::{ENTERPRISE_USER_URN, USER_URN};
use scim_model::store::ConnectionId;
use scim_model::{Document, SchemaRegistry, SecretHash};
use serde_json::{Value, json};
use uuid::Uuid;

const BADGE: &str = "urn:example:params:scim:schemas:extension:badge:2.0:User";

const CREW: &str = "urn:example:params:scim:schemas:core:2.0:Crew";

/// The built-in types, with a badge for users, and crews.
fn registry() -> &'static SchemaRegistry {
    static REGISTRY: LazyLock<SchemaRegistry> = LazyLock::new(|| {
        let badge = json!({"id": BADGE, "name": "Badge", "attributes": [
            {"name": "level", "type": "integer"}, {"name": "code"}, {"name": "tags", "multiValued": true},
            {"name": "pin", "returned": "never"}]});
        let extension = |urn: &str| json!({"schema": urn, "required": false});
        let user = json!({"name": "User", "endpoint": "/Users", "schema": USER_URN,
            "schemaExtensions": [extension(ENTERPRISE_USER_URN), extension(BADGE)]});
        let crew = json!({"id": CREW, "name": "Crew", "attributes": [{"name": "members", "type": "complex",
            "multiValued": true, "subAttributes": [{"name": "value"}, {"name": "role"},
            {"name": "$ref", "type": "reference", "referenceTypes": ["User"]}]}]});
        let crew_type = json!({"name": "Crew", "endpoint": "/Crews", "schema": CREW});
        let files = [
            ("badge.json", badge),
            ("crew.json", json!([crew, crew_type])),
            ("user.json", user),
        ];
        SchemaRegistry::load(&files.map(|(name, text)| (name.to_owned(), text.to_string()))).unwrap()
    });
    &REGISTRY
}

fn document(value: &Value) -> Document {
    Document::from_values(value.as_object().unwrap().clone())
}

fn json_of(changes: &AttributeChanges) -> Value {
    serde_json::to_value(changes).unwrap()
}

/// The changes between two resources of a type, which have this JSON.
#[track_caller]
fn check(type_: &str, old: &Value, new: &Value, expected: &Value) -> AttributeChanges {
    let resource_type = registry().resource_type(type_).unwrap();
    let (old, new) = (document(old), document(new));
    let changes = AttributeChanges::between(resource_type, &old, &new);
    assert_eq!(json_of(&changes), *expected);
    assert!(AttributeChanges::between(resource_type, &new, &new).is_empty());
    read_back(&changes);
    changes
}

/// Stored text is read back as the changes that it was written from.
#[track_caller]
fn read_back(changes: &AttributeChanges) {
    let stored = changes.to_stored();
    let detail = ChangeDetail::from_stored(&stored);
    assert_eq!(detail, ChangeDetail::Attributes(changes.clone()));
    assert_eq!(detail.to_stored(), stored);
}

#[test]
fn added_removed_and_replaced_attributes_are_changes() {
    check(
        "User",
        &json!({"userName": "a", "title": "T", "emails": [{"value": "1"}], BADGE: {"level": 1, "code": "c"}}),
        &json!({"userName": "b", "nickName": "N", "emails": [{"value": "1"}, {"value": "2"}], BADGE: {"level": 2, "code": "c"}}),
        &json!({
            "userName": {"old": "a", "new": "b"},
            "title": {"old": "T"},
            "nickName": {"new": "N"},
            "emails": {"old": [{"value": "1"}], "new": [{"value": "1"}, {"value": "2"}]},
            format!("{BADGE}:level"): {"old": 1, "new": 2},
        }),
    );
    check(
        "User",
        &json!({"userName": "a", BADGE: {"level": 1}}),
        &json!({"userName": "a"}),
        &json!({format!("{BADGE}:level"): {"old": 1}}),
    );
    check(
        "User",
        &json!({"userName": "a"}),
        &json!({"userName": "a", BADGE: {"level": 1}}),
        &json!({format!("{BADGE}:level"): {"new": 1}}),
    );
}

#[test]
fn the_order_of_values_makes_no_difference() {
    let registry = registry();
    let user = registry.resource_type("User").unwrap();
    let old = document(
        &json!({"emails": [{"value": "1", "type": "a"}, {"value": "2"}], BADGE: {"tags": ["x", "y", "x"]}}),
    );
    let new = document(
        &json!({BADGE: {"tags": ["x", "x", "y"]}, "emails": [{"value": "2"}, {"type": "a", "value": "1"}]}),
    );
    assert!(AttributeChanges::between(user, &old, &new).is_empty());
    let more = document(&json!({"emails": old.values()["emails"], BADGE: {"tags": ["x", "y", "y"]}}));
    assert!(!AttributeChanges::between(user, &old, &more).is_empty());
}

#[test]
fn members_are_recorded_one_by_one() {
    let id = |number: u8| Uuid::from_bytes([number; 16]);
    let text = |number: u8| id(number).to_string();
    let changes = check(
        "Group",
        &json!({"displayName": "g", "members": [{"value": text(1), "type": "User"}, {"value": text(2), "type": "User"}]}),
        &json!({"displayName": "g", "members": [{"value": text(2), "type": "User"}, {"value": text(3)}]}),
        &json!({"members": {"added": [text(3)], "removed": [text(1)]}}),
    );
    let steps = vec![MembersStep::Remove(vec![id(1)]), MembersStep::Add(vec![id(3)])];
    assert_eq!(changes.members(), Ok(MembersChange::Steps(steps.clone())));
    // Only the id of a member is stored in the group.
    let registry = registry();
    let old = document(&json!({"members": [{"value": text(1), "type": "User", "display": "A"}]}));
    let new = document(&json!({"members": [{"value": text(1)}]}));
    let changes = AttributeChanges::between(registry.resource_type("Group").unwrap(), &old, &new);
    assert!(changes.is_empty());
    assert_eq!(changes.members(), Ok(MembersChange::None));
    let nobody = document(&json!({"members": [{"value": "nobody"}]}));
    assert!(
        AttributeChanges::between(registry.resource_type("Group").unwrap(), &old, &nobody)
            .members()
            .is_err()
    );
}

/// The store keeps the members of groups as rows. Members of another type are part of the document, with all their
/// sub-attributes.
#[test]
fn a_description_of_a_member_is_recorded_where_the_document_has_it() {
    let id = Uuid::from_bytes([1; 16]);
    let member = |role: &str| json!([{"value": id.to_string(), "role": role}]);
    check(
        "Crew",
        &json!({"members": member("cook")}),
        &json!({"members": member("captain")}),
        &json!({"members": {"old": member("cook"), "new": member("captain")}}),
    );
}

#[test]
fn a_value_that_is_never_returned_is_not_in_the_journal() {
    let changes = check(
        "User",
        &json!({"userName": "a", BADGE: {"pin": "1234"}}),
        &json!({"userName": "a", BADGE: {"pin": "9999"}}),
        &json!({format!("{BADGE}:pin"): {"changed": true}}),
    );
    assert!(!changes.is_empty());
}

/// 7643-9.2-01: the journal records that the attribute changed, and not its values, even if only a part of it
/// is never returned.
#[test]
fn an_attribute_with_a_part_that_is_never_returned_is_recorded_without_its_values() {
    let schema = r#"{"id": "urn:example:Door", "name": "Door", "attributes": [
        {"name": "name"}, {"name": "pin", "returned": "never"},
        {"name": "lock", "type": "complex", "subAttributes": [{"name": "make"}, {"name": "code", "returned": "never"}]}]}"#;
    let resource_type = r#"{"name": "Door", "endpoint": "/Doors", "schema": "urn:example:Door"}"#;
    let files = [("a", schema), ("b", resource_type)].map(|(name, text)| (name.to_owned(), text.to_owned()));
    let registry = SchemaRegistry::load(&files).unwrap();
    let door = |number: &str| {
        document(&json!({"name": number, "pin": number, "lock": {"make": "x", "code": number}}))
    };
    let changes = AttributeChanges::between(registry.resource_type("Door").unwrap(), &door("1"), &door("2"));
    assert_eq!(
        json_of(&changes),
        json!({"name": {"old": "1", "new": "2"}, "pin": {"changed": true}, "lock": {"changed": true}})
    );
}

#[test]
fn members_and_secrets_are_recorded_in_addition_to_the_document() {
    let id = |number: u8| Uuid::from_bytes([number; 16]);
    let text = |number: u8| id(number).to_string();
    let secrets = [("password".to_owned(), None)].into();
    let mut changes = AttributeChanges::default().with_secrets(&secrets);
    changes.record_members(&[id(2), id(1)], &[id(3)]);
    assert_eq!(
        changes.to_stored(),
        json!({"password": {"changed": true}, "members": {"added": [text(2), text(1)], "removed": [text(3)]}})
            .to_string()
    );
    read_back(&changes);
    assert!(AttributeChanges::default().with_secrets(&[].into()).is_empty());

    let group = registry().resource_type("Group").unwrap();
    let new = document(&json!({"members": [{"value": text(1)}]}));
    let mut compared = AttributeChanges::between(group, &document(&json!({})), &new);
    compared.record_members(&[id(2)], &[]);
    assert_eq!(
        json_of(&compared),
        json!({"members": {"added": [text(2)], "removed": []}}),
        "the store knows better than the comparison"
    );
}

/// Earlier versions stored the steps that a client asked for.
#[test]
fn steps_of_earlier_versions_are_readable() {
    let id = |number: u8| Uuid::from_bytes([number; 16]);
    let [one, two, three] = [1, 2, 3].map(|it| id(it).to_string());
    let text = format!(
        r#"{{"members":{{"steps":[{{"removeAll":true}},{{"remove":["{one}"]}},{{"add":["{two}","{three}"]}},{{"replaceAll":[]}}]}}}}"#
    );
    let detail = ChangeDetail::from_stored(&text);
    let steps = vec![
        MembersStep::RemoveAll,
        MembersStep::Remove(vec![id(1)]),
        MembersStep::Add(vec![id(2), id(3)]),
        MembersStep::ReplaceAll(Vec::new()),
    ];
    let ChangeDetail::Attributes(changes) = &detail else {
        panic!("{detail:?}");
    };
    assert_eq!(
        changes.get("members"),
        Some(&AttributeChange::Steps(steps.clone()))
    );
    assert_eq!(changes.members(), Ok(MembersChange::Steps(steps)));
    assert_eq!(detail.to_stored(), text);
    assert_eq!(serde_json::to_string(&detail).unwrap(), text);
}

#[test]
fn a_creation_and_a_deletion_record_the_whole_resource() {
    let id = |number: u8| Uuid::from_bytes([number; 16]);
    let text = |number: u8| id(number).to_string();
    let user = registry().resource_type("User").unwrap();
    let value =
        json!({"userName": "a", BADGE: {"level": 1, "pin": "1234"}, "urn:example:gone": {"pin": "1"}});
    let changes = |side: &str| {
        json!({"userName": {side: "a"}, format!("{BADGE}:level"): {side: 1},
            format!("{BADGE}:pin"): {"changed": true}, "urn:example:gone": {"changed": true}})
    };
    let secrets = [
        ("password".to_owned(), Some(SecretHash("secret".to_owned()))),
        ("other".to_owned(), None),
    ]
    .into();
    let created = AttributeChanges::of_creation(user, &document(&value), &[id(1)], &secrets);
    let mut expected = changes("new");
    expected["password"] = json!({"changed": true});
    assert_eq!(json_of(&created), expected, "a user has no members");
    read_back(&created);
    let mut stored = value;
    stored["schemas"] = json!([USER_URN]);
    let deleted = AttributeChanges::of_deletion(user, &stored.to_string(), &[]);
    assert_eq!(json_of(&deleted), changes("old"));
    read_back(&deleted);
    assert!(AttributeChanges::of_deletion(user, "damaged", &[]).is_empty());

    let group = registry().resource_type("Group").unwrap();
    let members = [id(1), id(2), id(1)];
    let created = AttributeChanges::of_creation(
        group,
        &document(&json!({"displayName": "g"})),
        &members,
        &[].into(),
    );
    assert_eq!(
        created.to_stored(),
        format!(
            r#"{{"displayName":{{"new":"g"}},"members":{{"added":["{}","{}"],"removed":[]}}}}"#,
            text(1),
            text(2)
        )
    );
    let deleted = AttributeChanges::of_deletion(group, r#"{"displayName":"g"}"#, &members[..2]);
    let removed = json!({"added": [], "removed": [text(1), text(2)]});
    assert_eq!(
        json_of(&deleted),
        json!({"displayName": {"old": "g"}, "members": removed})
    );
}

#[test]
fn an_earlier_change_of_the_same_attribute_is_replaced() {
    let mut changes = AttributeChanges::default();
    let value = AttributeChange::Value {
        old: None,
        new: Some(json!(1)),
    };
    changes.insert("a", value.clone());
    changes.insert("b", value);
    changes.insert("a", AttributeChange::Hidden);
    assert_eq!(changes.to_stored(), r#"{"a":{"changed":true},"b":{"new":1}}"#);
    assert_eq!(changes.get("a"), Some(&AttributeChange::Hidden));
    assert_eq!(changes.get("c"), None);
}

/// Entries of earlier versions stay as they were written.
#[test]
fn text_that_is_not_a_change_is_kept_and_shown() {
    for text in [
        "",
        "damaged",
        "[]",
        "5",
        r#"{"member":"nobody"}"#,
        r#"{"member":"00000000-0000-0000-0000-000000000000","since":1}"#,
        r#"{"title":"A"}"#,
        r#"{"title":{"before":"A"}}"#,
        r#"{"title":{"new":"A","changed":true}}"#,
        r#"{"title":{"changed":false}}"#,
        r#"{"members":{"added":["a"]}}"#,
        r#"{"members":{"added":["a"],"removed":[1]}}"#,
        r#"{"members":{"added":[],"removed":[],"steps":[]}}"#,
        r#"{"members":{"steps":[{"move":[]}]}}"#,
        r#"{"members":{"steps":[{"removeAll":false}]}}"#,
        r#"{"members":{"steps":[{"add":["nobody"]}]}}"#,
        r#"{"members":{"steps":[{"add":[],"remove":[]}]}}"#,
    ] {
        let detail = ChangeDetail::from_stored(text);
        assert_eq!(detail, ChangeDetail::Unreadable(text.to_owned()));
        assert_eq!(detail.to_stored(), text);
        let shown = serde_json::from_str(text).unwrap_or(json!(text));
        assert_eq!(serde_json::to_value(&detail).unwrap(), shown);
    }
}

#[test]
fn a_change_of_a_member_names_the_member() {
    let id = Uuid::from_bytes([7; 16]);
    let stored = format!(r#"{{"member":"{id}"}}"#);
    assert_eq!(ChangeDetail::Member(id).to_stored(), stored);
    assert_eq!(ChangeDetail::from_stored(&stored), ChangeDetail::Member(id));
}

#[test]
fn operations_are_read_as_they_are_written() {
    for text in [
        "create",
        "update",
        "delete",
        "restored",
        "memberRenamed",
        "memberDeleted",
    ] {
        assert_eq!(text.parse::<Operation>().map(Operation::as_str), Ok(text));
    }
    let error = "Create".parse::<Operation>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "`Create` is not an operation that this version knows"
    );
}

#[test]
fn an_entry_is_printed_with_its_tenant() {
    let change = Change {
        position: "17-1735689600000".parse().unwrap(),
        at: DateTime::from_timestamp_millis(1_735_689_600_120).unwrap(),
        actor: Actor::Unknown,
        connection_name: None,
        transaction: None,
        resource_type: "Group".into(),
        id: Uuid::from_bytes([1; 16]),
        names: None,
        version: 3,
        operation: Operation::MemberDeleted,
        detail: ChangeDetail::Member(Uuid::from_bytes([2; 16])),
    };
    assert_eq!(
        change.to_json("acme").to_string(),
        r#"{"position":"17-1735689600000","at":"2025-01-01T00:00:00.120Z","tenant":"acme","resourceType":"Group","id":"01010101-0101-0101-0101-010101010101","version":3,"kind":"memberDeleted","actor":{"kind":"unknown"},"change":{"member":"02020202-0202-0202-0202-020202020202"}}"#
    );
}

#[test]
fn an_entry_is_printed_with_the_name_of_its_connection() {
    let change = Change {
        position: "17-1735689600000".parse().unwrap(),
        at: DateTime::from_timestamp_millis(1_735_689_600_120).unwrap(),
        actor: Actor::Connection {
            connection: ConnectionId(Uuid::from_bytes([1; 16])),
            credential: Uuid::from_bytes([2; 16]),
            request: "r".to_owned(),
        },
        connection_name: Some("entra".to_owned()),
        transaction: None,
        resource_type: "User".into(),
        id: Uuid::from_bytes([3; 16]),
        names: None,
        version: 3,
        operation: Operation::Delete,
        detail: ChangeDetail::Member(Uuid::from_bytes([2; 16])),
    };
    assert_eq!(
        change.to_json("acme")["actor"].to_string(),
        r#"{"kind":"connection","connection":"01010101-0101-0101-0101-010101010101","connectionName":"entra","credential":"02020202-0202-0202-0202-020202020202","requestId":"r"}"#
    );
}

#[test]
fn an_originator_is_printed_by_its_kind() {
    let id = |byte: u8| Uuid::from_bytes([byte; 16]);
    let request = || "0badc0de00000001".to_owned();
    for (actor, expected) in [
        (
            Actor::Connection {
                connection: ConnectionId(id(1)),
                credential: id(2),
                request: request(),
            },
            json!({"kind": "connection", "connection": id(1).to_string(), "credential": id(2).to_string(),
                   "requestId": "0badc0de00000001"}),
        ),
        (
            Actor::OperatorKey {
                key: id(3),
                request: request(),
            },
            json!({"kind": "operatorKey", "key": id(3).to_string(), "requestId": "0badc0de00000001"}),
        ),
        (
            Actor::CommandLine {
                user: "root".to_owned(),
            },
            json!({"kind": "commandLine", "user": "root"}),
        ),
        (Actor::System, json!({"kind": "system"})),
        (Actor::Unknown, json!({"kind": "unknown"})),
    ] {
        assert_eq!(serde_json::to_value(&actor).unwrap(), expected);
    }
}

/// The states of a resource with these documents, one after the other: as they were, and as they are after the changes
/// from the last one were undone.
fn states(type_: &str, documents: &[Value]) -> Vec<(Value, Value)> {
    let resource_type = registry().resource_type(type_).unwrap();
    let of_document =
        |it: &Value| PastState::of_document(resource_type, &document(it).to_stored_json(resource_type));
    let shown = |it: &PastState| {
        it.to_json(resource_type, Uuid::nil())
            .map_or(Value::Null, Value::Object)
    };
    let mut state = of_document(documents.last().unwrap());
    let mut states = vec![(shown(&state), shown(&state))];
    for pair in documents.windows(2).rev() {
        let changes = AttributeChanges::between(resource_type, &document(&pair[0]), &document(&pair[1]));
        state = state.undo(
            resource_type,
            Operation::Update,
            &ChangeDetail::Attributes(changes),
        );
        states.insert(0, (shown(&of_document(&pair[0])), shown(&state)));
    }
    states
}

/// evt-61
#[test]
fn the_state_before_changes_is_known_without_secrets() {
    let users = [
        json!({"userName": "a", "emails": [{"value": "2"}, {"value": "1"}], BADGE: {"level": 1, "tags": ["y", "x"]}}),
        json!({"userName": "a", "emails": [{"value": "1"}, {"value": "2"}]}),
        json!({"userName": "b", "name": {"familyName": "F", "givenName": "G"}, BADGE: {"code": "c", "pin": "Marker"}}),
        json!({"userName": "b", "name": {"familyName": "F"}, BADGE: {"code": "c", "pin": "Marker-2"}}),
    ];
    let found = states("User", &users);
    for (shown, undone) in &found {
        assert_eq!(shown.to_string(), undone.to_string());
        assert!(!shown.to_string().contains("Marker"));
    }
    assert_eq!(
        found[0].0,
        json!({"schemas": [USER_URN, BADGE], "id": Uuid::nil().to_string(), "userName": "a",
               "emails": [{"value": "1"}, {"value": "2"}], BADGE: {"level": 1, "tags": ["x", "y"]}})
    );
    let names: Vec<&String> = found[0].0.as_object().unwrap().keys().collect();
    assert_eq!(names, ["schemas", "id", "userName", "emails", BADGE]);
    assert_eq!(found[1].0["schemas"], json!([USER_URN]));
    let member = |id: &str, role: &str| json!({"value": id, "role": role, "$ref": format!("../Users/{id}")});
    let crews = [
        json!({"members": [member("1", "cook"), member("2", "mate")]}),
        json!({"members": [member("3", "mate")]}),
        json!({"members": [member("3", "cook")]}),
        json!({}),
        json!({"members": [member("2", "mate"), member("1", "cook")]}),
    ];
    let found = states("Crew", &crews);
    let expected: Vec<Value> = [&["1", "2"][..], &["3"], &["3"], &[], &["1", "2"]]
        .iter()
        .map(|ids| ids.iter().map(|it| json!({ "value": it })).collect())
        .collect();
    for ((shown, undone), expected) in found.iter().zip(expected) {
        let members = |it: &Value| it.get("members").cloned().unwrap_or_else(|| json!([]));
        assert_eq!((members(shown), members(undone)), (expected.clone(), expected));
    }
}

#[test]
fn a_state_is_not_known_before_a_change_that_cannot_be_read() {
    let resource_type = registry().resource_type("User").unwrap();
    let now = PastState::of_document(resource_type, r#"{"schemas":[],"userName":"a"}"#);
    let undo = |state: &PastState, operation, detail: &str| {
        state
            .clone()
            .undo(resource_type, operation, &ChangeDetail::from_stored(detail))
    };
    let title = r#"{"title":{"old":"Guide"}}"#;
    let before = undo(&now, Operation::Update, title);
    let shown = before.to_json(resource_type, Uuid::nil()).unwrap();
    assert_eq!(
        (&shown["title"], &shown["userName"]),
        (&json!("Guide"), &json!("a"))
    );
    let unknown = undo(&before, Operation::Update, "[]");
    assert_eq!(unknown, PastState::Unknown);
    assert_eq!(undo(&unknown, Operation::Update, title), PastState::Unknown);
    assert_eq!(undo(&unknown, Operation::Create, title), PastState::Absent);
    assert_eq!(unknown.to_json(resource_type, Uuid::nil()), None);
    // A deletion recorded everything.
    let deleted = undo(
        &unknown,
        Operation::Delete,
        r#"{"userName":{"old":"a"},"password":{"changed":true}}"#,
    );
    assert_eq!(deleted, now);
    assert_eq!(
        undo(&PastState::Absent, Operation::Update, title),
        PastState::Unknown
    );
    assert_eq!(undo(&now, Operation::MemberRenamed, r#"{"member":"x"}"#), now);
}
