//! Changes of OAuth clients that keep their id, and federations for the same assertions.

use std::collections::BTreeMap;

use super::credentials::{client, found, issue, issued, new_client, new_token, token};
use super::fixture::{Case, Fixture, expect_taken};
use crate::store::{
    Client, ClientChange, ClientMethod, Federation, KeySource, MethodChange, NewAccessToken, NewClient,
    StoreError, TokenIssued,
};

pub(super) const CASES: &[Case] = cases![
    a_tenant_has_no_two_federations_for_the_same_assertions,
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

fn federation(audiences: &[&str]) -> Federation {
    Federation {
        issuer: "https://issuer.example.com/".to_owned(),
        subject: "S".to_owned(),
        audiences: audiences.iter().map(|it| (*it).to_owned()).collect(),
        keys: KeySource::Url("https://issuer.example.com/keys".to_owned()),
        claims: BTreeMap::new(),
        single_use: false,
        algorithms: vec![],
    }
}

fn a_tenant_has_no_two_federations_for_the_same_assertions(it: &Fixture) {
    let create = |it: &Fixture, trust: &Federation| {
        let method = ClientMethod::Federation(trust.clone());
        let new = NewClient {
            method,
            ..new_client(it, Vec::new())
        };
        let created = it.store.create_client(&new);
        created.map(|is_stored| is_stored.then_some(new.client_id))
    };
    let first = create(it, &federation(&["a", "b"])).expect("it is the first one");
    let first = first.expect("the connection exists");
    expect_taken("federation", create(it, &federation(&["b", "a"])));
    let other = create(it, &federation(&["a"])).expect("it has other audiences");
    let other = other.expect("the connection exists");
    let elsewhere = Fixture::new(it.store, "elsewhere");
    let created = create(&elsewhere, &federation(&["a", "b"]));
    assert!(created.expect("it is another tenant").is_some());
    let change = |client_id: &str, old: &[&str], new: Federation| {
        let change = ClientChange {
            method: Some(MethodChange {
                old: ClientMethod::Federation(federation(old)),
                new: ClientMethod::Federation(new),
                ends_tokens: false,
            }),
            ..ClientChange::default()
        };
        it.store.change_client(client_id, &change)
    };
    expect_taken("federation", change(&other, &["a"], federation(&["a", "b"])));
    let with_claims = Federation {
        claims: BTreeMap::from([("azp".to_owned(), "x".to_owned())]),
        ..federation(&["a", "b"])
    };
    let changed = change(&first, &["a", "b"], with_claims);
    assert!(changed.expect("it is no twin of itself"));
}
