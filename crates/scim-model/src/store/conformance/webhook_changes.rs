//! Changes of endpoints of webhooks.

use uuid::Uuid;

use super::fixture::{Case, Fixture, at};
use super::webhooks::{LONG, NONE, endpoint, found, lease, message, messages, progress, release, store};
use crate::store::{
    StoreError, WebhookChange, WebhookHealth, WebhookMessage, WebhookProgress, WebhookSettings, WebhookState,
};

pub(super) const CASES: &[Case] = cases![
    an_endpoint_is_changed_as_it_was_read,
    another_url_has_no_failures,
    a_change_can_enable_and_disable_an_endpoint,
    progress_on_another_revision_is_refused,
];

fn change(it: &Fixture, id: Uuid, revision: i64, change: &WebhookChange) -> Result<bool, StoreError> {
    it.store.change_webhook(id, revision, change)
}

/// The settings of an endpoint, and no change of its state.
fn unchanged(it: &Fixture, id: Uuid) -> WebhookChange {
    WebhookChange {
        settings: found(it, id).settings,
        position: None,
        state: None,
    }
}

fn an_endpoint_is_changed_as_it_was_read(it: &Fixture) {
    let (id, worker) = (endpoint(it), Uuid::now_v7());
    lease(it, worker, LONG);
    let late = progress(it, id);
    let read = found(it, id);
    let new = WebhookChange {
        settings: WebhookSettings {
            url: "https://example.com/other".to_owned(),
            tenants: Some(vec![it.tenant]),
            types: vec!["group.*".to_owned()],
            full: false,
            headers: Some(vec![7, 8]),
        },
        position: Some("9-3".to_owned()),
        state: None,
    };
    let changed = change(it, id, read.revision, &new).expect("it is as it was read");
    assert!(changed);
    let stored = found(it, id);
    assert_eq!(stored.settings, new.settings);
    assert_eq!((stored.position.as_str(), stored.created), ("9-3", read.created));
    assert_eq!(stored.secrets, read.secrets);
    assert!(stored.revision > read.revision);
    let again = change(it, id, read.revision, &unchanged(it, id));
    assert!(matches!(again, Err(StoreError::Stale)), "{again:?}");
    assert_eq!(found(it, id), stored);
    assert_eq!(store(it, worker, late), [id], "the settings were others");
    let nobody = change(it, Uuid::now_v7(), 0, &new);
    assert!(!nobody.expect("the store is available"));
    release(it, worker, None);
}

fn another_url_has_no_failures(it: &Fixture) {
    let (id, worker) = (endpoint(it), Uuid::now_v7());
    lease(it, worker, LONG);
    let health = WebhookHealth {
        failing_since: Some(at(3)),
        slow_until: Some(at(4)),
    };
    let behind = WebhookMessage {
        next_attempt: None,
        ..message("2")
    };
    let failing = WebhookProgress {
        health,
        stored: vec![message("1"), behind],
        ..progress(it, id)
    };
    assert_eq!(store(it, worker, failing), NONE);
    let times = || {
        let mut all = messages(it, id, false);
        all.sort_by(|a, b| a.message.cmp(&b.message));
        let times = all.into_iter().map(|it| it.next_attempt);
        times.collect::<Vec<_>>()
    };
    let mut new = unchanged(it, id);
    new.settings.full = !new.settings.full;
    let changed = change(it, id, found(it, id).revision, &new);
    assert!(changed.expect("it is as it was read"));
    assert_eq!(
        (found(it, id).health, times()),
        (health, vec![Some(at(10)), None])
    );
    new.settings.url.push('x');
    let changed = change(it, id, found(it, id).revision, &new);
    assert!(changed.expect("it is as it was read"));
    assert_eq!(found(it, id).health, WebhookHealth::default());
    let times = times();
    assert!(
        times[0].is_some_and(|it| it < at(0)) && times[1].is_none(),
        "{times:?}"
    );
    release(it, worker, None);
}

fn a_change_can_enable_and_disable_an_endpoint(it: &Fixture) {
    let id = endpoint(it);
    let state = |state| {
        let new = WebhookChange {
            state: Some(state),
            ..unchanged(it, id)
        };
        let changed = change(it, id, found(it, id).revision, &new);
        assert!(changed.expect("it is as it was read"));
        found(it, id).disabled
    };
    let reason = "by an operator".to_owned();
    assert_eq!(
        state(WebhookState::Disabled(reason.clone(), at(7))),
        Some((reason, at(7)))
    );
    assert_eq!(state(WebhookState::Active), None);
}

fn progress_on_another_revision_is_refused(it: &Fixture) {
    let (id, worker) = (endpoint(it), Uuid::now_v7());
    lease(it, worker, LONG);
    let late = progress(it, id);
    let rewind = |id, forgotten: &[&str]| {
        let forgotten: Vec<String> = forgotten.iter().map(ToString::to_string).collect();
        let rewound = it.store.rewind_webhook(id, "3-1", &forgotten);
        rewound.expect("the store is available")
    };
    assert!(rewind(id, &[]));
    assert_eq!(store(it, worker, late), [id]);
    assert_eq!(found(it, id).position, "3-1");
    assert_eq!(store(it, worker, progress(it, id)), NONE);
    let dead = WebhookMessage {
        dead: true,
        next_attempt: None,
        ..message("1")
    };
    let given_up = WebhookProgress {
        stored: vec![dead, message("2")],
        ..progress(it, id)
    };
    assert_eq!(store(it, worker, given_up), NONE);
    assert!(rewind(id, &["2", "3"]), "they were not given up");
    assert_eq!(messages(it, id, true).len(), 1);
    assert!(rewind(id, &["1"]));
    assert_eq!(
        (messages(it, id, true), messages(it, id, false)),
        (vec![], vec![message("2")])
    );
    assert!(!rewind(Uuid::now_v7(), &[]));
}
