//! The tokens of each kind of change, and their claims.

use chrono::DateTime;
use scim_model::change::{Actor, AttributeChanges, Change, ChangeDetail, Operation, ResourceNames};
use scim_model::store::{ConnectionId, FeedEntry, SetStreamStatus, TenantId};
use scim_model::{Document, Policy, SchemaRegistry};
use scim_server::delivery::security_events::{
    EventUri, RevokedSubject, Token, TokenSettings, TokenSources, status_token, tokens_of, verification_token,
};
use serde_json::{Value, json};
use uuid::Uuid;

const STREAM: Uuid = Uuid::from_u128(7);
const CREATE: &str = "urn:ietf:params:scim:event:prov:create:";
const PATCH: &str = "urn:ietf:params:scim:event:prov:patch:";
const DELETE: &str = "urn:ietf:params:scim:event:prov:delete";
const ACTIVATE: &str = "urn:ietf:params:scim:event:prov:activate";
const DEACTIVATE: &str = "urn:ietf:params:scim:event:prov:deactivate";
const REVOKED: &str = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
const DEPARTMENT: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department";

fn id(byte: u8) -> Uuid {
    Uuid::from_bytes([byte; 16])
}

fn registry() -> SchemaRegistry {
    SchemaRegistry::builtin()
}

pub(super) fn settings(events: &str) -> TokenSettings {
    TokenSettings {
        stream: STREAM,
        issuer: "https://scim.example.com".to_owned(),
        audience: "https://receiver.example.com".to_owned(),
        events: EventUri::list(events).expect("it is a list"),
        with_user_name: false,
        revoked_subject: RevokedSubject::ExternalId,
        account_issuer: "https://idp.example.com".to_owned(),
    }
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
            name: Some("bjensen@example.com".to_owned()),
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

fn tokens(entry: &FeedEntry, settings: &TokenSettings) -> Vec<Token> {
    let sources = TokenSources {
        registry: &registry(),
        base_url: Some("https://scim.example.com/scim/v2"),
    };
    tokens_of(entry, settings, &sources)
}

fn claims(token: &Token) -> Value {
    let now = DateTime::from_timestamp_millis(1_735_689_700_000).expect("it is a time");
    serde_json::from_str(&token.claims(now)).expect("claims are JSON")
}

/// The events of the tokens of a change, with their payloads without `version` and `position`.
fn statements(
    resource_type: &str,
    operation: Operation,
    detail: &Value,
    events: &str,
) -> Vec<(String, Value)> {
    let statement = |token: &Token| {
        let claims = claims(token);
        let events = claims["events"].as_object().expect("it is an object");
        assert_eq!(events.len(), 1, "evt-73");
        let (uri, payload) = events.iter().next().expect("there is one");
        let mut payload = payload.clone();
        assert_eq!(claims["position"], "1042-1735689600123", "evt-75");
        // The others have no members of their own.
        if ![DELETE, REVOKED].contains(&&**uri) {
            let object = payload.as_object_mut().expect("it is an object");
            for (name, value) in [("version", "W/\"7\""), ("position", "1042-1735689600123")] {
                assert_eq!(object.shift_remove(name), Some(json!(value)), "evt-75, evt-86");
            }
        }
        (uri.clone(), payload)
    };
    let tokens = tokens(&entry(resource_type, operation, detail), &settings(events));
    tokens.iter().map(statement).collect()
}

fn named(paths: &[&str]) -> Value {
    json!({ "attributes": paths })
}

fn patched(operations: &Value) -> Value {
    json!({"data": {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations}})
}

/// evt-73, evt-80, evt-81, evt-82, evt-85, evt-87, evt-89
#[test]
fn each_change_has_its_tokens_without_values() {
    use Operation::{Create, Delete, MemberDeleted, MemberRenamed, Restored, Update};
    let off = json!({"active": {"old": true, "new": false}});
    let on = json!({"active": {"old": false, "new": true}});
    let title = json!({"title": {"new": "Guide"}});
    let name = json!({"name": {"old": {"familyName": "A", "givenName": "B"}, "new": {"familyName": "C", "honorificPrefix": "D"}}});
    let both = json!({"title": {"new": "Guide"}, "active": {"new": false}});
    let members = json!({"members": {"added": ["x"], "removed": ["y"]}});
    let member = json!({ "member": id(2).to_string() });
    let notice = |uri: &str| format!("{uri}notice");
    for (resource_type, operation, detail, expected) in [
        (
            "User",
            Create,
            &title,
            vec![(notice(CREATE), named(&["id", "title"]))],
        ),
        ("User", Update, &title, vec![(notice(PATCH), named(&["title"]))]),
        (
            "User",
            Update,
            &name,
            vec![(
                notice(PATCH),
                named(&["name.familyName", "name.honorificPrefix", "name.givenName"]),
            )],
        ),
        (
            "User",
            Update,
            &json!({"name": {"new": {"familyName": "C"}}, DEPARTMENT: {"old": "X"}, "password": {"changed": true}}),
            vec![(notice(PATCH), named(&["name", DEPARTMENT, "password"]))],
        ),
        // a user without `active` is active.
        (
            "User",
            Update,
            &json!({"active": {"old": false}}),
            vec![
                (notice(PATCH), named(&["active"])),
                (ACTIVATE.to_owned(), json!({})),
            ],
        ),
        (
            "User",
            Update,
            &json!({"active": {"old": true}}),
            vec![(notice(PATCH), named(&["active"]))],
        ),
        (
            "User",
            Update,
            &both,
            vec![
                (notice(PATCH), named(&["title", "active"])),
                (DEACTIVATE.to_owned(), json!({})),
            ],
        ),
        (
            "User",
            Update,
            &off,
            vec![
                (notice(PATCH), named(&["active"])),
                (DEACTIVATE.to_owned(), json!({})),
            ],
        ),
        (
            "User",
            Update,
            &on,
            vec![
                (notice(PATCH), named(&["active"])),
                (ACTIVATE.to_owned(), json!({})),
            ],
        ),
        (
            "User",
            Restored,
            &on,
            vec![
                (notice(PATCH), named(&["active"])),
                (ACTIVATE.to_owned(), json!({})),
            ],
        ),
        ("User", Delete, &title, vec![(DELETE.to_owned(), json!({}))]),
        (
            "Group",
            Update,
            &members,
            vec![(notice(PATCH), named(&["members"]))],
        ),
        (
            "Group",
            MemberRenamed,
            &member,
            vec![(notice(PATCH), named(&["members"]))],
        ),
        (
            "Group",
            MemberDeleted,
            &member,
            vec![(notice(PATCH), named(&["members"]))],
        ),
        (
            "Group",
            Update,
            &json!("damaged"),
            vec![(notice(PATCH), named(&[]))],
        ),
        ("Device", Update, &off, vec![(notice(PATCH), named(&["active"]))]),
    ] {
        let found = statements(resource_type, operation, detail, "notice");
        assert_eq!(found, expected, "{resource_type} {operation:?} {detail}");
    }
}

/// evt-61, evt-81, evt-84
#[test]
fn each_change_has_its_tokens_with_values() {
    use Operation::{Delete, MemberDeleted, MemberRenamed, Update};
    let member = json!({ "member": id(2).to_string() });
    let by_id = |id: &str| json!({"op": "remove", "path": format!("members[value eq \"{id}\"]")});
    let full = |operations: &Value| (format!("{PATCH}full"), patched(operations));
    for (resource_type, operation, detail, expected) in [
        (
            "User",
            Update,
            json!({"title": {"old": "A", "new": "B"}, DEPARTMENT: {"old": "X"}, "password": {"changed": true}}),
            vec![full(&json!([
                {"op": "replace", "path": "title", "value": "B"}, {"op": "remove", "path": DEPARTMENT}
            ]))],
        ),
        (
            "User",
            Update,
            json!({"password": {"changed": true}}),
            vec![(format!("{PATCH}notice"), named(&["password"]))],
        ),
        (
            "User",
            Delete,
            json!({"title": {"old": "A"}}),
            vec![(DELETE.to_owned(), json!({}))],
        ),
        (
            "Group",
            Update,
            json!({"members": {"added": ["x"], "removed": ["y", "z"]}}),
            vec![full(
                &json!([by_id("y"), by_id("z"), {"op": "add", "path": "members", "value": [{"value": "x"}]}]),
            )],
        ),
        (
            "Group",
            Update,
            json!({"members": {"steps": [{"removeAll": true}]}}),
            vec![(format!("{PATCH}notice"), named(&["members"]))],
        ),
        (
            "Group",
            MemberRenamed,
            member.clone(),
            vec![(format!("{PATCH}notice"), named(&["members"]))],
        ),
        (
            "Group",
            MemberDeleted,
            member,
            vec![full(&json!([by_id(&id(2).to_string())]))],
        ),
    ] {
        let found = statements(resource_type, operation, &detail, "full");
        assert_eq!(found, expected, "{resource_type} {operation:?} {detail}");
    }
}

#[test]
fn a_stream_gets_the_events_that_it_asks_for() {
    let off = json!({"active": {"old": true, "new": false}});
    let uris = |operation, events: &str| -> Vec<String> {
        let found = statements("User", operation, &off, events);
        found.into_iter().map(|(uri, _)| uri).collect()
    };
    let full = format!("{PATCH}full");
    for (operation, events, expected) in [
        (Operation::Update, "caep", vec![REVOKED]),
        (Operation::Update, DEACTIVATE, vec![DEACTIVATE]),
        (Operation::Update, DELETE, vec![]),
        (
            Operation::Update,
            "full,notice,caep",
            vec![&*full, DEACTIVATE, REVOKED],
        ),
        (Operation::Create, "caep", vec![]),
        (Operation::Delete, "caep,notice", vec![DELETE, REVOKED]),
    ] {
        assert_eq!(uris(operation, events), expected, "{operation:?} {events}");
    }
}

/// evt-69, evt-71, evt-76, evt-78, evt-79, evt-90
#[test]
fn claims_are_those_of_the_profile() {
    let detail = json!({"active": {"old": true, "new": false}});
    let of = |settings: &TokenSettings| tokens(&entry("User", Operation::Update, &detail), settings);
    let found = of(&settings("notice"));
    let stream = STREAM.simple();
    let subject = json!({"format": "scim", "uri": format!("/Users/{}", id(1)), "externalId": "e1", "id": id(1).to_string()});
    let expected = |kind: &str, uri: &str, payload: Value| {
        json!({
            "jti": format!("{stream}.1042-1735689600123.{kind}"),
            "iat": 1_735_689_700,
            "iss": "https://scim.example.com",
            "aud": "https://receiver.example.com",
            "sub_id": subject,
            "txn": id(5).to_string(),
            "toe": 1_735_689_600,
            "tenant": "acme",
            "position": "1042-1735689600123",
            "events": {uri: payload},
        })
    };
    let position = json!({"version": "W/\"7\"", "position": "1042-1735689600123"});
    let mut with_names = position.clone();
    with_names["attributes"] = json!(["active"]);
    assert_eq!(
        claims(&found[0]),
        expected("patch", &format!("{PATCH}notice"), with_names)
    );
    assert_eq!(claims(&found[1]), expected("deactivate", DEACTIVATE, position));
    assert_eq!(
        found,
        of(&settings("notice")),
        "evt-70: sent again, a token is the same"
    );
    let other = TokenSettings {
        stream: id(9),
        with_user_name: true,
        ..settings("notice")
    };
    let in_other = of(&other);
    for (one, other) in found.iter().zip(&in_other) {
        assert_ne!(one.id, other.id, "evt-70");
        assert_eq!(claims(one)["txn"], claims(other)["txn"], "evt-90");
        assert_eq!(
            claims(other)["sub_id"]["userName"],
            "bjensen@example.com",
            "evt-79"
        );
    }
    let group = tokens(&entry("Group", Operation::Update, &json!({})), &other);
    assert_eq!(
        claims(&group[0])["sub_id"],
        json!({"format": "scim", "uri": format!("/Groups/{}", id(1)), "externalId": "e1", "id": id(1).to_string()})
    );
}

#[test]
fn entries_of_earlier_versions_have_tokens() {
    let mut old = entry("User", Operation::Delete, &json!({"userName": {"old": "bj"}}));
    old.change.names = None;
    old.change.transaction = None;
    let found = tokens(&old, &settings("notice,caep"));
    assert_eq!(claims(&found[0])["txn"], "1042-1735689600123");
    assert_eq!(claims(&found[0])["sub_id"].get("externalId"), None);
    assert_eq!(claims(&found[1])["sub_id"]["sub"], "bj");
    old.change.detail = ChangeDetail::from_stored("{}");
    let found = tokens(&old, &settings("caep"));
    assert_eq!(claims(&found[0])["sub_id"]["sub"], id(1).to_string());
}

/// evt-83
#[test]
fn a_created_resource_is_sent_as_it_is_read() {
    let detail = json!({
        "externalId": {"new": "e1"}, "userName": {"new": "bjensen"}, "name": {"new": {"familyName": "Jensen"}},
        "emails": {"new": [{"value": "a@b.example", "type": "work"}]}, DEPARTMENT: {"new": "X"},
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager": {"new": {"value": "m1"}},
        "password": {"changed": true}
    });
    let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    let data = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", enterprise],
        "id": id(1).to_string(),
        "externalId": "e1", "userName": "bjensen", "name": {"familyName": "Jensen"},
        "emails": [{"value": "a@b.example", "type": "work"}],
        enterprise: {"department": "X", "manager": {"value": "m1"}},
        "meta": {
            "resourceType": "User", "created": "2025-01-01T00:00:00.123Z", "lastModified": "2025-01-01T00:00:00.123Z",
            "version": "W/\"7\"", "location": format!("https://scim.example.com/scim/v2/Users/{}", id(1)),
        },
    });
    assert_eq!(
        statements("User", Operation::Create, &detail, "full"),
        [(format!("{CREATE}full"), json!({ "data": data }))]
    );
    let group = json!({"displayName": {"new": "G"}, "members": {"added": ["x", "y"], "removed": []}});
    let found = statements("Group", Operation::Create, &group, "full");
    assert_eq!(
        found[0].1["data"]["members"],
        json!([{"value": "x"}, {"value": "y"}])
    );
    // The server no longer has the schemas of the type.
    let found = statements(
        "Device",
        Operation::Create,
        &json!({"serial": {"new": "1"}}),
        "full",
    );
    assert_eq!(found, [(format!("{CREATE}notice"), named(&["id", "serial"]))]);
}

/// The values of a PATCH lead from the old state to the new one.
#[test]
fn evt_84_applying_the_operations_to_the_old_state_gives_the_new_one() {
    let user = |value: Value| {
        let mut user = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "bj"});
        user.as_object_mut()
            .expect("it is an object")
            .extend(value.as_object().expect("it is an object").clone());
        Document::from_values(user.as_object().expect("it is an object").clone())
    };
    let registry = registry();
    let resource_type = registry.resource_type("User").expect("it is built in");
    let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    let states = [
        json!({}),
        json!({"title": "A", "active": true}),
        json!({"title": "B", "name": {"familyName": "C", "givenName": "D"}}),
        json!({"name": {"familyName": "E"}, "emails": [{"value": "a@b.example"}, {"value": "c@d.example", "type": "home"}]}),
        json!({"emails": [{"value": "c@d.example", "type": "work", "primary": true}], "name": {"givenName": "D"}}),
        json!({enterprise: {"department": "X", "manager": {"value": "00000000-0000-4000-8000-000000000001"}}}),
        json!({enterprise: {"costCenter": "Y", "manager": {"value": "00000000-0000-4000-8000-000000000002"}}}),
    ];
    for old in &states {
        for new in states.iter().filter(|it| *it != old) {
            let (old, new) = (user(old.clone()), user(new.clone()));
            let changes = AttributeChanges::between(resource_type, &old, &new);
            let detail = serde_json::from_str(&changes.to_stored()).expect("it is JSON");
            let found = statements("User", Operation::Update, &detail, "full");
            assert_eq!(found[0].0, format!("{PATCH}full"));
            let operations =
                scim_patch::Operation::parse_all(found[0].1["data"].clone(), Policy { lenient: false })
                    .expect("it is a PATCH");
            let outcome = scim_patch::apply(resource_type, &old, &operations, Policy { lenient: false })
                .expect("the operations can be applied");
            let left = AttributeChanges::between(resource_type, &outcome.document, &new);
            assert!(left.is_empty(), "{left:?}");
        }
    }
}

#[test]
fn evt_91_large_values_become_names() {
    let ids: Vec<String> = (0..50_000).map(|it| Uuid::from_u128(it).to_string()).collect();
    for (operation, uri) in [(Operation::Create, CREATE), (Operation::Update, PATCH)] {
        let detail = json!({"members": {"added": ids, "removed": []}});
        let found = statements("Group", operation, &detail, "full");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].0, format!("{uri}notice"));
        assert!(
            found[0].1["attributes"]
                .as_array()
                .expect("it is a list")
                .contains(&"members".into())
        );
    }
    let few = json!({"members": {"added": &ids[..500], "removed": []}});
    assert_eq!(
        statements("Group", Operation::Update, &few, "full")[0].0,
        format!("{PATCH}full")
    );
}

/// evt-127, evt-129
#[test]
fn sessions_end_for_the_account_that_the_receiver_knows() {
    let account = |sub: &str| json!({"format": "iss_sub", "iss": "https://idp.example.com", "sub": sub});
    let address = json!({"format": "email", "email": "bjensen@example.com"});
    let names = |external_id: Option<&str>, name: Option<&str>| ResourceNames {
        external_id: external_id.map(str::to_owned),
        name: name.map(str::to_owned),
    };
    let both = names(Some("e1"), Some("bjensen@example.com"));
    for (revoked_subject, names, expected) in [
        (RevokedSubject::ExternalId, both.clone(), account("e1")),
        (RevokedSubject::ExternalId, names(None, Some("bj")), account("bj")),
        (
            RevokedSubject::UserName,
            both.clone(),
            account("bjensen@example.com"),
        ),
        (RevokedSubject::UserName, names(Some("e1"), None), account("e1")),
        (RevokedSubject::Email, both, address),
        (
            RevokedSubject::Email,
            names(Some("e1"), Some("bj")),
            account("e1"),
        ),
        (
            RevokedSubject::Email,
            names(None, Some("b j@x")),
            account("b j@x"),
        ),
        (
            RevokedSubject::Email,
            names(None, None),
            account(&id(1).to_string()),
        ),
    ] {
        let mut entry = entry("User", Operation::Update, &json!({"active": {"new": false}}));
        entry.change.names = Some(names);
        let settings = TokenSettings {
            revoked_subject,
            ..settings("caep")
        };
        assert_eq!(
            claims(&tokens(&entry, &settings)[0])["sub_id"],
            expected,
            "{revoked_subject}"
        );
        assert_eq!(revoked_subject.to_string().parse(), Ok(revoked_subject));
    }
}

#[test]
fn evt_127_the_end_of_sessions_has_a_reason() {
    for (operation, actor, connection, entity, reason) in [
        (
            Operation::Update,
            None,
            Some("entra"),
            "policy",
            "the user was deactivated by the connection `entra`",
        ),
        (
            Operation::Delete,
            None,
            None,
            "policy",
            "the user was deleted by the identity provider",
        ),
        (
            Operation::Delete,
            Some(Actor::CommandLine {
                user: "root".to_owned(),
            }),
            None,
            "admin",
            "the user was deleted by an operator",
        ),
    ] {
        let mut entry = entry("User", operation, &json!({"active": {"old": true, "new": false}}));
        entry.change.connection_name = connection.map(str::to_owned);
        entry.change.actor = actor.unwrap_or(entry.change.actor);
        let found = tokens(&entry, &settings("caep"));
        assert_eq!(
            claims(&found[0])["events"],
            json!({REVOKED: {
                "event_timestamp": 1_735_689_600, "initiating_entity": entity, "reason_admin": {"en": reason}
            }})
        );
    }
}

/// evt-121, evt-122
#[test]
fn tokens_about_the_stream_name_it() {
    let settings = settings("notice");
    let subject = json!({"format": "opaque", "id": STREAM.to_string()});
    let with = verification_token(&settings, id(8), Some("abc"));
    let without = verification_token(&settings, id(8), None);
    let updated = status_token(&settings, id(8), SetStreamStatus::Paused, "invalid_key");
    for (token, uri, payload) in [
        (with, "verification", json!({"state": "abc"})),
        (without, "verification", json!({})),
        (
            updated,
            "stream-updated",
            json!({"status": "paused", "reason": "invalid_key"}),
        ),
    ] {
        assert_eq!(
            claims(&token),
            json!({
                "jti": format!("{}.{}", STREAM.simple(), id(8).simple()),
                "iat": 1_735_689_700,
                "iss": "https://scim.example.com",
                "aud": "https://receiver.example.com",
                "sub_id": subject,
                "events": {format!("https://schemas.openid.net/secevent/ssf/event-type/{uri}"): payload},
            })
        );
    }
}
