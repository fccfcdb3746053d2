//! Changes of OAuth clients that keep their id.

use super::credentials::{client, found, issue, issued, new_token, token};
use super::fixture::{Case, Fixture};
use crate::store::{
    Client, ClientChange, ClientMethod, KeySource, MethodChange, NewAccessToken, StoreError, TokenIssued,
};

pub(super) const CASES: &[Case] = cases![
    a_change_of_a_client_keeps_the_rest,
    a_change_of_a_client_may_depend_on_what_was_read,
];

fn a_change_of_a_client_may_depend_on_what_was_read(it: &Fixture) {
    let client = client(it);
    let by_secret = issue(it, &client);
    let change = |name: &str, disabled, expected: &Client| {
        let change = ClientChange {
            name: Some(name.to_owned()),
            method: None,
            disabled,
            expected: Some(Box::new(expected.clone())),
        };
        it.store.change_client(&client.client_id, &change)
    };
    let read = || found(it, &client.client_id).expect("it exists");
    let first = read();
    assert!(change("a", None, &first).expect("the store is available"));
    let second = read();
    assert_eq!((second.name.as_str(), second.disabled), ("a", false));
    for stale in [
        first,
        Client {
            disabled: true,
            ..second.clone()
        },
        Client {
            method: ClientMethod::Client {
                keys: Some(KeySource::Inline("1".to_owned())),
            },
            ..second.clone()
        },
    ] {
        let late = change("b", Some(true), &stale);
        assert!(matches!(late, Err(StoreError::Stale)), "{late:?}");
    }
    assert_eq!(read(), second);
    assert!(token(it, &by_secret).is_some());
    assert!(change("b", Some(true), &second).expect("the store is available"));
    assert_eq!((read().name.as_str(), read().disabled), ("b", true));
    assert!(token(it, &by_secret).is_none(), "its tokens have ended");
}

fn a_change_of_a_client_keeps_the_rest(it: &Fixture) {
    let client = client(it);
    let (by_secret, by_assertion) = (issue(it, &client), new_token(&client, None));
    assert_eq!(issued(it, &by_assertion), TokenIssued::Done);
    let change = |change: &ClientChange| it.store.change_client(&client.client_id, change);
    let keys = |text: &str| ClientMethod::Client {
        keys: Some(KeySource::Inline(text.to_owned())),
    };
    let to = |old: &ClientMethod, new: &ClientMethod, ends_tokens| ClientChange {
        method: Some(MethodChange {
            old: old.clone(),
            new: new.clone(),
            ends_tokens,
        }),
        ..ClientChange::default()
    };
    let name = ClientChange {
        name: Some("Other".to_owned()),
        ..ClientChange::default()
    };
    assert!(change(&name).expect("the client exists"));
    assert!(change(&to(&client.method, &keys("1"), false)).expect("the client exists"));
    let expected = Client {
        name: "Other".to_owned(),
        method: keys("1"),
        ..found(it, &client.client_id).expect("it exists")
    };
    assert_eq!(found(it, &client.client_id), Some(expected.clone()));
    assert_eq!(expected.secrets.len(), 1);
    assert!(token(it, &by_assertion.sha256).is_some());
    let late = change(&to(&client.method, &keys("2"), true));
    assert!(matches!(late, Err(StoreError::Stale)), "{late:?}");
    assert!(change(&to(&keys("1"), &keys("2"), true)).expect("the client exists"));
    assert!(token(it, &by_assertion.sha256).is_none() && token(it, &by_secret).is_some());
    let checked = |method: ClientMethod| {
        let new = NewAccessToken {
            checked: Some(method),
            ..new_token(&client, None)
        };
        (issued(it, &new), token(it, &new.sha256).is_some())
    };
    assert_eq!(checked(keys("1")), (TokenIssued::Changed, false));
    assert_eq!(checked(keys("2")), (TokenIssued::Done, true));
    let nobody = it.store.change_client("nobody", &name);
    assert!(!nobody.expect("the store is available"));
}
