//! Streams of security event tokens, and their progress.

use chrono::TimeDelta;
use uuid::Uuid;

use super::fixture::{Case, Fixture, at};
use crate::change::ChangePosition;
use crate::store::{
    DeliveryAttempt, EventAdded, NewSetStream, RefusedSet, SetDelivery, SetHealth, SetProgress, SetStream,
    SetStreamEvent, SetStreamSettings, SetStreamState, SetStreamStatus, StoreError,
};

pub(super) const CASES: &[Case] = cases![
    a_stream_is_stored_with_its_settings,
    an_operator_changes_the_state_and_the_position,
    progress_moves_forward_only,
    progress_on_another_revision_or_without_a_lease_is_refused,
    finished_tokens_are_kept_until_the_position_passes_them,
    refused_tokens_are_listed_and_pruned,
    attempts_are_listed_and_pruned,
    changed_settings_replace_those_of_the_revision_that_was_read,
    an_event_about_a_stream_waits_until_it_is_finished,
    a_state_that_the_server_sets_comes_with_its_event,
    a_stream_is_deleted_with_everything_that_belongs_to_it,
];

/// A long lease: it does not end during a test.
pub(super) const LONG: TimeDelta = TimeDelta::minutes(5);

fn settings(it: &Fixture, delivery: SetDelivery) -> SetStreamSettings {
    SetStreamSettings {
        name: "audit".to_owned(),
        issuer: "https://scim.example.com".to_owned(),
        audience: "https://receiver.example.com".to_owned(),
        tenants: Some(vec![it.tenant]),
        events: vec!["urn:example:a".to_owned(), "urn:example:b".to_owned()],
        delivery,
        algorithm: "RS256".to_owned(),
        with_user_name: true,
        revoked_subject: "email".to_owned(),
        account_issuer: "https://idp.example.com".to_owned(),
    }
}

fn position(sequence: i64) -> ChangePosition {
    ChangePosition {
        sequence,
        at: 1_700_000_000_000 + sequence,
    }
}

fn create(it: &Fixture, settings: SetStreamSettings) -> SetStream {
    let new = NewSetStream {
        id: Uuid::now_v7(),
        settings,
        position: position(10),
        created: at(5),
    };
    it.store.create_set_stream(&new).expect("the store is available");
    found(it, new.id)
}

pub(super) fn polled(it: &Fixture) -> SetStream {
    create(it, settings(it, SetDelivery::Poll))
}

pub(super) fn pushed(it: &Fixture) -> SetStream {
    let delivery = SetDelivery::Push {
        url: "https://receiver.example.com/events".to_owned(),
        authorization: None,
    };
    create(it, settings(it, delivery))
}

/// Deletes the streams of other rules, which a worker would lease too, and ends the leases of other workers.
pub(super) fn delete_others(it: &Fixture) {
    for old in it.store.set_streams().expect("the store is available") {
        let deleted = it.store.delete_set_stream(old.id);
        assert!(deleted.expect("the store is available"));
    }
    for webhook in it.store.webhooks().expect("the store is available") {
        if let Some(worker) = webhook.lease_owner {
            let released = it.store.release_webhooks(worker, None);
            released.expect("the store is available");
        }
    }
}

fn found(it: &Fixture, id: Uuid) -> SetStream {
    let found = it.store.set_stream(id).expect("the store is available");
    found.expect("it exists")
}

pub(super) fn state(status: SetStreamStatus, reason: &str, seconds: i64) -> SetStreamState {
    SetStreamState {
        status,
        reason: reason.to_owned(),
        since: at(seconds),
    }
}

fn progress(stream: &SetStream) -> SetProgress {
    SetProgress::unchanged(stream.id, stream.revision, stream.position)
}

fn store(it: &Fixture, progress: &SetProgress) -> bool {
    it.store
        .store_set_progress(progress)
        .expect("the store is available")
}

fn finished(it: &Fixture, id: Uuid) -> Vec<String> {
    it.store.finished_sets(id).expect("the store is available")
}

fn event(number: u128, seconds: i64) -> SetStreamEvent {
    SetStreamEvent {
        id: Uuid::from_u128(number),
        kind: "verification".to_owned(),
        content: format!("content {number}"),
        created: at(seconds),
    }
}

fn events(it: &Fixture, id: Uuid, limit: u32) -> Vec<SetStreamEvent> {
    it.store
        .set_stream_events(id, limit)
        .expect("the store is available")
}

fn a_stream_is_stored_with_its_settings(it: &Fixture) {
    let push = SetDelivery::Push {
        url: "https://receiver.example.com/events".to_owned(),
        authorization: Some(vec![1, 2, 3]),
    };
    let of_all = SetStreamSettings {
        tenants: None,
        with_user_name: false,
        ..settings(it, push)
    };
    let mut ids = Vec::new();
    for settings in [of_all, settings(it, SetDelivery::Poll)] {
        let stream = create(it, settings.clone());
        assert_eq!(
            stream,
            SetStream {
                id: stream.id,
                settings,
                state: state(SetStreamStatus::Enabled, "", 5),
                position: position(10),
                revision: 0,
                health: SetHealth::default(),
                created: at(5),
            }
        );
        ids.push(stream.id);
    }
    let all = it.store.set_streams().expect("the store is available");
    let mine: Vec<Uuid> = all.iter().map(|it| it.id).filter(|it| ids.contains(it)).collect();
    assert_eq!(mine, ids);
    let unknown = it
        .store
        .set_stream(Uuid::now_v7())
        .expect("the store is available");
    assert_eq!(unknown, None);
}

fn an_operator_changes_the_state_and_the_position(it: &Fixture) {
    let stream = polled(it);
    let failing = SetHealth {
        attempts: 3,
        failing_since: Some(at(6)),
        next_attempt: Some(at(7)),
    };
    let failed = SetProgress {
        health: Some(failing),
        finished: vec![("a".to_owned(), 12)],
        ..progress(&stream)
    };
    assert!(store(it, &failed));
    assert_eq!(found(it, stream.id).health, failing);
    let change = |state: &SetStreamState, position| {
        let changed = it.store.change_set_stream(stream.id, state, position);
        assert!(changed.expect("the store is available"));
        found(it, stream.id)
    };
    let paused = state(SetStreamStatus::Paused, "maintenance", 8);
    let changed = change(&paused, None);
    assert_eq!(changed.state, paused);
    assert_eq!((changed.revision, changed.position), (1, position(10)));
    assert_eq!(changed.health, SetHealth::default());
    assert_eq!(finished(it, stream.id), ["a"]);
    let changed = change(&state(SetStreamStatus::Enabled, "", 9), Some(position(4)));
    assert_eq!((changed.revision, changed.position), (2, position(4)));
    assert_eq!(finished(it, stream.id), [""; 0]);
    let unknown = it.store.change_set_stream(Uuid::now_v7(), &paused, None);
    assert!(!unknown.expect("the store is available"));
}

fn progress_moves_forward_only(it: &Fixture) {
    let stream = polled(it);
    for (moved, expected) in [(12, 12), (11, 12), (12, 12), (20, 20)] {
        let moved = SetProgress {
            position: position(moved),
            ..progress(&stream)
        };
        assert!(store(it, &moved));
        assert_eq!(found(it, stream.id).position, position(expected));
    }
}

fn progress_on_another_revision_or_without_a_lease_is_refused(it: &Fixture) {
    delete_others(it);
    let stream = pushed(it);
    let moved = SetProgress {
        position: position(12),
        ..progress(&stream)
    };
    let worker = Uuid::now_v7();
    let leased = SetProgress {
        worker: Some(worker),
        ..moved.clone()
    };
    let other = SetProgress {
        revision: 1,
        ..moved.clone()
    };
    let unknown = SetProgress {
        stream: Uuid::now_v7(),
        ..moved
    };
    for refused in [&leased, &other, &unknown] {
        assert!(!store(it, refused));
    }
    assert_eq!(found(it, stream.id).position, position(10));
    it.store
        .lease_set_streams(worker, LONG)
        .expect("the store is available");
    assert!(store(it, &leased));
    assert_eq!(found(it, stream.id).position, position(12));
    it.store
        .release_set_streams(worker, None)
        .expect("the store is available");
    assert!(!store(it, &leased));
}

fn finished_tokens_are_kept_until_the_position_passes_them(it: &Fixture) {
    let stream = polled(it);
    let some = SetProgress {
        finished: vec![("b".to_owned(), 13), ("a".to_owned(), 12), ("x".to_owned(), 10)],
        ..progress(&stream)
    };
    assert!(store(it, &some));
    assert!(store(it, &some), "a call that is repeated changes nothing");
    assert_eq!(finished(it, stream.id), ["a", "b"]);
    let passed = SetProgress {
        position: position(12),
        finished: vec![("c".to_owned(), 12), ("d".to_owned(), 14)],
        ..progress(&stream)
    };
    assert!(store(it, &passed));
    assert_eq!(finished(it, stream.id), ["b", "d"]);
}

fn refused_tokens_are_listed_and_pruned(it: &Fixture) {
    let stream = polled(it);
    let refused = |jti: &str, seconds| RefusedSet {
        jti: jti.to_owned(),
        error: "invalid_request".to_owned(),
        description: "no".to_owned(),
        at: at(seconds),
    };
    let all = [refused("a", 1), refused("b", 3), refused("c", 2)];
    for _ in 0..2 {
        let some = SetProgress {
            refused: all.to_vec(),
            ..progress(&stream)
        };
        assert!(store(it, &some));
    }
    let list = |limit| {
        it.store
            .refused_sets(stream.id, limit)
            .expect("the store is available")
    };
    assert_eq!(list(10), [refused("b", 3), refused("c", 2), refused("a", 1)]);
    assert_eq!(list(1), [refused("b", 3)]);
    let prune = || it.store.prune_sets(at(3), 1).expect("the store is available");
    while prune() > 0 {}
    assert_eq!(list(10), [refused("b", 3)]);
}

fn an_event_about_a_stream_waits_until_it_is_finished(it: &Fixture) {
    let stream = polled(it);
    let add = |event: &SetStreamEvent, last_before| {
        let added = it.store.add_set_stream_event(stream.id, event, at(last_before));
        added.expect("the store is available")
    };
    assert_eq!(add(&event(1, 100), 0), EventAdded::Yes);
    assert_eq!(add(&event(2, 105), 95), EventAdded::TooSoon);
    let other = SetStreamEvent {
        kind: "other".to_owned(),
        ..event(3, 106)
    };
    assert_eq!(add(&other, 96), EventAdded::Yes);
    assert_eq!(events(it, stream.id, 10), [event(1, 100), other.clone()]);
    assert_eq!(events(it, stream.id, 1), [event(1, 100)]);
    let done = SetProgress {
        finished_events: vec![event(1, 100).id],
        ..progress(&stream)
    };
    assert!(store(it, &done));
    assert_eq!(events(it, stream.id, 10), [other]);
    assert_eq!(
        add(&event(4, 109), 99),
        EventAdded::TooSoon,
        "also after the first one was delivered"
    );
    assert_eq!(add(&event(4, 111), 101), EventAdded::Yes);
    let unknown = it.store.add_set_stream_event(Uuid::now_v7(), &event(5, 0), at(0));
    assert_eq!(unknown.expect("the store is available"), EventAdded::NoStream);
}

fn a_state_that_the_server_sets_comes_with_its_event(it: &Fixture) {
    let stream = polled(it);
    let pause = |number, reason: &str| {
        let paused = SetProgress {
            new_state: Some((state(SetStreamStatus::Paused, reason, 50), event(number, 50))),
            ..progress(&stream)
        };
        assert!(store(it, &paused));
        found(it, stream.id).state
    };
    assert_eq!(
        pause(1, "invalid_key"),
        state(SetStreamStatus::Paused, "invalid_key", 50)
    );
    assert_eq!(
        pause(2, "access_denied").reason,
        "invalid_key",
        "the stream is paused already"
    );
    assert_eq!(events(it, stream.id, 10), [event(1, 50)]);
}

fn attempts_are_listed_and_pruned(it: &Fixture) {
    let stream = polled(it);
    let attempt = |number: u128, seconds| DeliveryAttempt {
        id: Uuid::from_u128(number),
        message: format!("token {number}"),
        at: at(seconds),
        attempt: 2,
        status: (number > 1).then_some(503),
        milliseconds: 17,
        error: Some("status 503".to_owned()),
        response: "busy".to_owned(),
    };
    let [first, second, third] = [attempt(1, 1), attempt(2, 2), attempt(3, 3)];
    let mut some = progress(&stream);
    some.attempts = vec![first.clone(), second.clone()];
    assert!(store(it, &some));
    assert!(store(it, &some), "a call that is repeated changes nothing");
    some.attempts = vec![third.clone()];
    some.revision += 1;
    assert!(!store(it, &some), "the stream has another revision");
    let list = |limit| {
        let attempts = it.store.set_attempts(stream.id, None, limit);
        attempts.expect("the store is available")
    };
    assert_eq!(list(10), [third.clone(), second, first]);
    assert_eq!(list(1), std::slice::from_ref(&third));
    let prune = || it.store.prune_sets(at(3), 1).expect("the store is available");
    while prune() > 0 {}
    assert_eq!(list(10), [third]);
}

fn changed_settings_replace_those_of_the_revision_that_was_read(it: &Fixture) {
    let stream = pushed(it);
    let failed = SetProgress {
        health: Some(SetHealth {
            attempts: 3,
            failing_since: Some(at(1)),
            next_attempt: Some(at(2)),
        }),
        ..progress(&stream)
    };
    assert!(store(it, &failed));
    let settings = SetStreamSettings {
        name: "renamed".to_owned(),
        events: vec!["urn:example:c".to_owned()],
        delivery: SetDelivery::Push {
            url: "https://other.example.com/".to_owned(),
            authorization: Some(vec![7]),
        },
        algorithm: "ES256".to_owned(),
        with_user_name: false,
        ..stream.settings.clone()
    };
    let change = |id, revision| it.store.change_set_stream_settings(id, revision, &settings);
    assert!(change(stream.id, stream.revision).expect("the store is available"));
    let changed = found(it, stream.id);
    assert_eq!(changed.revision, stream.revision + 1);
    let expected = SetStream {
        settings: settings.clone(),
        revision: changed.revision,
        ..stream.clone()
    };
    assert_eq!(
        changed, expected,
        "the failures are forgotten, and the rest is kept"
    );
    let late = change(stream.id, stream.revision);
    assert!(matches!(late, Err(StoreError::Stale)), "{late:?}");
    assert!(!change(Uuid::now_v7(), 0).expect("the store is available"));
}

fn a_stream_is_deleted_with_everything_that_belongs_to_it(it: &Fixture) {
    let stream = polled(it);
    let some = SetProgress {
        finished: vec![("a".to_owned(), 12)],
        ..progress(&stream)
    };
    assert!(store(it, &some));
    let added = it.store.add_set_stream_event(stream.id, &event(1, 5), at(0));
    assert_eq!(added.expect("the store is available"), EventAdded::Yes);
    let delete = || {
        it.store
            .delete_set_stream(stream.id)
            .expect("the store is available")
    };
    assert!(delete());
    assert!(!delete());
    assert_eq!(
        it.store.set_stream(stream.id).expect("the store is available"),
        None
    );
    assert_eq!(finished(it, stream.id), [""; 0]);
    assert_eq!(events(it, stream.id, 10), []);
}
