//! OAuth clients, their secrets and access tokens.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::fixture::{Case, Fixture, at, expect_taken};
use crate::store::{
    AccessToken, Client, ClientMethod, Connection, ConnectionChange, ConnectionId, ConnectionState,
    CredentialKind, DeletedCredential, Federation, KeySource, NewAccessToken, NewClient, NewSecret,
    SecretAdded, TokenIssued,
};

pub(super) const CASES: &[Case] = cases![
    a_client_is_found_by_its_public_id,
    client_ids_are_unique_over_all_tenants,
    a_client_has_at_most_five_valid_secrets,
    an_access_token_ends_with_its_secret,
    an_access_token_ends_with_its_client,
    an_access_token_ends_with_its_connection_and_tenant,
    a_token_ends_when_its_client_is_disabled_and_says_that_its_connection_is_paused,
    an_assertion_is_good_once,
    a_use_is_recorded,
    secrets_that_expire_soon_are_found,
    expired_tokens_and_assertions_are_deleted,
];

fn new_secret(number: u8) -> NewSecret {
    NewSecret {
        id: Uuid::now_v7(),
        sha256: [number; 32],
        last_four: "abcd".to_owned(),
        name: format!("secret {number}"),
        created: at(i64::from(number)),
        expires: at(1_000),
    }
}

pub(super) fn new_client(it: &Fixture, secrets: Vec<NewSecret>) -> NewClient {
    let id = Uuid::now_v7();
    NewClient {
        id,
        tenant: it.tenant,
        connection: it.connection().id,
        client_id: format!("client_{}", id.simple()),
        name: "Entra".to_owned(),
        method: ClientMethod::Client { keys: None },
        read_only: false,
        disabled: false,
        created: at(0),
        secrets,
    }
}

/// Stores a client with one secret.
pub(super) fn client(it: &Fixture) -> Client {
    let new = new_client(it, vec![new_secret(1)]);
    assert!(it.store.create_client(&new).expect("the id is free"));
    found(it, &new.client_id).expect("it is stored")
}

pub(super) fn found(it: &Fixture, client_id: &str) -> Option<Client> {
    it.store.client(client_id).expect("the store is available")
}

pub(super) fn new_token(client: &Client, secret: Option<Uuid>) -> NewAccessToken {
    let mut sha256 = [0; 32];
    sha256[..16].copy_from_slice(Uuid::now_v7().as_bytes());
    NewAccessToken {
        sha256,
        tenant: client.connection.tenant,
        client: client.id,
        secret,
        read_only: true,
        created: at(100),
        expires: at(3_700),
        assertion: None,
        checked: None,
    }
}

/// Issues a token for the first secret of a client, and returns its hash.
pub(super) fn issue(it: &Fixture, client: &Client) -> [u8; 32] {
    let token = new_token(client, client.secrets.first().map(|it| it.id));
    assert_eq!(issued(it, &token), TokenIssued::Done);
    token.sha256
}

pub(super) fn issued(it: &Fixture, token: &NewAccessToken) -> TokenIssued {
    it.store
        .issue_access_token(token)
        .expect("the store is available")
}

pub(super) fn token(it: &Fixture, sha256: &[u8; 32]) -> Option<AccessToken> {
    it.store.access_token(sha256).expect("the store is available")
}

fn a_client_is_found_by_its_public_id(it: &Fixture) {
    let federation = ClientMethod::Federation(Federation {
        issuer: "https://issuer.example.com/".to_owned(),
        subject: "S".to_owned(),
        audiences: vec!["api://a".to_owned(), "b".to_owned()],
        keys: KeySource::Url("https://issuer.example.com/keys".to_owned()),
        claims: BTreeMap::from([("azp".to_owned(), "x".to_owned())]),
        single_use: true,
        algorithms: vec!["PS256".to_owned()],
    });
    let new = NewClient {
        method: federation.clone(),
        read_only: true,
        ..new_client(it, Vec::new())
    };
    assert!(it.store.create_client(&new).expect("the id is free"));
    let client = found(it, &new.client_id).expect("it is stored");
    assert_eq!(
        (client.id, &client.connection, client.method),
        (new.id, &it.connection(), federation)
    );
    assert!(client.read_only && !client.disabled && client.secrets.is_empty());
    assert_eq!((client.created, client.last_used), (at(0), None));
    assert_eq!(found(it, &new.client_id.to_uppercase()), None);
    let other = Fixture::new(it.store, "other");
    let ids = |of| -> Vec<String> {
        let clients = it.store.clients(Some(of)).expect("the store is available");
        clients.into_iter().map(|it| it.client_id).collect()
    };
    assert_eq!((ids(it.tenant), ids(other.tenant)), (vec![new.client_id], vec![]));
    let nowhere = NewClient {
        connection: ConnectionId(Uuid::now_v7()),
        ..new_client(it, Vec::new())
    };
    assert!(!it.store.create_client(&nowhere).expect("the store is available"));
}

fn client_ids_are_unique_over_all_tenants(it: &Fixture) {
    let other = Fixture::new(it.store, "other");
    let taken = client(it).client_id;
    let again = NewClient {
        client_id: taken.clone(),
        ..new_client(&other, Vec::new())
    };
    expect_taken("clientId", it.store.create_client(&again));
    assert_eq!(found(it, &taken).expect("it stays").connection.tenant, it.tenant);
}

fn a_client_has_at_most_five_valid_secrets(it: &Fixture) {
    let client = client(it);
    let add = |secret: &NewSecret| {
        it.store
            .add_secret(&client.client_id, secret)
            .expect("the store is available")
    };
    let expired = NewSecret {
        expires: at(1),
        ..new_secret(2)
    };
    assert_eq!(add(&expired), SecretAdded::Done);
    for number in 3..7 {
        assert_eq!(add(&new_secret(number)), SecretAdded::Done);
    }
    assert_eq!(add(&new_secret(8)), SecretAdded::TooMany);
    let secrets = found(it, &client.client_id).expect("it exists").secrets;
    let names: Vec<&str> = secrets.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "secret 1", "secret 2", "secret 3", "secret 4", "secret 5", "secret 6"
        ]
    );
    assert_eq!((secrets[0].sha256, secrets[0].expires), ([1; 32], at(1_000)));
    let delete = |id| {
        it.store
            .delete_secret(&client.client_id, id)
            .expect("the store is available")
    };
    assert!(delete(secrets[5].id));
    assert!(!delete(secrets[5].id));
    assert_eq!(add(&new_secret(8)), SecretAdded::Done);
    let nobody = it
        .store
        .add_secret("nobody", &new_secret(9))
        .expect("the store is available");
    assert_eq!(nobody, SecretAdded::NoClient);
    let other = self::client(it);
    let of_other = it.store.delete_secret(&client.client_id, other.secrets[0].id);
    assert!(!of_other.expect("the store is available"));
}

fn an_access_token_ends_with_its_secret(it: &Fixture) {
    let client = client(it);
    let second = new_secret(2);
    it.store
        .add_secret(&client.client_id, &second)
        .expect("the store is available");
    let (first_token, other) = (issue(it, &client), new_token(&client, Some(second.id)));
    assert_eq!(issued(it, &other), TokenIssued::Done);
    let by_assertion = new_token(&client, None);
    assert_eq!(issued(it, &by_assertion), TokenIssued::Done);
    let stored = token(it, &first_token).expect("it is stored");
    assert_eq!((stored.client, stored.connection), (client.id, it.connection()));
    assert!(stored.read_only && stored.expires == at(3_700));
    it.store
        .delete_secret(&client.client_id, client.secrets[0].id)
        .expect("the store is available");
    assert_eq!(token(it, &first_token), None);
    assert!(token(it, &other.sha256).is_some() && token(it, &by_assertion.sha256).is_some());
    let late = new_token(&client, Some(client.secrets[0].id));
    assert_eq!(issued(it, &late), TokenIssued::Gone);
}

fn an_access_token_ends_with_its_client(it: &Fixture) {
    let client = client(it);
    let hash = issue(it, &client);
    let delete = || {
        it.store
            .delete_client(&client.client_id, at(9))
            .expect("the store is available")
    };
    assert!(delete());
    assert!(!delete());
    let deleted = it.store.deleted_credentials(Some(it.tenant));
    let expected = DeletedCredential {
        id: client.id,
        kind: CredentialKind::Client,
        client_id: Some(client.client_id.clone()),
        name: client.name.clone(),
        tenant_name: client.tenant_name.clone(),
        connection_name: "default".to_owned(),
        created: client.created,
        deleted: at(9),
    };
    assert_eq!(deleted.expect("the store is available"), [expected]);
    assert_eq!((token(it, &hash), found(it, &client.client_id)), (None, None));
    assert_eq!(issued(it, &new_token(&client, None)), TokenIssued::Gone);
}

fn an_access_token_ends_with_its_connection_and_tenant(it: &Fixture) {
    let other = Fixture::new(it.store, "other");
    let entra = Connection {
        id: ConnectionId(Uuid::now_v7()),
        name: "entra".to_owned(),
        ..it.connection()
    };
    it.store.create_connection(&entra).expect("the name is free");
    let new = NewClient {
        connection: entra.id,
        ..new_client(it, vec![new_secret(1)])
    };
    it.store.create_client(&new).expect("the id is free");
    let hash = issue(it, &found(it, &new.client_id).expect("it is stored"));
    assert!(
        it.store
            .delete_connection(it.tenant, entra.id, at(9))
            .expect("the store is available")
    );
    assert_eq!((token(it, &hash), found(it, &new.client_id)), (None, None));

    let client = client(&other);
    let hash = issue(&other, &client);
    let tenants = it.store.tenants().expect("the store is available");
    let name = tenants
        .into_iter()
        .find(|it| it.id == other.tenant)
        .expect("it exists")
        .name;
    assert!(it.store.delete_tenant(&name).expect("the store is available"));
    assert_eq!((token(it, &hash), found(it, &client.client_id)), (None, None));
}

fn a_token_ends_when_its_client_is_disabled_and_says_that_its_connection_is_paused(it: &Fixture) {
    let client = client(it);
    let hash = issue(it, &client);
    let disable = |disabled| {
        it.store
            .disable_client(&client.client_id, disabled)
            .expect("the store is available")
    };
    let neighbour = self::client(it);
    let of_neighbour = issue(it, &neighbour);
    let by_assertion = new_token(&client, None);
    assert_eq!(issued(it, &by_assertion), TokenIssued::Done);
    assert!(disable(true));
    assert!(token(it, &hash).is_none());
    assert!(!found(it, &client.client_id).expect("it exists").is_active());
    // A request that read the client before stores no token afterwards.
    let late = new_token(&client, None);
    assert_eq!(issued(it, &late), TokenIssued::Changed);
    assert!(disable(false));
    for ended in [hash, by_assertion.sha256, late.sha256] {
        assert!(token(it, &ended).is_none(), "a token has come back");
    }
    assert!(token(it, &of_neighbour).is_some());
    let hash = issue(it, &client);
    assert!(disable(false));
    assert!(token(it, &hash).is_some(), "the client was enabled already");
    let change = |state| {
        let change = ConnectionChange {
            state: Some(state),
            ..ConnectionChange::default()
        };
        let changed = it.store.change_connection(it.tenant, it.connection().id, &change);
        changed.expect("the store is available");
    };
    change(ConnectionState::Paused);
    let paused = token(it, &hash).expect("it stays");
    assert_eq!(paused.connection.state, ConnectionState::Paused);
    assert!(!found(it, &client.client_id).expect("it exists").is_active());
    change(ConnectionState::Active);
    let resumed = token(it, &hash).expect("it stays");
    assert_eq!(resumed.connection.state, ConnectionState::Active);
    assert!(
        !it.store
            .disable_client("nobody", true)
            .expect("the store is available")
    );
}

fn an_assertion_is_good_once(it: &Fixture) {
    let client = client(it);
    let with = |digest: [u8; 32]| NewAccessToken {
        assertion: Some((digest, at(500))),
        ..new_token(&client, None)
    };
    let digest = new_token(&client, None).sha256;
    let first = with(digest);
    let is_used = |digest: &[u8; 32]| {
        let used = it.store.is_assertion_used(digest);
        used.expect("the store is available")
    };
    assert!(!is_used(&digest));
    assert_eq!(issued(it, &first), TokenIssued::Done);
    assert!(is_used(&digest));
    let second = with(digest);
    assert_eq!(issued(it, &second), TokenIssued::Replayed);
    assert!(token(it, &first.sha256).is_some() && token(it, &second.sha256).is_none());
    let mut other = digest;
    other[31] ^= 1;
    assert!(!is_used(&other));
    assert_eq!(issued(it, &with(other)), TokenIssued::Done);
}

fn a_use_is_recorded(it: &Fixture) {
    let client = client(it);
    issue(it, &client);
    let used = found(it, &client.client_id).expect("it exists");
    assert_eq!(
        (used.last_used, used.secrets[0].last_used),
        (Some(at(100)), Some(at(100)))
    );
    let soon = NewAccessToken {
        created: at(130),
        ..new_token(&client, None)
    };
    issued(it, &soon);
    let later = found(it, &client.client_id).expect("it exists");
    assert_eq!(
        later.last_used,
        Some(at(100)),
        "it is written at most once a minute"
    );
    let much_later = NewAccessToken {
        created: at(200),
        ..new_token(&client, None)
    };
    issued(it, &much_later);
    let later = found(it, &client.client_id).expect("it exists");
    assert_eq!(
        (later.last_used, later.secrets[0].last_used),
        (Some(at(200)), Some(at(100)))
    );
}

fn secrets_that_expire_soon_are_found(it: &Fixture) {
    let client = client(it);
    let add = |number: u8, expires: i64| {
        let secret = NewSecret {
            expires: at(expires),
            ..new_secret(number)
        };
        let added = it.store.add_secret(&client.client_id, &secret);
        assert_eq!(added.expect("the store is available"), SecretAdded::Done);
        secret.id
    };
    add(4, 6_000);
    let (later, sooner) = (add(5, 5_000), add(6, 4_500));
    let found = || {
        let found = it.store.expiring_secrets(at(4_000), at(6_000));
        let found = found.expect("the store is available").into_iter();
        found
            .filter(|it| it.client_id == client.client_id)
            .collect::<Vec<_>>()
    };
    let replaced_by_later = add(3, 4_800);
    assert!(found().iter().all(|it| it.id != replaced_by_later));
    let found = found();
    assert_eq!(found.iter().map(|it| it.id).collect::<Vec<_>>(), [sooner, later]);
    assert_eq!(
        (
            &found[0].tenant_name,
            &*found[0].connection_name,
            found[0].expires
        ),
        (&client.tenant_name, "default", at(4_500))
    );
    let other = self::client(it);
    let newest = NewSecret {
        expires: at(9_000),
        ..new_secret(7)
    };
    let add = |client: &Client| it.store.add_secret(&client.client_id, &newest);
    assert_eq!(add(&other).expect("the store is available"), SecretAdded::Done);
    let all = || {
        it.store
            .expiring_secrets(at(4_000), at(6_000))
            .expect("the store is available")
    };
    assert!(
        all().iter().any(|it| it.id == sooner),
        "it belongs to another client"
    );
}

fn expired_tokens_and_assertions_are_deleted(it: &Fixture) {
    let client = client(it);
    let delete = |before: i64, most| {
        it.store
            .delete_expired(at(before), most)
            .expect("the store is available")
    };
    // Other rules leave tokens that expire later.
    while delete(100, 100) > 0 {}
    let short = |number: u8| NewAccessToken {
        expires: at(90),
        assertion: Some(([number; 32], at(90))),
        ..new_token(&client, None)
    };
    let (first, second) = (short(201), short(202));
    issued(it, &first);
    issued(it, &second);
    let lasting = issue(it, &client);
    assert!(token(it, &first.sha256).is_some(), "the caller compares the time");
    assert_eq!(
        (delete(100, 1), delete(100, 1)),
        (2, 2),
        "a token and an assertion in each step"
    );
    assert_eq!(delete(100, 100), 0);
    assert!(token(it, &first.sha256).is_none() && token(it, &lasting).is_some());
    assert_eq!(issued(it, &short(201)), TokenIssued::Done, "it is forgotten");
    while delete(100, 100) > 0 {}
}
