//! The port to OAuth clients, their secrets and keys, and the access tokens that they get.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::connection::{Connection, ConnectionId, ConnectionState};
use super::deleted::CredentialKind;
use super::error::StoreError;
use super::tenant::TenantId;

/// The OAuth clients of connections. A store keeps SHA-256 of secrets and tokens, and never the secrets and tokens.
///
/// **Invariants.** A client belongs to one connection, and ends with it. A secret and an access token end with their
/// client, and an access token ends with the secret that it was issued for.
pub trait Credentials: Send + Sync {
    /// Stores a client, and returns whether the tenant has its connection.
    ///
    /// # Errors
    /// `Conflict` on `clientId` if a client of any tenant has the id, and on `federation` if another federation of the
    /// tenant accepts the same assertions ([`Federation::is_twin`]), also when both are stored at the same time.
    fn create_client(&self, client: &NewClient) -> Result<bool, StoreError>;

    /// Returns the clients of a tenant, or of all tenants, in order of tenant and creation.
    ///
    /// # Errors
    /// `Unavailable`.
    fn clients(&self, tenant: Option<TenantId>) -> Result<Vec<Client>, StoreError>;

    /// Returns the client with this public id, also if it cannot be used.
    ///
    /// # Errors
    /// `Unavailable`.
    fn client(&self, client_id: &str) -> Result<Option<Client>, StoreError>;

    /// Changes a client, and returns whether it exists.
    ///
    /// # Errors
    /// `Stale` if the client is not the one that the change expects, or its method not the one that the change replaces.
    /// `Conflict` on `federation` if it makes a federation the twin of another one, as in
    /// [`create_client`](Credentials::create_client).
    fn change_client(&self, client_id: &str, change: &ClientChange) -> Result<bool, StoreError>;

    /// Disables or enables a client, and returns whether it exists. A disabled client gets no tokens, and its
    /// tokens are deleted, so that they do not come back when it is enabled.
    ///
    /// # Errors
    /// `Unavailable`.
    fn disable_client(&self, client_id: &str, disabled: bool) -> Result<bool, StoreError> {
        let change = ClientChange {
            disabled: Some(disabled),
            ..ClientChange::default()
        };
        self.change_client(client_id, &change)
    }

    /// Deletes a client with its secrets and access tokens, and returns whether it existed. The client joins
    /// [`Directory::deleted_credentials`](super::Directory::deleted_credentials).
    ///
    /// # Errors
    /// `Unavailable`.
    fn delete_client(&self, client_id: &str, now: DateTime<Utc>) -> Result<bool, StoreError>;

    /// Stores a secret, unless the client does not exist or has [`Client::MAX_SECRETS`] valid ones already.
    ///
    /// # Errors
    /// `Unavailable`.
    fn add_secret(&self, client_id: &str, secret: &NewSecret) -> Result<SecretAdded, StoreError>;

    /// Deletes a secret with the access tokens that were issued for it, and returns whether it existed.
    ///
    /// # Errors
    /// `Unavailable`.
    fn delete_secret(&self, client_id: &str, secret: Uuid) -> Result<bool, StoreError>;

    /// Stores an access token, records the use of client and secret, and remembers the assertion, in one transaction.
    /// Nothing is stored if the assertion was used before.
    ///
    /// # Errors
    /// `Unavailable`.
    fn issue_access_token(&self, new: &NewAccessToken) -> Result<TokenIssued, StoreError>;

    /// Returns whether an assertion that is good once was used before.
    ///
    /// # Errors
    /// `Unavailable`.
    fn is_assertion_used(&self, digest: &[u8; 32]) -> Result<bool, StoreError>;

    /// Returns the access token with this hash, even if it is expired. A token whose client is disabled does not
    /// exist. The caller refuses a token whose connection is paused.
    ///
    /// # Errors
    /// `Unavailable`.
    fn access_token(&self, sha256: &[u8; 32]) -> Result<Option<AccessToken>, StoreError>;

    /// Returns the secrets that expire after one time and before another, soonest first. A secret is left out if its client
    /// has a newer one that expires later.
    ///
    /// # Errors
    /// `Unavailable`.
    fn expiring_secrets(
        &self,
        after: DateTime<Utc>,
        before: DateTime<Utc>,
    ) -> Result<Vec<ExpiringSecret>, StoreError>;

    /// Deletes at most `most` access tokens and remembered assertions that expired before a time, and returns their
    /// number.
    ///
    /// # Errors
    /// `Busy`, `Unavailable`.
    fn delete_expired(&self, before: DateTime<Utc>, most: u32) -> Result<usize, StoreError>;
}

/// The way in which a client proves its identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum ClientMethod {
    /// The client has secrets, signs assertions with its keys (`private_key_jwt`), or both.
    #[serde(rename_all = "camelCase")]
    Client {
        /// The keys of the client.
        keys: Option<KeySource>,
    },
    /// Assertions of an external issuer (workload identity federation).
    Federation(Federation),
}

impl ClientMethod {
    /// Returns the kind of credential.
    pub fn kind(&self) -> CredentialKind {
        match self {
            ClientMethod::Client { .. } => CredentialKind::Client,
            ClientMethod::Federation(_) => CredentialKind::Federation,
        }
    }
}

/// The place of public keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum KeySource {
    /// The URL of a JWK set.
    Url(String),
    /// The text of a JWK set.
    Inline(String),
}

/// The trust in an external issuer. Every value is compared character by character.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Federation {
    /// The issuer of the assertions.
    pub issuer: String,
    /// The subject of the assertions.
    pub subject: String,
    /// The accepted audiences. An assertion names one of them.
    pub audiences: Vec<String>,
    /// The keys of the issuer.
    pub keys: KeySource,
    /// Further claims that an assertion must have.
    #[serde(default)]
    pub claims: BTreeMap<String, String>,
    /// Whether an assertion is good for one token only.
    #[serde(default)]
    pub single_use: bool,
    /// The names of accepted algorithms; empty for the server's defaults.
    #[serde(default)]
    pub algorithms: Vec<String>,
}

impl Federation {
    /// Returns whether another federation has the same issuer, subject and audiences, in any order. Both would accept the
    /// same assertions, and which of them issues a token would depend on the client id alone.
    pub fn is_twin(&self, other: &Federation) -> bool {
        let audiences = |it: &Federation| it.audiences.iter().cloned().collect::<BTreeSet<_>>();
        self.issuer == other.issuer && self.subject == other.subject && audiences(self) == audiences(other)
    }
}

/// A client to store.
#[derive(Clone, Debug)]
pub struct NewClient {
    /// Identifies the client in the journal.
    pub id: Uuid,
    /// The tenant that the client belongs to.
    pub tenant: TenantId,
    /// The connection that the client belongs to.
    pub connection: ConnectionId,
    /// Identifies the client at the token endpoint.
    pub client_id: String,
    /// The name that its creator gave the client; it may be empty.
    pub name: String,
    /// The way in which the client proves its identity.
    pub method: ClientMethod,
    /// Whether the client gets read access only.
    pub read_only: bool,
    /// Whether the client gets no tokens until it is enabled.
    pub disabled: bool,
    /// Time of creation.
    pub created: DateTime<Utc>,
    /// Its secrets, at most [`Client::MAX_SECRETS`].
    pub secrets: Vec<NewSecret>,
}

/// A stored client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Identifies the client in the journal.
    pub id: Uuid,
    /// The connection that the client belongs to, and by it the tenant that the client gets access to.
    pub connection: Connection,
    /// Name of the tenant.
    pub tenant_name: String,
    /// Identifies the client at the token endpoint.
    pub client_id: String,
    /// The name that its creator gave the client; it may be empty.
    pub name: String,
    /// The way in which the client proves its identity.
    pub method: ClientMethod,
    /// Whether the client gets read access only.
    pub read_only: bool,
    /// Whether the client was disabled.
    pub disabled: bool,
    /// Time of creation.
    pub created: DateTime<Utc>,
    /// The approximate time of the last token; `None` before the first one.
    pub last_used: Option<DateTime<Utc>>,
    /// The secrets in order of creation, also those that have expired.
    pub secrets: Vec<Secret>,
}

impl Client {
    /// The most valid secrets of a client.
    pub const MAX_SECRETS: usize = 5;

    /// Returns whether the client may get tokens: it is not disabled, and its connection is not paused.
    pub fn is_active(&self) -> bool {
        !self.disabled && self.connection.state == ConnectionState::Active
    }
}

/// A change of a client. The parts that are not named stay as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientChange {
    /// The new name.
    pub name: Option<String>,
    /// The new method.
    pub method: Option<MethodChange>,
    /// Whether the client and its access tokens are refused from now on.
    pub disabled: Option<bool>,
    /// The client as it was read. If its name, method or state has changed since, nothing is changed.
    pub expected: Option<Box<Client>>,
}

/// A change of the way in which a client proves its identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodChange {
    /// The method as it was read. Two changes at the same time do not overwrite each other.
    pub old: ClientMethod,
    /// The new method.
    pub new: ClientMethod,
    /// Whether the access tokens end that were issued for assertions.
    pub ends_tokens: bool,
}

/// A secret to store.
#[derive(Clone, Debug)]
pub struct NewSecret {
    /// Identifies the secret without being secret.
    pub id: Uuid,
    /// SHA-256 of the secret.
    pub sha256: [u8; 32],
    /// The last four characters of the secret, which help an operator to recognise it.
    pub last_four: String,
    /// The name that its creator gave the secret; it may be empty.
    pub name: String,
    /// Time of creation.
    pub created: DateTime<Utc>,
    /// Time of expiry.
    pub expires: DateTime<Utc>,
}

/// A stored secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    /// Identifies the secret without being secret.
    pub id: Uuid,
    /// SHA-256 of the secret.
    pub sha256: [u8; 32],
    /// The last four characters of the secret.
    pub last_four: String,
    /// The name that its creator gave the secret; it may be empty.
    pub name: String,
    /// Time of creation.
    pub created: DateTime<Utc>,
    /// Time of expiry.
    pub expires: DateTime<Utc>,
    /// The approximate time of the last use; `None` before the first one.
    pub last_used: Option<DateTime<Utc>>,
}

/// A secret that expires soon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpiringSecret {
    /// Identifies the secret without being secret.
    pub id: Uuid,
    /// Identifies the client at the token endpoint.
    pub client_id: String,
    /// Name of the tenant.
    pub tenant_name: String,
    /// Name of the connection.
    pub connection_name: String,
    /// Time of expiry.
    pub expires: DateTime<Utc>,
}

/// The result of adding a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretAdded {
    /// It is stored.
    Done,
    /// The client does not exist.
    NoClient,
    /// The client has too many valid secrets.
    TooMany,
}

/// An access token to store.
#[derive(Clone, Debug)]
pub struct NewAccessToken {
    /// SHA-256 of the token.
    pub sha256: [u8; 32],
    /// The tenant of the client.
    pub tenant: TenantId,
    /// The client that gets the token.
    pub client: Uuid,
    /// The secret that the client used; `None` when it sent an assertion.
    pub secret: Option<Uuid>,
    /// Whether the token gives read access only.
    pub read_only: bool,
    /// Time of creation.
    pub created: DateTime<Utc>,
    /// Time of expiry.
    pub expires: DateTime<Utc>,
    /// A digest of the assertion that must not be used again, and the time after which it is refused anyway.
    pub assertion: Option<([u8; 32], DateTime<Utc>)>,
    /// The method that the assertion was checked against; `None` when the client sent a secret.
    pub checked: Option<ClientMethod>,
}

/// The result of storing an access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenIssued {
    /// It is stored.
    Done,
    /// The assertion was used before.
    Replayed,
    /// The client or the secret was deleted during the request.
    Gone,
    /// The client was disabled, or has got another method since the assertion was checked.
    Changed,
}

/// A stored access token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessToken {
    /// The id of the client in the journal.
    pub client: Uuid,
    /// The name that its creator gave the client; it may be empty.
    pub client_name: String,
    /// The connection of the client.
    pub connection: Connection,
    /// Name of the tenant.
    pub tenant_name: String,
    /// Whether the token gives read access only.
    pub read_only: bool,
    /// Time of expiry.
    pub expires: DateTime<Utc>,
}
