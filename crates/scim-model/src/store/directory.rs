//! The port to tenants and their tokens.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::error::StoreError;

/// Tenants and their bearer tokens. Secrets never come here: only their SHA-256.
pub trait Directory: Send + Sync {
    /// Creates a tenant.
    ///
    /// # Errors
    /// `Conflict` on `name` when there is one of that name.
    fn create_tenant(&self, name: &str, now: DateTime<Utc>) -> Result<TenantId, StoreError>;

    /// All tenants, by name; not those that are being deleted.
    ///
    /// # Errors
    /// `Unavailable`.
    fn tenants(&self) -> Result<Vec<Tenant>, StoreError>;

    /// Deletes a tenant with everything it owns; `false` when there is none. All access ends at once and
    /// the name is free again; the rest goes in steps that others can write between. When the last step
    /// is not reached, nobody sees what is left, and the next call goes on, as
    /// [`Directory::continue_deletion`] does.
    ///
    /// # Errors
    /// `Unavailable`.
    fn delete_tenant(&self, name: &str) -> Result<bool, StoreError>;

    /// Takes one step of a deletion that was interrupted: of a tenant that had this name, or of any.
    /// `false` when there is none.
    ///
    /// # Errors
    /// `Busy`, `Unavailable`.
    fn continue_deletion(&self, name: Option<&str>) -> Result<bool, StoreError>;

    /// Stores a token.
    ///
    /// # Errors
    /// `Unavailable`.
    fn create_token(&self, token: &NewToken) -> Result<(), StoreError>;

    /// The tokens of a tenant, or all.
    ///
    /// # Errors
    /// `Unavailable`.
    fn tokens(&self, tenant: Option<TenantId>) -> Result<Vec<Token>, StoreError>;

    /// Revokes a token; `false` when there is none of that id.
    ///
    /// # Errors
    /// `Unavailable`.
    fn revoke_token(&self, id: Uuid, now: DateTime<Utc>) -> Result<bool, StoreError>;

    /// The token of a hash, revoked and expired ones included.
    ///
    /// # Errors
    /// `Unavailable`.
    fn token_by_hash(&self, sha256: &[u8; 32]) -> Result<Option<Token>, StoreError>;
}

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// For calls.
    pub id: TenantId,
    /// For people.
    pub name: String,
    /// When it was created.
    pub created: DateTime<Utc>,
}

/// A token to store.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Names the token without being secret.
    pub id: Uuid,
    /// Whose.
    pub tenant: TenantId,
    /// SHA-256 of the secret.
    pub sha256: [u8; 32],
    /// When it was created.
    pub created: DateTime<Utc>,
    /// When it ends.
    pub expires: Option<DateTime<Utc>>,
    /// It may only read: a write is answered `403` (RFC 6750 section 3.1, insufficient_scope).
    pub read_only: bool,
    /// What it is for.
    pub note: String,
}

/// A stored token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Names the token without being secret.
    pub id: Uuid,
    /// Whose.
    pub tenant: TenantId,
    /// The tenant's name.
    pub tenant_name: String,
    /// When it was created.
    pub created: DateTime<Utc>,
    /// When it ends.
    pub expires: Option<DateTime<Utc>>,
    /// When it was revoked.
    pub revoked: Option<DateTime<Utc>>,
    /// It may only read: a write is answered `403` (RFC 6750 section 3.1, insufficient_scope).
    pub read_only: bool,
    /// What it is for.
    pub note: String,
}

/// A tenant, as the directory knows it. Every call on resources names one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TenantId(pub i64);
