//! OAuth clients of connections, and their secrets.

use chrono::{DateTime, TimeDelta, Utc};
use scim_model::store::{
    Client, ClientMethod, Connection, Credentials, KeySource, NewClient, Secret, SecretAdded, check_label,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Access, ManagementError, Timestamp};
use crate::egress::Egress;
use crate::oauth::key_set;
use crate::oauth::registration::{self, InvalidValue};
pub use crate::oauth::registration::{LONGEST_SECRET_DAYS, SECRET_DAYS};
use crate::token;

/// The days before its expiry for which a secret is shown as expiring.
const EXPIRING_DAYS: i64 = 30;

/// The part of an OAuth client that a federation has too.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CredentialView {
    /// The id, which the journal and events name.
    pub id: Uuid,
    /// The id at the token endpoint.
    pub client_id: String,
    /// The name of the tenant.
    pub tenant: String,
    /// The name of the connection.
    pub connection: String,
    /// The name that its creator gave it; it may be empty.
    pub name: String,
    /// `active`, `disabled`, or `paused` with its connection.
    pub state: String,
    /// The operations that access tokens allow.
    pub scope: Access,
    /// Time of creation.
    pub created: Timestamp,
    /// The approximate time of the last access token; `null` before the first one.
    pub last_used: Option<Timestamp>,
}

impl CredentialView {
    /// Returns the common part of a client.
    pub fn of(client: &Client) -> CredentialView {
        CredentialView {
            id: client.id,
            client_id: client.client_id.clone(),
            tenant: client.tenant_name.clone(),
            connection: client.connection.name.clone(),
            name: client.name.clone(),
            state: registration::state(client).to_owned(),
            scope: Access::of(client.read_only),
            created: client.created.into(),
            last_used: client.last_used.map(Timestamp),
        }
    }
}

/// An OAuth client as operators see it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientView {
    /// The client.
    #[serde(flatten)]
    pub client: CredentialView,
    /// The public keys of a client that signs assertions; `null` for one with secrets.
    pub keys: Option<Keys>,
    /// The secrets in order of creation, without their texts.
    pub secrets: Vec<SecretView>,
}

impl ClientView {
    /// Returns what operators see of a client; `None` for a federation.
    pub fn of(client: &Client, now: DateTime<Utc>) -> Option<ClientView> {
        let ClientMethod::Client { keys } = &client.method else {
            return None;
        };
        Some(ClientView {
            client: CredentialView::of(client),
            keys: keys.as_ref().map(Keys::of),
            secrets: client.secrets.iter().map(|it| SecretView::of(it, now)).collect(),
        })
    }
}

/// Public keys: either the URL of a JWK set, or the set itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// The `https` URL of a JWK set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// A JWK set with public keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub inline: Option<Value>,
}

impl Keys {
    /// Returns the public part of stored keys.
    pub fn of(keys: &KeySource) -> Keys {
        match keys {
            KeySource::Url(url) => Keys {
                url: Some(url.clone()),
                inline: None,
            },
            KeySource::Inline(text) => Keys {
                url: None,
                inline: Some(key_set::public_part(text)),
            },
        }
    }

    /// Returns the keys in the form in which they are stored.
    ///
    /// # Errors
    /// `Invalid` unless there is either a URL or a set without secret keys.
    pub fn source(&self) -> Result<KeySource, ManagementError> {
        match (&self.url, &self.inline) {
            (Some(url), None) => Ok(KeySource::Url(url.clone())),
            (None, Some(set)) => {
                let text = set.to_string();
                key_set::refuse_secret_keys(&text)
                    .map_err(|it| ManagementError::invalid("keys.inline", it.to_string()))?;
                Ok(KeySource::Inline(text))
            }
            _ => Err(ManagementError::invalid(
                "keys",
                "expected either `url` or `inline`",
            )),
        }
    }
}

/// A secret of a client, without its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretView {
    /// The id.
    pub id: Uuid,
    /// The name that its creator gave it; it may be empty.
    pub name: String,
    /// The last four characters of the secret.
    pub last_four: String,
    /// Whether the secret is accepted, and whether that ends within 30 days.
    pub state: SecretState,
    /// Time of creation.
    pub created: Timestamp,
    /// Time of expiry.
    pub expires: Timestamp,
    /// The approximate time of the last use; `null` before the first one.
    pub last_used: Option<Timestamp>,
}

/// See [`SecretView::state`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum SecretState {
    /// It is accepted.
    Valid,
    /// It is accepted for less than 30 days.
    Expiring,
    /// Its time is over.
    Expired,
}

impl SecretView {
    fn of(secret: &Secret, now: DateTime<Utc>) -> SecretView {
        SecretView {
            id: secret.id,
            name: secret.name.clone(),
            last_four: secret.last_four.clone(),
            state: match secret.expires - now {
                left if left <= TimeDelta::zero() => SecretState::Expired,
                left if left <= TimeDelta::days(EXPIRING_DAYS) => SecretState::Expiring,
                _ => SecretState::Valid,
            },
            created: secret.created.into(),
            expires: secret.expires.into(),
            last_used: secret.last_used.map(Timestamp),
        }
    }
}

/// The properties of a client to create.
#[derive(Clone, Debug)]
pub struct ClientRequest<'a> {
    /// Identifies the client in the journal.
    pub id: Uuid,
    /// A name for the client; it may be empty.
    pub name: &'a str,
    /// The access that the client gets.
    pub access: Access,
    /// The days for which its secret is valid.
    pub days: u32,
    /// The keys of a client that signs assertions; such a client gets no secret.
    pub keys: Option<KeySource>,
}

/// A client or a federation that was created, with its secret, which is shown once.
#[derive(Debug)]
pub struct IssuedClient {
    /// The stored client.
    pub client: NewClient,
    /// The text of its secret.
    pub secret: Option<String>,
    /// A problem that may go away, such as a host that does not exist now.
    pub warning: Option<String>,
}

/// Creates a client of a connection. `egress` has the rules for the URL of its keys.
///
/// # Errors
/// `Invalid` for a name, lifetime or keys that are not valid; `NotFound` when the connection has just been deleted.
pub fn create(
    store: &(impl Credentials + ?Sized),
    connection: &Connection,
    request: &ClientRequest,
    egress: &Egress,
    now: DateTime<Utc>,
) -> Result<IssuedClient, ManagementError> {
    check_label(request.name).map_err(|it| ManagementError::invalid("name", it.to_string()))?;
    check_days(request.days)?;
    let warning = match &request.keys {
        Some(keys) => registration::check_keys(keys, egress)?,
        None => None,
    };
    let method = ClientMethod::Client {
        keys: request.keys.clone(),
    };
    let read_only = request.access.is_read_only();
    let mut client = registration::new_client(connection, request.name, method, read_only, now)?;
    client.id = request.id;
    let mut shown = None;
    if request.keys.is_none() {
        let (secret, text) = registration::new_secret("", request.days, now)?;
        client.secrets = vec![secret];
        shown = Some(text);
    }
    self::store(store, connection, &client)?;
    Ok(IssuedClient {
        client,
        secret: shown,
        warning,
    })
}

/// Stores a client or a federation of a connection.
///
/// # Errors
/// `NotFound` when the connection has just been deleted.
pub fn store(
    store: &(impl Credentials + ?Sized),
    connection: &Connection,
    client: &NewClient,
) -> Result<(), ManagementError> {
    match store.create_client(client)? {
        true => Ok(()),
        false => {
            let text = format!("the connection `{}` has just been deleted", connection.name);
            Err(ManagementError::not_found("connection", text))
        }
    }
}

fn check_days(days: u32) -> Result<(), ManagementError> {
    match (1..=LONGEST_SECRET_DAYS).contains(&days) {
        true => Ok(()),
        false => {
            let detail = format!("expected a number from 1 to {LONGEST_SECRET_DAYS}");
            Err(ManagementError::invalid("days", detail))
        }
    }
}

impl From<InvalidValue> for ManagementError {
    fn from(value: InvalidValue) -> ManagementError {
        ManagementError::invalid(value.field, value.detail)
    }
}

/// Finds a client or a federation by its id at the token endpoint.
///
/// # Errors
/// `NotFound`.
pub fn find(store: &(impl Credentials + ?Sized), client_id: &str) -> Result<Client, ManagementError> {
    store.client(client_id)?.ok_or_else(|| no_client(client_id))
}

/// Returns the error for an unknown client.
pub fn no_client(client_id: &str) -> ManagementError {
    ManagementError::not_found("id", format!("there is no client `{client_id}`"))
}

/// A secret that was added, with its text, which is shown once.
#[derive(Debug)]
pub struct AddedSecret {
    /// The view of the secret for operators.
    pub view: SecretView,
    /// Its text.
    pub text: String,
}

/// Adds a secret to a client.
///
/// # Errors
/// `Invalid` for a name or lifetime that is not valid; `NotFound`; `Refused` for a federation, or for a client with too
/// many valid secrets.
pub fn add_secret(
    store: &(impl Credentials + ?Sized),
    client_id: &str,
    id: Uuid,
    name: &str,
    days: u32,
    now: DateTime<Utc>,
) -> Result<AddedSecret, ManagementError> {
    check_label(name).map_err(|it| ManagementError::invalid("name", it.to_string()))?;
    check_days(days)?;
    let client = find(store, client_id)?;
    if matches!(client.method, ClientMethod::Federation(_)) {
        let text = format!("`{client_id}` is a federation, which has no secrets");
        return Err(ManagementError::Refused(text));
    }
    let (mut new, text) = registration::new_secret(name, days, now)?;
    new.id = id;
    match store.add_secret(client_id, &new)? {
        SecretAdded::Done => {}
        SecretAdded::NoClient => return Err(no_client(client_id)),
        SecretAdded::TooMany => {
            let most = Client::MAX_SECRETS;
            let text = format!("the client has {most} valid secrets: delete one first");
            return Err(ManagementError::Refused(text));
        }
    }
    let view = SecretView {
        id: new.id,
        name: new.name,
        last_four: token::last_four(&text),
        state: SecretState::Valid,
        created: new.created.into(),
        expires: new.expires.into(),
        last_used: None,
    };
    Ok(AddedSecret { view, text })
}

/// Deletes a secret with its access tokens. Servers follow within a second.
///
/// # Errors
/// `NotFound`.
pub fn delete_secret(
    store: &(impl Credentials + ?Sized),
    client_id: &str,
    id: Uuid,
) -> Result<(), ManagementError> {
    match store.delete_secret(client_id, id)? {
        true => Ok(()),
        false => {
            let text = format!("the client `{client_id}` has no secret `{id}`");
            Err(ManagementError::not_found("secret", text))
        }
    }
}

/// Disables or enables a client or a federation. Servers follow within a second.
///
/// # Errors
/// `NotFound`.
pub fn disable(
    store: &(impl Credentials + ?Sized),
    client_id: &str,
    disabled: bool,
) -> Result<(), ManagementError> {
    match store.disable_client(client_id, disabled)? {
        true => Ok(()),
        false => Err(no_client(client_id)),
    }
}

/// Deletes a client or a federation with its access tokens. Servers follow within a second.
///
/// # Errors
/// `NotFound`.
pub fn delete(
    store: &(impl Credentials + ?Sized),
    client_id: &str,
    now: DateTime<Utc>,
) -> Result<(), ManagementError> {
    match store.delete_client(client_id, now)? {
        true => Ok(()),
        false => Err(no_client(client_id)),
    }
}
