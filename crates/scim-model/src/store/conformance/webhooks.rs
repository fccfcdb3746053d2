//! Endpoints of webhooks, their leases, and the messages that wait for them.

use std::slice;
use std::thread;
use std::time::Duration;

use chrono::TimeDelta;
use uuid::Uuid;

use super::fixture::{Case, Fixture, at};
use crate::store::{
    DeliveryAttempt, NewWebhook, NewWebhookSecret, Webhook, WebhookHealth, WebhookMessage, WebhookProgress,
    WebhookSettings,
};

pub(super) const CASES: &[Case] = cases![
    an_endpoint_is_stored_with_its_settings_and_its_secret,
    a_disabled_endpoint_keeps_its_reason_until_it_is_enabled,
    the_secrets_of_an_endpoint_overlap,
    an_endpoint_has_one_worker_at_a_time,
    workers_share_the_endpoints,
    progress_is_stored_by_the_worker_with_the_lease,
    messages_are_replaced_and_removed,
    a_queued_message_is_due_at_once,
    deliveries_are_listed_and_pruned,
    an_endpoint_is_deleted_with_its_messages,
];

/// A long lease: it does not end during a test.
pub(super) const LONG: TimeDelta = TimeDelta::minutes(5);

/// No endpoint.
pub(super) const NONE: [Uuid; 0] = [];

/// Deletes the endpoints of other rules, which a worker would lease too, and creates some.
fn endpoints(it: &Fixture, number: usize) -> Vec<Uuid> {
    for old in all(it) {
        if let Some(worker) = old.lease_owner {
            release(it, worker, None);
        }
        assert!(it.store.delete_webhook(old.id).expect("the store is available"));
    }
    let create = |_| {
        let new = NewWebhook {
            id: Uuid::now_v7(),
            settings: WebhookSettings {
                url: "https://example.com/hook".to_owned(),
                tenants: None,
                types: Vec::new(),
                full: true,
                headers: None,
            },
            position: "0-0".to_owned(),
            secret: secret(1),
            created: at(0),
        };
        it.store.create_webhook(&new).expect("the store is available");
        new.id
    };
    (0..number).map(create).collect()
}

pub(super) fn endpoint(it: &Fixture) -> Uuid {
    endpoints(it, 1)[0]
}

fn secret(number: u8) -> NewWebhookSecret {
    NewWebhookSecret {
        id: Uuid::now_v7(),
        sealed: vec![number; 40],
        created: at(i64::from(number)),
    }
}

fn all(it: &Fixture) -> Vec<Webhook> {
    it.store.webhooks().expect("the store is available")
}

pub(super) fn found(it: &Fixture, id: Uuid) -> Webhook {
    let found = all(it).into_iter().find(|it| it.id == id);
    found.expect("it exists")
}

pub(super) fn lease(it: &Fixture, worker: Uuid, lease: TimeDelta) -> Vec<Uuid> {
    let leases = it.store.lease_webhooks(worker, lease);
    let mut ids = leases.expect("the store is available").ids;
    ids.sort();
    ids
}

pub(super) fn release(it: &Fixture, worker: Uuid, ids: Option<&[Uuid]>) {
    let released = it.store.release_webhooks(worker, ids);
    released.expect("the store is available");
}

pub(super) fn message(name: &str) -> WebhookMessage {
    WebhookMessage {
        message: name.to_owned(),
        resource: Some("1/user".to_owned()),
        attempts: 1,
        next_attempt: Some(at(10)),
        dead: false,
        error: Some("status 500".to_owned()),
        since: at(5),
        and_later: false,
    }
}

pub(super) fn progress(it: &Fixture, id: Uuid) -> WebhookProgress {
    WebhookProgress {
        id,
        revision: found(it, id).revision,
        position: "7-1".to_owned(),
        health: WebhookHealth::default(),
        disabled: None,
        stored: Vec::new(),
        removed: Vec::new(),
        deliveries: Vec::new(),
    }
}

pub(super) fn store(it: &Fixture, worker: Uuid, progress: WebhookProgress) -> Vec<Uuid> {
    it.store
        .store_webhook_progress(worker, &[progress])
        .expect("the store is available")
}

pub(super) fn messages(it: &Fixture, id: Uuid, dead: bool) -> Vec<WebhookMessage> {
    it.store
        .webhook_messages(id, dead, None, 10)
        .expect("the store is available")
}

fn an_endpoint_is_stored_with_its_settings_and_its_secret(it: &Fixture) {
    endpoints(it, 0);
    let new = NewWebhook {
        id: Uuid::now_v7(),
        settings: WebhookSettings {
            url: "https://example.com/hook?a=b".to_owned(),
            tenants: Some(vec![it.tenant]),
            types: vec!["user.*".to_owned(), "group.deleted".to_owned()],
            full: false,
            headers: Some(vec![1, 2, 3]),
        },
        position: "12-1700000000000".to_owned(),
        secret: secret(1),
        created: at(0),
    };
    it.store.create_webhook(&new).expect("the store is available");
    let stored = found(it, new.id);
    assert_eq!(stored.settings, new.settings);
    assert_eq!((stored.position, stored.created), (new.position, at(0)));
    assert_eq!((stored.disabled, stored.lease_owner), (None, None));
    assert_eq!(stored.health, WebhookHealth::default());
    assert_eq!(stored.secrets.len(), 1);
    assert_eq!(
        (stored.secrets[0].id, &stored.secrets[0].sealed),
        (new.secret.id, &new.secret.sealed)
    );
    assert_eq!(
        (stored.secrets[0].created, stored.secrets[0].expires),
        (at(1), None)
    );
}

fn a_disabled_endpoint_keeps_its_reason_until_it_is_enabled(it: &Fixture) {
    let (id, worker) = (endpoint(it), Uuid::now_v7());
    let disable = |id, reason, now| {
        it.store
            .disable_webhook(id, reason, at(now))
            .expect("the store is available")
    };
    assert!(disable(id, "gone", 1) && disable(id, "by an operator", 2));
    assert_eq!(found(it, id).disabled, Some(("gone".to_owned(), at(1))));
    assert_eq!(lease(it, worker, LONG), NONE);
    let enable = |id, position| {
        it.store
            .enable_webhook(id, position)
            .expect("the store is available")
    };
    assert!(enable(id, None));
    lease(it, worker, LONG);
    let waiting = WebhookProgress {
        health: WebhookHealth {
            failing_since: Some(at(3)),
            slow_until: Some(at(4)),
        },
        stored: vec![
            message("1"),
            WebhookMessage {
                next_attempt: None,
                ..message("2")
            },
        ],
        disabled: Some(("failing".to_owned(), at(5))),
        ..progress(it, id)
    };
    assert_eq!(store(it, worker, waiting), NONE);
    assert_eq!(found(it, id).disabled, Some(("failing".to_owned(), at(5))));
    assert!(enable(id, None));
    let enabled = found(it, id);
    assert_eq!(
        (enabled.disabled, enabled.health),
        (None, WebhookHealth::default())
    );
    assert_eq!(enabled.position, "7-1");
    let mut due: Vec<bool> = messages(it, id, false)
        .iter()
        .map(|it| it.next_attempt.is_some_and(|it| it < at(0)))
        .collect();
    due.sort_unstable();
    assert_eq!(
        due,
        [false, true],
        "a message behind another one still waits for it"
    );
    assert!(enable(id, Some("9-1")));
    assert_eq!(
        (found(it, id).position.as_str(), messages(it, id, false)),
        ("9-1", vec![])
    );
    let nobody = Uuid::now_v7();
    assert!(!disable(nobody, "", 1) && !enable(nobody, None));
}

fn the_secrets_of_an_endpoint_overlap(it: &Fixture) {
    let id = endpoint(it);
    let rotate = |number: u8, others_expire| {
        it.store
            .rotate_webhook_secret(id, &secret(number), at(others_expire))
            .expect("the store is available")
    };
    let secrets = || -> Vec<_> {
        let secrets = found(it, id).secrets.into_iter();
        secrets.map(|it| (it.sealed[0], it.expires)).collect()
    };
    assert!(rotate(2, 50));
    assert_eq!(secrets(), [(1, Some(at(50))), (2, None)]);
    assert!(rotate(3, 100));
    assert_eq!(secrets(), [(1, Some(at(50))), (2, Some(at(100))), (3, None)]);
    assert!(rotate(60, 61), "the first secret has expired");
    assert_eq!(secrets(), [(2, Some(at(61))), (3, Some(at(61))), (60, None)]);
    let nobody = it.store.rotate_webhook_secret(Uuid::now_v7(), &secret(1), at(1));
    assert!(!nobody.expect("the store is available"));
}

fn an_endpoint_has_one_worker_at_a_time(it: &Fixture) {
    let (id, one, other) = (endpoint(it), Uuid::now_v7(), Uuid::now_v7());
    assert_eq!(lease(it, one, TimeDelta::milliseconds(100)), [id]);
    assert_eq!(lease(it, other, TimeDelta::milliseconds(100)), NONE);
    assert_eq!(found(it, id).lease_owner, Some(one));
    thread::sleep(Duration::from_millis(150));
    // A lease that ended, and that no other worker has taken, is renewed.
    assert_eq!(lease(it, one, TimeDelta::milliseconds(100)), [id]);
    thread::sleep(Duration::from_millis(150));
    assert_eq!(lease(it, other, LONG), [id]);
    assert_eq!(lease(it, one, LONG), NONE);
    release(it, other, Some(&[id]));
    assert_eq!(lease(it, one, LONG), [id]);
    release(it, other, None);
    assert_eq!(found(it, id).lease_owner, Some(one), "it is not the other's");
}

fn workers_share_the_endpoints(it: &Fixture) {
    let ids = endpoints(it, 5);
    let (one, other) = (Uuid::now_v7(), Uuid::now_v7());
    assert_eq!(lease(it, one, LONG), ids);
    let share = |worker| {
        let leases = it.store.lease_webhooks(worker, LONG);
        leases.expect("the store is available").share
    };
    assert_eq!((share(one), share(other), share(one)), (5, 3, 3));
    release(it, one, Some(&ids[3..]));
    assert_eq!(lease(it, other, LONG), ids[3..]);
    assert_eq!(lease(it, one, LONG), ids[..3]);
    release(it, one, None);
    assert_eq!(lease(it, other, LONG), ids);
    release(it, other, None);
}

fn progress_is_stored_by_the_worker_with_the_lease(it: &Fixture) {
    let (id, worker) = (endpoint(it), Uuid::now_v7());
    let health = WebhookHealth {
        failing_since: Some(at(3)),
        slow_until: Some(at(4)),
    };
    let with_health = || WebhookProgress {
        health,
        stored: vec![message("1")],
        deliveries: vec![delivery(1)],
        ..progress(it, id)
    };
    assert_eq!(store(it, worker, with_health()), [id], "it has no lease");
    assert_eq!(
        (found(it, id).position.as_str(), messages(it, id, false)),
        ("0-0", vec![])
    );
    assert_eq!(lease(it, worker, LONG), [id]);
    assert_eq!(store(it, worker, with_health()), NONE);
    let stored = found(it, id);
    assert_eq!((stored.position.as_str(), stored.health), ("7-1", health));
    assert_eq!(messages(it, id, false), [message("1")]);
    assert_eq!(store(it, worker, progress(it, id)), NONE);
    assert_eq!(found(it, id).health, WebhookHealth::default());
    let deliveries = it.store.webhook_deliveries(id, None, 10);
    assert_eq!(
        deliveries.expect("the store is available").len(),
        2,
        "what was sent is logged in any case"
    );
    let deleted = WebhookProgress {
        id: Uuid::now_v7(),
        ..with_health()
    };
    assert_eq!(store(it, worker, deleted.clone()), [deleted.id]);
}

fn messages_are_replaced_and_removed(it: &Fixture) {
    let (id, worker) = (endpoint(it), Uuid::now_v7());
    lease(it, worker, LONG);
    let waiting = WebhookMessage {
        attempts: 0,
        next_attempt: None,
        error: None,
        resource: None,
        and_later: true,
        ..message("2")
    };
    let first = WebhookProgress {
        stored: vec![message("1"), waiting.clone(), message("3")],
        ..progress(it, id)
    };
    assert_eq!(store(it, worker, first), NONE);
    let dead = WebhookMessage {
        attempts: 10,
        dead: true,
        next_attempt: None,
        since: at(9),
        ..message("1")
    };
    let second = WebhookProgress {
        stored: vec![dead.clone()],
        removed: vec!["3".to_owned(), "4".to_owned()],
        ..progress(it, id)
    };
    assert_eq!(store(it, worker, second), NONE);
    assert_eq!(messages(it, id, false), [waiting]);
    assert_eq!(messages(it, id, true), slice::from_ref(&dead));
    let find = |message| {
        let found = it.store.webhook_message(id, message);
        found.expect("the store is available")
    };
    assert_eq!((find("1"), find("3")), (Some(dead), None));
}

fn a_queued_message_is_due_at_once(it: &Fixture) {
    let (id, worker) = (endpoint(it), Uuid::now_v7());
    lease(it, worker, LONG);
    let before = found(it, id);
    let queue = |id, message| {
        it.store
            .queue_webhook_message(id, message, at(20))
            .expect("the store is available")
    };
    assert!(queue(id, "new"));
    let dead = WebhookMessage {
        attempts: 10,
        dead: true,
        next_attempt: None,
        ..message("dead")
    };
    let given_up = WebhookProgress {
        stored: vec![dead],
        ..progress(it, id)
    };
    assert_eq!(store(it, worker, given_up), NONE);
    assert!(queue(id, "dead"));
    let mut queued = messages(it, id, false);
    queued.sort_by(|a, b| a.message.cmp(&b.message));
    let seen: Vec<_> = queued
        .iter()
        .map(|it| {
            (
                it.message.as_str(),
                it.attempts,
                it.next_attempt,
                it.resource.is_some(),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [("dead", 0, Some(at(20)), true), ("new", 0, Some(at(20)), false)]
    );
    let after = found(it, id);
    assert_eq!(
        (after.queued, after.revision),
        (before.queued + 2, before.revision)
    );
    assert!(!queue(Uuid::now_v7(), "new"));
}

pub(super) fn delivery(seconds: i64) -> DeliveryAttempt {
    DeliveryAttempt {
        id: Uuid::now_v7(),
        message: "1".to_owned(),
        at: at(seconds),
        attempt: 2,
        status: Some(503),
        milliseconds: 40,
        error: Some("status 503".to_owned()),
        response: "try again".to_owned(),
    }
}

fn deliveries_are_listed_and_pruned(it: &Fixture) {
    let (id, worker) = (endpoint(it), Uuid::now_v7());
    lease(it, worker, LONG);
    let mut deliveries: Vec<DeliveryAttempt> = [1, 2, 3].map(delivery).into();
    deliveries[1].status = None;
    deliveries[1].response.clear();
    let dead = |since| WebhookMessage {
        dead: true,
        since: at(since),
        ..message(&since.to_string())
    };
    let logged = WebhookProgress {
        deliveries: deliveries.clone(),
        stored: vec![dead(1), dead(3), message("waiting")],
        ..progress(it, id)
    };
    assert_eq!(store(it, worker, logged.clone()), NONE);
    assert_eq!(store(it, worker, logged), NONE, "a repeated call changes nothing");
    let list = |limit| {
        it.store
            .webhook_deliveries(id, None, limit)
            .expect("the store is available")
    };
    assert_eq!(list(2), [deliveries[2].clone(), deliveries[1].clone()]);
    let prune = |limit| {
        it.store
            .prune_webhook_deliveries(at(3), limit)
            .expect("the store is available")
    };
    assert!((2..=3).contains(&prune(1)));
    while prune(10) > 0 {}
    assert_eq!(list(10), [deliveries[2].clone()]);
    assert_eq!(messages(it, id, true), [dead(3)]);
    assert_eq!(messages(it, id, false).len(), 1);
}

fn an_endpoint_is_deleted_with_its_messages(it: &Fixture) {
    let (id, worker) = (endpoint(it), Uuid::now_v7());
    lease(it, worker, LONG);
    let some = WebhookProgress {
        deliveries: vec![delivery(1)],
        stored: vec![message("1")],
        ..progress(it, id)
    };
    assert_eq!(store(it, worker, some.clone()), NONE);
    let delete = || it.store.delete_webhook(id).expect("the store is available");
    assert!(delete());
    assert!(!delete());
    assert_eq!((all(it), messages(it, id, false)), (vec![], vec![]));
    let deliveries = it.store.webhook_deliveries(id, None, 10);
    assert_eq!(deliveries.expect("the store is available"), []);
    assert_eq!(store(it, worker, some), [id]);
    // A worker that stays would have a share of the streams of other rules.
    release(it, worker, None);
}
