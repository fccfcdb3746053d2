//! Tenants for the tests. Each test has its own, on servers that the tests share, because starting a
//! server takes longer than most tests.

use std::sync::{Arc, Mutex, Weak};

use chrono::{Duration, Utc};
use scim_model::store::{Directory, TenantId};
use scim_server::service::Leniency;
use uuid::Uuid;

use super::client::Client;
use crate::harness::{Choice, HttpServer, Token, create_token};

/// A server that stops when the last test that uses it has ended. The next test starts another one.
struct Shared(Mutex<Weak<HttpServer>>);

impl Shared {
    const fn new() -> Shared {
        Shared(Mutex::new(Weak::new()))
    }

    fn server(&self, choice: impl FnOnce() -> Choice) -> Arc<HttpServer> {
        // The lock is poisoned by a test that failed while it held it; the value is still good.
        let mut server = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        server.upgrade().unwrap_or_else(|| {
            let new = Arc::new(HttpServer::start_with(choice()));
            *server = Arc::downgrade(&new);
            new
        })
    }
}

static DEFAULT: Shared = Shared::new();
static STRICT: Shared = Shared::new();
static ACTIVE: Shared = Shared::new();
static STAFF: Shared = Shared::new();
static STRICT_STAFF: Shared = Shared::new();

/// A new tenant of a server with default settings.
pub(crate) fn tenant() -> Client {
    new_tenant(&DEFAULT.server(Choice::default))
}

/// Two tenants of one server.
pub(crate) fn two_tenants() -> (Client, Client) {
    let server = DEFAULT.server(Choice::default);
    (new_tenant(&server), new_tenant(&server))
}

/// A new tenant of a server that tolerates no deviation of a client (`--leniency strict`).
pub(crate) fn strict_tenant() -> Client {
    new_tenant(&STRICT.server(|| {
        let mut choice = Choice::default();
        choice.settings.client.leniency = Leniency::Strict;
        choice
    }))
}

/// A new tenant of a server that stores `active` for new users (`--active-by-default`).
pub(crate) fn tenant_active_by_default() -> Client {
    new_tenant(&ACTIVE.server(|| {
        let mut choice = Choice::default();
        choice.settings.client.active_by_default = true;
        choice
    }))
}

/// A new tenant of a server with the schemas of tests/fixtures/conformance/extension.json.
pub(crate) fn staff_tenant() -> Client {
    new_tenant(&STAFF.server(staff))
}

/// A new tenant of a strict server with the same schemas.
pub(crate) fn strict_staff_tenant() -> Client {
    new_tenant(&STRICT_STAFF.server(|| {
        let mut choice = staff();
        choice.settings.client.leniency = Leniency::Strict;
        choice
    }))
}

fn staff() -> Choice {
    let text = include_str!("../../fixtures/conformance/extension.json");
    Choice {
        schemas: vec![("extension.json".to_owned(), text.to_owned())],
        ..Choice::default()
    }
}

/// A tenant of a server that no other test shares, for tests that need settings of their own or
/// break the server.
pub(crate) fn tenant_with(choice: Choice) -> Client {
    new_tenant(&Arc::new(HttpServer::start_with(choice)))
}

/// Another token of the same tenant.
pub(crate) fn token_for(client: &Client) -> Client {
    another_token(client, Token::default())
}

/// A token that may only read.
pub(crate) fn read_only_token(client: &Client) -> Client {
    another_token(
        client,
        Token {
            read_only: true,
            ..Token::default()
        },
    )
}

/// A token that expired a second ago.
pub(crate) fn expired_token(client: &Client) -> Client {
    another_token(
        client,
        Token {
            expires: Some(Utc::now() - Duration::seconds(1)),
            ..Token::default()
        },
    )
}

/// Revokes a client's token, and waits until no server has it in its cache, as `scim-server token
/// revoke` does.
pub(crate) fn revoke(client: &Client) {
    let revoked = client
        .server
        .store
        .revoke_token(client.token_id, Utc::now())
        .expect("a working store");
    assert!(revoked, "the token existed");
    std::thread::sleep(scim_server::token::CACHE_LIFETIME);
}

fn new_tenant(server: &Arc<HttpServer>) -> Client {
    let name = format!("tenant-{}", Uuid::now_v7());
    let id = server
        .store
        .create_tenant(&name, Utc::now())
        .expect("a working store");
    client(server, id, Token::default())
}

fn another_token(other: &Client, wanted: Token) -> Client {
    client(&other.server, other.tenant, wanted)
}

fn client(server: &Arc<HttpServer>, tenant: TenantId, wanted: Token) -> Client {
    let (secret, token_id) = create_token(&*server.store, tenant, wanted);
    Client::new(server, tenant, token_id, &secret)
}
