//! Undoing the changes of one resource, as tables.

use chrono::DateTime;
use scim_model::SchemaRegistry;
use scim_model::change::Actor;
use serde_json::json;

use super::*;

/// Entries as text, one a line, the oldest first: `*` for a chosen one, the operation, and the stored detail.
fn entries(text: &str) -> Vec<Entry> {
    let lines = text.lines().map(str::trim).filter(|it| !it.is_empty());
    let entry = |(number, line): (usize, &str)| {
        let (is_chosen, line) = match line.strip_prefix('*') {
            Some(rest) => (true, rest.trim_start()),
            None => (false, line),
        };
        let (operation, detail) = line.split_once(' ').expect("it has a detail");
        let number = i64::try_from(number).expect("it is small") + 1;
        Entry {
            is_chosen,
            change: Change {
                position: position(number),
                at: DateTime::UNIX_EPOCH,
                actor: Actor::System,
                connection_name: None,
                transaction: None,
                resource_type: "User".into(),
                id: Uuid::nil(),
                names: None,
                version: number,
                operation: operation.parse().expect("it is an operation"),
                detail: ChangeDetail::from_stored(detail),
            },
        }
    };
    lines.enumerate().map(entry).collect()
}

fn position(number: i64) -> ChangePosition {
    ChangePosition {
        sequence: number,
        at: 0,
    }
}

fn state(now: Option<Value>, resource_type: &ResourceType) -> PastState {
    match now {
        Some(document) => PastState::of_document(resource_type, &document.to_string()),
        None => PastState::Absent,
    }
}

fn plan_of(type_name: &str, text: &str, now: Option<Value>) -> Plan {
    let registry = SchemaRegistry::builtin();
    let resource_type = registry.resource_type(type_name).expect("it is built in");
    plan(resource_type, &entries(text), &state(now, resource_type))
}

fn update(attributes: &[(&str, Option<Value>)]) -> Step {
    let attributes = attributes
        .iter()
        .map(|(path, value)| ((*path).to_owned(), value.clone()));
    Step::Update(Restored {
        attributes: attributes.collect(),
        ..Restored::default()
    })
}

fn left(path: &str, reason: Reason) -> Vec<Left> {
    vec![Left::part(path, reason)]
}

#[test]
fn attributes_get_the_values_before_the_last_run_of_chosen_changes() {
    let cases = [
        (
            r#"* update {"active":{"old":true,"new":false}}"#,
            json!({"userName": "a", "active": false}),
            update(&[("active", Some(json!(true)))]),
            vec![],
        ),
        (
            r#"* update {"title":{"new":"b"}}
               * update {"title":{"old":"b","new":"c"}}"#,
            json!({"userName": "a", "title": "c"}),
            update(&[("title", None)]),
            vec![],
        ),
        // Another change came between: its value is the one to restore.
        (
            r#"* update {"title":{"old":"a","new":"b"}}
                 update {"title":{"old":"b","new":"c"}}
               * update {"title":{"old":"c","new":"d"}}"#,
            json!({"userName": "a", "title": "d"}),
            update(&[("title", Some(json!("c")))]),
            vec![],
        ),
        // Another change came later: it stays, and other attributes are restored.
        (
            r#"* update {"title":{"old":"a","new":"b"},"nickName":{"new":"n"}}
                 update {"title":{"old":"b","new":"c"}}"#,
            json!({"userName": "a", "title": "c", "nickName": "n"}),
            update(&[("nickName", None)]),
            left("title", Reason::ChangedLater(position(2))),
        ),
        // It has been restored already.
        (
            r#"* update {"title":{"old":"a","new":"b"}}
               * update {"title":{"old":"b","new":"a"}}"#,
            json!({"userName": "a", "title": "a"}),
            Step::Nothing,
            vec![],
        ),
        // Secrets are not recorded.
        (
            r#"* update {"password":{"changed":true}}"#,
            json!({"userName": "a"}),
            Step::Nothing,
            left("password", Reason::NotRecorded),
        ),
        (
            r#"* update {"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department":{"old":"x","new":"y"}}"#,
            json!({"userName": "a",
                   "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "y"}}),
            update(&[(
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
                Some(json!("x")),
            )]),
            vec![],
        ),
    ];
    for (text, now, step, left) in cases {
        assert_eq!(plan_of("User", text, Some(now)), Plan { step, left }, "{text}");
    }
}

#[test]
fn deleted_resources_are_created_again_and_created_ones_deleted() {
    let whole = |attributes: &[(&str, Value)]| {
        let attributes = attributes
            .iter()
            .map(|(path, value)| ((*path).to_owned(), Some(value.clone())));
        Step::Create(Restored {
            attributes: attributes.collect(),
            ..Restored::default()
        })
    };
    let cases = [
        (
            r#"* delete {"userName":{"old":"a"},"title":{"old":"t"}}"#,
            None,
            whole(&[("userName", json!("a")), ("title", json!("t"))]),
            vec![],
        ),
        // Chosen changes before the deletion are undone too.
        (
            r#"* update {"active":{"old":true,"new":false}}
               * delete {"userName":{"old":"a"},"active":{"old":false}}"#,
            None,
            whole(&[("userName", json!("a")), ("active", json!(true))]),
            vec![],
        ),
        (
            r#"* delete {"userName":{"old":"a"},"password":{"changed":true}}"#,
            None,
            whole(&[("userName", json!("a"))]),
            left("password", Reason::NotRecorded),
        ),
        (
            r#"* update {"active":{"old":true,"new":false}}
                 delete {"userName":{"old":"a"},"active":{"old":false}}"#,
            None,
            Step::Nothing,
            left("", Reason::DeletedLater(position(2))),
        ),
        (
            r#"* create {"userName":{"new":"a"}}"#,
            Some(json!({"userName": "a"})),
            Step::Delete,
            vec![],
        ),
        (
            r#"* create {"userName":{"new":"a"}}
                 update {"title":{"new":"t"}}"#,
            Some(json!({"userName": "a", "title": "t"})),
            Step::Nothing,
            left("", Reason::ChangedLater(position(2))),
        ),
        (
            r#"* create {"userName":{"new":"a"}}
               * delete {"userName":{"old":"a"}}"#,
            None,
            Step::Nothing,
            vec![],
        ),
        // An undo that was carried out created the resource again.
        (
            r#"* delete {"userName":{"old":"a"}}
                 create {"userName":{"new":"a"}}"#,
            Some(json!({"userName": "a"})),
            Step::Nothing,
            left("", Reason::CreatedAgain(position(2))),
        ),
        // Deleted and created again with another title, both by chosen changes.
        (
            r#"* delete {"userName":{"old":"a"},"title":{"old":"t"}}
               * create {"userName":{"new":"a"},"title":{"new":"u"}}"#,
            Some(json!({"userName": "a", "title": "u"})),
            update(&[("title", Some(json!("t")))]),
            vec![],
        ),
    ];
    for (text, now, step, left) in cases {
        assert_eq!(plan_of("User", text, now), Plan { step, left }, "{text}");
    }
}

#[test]
fn members_are_restored_one_by_one() {
    let [one, two, three] = [1, 2, 3].map(Uuid::from_u128);
    let change = |added: &[Uuid], removed: &[Uuid]| {
        format!(
            "update {}",
            json!({"members": {"added": added, "removed": removed}})
        )
    };
    let step = |added: &[Uuid], removed: &[Uuid]| {
        Step::Update(Restored {
            added: added.iter().copied().collect(),
            removed: removed.iter().copied().collect(),
            ..Restored::default()
        })
    };
    let deleted = format!("memberDeleted {}", json!({ "member": one }));
    let cases = [
        (
            format!("* {}", change(&[one], &[two])),
            step(&[two], &[one]),
            vec![],
        ),
        (format!("* {deleted}"), step(&[one], &[]), vec![]),
        (
            format!("* {}\n{}", change(&[one, two], &[]), change(&[], &[two])),
            step(&[], &[one]),
            left(
                &format!(r#"members[value eq "{two}"]"#),
                Reason::ChangedLater(position(2)),
            ),
        ),
        (
            format!("* {}\n* {}", change(&[one], &[]), change(&[], &[one])),
            Step::Nothing,
            vec![],
        ),
        (
            format!("* {}\n{}", change(&[one], &[]), change(&[three], &[])),
            step(&[], &[one]),
            vec![],
        ),
    ];
    for (text, step, left) in cases {
        let now = Some(json!({"displayName": "g"}));
        assert_eq!(plan_of("Group", &text, now), Plan { step, left }, "{text}");
    }
    // Entries of earlier versions do not say which members there were.
    for (text, path) in [
        (
            r#"* update {"members":{"steps":[{"removeAll":true}]}}"#,
            "members",
        ),
        ("* update {", ""),
    ] {
        let plan = plan_of("Group", text, Some(json!({"displayName": "g"})));
        assert_eq!(
            plan,
            Plan {
                step: Step::Nothing,
                left: left(path, Reason::NotRecorded),
            }
        );
    }
    let text = format!(
        "* {}\n* delete {}",
        change(&[], &[one]),
        json!({"displayName": {"old": "g"}, "members": {"added": [], "removed": [two]}})
    );
    let Step::Create(restored) = plan_of("Group", &text, None).step else {
        panic!("the group is created again");
    };
    assert_eq!(restored.added, BTreeSet::from([one, two]));
}
