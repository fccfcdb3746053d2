//! Connections and the clients that belong to them.

use std::collections::BTreeMap;

use chrono::Utc;
use scim_model::store::{Client, ClientMethod, Connection, ConnectionId, ConnectionState, TenantId};
use uuid::Uuid;

fn connection(name: &str, state: ConnectionState) -> Connection {
    Connection {
        id: ConnectionId(Uuid::nil()),
        tenant: TenantId(1),
        name: name.to_owned(),
        preset: Connection::GENERIC.to_owned(),
        settings: BTreeMap::new(),
        state,
        created: Utc::now(),
    }
}

#[test]
fn the_first_connection_of_a_tenant_is_known_by_its_name() {
    assert!(connection("default", ConnectionState::Active).is_default());
    assert!(!connection("entra", ConnectionState::Active).is_default());
}

#[test]
fn a_client_is_active_unless_it_is_disabled_or_its_connection_is_paused() {
    let is_active = |disabled, state| {
        let client = Client {
            id: Uuid::nil(),
            connection: connection("entra", state),
            tenant_name: "acme".to_owned(),
            client_id: "c".to_owned(),
            name: String::new(),
            method: ClientMethod::Client { keys: None },
            read_only: false,
            disabled,
            created: Utc::now(),
            last_used: None,
            secrets: Vec::new(),
        };
        client.is_active()
    };
    assert!(is_active(false, ConnectionState::Active));
    assert!(!is_active(true, ConnectionState::Active));
    assert!(!is_active(false, ConnectionState::Paused));
}
