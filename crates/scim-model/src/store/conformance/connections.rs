//! Connections of tenants.

use std::collections::BTreeMap;

use serde_json::json;
use uuid::Uuid;

use super::fixture::{Case, Fixture, at, document, expect_taken};
use crate::change::Actor;
use crate::secret::SecretHashes;
use crate::store::{
    ClientMethod, Connection, ConnectionChange, ConnectionId, ConnectionState, CredentialKind,
    DeletedConnection, DeletedCredential, NewClient, NewResource, NewToken, StoreError, TenantId,
};

pub(super) const CASES: &[Case] = cases![
    each_tenant_has_a_default_connection,
    connections_have_unique_names_within_a_tenant,
    a_change_of_a_connection_keeps_the_rest,
    a_change_of_another_connection_than_the_expected_one_is_stale,
    a_deleted_connection_ends_its_tokens,
    a_deleted_connection_and_its_credentials_remain_known,
    the_journal_names_the_connection_after_its_deletion,
    the_default_connection_cannot_be_deleted,
];

fn each_tenant_has_a_default_connection(it: &Fixture) {
    let connection = it.connection();
    assert_eq!(
        connection,
        Connection {
            id: connection.id,
            tenant: it.tenant,
            name: "default".to_owned(),
            preset: "generic".to_owned(),
            settings: BTreeMap::new(),
            state: ConnectionState::Active,
            created: at(0),
        }
    );
    assert!(connection.is_default());
    assert_eq!(connection.id.0.get_version_num(), 7);
    assert_ne!(Fixture::new(it.store, "other").connection().id, connection.id);
    assert_eq!(names(it, it.tenant), ["default"]);
}

fn connections_have_unique_names_within_a_tenant(it: &Fixture) {
    let other = Fixture::new(it.store, "other");
    let entra = new(it, "entra");
    let created = |connection: &Connection| it.store.create_connection(connection);
    assert!(created(&entra).expect("the name is free"));
    assert!(created(&new(it, "Entra")).expect("the case of names counts"));
    expect_taken("name", created(&new(it, "entra")));
    expect_taken("name", created(&new(it, "default")));
    let same_id = Connection {
        id: entra.id,
        ..new(it, "okta")
    };
    expect_taken("id", created(&same_id));
    assert!(created(&new(&other, "entra")).expect("another tenant may use the name"));
    let nowhere = Connection {
        tenant: TenantId(i64::MAX),
        ..new(it, "okta")
    };
    assert!(!created(&nowhere).expect("the store is available"));
    assert_eq!(names(it, it.tenant), ["Entra", "default", "entra"]);
    assert_eq!(named(it, "entra"), Some(entra));
    assert_eq!(named(it, "okta"), None);
}

fn a_change_of_a_connection_keeps_the_rest(it: &Fixture) {
    let entra = new(it, "entra");
    it.store.create_connection(&entra).expect("the name is free");
    let change = |tenant: TenantId, id: ConnectionId, change: &ConnectionChange| {
        let changed = it.store.change_connection(tenant, id, change);
        changed.expect("the store is available")
    };
    let set = |name: &str, value: Option<&str>| ConnectionChange {
        settings: BTreeMap::from([(name.to_owned(), value.map(str::to_owned))]),
        ..ConnectionChange::default()
    };
    let to_state = |state: ConnectionState| ConnectionChange {
        state: Some(state),
        ..ConnectionChange::default()
    };
    let expected = Connection {
        settings: BTreeMap::from(
            [("group-patch", "resource"), ("leniency", "\"é\"")]
                .map(|(name, value)| (name.to_owned(), value.to_owned())),
        ),
        ..entra.clone()
    };
    let changed = change(it.tenant, entra.id, &set("leniency", Some("\"é\"")));
    assert_eq!(changed.as_ref(), Some(&expected));
    assert_eq!(named(it, "entra"), changed);
    let paused = change(it.tenant, entra.id, &to_state(ConnectionState::Paused));
    let expected = Connection {
        state: ConnectionState::Paused,
        ..expected
    };
    assert_eq!(paused.as_ref(), Some(&expected));
    let without = change(it.tenant, entra.id, &set("group-patch", None));
    assert_eq!(without.map(|it| it.settings.len()), Some(1));
    let preset = ConnectionChange {
        preset: Some("okta".to_owned()),
        ..to_state(ConnectionState::Active)
    };
    let changed = change(it.tenant, entra.id, &preset).expect("it exists");
    assert_eq!(
        (&*changed.preset, changed.state),
        ("okta", ConnectionState::Active)
    );
    assert_eq!(named(it, "entra"), Some(changed));
    let other = Fixture::new(it.store, "other");
    for (tenant, id) in [
        (it.tenant, ConnectionId(Uuid::now_v7())),
        (other.tenant, entra.id),
    ] {
        assert_eq!(change(tenant, id, &to_state(ConnectionState::Paused)), None);
    }
}

fn a_change_of_another_connection_than_the_expected_one_is_stale(it: &Fixture) {
    let entra = new(it, "entra");
    it.store.create_connection(&entra).expect("the name is free");
    let pause = ConnectionChange {
        state: Some(ConnectionState::Paused),
        expected: Some(Box::new(entra.clone())),
        ..ConnectionChange::default()
    };
    let change = || it.store.change_connection(it.tenant, entra.id, &pause);
    let changed = change().expect("it is the expected one").expect("it exists");
    assert_eq!(changed.state, ConnectionState::Paused);
    assert!(matches!(change(), Err(StoreError::Stale)));
    assert_eq!(named(it, "entra"), Some(changed));
}

fn a_deleted_connection_ends_its_tokens(it: &Fixture) {
    let other = Fixture::new(it.store, "other");
    let entra = new(it, "entra");
    it.store.create_connection(&entra).expect("the name is free");
    let token = NewToken {
        connection: entra.id,
        ..it.new_token(Uuid::now_v7())
    };
    assert!(it.store.create_token(&token).expect("the id is free"));
    let of_default = it.new_token(Uuid::now_v7());
    assert!(it.store.create_token(&of_default).expect("the id is free"));
    let found = it.token(token.id).expect("it exists");
    assert_eq!(found.connection, entra);
    let of_other = NewToken {
        tenant: other.tenant,
        ..token.clone()
    };
    assert!(!it.store.create_token(&of_other).expect("the store is available"));
    let delete = |tenant: TenantId| {
        let deleted = it.store.delete_connection(tenant, entra.id, at(9));
        deleted.expect("the store is available")
    };
    assert!(!delete(other.tenant));
    assert!(delete(it.tenant));
    assert!(!delete(it.tenant));
    assert_eq!(it.token(token.id), None);
    assert!(it.token(of_default.id).is_some());
    assert!(!it.store.create_token(&token).expect("the store is available"));
    assert_eq!(names(it, it.tenant), ["default"]);
}

fn a_deleted_connection_and_its_credentials_remain_known(it: &Fixture) {
    let (_other, entra) = (Fixture::new(it.store, "other"), new(it, "entra"));
    it.store.create_connection(&entra).expect("the name is free");
    let token = NewToken {
        connection: entra.id,
        ..it.new_token(Uuid::now_v7())
    };
    assert!(it.store.create_token(&token).expect("the id is free"));
    let of_default = it.new_token(Uuid::now_v7());
    assert!(it.store.create_token(&of_default).expect("the id is free"));
    let client = NewClient {
        id: Uuid::now_v7(),
        tenant: it.tenant,
        connection: entra.id,
        client_id: format!("client-{}", Uuid::now_v7()),
        name: "Robot".to_owned(),
        method: ClientMethod::Client { keys: None },
        read_only: false,
        disabled: false,
        created: at(4),
        secrets: Vec::new(),
    };
    assert!(it.store.create_client(&client).expect("the id is free"));
    assert_eq!((deleted(it), deleted_credentials(it)), (vec![], vec![]));
    delete(it, &entra, 9);
    let expected = DeletedConnection {
        id: entra.id,
        name: "entra".to_owned(),
        created: at(3),
        deleted: at(9),
    };
    assert_eq!(deleted(it), [expected]);
    let credential = |id: Uuid, kind: CredentialKind| DeletedCredential {
        id,
        kind,
        client_id: None,
        name: token.name.clone(),
        tenant_name: tenant_name(it),
        connection_name: "entra".to_owned(),
        created: token.created,
        deleted: at(9),
    };
    let of_client = DeletedCredential {
        client_id: Some(client.client_id.clone()),
        name: client.name.clone(),
        created: client.created,
        ..credential(client.id, CredentialKind::Client)
    };
    let credentials = [credential(token.id, CredentialKind::Bearer), of_client];
    assert_eq!(deleted_credentials(it), credentials);
    let of_all = it
        .store
        .deleted_credentials(None)
        .expect("the store is available");
    assert!(credentials.iter().all(|it| of_all.contains(it)));

    // The name is free at once, and each connection that had it is known.
    let again = new(it, "entra");
    assert!(it.store.create_connection(&again).expect("the name is free"));
    delete(it, &again, 10);
    assert_eq!(
        deleted(it).iter().map(|it| it.id).collect::<Vec<_>>(),
        [entra.id, again.id]
    );
}

fn the_journal_names_the_connection_after_its_deletion(it: &Fixture) {
    let entra = new(it, "entra");
    it.store.create_connection(&entra).expect("the name is free");
    let write = |user_name: &str, actor: Actor| {
        let user = NewResource {
            resource_type: it.user.clone(),
            id: Uuid::now_v7(),
            now: at(4),
            actor,
            document: document(json!({ "userName": user_name })),
            members: Vec::new(),
            secrets: SecretHashes::new(),
        };
        it.store.create(it.tenant, &user).expect("the name is free");
    };
    let by = |connection: ConnectionId| Actor::Connection {
        connection,
        credential: Uuid::now_v7(),
        request: "request-1".to_owned(),
    };
    write("one", by(entra.id));
    write("two", by(it.connection().id));
    write("three", Actor::System);
    write("four", by(ConnectionId(Uuid::now_v7())));
    let names = || -> Vec<Option<String>> { it.changes().into_iter().map(|it| it.connection_name).collect() };
    let expected = [Some("entra"), Some("default"), None, None].map(|it| it.map(str::to_owned));
    assert_eq!(names(), expected);
    delete(it, &entra, 9);
    assert_eq!(names(), expected);
    let again = Connection {
        preset: "okta".to_owned(),
        ..new(it, "entra")
    };
    it.store.create_connection(&again).expect("the name is free");
    assert_eq!(names(), expected);
}

fn the_default_connection_cannot_be_deleted(it: &Fixture) {
    let default = it.connection();
    let deleted = it.store.delete_connection(it.tenant, default.id, at(9));
    assert!(!deleted.expect("the store is available"));
    assert_eq!(it.connection(), default);
}

fn delete(it: &Fixture, connection: &Connection, seconds: i64) {
    let deleted = it.store.delete_connection(it.tenant, connection.id, at(seconds));
    assert!(deleted.expect("the store is available"));
}

fn deleted(it: &Fixture) -> Vec<DeletedConnection> {
    let connections = it.store.deleted_connections(it.tenant);
    connections.expect("the store is available")
}

/// The bearer tokens come first.
fn deleted_credentials(it: &Fixture) -> Vec<DeletedCredential> {
    let credentials = it.store.deleted_credentials(Some(it.tenant));
    let mut credentials = credentials.expect("the store is available");
    credentials.sort_by_key(|it| it.kind.as_str());
    credentials
}

fn tenant_name(it: &Fixture) -> String {
    let tenants = it.store.tenants().expect("the store is available");
    let tenant = tenants.into_iter().find(|tenant| tenant.id == it.tenant);
    tenant.expect("it exists").name
}

fn new(it: &Fixture, name: &str) -> Connection {
    Connection {
        id: ConnectionId(Uuid::now_v7()),
        tenant: it.tenant,
        name: name.to_owned(),
        preset: "entra".to_owned(),
        settings: BTreeMap::from([("group-patch".to_owned(), "resource".to_owned())]),
        state: ConnectionState::Active,
        created: at(3),
    }
}

fn named(it: &Fixture, name: &str) -> Option<Connection> {
    let connection = it.store.connection(it.tenant, name);
    connection.expect("the store is available")
}

fn names(it: &Fixture, tenant: TenantId) -> Vec<String> {
    let connections = it.store.connections(tenant).expect("the store is available");
    connections.into_iter().map(|it| it.name).collect()
}
