//! The port to tenants, their connections and their tokens.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::connection::{Connection, ConnectionChange, ConnectionId};
use super::deleted::{DeletedConnection, DeletedCredential};
use super::error::StoreError;
use super::tenant::{Tenant, TenantId};

/// The directory of tenants, their connections and their bearer tokens. It stores the SHA-256 of a token, and never
/// the token.
///
/// **Invariants.** Every tenant has a connection named [`Connection::DEFAULT`]. A token belongs to one connection, and
/// ends with it.
pub trait Directory: Send + Sync {
    /// Creates a tenant with its connection [`Connection::DEFAULT`].
    ///
    /// # Errors
    /// `Conflict` on `name` if a tenant has the name.
    fn create_tenant(&self, name: &str, now: DateTime<Utc>) -> Result<TenantId, StoreError>;

    /// Returns all tenants in order of name, without tenants that are being deleted.
    ///
    /// # Errors
    /// `Unavailable`.
    fn tenants(&self) -> Result<Vec<Tenant>, StoreError>;

    /// Renames a tenant that has the name `from`, and returns whether there is such a tenant.
    ///
    /// # Errors
    /// `Conflict` on `name` if a tenant has the name `to`.
    fn rename_tenant(&self, from: &str, to: &str) -> Result<bool, StoreError>;

    /// Hides a tenant, and returns whether it existed. All access ends at once, and the name is free again. The data
    /// remains until [`Directory::continue_deletion`] has taken the last step.
    ///
    /// # Errors
    /// `Unavailable`.
    fn hide_tenant(&self, name: &str) -> Result<bool, StoreError>;

    /// Deletes a tenant with everything it owns, and returns whether it existed. All access ends at once, and
    /// the name is free again. The data is deleted in steps, between which others can write. If the process
    /// ends before the last step, the remaining data is invisible, and the next call of this method or of
    /// [`Directory::continue_deletion`] continues.
    ///
    /// # Errors
    /// `Unavailable`.
    fn delete_tenant(&self, name: &str) -> Result<bool, StoreError>;

    /// Takes one step of an interrupted deletion: of a tenant that had this name, or of any tenant. Returns
    /// whether there was such a deletion.
    ///
    /// # Errors
    /// `Busy`, `Unavailable`.
    fn continue_deletion(&self, name: Option<&str>) -> Result<bool, StoreError>;

    /// Stores a connection, and returns whether its tenant exists.
    ///
    /// # Errors
    /// `Conflict` on `name` if the tenant has a connection with the name, and on `id` if one has the id.
    fn create_connection(&self, connection: &Connection) -> Result<bool, StoreError>;

    /// Returns the connections of a tenant in order of name.
    ///
    /// # Errors
    /// `Unavailable`.
    fn connections(&self, tenant: TenantId) -> Result<Vec<Connection>, StoreError>;

    /// Returns the connection of a tenant with this name.
    ///
    /// # Errors
    /// `Unavailable`.
    fn connection(&self, tenant: TenantId, name: &str) -> Result<Option<Connection>, StoreError>;

    /// Changes a connection, and returns it as it is after the change, or `None` if it does not exist.
    ///
    /// # Errors
    /// `Stale` if the connection is not the expected one; `Unavailable`.
    fn change_connection(
        &self,
        tenant: TenantId,
        id: ConnectionId,
        change: &ConnectionChange,
    ) -> Result<Option<Connection>, StoreError>;

    /// Deletes a connection with all its credentials, unless it is the tenant's [`Connection::DEFAULT`]. Returns
    /// whether a connection was deleted. Its name is free at once. The connection and its credentials join the deleted
    /// ones, and remain there until the tenant is deleted.
    ///
    /// # Errors
    /// `Unavailable`.
    fn delete_connection(
        &self,
        tenant: TenantId,
        id: ConnectionId,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError>;

    /// Returns the deleted connections of a tenant, in order of deletion.
    ///
    /// # Errors
    /// `Unavailable`.
    fn deleted_connections(&self, tenant: TenantId) -> Result<Vec<DeletedConnection>, StoreError>;

    /// Returns the deleted credentials of a tenant, or of all tenants, in order of tenant and deletion.
    ///
    /// # Errors
    /// `Unavailable`.
    fn deleted_credentials(&self, tenant: Option<TenantId>) -> Result<Vec<DeletedCredential>, StoreError>;

    /// Stores a token, and returns whether the tenant has its connection.
    ///
    /// # Errors
    /// `Unavailable`.
    fn create_token(&self, token: &NewToken) -> Result<bool, StoreError>;

    /// Returns the tokens of a tenant, or of all tenants.
    ///
    /// # Errors
    /// `Unavailable`.
    fn tokens(&self, tenant: Option<TenantId>) -> Result<Vec<Token>, StoreError>;

    /// Revokes a token, and returns whether it exists. The time of the first revocation stays.
    ///
    /// # Errors
    /// `Unavailable`.
    fn revoke_token(&self, id: Uuid, now: DateTime<Utc>) -> Result<bool, StoreError>;

    /// Brings the expiry of a token forward that another one replaces, and returns whether it exists. A token that expires
    /// earlier keeps its time.
    ///
    /// # Errors
    /// `Unavailable`.
    fn expire_token(&self, id: Uuid, at: DateTime<Utc>) -> Result<bool, StoreError>;

    /// Records that a token was used, unless a use within the minute before is recorded.
    ///
    /// # Errors
    /// `Busy`, `Unavailable`.
    fn record_token_use(&self, id: Uuid, now: DateTime<Utc>) -> Result<(), StoreError>;

    /// Returns the tokens that expire at or after `after` and before `before`, without those that were revoked or replaced.
    ///
    /// # Errors
    /// `Unavailable`.
    fn expiring_tokens(&self, after: DateTime<Utc>, before: DateTime<Utc>) -> Result<Vec<Token>, StoreError>;

    /// Returns the token with this hash, even if it is revoked or expired.
    ///
    /// # Errors
    /// `Unavailable`.
    fn token_by_hash(&self, sha256: &[u8; 32]) -> Result<Option<Token>, StoreError>;
}

/// A token to store.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Identifies the token without being secret.
    pub id: Uuid,
    /// The tenant that the token gives access to.
    pub tenant: TenantId,
    /// The connection of the tenant that the token belongs to.
    pub connection: ConnectionId,
    /// SHA-256 of the token.
    pub sha256: [u8; 32],
    /// The last four characters of the token, for an operator to recognise it.
    pub last_four: String,
    /// Time of creation.
    pub created: DateTime<Utc>,
    /// Time of expiry; `None` is never.
    pub expires: Option<DateTime<Utc>>,
    /// Whether the token gives read access only (RFC 6750 section 3.1, `insufficient_scope`).
    pub read_only: bool,
    /// The name that its creator gave the token; it may be empty.
    pub name: String,
}

/// A stored token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Identifies the token without being secret.
    pub id: Uuid,
    /// The connection that the token belongs to, and by it the tenant that the token gives access to.
    pub connection: Connection,
    /// Name of the tenant.
    pub tenant_name: String,
    /// The last four characters of the token; `None` for a token that was stored without them.
    pub last_four: Option<String>,
    /// Time of creation.
    pub created: DateTime<Utc>,
    /// Time of expiry; `None` is never.
    pub expires: Option<DateTime<Utc>>,
    /// Time of revocation, if it was revoked.
    pub revoked: Option<DateTime<Utc>>,
    /// The approximate time of the last request with the token; `None` if there was none, or it was not recorded.
    pub last_used: Option<DateTime<Utc>>,
    /// Whether the token gives read access only (RFC 6750 section 3.1, `insufficient_scope`).
    pub read_only: bool,
    /// The name that its creator gave the token; it may be empty.
    pub name: String,
}
