//! OAuth client credentials as an identity provider uses them. The name of a test begins with the rule it shows.

mod client_credentials;
mod federation;
#[path = "../oauth/issuer.rs"]
pub mod issuer;
mod metadata;
pub mod processes;

use chrono::{DateTime, TimeDelta, Utc};
use scim_model::store::{ClientMethod, Credentials as _, Directory as _, KeySource, TenantId};
use scim_server::oauth::registration::{new_client, new_secret};

use serde_json::Value;

use crate::harness::{Reply, Server, encode};

const TOKEN: &str = "//oauth2/token";
const FORM: &str = "application/x-www-form-urlencoded";
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A client with its secret.
struct Registered {
    id: String,
    secret: String,
}

/// The properties of a client to register.
struct Wanted {
    method: ClientMethod,
    read_only: bool,
    days: u32,
    created: DateTime<Utc>,
}

impl Default for Wanted {
    fn default() -> Wanted {
        Wanted {
            method: ClientMethod::Client { keys: None },
            read_only: false,
            days: 730,
            created: Utc::now(),
        }
    }
}

fn register(server: &Server, tenant: TenantId, wanted: Wanted) -> Registered {
    let connection = server.store.connection(tenant, "default").unwrap().unwrap();
    let mut client = new_client(
        &connection,
        "Entra",
        wanted.method,
        wanted.read_only,
        wanted.created,
    )
    .unwrap();
    let (secret, text) = new_secret("first", wanted.days, wanted.created).unwrap();
    if matches!(client.method, ClientMethod::Client { .. }) {
        client.secrets = vec![secret];
    }
    assert!(server.store.create_client(&client).unwrap());
    Registered {
        id: client.client_id,
        secret: text,
    }
}

/// A client of a new tenant with a secret.
fn client_of(server: &Server, tenant: &str) -> (TenantId, Registered) {
    let tenant = server.tenant(tenant).tenant.unwrap();
    (tenant, register(server, tenant, Wanted::default()))
}

/// A client that signs its assertions with one of these keys.
fn client_with_keys(server: &Server, tenant: TenantId, keys: &[&issuer::Key]) -> String {
    client_with_jwks(server, tenant, &issuer::jwks(keys))
}

/// A client that signs its assertions with one of the keys of a JWK set.
pub fn client_with_jwks(server: &Server, tenant: TenantId, keys: &Value) -> String {
    let keys = KeySource::Inline(keys.to_string());
    let method = ClientMethod::Client { keys: Some(keys) };
    let wanted = Wanted {
        method,
        ..Wanted::default()
    };
    register(server, tenant, wanted).id
}

fn form(parameters: &[(&str, &str)]) -> String {
    let pairs = parameters
        .iter()
        .map(|(name, value)| format!("{name}={}", encode(value)));
    pairs.collect::<Vec<_>>().join("&")
}

fn post(server: &Server, body: &str) -> Reply {
    let request = server
        .stranger(None)
        .request("POST", TOKEN)
        .header("content-type", FORM)
        .text(body);
    request.send()
}

fn post_with_basic(server: &Server, id: &str, secret: &str, body: &str) -> Reply {
    use base64::Engine as _;
    let pair = base64::prelude::BASE64_STANDARD.encode(format!("{id}:{secret}"));
    let stranger = server.stranger(Some(&format!("Basic {pair}")));
    stranger
        .request("POST", TOKEN)
        .header("content-type", FORM)
        .text(body)
        .send()
}

fn by_secret(server: &Server, client: &Registered) -> Reply {
    post(server, &secret_form(client))
}

fn secret_form(client: &Registered) -> String {
    form(&[
        ("grant_type", "client_credentials"),
        ("client_id", &client.id),
        ("client_secret", &client.secret),
    ])
}

pub fn by_assertion(server: &Server, client_id: Option<&str>, assertion: &str) -> Reply {
    let mut parameters = vec![
        ("grant_type", "client_credentials"),
        ("client_assertion_type", ASSERTION_TYPE),
        ("client_assertion", assertion),
    ];
    parameters.extend(client_id.map(|it| ("client_id", it)));
    post(server, &form(&parameters))
}

/// An access token for a new client with a secret.
pub fn access_token(server: &Server, tenant: TenantId) -> String {
    token(by_secret(server, &register(server, tenant, Wanted::default())))
}

/// The access token of a successful answer.
#[track_caller]
fn token(reply: Reply) -> String {
    reply.expect(200).json()["access_token"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// The status of a read with an access token.
fn read(server: &Server, token: &str) -> u16 {
    let client = server.stranger(Some(&format!("Bearer {token}")));
    client.get("/Users?startIndex=1&count=1").status
}

/// An error of OAuth, with the body that OAuth defines.
#[track_caller]
fn expect_oauth_error(reply: Reply, status: u16, error: &str) -> Reply {
    let reply = reply.expect(status);
    let body = reply.json();
    assert_eq!(body["error"], error, "{body}");
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert_eq!(reply.header("pragma"), Some("no-cache"));
    for (name, value) in body.as_object().unwrap() {
        assert!(["error", "error_description"].contains(&name.as_str()), "{body}");
        let text = value.as_str().unwrap();
        assert!(text.is_ascii() && !text.contains(['"', '\\']), "{text}");
    }
    assert_eq!(reply.header("www-authenticate").is_some(), status == 401);
    reply
}

fn minutes(number: i64) -> TimeDelta {
    TimeDelta::minutes(number)
}
