//! The port to tenants and their tokens.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::error::StoreError;

/// The directory of tenants and their bearer tokens. It stores the SHA-256 of a token, and never the token.
pub trait Directory: Send + Sync {
    /// Creates a tenant.
    ///
    /// # Errors
    /// `Conflict` on `name` if a tenant has the name.
    fn create_tenant(&self, name: &str, now: DateTime<Utc>) -> Result<TenantId, StoreError>;

    /// Returns all tenants in order of name, without tenants that are being deleted.
    ///
    /// # Errors
    /// `Unavailable`.
    fn tenants(&self) -> Result<Vec<Tenant>, StoreError>;

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

    /// Stores a token.
    ///
    /// # Errors
    /// `Unavailable`.
    fn create_token(&self, token: &NewToken) -> Result<(), StoreError>;

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

    /// Returns the token with this hash, even if it is revoked or expired.
    ///
    /// # Errors
    /// `Unavailable`.
    fn token_by_hash(&self, sha256: &[u8; 32]) -> Result<Option<Token>, StoreError>;
}

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Identifies the tenant in calls.
    pub id: TenantId,
    /// Identifies the tenant in the configuration and in answers to operators.
    pub name: String,
    /// Time of creation.
    pub created: DateTime<Utc>,
}

/// A token to store.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Identifies the token without being secret.
    pub id: Uuid,
    /// The tenant that the token gives access to.
    pub tenant: TenantId,
    /// SHA-256 of the token.
    pub sha256: [u8; 32],
    /// Time of creation.
    pub created: DateTime<Utc>,
    /// Time of expiry; `None` is never.
    pub expires: Option<DateTime<Utc>>,
    /// Whether the token gives read access only (RFC 6750 section 3.1, `insufficient_scope`).
    pub read_only: bool,
    /// The purpose of the token, as its creator noted it.
    pub note: String,
}

/// A stored token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Identifies the token without being secret.
    pub id: Uuid,
    /// The tenant that the token gives access to.
    pub tenant: TenantId,
    /// Name of the tenant.
    pub tenant_name: String,
    /// Time of creation.
    pub created: DateTime<Utc>,
    /// Time of expiry; `None` is never.
    pub expires: Option<DateTime<Utc>>,
    /// Time of revocation, if it was revoked.
    pub revoked: Option<DateTime<Utc>>,
    /// Whether the token gives read access only (RFC 6750 section 3.1, `insufficient_scope`).
    pub read_only: bool,
    /// The purpose of the token, as its creator noted it.
    pub note: String,
}

/// The number of a tenant. Every call on resources names one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TenantId(pub i64);
