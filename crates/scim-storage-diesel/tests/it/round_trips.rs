//! The number of round trips to PostgreSQL for each call: a round trip costs more than most statements.

use std::cell::RefCell;
use std::sync::Once;

use diesel::connection::{Instrumentation, InstrumentationEvent, set_default_instrumentation};
use scim_model::change::Actor;
use scim_model::store::conformance::{Fixture, at, document};
use scim_model::store::{Include, MembersStep, NewResource, ResourceStore, StoreError};
use scim_model::{SecretHash, SecretHashes};
use serde_json::json;
use uuid::Uuid;

use crate::database::Database;

thread_local! {
    /// The statements that this thread has sent.
    static SENT: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

struct Recorder;

impl Instrumentation for Recorder {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        let sent = match event {
            InstrumentationEvent::StartQuery { query, .. } => query.to_string(),
            // Preparing a statement happens once for each connection.
            InstrumentationEvent::CacheQuery { sql, .. } => format!("prepare: {sql}"),
            _ => return,
        };
        SENT.with_borrow_mut(|it| it.push(sent));
    }
}

/// The statements that `work` sends on a connection that has prepared them.
fn sent<T>(mut work: impl FnMut(u32) -> T) -> Vec<String> {
    // Every connection of the pool prepares its statements first.
    for round in 0..100 {
        SENT.take();
        work(round);
        let sent = SENT.take();
        if !sent.iter().any(|it| it.starts_with("prepare: ")) {
            return sent;
        }
    }
    panic!("each round prepares another statement");
}

#[test]
fn writes_need_few_round_trips() {
    static RECORD: Once = Once::new();
    RECORD.call_once(|| {
        set_default_instrumentation(|| Some(Box::new(Recorder))).expect("nobody has panicked");
    });
    let Some(database) = Database::postgres() else {
        return;
    };
    let store = database.store();
    let it = Fixture::new(&store, "acme");
    let user = |round: u32| {
        json!({
            "userName": format!("user{round}"), "displayName": format!("User {round}"),
            "emails": [{"value": format!("{round}@example.com"), "type": "work"}, {"value": "other@example.com"}],
            "phoneNumbers": [{"value": format!("555-{round}")}],
        })
    };
    let created = sent(|round| it.add(&it.user, user(round), &[]).expect("the name is free"));
    assert_eq!(created.len(), 3, "{created:#?}");
    assert!(created[0].contains("SET LOCAL statement_timeout") && created[0].contains("lock_timeout"));
    assert_eq!(created[2], "COMMIT");

    let refused = sent(|_| {
        let error = it.add(&it.user, user(0), &[]).expect_err("the name is taken");
        assert!(matches!(error, StoreError::Conflict { .. }), "{error:?}");
    });
    assert_eq!(refused.len(), 3, "{refused:#?}");
    assert_eq!(refused[2], "ROLLBACK");

    let with_secret = sent(|round| {
        let hash = SecretHash("$argon2id$x".to_owned());
        let new = NewResource {
            resource_type: it.user.clone(),
            id: Uuid::now_v7(),
            now: at(1),
            actor: Actor::System,
            document: document(json!({ "userName": format!("secret{round}") })),
            members: Vec::new(),
            secrets: SecretHashes::from([("password".to_owned(), Some(hash))]),
        };
        store.create(it.tenant, &new).expect("the name is free");
    });
    assert_eq!(with_secret.len(), 4, "{with_secret:#?}");

    let members: Vec<Uuid> = (0..300)
        .map(|number| it.add_user(&format!("member{number}")))
        .collect();
    let group = sent(|round| it.add_group(&format!("group{round}"), &members[..50]));
    assert_eq!(group.len(), 4, "{group:#?}");

    let id = it.add(&it.user, user(1_000), &[]).expect("the name is free");
    let replaced = sent(|round| {
        let mut value = user(1_000);
        value["emails"][0]["value"] = json!(format!("new{round}@example.com"));
        value["title"] = json!(round.to_string());
        let updated = it.replace(&it.user, id, None, value).expect("it is free");
        assert!(updated.is_some_and(|it| it.changed));
    });
    assert_eq!(replaced.len(), 4, "{replaced:#?}");

    let group = it.add_group("everybody", &[]);
    let mut remaining = members.iter();
    let joined = sent(|_| {
        let member = *remaining.next().expect("there are enough");
        let updated = it.change_members(group, vec![MembersStep::Add(vec![member])]);
        assert!(updated.expect("it is free").is_some_and(|it| it.changed));
    });
    assert_eq!(joined.len(), 6, "{joined:#?}");

    let deleted = sent(|round| {
        let user = it.add_user(&format!("short{round}"));
        SENT.take();
        assert!(it.delete(&it.user, user));
    });
    assert_eq!(deleted.len(), 5, "{deleted:#?}");

    let read = |include: Include| sent(|_| store.get(it.tenant, &it.user, id, include).expect("it is there"));
    assert_eq!(read(Include::default()).len(), 1);
    let groups = Include {
        groups: true,
        ..Include::default()
    };
    assert_eq!(read(groups).len(), 1);

    let snapshot = sent(|_| it.members(group));
    assert_eq!(snapshot.len(), 4, "{snapshot:#?}");
    assert!(snapshot[0].contains("READ ONLY") && snapshot[0].contains("SET LOCAL statement_timeout"));
}
